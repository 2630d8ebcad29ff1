//! Loss: RFC 6298, RFC 5681, RFC 6582, RFC 3042, R1 and R2 of RFC 9293 §3.8.3.

use super::script::Script;
use crate::{State, TcpConfig};
use alloc::format;
use core::time::Duration;
use stack_core::{Error, ErrorKind, SocketOption};

/// A connection with a round-trip time of 100 ms and `segments` of 1000 octets in flight.
fn in_flight(segments: u32) -> Script {
    let mut s = Script::connecting(Script::plain());
    s.skip();
    s.advance(100);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1000>");
    s.skip();
    s.write(segments * 1000).unwrap();
    s
}

#[test]
fn the_initial_window_is_ten_segments_and_doubles_in_slow_start() {
    let mut s = in_flight(60);
    assert_eq!(s.skip(), 10);
    s.advance(50);
    s.quiet();
    s.inject(". 1:1 ack 10001");
    assert_eq!((s.skip(), s.info().cwnd), (20, 20_000));
    s.inject(". 1:1 ack 30001");
    assert_eq!((s.skip(), s.info().cwnd), (30, 40_000), "as far as there is data");
}

// R6928-2-b, R5681-3.1-e, R6298-5.5-a
#[test]
fn a_timeout_sends_one_segment_and_backs_off() {
    let mut s = in_flight(5);
    assert_eq!((s.skip(), s.info().rto.as_millis()), (5, 300));
    for at in [400, 1000, 2200, 4600] {
        s.expect_at(at, ". 1:1001 ack 1");
        s.quiet();
    }
    let info = s.info();
    assert_eq!((info.cwnd, info.ssthresh, info.timeouts, info.retrans), (1000, 2000, 4, 4));
    assert_eq!(info.rto.as_millis(), 4800);
}

#[test]
fn after_a_timeout_everything_goes_again_in_slow_start() {
    let mut s = in_flight(5);
    s.skip();
    s.expect_at(400, ". 1:1001");
    s.inject(". 1:1 ack 1001");
    s.expect(". 1001:2001");
    s.expect(". 2001:3001");
    s.quiet();
    s.inject(". 1:1 ack 5001");
    s.quiet();
    let info = s.info();
    // Slow start to the threshold of half the flight in whole segments, and one more for the rest.
    assert_eq!((info.unacked, info.timeouts, info.cwnd), (0, 0, 3000));
}

#[test]
fn the_backed_off_timeout_stays_until_there_is_a_sample() {
    let mut s = in_flight(2);
    s.skip();
    s.advance(350);
    s.inject(". 1:1 ack 1001");
    s.skip();
    assert_eq!(s.info().rto.as_millis(), 600, "what was sent twice gives no sample");
    s.inject(". 1:1 ack 2001");
    assert_eq!(s.info().rto.as_millis(), 600);
    s.write(1000).unwrap();
    s.skip();
    s.advance(100);
    s.inject(". 1:1 ack 3001");
    assert!(s.info().rto.as_millis() < 300, "{:?}", s.info().rto);
}

#[test]
fn the_timer_restarts_with_progress_and_stops_without_data() {
    let mut s = in_flight(2);
    s.skip();
    s.advance(150);
    s.inject(". 1:1 ack 1001");
    let rto = s.info().rto.as_millis() as u64;
    let restarted = s.ms();
    s.expect_at(restarted + rto, "P. 1001:2001");
    s.inject(". 1:1 ack 2001");
    s.advance(100_000);
    s.quiet();
    assert_eq!(s.counters().timeouts, 1);
}

#[test]
fn retries_run_out() {
    let mut s = Script::accepted(TcpConfig { data_retries: 2, ..Script::plain() }, "mss 1000");
    s.write(1).unwrap();
    s.advance(10_000);
    assert_eq!(s.skip(), 3);
    assert_eq!((s.state(), s.write(1)), (State::Closed, Err(Error::Timeout)));
    s.inject(". 1:1 ack 2");
    s.expect("R 2:2");
    assert_eq!(s.counters().abort_on_timeout, 1);
}

#[test]
fn by_default_a_connection_lives_longer_than_a_hundred_seconds_without_answers() {
    let mut s = Script::established();
    s.write(1).unwrap();
    s.advance(100_000);
    assert_eq!(s.state(), State::Established);
    s.advance(1_000_000);
    assert_eq!((s.state(), s.skip()), (State::Closed, 16));
}

