//! The scoreboard against a model that keeps a record for every octet, and its behaviour at the edges.

use super::{Fate, MIN_RUNS, OCTETS_PER_RUN, Run, Scoreboard};
use crate::congestion::rate_sample::Snapshot;
use alloc::vec::Vec;
use core::time::Duration;
use proptest::prelude::*;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

const MSS: u32 = 100;
/// Numbers begin shortly before the wrap.
const BASE: SeqNum = SeqNum(u32::MAX - 2000);

fn at(ms: u64) -> Instant {
    Instant::from_millis(ms)
}

/// What the model knows of an octet.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Octet {
    fate: Fate,
    again: bool,
    sent_at: Instant,
}

#[derive(Default)]
struct Model {
    una: u32,
    octets: Vec<Octet>,
}

impl Model {
    fn nxt(&self) -> u32 {
        self.una + self.octets.len() as u32
    }

    fn range(&mut self, start: u32, end: u32) -> &mut [Octet] {
        &mut self.octets[(start - self.una) as usize..(end - self.una) as usize]
    }

    fn count(&self, which: impl Fn(&Octet) -> bool) -> u32 {
        self.octets.iter().filter(|octet| which(octet)).count() as u32
    }
}

fn seq(offset: u32) -> SeqNum {
    BASE + offset
}

fn check(board: &Scoreboard, model: &Model) {
    let mut next = seq(model.una);
    let mut before = None;
    for run in board.iter() {
        assert!(run.start == next && run.len() > 0, "the runs lie end to end");
        assert!(before != Some(Fate::Sacked) || run.fate != Fate::Sacked, "sacked neighbours are one run");
        before = Some(run.fate);
        for offset in 0..run.len() {
            let octet = model.octets[((run.start + offset).distance_from(seq(model.una))) as usize];
            assert_eq!(run.fate, octet.fate, "at {offset} of {run:?}");
            if run.fate != Fate::Sacked {
                assert_eq!((run.again, run.sent_at), (octet.again, octet.sent_at));
            }
        }
        next = run.end;
    }
    assert_eq!(next, seq(model.nxt()));
    assert_eq!(board.sacked(), model.count(|o| o.fate == Fate::Sacked));
    assert_eq!(board.lost(), model.count(|o| o.fate == Fate::Lost));
    assert_eq!(board.retransmitted(), model.count(|o| o.fate == Fate::InFlight && o.again));
    assert!(board.sacked_segments() <= board.sacked());
    assert_eq!(board.sacked_segments() > 0, board.sacked() > 0);
}

/// The first lost stretch of the model.
fn first_lost(model: &Model) -> Option<(u32, u32)> {
    let start = model.octets.iter().position(|octet| octet.fate == Fate::Lost)?;
    let len = model.octets[start..].iter().take_while(|octet| octet.fate == Fate::Lost).count();
    Some((model.una + start as u32, model.una + (start + len) as u32))
}

#[derive(Clone, Debug)]
enum Step {
    Send(u32),
    Sack(u32, u32),
    Ack(u32),
    MarkLost(u32, u32, u64),
    Resend(u32),
    Probe(u32),
    Forget,
    Revive,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u32..400).prop_map(Step::Send),
        6 => (0u32..2000, 1u32..300).prop_map(|(left, len)| Step::Sack(left, len)),
        3 => (0u32..300).prop_map(Step::Ack),
        3 => (0u32..2000, 1u32..500, 0u64..20).prop_map(|(start, len, age)| Step::MarkLost(start, len, age)),
        4 => (1u32..300).prop_map(Step::Resend),
        1 => (1u32..100).prop_map(Step::Probe),
        1 => Just(Step::Forget),
        1 => Just(Step::Revive),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Applies a step to both and compares what they tell.
