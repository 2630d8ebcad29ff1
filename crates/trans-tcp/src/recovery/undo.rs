//! Was it a loss at all? A retransmission that was needless should leave no trace in the window: RFC 3522 and 4015
//! (Eifel, by timestamps), RFC 3708 (by DSACK).
//!
//! With timestamps the first ACK that covers something sent again tells: if it echoes a time before the
//! retransmission, it answers the original. With DSACK the peer reports what it got twice; when that is all that was
//! sent again, nothing was lost. Either way the congestion control goes back to where it was, and what still counts as
//! lost is on its way. F-RTO (`frto.rs`) finds the same for timeouts without either.

use super::Phase;
use super::delivery::Delivery;
use super::sack::Report;
use crate::connection::Connection;
use crate::env::Env;
use crate::event::{TcpEvent, UndoCause};
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// What is known of the last reduction of the window; stays after the recovery, for reports come late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Undo {
    /// SND.UNA when it began.
    marker: SeqNum,
    /// Octets sent again since that no DSACK has reported.
    unreported: u32,
    /// There is something to undo.
    is_possible: bool,
    /// Something was sent again.
    has_resent: bool,
}

impl Undo {
    pub(crate) const NONE: Self =
        Self { marker: SeqNum(0), unreported: 0, is_possible: false, has_resent: false };

    /// The window is reduced; `retransmitted` octets are on their way a second time already.
    pub(crate) fn begin(una: SeqNum, retransmitted: u32) -> Self {
        let has_resent = retransmitted > 0;
        Self { marker: una, unreported: retransmitted, is_possible: true, has_resent }
    }

    /// Octets were sent again.
    pub(crate) fn resent(&mut self, octets: u32) {
        self.unreported = self.unreported.saturating_add(octets);
        self.has_resent = true;
    }

    /// The peer got `[left, right)` twice.
    fn reported(&mut self, left: SeqNum, right: SeqNum) {
        if right.after(self.marker) {
            self.unreported = self.unreported.saturating_sub(right.distance_from(left.max(self.marker)));
        }
    }

    /// Everything that was sent again arrived twice.
    fn all_reported(&self) -> bool {
        self.is_possible && self.has_resent && self.unreported == 0
    }
}

impl Connection {
    /// Takes note of a report of duplicates.
    pub(super) fn note_duplicate_report(&mut self, env: &mut Env<'_, '_>, report: &Report) {
        let Some((left, right)) = report.duplicate else { return };
        let counters = env.counters();
        counters.dsack_recv += 1;
        counters.dsack_ofo_recv += u64::from(report.duplicate_is_ahead);
        let segments = right.distance_from(left).div_ceil(self.mss());
        let losses = self.losses_mut();
        losses.dsack_dups = losses.dsack_dups.saturating_add(segments);
        if losses.dsack_dups > losses.retrans {
            env.counters().dsack_ignored_dubious += 1; // the network doubles packets, or the peer lies: RFC 3708 §3
            return;
        }
        self.recovery.undo.reported(left, right);
        let (una, nxt) = (self.snd.una, self.snd.nxt);
        let by_probe = self.recovery.probe.is_out();
        if let Some(flight) =
            self.recovery.flight.as_mut().filter(|_| env.config().reordering_adapts && !by_probe)
        {
            flight.rack.duplicate(una, nxt, &mut self.recovery.reordering);
        }
    }

    /// Goes back, if this ACK shows that the reduction was for nothing. Returns whether it did.
    pub(crate) fn try_undo(&mut self, env: &mut Env<'_, '_>, ack: &Delivery, report: &Report) -> bool {
        if !self.recovery.undo.is_possible || !env.config().undo {
            return false;
        }
        if report.duplicate.is_some() && self.recovery.undo.all_reported() {
            env.counters().dsack_undo += 1;
            self.undo(env, UndoCause::Dsack);
            return true;
        }
        if matches!(self.recovery.phase, Phase::Open | Phase::Cwr) || !self.answers_original(ack) {
            return false;
        }
        self.recovery.reordering.seen |= self.recovery.phase == Phase::Recovery;
        let is_full = self.snd.una.after_eq(self.recovery.recovery_point);
        let counters = env.counters();
        match (self.recovery.phase, is_full) {
            (Phase::Loss, _) => counters.loss_undo += 1,
            (_, true) => counters.full_undo += 1,
            (_, false) => counters.partial_undo += 1,
        }
        self.undo(env, UndoCause::Timestamps);
        true
    }

    /// The ACK is for what was sent before anything was sent again, and nothing that was is still out.
    fn answers_original(&self, ack: &Delivery) -> bool {
        let Some(first_resent) = self.recovery.flight.as_ref().map(|flight| flight.first_resent) else {
            return false;
        };
        let is_original = if first_resent == Instant::FAR_FUTURE {
            ack.was_lost
        } else {
            ack.was_resent && ack.echo.predates(first_resent)
        };
        ack.acked > 0 && is_original && self.retransmitted() == 0
    }

    /// The congestion control forgets the loss, and so do we.
    pub(super) fn undo(&mut self, env: &mut Env<'_, '_>, cause: UndoCause) {
        self.congestion.get_mut().on_spurious(&mut self.window);
        if let Some(classic) = self.ecn.classic() {
            classic.on_undo();
        }
        let was = core::mem::replace(&mut self.recovery.phase, Phase::Open);
        self.recovery.undo = Undo::NONE;
        self.rtt.backoff = 0;
        if let Some(flight) = &mut self.recovery.flight {
            flight.revive();
        }
        env.emit(|| TcpEvent::Undo { cause });
        if was != Phase::Open {
            env.emit(|| TcpEvent::RecoveryEnds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R3708-2-b, R3708-3-a
    #[test]
    fn only_reports_of_everything_that_was_sent_again_undo() {
        let mut undo = Undo::begin(SeqNum(1000), 0);
        assert!(!undo.all_reported(), "nothing was sent again");
        undo.resent(300);
        undo.reported(SeqNum(500), SeqNum(1000));
        assert!(!undo.all_reported(), "that was before");
        undo.reported(SeqNum(900), SeqNum(1100));
        undo.reported(SeqNum(1100), SeqNum(1299));
        assert!(!undo.all_reported());
        undo.reported(SeqNum(1299), SeqNum(1300));
        assert!(undo.all_reported());
        undo.resent(1);
        assert!(!undo.all_reported());
        assert!(!Undo::NONE.all_reported());
    }
}
