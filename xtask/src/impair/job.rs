//! One run: who sends to whom over which line, and what it comes to.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::place::{Place, Side, Stack};
use crate::wire::Outcome;
use crate::wire::process::Process;

/// What starting and stopping may take beside the transfer.
const AROUND: Duration = Duration::from_secs(60);
/// Share of the rate that counts as filled.
const FILLED: f64 = 0.9;
/// Text in a packet of the devices' MTU, with timestamps: what of the rate TCP can carry.
const EFFICIENCY: f64 = 1448.0 / 1500.0;

/// Who sends to whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum)]
pub(super) enum Pair {
    /// The kernel to the kernel
    LinuxLinux,
    /// Our stack to the kernel
    UsLinux,
    /// The kernel to our stack
    LinuxUs,
    /// Our stack to our stack
    UsUs,
    /// Our stack and the kernel at once, to the kernel
    #[value(name = "us+linux")]
    UsBesideLinux,
}

/// A line as the box makes it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Line {
    /// Bits a second.
    pub(super) rate: u64,
    pub(super) rtt_ms: f64,
    /// Bytes.
    pub(super) queue: u64,
    pub(super) loss: f64,
    pub(super) reorder: f64,
    pub(super) reorder_ms: f64,
    /// Bytes of the longest packet that is carried.
    pub(super) max_packet: Option<u64>,
}

/// A run to be made.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) pair: Pair,
    pub(super) cc: String,
    pub(super) line: Line,
    pub(super) seconds: f64,
    pub(super) seed: u64,
}

/// What it came to.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) job: Job,
    /// Of the pair's sender; of ours, where two send.
    pub(super) goodput_mbit: f64,
    /// Of the kernel that sent beside us.
    pub(super) beside_mbit: Option<f64>,
    /// Bytes of text that the sender put on the wire more than once.
    pub(super) retransmitted_bytes: u64,
    /// Seconds until nine tenths of what the rate allows were reached over one round-trip time.
    pub(super) fill_s: Option<f64>,
    /// What the box saw.
    seen: Value,
}

impl Pair {
    /// The senders and the receiver.
    fn stacks(self) -> (&'static [Stack], Stack) {
        match self {
            Self::LinuxLinux => (&[Stack::Linux], Stack::Linux),
            Self::UsLinux => (&[Stack::Us], Stack::Linux),
            Self::LinuxUs => (&[Stack::Linux], Stack::Us),
            Self::UsUs => (&[Stack::Us], Stack::Us),
            Self::UsBesideLinux => (&[Stack::Us, Stack::Linux], Stack::Linux),
        }
    }

    /// The name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }
}

impl Line {
    /// The box's arguments.
    pub(super) fn flags(&self) -> Vec<String> {
        let micros = |ms: f64| ((ms * 1e3) as u64).to_string();
        let flags = [
            ("--rate", self.rate.to_string()),
            ("--delay-us", micros(self.rtt_ms / 2.0)),
            ("--queue", self.queue.to_string()),
            ("--loss", self.loss.to_string()),
            ("--reorder", self.reorder.to_string()),
            ("--reorder-us", micros(self.reorder_ms)),
        ];
        let longest = self.max_packet.map(|bytes| ("--max-packet", bytes.to_string()));
        flags.into_iter().chain(longest).flat_map(|(flag, value)| [flag.to_owned(), value]).collect()
    }
}

impl Job {
    /// Makes the run.
    pub(super) fn run(&self, program: &Path) -> Outcome<Done> {
        let limit = AROUND + Duration::from_secs_f64(self.seconds);
        let place = Place::new(program, &self.line, self.seed, limit)?;
        let (senders, receiver) = self.pair.stacks();
        let options = ["--cc", &self.cc, "--seconds", &self.seconds.to_string()];
        let start = |side, stack, what: &str, address: &str| {
            place.start(side, stack, &[&[what, address][..], &options].concat())
        };
        let addresses: Vec<String> = (5001..)
            .zip(senders)
            .map(|(port, _)| format!("{}:{port}", Side::Receiver.address(receiver)))
            .collect();
        let receivers = addresses.iter().map(|on| start(Side::Receiver, receiver, "receive", on));
        let receivers = receivers.collect::<Outcome<Vec<_>>>()?;
        let sending =
            senders.iter().zip(&addresses).map(|(&stack, to)| start(Side::Sender, stack, "send", to));
        let sending = sending.collect::<Outcome<Vec<_>>>()?;
        let counts = receivers.into_iter().map(|receiver| bins(receiver, limit));
        let counts = counts.collect::<Outcome<Vec<_>>>()?;
        drop(sending);
        let seen = place.finish()?;
        Ok(self.done(senders[0], &counts, seen))
    }

