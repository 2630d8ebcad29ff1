//! Resets, both ways: RFC 9293 §3.5.2, §3.10.7.1 to §3.10.7.4, RFC 5961.

use super::script::Script;
use crate::{CloseReason, State};
use stack_core::{DropReason, Error};

#[test]
fn closed_answers_everything_but_resets() {
    for (segment, answer) in [
        ("S 5:5", Some("R. 0:0 ack 6 win 0 <>")),
        (". 5:5 ack 77", Some("R 77:77 ack 0 win 0 <>")),
        ("S 5:10", Some("R. 0:0 ack 11 <>")),
        ("F 5:10", Some("R. 0:0 ack 11 <>")),
        ("S. 5:5 ack 77", Some("R 77:77 ack 0 <>")),
        ("R 5:5", None),
        ("R. 5:5 ack 77", None),
    ] {
        let mut s = Script::new(Script::plain());
        s.inject(segment);
        if let Some(answer) = answer {
            s.expect(answer);
        }
        s.quiet();
    }
}

#[test]
fn listen_ignores_resets_and_answers_acks() {
    for (segment, answer) in [
        ("S. 5:5 ack 77", Some("R 77:77")),
        (". 1:1 ack 1", Some("R 1:1")),
        ("R 5:5", None),
        ("F 5:5", None),
        ("P 5:9", None),
    ] {
        let mut s = Script::listening(Script::plain(), 5);
        s.inject(segment);
        if let Some(answer) = answer {
            s.expect(answer);
        }
        s.quiet();
        assert_eq!(s.node.tcp.table_sizes(), (1, 0, 0));
        assert_eq!(s.node.drops.len(), 1);
    }
}

#[test]
fn half_open_peers_answer_for_themselves() {
    let open = || {
        let mut s = Script::listening(Script::plain(), 5);
        s.inject("S 0:0 win 1000");
        s.expect("S. 0:0 ack 1");
        s
    };
    for (what, segment, answer, left) in [
        ("a fitting reset", "R 1:1", None, 0),
        ("a reset in the window", "R 2:2", Some(". 1:1 ack 1"), 1),
        ("a reset outside", "R 100000:100000", None, 1),
        ("a segment outside", "P. 100000:100010 ack 1", Some(". 1:1 ack 1"), 1),
        ("a wrong ACK", ". 1:1 ack 2", Some("R 2:2 <>"), 1),
        ("no ACK", "P 1:5", None, 1),
        ("a new SYN", "S 50:50", Some(". 1:1 ack 1"), 1),
    ] {
        let mut s = open();
        s.inject(segment);
        if let Some(answer) = answer {
            s.expect(answer);
        }
        s.quiet();
        assert_eq!(s.node.tcp.table_sizes().1, left, "{what}");
        assert_eq!(s.state(), State::Listen, "{what}: the listener lives on");
    }
}

#[test]
fn a_reset_counts_only_with_the_exact_number() {
    let mut s = Script::established();
    s.inject("R 100000:100000");
    s.quiet();
    assert_eq!((s.state(), s.node.drops.pop()), (State::Established, Some(DropReason::TcpOutOfWindow)));
    s.inject("R 2:2");
    s.expect(". 1:1 ack 1");
    assert_eq!((s.state(), s.counters().challenge_ack), (State::Established, 1));
    s.inject("R 1:1");
    assert_eq!((s.state(), s.info().close_reason), (State::Closed, Some(CloseReason::Reset)));
    assert_eq!(s.read(10), Err(Error::ConnectionReset));
    assert_eq!(s.read(10), Ok(0));
    assert_eq!(s.counters().estab_resets, 1);
    assert!(s.node.timers.is_empty());
}

#[test]
fn a_reset_with_data_and_without_an_ack_is_a_reset() {
    let mut s = Script::established();
    s.inject("R 1:20");
    assert_eq!(s.state(), State::Closed);
}

#[test]
fn a_reset_is_heard_while_the_window_is_closed() {
    let mut s = Script::established();
    s.option(stack_core::SocketOption::ReceiveBuffer(4096));
    let mut seq = 1;
    while s.info().rcv_wnd > 0 {
        let len = s.info().rcv_wnd.min(1000);
        s.inject(&alloc::format!("P. {seq}:{} ack 1", seq + len));
        seq += len;
    }
    s.inject(&alloc::format!("R {seq}:{seq}"));
    assert_eq!(s.state(), State::Closed);
}

#[test]
fn what_was_received_before_a_reset_can_still_be_read() {
    let mut s = Script::established();
    s.inject("P. 1:11 ack 1");
    s.inject("R 11:11");
    assert_eq!(s.read(100), Ok(10));
    assert_eq!(s.read(100), Err(Error::ConnectionReset));
}

#[test]
fn a_reset_after_the_peers_fin_breaks_the_pipe() {
    let mut s = Script::established();
    s.inject("F. 1:1 ack 1");
    assert_eq!(s.state(), State::CloseWait);
    s.inject("R 2:2");
    assert_eq!((s.state(), s.write(5)), (State::Closed, Err(Error::ClosedForSend)));
}

#[test]
fn a_syn_on_a_connection_is_asked_about() {
    for seq in ["0", "1", "5", "90000", "-5"] {
        let mut s = Script::established();
        s.inject(&alloc::format!("S {seq}:{seq} win 1000"));
        s.expect(". 1:1 ack 1");
        assert_eq!((s.state(), s.counters().syn_challenge), (State::Established, 1), "{seq}");
        s.inject("R 1:1");
        assert_eq!(s.state(), State::Closed, "the peer confirms that it knows nothing");
    }
}

#[test]
fn challenges_of_a_connection_are_limited() {
    let mut s = Script::established();
    for _ in 0..100 {
        s.inject("R 2:2");
        s.advance(10);
    }
    assert_eq!(s.skip(), 2);
    assert_eq!(s.counters().ack_skipped, 98);
}

#[test]
fn acks_of_what_was_never_sent_and_of_long_ago_are_asked_about() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 2");
    s.expect(". 1:1 ack 1");
    assert_eq!(s.node.drops, [DropReason::TcpBadAck]);
    s.advance(600);
    s.inject(". 1:1 ack -65535"); // SND.UNA − MAX.SND.WND − 1
    s.expect(". 1:1 ack 1");
    s.advance(600);
    s.inject("P. 1:5 ack -65534");
    assert_eq!(s.read(10), Ok(4), "an old ACK, but not older than the largest window");
    s.advance(600);
    s.inject("P. 5:9 ack 9");
    assert_eq!(s.read(10), Err(Error::WouldBlock), "injected data does not pass");
}

#[test]
fn a_segment_without_ack_is_dropped() {
    let mut s = Script::established();
    s.inject("P 1:5");
    s.quiet();
    assert_eq!(s.node.drops, [DropReason::TcpBadFlags]);
}

#[test]
fn ghosts_in_simultaneous_open_refuse() {
    let mut s = Script::connecting(Script::plain());
    s.skip();
    s.inject("S 0:0 win 1000");
    s.skip();
    s.inject("R 1:1");
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::ConnectionRefused)));
}

#[test]
fn replies_to_strays_are_bounded() {
    let mut s = Script::new(Script::plain());
    for _ in 0..5000 {
        let stray = s.packet(". 5:5 ack 77");
        s.node.receive(stray);
    }
    s.flush();
    assert_eq!(s.skip(), 1024);
    assert_eq!(s.counters().control_drops, 5000 - 1024);
}
