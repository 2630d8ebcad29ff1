//! A flow: its two hosts, their programs, and what is watched of them.

use crate::sim::flow::{Reader, Writer, addresses};
use crate::sim::observer::FlowSample;
use crate::sim::retransmissions::Retransmissions;
use crate::sim::station::Station;
use crate::sim::{SimConfig, SimError};
use crate::source::SeededRng;
use stack_core::{EndpointId, Instant};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use trans_tcp::{Probe, TcpConfig, TcpEvent};

/// Keeps the events of a sender until its turn is over.
#[derive(Default)]
struct Events(Mutex<Vec<(Instant, TcpEvent)>>);

impl Events {
    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, TcpEvent)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe for Events {
    fn event(&self, now: Instant, _: EndpointId, event: &TcpEvent) {
        self.lock().push((now, *event));
    }
}

/// A flow's two hosts and their programs.
pub(super) struct Pair {
    pub(super) sender: Station,
    pub(super) receiver: Station,
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    events: Arc<Events>,
    pub(super) on_wire: Retransmissions,
}

impl Pair {
    pub(super) fn new(config: &SimConfig, number: usize, rng: &mut SeededRng) -> Result<Self, SimError> {
        let [ours, theirs] = addresses(number);
        let flow = &config.flows[number];
        let events = Arc::new(Events::default());
        let observed = TcpConfig { probe: Some(Arc::clone(&events) as _), ..flow.tcp.clone() };
        let sender = Station::new(observed, ours, config.mtu, rng.fork())?;
        let mut receiver = Station::new(flow.tcp.clone(), theirs, config.mtu, rng.fork())?;
        let reader = Reader::new(&mut receiver, theirs)?;
        let writer = Writer::new(theirs, flow.bytes);
        Ok(Self { sender, receiver, writer, reader, events, on_wire: Retransmissions::default() })
    }

    /// Name of its congestion control.
    pub(super) fn cc(&self) -> &'static str {
        self.writer.info(&self.sender).map_or("", |info| info.congestion)
    }

    /// What has happened to the sender since the last call.
    pub(super) fn take_events(&self) -> Vec<(Instant, TcpEvent)> {
        core::mem::take(&mut *self.events.lock())
    }

    /// How it stands.
    pub(super) fn sample(&self) -> FlowSample {
        let Some(info) = self.writer.info(&self.sender) else { return FlowSample::default() };
        FlowSample {
            cwnd: info.cwnd,
            ssthresh: info.ssthresh,
            in_flight: info.pipe,
            srtt_ms: info.srtt.map_or(0.0, |srtt| srtt.as_secs_f64() * 1e3),
            delivered: self.reader.read,
        }
    }
}
