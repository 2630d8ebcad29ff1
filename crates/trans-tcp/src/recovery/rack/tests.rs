//! What RACK finds, case by case, and against a walk over all runs.

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
    let circumstances =
        Circumstances { reordering: flow.reordering, in_recovery: false, min_rtt: 100 * MS, srtt: 100 * MS };
    let mut lost = 0;
    flow.rack
        .detect_on_timeout(&mut flow.board, at(300), &circumstances, &flow.config, |run| lost += run.len());
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
                    now += 1; // no round trip takes no time: it goes later than what made it a loss
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
