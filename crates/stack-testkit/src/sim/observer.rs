//! What can be watched of a simulation while it runs: events of senders, samples, packets.

use stack_core::{Instant, TxPacket};
use trans_tcp::TcpEvent;

/// Sees what happens. All times are those of the simulation; flows are numbered from 0.
pub trait Observer {
    /// Whether [`packet`](Self::packet) is wanted.
    fn wants_packets(&self) -> bool {
        false
    }

    /// Something happened to the sender of a flow.
    fn event(&mut self, at: Instant, flow: usize, event: &TcpEvent) {
        let _ = (at, flow, event);
    }

    /// A sender sent or received a packet.
    fn packet(&mut self, at: Instant, flow: usize, direction: Direction, packet: &TxPacket) {
        let _ = (at, flow, direction, packet);
    }

    /// How things stand.
    fn sample(&mut self, sample: &Sample<'_>) {
        let _ = sample;
    }
}

/// Nobody watches.
impl Observer for () {}

/// Which way a packet went, as its sender sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Direction {
    /// From the sender of data.
    Out,
    /// To the sender of data.
    In,
}

/// How things stand at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// When.
    pub at: Instant,
    /// Each flow.
    pub flows: &'a [FlowSample],
    /// Bytes in the queue of each bottleneck.
    pub queues: &'a [usize],
}

/// How a flow stands; all zero before it starts.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct FlowSample {
    /// Congestion window, in bytes.
    pub cwnd: u32,
    /// Slow-start threshold, in bytes; `u32::MAX` before the first loss.
    pub ssthresh: u32,
    /// Bytes in the network as the sender reckons them.
    pub in_flight: u32,
    /// Smoothed round-trip time, in milliseconds; 0 before the first.
    pub srtt_ms: f64,
    /// Bytes that the receiver has read so far.
    pub delivered: u64,
}
