//! Half-open peers of listeners: SYN-RECEIVED after a passive open, as records of less than a cache line and a half.
//! RFC 9293 §3.10.7.4 for that state, R9293-MUST-11, RFC 4987.
//!
//! A record answers its own segments until an ACK fits; then it becomes a connection, and that segment is the
//! connection's first. Records of forwarders are held until somebody decides (`forwarder/`). Options that the peer did not offer are not in the SYN-ACK. A listener may want data before it has a
//! connection (`TCP_DEFER_ACCEPT`): then ACKs without data are not enough until the deferral is over, and the SYN-ACK goes
//! once more at its end, so that the peer can confirm. Peers of which nothing is kept are in `syn_cookie.rs`.

use crate::accurate_ecn::ByteCounts;
use crate::config::TcpConfig;
use crate::ecn::{Feedback, OpeningEcn};
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
use stack_wire::tcp_options::{FastOpenCookie, TcpOptions};

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
    /// When the SYN-ACK was sent last, or a timeout passed without it.
    pub(crate) waits_since: Instant,
    /// What the SYN-ACK offers.
    pub(crate) window: u16,
    /// The peer's window shift; `None` if it offered none.
    pub(crate) shift: Option<u8>,
    pub(crate) retries: u8,
    /// The peer offered SACK, and we take it.
    pub(crate) sack: bool,
    /// In the control queue.
    pub(crate) queued: bool,
    /// A forwarder's request that nobody has decided about: nothing was sent.
    pub(crate) held: bool,
    /// The peer has confirmed, and the listener waits for data.
    pub(crate) acked: bool,
    /// The SYN-ACK brings a Fast Open cookie.
    pub(crate) gives_cookie: bool,
    /// The SYN-ACK had to be sent again.
    pub(crate) resent: bool,
    pub(crate) ecn: OpeningEcn,
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
        if self.held {
            return self.judge_held(seg);
        }
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
        !self.queued && now.saturating_since(self.waits_since) >= REPEAT
    }

    /// When the SYN-ACK has to go again.
    pub(crate) fn deadline(&self, shared: &Shared) -> Instant {
        self.waits_since + wait(self.retries, &shared.config)
    }

    /// The ACK that tells a peer where the handshake is.
    pub(crate) fn ack(&self, now: Instant, offset: u32, mark: u32) -> Reply {
        Reply {
            tuple: self.tuple,
            nic: self.nic,
            seq: self.iss + 1,
            ack: self.irs + 1,
            flags: Flags::ACK | self.ecn.ack_flags(),
            window: self.window,
            timestamps: self.ts_recent.map(|recent| (clock(now, offset), recent)),
            mark,
        }
    }

    /// The reset of whom nobody has answered: as if there were no endpoint (RFC 9293 §3.10.7.1).
    pub(crate) fn refusal(&self) -> Reply {
        Reply {
            tuple: self.tuple,
            nic: self.nic,
            seq: SeqNum(0),
            ack: self.irs + 1,
            flags: Flags::RST | Flags::ACK,
            window: 0,
            timestamps: None,
            mark: 0,
        }
    }

    /// How often nobody confirmed the SYN-ACK in time.
    pub(crate) fn syn_ack_timeouts(&self) -> u8 {
        if self.resent { self.retries } else { 0 }
    }

    /// The reset that ends the handshake.
    pub(crate) fn reset(&self, now: Instant) -> Reply {
        Reply { flags: Flags::RST | Flags::ACK, window: 0, timestamps: None, ..self.ack(now, 0, 0) }
    }

    /// Whether a timeout of the SYN-ACK sends it again: not to a peer that has confirmed, before the deferral ends.
    pub(crate) fn repeats(&self, defer: u8) -> bool {
        !self.acked || self.retries >= defer
    }

    /// Writes the SYN-ACK, with `tsval` for its timestamp.
    pub(crate) fn write_syn_ack(
        &self,
        packet: &mut TxPacket,
        tsval: u32,
        our_shift: u8,
        envelope: &Envelope<'_>,
        max_segment: u16,
        cookie: Option<FastOpenCookie>,
    ) -> bool {
        let path: &Path = envelope.path;
        let mut options = TcpOptions {
            mss: Some(path.receive_mss(&self.tuple, max_segment)),
            window_scale: self.shift.map(|_| our_shift),
            sack_permitted: self.sack,
            timestamps: self.ts_recent.map(|recent| (tsval, recent)),
            fast_open: cookie,
            ..TcpOptions::NONE
        };
        if self.ecn.feedback == Feedback::Accurate && self.syn_ack_timeouts() == 0 {
            options.accurate_ecn = ByteCounts::INITIAL.all(MAX_OPTIONS_LEN - options.len());
        }
        let mut area = [0; MAX_OPTIONS_LEN];
        let len = options.write(&mut area);
        let emit = Emit {
            src_port: self.tuple.local_port,
            dst_port: self.tuple.remote_port,
            seq: self.iss,
            ack: self.irs + 1,
            flags: Flags::SYN | Flags::ACK | self.ecn.syn_ack_flags(self.syn_ack_timeouts()),
            window: self.window,
            urgent: 0,
            options: area.get(..len).unwrap_or_default(),
        };
        envelope.seal(packet, &emit)
    }
}

/// Timeouts of a SYN-ACK until `time` is over: how `TCP_DEFER_ACCEPT` counts.
pub(crate) fn timeouts_within(time: Duration, config: &TcpConfig) -> u8 {
    let mut timeouts = 0;
    while timeouts < u8::MAX && time_of_timeouts(timeouts, config) < time {
        timeouts += 1;
    }
    timeouts
}

/// When the last of so many timeouts comes.
pub(crate) fn time_of_timeouts(timeouts: u8, config: &TcpConfig) -> Duration {
    (0..timeouts).map(|retries| wait(retries, config)).sum()
}

/// How long the SYN-ACK is waited for after `retries` timeouts.
fn wait(retries: u8, config: &TcpConfig) -> Duration {
    config.initial_rto.saturating_mul(1 << retries.min(16)).min(config.max_rto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deferral_is_counted_in_timeouts() {
        let config = TcpConfig::default();
        let timeouts = |secs| timeouts_within(Duration::from_secs(secs), &config);
        assert_eq!((timeouts(0), timeouts(1), timeouts(3), timeouts(4), timeouts(60)), (0, 1, 2, 3, 6));
        assert_eq!(time_of_timeouts(2, &config), Duration::from_secs(3));
        assert_eq!(timeouts(1_000_000), u8::MAX);
    }

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Option<HalfOpen>>() <= 96, "{} bytes", size_of::<Option<HalfOpen>>());
    }
}
