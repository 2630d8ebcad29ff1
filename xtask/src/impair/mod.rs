//! `cargo xtask impair`: Linux and our stack through the same impaired line,
//! in real time.
//!
//! The kernel has no netem everywhere, so the line is ours: a program carries
//! packets between two TUN devices without offloads, with `link-impair`
//! between them. Each run has two namespaces of its own, the sender's and the
//! receiver's; several runs go on at once. Our stack sits behind a TUN device
//! of its own there, and the kernel forwards between the two.
//!
//! Who sends and who receives is a *pair*; what is compared has the same
//! congestion control, set on each socket, and buffers of 32 MiB.
//!
//! | file | answers |
//! | --- | --- |
//! | `place.rs` | how a box and its two ends are made |
//! | `job.rs` | what one run is, and what it comes to |
//! | `series.rs` | how many runs go on at once |
//! | `figures.rs` | means, percentiles and ratios |
//! | `reference.rs` | Linux's own figures, kept in a file |
//! | `accuracy.rs` | how true the box is |

mod accuracy;
mod figures;
mod job;
mod place;
mod reference;
mod series;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;

use crate::run::checked;
use crate::wire::needs::{self, Need};
use crate::wire::reaper::Reaper;
use crate::wire::{Outcome, ensure};
use crate::workspace::Workspace;
use job::{Job, Line, Pair};

#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    sudo cargo xtask impair                                      reno and cubic, four losses, all pairs, 8 seeds: 26 minutes\n  \
    sudo cargo xtask impair --cc cubic --loss 1                  one cell of that table: three minutes\n  \
    sudo cargo xtask impair --pairs us+linux --loss 0            our flow beside Linux's, through one box\n  \
    sudo cargo xtask impair --rtt-ms 200 --loss 0 --seconds 10   how fast slow start fills a long path\n  \
    sudo cargo xtask impair --max-packet 1200 --loss 0           a black hole for long packets\n  \
    sudo cargo xtask impair --pairs linux-linux --reference testdata/impair/linux.json\n  \
    sudo cargo xtask impair --accuracy                           ping and UDP through the box: how true it is")]
pub(crate) struct Args {
    /// Who sends to whom: linux-linux, us-linux, linux-us, us-us, or us+linux (both to Linux at once)
    #[arg(long, value_enum, value_delimiter = ',', default_value = "linux-linux,us-linux,linux-us")]
    pairs: Vec<Pair>,
    /// Congestion control of sender and receiver
    #[arg(long, value_delimiter = ',', default_value = "reno,cubic")]
    cc: Vec<String>,
    /// Packets of data that are lost, in percent
    #[arg(long, value_delimiter = ',', default_value = "0,0.1,1,3")]
    loss: Vec<f64>,
    /// Packets of data that are late, in percent
    #[arg(long, default_value_t = 0.0)]
    reorder: f64,
    /// By how much they are late, in milliseconds
    #[arg(long, default_value_t = 5.0)]
    reorder_ms: f64,
    /// Bytes of the longest packet that the line carries: longer ones vanish, and kernels probe for the path's MTU as we do
    #[arg(long)]
    max_packet: Option<u64>,
    /// Rate of the line in both directions, in Mbit/s
    #[arg(long, default_value_t = 100.0)]
    rate_mbit: f64,
    /// Round-trip time of the line, in milliseconds
    #[arg(long, default_value_t = 50.0)]
    rtt_ms: f64,
    /// Bytes that wait for the line; without it one bandwidth-delay product
    #[arg(long)]
    queue: Option<u64>,
    /// Seconds that are measured, from the beginning of the connection
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// How many seeds
    #[arg(long, default_value_t = 8)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    first_seed: u64,
    /// Runs that go on at once; two for each processor at most, or packets leave the boxes late
    #[arg(long, default_value_t = 4)]
    parallel: usize,
    /// Where a line of JSON for each run is appended; without it target/bench/impair.jsonl
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Keep Linux's figures in this file, with kernel version and command
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
    /// Measure the box itself instead: round-trip times by ping, its rate by UDP
    #[arg(long)]
    accuracy: bool,
}

