//! Closing, TIME-WAIT, and what is left behind: RFC 9293 §3.6, §3.10.7.4, RFC 1337, RFC 6191, RFC 2525.

use super::script::Script;
use crate::{CloseReason, State, TcpConfig};
use alloc::format;
use core::time::Duration;
use stack_core::{DropReason, Error, SocketOption};

#[test]
fn we_close_first() {
    let mut s = Script::established();
    s.shutdown();
    s.expect("F. 1:1 ack 1");
    assert_eq!(s.state(), State::FinWait1);
    s.inject(". 1:1 ack 2");
    assert_eq!(s.state(), State::FinWait2);
    s.inject("P. 1:11 ack 2");
    assert_eq!(s.read(100), Ok(10), "half-closed: the peer may go on");
    s.inject("F. 11:11 ack 2");
    s.expect(". 2:2 ack 12");
    assert_eq!((s.state(), s.read(10)), (State::TimeWait, Ok(0)));
    assert_eq!(s.node.tcp.table_sizes(), (2, 0, 1));
    s.close();
    assert_eq!(s.node.tcp.table_sizes(), (1, 0, 1));
    s.advance(59_999);
    assert_eq!(s.node.tcp.table_sizes(), (1, 0, 1));
    s.advance(2);
    assert_eq!(s.node.tcp.table_sizes(), (1, 0, 0));
    assert!(s.node.timers.is_empty());
}

#[test]
fn the_peer_closes_first() {
    let mut s = Script::established();
    s.inject("F. 1:1 ack 1");
    s.expect(". 1:1 ack 2");
    assert_eq!((s.state(), s.read(10)), (State::CloseWait, Ok(0)));
    s.write(10).unwrap();
    s.expect("P. 1:11 ack 2");
    s.shutdown();
    s.expect("F. 11:11 ack 2");
    assert_eq!(s.state(), State::LastAck);
    s.inject(". 2:2 ack 12");
    assert_eq!((s.state(), s.info().close_reason), (State::Closed, Some(CloseReason::Normal)));
    assert_eq!((s.read(10), s.take_error(), s.counters().time_wait), (Ok(0), None, 0));
    assert!(s.node.timers.is_empty());
}

#[test]
fn both_close_at_once() {
    let mut s = Script::established();
    s.shutdown();
    s.expect("F. 1:1 ack 1");
    s.inject("F. 1:1 ack 1");
    s.expect(". 2:2 ack 2");
    assert_eq!(s.state(), State::Closing);
    s.inject("P. 90000:90010 ack 1");
    s.expect(". 2:2 ack 2");
    s.inject(". 2:2 ack 2");
    assert_eq!(s.state(), State::TimeWait);
    s.quiet();
}

#[test]
fn one_segment_acknowledges_our_fin_and_brings_the_peers() {
    let mut s = Script::established();
    s.shutdown();
    s.skip();
    s.inject("FP. 1:6 ack 2");
    s.expect(". 2:2 ack 7");
    assert_eq!((s.state(), s.read(10)), (State::TimeWait, Ok(5)));
}

#[test]
fn text_before_the_fin_goes_first_and_the_fin_waits_for_the_window() {
    let mut s = Script::established();
    s.write(12_000).unwrap();
    s.shutdown();
    assert_eq!((s.skip(), s.state()), (10, State::FinWait1));
    s.inject(". 1:1 ack 1001");
    s.expect(". 10001:11001 ack 1");
    s.expect("FP. 11001:12001 ack 1");
    s.inject(". 1:1 ack 12001");
    assert_eq!(s.state(), State::FinWait1, "the text, but not the FIN");
    s.inject(". 1:1 ack 12002");
    assert_eq!(s.state(), State::FinWait2);
}

#[test]
fn closing_with_unread_data_resets() {
    let mut s = Script::established();
    s.inject("P. 1:11 ack 1");
    s.close();
    s.expect("R. 1:1 ack 11 win 0");
    assert_eq!((s.counters().abort_on_close, s.counters().out_rsts), (1, 1));
    assert_eq!(s.node.tcp.table_sizes(), (1, 0, 0));
    s.inject("P. 11:21 ack 1");
    s.expect("R 1:1");
}

