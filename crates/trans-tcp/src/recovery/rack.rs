//! Which runs are lost: RACK, RFC 8985 §6. Time is the judge: what was sent a reordering window before something that
//! has arrived should have arrived, too. Retransmissions are judged like everything else, and three segments reported
//! beyond a hole make the window zero, which is the old rule of three duplicates (R8985-6.2-b).
//!
//! Transmissions are logged in the order of time, so that detection looks at the oldest ones only and each entry is
//! taken off once: an ACK costs what it changes. Entries are checked against the scoreboard when their turn comes.
//! Stamps are those of transmission and of the ACK's *arrival* at the host; segments with the same stamp are ordered
//! by their sequence numbers, and the clock's resolution is added to the window. Leaves out the loss probe (`tlp.rs`).

use super::scoreboard::{Fate, MAX_RUNS, Run, Scoreboard};
use crate::config::TcpConfig;
use crate::timestamps::Echo;
use alloc::collections::VecDeque;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// Segments beyond a hole that make it a loss while no reordering was ever seen: `RACK.dup_thresh`.
pub(super) const DUP_THRESH: u32 = 3;
/// Recoveries without a DSACK after which the window is a quarter of the round trip again: `RACK.reo_wnd_persist`.
const PERSIST: u8 = 16;
/// Entries of the log beyond which it is made anew from the scoreboard.
const MAX_LOG: usize = 4 * MAX_RUNS;

/// What a connection has learned about reordering on its path; stays while it is idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reordering {
    /// `RACK.reordering_seen`.
    pub(crate) seen: bool,
    /// `RACK.reo_wnd_mult`: quarters of the smallest round-trip time.
    pub(crate) quarters: u8,
    persist: u8,
}

impl Default for Reordering {
    fn default() -> Self {
        Self { seen: false, quarters: 1, persist: PERSIST }
    }
}

impl Reordering {
    /// A duplicate was reported, for the first time in this round trip: the window was too small.
    fn widen(&mut self) {
        self.quarters = self.quarters.saturating_add(1);
        self.persist = PERSIST;
    }

    /// A recovery ends: after many without a duplicate the window shrinks again.
    pub(super) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            (self.quarters, self.persist) = (1, PERSIST);
        }
    }
}

/// A transmission.
#[derive(Clone, Copy, Debug)]
struct Sent {
    start: SeqNum,
    end: SeqNum,
    at: Instant,
}

/// What decides on the reordering window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) reordering: Reordering,
    pub(crate) in_recovery: bool,
    pub(crate) min_rtt: Duration,
    pub(crate) srtt: Duration,
}

impl Circumstances {
    /// `RACK_update_reo_wnd` (R8985-6.2-b).
    fn window(&self, board: &Scoreboard, config: &TcpConfig) -> Duration {
        let in_order = !self.reordering.seen;
        if in_order && (self.in_recovery || board.sacked_segments() >= DUP_THRESH) {
            return Duration::ZERO;
        }
        let window = self.min_rtt * u32::from(self.reordering.quarters) / 4;
        window.min(self.srtt) + config.clock_resolution
    }
}

/// The state of RACK while data is in flight.
#[derive(Debug, Default)]
pub(crate) struct Rack {
    /// Of what has arrived, the most recently sent: `RACK.xmit_ts`, `RACK.end_seq`; `None` before anything has.
    latest: Option<(Instant, SeqNum)>,
    /// The round-trip time of that: `RACK.rtt`.
    rtt: Duration,
    /// The highest sequence number that has arrived: `RACK.fack`.
    fack: SeqNum,
    /// Until that is acknowledged, further duplicates say nothing new: `RACK.dsack_round`.
    dsack_round: Option<SeqNum>,
    log: VecDeque<Sent>,
}

impl Rack {
    /// A flight that begins at `una`.
    pub(crate) fn begin(&mut self, una: SeqNum) {
        self.fack = una;
    }

    /// Drops everything but the memory, and most of that if it is much.
    pub(crate) fn clear(&mut self, keep: usize) {
        self.log.clear();
        self.log.shrink_to(keep);
        *self = Self { log: core::mem::take(&mut self.log), ..Self::default() };
    }

    /// `[start, end)` was sent.
    pub(crate) fn sent(&mut self, start: SeqNum, end: SeqNum, at: Instant, board: &Scoreboard) {
        if self.log.len() >= MAX_LOG {
            return self.rebuild(board);
        }
        match self.log.back_mut().filter(|last| last.at == at && last.end == start) {
            Some(last) => last.end = end,
            None => self.log.push_back(Sent { start, end, at }),
        }
    }