const NEEDS: [Need; 4] = [Need::Root, needs::IP, Need::Namespaces, Need::Tun];

/// Runs the series, or measures the box.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Outcome {
    args.check()?;
    needs::require(&NEEDS)?;
    checked(&mut workspace.cargo(&["build", "--release", "--package", "benches", "--bin", "impair-peer"]))?;
    let program = workspace.target.join("release/impair-peer");
    let reaper = Reaper::start()?;
    let outcome = match args.accuracy {
        true => accuracy::measure(&program, &args.line(0.0)),
        false => measure(workspace, args, &program),
    };
    reaper.finish(false);
    outcome
}

fn measure(workspace: &Workspace, args: &Args, program: &Path) -> Outcome {
    let out = args.out.clone().unwrap_or_else(|| workspace.target.join("bench/impair.jsonl"));
    if let Some(dir) = out.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    }
    let results = series::run(program, args.jobs(), args.parallel, &out)?;
    println!("\n{}", figures::table(&results));
    println!("{} runs in {}", results.len(), out.display());
    match &args.reference {
        Some(path) => reference::write(path, &results),
        None => Ok(()),
    }
}

impl Args {
    fn check(&self) -> Outcome {
        let percent = |share: &f64| (0.0..=50.0).contains(share);
        ensure!(self.loss.iter().all(percent), "--loss: give percents from 0 to 50, such as 0,0.1,1,3");
        ensure!(percent(&self.reorder), "--reorder: give a percent from 0 to 50");
        ensure!(
            (0.1..=1000.0).contains(&self.rate_mbit),
            "--rate-mbit: give 0.1 to 1000: the box works in real time"
        );
        ensure!((0.0..=2000.0).contains(&self.rtt_ms), "--rtt-ms: give 0 to 2000");
        ensure!((0.5..=600.0).contains(&self.seconds), "--seconds: give 0.5 to 600");
        ensure!(
            self.max_packet.is_none_or(|bytes| bytes >= 552),
            "--max-packet: give 552 at least: no stack goes below"
        );
        ensure!(self.seeds > 0 && self.parallel > 0, "--seeds and --parallel: give 1 at least");
        Ok(())
    }

    fn line(&self, loss: f64) -> Line {
        let rate = (self.rate_mbit * 1e6) as u64;
        let product = (rate as f64 / 8.0 * self.rtt_ms / 1e3) as u64;
        Line {
            rate,
            rtt_ms: self.rtt_ms,
            queue: self.queue.unwrap_or(product.max(15_000)),
            loss: loss / 100.0,
            reorder: self.reorder / 100.0,
            reorder_ms: self.reorder_ms,
            max_packet: self.max_packet,
        }
    }

    /// All runs. Those that are compared lie beside each other, so that they have the same of the machine.
    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for cc in &self.cc {
            for &loss in &self.loss {
                for seed in self.first_seed..self.first_seed + self.seeds {
                    jobs.extend(self.pairs.iter().map(|&pair| Job {
                        pair,
                        cc: cc.clone(),
                        line: self.line(loss),
                        seconds: self.seconds,
                        seed,
                    }));
                }
            }
        }
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compared_runs_lie_beside_each_other() {
        let args = Args::parse_from(["impair", "--seeds", "2", "--loss", "0,1", "--cc", "cubic"]);
        let order: Vec<_> = args.jobs().iter().map(|job| (job.seed, job.line.loss, job.pair)).collect();
        assert_eq!(order.len(), 12);
        assert_eq!(order[0], (1, 0.0, Pair::LinuxLinux));
        assert_eq!(order[1], (1, 0.0, Pair::UsLinux));
        assert_eq!((order[3].0, order[6].1), (2, 0.01));
    }

    #[test]
    fn the_default_queue_is_a_bandwidth_delay_product() {
        let args = Args::parse_from(["impair"]);
        assert_eq!(args.line(0.1).queue, 625_000);
        assert!(args.check().is_ok());
        assert!(Args::parse_from(["impair", "--loss", "51"]).check().is_err());
    }
}
