//! Recovery with SACK: RFC 2018, RFC 2883, RFC 8985, RFC 9937.

use super::script::Script;
use crate::congestion::Phase;
use crate::tcp::Socket;
use crate::{State, TcpConfig};
use alloc::format;

pub(super) fn config() -> TcpConfig {
    TcpConfig { sack: true, ..Script::plain() }
}

/// A connection with SACK, a round-trip time of 100 ms and `segments` of 1000 octets in flight, sent one by one 1 ms
/// apart.
pub(super) fn in_flight_with(config: TcpConfig, segments: u32) -> Script {
    let mut s = Script::connecting(config);
    s.skip();
    s.advance(100);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1000,sack>");
    s.skip();
    for _ in 0..segments {
        s.write(1000).unwrap();
        s.advance(1);
    }
    assert_eq!(s.skip(), segments as usize);
    s
}

pub(super) fn in_flight(segments: u32) -> Script {
    in_flight_with(config(), segments)
}

/// The same with timestamps.
pub(super) fn timed(segments: u32) -> Script {
    let config = TcpConfig { timestamps: true, ..config() };
    let mut s = Script::connecting(config);
    s.skip();
    s.advance(100);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1012,sack,ts 1 e>");
    s.skip();
    for _ in 0..segments {
        s.write(1000).unwrap();
        s.advance(1);
    }
    assert_eq!(s.skip(), segments as usize);
    s
}

// R6675-5-a, R6675-5-b, R3522-3.2-b, R9937-6.4-a, R9438-4.6-b
#[test]
fn three_segments_reported_beyond_a_hole_make_it_a_loss() {
    let mut s = in_flight(10);
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:2001>");
    s.inject(". 1:1 ack 1 <sack 1001:3001>");
    s.quiet();
    assert_eq!((s.info().sacked, s.info().lost, s.info().pipe), (2000, 0, 8000));
    s.inject(". 1:1 ack 1 <sack 1001:4001>");
    s.expect(". 1:1001 ack 1");
    s.quiet();
    let info = s.info();
    assert_eq!((info.phase, info.ssthresh, info.sacked), (Phase::Recovery, 4000, 3000));
    assert_eq!((s.counters().sack_recovery, s.counters().fast_retrans), (1, 1));
    s.advance(100);
    s.inject(". 1:1 ack 10001");
    let info = s.info();
    assert_eq!((info.phase, info.cwnd, info.unacked), (Phase::Open, 4000, 0));
    assert_eq!(s.counters().timeouts, 0);
}

// R6675-5-a, R9937-6.2-e
#[test]
fn a_report_of_three_segments_at_once_is_as_good() {
    let mut s = in_flight(10);
    s.inject(". 1:1 ack 1 <sack 5001:8001>");
    // All five before them are lost; as many go again as were delivered.
    (0..3).for_each(|i| s.expect(&format!(". {}:{} ack 1", i * 1000 + 1, i * 1000 + 1001)));
    s.quiet();
    assert_eq!((s.counters().sack_recovery, s.info().lost, s.info().ssthresh), (1, 2000, 5000));
}

// R6675-5-a
#[test]
fn all_holes_are_filled_within_the_recovery() {
    let mut s = in_flight(10);
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:2001,sack 3001:4001,sack 5001:10001>");
    let first = s.skip();
    assert!(first >= 1);
    s.advance(100);
    s.inject(". 1:1 ack 2001 <sack 3001:4001,sack 5001:10001>");
    s.skip();
    s.inject(". 1:1 ack 10001");
    let info = s.info();
    assert_eq!((info.unacked, info.phase), (0, Phase::Open));
    assert_eq!((s.counters().fast_retrans, s.counters().timeouts, s.counters().sack_recovery), (3, 0, 1));
}