#[test]
fn unread_data_after_our_fin_resets_behind_it() {
    let mut s = Script::established();
    s.shutdown();
    s.skip();
    s.inject("P. 1:11 ack 2");
    s.close();
    s.expect("R. 2:2 ack 11");
}

#[test]
fn linger_zero_resets() {
    let mut s = Script::established();
    s.option(SocketOption::Linger(Some(Duration::ZERO)));
    s.write(100).unwrap();
    s.skip();
    s.close();
    s.expect("R. 101:101 ack 1");
    assert_eq!(s.counters().abort_on_linger, 1);
    assert!(s.node.timers.is_empty());
}

#[test]
fn lingering_ends_in_a_reset_if_the_peer_is_silent() {
    let mut s = Script::established();
    s.option(SocketOption::Linger(Some(Duration::from_millis(150))));
    s.write(100).unwrap();
    s.skip();
    s.close();
    s.expect("F. 101:101");
    s.expect_at(150, "R. 102:102");
    assert_eq!(s.node.tcp.table_sizes().0, 1);
}

#[test]
fn an_orphan_in_fin_wait_2_waits_only_so_long() {
    let config = TcpConfig { fin_wait_2: Duration::from_secs(1), ..Script::plain() };
    let mut s = Script::accepted(config, "mss 1000");
    s.close();
    s.expect("F. 1:1 ack 1");
    s.inject(". 1:1 ack 2");
    s.advance(999);
    assert_eq!(s.node.tcp.table_sizes().0, 2);
    s.advance(2);
    assert_eq!(s.node.tcp.table_sizes().0, 1);
    s.inject(". 1:1 ack 2");
    s.expect("R 2:2");
}

#[test]
fn a_held_socket_in_fin_wait_2_waits_for_ever() {
    let mut s = Script::established();
    s.shutdown();
    s.inject(". 1:1 ack 2");
    s.advance(10_000_000);
    assert_eq!(s.state(), State::FinWait2);
}

#[test]
fn abort_resets_at_once() {
    let mut s = Script::established();
    let id = s.id;
    s.node.with(|tcp, cx| tcp.abort(cx, id));
    s.flush();
    s.expect("R. 1:1 ack 1");
    assert_eq!(s.node.tcp.table_sizes().0, 1);
}

#[test]
fn closing_while_connecting_sends_nothing() {
    let mut s = Script::connecting(Script::plain());
    s.skip();
    s.close();
    s.quiet();
    assert_eq!(s.node.tcp.table_sizes(), (0, 0, 0));
    assert!(s.node.services.ports.is_empty() && s.node.timers.is_empty());
}

/// A connection in TIME-WAIT that a listener's peer had opened; the peer's next number is 2.
fn time_wait(config: TcpConfig, options: &str) -> Script {
    let mut s = Script::accepted(config, options);
    s.close();
    s.skip();
    let ts = if options.contains("ts") { "<ts 3 e>" } else { "" };
    s.inject(&format!("F. 1:1 ack 2 {ts}"));
    s.expect(". 2:2 ack 2");
    assert_eq!(s.node.tcp.table_sizes(), (1, 0, 1));
    s
}

#[test]
fn resets_do_not_assassinate_time_wait() {
    let mut s = time_wait(Script::plain(), "");
    s.inject("R 2:2");
    s.quiet();
    assert_eq!((s.node.tcp.table_sizes().2, s.node.drops.pop()), (1, Some(DropReason::TcpTimeWait)));
    let config = TcpConfig { reset_ends_time_wait: true, ..Script::plain() };
    let mut s = time_wait(config, "");
    s.inject("R 1:1");
    assert_eq!(s.node.tcp.table_sizes().2, 1);
    s.inject("R 2:2");
    assert_eq!(s.node.tcp.table_sizes().2, 0);
}

