//! Fast retransmit and fast recovery by duplicate ACKs: RFC 5681 §3.2, RFC 6582 (NewReno), RFC 3042.
//!
//! Only for connections without SACK. A partial ACK means one more hole: it is filled at once, one for each round
//! trip. The retransmission timer is restarted by the first partial ACK only (the impatient variant of RFC 6582 §4).

use super::undo::Undo;
use super::{Phase, Recovery};
use crate::congestion::{CongestionControl, Window};
use crate::event::Cause;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// Duplicate ACKs that mean a loss: R5681-3.2-c.
const DUP_THRESH: u8 = 3;

/// What an ACK of new data means to the recovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// No recovery is under way: the window may grow.
    Normal,
    /// It acknowledges part of what was outstanding when the fast recovery began.
    Partial {
        /// The first of its recovery.
        first: bool,
    },
    /// The recovery is over.
    Finished,
}

impl Recovery {
    /// A duplicate ACK arrived while `[una, nxt)` was outstanding. Returns whether a fast recovery begins with it.
    pub(crate) fn on_dup_ack(
        &mut self,
        window: &mut Window,
        congestion: &mut dyn CongestionControl,
        una: SeqNum,
        nxt: SeqNum,
        mss: u32,
    ) -> bool {
        self.dup_acks = self.dup_acks.saturating_add(1);
        if self.phase == Phase::Recovery {
            window.cwnd = window.cwnd.saturating_add(mss); // RFC 5681 §3.2 step 4
            return false;
        }
        let Some(flight) = &mut self.flight else { return false };
        if self.dup_acks == 1 {
            flight.before_limited = nxt;
        }
        // R6582-4-a: only when more is acknowledged than the recovery before this one covers.
        let reduces = self.phase == Phase::Cwr && !congestion.owns_window_in_recovery();
        let is_covered = self.phase != Phase::Cwr && !una.after(self.recovery_point);
        if self.phase == Phase::Loss || self.dup_acks != DUP_THRESH || is_covered {
            return false;
        }
        self.phase = Phase::Recovery;
        self.partial = false;
        self.recovery_point = nxt; // R6582-3.2-a
        self.undo = if reduces { Undo::NONE } else { Undo::begin(una, flight.board.retransmitted()) };
        flight.first_resent = Instant::FAR_FUTURE;
        // RFC 5681 §3.2 step 2: what limited transmit added is not part of the flight.
        let flight = flight.before_limited.distance_from(una);
        if !reduces {
            window.ssthresh = congestion.ssthresh(window, flight, mss);
        }
        window.cwnd = window.ssthresh.saturating_add(u32::from(DUP_THRESH) * mss);
        self.mark_lost(una, nxt.min(una + mss), Cause::FastRetransmit);
        true
    }

    /// Whether the next duplicate ACK would begin a fast recovery of what follows `una`.
    pub(crate) fn is_about_to_begin(&self, una: SeqNum) -> bool {
        self.phase == Phase::Open && self.dup_acks + 1 == DUP_THRESH && una.after(self.recovery_point)
    }

    /// New data was acknowledged: `acked` bytes, up to `una`; `flight` bytes are still outstanding.
    pub(crate) fn on_new_ack(
        &mut self,
        window: &mut Window,
        una: SeqNum,
        nxt: SeqNum,
        acked: u32,
        mss: u32,
    ) -> Progress {
        self.dup_acks = 0;
        self.timeouts = 0;
        if matches!(self.phase, Phase::Open | Phase::Cwr) {
            return Progress::Normal;
        }
        if una.after_eq(self.recovery_point) {
            return self.finish(window, nxt.distance_from(una), mss);
        }
        if self.phase == Phase::Loss {
            return Progress::Normal; // slow start goes on under the new threshold
        }
        // R6582-3.2-a, step 3: fill the next hole, deflate by what left the network, keep one segment for it.
        window.cwnd = window.cwnd.saturating_sub(acked).max(mss);
        if acked >= mss {
            window.cwnd = window.cwnd.saturating_add(mss);
        }
        self.mark_lost(una, nxt.min(una + mss), Cause::FastRetransmit);
        Progress::Partial { first: !core::mem::replace(&mut self.partial, true) }
    }

    /// Bytes beyond the window that the first two duplicate ACKs let go: R3042-2-a, R5681-3.2-d.
    pub(crate) fn limited_transmit(&self, mss: u32) -> u32 {
        if self.phase == Phase::Open { u32::from(self.dup_acks.min(DUP_THRESH - 1)) * mss } else { 0 }
    }