fn apply(board: &mut Scoreboard, model: &mut Model, step: &Step, now: u64) {
    let (una, nxt) = (model.una, model.nxt());
    let clip = |start: u32, len: u32| {
        let start = una + start.min(nxt - una);
        (start, (start + len).min(nxt))
    };
    let mut told = 0;
    let mut tell = |run: &Run| told += run.len();
    match *step {
        Step::Send(len) => {
            board.sent(seq(nxt), seq(nxt + len), at(now), Snapshot::default());
            let octet = Octet { fate: Fate::InFlight, again: false, sent_at: at(now) };
            model.octets.extend((0..len).map(|_| octet));
        }
        Step::Sack(left, len) => {
            let (left, right) = clip(left, len);
            board.sack(seq(left), seq(right), MSS, &mut tell);
            let before = model.count(|o| o.fate == Fate::Sacked);
            model.range(left, right).iter_mut().for_each(|o| o.fate = Fate::Sacked);
            assert_eq!(told, model.count(|o| o.fate == Fate::Sacked) - before);
        }
        Step::Ack(len) => {
            let (_, to) = clip(0, len);
            board.acknowledge(seq(to), &mut tell);
            let gone = model.octets.drain(..(to - una) as usize).filter(|o| o.fate != Fate::Sacked).count();
            model.una = to;
            assert_eq!(told, gone as u32);
        }
        Step::MarkLost(start, len, age) => {
            let (start, end) = clip(start, len);
            let latest = at(now.saturating_sub(age));
            board.mark_lost(seq(start), seq(end), latest, &mut tell);
            let mut marked = 0;
            for octet in model.range(start, end) {
                if octet.fate == Fate::InFlight && octet.sent_at <= latest {
                    octet.fate = Fate::Lost;
                    marked += 1;
                }
            }
            assert_eq!(told, marked);
        }
        Step::Resend(most) => {
            let lost = board.next_lost(most);
            let expected = first_lost(model);
            assert_eq!(lost.map(|(start, _)| start), expected.map(|(start, _)| seq(start)));
            let Some(((_, end), (start, all))) = lost.zip(expected) else { return };
            assert!(end.before_eq(seq(all)) && (end == seq(all) || end.distance_from(seq(start)) >= most));
            let end = all.min(start + most);
            board.resent(seq(start), seq(end), at(now), Snapshot::default());
            let octet = Octet { fate: Fate::InFlight, again: true, sent_at: at(now) };
            model.range(start, end).fill(octet);
        }
        Step::Probe(len) => {
            let start = nxt - len.min(nxt - una);
            board.resent(seq(start), seq(nxt), at(now), Snapshot::default());
            for octet in model.range(start, nxt).iter_mut().filter(|o| o.fate != Fate::Sacked) {
                *octet = Octet { fate: Fate::InFlight, again: true, sent_at: at(now) };
            }
        }
        Step::Forget => {
            board.forget_sacked();
            for octet in model.octets.iter_mut().filter(|o| o.fate == Fate::Sacked) {
                (octet.fate, octet.again) = (Fate::Lost, true);
            }
        }
        Step::Revive => {
            board.revive_lost();
            model.octets.iter_mut().filter(|o| o.fate == Fate::Lost).for_each(|o| o.fate = Fate::InFlight);
        }
    }
}

/// After `forget_sacked` the model does not know when a joined run was sent; nobody asks.
fn align_times(board: &Scoreboard, model: &mut Model) {
    for run in board.iter().filter(|run| run.fate == Fate::Lost && run.again) {
        let from = run.start.distance_from(seq(model.una)) as usize;
        model.octets[from..from + run.len() as usize].iter_mut().for_each(|o| o.sent_at = run.sent_at);
    }
}

proptest! {
    #[test]
    fn runs_say_what_a_record_for_each_octet_says(steps in steps()) {
        let (mut board, mut model) = (Scoreboard::default(), Model::default());
        for (i, step) in steps.iter().enumerate() {
            apply(&mut board, &mut model, step, i as u64 / 2);
            if matches!(step, Step::Forget) {
                align_times(&board, &mut model);
            }
            check(&board, &model);
        }
    }
}

#[test]
fn a_super_packet_is_one_run_until_a_sack_cuts_it() {
    let mut board = Scoreboard::default();
    board.sent(seq(0), seq(6000), at(1), Snapshot::default());
    board.sent(seq(6000), seq(7000), at(1), Snapshot::default());
    assert_eq!(board.len(), 1, "sent together");
    board.sack(seq(1001), seq(2003), MSS, |run| assert_eq!((run.len(), run.sent_at), (1002, at(1))));
    assert_eq!((board.len(), board.sacked(), board.sacked_segments()), (3, 1002, 11));
    board.sack(seq(1001), seq(3000), MSS, |run| assert_eq!(run.len(), 997));
    assert_eq!(board.len(), 3, "a block that grows moves a border");
}