    /// The log as the scoreboard has it: what was lost and is not any more has a place in it again.
    pub(crate) fn rebuild(&mut self, board: &Scoreboard) {
        self.log.clear();
        let in_flight = board.iter().filter(|run| run.fate == Fate::InFlight);
        self.log.extend(in_flight.map(|run| Sent { start: run.start, end: run.end, at: run.sent_at }));
        let first = board.first().map_or(SeqNum(0), |run| run.start);
        self.log.make_contiguous().sort_unstable_by_key(|sent| (sent.at, sent.start.distance_from(first)));
    }

    /// A run has arrived, as an ACK that came at `now` shows: `RACK_update` and `RACK_detect_reordering`. Returns whether
    /// it was overtaken.
    pub(crate) fn delivered(
        &mut self,
        run: &Run,
        now: Instant,
        min_rtt: Option<Duration>,
        echo: Echo,
    ) -> bool {
        let overtaken = run.end.before(self.fack) && !run.again;
        self.fack = self.fack.max(run.end);
        let rtt = now.saturating_since(run.sent_at);
        // R8985-x-c: the ACK may be for what was sent before the retransmission.
        let is_doubtful = run.again && (echo.predates(run.sent_at) || min_rtt.is_some_and(|min| rtt < min));
        if !is_doubtful && self.latest.is_none_or(|latest| sent_after((run.sent_at, run.end), latest)) {
            self.latest = Some((run.sent_at, run.end));
            self.rtt = rtt;
        }
        overtaken
    }

    /// A DSACK came with an ACK that acknowledges up to `una`.
    pub(crate) fn duplicate(&mut self, una: SeqNum, nxt: SeqNum, reordering: &mut Reordering) {
        if self.dsack_round.is_none_or(|round| una.after_eq(round)) {
            self.dsack_round = Some(nxt);
            reordering.widen();
        }
    }

    /// `RACK_detect_loss` (R8985-5-a): marks what is lost at `now`, telling of each run, and returns when to look again.
    pub(crate) fn detect(
        &mut self,
        board: &mut Scoreboard,
        now: Instant,
        circumstances: &Circumstances,
        config: &TcpConfig,
        mut lost: impl FnMut(&Run),
    ) -> Option<Instant> {
        let latest = self.latest?;
        let patience = self.rtt + circumstances.window(board, config);
        let una = board.first()?.start;
        while let Some(first) = self.log.front_mut() {
            let behind = if first.at == latest.0 { first.end.min(latest.1) } else { first.end };
            if first.at > latest.0 || !behind.after(first.start) {
                return None;
            }
            if let Some(start) = board.first_in_flight(first.start.max(una), behind, first.at) {
                first.start = start;
                if first.at + patience > now {
                    return Some(first.at + patience);
                }
                board.mark_lost(start, behind, first.at, &mut lost);
            }
            first.start = behind;
            if first.start == first.end {
                self.log.pop_front();
            }
        }
        None
    }

    /// `RACK_mark_losses_on_RTO` (RFC 8985 §6.3): the first run, and all that were sent long enough ago.
    pub(crate) fn detect_on_timeout(
        &mut self,
        board: &mut Scoreboard,
        now: Instant,
        circumstances: &Circumstances,
        config: &TcpConfig,
        mut lost: impl FnMut(&Run),
    ) {
        let Some((start, end)) = board.first().map(|first| (first.start, first.end)) else { return };
        board.mark_lost(start, end, Instant::FAR_FUTURE, &mut lost);
        let rtt = self.latest.map_or(circumstances.srtt, |_| self.rtt);
        let patience = rtt + circumstances.window(board, config);
        let behind = board.last().map_or(end, |last| last.end);
        board.mark_lost(start, behind, now - patience, &mut lost);
    }
}

