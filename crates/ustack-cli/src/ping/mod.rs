//! `ustack ping`: echo requests from our stack, with the options and the lines that everybody knows.

mod statistics;

use crate::device::{Device, DeviceArgs};
use crate::echoes::{Echoes, Heard, describe};
use crate::failure::{Failure, Outcome, say};
use crate::host::{self, FamilyArgs};
use crate::{stop, units};
use clap::Args;
use serde_json::json;
use statistics::Statistics;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;
use trans_icmp::{Family, V4, V6};

/// Requests whose replies are still waited for; older ones count as lost.
const WAITING: usize = 1000;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo ustack ping 10.77.0.1                       the kernel behind the device, until Ctrl-C\n  \
    sudo ustack ping -c 5 -i 0.2 -s 8000 10.77.0.1   five fragmented ones, five a second\n  \
    sudo ustack ping -6 -c 3 fd77::1                 over IPv6; with a name, its IPv6 address\n  \
    sudo ustack ping -c 3 --json 10.77.0.1           for a script\n\n\
    Beyond this machine the kernel has to forward and translate: sysctl net.ipv4.ip_forward=1, and a masquerade rule.\n\n\
    Exit status: 0 there was a reply; 1 there was none, or it could not start; 2 wrong options.")]
pub(crate) struct PingArgs {
    /// Name or address of the host
    host: String,

    #[command(flatten)]
    family: FamilyArgs,

    /// Stop after so many requests
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Time between two requests, in seconds
    #[arg(short, long, value_name = "S", default_value = "1", value_parser = units::duration)]
    interval: Duration,

    /// Data of each request, in bytes
    #[arg(short, long, value_name = "BYTES", default_value_t = 56, value_parser = clap::value_parser!(u16).range(..=65_507))]
    size: u16,

    /// TTL (hop limit) of the requests
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    ttl: Option<u8>,

    /// How long the last replies are waited for, in seconds
    #[arg(short = 'W', long, value_name = "S", default_value = "4", value_parser = units::duration)]
    wait: Duration,

    /// Print one JSON object at the end instead of lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceArgs,
}

/// Pings until the count is reached or a signal comes.
pub(crate) async fn run(args: PingArgs) -> Outcome<ExitCode> {
    if args.interval.is_zero() {
        return Err("an interval of 0 would flood the host; give -i 0.001 or more".to_owned().into());
    }
    let address = host::resolve(&args.host, &args.device.addresses(), args.family)?;
    let mut signals = stop::Signals::new()?;
    let device = Device::open(&args.device)?;
    let mut ping = Ping::new(&args, address);
    tokio::select! {
        done = ping.run(&device) => done?,
        () = signals.wait() => {}
        failure = device.gone() => return Err(failure),
    }
    ping.conclude()?;
    let code = if ping.statistics.received() > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    device.finish()?;
    Ok(code)
}

struct Ping<'a> {
    args: &'a PingArgs,
    address: IpAddr,
    /// When the requests were sent whose replies may still come.
    waiting: BTreeMap<u64, stack_core::Instant>,
    statistics: Statistics,
    started: tokio::time::Instant,
}

impl<'a> Ping<'a> {
    fn new(args: &'a PingArgs, address: IpAddr) -> Self {
        let started = tokio::time::Instant::now();
        Self { args, address, waiting: BTreeMap::new(), statistics: Statistics::default(), started }
    }

    async fn run(&mut self, device: &Device) -> Outcome {
        let Self { args, address, .. } = *self;
        self.line(format_args!("PING {} ({address}) with {} bytes of data", args.host, args.size))?;
        match address {
            IpAddr::V4(_) => self.exchange(Echoes::<V4>::new(device.stack.stack(), address)?).await,
            IpAddr::V6(_) => self.exchange(Echoes::<V6>::new(device.stack.stack(), address)?).await,
        }
    }

    async fn exchange<F: Family>(&mut self, echoes: Echoes<F>) -> Outcome {
        let payload: Vec<u8> = (0..self.args.size).map(|index| index as u8).collect();
        let mut timer = tokio::time::interval(self.args.interval);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let count = self.args.count.unwrap_or(u64::MAX);
        while self.statistics.sent() < count {
            tokio::select! {
                _ = timer.tick() => self.send(&echoes, &payload)?,
                heard = echoes.heard() => self.heard(heard)?,
            }
        }
        let last = tokio::time::sleep(self.args.wait);
        let mut last = std::pin::pin!(last);
        while !self.waiting.is_empty() {
            tokio::select! {
                () = &mut last => break,
                heard = echoes.heard() => self.heard(heard)?,
            }
        }
        Ok(())
    }

    fn send<F: Family>(&mut self, echoes: &Echoes<F>, payload: &[u8]) -> Outcome {
        let number = self.statistics.sent() + 1;
        self.statistics.count_sent();
        match echoes.send(number as u16, payload, self.args.ttl) {
            Ok(now) => {
                self.waiting.insert(number, now);
                while self.waiting.len() > WAITING {
                    self.waiting.pop_first();
                }
                Ok(())
            }
            // Without a way there is nothing to wait for; anything else may pass.
            Err(error @ (stack_core::Error::NoRoute | stack_core::Error::MessageTooLarge)) => {
                Err(Failure::new(
                    format_args!("ping {}", self.args.host),
                    error,
                    "see --address, --gateway and -s",
                ))
            }
            Err(error) => self.line(format_args!("icmp_seq={number} not sent: {error}")),
        }
    }

    fn heard(&mut self, heard: Heard) -> Outcome {
        // Sequence numbers have 16 bits: the newest request of that number is meant.
        let number = |low: u16| self.waiting.keys().rev().copied().find(|&number| number as u16 == low);
        match heard {
            Heard::Reply(reply) => {
                let Some(number) = number(reply.sequence) else {
                    return self.line(format_args!(
                        "icmp_seq={} again from {} (DUP!)",
                        reply.sequence,
                        reply.from.ip()
                    ));
                };
                let sent = self.waiting.remove(&number).unwrap_or(reply.received_at);
                let time = reply.received_at.saturating_since(sent);
                self.statistics.count_reply(number, time, reply.hop_limit);
                let intact = reply.payload.iter().enumerate().all(|(index, &byte)| byte == index as u8)
                    && reply.payload.len() == usize::from(self.args.size);
                let remark = if intact { "" } else { " (wrong data!)" };
                self.line(format_args!(
                    "{} bytes from {}: icmp_seq={number} ttl={} time={}{remark}",
                    reply.payload.len() + 8,
                    reply.from.ip(),
                    reply.hop_limit,
                    units::time(time)
                ))
            }
            Heard::Error { from, sequence, kind } => {
                let what = describe(kind);
                let number = number(sequence).inspect(|number| {
                    self.statistics.count_error(*number, what.clone());
                });
                number.map(|number| self.waiting.remove(&number));
                let from = from.map_or_else(|| "this host".to_owned(), |from| from.to_string());
                self.line(format_args!(
                    "from {from}: icmp_seq={} {what}",
                    number.unwrap_or(u64::from(sequence))
                ))
            }
        }
    }

    fn line(&self, text: std::fmt::Arguments<'_>) -> Outcome {
        if self.args.json { Ok(()) } else { say(text) }
    }

    fn conclude(&self) -> Outcome {
        if self.args.json {
            let head = json!({ "host": self.args.host, "address": self.address, "bytes": self.args.size });
            return say(self.statistics.json(head));
        }
        say(format_args!("\n--- {} ping statistics ---", self.args.host))?;
        say(self.statistics.summary(self.started.elapsed()))
    }
}
