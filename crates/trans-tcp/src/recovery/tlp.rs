//! The tail loss probe: RFC 8985 §7. When nothing was heard for two round trips, something is sent for the peer to
//! react to: new text, or else the last segment again. What was lost before it is then found by RACK, without the
//! timeout that would take the window with it.
//!
//! One probe at a time (R8985-7-b). If the probe was a retransmission and it turns out to have repaired a loss, the
//! congestion control hears of that loss like of any other. Where a timeout is nearer than the probe, the probe goes
//! in its place (RFC 8985 §7.2).

use super::Phase;
use super::delivery::Delivery;
use super::sack::Report;
use crate::connection::Connection;
use crate::env::Env;
use crate::event::{Cause, TcpEvent};
use crate::segment::Segment;
use crate::transmit::{Outgoing, Sending};
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;

/// What a lone segment's ACK may be delayed by: `TLP.max_ack_delay` (RFC 8985 §7.2); Linux's `TCP_RTO_MIN`.
const MAX_ACK_DELAY: Duration = Duration::from_millis(200);
/// No probe goes earlier than this: on the shortest paths a peer's scheduling takes longer than the way. The drafts of
/// RFC 8985 had this floor.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);
/// The timeout before the first sample of the round-trip time (RFC 8985 §7.2).
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);

/// A probe that no ACK has answered yet. It outlives the flight: the next flight's first ACK may tell what it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LossProbe {
    /// SND.NXT behind it: `TLP.end_seq`.
    end: SeqNum,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    None,
    NewText,
    Again,
}

impl LossProbe {
    pub(crate) const NONE: Self = Self { end: SeqNum(0), kind: Kind::None };

    /// Whether one is under way.
    pub(crate) fn is_out(&self) -> bool {
        self.kind != Kind::None
    }

    /// It was sent; SND.NXT is `end` behind it.
    pub(crate) fn sent(&mut self, end: SeqNum, again: bool) {
        *self = Self { end, kind: if again { Kind::Again } else { Kind::NewText } };
    }

    /// `TLP_process_ack` (RFC 8985 §7.4): an ACK acknowledges up to `ack`. Returns whether the probe has repaired a loss.
    fn acknowledged(
        &mut self,
        ack: SeqNum,
        is_bare_duplicate: bool,
        duplicate: Option<(SeqNum, SeqNum)>,
    ) -> bool {
        if !self.is_out() || ack.before(self.end) {
            return false;
        }
        let is_again = self.kind == Kind::Again;
        let was_needless = duplicate.is_some_and(|(_, right)| right == self.end) || is_bare_duplicate;
        if !is_again || was_needless {
            *self = Self::NONE;
            return false;
        }
        let has_repaired = ack.after(self.end);
        if has_repaired {
            *self = Self::NONE;
        }
        has_repaired
    }
}

impl Connection {
    /// When the next probe is due, if text is sent or acknowledged at `now` (`TLP_calc_PTO`); `FAR_FUTURE` for none.
    pub(crate) fn probe_timeout(&self, env: &Env<'_, '_>) -> Instant {
        let Some(flight) = &self.recovery.flight else { return Instant::FAR_FUTURE };
        let board = &flight.board;
        let is_calm = matches!(self.recovery.phase, Phase::Open | Phase::Cwr);
        let is_allowed = self.sack && env.config().loss_probe && is_calm;
        if !is_allowed || self.recovery.probe.is_out() || board.sacked() + board.lost() > 0 {
            return Instant::FAR_FUTURE;
        }
        let is_lone = self.snd.outstanding() <= self.mss();
        let delay = if is_lone { MAX_ACK_DELAY } else { Duration::ZERO };
        let timeout = self.rtt.srtt().map_or(FIRST_TIMEOUT, |srtt| (srtt * 2).max(MIN_TIMEOUT) + delay);
        env.now + timeout
    }