#[test]
fn a_repeated_fin_is_acknowledged_and_the_minute_begins_anew() {
    let mut s = time_wait(Script::plain(), "");
    s.advance(50_000);
    s.inject("F. 1:1 ack 2");
    s.expect(". 2:2 ack 2");
    s.advance(50_000);
    assert_eq!(s.node.tcp.table_sizes().2, 1);
    s.inject("P. 1:1 ack 2");
    s.expect(". 2:2 ack 2");
    s.advance(11_000);
    assert_eq!(s.node.tcp.table_sizes().2, 0, "other segments don't prolong it");
}

#[test]
fn time_wait_answers_what_is_out_of_place_and_nothing_else() {
    let mut s = time_wait(Script::plain(), "");
    s.inject(". 2:2 ack 2");
    s.quiet();
    for line in ["P. 5:10 ack 2", "S -5:-5", "P. 900000:900010 ack 2"] {
        s.inject(line);
        s.expect(". 2:2 ack 2");
    }
    s.quiet();
}

#[test]
fn a_new_syn_reopens_from_time_wait() {
    let mut s = time_wait(Script::plain(), "");
    let last = s.node.tcp.time_wait.iter().next().unwrap().1.snd_nxt;
    s.inject("S 2:2 win 1000");
    s.expect("S. 0:0 ack 3");
    assert!(s.our_iss.after(last + 0xffff), "beyond all that the old connection can have sent");
    assert_eq!((s.node.tcp.table_sizes(), s.counters().time_wait_recycled), ((1, 1, 0), 1));
    s.inject(". 3:3 ack 1 win 1000");
    s.accept();
    assert_eq!(s.state(), State::Established);
}

#[test]
fn timestamps_tell_a_new_syn_from_an_old_one() {
    let mut s = time_wait(TcpConfig::default(), "mss 1000,ts 1 0");
    s.inject("S 100:100 win 1000 <ts 2 0>");
    s.expect(". 2:2 ack 2");
    s.inject("S -100:-100 win 1000 <ts 9 0>");
    s.expect("S. 0:0 ack -99");
}

#[test]
fn without_a_listener_time_wait_stays() {
    let mut s = time_wait(Script::plain(), "");
    let listener = s.listener.unwrap();
    s.node.with(|tcp, cx| tcp.close(cx, listener));
    s.inject("S 2:2 win 1000");
    s.expect(". 2:2 ack 2");
    assert_eq!(s.node.tcp.table_sizes(), (0, 0, 1));
}

#[test]
fn the_port_of_a_connection_is_held_through_time_wait_unless_the_address_may_be_reused() {
    for (reuse, held) in [(false, 1), (true, 0)] {
        let mut s = Script::connecting(Script::plain());
        s.option(SocketOption::ReuseAddress(reuse));
        s.inject("S. 0:0 ack 1 win 1000");
        s.close();
        s.inject("F. 1:1 ack 2");
        assert_eq!((s.node.tcp.table_sizes().2, s.node.services.ports.len()), (1, held));
        s.advance(61_000);
        assert!(s.node.services.ports.is_empty() && s.node.services.table.is_empty());
    }
}

#[test]
fn when_there_are_too_many_the_state_is_skipped() {
    let config = TcpConfig { max_time_wait: 0, ..Script::plain() };
    let mut s = Script::accepted(config, "");
    s.close();
    s.skip();
    s.inject("F. 1:1 ack 2");
    assert_eq!((s.node.tcp.table_sizes(), s.counters().time_wait_overflow), ((1, 0, 0), 1));
}

#[test]
fn a_listing_shows_every_state_once() {
    let mut s = time_wait(Script::plain(), "");
    s.peer.set_port(1);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    let states: alloc::vec::Vec<State> = s.node.tcp.connections().map(|entry| entry.state).collect();
    assert_eq!(states, [State::Listen, State::SynReceived, State::TimeWait]);
}

#[test]
fn an_error_is_told_once() {
    let mut s = Script::established();
    s.inject("R 1:1");
    let ready = s.node.tcp.readiness(s.id);
    assert!(ready.error && ready.readable && ready.writable && ready.read_closed && ready.write_closed);
    assert_eq!((s.take_error(), s.take_error()), (Some(Error::ConnectionReset), None));
    assert_eq!((s.write(1), s.read(1)), (Err(Error::ClosedForSend), Ok(0)));
}