    fn finish(&mut self, window: &mut Window, flight: u32, mss: u32) -> Progress {
        if self.phase == Phase::Recovery {
            // RFC 6582 §3.2 step 3, option 1: no burst when little is left in flight.
            window.cwnd = window.ssthresh.min(flight.max(mss).saturating_add(mss));
        }
        let was_loss = self.phase == Phase::Loss;
        self.phase = Phase::Open;
        if was_loss { Progress::Normal } else { Progress::Finished }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::Reno;
    use crate::congestion::rate_sample::Snapshot;
    use crate::recovery::flight::Flight;
    use alloc::boxed::Box;

    const MSS: u32 = 1000;

    struct Flow {
        recovery: Recovery,
        window: Window,
        reno: Reno,
        una: SeqNum,
        nxt: SeqNum,
    }

    impl Flow {
        /// Ten segments in flight, from sequence number 0.
        fn new() -> Self {
            let mut flow = Self {
                recovery: Recovery::new(SeqNum(u32::MAX)),
                window: Window::new(10 * MSS),
                reno: Reno::default(),
                una: SeqNum(0),
                nxt: SeqNum(0),
            };
            flow.recovery.flight = Some(Box::<Flight>::default());
            flow.send(10 * MSS);
            flow
        }

        fn flight(&mut self) -> &mut Flight {
            self.recovery.flight.as_mut().unwrap()
        }

        fn send(&mut self, bytes: u32) {
            let (start, end) = (self.nxt, self.nxt + bytes);
            self.flight().board.sent(start, end, Instant::ZERO, Snapshot::default());
            self.nxt = end;
        }

        fn resend(&mut self, bytes: u32) {
            let start = self.lost().unwrap().0;
            let end = SeqNum(start + bytes);
            self.flight().board.resent(SeqNum(start), end, Instant::ZERO, Snapshot::default());
        }

        fn dup(&mut self) -> bool {
            self.recovery.on_dup_ack(&mut self.window, &mut self.reno, self.una, self.nxt, MSS)
        }

        fn ack(&mut self, to: u32) -> Progress {
            let acked = SeqNum(to).distance_from(self.una);
            self.una = SeqNum(to);
            self.flight().board.acknowledge(SeqNum(to), |_| ());
            self.recovery.on_new_ack(&mut self.window, self.una, self.nxt, acked, MSS)
        }

        /// What a timeout leaves behind.
        fn time_out(&mut self) {
            self.recovery.mark_lost(self.una, self.nxt, Cause::Timeout);
            (self.recovery.phase, self.recovery.recovery_point) = (Phase::Loss, self.nxt);
        }

        fn lost(&mut self) -> Option<(u32, u32)> {
            self.flight().board.next_lost(u32::MAX).map(|(start, end)| (start.0, end.0))
        }
    }

    #[test]
    fn the_third_duplicate_resends_one_segment_and_halves_the_window() {
        let mut flow = Flow::new();
        assert!(!flow.dup() && !flow.dup());
        assert_eq!((flow.lost(), flow.recovery.limited_transmit(MSS)), (None, 2 * MSS));
        assert!(flow.dup());
        assert_eq!((flow.lost(), flow.window.ssthresh, flow.window.cwnd), (Some((0, MSS)), 5 * MSS, 8 * MSS));
        assert!(!flow.dup());
        assert_eq!((flow.window.cwnd, flow.recovery.limited_transmit(MSS)), (9 * MSS, 0));
    }

    #[test]
    fn a_partial_ack_fills_the_next_hole_and_a_full_one_ends_the_recovery() {
        let mut flow = Flow::new();
        (0..3).for_each(|_| {
            flow.dup();
        });
        flow.resend(MSS);
        assert_eq!(flow.lost(), None);
        assert_eq!(flow.ack(4 * MSS), Progress::Partial { first: true });
        assert_eq!((flow.lost(), flow.window.cwnd), (Some((4 * MSS, 5 * MSS)), 5 * MSS));
        assert_eq!(flow.ack(6 * MSS), Progress::Partial { first: false });
        assert_eq!(flow.ack(10 * MSS), Progress::Finished);
        assert_eq!((flow.window.cwnd, flow.recovery.phase), (2 * MSS, Phase::Open));
    }

    // R6582-4-a
    #[test]
    fn duplicates_after_a_timeout_start_no_fast_recovery() {
        let mut flow = Flow::new();
        flow.time_out();
        assert_eq!(flow.lost(), Some((0, 10 * MSS)));
        assert_eq!(flow.ack(2 * MSS), Progress::Normal);
        assert!((0..5).all(|_| !flow.dup()), "not for data that the timeout covers");
        assert_eq!(flow.ack(10 * MSS), Progress::Normal);
        flow.send(10 * MSS);
        assert!((0..5).all(|_| !flow.dup()), "they may still come from what was sent twice");
        assert_eq!(flow.ack(11 * MSS), Progress::Normal);
        assert!(!flow.dup() && !flow.dup() && flow.dup(), "but for data after it");
    }

    #[test]
    fn what_is_acknowledged_is_not_resent() {
        let mut flow = Flow::new();
        flow.time_out();
        flow.resend(MSS);
        flow.ack(3 * MSS);
        assert_eq!((flow.lost(), flow.recovery.lost_bytes()), (Some((3 * MSS, 10 * MSS)), 7 * MSS));
    }
}
