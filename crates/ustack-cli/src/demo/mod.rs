//! `ustack demo`: two stacks over a bad line that exists in memory only, HTTP between them, in virtual time.
//!
//! | file | answers |
//! | --- | --- |
//! | `world.rs` | how two hosts and a line are moved through time |
//! | `exchange.rs` | what the two programs on them say |
//! | `record.rs` | what is remembered of the sender |
//!
//! Nothing reads a clock or the system's randomness, so the same options give the same files, byte for byte.

mod exchange;
mod record;
mod world;

use crate::chart::{Chart, Marks, Panel, Series, Shape, thin};
use crate::failure::{Failure, Outcome, say};
use crate::units;
use clap::Args;
use exchange::{Client, Server};
use indicatif::{ProgressBar, ProgressStyle};
use link_impair::ImpairConfig;
use link_pcap::{Capture, CaptureConfig};
use record::{Recorder, Recording};
use serde_json::{Value, json};
use stack_core::Instant;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use trans_tcp::{Cause, TcpInfo};
use world::World;

/// What stamps in the capture count from: 2026-01-01, as the virtual clock knows no date.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);
/// The router's buffer holds what is under way in one round trip, and never less than this.
const LEAST_QUEUE: usize = 32 * 1024;
/// Give up after so much virtual time.
const TOO_LONG: Duration = Duration::from_secs(4 * 3600);

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    ustack demo                                   4 MB over 20 Mbit/s, 40 ms, 0.5 % loss\n  \
    ustack demo --loss 5% --rtt 120 --seed 7      a worse line, another dice\n  \
    ustack demo -6                                the same over IPv6\n  \
    ustack demo --bytes 20M --rate 200 --json     for a script\n\n\
    It needs no root and no device. demo.svg is for a browser, demo.pcapng for Wireshark or tshark (seen by the server).\n\
    The same options give the same files.\n\n\
    Exit status: 0 the content arrived unchanged; 1 it did not, or a file could not be written; 2 wrong options.")]
pub(crate) struct DemoArgs {
    /// Where all chance comes from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Folder for demo.svg and demo.pcapng; made if it does not exist
    #[arg(long, value_name = "DIR", default_value = "ustack-demo")]
    out: PathBuf,

    /// Length of the content
    #[arg(long, value_name = "BYTES", default_value = "4M", value_parser = length)]
    bytes: u64,

    /// Share of packets that the line loses in each direction, such as 0.01 or 1%
    #[arg(long, value_name = "P", default_value = "0.5%", value_parser = probability)]
    loss: f64,

    /// Round-trip time of the line, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 40.0, allow_negative_numbers = true)]
    rtt: f64,

    /// Rate of the line, in Mbit/s
    #[arg(long, value_name = "MBIT", default_value_t = 20.0, allow_negative_numbers = true)]
    rate: f64,

    /// Carry the content over IPv6
    #[arg(short = '6', long = "ipv6")]
    v6: bool,

    /// Print the figures as one JSON object
    #[arg(long)]
    json: bool,
}

fn length(text: &str) -> Result<u64, String> {
    let length = units::size(text)?;
    if length <= 1_000_000_000 {
        Ok(length)
    } else {
        Err("a demo of more than 1 GB takes too long; choose less".into())
    }
}

fn probability(text: &str) -> Result<f64, String> {
    units::share(text).ok().filter(|share| *share <= 0.5).ok_or_else(|| {
        format!("{text:?} is no loss to live with: write a share from 0 to 0.5, such as 0.01, or 1%")
    })
}

impl DemoArgs {
    fn line(&self) -> Outcome<ImpairConfig> {
        let usable = |value: f64, range: std::ops::RangeInclusive<f64>| range.contains(&value);
        if !usable(self.rtt, 0.0..=10_000.0) {
            return Err(
                format!("--rtt {} is no round-trip time; give 0 to 10000 milliseconds", self.rtt).into()
            );
        }
        if !usable(self.rate, 0.01..=100_000.0) {
            return Err(format!("--rate {} is no rate; give 0.01 to 100000 Mbit/s", self.rate).into());
        }
        let rate = self.rate * 1e6;
        Ok(ImpairConfig {
            delay: Duration::from_secs_f64(self.rtt / 2e3),
            rate: Some(rate as u64),
            queue_bytes: ((rate / 8.0 * self.rtt / 1e3) as usize).max(LEAST_QUEUE),
            loss: self.loss,
            ..ImpairConfig::default()
        })
    }
}

