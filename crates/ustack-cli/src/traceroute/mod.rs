//! `ustack traceroute`: the routers on the way from our stack to a host, as their errors about probes with small hop limits
//! show them.
//!
//! | file | answers |
//! | --- | --- |
//! | `hops.rs` | which probe is next, and what is known of each hop |
//! | `prober.rs` | how probes are sent and heard of |

mod hops;
mod prober;

use crate::device::{Device, DeviceArgs};
use crate::failure::{Failure, Outcome, say};
use crate::host::{self, FamilyArgs};
use crate::{stop, units};
use clap::Args;
use hops::{Answer, Hops, Verdict};
use prober::Prober;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo ustack traceroute 10.77.0.1             one hop: the kernel behind the device\n  \
    sudo ustack traceroute -6 -q 1 example.org   one probe a hop, over IPv6\n  \
    sudo ustack traceroute -I --json 192.0.2.1   echo requests, for a script\n\n\
    Behind a time: !N !H !P network, host or protocol unreachable, !X forbidden, !F too large. A * is silence.\n\n\
    Exit status: 0 the host was reached; 1 it was not, or it could not start; 2 wrong options.")]
pub(crate) struct TracerouteArgs {
    /// Name or address of the host
    host: String,

    #[command(flatten)]
    family: FamilyArgs,

    /// Send echo requests instead of datagrams to ports that nobody has
    #[arg(short = 'I', long)]
    icmp: bool,

    /// Go no further than so many hops
    #[arg(short, long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u8).range(1..))]
    max_hops: u8,

    /// Probes for each hop
    #[arg(short, long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=10))]
    queries: u8,

    /// How long an answer is waited for, in seconds
    #[arg(short, long, value_name = "S", default_value = "3", value_parser = units::duration)]
    wait: Duration,

    /// Print one JSON object at the end instead of lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceArgs,
}

/// Traces until the host is reached, the hops are used up, or a signal comes.
pub(crate) async fn run(args: TracerouteArgs) -> Outcome<ExitCode> {
    let address = host::resolve(&args.host, &args.device.addresses(), args.family)?;
    let mut signals = stop::Signals::new()?;
    let device = Device::open(&args.device)?;
    let prober = Prober::new(device.stack.stack(), address, args.icmp)?;
    let mut trace = Trace::new(&args, address);
    if !args.json {
        let what = format_args!("traceroute to {} ({address}), {} hops max", args.host, args.max_hops);
        say(what)?;
    }
    tokio::select! {
        done = trace.run(&prober) => done?,
        () = signals.wait() => {}
        failure = device.gone() => return Err(failure),
    }
    if args.json {
        say(trace.json())?;
    }
    let code = if trace.hops.has_arrived() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    device.finish()?;
    Ok(code)
}

struct Trace<'a> {
    args: &'a TracerouteArgs,
    address: IpAddr,
    hops: Hops,
    /// Probes by number: when each was sent, on the stack's clock.
    sent: Vec<stack_core::Instant>,
    /// Those that may still be answered, the oldest first, with the end of their time.
    waiting: VecDeque<(usize, Instant)>,
    told: Vec<Value>,
}

impl<'a> Trace<'a> {
    fn new(args: &'a TracerouteArgs, address: IpAddr) -> Self {
        let hops = Hops::new(args.queries.into(), args.max_hops.into());
        Self { args, address, hops, sent: Vec::new(), waiting: VecDeque::new(), told: Vec::new() }
    }

    async fn run(&mut self, prober: &Prober) -> Outcome {
        while !self.hops.is_done() {
            while let Some(probe) = self.hops.next() {
                self.send(prober, probe)?;
            }
            let patience = self.waiting.front().map_or_else(Instant::now, |(_, end)| *end);
            tokio::select! {
                biased;
                echo = prober.heard() => self.heard(echo),
                () = sleep_until(patience) => {
                    if let Some((probe, _)) = self.waiting.pop_front() {
                        self.hops.answer(probe, Answer::Silence);
                    }
                }
            }
            while self.waiting.front().is_some_and(|(probe, _)| !self.hops.waits(*probe)) {
                self.waiting.pop_front();
            }
            while let Some((hop, answers)) = self.hops.complete() {
                self.tell(hop, &answers)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, prober: &Prober, probe: usize) -> Outcome {
        let now = prober.send(probe, self.hops.ttl(probe)).map_err(|error| {
            Failure::new(
                format_args!("trace the way to {}", self.args.host),
                error,
                "see --address and --gateway",
            )
        })?;
        self.sent.push(now);
        self.waiting.push_back((probe, Instant::now() + self.args.wait));
        Ok(())
    }

    fn heard(&mut self, echo: prober::Echo) {
        let Some(sent) = self.sent.get(echo.probe) else { return };
        let time = echo.at.saturating_since(*sent);
        let answer = Answer::From { address: echo.from, time, verdict: echo.verdict };
        self.hops.answer(echo.probe, answer);
    }

    fn tell(&mut self, hop: usize, answers: &[Answer]) -> Outcome {
        if self.args.json {
            let probes: Vec<Value> = answers.iter().map(as_json).collect();
            self.told.push(json!({ "hop": hop, "probes": probes }));
            return Ok(());
        }
        say(line(hop, answers))
    }

    fn json(&self) -> Value {
        json!({
            "host": self.args.host,
            "address": self.address,
            "reached": self.hops.has_arrived(),
            "hops": self.told,
        })
    }
}

/// One hop in a line: an address wherever it differs from the one before.
fn line(hop: usize, answers: &[Answer]) -> String {
    let mut line = format!("{hop:2} ");
    let mut last = None;
    for answer in answers {
        let Answer::From { address, time, verdict } = answer else {
            line += " *";
            continue;
        };
        if last.replace(*address) != Some(*address) {
            line += &format!(" {address}");
        }
        line += &format!("  {:.3} ms", time.as_secs_f64() * 1e3);
        if let Verdict::Blocked(mark) = verdict {
            line += &format!(" {mark}");
        }
    }
    line
}

fn as_json(answer: &Answer) -> Value {
    let Answer::From { address, time, verdict } = answer else { return Value::Null };
    let mark = match verdict {
        Verdict::Blocked(mark) => Some(mark),
        Verdict::OnTheWay | Verdict::Arrived => None,
    };
    json!({ "address": address, "ms": time.as_secs_f64() * 1e3, "mark": mark })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_each_router_once() {
        let from = |last: u8, mark: Option<&str>| Answer::From {
            address: IpAddr::from([10, 0, 0, last]),
            time: Duration::from_micros(1500),
            verdict: mark.map_or(Verdict::OnTheWay, |mark| Verdict::Blocked(mark.into())),
        };
        let answers = [from(1, None), Answer::Silence, from(1, None), from(2, Some("!X"))];
        assert_eq!(line(3, &answers), " 3  10.0.0.1  1.500 ms *  1.500 ms 10.0.0.2  1.500 ms !X");
        assert_eq!(as_json(&answers[1]), Value::Null);
        assert_eq!(as_json(&answers[3])["mark"], "!X");
    }
}