    /// The timer went off: the probe goes with the next transmission.
    pub(crate) fn on_probe_timeout(&mut self) {
        if let Some(flight) = &mut self.recovery.flight {
            flight.probe_due = true;
            flight.deadlines.probe = Instant::FAR_FUTURE;
        }
    }

    /// The probe, if it is due: new text if there is some, else the last segment (`TLP_send_probe`).
    pub(crate) fn loss_probe(&self) -> Option<Outgoing> {
        let flight = self.recovery.flight.as_ref().filter(|flight| flight.probe_due)?;
        let room = u32::try_from(self.snd.window_room()).unwrap_or(0);
        let (mut seq, mut len) = (self.snd.nxt, self.snd.unsent().min(self.mss()).min(room));
        if len == 0 && !(self.snd.fin_unsent() && self.snd.unsent() == 0 && room > 0) {
            let last = flight.board.last()?;
            let behind = last.len().saturating_sub(1) / self.mss() * self.mss();
            seq = last.start + behind;
            len = self.snd.text_end().min(last.end).distance_from(seq).min(self.mss());
        }
        let end = seq + len;
        let fits = end.before(self.snd.una + self.snd.wnd) || end.before(self.snd.nxt);
        let fin = self.snd.ends_with_fin(end) && fits;
        let flags = if fin { Flags::ACK | Flags::FIN } else { Flags::ACK };
        Some(Outgoing { seq, len, flags, kind: Sending::LossProbe })
    }

    /// What an ACK tells of the probe that is out.
    pub(super) fn judge_probe(
        &mut self,
        env: &mut Env<'_, '_>,
        seg: &Segment,
        ack: &Delivery,
        report: &Report,
    ) {
        let is_bare = report.is_empty() && ack.acked == 0 && seg.len == 0 && !seg.flags.fin();
        if !self.recovery.probe.acknowledged(seg.ack, is_bare, report.duplicate) {
            return;
        }
        env.counters().loss_probe_recovery += 1;
        if self.recovery.phase == Phase::Open {
            let (flight, mss, recovery_point) = (ack.prior_flight, self.mss(), self.snd.nxt);
            self.window.ssthresh = self.congestion.get_mut().ssthresh(&self.window, flight, mss);
            self.window.cwnd = self.window.ssthresh;
            self.congestion.get_mut().on_recovery_end(&mut self.window);
            self.recovery.recovery_point = recovery_point;
            self.note_reduction();
            env.emit(|| TcpEvent::RecoveryBegins { cause: Cause::LossProbe, recovery_point });
            env.emit(|| TcpEvent::RecoveryEnds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(again: bool) -> LossProbe {
        let mut probe = LossProbe::NONE;
        probe.sent(SeqNum(100), again);
        probe
    }

    // R8985-7-b
    #[test]
    fn an_ack_beyond_the_repeated_segment_means_that_it_was_missing() {
        let mut probe = sent(true);
        assert!(!probe.acknowledged(SeqNum(99), false, None) && probe.is_out());
        assert!(!probe.acknowledged(SeqNum(100), false, None) && probe.is_out(), "either of the two arrived");
        assert!(probe.acknowledged(SeqNum(101), false, None) && !probe.is_out());
    }

    // R8985-7.4-a
    #[test]
    fn a_duplicate_means_that_both_arrived() {
        let reported = Some((SeqNum(50), SeqNum(100)));
        for (bare, duplicate) in [(true, None), (false, reported)] {
            let mut probe = sent(true);
            assert!(!probe.acknowledged(SeqNum(100), bare, duplicate) && !probe.is_out());
        }
        let mut probe = sent(true);
        assert!(probe.acknowledged(SeqNum(101), false, Some((SeqNum(10), SeqNum(20)))), "of something else");
    }

    #[test]
    fn new_text_repairs_nothing() {
        let mut probe = sent(false);
        assert!(!probe.acknowledged(SeqNum(200), false, None) && !probe.is_out());
    }
}
