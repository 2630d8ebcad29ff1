//! Windows: RFC 9293 §3.8.6, both silly-window rules, probes, shrinking, scaling.

use super::script::Script;
use crate::{State, TcpConfig};
use alloc::format;
use core::time::Duration;
use stack_core::{Error, SocketOption};

/// Closes our window by receiving without reading; returns the next number of the peer.
fn fill(s: &mut Script) -> u32 {
    let mut seq = 1;
    while s.info().rcv_wnd > 0 {
        let len = s.info().rcv_wnd.min(1000);
        s.inject(&format!(". {seq}:{} ack 1", seq + len));
        seq += len;
    }
    s.skip();
    seq
}

#[test]
fn our_window_opens_only_by_worthwhile_steps() {
    let config = TcpConfig { receive_buffer: 10_000, ..Script::plain() };
    let mut s = Script::accepted(config, "mss 1000");
    let seq = fill(&mut s);
    assert_eq!(seq, 10_001);
    s.read(1459).unwrap();
    s.quiet();
    s.inject(&format!(". {seq}:{} ack 1", seq + 1));
    s.expect(&format!(". 1:1 ack {seq} win 0"));
    s.read(1601).unwrap();
    s.expect(&format!(". 1:1 ack {seq} win 2921"));
    assert_eq!((s.counters().to_zero_window_adv, s.counters().from_zero_window_adv), (1, 1));
}

#[test]
fn the_right_edge_stays_when_the_buffer_shrinks() {
    let mut s = Script::established();
    s.option(SocketOption::ReceiveBuffer(4096));
    let mut edge = 65_536;
    for seq in (1..60_000).step_by(1000) {
        s.inject_batch(&[
            &format!(". {seq}:{} ack 1", seq + 500),
            &format!(". {}:{} ack 1", seq + 500, seq + 1000),
        ]);
        let info = s.info();
        assert!(info.bytes_received as u32 + 1 + info.rcv_wnd >= edge);
        edge = info.bytes_received as u32 + 1 + info.rcv_wnd;
    }
}

#[test]
fn the_queue_in_front_of_us_limits_the_window() {
    let mut s = Script::listening(Script::plain(), 1);
    s.node.services.queue_packets = Some(40);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1 win 16080");
    s.inject(". 1:1 ack 1 win 1000");
    s.accept();
    s.inject("P. 1:101 ack 1");
    s.advance(40);
    s.expect(". 1:1 ack 101 win 43800"); // 30 × 1460
}

#[test]
fn a_probe_into_our_closed_window_learns_where_we_are_and_brings_its_ack() {
    let mut s = Script::established();
    s.option(SocketOption::ReceiveBuffer(4096));
    s.write(100).unwrap();
    let seq = {
        let mut seq = 1;
        while s.info().rcv_wnd > 0 {
            let len = s.info().rcv_wnd.min(1000);
            s.inject(&format!(". {seq}:{} ack 1", seq + len));
            seq += len;
        }
        seq
    };
    s.skip();
    s.inject(&format!("P. {seq}:{} ack 101", seq + 1));
    s.expect(&format!(". 101:101 ack {seq} win 0"));
    assert_eq!((s.info().unacked, s.info().bytes_acked), (0, 100));
}

#[test]
fn a_closed_window_is_probed_with_growing_pauses_for_ever_if_answered() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 1 win 0");
    s.write(100).unwrap();
    s.quiet();
    let mut pauses = alloc::vec::Vec::new();
    let mut last = s.ms();
    for _ in 0..30 {
        while s.skip() == 0 {
            s.advance(10);
        }
        pauses.push(s.ms() - last);
        last = s.ms();
        s.inject(". 1:1 ack 1 win 0");
    }
    assert_eq!(&pauses[..4], &[200, 400, 800, 1600]);
    assert_eq!((pauses[12], pauses[29], s.state()), (120_000, 120_000, State::Established));
    assert_eq!(s.counters().win_probe, 30);
    s.inject(". 1:1 ack 1 win 1000");
    s.expect("P. 1:101 ack 1");
}

#[test]
fn the_probe_is_the_next_octet_and_may_be_taken() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 1 win 0");
    s.write(100).unwrap();
    s.expect_at(200, ". 1:2 ack 1");
    s.inject(". 1:1 ack 2 win 0");
    s.expect_at(600, ". 2:3 ack 1");
    s.inject(". 1:1 ack 3 win 500");
    s.expect("P. 3:101 ack 1");
}

#[test]
fn unanswered_probes_end_the_connection() {
    let mut s = Script::accepted(TcpConfig { data_retries: 3, ..Script::plain() }, "mss 1000");
    s.inject(". 1:1 ack 1 win 0");
    s.write(100).unwrap();
    s.advance(2_999);
    assert_eq!((s.skip(), s.state()), (3, State::Established));
    s.advance(1);
    assert_eq!((s.state(), s.write(1)), (State::Closed, Err(Error::Timeout)));
}