#[test]
fn the_user_timeout_ends_it_without_a_packet() {
    let mut s = Script::established();
    s.option(SocketOption::UserTimeout(Some(Duration::from_millis(100))));
    s.write(1).unwrap();
    s.expect("P. 1:2");
    s.advance(100);
    s.quiet();
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::Timeout)));
    s.inject(". 1:1 ack 2");
    s.expect("R 2:2");
}

// R9293-MUST-21
#[test]
fn a_user_timeout_that_is_longer_than_the_retries_keeps_the_connection() {
    let mut s = Script::accepted(TcpConfig { data_retries: 2, ..Script::plain() }, "mss 1000");
    s.option(SocketOption::UserTimeout(Some(Duration::from_secs(20))));
    s.write(1).unwrap();
    s.advance(19_000);
    assert_eq!(s.state(), State::Established);
    assert!(s.skip() > 5);
    s.inject(". 1:1 ack 2");
    s.advance(100_000);
    assert_eq!(s.state(), State::Established, "nothing waits");
    s.write(1).unwrap();
    s.advance(20_000);
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::Timeout)));
}

// RFC 9293 §3.10.8
#[test]
fn the_user_timeout_ends_a_connect() {
    let mut s = Script::connecting(Script::plain());
    s.option(SocketOption::UserTimeout(Some(Duration::from_millis(2500))));
    s.advance(2499);
    assert_eq!(s.state(), State::SynSent);
    s.advance(1);
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::Timeout)));
    assert_eq!(s.skip(), 2, "the SYN and one more, after a second");
}

#[test]
fn the_user_timeout_begins_anew_with_progress() {
    let mut s = Script::established();
    s.option(SocketOption::UserTimeout(Some(Duration::from_millis(150))));
    s.write(3000).unwrap();
    for ack in [1001, 2001] {
        s.advance(100);
        s.inject(&format!(". 1:1 ack {ack}"));
    }
    s.advance(100);
    assert_eq!(s.state(), State::Established);
    s.inject(". 1:1 ack 3001");
    s.advance(1000);
    assert_eq!(s.state(), State::Established);
}

#[test]
fn what_icmp_said_is_the_reason_when_retries_run_out() {
    let mut s = Script::accepted(TcpConfig { data_retries: 2, ..Script::plain() }, "mss 1000");
    s.write(1).unwrap();
    s.error(ErrorKind::HostUnreachable, 1);
    assert_eq!((s.state(), s.info().soft_error), (State::Established, Some(Error::HostUnreachable)));
    s.advance(10_000);
    assert_eq!(s.take_error(), Some(Error::HostUnreachable));
}

#[test]
fn three_duplicates_resend_the_first_segment() {
    let mut s = in_flight(20);
    assert_eq!(s.skip(), 10);
    s.inject(". 1:1 ack 1001");
    assert_eq!(s.skip(), 2, "and one more for slow start");
    for _ in 0..2 {
        s.inject(". 1:1 ack 1001");
        assert_eq!(s.skip(), 1, "limited transmit");
    }
    s.inject(". 1:1 ack 1001");
    s.expect(". 1001:2001 ack 1");
    s.quiet();
    let info = s.info();
    // RFC 5681 §3.2: half of the eleven segments before limited transmit, rounded down.
    assert_eq!((info.ssthresh, info.cwnd, s.counters().reno_recovery), (5000, 8000, 1));
    assert_eq!((s.counters().fast_retrans, s.counters().retrans_segs), (1, 1));
}

#[test]
fn partial_acks_fill_one_hole_each_and_the_full_one_ends_the_recovery() {
    let mut s = in_flight(10);
    s.skip();
    s.inject(". 1:1 ack 1001");
    (0..3).for_each(|_| s.inject(". 1:1 ack 1001"));
    s.expect(". 1001:2001");
    s.inject(". 1:1 ack 4001");
    s.expect(". 4001:5001");
    s.inject(". 1:1 ack 6001");
    s.expect(". 6001:7001");
    s.quiet();
    s.inject(". 1:1 ack 10001");
    let info = s.info();
    assert_eq!((info.unacked, info.cwnd, info.ssthresh), (0, 2000, 4000));
    assert_eq!((s.counters().reno_recovery, s.counters().fast_retrans, s.counters().timeouts), (1, 3, 0));
}

#[test]
fn only_the_first_partial_ack_restarts_the_timer() {
    let mut s = in_flight(10);
    s.skip();
    s.inject(". 1:1 ack 1001");
    (0..3).for_each(|_| s.inject(". 1:1 ack 1001"));
    s.advance(100);
    s.inject(". 1:1 ack 2001");
    let restarted = s.ms();
    s.advance(100);
    s.inject(". 1:1 ack 3001");
    s.skip();
    let rto = s.info().rto.as_millis() as u64;
    s.expect_at(restarted + rto, ". 3001:4001");
    assert_eq!(s.counters().timeouts, 1);
}

