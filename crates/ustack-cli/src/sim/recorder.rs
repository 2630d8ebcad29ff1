//! What is kept of a simulation while it runs: samples for the plot, events as lines, packets in a capture.

use link_pcap::{Capture, Interface};
use stack_core::{Instant, Medium, TxPacket};
use stack_testkit::sim::{Direction, FlowSample, Observer, Sample};
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::Duration;
use trans_tcp::{Cause, TcpEvent};

/// Sees the simulation.
pub(super) struct Recorder {
    /// Seconds of each sample.
    pub(super) times: Vec<f64>,
    /// Samples of each flow.
    pub(super) flows: Vec<Vec<FlowSample>>,
    /// Samples of each bottleneck, in bytes.
    pub(super) queues: Vec<Vec<usize>>,
    /// When something was sent again, and whether a timeout was why.
    pub(super) retransmits: Vec<(f64, bool)>,
    interfaces: Vec<Interface>,
    events: Option<BufWriter<File>>,
    /// The first error of writing events.
    failed: Option<io::Error>,
}

impl Recorder {
    pub(super) fn new(
        flows: usize,
        capture: Option<&Capture>,
        events: Option<BufWriter<File>>,
    ) -> io::Result<Self> {
        let interface = |number: usize| {
            let name = format!("sender{number}");
            capture.map(|capture| Interface::new(capture, &name, Medium::Ip))
        };
        Ok(Self {
            times: Vec::new(),
            flows: vec![Vec::new(); flows],
            queues: Vec::new(),
            retransmits: Vec::new(),
            interfaces: (1..=flows).filter_map(interface).collect::<io::Result<_>>()?,
            events,
            failed: None,
        })
    }

    /// Writes what is still in memory.
    ///
    /// # Errors
    /// The first one that there was.
    pub(super) fn finish_events(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.events {
            let flushed = file.flush();
            self.failed.take().map_or(flushed, Err)?;
        }
        Ok(())
    }

    fn write(&mut self, at: Instant, rest: fmt::Arguments<'_>) {
        let Some(file) = self.events.as_mut().filter(|_| self.failed.is_none()) else { return };
        self.failed = writeln!(file, "{{\"t\":{:.9},{rest}}}", seconds(at)).err();
    }
}

impl Observer for Recorder {
    fn wants_packets(&self) -> bool {
        !self.interfaces.is_empty()
    }

    fn event(&mut self, at: Instant, flow: usize, event: &TcpEvent) {
        if let TcpEvent::Retransmit { cause, .. } = event {
            self.retransmits.push((seconds(at), *cause == Cause::Timeout));
        }
        self.write(at, format_args!("\"flow\":{},{}", flow + 1, Described(event)));
    }

    fn packet(&mut self, at: Instant, flow: usize, direction: Direction, packet: &TxPacket) {
        if let Some(interface) = self.interfaces.get(flow) {
            interface.record(at, packet, direction == Direction::In);
        }
    }

    fn sample(&mut self, sample: &Sample<'_>) {
        self.times.push(seconds(sample.at));
        self.queues.resize(sample.queues.len(), Vec::new());
        self.queues.iter_mut().zip(sample.queues).for_each(|(queue, bytes)| queue.push(*bytes));
        self.flows.iter_mut().zip(sample.flows).for_each(|(flow, sample)| flow.push(*sample));
        for (flow, number) in sample.flows.iter().zip(1..) {
            let FlowSample { cwnd, ssthresh, in_flight, srtt_ms, delivered } = flow;
            self.write(
                sample.at,
                format_args!(
                    r#""flow":{number},"event":"sample","cwnd":{cwnd},"ssthresh":{ssthresh},"in_flight":{in_flight},"srtt_ms":{srtt_ms:.6},"delivered":{delivered}"#
                ),
            );
        }
        self.write(sample.at, format_args!(r#""event":"queue","bytes":{:?}"#, sample.queues));
    }
}

fn seconds(at: Instant) -> f64 {
    at.saturating_since(Instant::ZERO).as_secs_f64()
}

/// An event as members of a JSON object.
struct Described<'a>(&'a TcpEvent);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        match self.0 {
            TcpEvent::StateChange { from, to } => {
                write!(f, r#""event":"state","from":"{from}","to":"{to}""#)
            }
            TcpEvent::Window { cwnd, ssthresh, pipe } => {
                write!(f, r#""event":"window","cwnd":{cwnd},"ssthresh":{ssthresh},"pipe":{pipe}"#)
            }
            TcpEvent::RttSample { rtt, srtt, rto } => {
                let (rtt, srtt, rto) = (ms(rtt), ms(srtt), ms(rto));
                write!(f, r#""event":"rtt","rtt_ms":{rtt:.6},"srtt_ms":{srtt:.6},"rto_ms":{rto:.6}"#)
            }
            TcpEvent::Retransmit { seq, len, cause } => {
                let (seq, cause) = (seq.0, kebab(cause));
                write!(f, r#""event":"retransmit","seq":{seq},"len":{len},"cause":"{cause}""#)
            }
            TcpEvent::CongestionExperienced { packets, bytes, is_news } => {
                write!(f, r#""event":"marks","packets":{packets},"bytes":{bytes},"is_news":{is_news}"#)
            }
            TcpEvent::RecoveryBegins { cause, recovery_point } => {
                let (cause, point) = (kebab(cause), recovery_point.0);
                write!(f, r#""event":"recovery-begins","cause":"{cause}","recovery_point":{point}"#)
            }
            TcpEvent::RecoveryEnds => f.write_str(r#""event":"recovery-ends""#),
            TcpEvent::Undo { cause } => write!(f, r#""event":"undo","cause":"{}""#, kebab(cause)),
            // Of those that came later than this program, as much as it can say.
            other => {
                let detail = format!("{other:?}").replace(['"', '\\'], "'");
                write!(f, r#""event":"other","detail":"{detail}""#)
            }
        }
    }
}

/// The name of a variant as a word: `FastRetransmit` becomes `fast-retransmit`.
fn kebab(variant: impl fmt::Debug) -> String {
    let mut word = String::new();
    for letter in format!("{variant:?}").chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_described_in_json() {
        let ms = Duration::from_millis;
        let event = TcpEvent::RttSample { rtt: ms(50), srtt: ms(51), rto: ms(251) };
        let json: serde_json::Value = serde_json::from_str(&format!("{{{}}}", Described(&event))).unwrap();
        assert_eq!((&json["event"], &json["srtt_ms"]), (&"rtt".into(), &51.0.into()));
        assert_eq!(
            (kebab(Cause::FastRetransmit), kebab(Cause::Timeout)),
            ("fast-retransmit".into(), "timeout".into())
        );
    }
}