#[test]
fn a_closed_socket_does_not_wait_for_ever_for_a_window() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 1 win 0");
    s.write(100).unwrap();
    s.close();
    for _ in 0..2000 {
        s.advance(1000);
        if s.skip() > 0 && s.node.tcp.table_sizes().0 == 2 {
            s.inject(". 1:1 ack 1 win 0");
        }
    }
    assert_eq!((s.node.tcp.table_sizes().0, s.counters().win_probe, s.counters().out_rsts), (1, 15, 1));
}

#[test]
fn a_fin_for_a_closed_window_is_a_probe_too() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 1 win 0");
    s.shutdown();
    s.expect_at(200, "F. 1:1 ack 1");
    s.inject(". 1:1 ack 2 win 0");
    assert_eq!(s.state(), State::FinWait2);
    s.advance(100_000);
    s.quiet();
}

#[test]
fn a_window_that_shrinks_below_what_is_in_flight_loses_nothing() {
    let mut s = Script::established();
    s.write(5000).unwrap();
    assert_eq!(s.skip(), 5);
    s.inject(". 1:1 ack 1001 win 500");
    assert_eq!(s.state(), State::Established);
    s.quiet();
    s.inject("P. 11:21 ack 1001 win 500");
    s.expect(". 1501:1501 ack 1"); // not SND.NXT: the peer would not take it
    s.expect_at(200, ". 1001:1501 ack 1");
    s.inject(". 21:21 ack 1501 win 4000");
    s.expect(". 1501:2501 ack 1");
    s.inject(". 21:21 ack 5001 win 4000");
    assert_eq!(s.info().unacked, 0);
}

#[test]
fn a_window_that_shrinks_to_nothing_is_probed() {
    let mut s = Script::established();
    s.write(3000).unwrap();
    s.skip();
    s.inject(". 1:1 ack 1 win 0");
    s.expect_at(200, ". 1:2 ack 1");
    s.expect_at(600, ". 1:2 ack 1");
    s.inject(". 1:1 ack 1 win 3000");
    s.expect(". 1:1001 ack 1");
    assert_eq!(s.counters().timeouts, 0, "a closed window is no congestion");
}

#[test]
fn a_silly_window_is_not_used_until_the_override() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 1 win 100");
    s.write(500).unwrap();
    s.quiet();
    s.expect_at(200, ". 1:101 ack 1");
    s.inject(". 1:1 ack 101 win 100");
    s.quiet();
    s.inject(". 1:1 ack 101 win 400");
    s.expect("P. 101:501 ack 1");
}

#[test]
fn half_of_the_largest_window_is_not_silly() {
    let mut s = Script::listening(Script::plain(), 5);
    s.inject("S 0:0 win 600 <mss 1000>");
    s.expect("S. 0:0 ack 1");
    s.inject(". 1:1 ack 1 win 600");
    s.accept();
    s.write(2000).unwrap();
    s.expect(". 1:601 ack 1");
    s.quiet();
}

#[test]
fn a_window_of_32768_and_more_is_a_positive_number() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 1 win 40000");
    assert_eq!(s.info().snd_wnd, 40_000);
}

#[test]
fn the_window_is_that_of_the_newest_segment() {
    let mut s = Script::established();
    s.inject("P. 1:11 ack 1 win 5000");
    s.inject(". 1:1 ack 1 win 100");
    assert_eq!(s.info().snd_wnd, 5000, "an old segment says nothing about now");
}

// R9293-REC-1
#[test]
fn scaled_windows_reach_beyond_64_kib() {
    let config = TcpConfig { timestamps: false, receive_buffer: 1 << 20, ..TcpConfig::default() };
    let mut s = Script::accepted(config, "mss 1000,ws 8");
    s.inject("P. 1:1001 ack 1 win 4000");
    s.advance(40);
    assert_eq!(s.info().snd_wnd, 4000 << 8);
    assert!(s.info().rcv_wnd > 1_000_000, "{}", s.info().rcv_wnd);
    s.expect(". 1:1 ack 1001 win 1023");
}

// R9293-MUST-21
#[test]
fn a_user_timeout_that_is_longer_than_the_retries_keeps_a_closed_window() {
    let mut s = Script::accepted(TcpConfig { data_retries: 2, ..Script::plain() }, "mss 1000");
    s.option(SocketOption::UserTimeout(Some(Duration::from_secs(20))));
    s.inject(". 1:1 ack 1 win 0");
    s.write(100).unwrap();
    s.advance(19_000);
    assert_eq!(s.state(), State::Established);
    assert!(s.skip() > 5);
    s.advance(1_300);
    assert_eq!((s.state(), s.write(1)), (State::Closed, Err(Error::Timeout)));
}

#[test]
fn the_user_timeout_counts_for_closed_windows() {
    let mut s = Script::established();
    s.option(SocketOption::UserTimeout(Some(Duration::from_millis(500))));
    s.inject(". 1:1 ack 1 win 0");
    s.write(100).unwrap();
    s.expect_at(200, ". 1:2");
    s.inject(". 1:1 ack 1 win 0");
    s.advance(400);
    assert_eq!((s.state(), s.write(1)), (State::Closed, Err(Error::Timeout)));
    s.quiet();
}
