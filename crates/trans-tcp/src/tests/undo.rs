//! Losses that were none are taken back: RFC 3708, RFC 4015, RFC 5682, RFC 8985 §7.4.

use super::sack::{config, in_flight, in_flight_with, timed};
use crate::TcpConfig;
use crate::congestion::Phase;
use alloc::format;

// R4015-3.2-a, R4015-3.2-b, R5682-2-a
#[test]
fn a_spurious_timeout_is_taken_back_by_frto() {
    let mut s = in_flight(10);
    s.write(20_000).unwrap();
    s.skip();
    let before = s.info();
    let (probe, rto) = (309, before.rto.as_millis() as u64);
    s.expect_at(probe, ". 10001:11001 ack 1");
    s.expect_at(probe + rto, ". 1:1001 ack 1");
    assert_eq!((s.info().cwnd, s.info().phase), (1000, Phase::Loss));
    // The path was only slow: the ACKs of the originals come.
    s.inject(". 1:1 ack 1001");
    s.expect(". 11001:12001 ack 1");
    s.inject(". 1:1 ack 2001");
    assert_eq!((s.info().phase, s.counters().spurious_rtos), (Phase::Open, 1));
    assert!(s.info().cwnd >= before.cwnd);
    assert_eq!(s.info().ssthresh, u32::MAX);
    assert!(s.counters().slow_start_retrans == 1, "nothing else was sent again");
}

// R5682-2-a
#[test]
fn a_real_timeout_is_not_taken_back() {
    let mut s = in_flight(10);
    s.write(20_000).unwrap();
    s.expect_at(309, ". 10001:11001 ack 1");
    s.expect_at(309 + 300, ". 1:1001 ack 1");
    s.inject(". 1:1 ack 1001"); // of the retransmission
    assert_eq!(s.skip(), 2, "two new segments");
    s.inject(". 1:1 ack 1001 <sack 11001:12001>");
    s.expect(". 1001:2001 ack 1");
    assert_eq!((s.info().phase, s.counters().spurious_rtos), (Phase::Loss, 0));
}

// R3522-3.2-a
#[test]
fn reordering_is_undone_by_timestamps() {
    let mut s = timed(10);
    let before = s.info().cwnd;
    s.advance(90);
    let ts = s.our_ts;
    s.inject(&format!(". 1:1 ack 1 <sack 1001:4001,ts 2 {ts}>"));
    s.expect(". 1:1001 ack 1");
    assert_eq!(s.info().phase, Phase::Recovery);
    s.advance(5);
    s.inject(&format!(". 1:1 ack 4001 <ts 3 {}>", ts - 9)); // the original's stamp
    let info = s.info();
    assert_eq!((info.phase, info.ssthresh), (Phase::Open, u32::MAX));
    assert!(info.cwnd >= before);
    assert_eq!((s.counters().partial_undo, s.counters().full_undo), (1, 0));
    assert!(info.reordering.is_some());
}

// R3708-2-a
#[test]
fn reordering_is_undone_by_dsack() {
    let mut s = in_flight(10);
    let before = s.info().cwnd;
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:4001>");
    s.expect(". 1:1001 ack 1");
    s.inject(". 1:1 ack 10001");
    assert_eq!((s.info().phase, s.info().cwnd), (Phase::Open, 5000));
    s.advance(100);
    s.inject(". 1:1 ack 10001 <sack 1:1001>");
    assert_eq!(
        (s.info().cwnd, s.info().ssthresh),
        (before, u32::MAX),
        "though nothing is in flight any more"
    );
    assert_eq!(s.counters().dsack_undo, 1);
}

#[test]
fn undo_can_be_switched_off() {
    let mut s = in_flight_with(TcpConfig { undo: false, ..config() }, 10);
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:4001>");
    s.inject(". 1:1 ack 10001");
    s.inject(". 1:1 ack 10001 <sack 1:1001>");
    assert_eq!((s.info().cwnd, s.counters().dsack_undo), (5000, 0));
}

// R8985-7.4-a
#[test]
fn a_needless_probe_costs_nothing() {
    let mut s = in_flight(10);
    s.advance(90);
    s.inject(". 1:1 ack 8001");
    let before = s.info().cwnd;
    s.advance(200);
    s.expect("P. 9001:10001 ack 1");
    s.inject(". 1:1 ack 10001");
    s.inject(". 1:1 ack 10001 <sack 9001:10001>");
    s.write(1000).unwrap();
    s.skip();
    s.advance(100);
    s.inject(". 1:1 ack 11001");
    assert_eq!((s.counters().loss_probe_recovery, s.info().ssthresh), (0, u32::MAX));
    assert!(s.info().cwnd >= before);
}