/// What a run comes to.
struct Report {
    bytes: u64,
    virtual_time: Duration,
    wall_time: Duration,
    info: TcpInfo,
    recording: Recording,
    sent_hash: String,
    received_hash: String,
}

/// Runs it, writes the files, prints the table.
pub(crate) fn run(args: &DemoArgs) -> Outcome {
    let line = args.line()?;
    std::fs::create_dir_all(&args.out).map_err(|error| unwritable(&args.out, error))?;
    let capture_path = args.out.join("demo.pcapng");
    let capture = Capture::create(&capture_path, CaptureConfig::new(EPOCH));
    let capture = capture.map_err(|error| unwritable(&capture_path, error))?;
    let report = transfer(args, line, &capture)?;
    capture.flush();
    if let Some(kind) = capture.statistics().failed {
        return Err(unwritable(&capture_path, kind.into()));
    }
    let chart_path = args.out.join("demo.svg");
    let svg = chart(args, &report).to_svg();
    std::fs::write(&chart_path, svg).map_err(|error| unwritable(&chart_path, error))?;
    if args.json {
        say(report.json(args, &chart_path, &capture_path))?;
    } else {
        say(report.table(args))?;
        say(format_args!(
            "\nwrote {} (for a browser) and {} (for Wireshark)",
            chart_path.display(),
            capture_path.display()
        ))?;
    }
    if report.sent_hash == report.received_hash {
        return Ok(());
    }
    Err("the content that arrived differs from what was sent; please report this with the seed"
        .to_owned()
        .into())
}

fn unwritable(path: &Path, error: std::io::Error) -> Failure {
    Failure::new(format_args!("write {}", path.display()), error, "give --out a folder that can be written")
}

fn transfer(args: &DemoArgs, line: ImpairConfig, capture: &Capture) -> Outcome<Report> {
    let start = std::time::Instant::now();
    let recorder = Arc::new(Recorder::default());
    let mut world = World::new(args.seed, line, capture, Arc::clone(&recorder) as _)?;
    let (mut client, mut server) = (Client::new(world::server(args.v6)), Server::new(args.bytes, args.seed));
    let bar = progress(args);
    let mut now = Instant::ZERO;
    let mut done: Option<(Instant, TcpInfo)> = None;
    let mut info = None;
    loop {
        world.settle(now, &mut client, &mut server);
        if let Some(latest) = server.info(&mut world.server.host, now) {
            recorder.in_flight(now, latest.unacked);
            info = Some(latest);
        }
        bar.set_position(client.received());
        if let Some(reason) = client.failure().or(server.failure()) {
            return Err(
                format!("the connection ended early: {reason}; try less --loss or another --seed").into()
            );
        }
        if done.is_none() && client.is_done() {
            done = info.take().map(|info| (now, info));
        }
        // The last acknowledgements still cross the line.
        let enough = done.as_ref().is_some_and(|(end, _)| now.saturating_since(*end) > 4 * line.delay);
        let next = world.next_deadline().filter(|_| !enough);
        match next {
            Some(next) if next.saturating_since(Instant::ZERO) < TOO_LONG => now = next.max(now),
            _ => break,
        }
    }
    bar.finish_and_clear();
    let Some((end, info)) = done else {
        return Err(
            "the content has not arrived after four hours of virtual time; try less --loss or less --bytes"
                .to_owned()
                .into(),
        );
    };
    Ok(Report {
        bytes: client.received(),
        virtual_time: end.saturating_since(Instant::ZERO),
        wall_time: start.elapsed(),
        info,
        recording: recorder.take(),
        sent_hash: server.hash(),
        received_hash: client.hash(),
    })
}