    fn done(&self, sender: Stack, counts: &[Vec<u64>], seen: Value) -> Done {
        let mbit = |bins: &Vec<u64>| bins.iter().sum::<u64>() as f64 * 8e-6 / self.seconds;
        let from = Side::Sender.address(sender);
        let streams = seen["forth"]["streams"].as_array().cloned().unwrap_or_default();
        let again = streams.iter().filter(|stream| stream["from"] == from.as_str());
        let again = again.filter_map(|stream| stream["retransmitted_bytes"].as_u64()).sum();
        Done {
            job: self.clone(),
            goodput_mbit: counts.first().map_or(0.0, mbit),
            beside_mbit: counts.get(1).map(mbit),
            retransmitted_bytes: again,
            fill_s: counts.first().and_then(|bins| fill_s(bins, self.seconds, &self.line)),
            seen,
        }
    }
}

impl Done {
    /// A line of JSON.
    pub(super) fn to_json(&self) -> Value {
        let Job { pair, cc, line, seconds, seed } = &self.job;
        json!({
            "pair": pair.name(),
            "cc": cc,
            "rate_mbit": line.rate as f64 / 1e6,
            "rtt_ms": line.rtt_ms,
            "queue_bytes": line.queue,
            "loss": line.loss,
            "reorder": line.reorder,
            "max_packet": line.max_packet,
            "seconds": seconds,
            "seed": seed,
            "goodput_mbit": self.goodput_mbit,
            "beside_mbit": self.beside_mbit,
            "retransmitted_bytes": self.retransmitted_bytes,
            "fill_s": self.fill_s,
            "box": self.seen,
        })
    }

    /// Microseconds by which one packet in a hundred left the box too late.
    pub(super) fn late_us(&self) -> u64 {
        self.seen["forth"]["late_us"]["p99"].as_u64().unwrap_or_default()
    }
}

/// What a receiver counted in each part of its time.
fn bins(receiver: Process, limit: Duration) -> Outcome<Vec<u64>> {
    let text = receiver.wait(limit)?.success()?.text();
    let last = text.lines().next_back().unwrap_or_default();
    let counted: Value =
        serde_json::from_str(last).map_err(|error| format!("the receiver printed no JSON: {error}"))?;
    Ok(counted["bins"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect())
}

fn fill_s(bins: &[u64], seconds: f64, line: &Line) -> Option<f64> {
    let bin = seconds / bins.len().max(1) as f64;
    let span = ((line.rtt_ms / 1e3 / bin).ceil() as usize).max(1);
    let enough = FILLED * EFFICIENCY * line.rate as f64 / 8.0 * span as f64 * bin;
    let at = bins.windows(span).position(|window| window.iter().sum::<u64>() as f64 >= enough)?;
    Some((at + span) as f64 * bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_filled_once_a_round_trip_brings_nine_tenths() {
        let line = Line {
            rate: 8_000_000,
            rtt_ms: 30.0,
            queue: 1,
            loss: 0.0,
            reorder: 0.0,
            reorder_ms: 0.0,
            max_packet: None,
        };
        // 10,000 bytes fit into ten milliseconds, 8,688 of them are nine tenths of the text.
        let mut bins = vec![8_000; 10];
        bins.extend([20_000, 0, 0, 9_000, 9_000, 9_000, 9_000]);
        assert_eq!(fill_s(&bins, 0.17, &line).map(|at| (at * 100.0).round()), Some(9.0 + 2.0));
        assert_eq!(fill_s(&[8_000; 20], 0.2, &line), None);
        assert_eq!(fill_s(&[], 1.0, &line), None);
    }
}