#[test]
fn a_tick_of_transmissions_is_one_run_and_counts_as_sent_at_its_end() {
    let mut board = Scoreboard { tick: Duration::from_millis(4), ..Scoreboard::default() };
    let mut send = |i: u32, ms| board.sent(seq(100 * i), seq(100 * i + 100), at(ms), Snapshot::default());
    assert_eq!([send(0, 4), send(1, 6), send(2, 7)], [seq(0); 3]);
    assert_eq!([send(3, 8), send(4, 8)], [seq(300), seq(400)]);
    let runs = |board: &Scoreboard| board.iter().map(|run| (run.len(), run.sent_at)).collect::<Vec<_>>();
    assert_eq!(runs(&board), [(300, at(7)), (200, at(8))]);
    assert_eq!(board.first().unwrap().since, at(4));
    board.mark_lost(seq(0), seq(200), at(7), |_| ());
    board.resent(seq(0), seq(100), at(12), Snapshot::default());
    assert_eq!(board.resent(seq(100), seq(200), at(14), Snapshot::default()), seq(0));
    assert_eq!(runs(&board), [(200, at(14)), (100, at(7)), (200, at(8))]);
}

#[test]
fn what_was_sent_between_two_transmissions_keeps_them_apart() {
    let mut board = Scoreboard { tick: Duration::from_millis(10), ..Scoreboard::default() };
    board.sent(seq(0), seq(100), at(10), Snapshot::default());
    board.mark_lost(seq(0), seq(100), at(10), |_| ());
    board.sent(seq(100), seq(200), at(20), Snapshot::default());
    board.resent(seq(0), seq(100), at(21), Snapshot::default());
    board.sent(seq(200), seq(300), at(22), Snapshot::default());
    let times: Vec<_> = board.iter().map(|run| run.sent_at).collect();
    assert_eq!(times, [at(21), at(20), at(22)]);
}

#[test]
fn every_second_segment_of_a_large_window_can_be_reported() {
    let mut board = Scoreboard::default();
    for i in 0..24_000 {
        board.sent(seq(1448 * i), seq(1448 * i + 1448), at(u64::from(i)), Snapshot::default());
    }
    assert_eq!(board.len(), 24_000);
    (1..24_000).step_by(2).for_each(|i| board.sack(seq(1448 * i), seq(1448 * i + 700), 1448, |_| ()));
    assert_eq!((board.sacked(), board.len()), (12_000 * 700, 36_000));
    assert!(board.len() <= board.max_runs() && board.max_runs() == 24_000 * 1448 / OCTETS_PER_RUN);
}

#[test]
fn at_the_cap_new_text_joins_the_last_run_and_blocks_that_would_split_are_left() {
    let mut board = Scoreboard::default();
    let count = MIN_RUNS as u32;
    (0..count + 10).for_each(|i| {
        let recent = board.sent(seq(10 * i), seq(10 * i + 10), at(u64::from(i)), Snapshot::default());
        assert_eq!(recent, seq(10 * i.min(count - 1)), "what is as recent as the last transmission");
    });
    assert_eq!(board.len(), MIN_RUNS);
    let last = board.last().copied().unwrap();
    assert_eq!((last.len(), last.sent_at), (110, at(u64::from(count + 9))));
    board.sack(seq(3), seq(7), MSS, |_| panic!("not taken in"));
    board.sack(seq(10), seq(20), MSS, |_| ());
    board.sack(seq(20), seq(25), MSS, |_| ());
    assert_eq!((board.sacked(), board.len()), (15, MIN_RUNS), "a block that splits nothing is");
}

#[test]
fn retransmissions_at_the_cap_stay_within_twice_the_cap() {
    let mut board = Scoreboard::default();
    for i in 0..MIN_RUNS as u32 {
        board.sent(seq(100 * i), seq(100 * i + 100), at(u64::from(i)), Snapshot::default());
    }
    (0..MIN_RUNS as u32).step_by(2).for_each(|i| board.sack(seq(100 * i), seq(100 * i + 100), MSS, |_| ()));
    board.mark_lost(seq(0), seq(100 * MIN_RUNS as u32), at(1 << 40), |_| ());
    let mut now = 1 << 20;
    while let Some((start, end)) = board.next_lost(7) {
        now += 1;
        board.resent(start, end.min(start + 7), at(now), Snapshot::default());
        assert!(board.len() <= 2 * MIN_RUNS, "{}", board.len());
    }
    assert_eq!(board.lost(), 0);
}