/// A bar on standard error, if that is a terminal.
fn progress(args: &DemoArgs) -> ProgressBar {
    let bar = if args.json { ProgressBar::hidden() } else { ProgressBar::new(args.bytes) };
    let style = ProgressStyle::with_template("{bar:40} {decimal_bytes} of {decimal_total_bytes}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}

impl Report {
    fn goodput(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.virtual_time.as_secs_f64().max(1e-9)
    }

    fn timeouts(&self) -> usize {
        self.recording.retransmits.iter().filter(|(_, cause)| *cause == Cause::Timeout).count()
    }

    fn equal(&self) -> bool {
        self.sent_hash == self.received_hash
    }

    fn table(&self, args: &DemoArgs) -> String {
        let line = format!(
            "{} Mbit/s, {} ms round trip, {} % loss each way",
            args.rate,
            args.rtt,
            percent(args.loss)
        );
        let rtt = self.info.min_rtt.zip(self.info.srtt).map_or_else(
            || "not measured".to_owned(),
            |(least, smoothed)| {
                format!("{} at least, {} smoothed at the end", units::time(least), units::time(smoothed))
            },
        );
        let equal = if self.equal() { "equal" } else { "DIFFERENT" };
        let rows = [
            ("line", line),
            (
                "content",
                format!(
                    "{} over HTTP/1.1, TCP {}, {}",
                    units::bytes(self.bytes),
                    self.info.congestion,
                    if args.v6 { "IPv6" } else { "IPv4" }
                ),
            ),
            ("virtual time", units::time(self.virtual_time)),
            ("wall time", units::time(self.wall_time)),
            ("goodput", units::rate(self.goodput())),
            ("segments sent", format!("{} with data", self.info.data_segs_out)),
            (
                "retransmissions",
                format!("{}, {} of them after a timeout", self.info.retrans, self.timeouts()),
            ),
            ("round-trip time", rtt),
            ("SHA-256", format!("{equal}, {}…", self.received_hash.get(..16).unwrap_or_default())),
        ];
        let lines: Vec<String> = rows.iter().map(|(name, value)| format!("{name:16}  {value}")).collect();
        lines.join("\n")
    }

    fn json(&self, args: &DemoArgs, chart: &Path, capture: &Path) -> Value {
        let ms = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
        json!({
            "seed": args.seed,
            "bytes": self.bytes,
            "ip": if args.v6 { 6 } else { 4 },
            "virtual_seconds": self.virtual_time.as_secs_f64(),
            "wall_seconds": self.wall_time.as_secs_f64(),
            "goodput_bits_per_second": self.goodput(),
            "segments": self.info.data_segs_out,
            "retransmissions": self.info.retrans,
            "timeouts": self.timeouts(),
            "min_rtt_ms": ms(self.info.min_rtt),
            "smoothed_rtt_ms": ms(self.info.srtt),
            "sha256": self.received_hash,
            "sha256_equal": self.equal(),
            "svg": chart,
            "pcapng": capture,
        })
    }
}

/// At most two places.
fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 100.0
}

fn chart(args: &DemoArgs, report: &Report) -> Chart {
    let recording = &report.recording;
    let end = report.virtual_time.as_secs_f64();
    let line = |name: &str, color, shape, points: &[(f64, f64)]| Series {
        name: name.into(),
        color,
        shape,
        points: thin(points, end, shape == Shape::Steps),
    };
    let retransmits = |timeout: bool| {
        let wanted = move |cause: Cause| (cause == Cause::Timeout) == timeout;
        recording.retransmits.iter().filter(move |(_, cause)| wanted(*cause)).map(|(at, _)| *at).collect()
    };
    let marks = vec![
        Marks { name: "retransmission", color: "#d98a2b", times: retransmits(false) },
        Marks { name: "after a timeout", color: "#c62828", times: retransmits(true) },
    ];
    Chart {
        title: format!("{} over TCP ({})", units::bytes(report.bytes), report.info.congestion),
        subtitle: format!(
            "{} Mbit/s, {} ms round trip, {} % loss each way, seed {}: {} in {}, {} retransmissions",
            args.rate,
            args.rtt,
            percent(args.loss),
            args.seed,
            units::rate(report.goodput()),
            units::time(report.virtual_time),
            report.info.retrans
        ),
        panels: vec![
            Panel {
                label: "window (kB)",
                series: vec![
                    line("bytes in flight", "#9ec5e8", Shape::Steps, &recording.in_flight),
                    line("ssthresh", "#c9b26b", Shape::Steps, &recording.ssthresh),
                    line("cwnd", "#1b5fa8", Shape::Steps, &recording.cwnd),
                ],
                marks: marks.clone(),
            },
            Panel {
                label: "round-trip time (ms)",
                series: vec![
                    line("sample", "#b9d8b4", Shape::Line, &recording.rtt),
                    line("smoothed", "#2f7d32", Shape::Line, &recording.srtt),
                ],
                marks,
            },
        ],
    }
}
