//! What a congestion control algorithm is told: the window it rules, ACKs, losses, restarts.
//!
//! Plain data. Sizes are bytes of text, sequence numbers wrap, times are those of the packet's arrival.

use super::rate_sample::{RateSample, Snapshot};
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// The congestion window of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Bytes that may be in the network.
    pub cwnd: u32,
    /// Below it, slow start; from it on, congestion avoidance.
    pub ssthresh: u32,
}

impl Window {
    /// A window before the first loss: slow start has no bound (RFC 5681 §3.1).
    pub fn new(cwnd: u32) -> Self {
        Self { cwnd, ssthresh: u32::MAX }
    }

    /// Whether it grows exponentially.
    pub fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }

    /// Lets slow start return to three quarters of the window, before it is taken away for not being used
    /// (RFC 7661 §4.4.3).
    pub fn remember_for_slow_start(&mut self) {
        self.ssthresh = self.ssthresh.max(self.cwnd - self.cwnd / 4);
    }
}

/// Where loss recovery is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Routers marked packets of one window: it is being reduced, and nothing is known to be lost (RFC 3168 §6.1.2).
    Cwr,
    /// Losses of one window are being repaired, the window is being reduced (RFC 6582, 6675, 9937).
    Recovery,
    /// After a retransmission timeout, until all that was outstanding then is acknowledged.
    Loss,
}

/// What an ACK tells. There is one for each ACK that delivers something or shows a loss, in every phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckSample {
    /// When it arrived.
    pub now: Instant,
    /// Bytes that it acknowledges cumulatively and for the first time.
    pub acked: u32,
    /// Bytes that it shows to have arrived and no ACK before it did, cumulatively or by SACK.
    pub delivered: u32,
    /// Bytes that count as lost since this ACK.
    pub lost: u32,
    /// Bytes in flight before it ("pipe" of RFC 6675).
    pub prior_flight: u32,
    /// Bytes in flight after it.
    pub flight: u32,
    /// Bytes of a full-sized segment.
    pub mss: u32,
    /// Round-trip time that it measured, if it did.
    pub rtt: Option<Duration>,
    /// The smallest round-trip time of the connection.
    pub min_rtt: Option<Duration>,
    /// Smoothed round-trip time.
    pub srtt: Option<Duration>,
    /// The window, and not the application or the peer, was the limit when what it acknowledges was sent.
    pub cwnd_limited: bool,
    /// Where loss recovery is after it.
    pub phase: Phase,
    /// The peer reports what it has selectively; else a round trip shows one loss at most.
    pub has_sack: bool,
    /// SND.UNA after it.
    pub snd_una: SeqNum,
    /// SND.NXT.
    pub snd_nxt: SeqNum,
    /// Of the delivered bytes, those that the peer reports as marked by routers (RFC 3168, RFC 9768).
    pub marked: u32,
    /// How fast the network delivered; there with
    /// [`wants_rate_samples`](super::CongestionControl::wants_rate_samples) and data delivered.
    pub rate: Option<RateSample>,
}

impl AckSample {
    /// Bytes that the window may grow for: none in a recovery, nor while the application was the limit, nor for an ACK
    /// that only reports something beyond a hole, which may be the first sign of a loss (RFC 5681 §3.1). After a
    /// timeout no more than was in the network, for an ACK may cover what had arrived long before (RFC 3465 §2.3).
    pub fn growth(&self) -> u32 {
        match self.phase {
            _ if !self.cwnd_limited => 0,
            Phase::Open if self.acked == 0 => 0,
            Phase::Open => self.delivered,
            Phase::Cwr | Phase::Recovery => 0,
            Phase::Loss => self.delivered.min(self.prior_flight),
        }
    }
}

/// Bytes that were sent together and count as lost now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LossSample {
    /// When it was noticed.
    pub now: Instant,
    /// The sequence number of the first of them.
    pub seq: SeqNum,
    /// How many.
    pub bytes: u32,
    /// Bytes of a full-sized segment.
    pub mss: u32,
    /// What was known when they were sent.
    pub sent: Snapshot,
    /// Bytes lost on this connection so far, these included.
    pub total_lost: u32,
    /// Bytes delivered on this connection so far.
    pub total_delivered: u64,
    /// As in [`AckSample::has_sack`].
    pub has_sack: bool,
}

/// The flow is about to send after a time with nothing in flight.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Restart {
    /// The time.
    pub now: Instant,
    /// It lasted longer than a retransmission timeout: the ACK clock has stopped (RFC 5681 §4.1).
    pub is_long: bool,
    /// The window of a new connection: "RW" of RFC 5681 §4.1.
    pub restart_window: u32,
}

#[cfg(test)]
impl AckSample {
    /// An ACK of `bytes` at `now`, with nothing else going on and the window full; segments of 1000 bytes.
    pub(crate) fn of(now: Instant, bytes: u32) -> Self {
        Self {
            now,
            acked: bytes,
            delivered: bytes,
            lost: 0,
            prior_flight: bytes,
            flight: 0,
            mss: 1000,
            rtt: None,
            min_rtt: None,
            srtt: None,
            cwnd_limited: true,
            phase: Phase::Open,
            has_sack: true,
            snd_una: SeqNum(0),
            snd_nxt: SeqNum(0),
            marked: 0,
            rate: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_window_may_grow_for() {
        let ack = AckSample { delivered: 900, prior_flight: 500, ..AckSample::of(Instant::ZERO, 800) };
        let growth = |phase, cwnd_limited| AckSample { phase, cwnd_limited, ..ack }.growth();
        assert_eq!(growth(Phase::Open, true), 900);
        assert_eq!(growth(Phase::Open, false), 0);
        assert_eq!(AckSample { acked: 0, ..ack }.growth(), 0);
        assert_eq!((growth(Phase::Cwr, true), growth(Phase::Recovery, true)), (0, 0));
        assert_eq!(growth(Phase::Loss, true), 500);
    }
}