// R8985-5-a
#[test]
fn a_lost_retransmission_is_sent_again_within_a_round_trip() {
    let mut s = in_flight(10);
    s.write(20_000).unwrap();
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:4001>");
    s.expect(". 1:1001 ack 1");
    s.skip();
    // What is sent after the retransmission arrives; the retransmission does not.
    s.advance(10);
    s.inject(". 1:1 ack 1 <sack 1001:10001>");
    assert!(s.skip() > 0, "new text behind it");
    s.advance(100);
    s.inject(". 1:1 ack 1 <sack 1001:12001>");
    s.expect(". 1:1001 ack 1");
    assert_eq!((s.counters().lost_retransmit, s.counters().timeouts), (1, 0));
    assert_eq!(s.counters().sack_recovery, 1, "and no further reduction");
}

// R6298-5.1-a
#[test]
fn an_ack_without_progress_does_not_put_the_timeout_off() {
    let mut s = in_flight_with(TcpConfig { loss_probe: false, ..config() }, 3);
    let deadline = s.ms() - 3 + s.info().rto.as_millis() as u64;
    s.advance(200);
    s.inject(". 1:1 ack 1");
    s.expect_at(deadline, ". 1:1001 ack 1");
}

// R8985-5-a, R8985-4-b, R8985-6.2-c
#[test]
fn two_segments_reported_wait_for_the_reordering_window() {
    let mut s = in_flight(4);
    s.advance(96);
    let arrived = s.ms();
    s.inject(". 1:1 ack 1 <sack 1001:3001>");
    s.quiet();
    // 2001:3001 was sent 2 ms after 1:1001 and took 98 ms: 98 + 24.5 ms after the first's transmission, at 100.
    s.advance(21);
    s.quiet();
    s.expect_at(222, ". 1:1001 ack 1");
    assert!(s.ms() > arrived && s.counters().sack_recovery == 1);
}

// R8985-6.2-b
#[test]
fn reordering_makes_the_window_count_even_for_three_segments() {
    let mut s = in_flight(10);
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:2001>");
    s.inject(". 1:1 ack 2001"); // the first segment was only late
    assert_eq!(s.info().reordering, Some(1));
    s.skip();
    s.inject(". 1:1 ack 2001 <sack 3001:7001>");
    s.quiet();
    s.advance(5);
    s.inject(". 1:1 ack 10001");
    s.skip();
    assert_eq!((s.counters().retrans_segs, s.counters().sack_recovery), (0, 0));
}

#[test]
fn duplicates_reported_widen_the_reordering_window() {
    let mut s = timed(10);
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:4001,ts 2 e>");
    s.skip();
    s.inject(". 1:1 ack 10001 <ts 2 e>");
    s.inject(". 1:1 ack 10001 <sack 1:1001,ts 2 e>");
    assert_eq!((s.counters().dsack_recv, s.info().dsack_dups), (1, 1));
    s.write(1000).unwrap();
    s.skip();
    s.inject(". 1:1 ack 10001 <sack 1:1001,ts 2 e>");
    let quarters = s.info().reordering;
    assert!(quarters.is_none_or(|quarters| quarters >= 2), "{quarters:?}");
}

// R8985-7-a
#[test]
fn a_lost_tail_is_probed_and_then_found() {
    let mut s = in_flight(10);
    s.advance(90);
    s.inject(". 1:1 ack 7001");
    s.quiet();
    let acked = s.ms();
    let rto = s.info().rto.as_millis() as u64;
    s.expect_at(acked + 200, "P. 9001:10001 ack 1");
    assert!(rto > 200);
    assert_eq!((s.counters().loss_probes, s.counters().timeouts), (1, 0));
    s.advance(100);
    s.inject(". 1:1 ack 7001 <sack 9001:10001>");
    s.expect(". 7001:8001 ack 1");
    assert_eq!((s.counters().sack_recovery, s.counters().timeouts), (1, 0));
    s.advance(100);
    s.inject(". 1:1 ack 8001 <sack 9001:10001>");
    s.expect(". 8001:9001 ack 1");
}