/// `RACK_sent_after`: by time, and at the same time by sequence number.
fn sent_after(a: (Instant, SeqNum), b: (Instant, SeqNum)) -> bool {
    a.0 > b.0 || a.0 == b.0 && a.1.after(b.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::rate_sample::Snapshot;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    /// Segments of ten octets in flight, and what RACK makes of them.
    #[derive(Default)]
    struct Flow {
        board: Scoreboard,
        rack: Rack,
        nxt: u32,
        reordering: Reordering,
        in_recovery: bool,
        config: TcpConfig,
    }

    impl Flow {
        fn send(&mut self, ms: u64) {
            let (start, end) = (SeqNum(self.nxt), SeqNum(self.nxt + 10));
            let recent = self.board.sent(start, end, at(ms), Snapshot::default());
            self.rack.sent(recent, end, at(ms), &self.board);
            self.nxt += 10;
        }

        fn resend(&mut self, segment: u32, ms: u64) {
            let (start, end) = (SeqNum(segment * 10), SeqNum(segment * 10 + 10));
            let recent = self.board.resent(start, end, at(ms), Snapshot::default());
            self.rack.sent(recent, end, at(ms), &self.board);
        }

        fn sack(&mut self, segment: u32, ms: u64) {
            let (rack, seen) = (&mut self.rack, &mut self.reordering.seen);
            let (left, right) = (SeqNum(segment * 10), SeqNum(segment * 10 + 10));
            self.board.sack(left, right, 10, |run| {
                *seen |= rack.delivered(run, at(ms), None, Echo::default());
            });
        }

        /// Segments that are found lost, and when to look again.
        fn detect(&mut self, ms: u64) -> (Vec<u32>, Option<Instant>) {
            let circumstances = Circumstances {
                reordering: self.reordering,
                in_recovery: self.in_recovery,
                min_rtt: 100 * MS,
                srtt: 120 * MS,
            };
            let mut lost = Vec::new();
            let next = self.rack.detect(&mut self.board, at(ms), &circumstances, &self.config, |run| {
                lost.extend((run.start.0 / 10..run.end.0 / 10).collect::<Vec<_>>());
            });
            (lost, next)
        }
    }

    /// Five segments, sent a millisecond apart.
    fn five() -> Flow {
        let mut flow = Flow::default();
        (0..5).for_each(|i| flow.send(i));
        flow
    }

    // R8985-5-a, R8985-6.2-c
    #[test]
    fn one_segment_beyond_a_hole_waits_for_a_quarter_of_the_round_trip() {
        let mut flow = five();
        flow.sack(1, 101);
        assert_eq!(flow.detect(101), (Vec::new(), Some(at(125))));
        assert_eq!(flow.detect(125), (alloc::vec![0], None));
    }

    // R8985-6.2-b
    #[test]
    fn three_segments_beyond_a_hole_or_a_recovery_wait_for_nothing() {
        let mut flow = five();
        (1..4).for_each(|segment| flow.sack(segment, 100 + u64::from(segment)));
        assert_eq!(flow.detect(103), (alloc::vec![0], None));
        let mut flow = five();
        flow.in_recovery = true;
        flow.sack(1, 101);
        assert_eq!(flow.detect(101).0, [0]);
    }

    // R8985-6.2-b
    #[test]
    fn once_reordering_was_seen_everybody_waits() {
        let mut flow = five();
        flow.in_recovery = true;
        flow.sack(3, 103);
        flow.sack(2, 103);
        assert!(flow.reordering.seen);
        assert_eq!(flow.detect(104), (Vec::new(), Some(at(125))), "0 was sent at 0");
        assert_eq!(flow.detect(126), (alloc::vec![0, 1], None));
    }

    // R8985-6.2-f
    #[test]
    fn at_the_same_time_numbers_decide() {
        let mut flow = Flow { in_recovery: true, ..Flow::default() };
        (0..5).for_each(|_| flow.send(7));
        flow.sack(2, 107);
        assert_eq!(flow.detect(107), (alloc::vec![0, 1], None), "and not those behind it");
        flow.sack(4, 108);
        assert_eq!(flow.detect(108), (alloc::vec![3], None));
    }

    // R8985-5-a
    #[test]
    fn a_retransmission_is_judged_by_its_own_time() {
        let mut flow = Flow { in_recovery: true, ..five() };
        flow.sack(1, 101);
        assert_eq!(flow.detect(101).0, [0]);
        flow.resend(0, 102);
        flow.sack(4, 104);
        assert_eq!(flow.detect(104).0, [2, 3]);
        flow.send(105);
        flow.sack(5, 205);
        assert_eq!(flow.detect(205), (alloc::vec![0], None), "what was sent after it has arrived");
    }

    // R8985-x-c
    #[test]
    fn an_ack_for_what_was_sent_before_the_retransmission_says_nothing_of_it() {
        let mut flow = Flow { in_recovery: true, ..five() };
        flow.resend(4, 50);
        let min_rtt = Some(100 * MS);
        let rack = &mut flow.rack;
        flow.board.sack(SeqNum(40), SeqNum(50), 10, |run| {
            rack.delivered(run, at(104), min_rtt, Echo::default());
        });
        assert_eq!(flow.detect(104), (Vec::new(), None), "54 ms are too short for a round trip");
    }

    #[test]
    fn the_clocks_resolution_is_part_of_the_window() {
        let mut flow = five();
        flow.config.clock_resolution = 15 * MS;
        flow.sack(1, 101);
        assert_eq!(flow.detect(101), (Vec::new(), Some(at(140))));
    }

    // R8985-6.2-b, R8985-6.2-e
    #[test]
    fn duplicates_widen_the_window_once_a_round_trip_and_recoveries_without_them_narrow_it() {
        let mut rack = Rack::default();
        let mut reordering = Reordering::default();
        rack.duplicate(SeqNum(10), SeqNum(100), &mut reordering);
        rack.duplicate(SeqNum(50), SeqNum(150), &mut reordering);
        assert_eq!(reordering.quarters, 2);
        rack.duplicate(SeqNum(100), SeqNum(200), &mut reordering);
        assert_eq!(reordering.quarters, 3);
        (0..15).for_each(|_| reordering.recovered());
        assert_eq!(reordering.quarters, 3);
        reordering.recovered();
        assert_eq!(reordering, Reordering::default());
    }

    // R8985-6.2-d
    #[test]
    fn the_window_is_never_longer_than_the_round_trip() {
        let mut flow = five();
        flow.reordering.quarters = 200;
        flow.sack(1, 101);
        assert_eq!(flow.detect(101), (Vec::new(), Some(at(220))));
    }

    // R8985-6.3-a
    #[test]
    fn after_a_timeout_the_first_and_what_is_old_are_lost() {
        let mut flow = five();
        flow.send(290);
        let circumstances = Circumstances {
            reordering: flow.reordering,
            in_recovery: false,
            min_rtt: 100 * MS,
            srtt: 100 * MS,
        };
        let mut lost = 0;
        flow.rack.detect_on_timeout(&mut flow.board, at(300), &circumstances, &flow.config, |run| {
            lost += run.len()
        });
        assert_eq!((lost, flow.board.lost()), (50, 50), "what was sent 10 ms ago gets its time");
    }

    proptest! {
        /// The log finds exactly what a walk over all runs finds.
        #[test]
        fn the_log_knows_what_a_walk_would_find(
            steps in proptest::collection::vec((0u8..4, 0u32..40, 0u64..30), 1..150)
        ) {
            let mut flow = Flow { in_recovery: true, ..Flow::default() };
            let mut now = 1;
            for (step, segment, time) in steps {
                now += time;
                let known = flow.nxt / 10;
                match step {
                    _ if known == 0 || step == 0 => flow.send(now),
                    1 => flow.sack(segment % known, now),
                    2 if flow.board.lost() > 0 => {
                        let (start, _) = flow.board.next_lost(1).unwrap();
                        flow.resend(start.0 / 10, now);
                    }
                    _ => {
                        let latest = flow.rack.latest;
                        let late = |run: &Run| {
                            let patience = flow.rack.rtt + Circumstances {
                                reordering: flow.reordering, in_recovery: true, min_rtt: 100 * MS, srtt: 120 * MS,
                            }.window(&flow.board, &flow.config);
                            latest.is_some_and(|latest| sent_after(latest, (run.sent_at, run.end)))
                                && run.sent_at + patience <= at(now)
                        };
                        let pieces = |run: &Run| {
                            let piece = |i: u32| {
                                let mut piece = *run;
                                (piece.start, piece.end) = (SeqNum(i * 10), SeqNum(i * 10 + 10));
                                piece
                            };
                            (run.start.0 / 10..run.end.0 / 10).map(piece).collect::<Vec<_>>()
                        };
                        let in_flight = flow.board.iter().filter(|run| run.fate == Fate::InFlight);
                        let walk: u32 = in_flight.flat_map(pieces).filter(late).map(|run| run.len()).sum();
                        let found = flow.detect(now).0.len() as u32 * 10;
                        prop_assert_eq!(found, walk);
                    }
                }
            }
        }
    }
}
