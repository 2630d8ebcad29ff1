//! Paced transmission: when text leaves, in what portions, and what does not wait.

use super::script::Script;
use crate::TcpConfig;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

fn config() -> TcpConfig {
    TcpConfig { pacing: true, ..Script::plain() }
}

/// A connection with this round-trip time whose first ten segments of 1000 octets are acknowledged; 60,000 octets more
/// are written and the window is 20,000.
fn under_way(rtt: u64, max_gso: u32) -> Script {
    let mut s = Script::connecting(config());
    s.node.services.max_gso = max_gso;
    s.node.services.generation += 1;
    s.skip();
    s.advance(rtt);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1000>");
    s.skip();
    s.write(70_000).unwrap();
    s
}

#[test]
fn the_first_segments_leave_at_once_and_the_rest_in_step() {
    let mut s = under_way(100, 1500);
    assert_eq!(s.skip(), 10, "an initial window");
    s.advance(100);
    s.inject(". 1:1 ack 10001");
    // Twice 20,000 octets in a round trip of 100 ms: a segment every 2.5 ms, once ten more than one have left.
    assert_eq!((s.info().pacing_rate, s.info().min_rtt), (Some(400_000), Some(Duration::from_millis(100))));
    assert_eq!(s.skip(), 11);
    let mut left = Vec::new();
    for _ in 0..50 {
        s.advance(1);
        left.push(s.skip());
    }
    assert!(left.iter().all(|&segments| segments <= 1), "{left:?}");
    assert_eq!(left.iter().sum::<usize>(), 9, "{left:?}");
}

#[test]
fn a_super_packet_is_a_millisecond_of_the_pace() {
    let mut s = under_way(10, 65_535);
    s.expect_super("P. 1:10001 ack 1", 1000);
    s.advance(10);
    s.inject(". 1:1 ack 10001");
    // 4,000,000 octets a second; after the pause ten segments are made up for.
    for portion in [". 10001:14001 ack 1", ". 14001:18001 ack 1", ". 18001:22001 ack 1"] {
        s.expect_super(portion, 1000);
    }
    s.quiet();
    s.advance(1);
    s.expect_super(". 22001:26001 ack 1", 1000);
    s.quiet();
}

#[test]
fn on_a_short_path_nothing_waits() {
    let mut s = under_way(0, 1500);
    s.skip();
    s.inject(". 1:1 ack 10001");
    assert_eq!((s.info().pacing_rate, s.skip()), (None, 20));
}

#[test]
fn acks_do_not_wait_for_the_pace() {
    let mut s = under_way(100, 1500);
    s.skip();
    s.advance(100);
    s.inject(". 1:1 ack 10001");
    assert_eq!(s.skip(), 11);
    s.inject("P. 1:1001 ack 10001");
    s.inject("P. 1001:2001 ack 10001");
    assert!(core::iter::from_fn(|| s.pop()).any(|line| line.starts_with(". 21001:21001 ack 2001")));
}

#[test]
fn a_timeout_is_not_held_back() {
    let mut s = under_way(100, 1500);
    s.skip();
    s.advance(100);
    s.inject(". 1:1 ack 10001");
    s.advance(90);
    s.skip();
    let at = s.ms();
    s.advance(1000);
    let first = s.pop().unwrap();
    assert!(first.starts_with(". 10001:11001") && at > 0, "{first}");
}

#[test]
fn the_rate_can_be_switched_off() {
    let mut s = Script::connecting(Script::plain());
    s.skip();
    s.advance(100);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1000>");
    s.write(70_000).unwrap();
    s.skip();
    s.inject(". 1:1 ack 10001");
    assert_eq!((s.info().pacing_rate, s.skip()), (None, 20));
}

#[test]
fn while_enough_is_in_flight_text_waits_for_a_whole_portion() {
    let mut s = under_way(10, 1500);
    s.skip();
    for acked in [10_001, 20_001, 40_001] {
        s.advance(10);
        s.inject(&format!(". 1:1 ack {acked}"));
        s.write(60_000).unwrap();
        s.advance(9);
        s.skip();
    }
    // 50 segments in a round trip of 12 ms: eight are what a millisecond carries.
    assert!(s.info().cwnd == 50_000 && matches!(s.info().pacing_rate, Some(8_000_000..9_000_000)));
    let room = |s: &mut Script| s.info().cwnd - s.info().unacked;
    let left = room(&mut s);
    assert!((1_000..8_000).contains(&left), "it stays less than a portion below its window: {left}");
    s.inject(". 1:1 ack 49001");
    let mut sent = s.skip();
    for _ in 0..9 {
        s.advance(1);
        sent += s.skip();
    }
    let left = room(&mut s);
    assert!(sent > 8 && (1_000..9_000).contains(&left), "as far as that again: {sent} sent, {left} left");
}