// R8985-7-b, R8985-7.2-b
#[test]
fn a_lost_last_segment_is_repaired_by_the_probe_and_counts_as_a_loss() {
    let mut s = in_flight(10);
    s.advance(90);
    s.inject(". 1:1 ack 9001");
    let before = s.info().cwnd;
    // One segment: the peer may delay its ACK; the timeout is nearer, and the probe goes in its place.
    let rto = s.info().rto.as_millis() as u64;
    let at = s.ms() + rto.min(400);
    s.expect_at(at, "P. 9001:10001 ack 1");
    assert_eq!((s.counters().timeouts, s.counters().loss_probes), (0, 1));
    s.advance(100);
    s.inject(". 1:1 ack 10001");
    assert_eq!(s.info().cwnd, before, "which of the two arrived is not known");
    s.write(1000).unwrap();
    s.skip();
    s.advance(100);
    s.inject(". 1:1 ack 11001");
    assert!(s.info().cwnd < before, "no duplicate was reported");
    assert_eq!((s.counters().loss_probe_recovery, s.counters().timeouts), (1, 0));
}

// R8985-7.3-a
#[test]
fn the_probe_prefers_new_text() {
    let mut s = in_flight(10);
    s.write(500).unwrap();
    s.quiet();
    s.expect_at(309, "P. 10001:10501 ack 1");
    assert_eq!((s.counters().loss_probes, s.counters().retrans_segs), (1, 0));
    s.advance(100);
    s.inject(". 1:1 ack 1 <sack 10001:10501>");
    s.expect(". 1:1001 ack 1");
}

#[test]
fn a_lost_fin_is_probed() {
    let mut s = in_flight(2);
    s.shutdown();
    s.expect("F. 2001:2001 ack 1");
    s.advance(98);
    s.inject(". 1:1 ack 2001");
    let at = s.ms() + s.info().rto.as_millis() as u64;
    s.expect_at(at, "F. 2001:2001 ack 1");
    assert_eq!((s.counters().timeouts, s.counters().loss_probes), (0, 1));
    s.inject(". 1:1 ack 2002");
    assert_eq!(s.state(), State::FinWait2);
}

// R8985-7-b
#[test]
fn without_an_answer_the_timeout_follows_the_probe() {
    let mut s = in_flight(10);
    s.expect_at(309, "P. 9001:10001 ack 1");
    let rto = s.info().rto.as_millis() as u64;
    s.expect_at(309 + rto, ". 1:1001 ack 1");
    assert_eq!((s.counters().timeouts, s.info().cwnd), (1, 1000));
}

// R6675-5.1-a
#[test]
fn after_a_timeout_only_what_is_not_reported_goes_again() {
    let mut s = in_flight(10);
    s.advance(90);
    s.inject(". 1:1 ack 1 <sack 1001:2001,sack 8001:9001>");
    s.skip();
    s.advance(1000);
    s.skip();
    assert!(s.counters().timeouts >= 1);
    s.inject(". 1:1 ack 2001 <sack 8001:9001>");
    s.inject(". 1:1 ack 8001 <sack 8001:9001>");
    s.inject(". 1:1 ack 9001");
    let sent: alloc::vec::Vec<_> = core::iter::from_fn(|| s.pop()).collect();
    assert!(sent.iter().all(|line| !line.contains("1001:2001") && !line.contains("8001:9001")), "{sent:?}");
}

// R2018-8-a, R6675-5.1-a
#[test]
fn a_peer_that_reneges_gets_everything_again() {
    let mut s = in_flight(5);
    s.advance(95);
    s.inject(". 1:1 ack 1 <sack 1001:3001>");
    s.skip();
    s.inject(". 1:1 ack 1001"); // and not 3001
    let at = s.ms() + 49; // half of a round trip
    s.expect_at(at, ". 1001:2001 ack 1");
    assert_eq!((s.counters().sack_reneging, s.counters().timeouts, s.info().sacked), (1, 1, 0));
    s.inject(". 1:1 ack 2001");
    s.expect(". 2001:3001 ack 1");
}