#[test]
fn further_duplicates_inflate_the_window() {
    let mut s = in_flight(40);
    s.skip();
    s.inject(". 1:1 ack 1001");
    s.skip();
    (0..3).for_each(|_| s.inject(". 1:1 ack 1001"));
    s.skip();
    let new: usize = (0..6)
        .map(|_| {
            s.inject(". 1:1 ack 1001");
            s.skip()
        })
        .sum();
    assert!((1..=3).contains(&new), "{new} new segments");
}

#[test]
fn what_is_no_duplicate_does_not_count_as_one() {
    let mut s = in_flight(10);
    s.skip();
    s.inject(". 1:1 ack 1001 win 65535");
    for line in [
        ". 1:1 ack 1001 win 65000", // window updates
        ". 1:1 ack 1001 win 64000",
        ". 1:1 ack 1001 win 63000",
        ". 1:1 ack 1001 win 64000",
        "P. 1:6 ack 1001 win 64000", // data
        "P. 6:11 ack 1001 win 64000",
        "P. 11:16 ack 1001 win 64000",
        "P. 16:21 ack 1001 win 64000",
    ] {
        s.inject(line);
    }
    s.skip();
    assert_eq!(s.counters().reno_recovery, 0);
    (0..3).for_each(|_| s.inject(". 21:21 ack 1001 win 64000"));
    assert_eq!(s.counters().reno_recovery, 1);
}

// R6582-4-a
#[test]
fn no_fast_retransmit_for_what_a_timeout_resends() {
    let mut s = in_flight(10);
    s.skip();
    s.advance(300);
    s.expect(". 1:1001");
    (0..5).for_each(|_| s.inject(". 1:1 ack 1"));
    s.quiet();
    assert_eq!(s.counters().reno_recovery, 0);
}

// R6928-2-c
#[test]
fn after_a_pause_the_window_starts_again() {
    let mut s = in_flight(40);
    s.skip();
    s.inject(". 1:1 ack 10001");
    s.inject(". 1:1 ack 30001");
    s.inject(". 1:1 ack 40001");
    s.skip();
    assert!(s.info().cwnd > 20_000);
    s.advance(1000);
    s.write(40_000).unwrap();
    assert_eq!(s.skip(), 10);
}

// R7661-4.4-a
#[test]
fn an_application_that_sends_little_gains_no_window() {
    let mut s = in_flight(1);
    for i in 0..20u32 {
        s.inject(&format!(". 1:1 ack {}", 1001 + i * 1000));
        s.write(1000).unwrap();
    }
    assert_eq!(s.info().cwnd, 10_000);
}

#[test]
fn timestamps_give_samples_where_karn_forbids_others() {
    let mut s = Script::accepted(TcpConfig::default(), "mss 1000,ts 1 0");
    s.write(900).unwrap();
    s.skip();
    s.advance(1000);
    assert!(s.skip() >= 2);
    let backed_off = s.info().rto;
    s.advance(30);
    s.inject(". 1:1 ack 901 <ts 3 e>");
    assert!(s.info().rto < backed_off);
}

#[test]
fn a_fin_is_sent_again_alone_when_only_it_is_missing() {
    let mut s = in_flight(1);
    s.skip();
    s.shutdown();
    s.expect("F. 1001:1001 ack 1");
    s.inject(". 1:1 ack 1001");
    s.quiet();
    s.advance(1000);
    s.expect("F. 1001:1001 ack 1");
    s.inject(". 1:1 ack 1002");
    assert_eq!(s.state(), State::FinWait2);
}

#[test]
fn a_route_that_goes_and_comes_back_delays_and_loses_nothing() {
    let mut s = Script::established();
    s.node.services.generation += 1;
    s.node.services.routable = false;
    s.write(100).unwrap();
    s.quiet();
    s.advance(5_000);
    s.quiet();
    s.node.services.routable = true;
    s.advance(20_000);
    s.expect("P. 1:101 ack 1");
}

#[test]
fn after_three_timeouts_the_route_is_looked_up_again() {
    let mut s = Script::established();
    s.write(1).unwrap();
    s.advance(1000);
    s.node.services.mtu = 600;
    s.advance(10_000);
    assert_eq!(s.info().path_mtu, 600, "R1: the path is doubted");
}
