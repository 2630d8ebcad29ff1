//! `ustack sim`: flows between stacks of ours over shared bottlenecks, in virtual time.
//!
//! | file | answers |
//! | --- | --- |
//! | `options.rs` | what can be asked for, and the simulation that it means |
//! | `recorder.rs` | what is kept while it runs: samples, events, packets |
//! | `plot.rs` | how that is drawn |
//! | `figures.rs` | the table and the JSON at the end |
//!
//! The simulator itself is [`stack_testkit::sim`]. The same options give the same files and the same JSON, byte for
//! byte: nothing reads a clock but the table's line about how long it took.

mod figures;
mod options;
mod plot;
mod recorder;

pub(crate) use options::SimArgs;

use crate::failure::{Failure, Outcome, say};
use link_pcap::{Capture, CaptureConfig};
use recorder::Recorder;
use stack_testkit::sim;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::{Duration, Instant};

/// What stamps in the capture count from: 2026-01-01, as the virtual clock knows no date.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// Runs it, writes the files, prints the figures.
pub(crate) fn run(args: &SimArgs) -> Outcome {
    let config = args.config()?;
    let capture = args.pcap.as_deref().map(capture).transpose()?;
    let events = args.events.as_deref().map(event_file).transpose()?;
    let mut recorder = Recorder::new(config.flows.len(), capture.as_ref(), events)
        .map_err(|error| unwritable(args.pcap.as_deref().unwrap_or(Path::new("the capture")), error))?;
    let start = Instant::now();
    let report = sim::run(&config, &mut recorder).map_err(|error| error.to_string())?;
    let took = start.elapsed();
    if let Some(path) = &args.events {
        recorder.finish_events().map_err(|error| unwritable(path, error))?;
    }
    if let (Some(path), Some(capture)) = (&args.pcap, &capture) {
        capture.flush();
        capture.statistics().failed.map_or(Ok(()), |kind| Err(unwritable(path, kind.into())))?;
    }
    if let Some(path) = &args.plot {
        let svg = plot::chart(args, &config, &report, &recorder).to_svg();
        std::fs::write(path, svg).map_err(|error| unwritable(path, error))?;
    }
    if args.json {
        say(figures::json(args, &config, &report))?;
    } else {
        say(figures::table(args, &config, &report, took))?;
    }
    let broken =
        report.flows.iter().zip(1..).find_map(|(flow, number)| Some((number, flow.failure.as_ref()?)));
    match broken {
        Some((number, why)) => {
            Err(format!("flow {number} ended early: {why}; try less --loss or another --seed").into())
        }
        None => Ok(()),
    }
}

fn capture(path: &Path) -> Outcome<Capture> {
    Capture::create(path, CaptureConfig::new(EPOCH)).map_err(|error| unwritable(path, error))
}

fn event_file(path: &Path) -> Outcome<BufWriter<File>> {
    File::create(path).map(BufWriter::new).map_err(|error| unwritable(path, error))
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::new(
        format_args!("write {}", path.display()),
        error,
        "give a file in a folder that exists and can be written",
    )
}
