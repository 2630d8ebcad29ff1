//! Half-open peers of listeners: SYN-RECEIVED after a passive open, as records of less than a cache line and a half.
//! RFC 9293 §3.10.7.4 for that state, R9293-MUST-11, RFC 4987.
//!
//! A record answers its own segments until an ACK fits; then it becomes a connection, and that segment is the
//! connection's first. Options that the peer did not offer are not in the SYN-ACK. Leaves out SYN cookies.

use crate::env::{Reply, Shared};
use crate::options::Envelope;
use crate::pmtu::Path;
use crate::segment::Segment;
use crate::timestamps::{Timestamps, clock};
use crate::tuple::Tuple;
use core::time::Duration;
use stack_core::{DropReason, EndpointId, Instant, NicId, TxPacket};
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{Emit, Flags, MAX_OPTIONS_LEN};
use stack_wire::tcp_options::TcpOptions;

/// Shortest time between two SYN-ACKs that repeated SYNs ask for.
const REPEAT: Duration = Duration::from_millis(500);

/// A peer that was answered and has not confirmed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HalfOpen {
    pub(crate) tuple: Tuple,
    pub(crate) peer_mss: u16,
    pub(crate) nic: Option<NicId>,
    pub(crate) listener: EndpointId,
    pub(crate) iss: SeqNum,
    pub(crate) irs: SeqNum,
    /// The peer's timestamp; `None` if it has none.
    pub(crate) ts_recent: Option<u32>,
    /// When the SYN-ACK was sent last.
    pub(crate) sent_at: Instant,
    /// What the SYN-ACK offers.
    pub(crate) window: u16,
    /// The peer's window shift; `None` if it offered none.
    pub(crate) shift: Option<u8>,
    pub(crate) retries: u8,
    /// The peer offered SACK, and we take it.
    pub(crate) sack: bool,
    /// In the control queue.
    pub(crate) queued: bool,
}

/// What a record makes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    /// Dropped in silence.
    Drop(DropReason),
    /// Dropped and answered with an ACK, within limits.
    Ack(DropReason),
    /// Dropped and answered with a reset from its own ACK.
    Reset(DropReason),
    /// The SYN once more: so is the answer, within limits.
    Again,
    /// The peer takes it back.
    Remove,
    /// The handshake is complete.
    Complete,
}

impl HalfOpen {
    /// The checks of RFC 9293 §3.10.7.4 in their order.
    pub(crate) fn judge(&self, now: Instant, seg: &Segment) -> Judgement {
        let next = self.irs + 1;
        if seg.flags.syn() && !seg.flags.ack() && !seg.flags.rst() && seg.seq == self.irs {
            return Judgement::Again;
        }
        if self.is_old(now, seg) {
            return Judgement::Ack(DropReason::TcpPaws);
        }
        let wnd = u32::from(self.window);
        let len = seg.sequence_len();
        let acceptable = seg.seq.in_window(next, wnd.max(1))
            || len > 0 && (seg.seq + (len - 1)).in_window(next, wnd.max(1));
        if seg.flags.rst() {
            return match (acceptable, seg.seq == next) {
                (_, true) => Judgement::Remove,
                (true, false) => Judgement::Ack(DropReason::TcpBadReset), // R5961-3.2-a
                (false, false) => Judgement::Drop(DropReason::TcpOutOfWindow),
            };
        }
        if !acceptable {
            return Judgement::Ack(DropReason::TcpOutOfWindow);
        }
        if seg.flags.syn() {
            return Judgement::Ack(DropReason::TcpUnexpectedSyn); // R5961-4.2-a
        }
        if !seg.flags.ack() {
            return Judgement::Drop(DropReason::TcpBadFlags);
        }
        if seg.ack != self.iss + 1 {
            return Judgement::Reset(DropReason::TcpBadAck);
        }
        Judgement::Complete
    }

    fn is_old(&self, now: Instant, seg: &Segment) -> bool {
        let (Some(recent), Some((tsval, _))) = (self.ts_recent, seg.timestamps) else { return false };
        let mut ts = Timestamps::new(true, 0);
        ts.start(recent, now);
        !seg.flags.rst() && ts.is_old(tsval, now)
    }

    /// Whether a repeated SYN may have its answer now.
    pub(crate) fn may_repeat(&self, now: Instant) -> bool {
        !self.queued && now.saturating_since(self.sent_at) >= REPEAT
    }

    /// When the SYN-ACK has to go again.
    pub(crate) fn deadline(&self, shared: &Shared) -> Instant {
        let config = &shared.config;
        let wait = config.initial_rto.saturating_mul(1 << self.retries.min(16)).min(config.max_rto);
        self.sent_at + wait
    }

    /// The ACK that tells a peer where the handshake is.
    pub(crate) fn ack(&self, now: Instant, offset: u32, mark: u32) -> Reply {
        Reply {
            tuple: self.tuple,
            nic: self.nic,
            seq: self.iss + 1,
            ack: self.irs + 1,
            flags: Flags::ACK,
            window: self.window,
            timestamps: self.ts_recent.map(|recent| (clock(now, offset), recent)),
            mark,
        }
    }

    /// Writes the SYN-ACK.
    pub(crate) fn write_syn_ack(
        &self,
        packet: &mut TxPacket,
        now: Instant,
        offset: u32,
        our_shift: u8,
        envelope: &Envelope<'_>,
        max_segment: u16,
    ) -> bool {
        let path: &Path = envelope.path;
        let options = TcpOptions {
            mss: Some(path.receive_mss(&self.tuple, max_segment)),
            window_scale: self.shift.map(|_| our_shift),
            sack_permitted: self.sack,
            timestamps: self.ts_recent.map(|recent| (clock(now, offset), recent)),
            ..TcpOptions::NONE
        };
        let mut area = [0; MAX_OPTIONS_LEN];
        let len = options.write(&mut area);
        let emit = Emit {
            src_port: self.tuple.local_port,
            dst_port: self.tuple.remote_port,
            seq: self.iss,
            ack: self.irs + 1,
            flags: Flags::SYN | Flags::ACK, // without ECE: ECN was offered in vain
            window: self.window,
            urgent: 0,
            options: area.get(..len).unwrap_or_default(),
        };
        envelope.seal(packet, &emit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Option<HalfOpen>>() <= 96, "{} bytes", size_of::<Option<HalfOpen>>());
    }
}