#[test]
fn blocks_that_lie_change_nothing() {
    let mut s = in_flight(5);
    for lie in ["5001:6001", "3001:2001", "2001:2001", "4000:9000"] {
        s.inject(&format!(". 1:1 ack 1 <sack {lie}>"));
    }
    s.quiet();
    assert_eq!((s.info().sacked, s.info().lost, s.counters().sack_discard), (0, 0, 4));
}

#[test]
fn a_super_packet_is_split_by_what_is_reported_of_it() {
    let mut s = Script::connecting(config());
    s.node.services.max_gso = 65_535;
    s.node.services.generation += 1;
    s.skip();
    s.advance(100);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1000,sack>");
    s.skip();
    s.write(10_000).unwrap();
    s.expect_super("P. 1:10001 ack 1", 1000);
    s.advance(100);
    s.inject(". 1:1 ack 1001 <sack 3001:5501,sack 6001:10001>");
    s.expect_super(". 1001:3001 ack 1", 1000);
    s.advance(100);
    s.inject(". 1:1 ack 5501 <sack 6001:10001>");
    s.expect(". 5501:6001 ack 1");
    s.inject(". 1:1 ack 10001");
    assert_eq!((s.info().unacked, s.counters().timeouts), (0, 0));
}

#[test]
fn another_mtu_does_not_disturb_the_scoreboard() {
    let mut s = in_flight(6);
    s.advance(94);
    s.inject(". 1:1 ack 1 <sack 2001:2601>"); // it would fit the narrower path
    s.error(stack_core::ErrorKind::PacketTooBig { mtu: 640 }, 1);
    let sent: alloc::vec::Vec<_> = core::iter::from_fn(|| s.pop()).collect();
    assert!(sent[0].contains(" 1:1201"), "{sent:?}");
    assert!(sent.iter().all(|line| !line.contains(" 2001:")), "{sent:?}");
    assert_eq!((s.info().ssthresh, s.info().phase), (u32::MAX, Phase::Open), "that is no congestion");
    s.advance(100);
    s.inject(". 1:1 ack 6001");
    assert_eq!(s.info().unacked, 0);
}

fn flight_is_there(s: &Script) -> bool {
    let socket = s.node.tcp.sockets.get(s.id);
    matches!(socket, Some(Socket::Connection(connection)) if connection.recovery.flight.is_some())
}

#[test]
fn nothing_is_kept_while_nothing_is_in_flight() {
    let mut s = in_flight(3);
    assert!(flight_is_there(&s));
    s.inject(". 1:1 ack 2001 <sack 2001:3001>");
    s.inject(". 1:1 ack 3001");
    assert!(!flight_is_there(&s));
    s.advance(100_000);
    s.quiet();
}

// R2018-4-a, R2018-3-a, R2883-4-a
#[test]
fn we_report_what_lies_beyond_a_gap_and_what_came_twice() {
    let mut s = Script::accepted(config(), "mss 1000,sack");
    s.inject(". 1001:2001 ack 1");
    s.expect(". 1:1 ack 1 <sack 1001:2001>");
    s.inject(". 3001:4001 ack 1");
    s.expect(". 1:1 ack 1 <sack 3001:4001 1001:2001>");
    s.inject(". 3001:4001 ack 1");
    s.expect(". 1:1 ack 1 <sack 3001:4001 3001:4001 1001:2001>");
    s.inject(". 1:1001 ack 1");
    s.expect(". 1:1 ack 2001 <sack 3001:4001>");
    s.inject(". 1:1001 ack 1");
    s.expect(". 1:1 ack 2001 <sack 1:1001 3001:4001>");
    s.inject(". 2001:3001 ack 1");
    s.expect(". 1:1 ack 4001 <>");
    assert_eq!((s.counters().dsack_old_sent, s.counters().dsack_ofo_sent), (1, 1));
}

// R2018-3-a, R8985-4-a
#[test]
fn a_peer_without_sack_gets_no_blocks_and_is_not_believed_any() {
    let mut s = Script::accepted(config(), "mss 1000");
    s.inject(". 1001:2001 ack 1");
    s.expect(". 1:1 ack 1 <>");
    s.write(3000).unwrap();
    s.skip();
    s.inject(". 2001:2001 ack 1 <sack 1001:3001>");
    assert_eq!((s.info().sack, s.info().sacked), (false, 0));
}

#[test]
fn a_report_that_was_overtaken_on_its_way_is_heard() {
    let mut s = timed(10);
    let ts = s.our_ts;
    s.inject(&format!(". 1:1 ack 1 <sack 1001:3001,ts 9 {ts}>"));
    s.inject(&format!(". 1:1 ack 1 <sack 5001:6001,ts 5 {ts}>"));
    assert_eq!((s.info().sacked, s.counters().paws_estab), (3000, 0));
    s.inject(&format!("P. 1:2 ack 1 <ts 5 {ts}>"));
    assert_eq!(s.counters().paws_estab, 1, "text as old as that is not");
}

#[test]
fn a_zero_window_stops_the_clock_of_what_is_reported() {
    let mut s = in_flight(5);
    s.advance(95);
    s.inject(". 1:1 ack 1 win 0 <sack 1001:2001>");
    s.quiet();
    let (timeouts, at) = (s.counters().timeouts, s.ms());
    s.advance(2000);
    assert!(s.skip() >= 1, "probes");
    assert_eq!((s.counters().timeouts, s.info().sacked), (timeouts, 1000));
    s.inject(". 1:1 ack 1 win 65535 <sack 1001:2001>");
    s.expect(". 1:1001 ack 1");
    s.expect(". 2001:3001 ack 1");
    assert!(s.ms() > at);
    s.skip();
    s.inject(". 1:1 ack 5001 win 65535");
    assert_eq!(s.info().unacked, 0);
}

#[test]
fn urgent_text_goes_again_as_urgent() {
    let mut s = in_flight(3);
    s.write_urgent(100);
    s.expect("P.U 3001:3101 ack 1 urg 100");
    s.advance(95);
    s.inject(". 1:1 ack 1 <sack 1001:3001>");
    s.advance(30);
    s.expect(".U 1:1001 ack 1 urg 3100");
}

#[test]
fn every_ack_of_a_part_of_a_super_packet_is_a_sample() {
    let mut s = Script::connecting(config());
    s.node.services.max_gso = 65_535;
    s.node.services.generation += 1;
    s.skip();
    s.advance(100);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1000,sack>");
    s.skip();
    s.write(10_000).unwrap();
    s.expect_super("P. 1:10001 ack 1", 1000);
    let mut before = s.info().srtt;
    for part in 1..=5 {
        s.advance(if part == 1 { 120 } else { 10 });
        s.inject(&format!(". 1:1 ack {}", part * 2000 + 1));
        assert!(s.info().srtt > before, "part {part}");
        before = s.info().srtt;
    }
}

// R2883-4-a
#[test]
fn each_of_several_duplicates_in_a_batch_is_reported() {
    let mut s = Script::accepted(config(), "mss 1000,sack");
    s.inject_batch(&[". 1:1001 ack 1", ". 1001:2001 ack 1", ". 2001:3001 ack 1"]);
    s.skip();
    s.inject_batch(&[". 1:1001 ack 1", ". 2001:3001 ack 1", ". 4001:5001 ack 1"]);
    for line in [". 1:1 ack 3001 <sack 1:1001 4001:5001>", ". 1:1 ack 3001 <sack 2001:3001 4001:5001>"] {
        s.expect(line);
    }
    s.quiet();
    assert_eq!(s.counters().dsack_old_sent, 2);
}
