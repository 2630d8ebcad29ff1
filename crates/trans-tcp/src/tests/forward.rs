//! Forwarders: connections to where nobody listens, decided about one by one.

use super::script::Script;
use crate::{ForwarderConfig, State, TcpConfig, TcpRequest};
use core::time::Duration;
use stack_core::{Checksum, DropReason, EcnPolicy, EndpointId, Error, SocketOption};

/// A TCP whose only socket is a forwarder.
fn forwarding(config: ForwarderConfig) -> (Script, EndpointId) {
    let mut s = Script::new(Script::plain());
    let forwarder = s.node.tcp.open_forwarder(config).unwrap();
    (s, forwarder)
}

fn next(s: &mut Script, forwarder: EndpointId) -> TcpRequest {
    s.node.tcp.next_request(forwarder).unwrap()
}

fn accept(s: &mut Script, request: &TcpRequest) {
    let id = request.id;
    s.id = s.node.with(|tcp, cx| tcp.accept_request(cx, id)).unwrap();
    s.flush();
}

#[test]
fn a_syn_waits_for_a_decision_and_then_for_the_handshake() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    assert_eq!(s.node.tcp.next_request(forwarder), Err(Error::WouldBlock));
    assert!(!s.node.tcp.readiness(forwarder).readable);
    s.inject("S 0:0 win 1000 <mss 1000>");
    s.quiet();
    assert!(s.node.tcp.readiness(forwarder).readable);
    let request = next(&mut s, forwarder);
    assert_eq!((request.local, request.remote), ("10.0.0.1:80".parse().unwrap(), s.peer));
    assert_eq!(s.node.tcp.next_request(forwarder), Err(Error::WouldBlock));
    s.advance(700);
    s.quiet();
    accept(&mut s, &request);
    s.expect("S. 0:0 ack 1 win 65535 <mss 1460>");
    assert_eq!(s.state(), State::SynReceived);
    assert!(!s.node.tcp.readiness(s.id).writable);
    s.advance(20);
    s.inject(". 1:1 ack 1 win 1000");
    assert_eq!((s.state(), s.node.tcp.readiness(s.id).writable), (State::Established, true));
    assert_eq!(s.info().srtt, Some(Duration::from_millis(20)), "from the SYN-ACK on, not from the SYN");
    s.inject("P. 1:5 ack 1 win 1000");
    assert_eq!(s.read(10), Ok(4));
    assert_eq!((s.counters().forward_requests, s.counters().passive_opens), (1, 1));
}

#[test]
fn a_request_that_is_rejected_is_answered_with_a_reset() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    s.inject("S 0:0 win 1000 <mss 1000>");
    let request = next(&mut s, forwarder);
    s.node.with(|tcp, cx| tcp.reject_request(cx, request.id)).unwrap();
    s.flush();
    s.expect("R. 0:0 ack 1 <>");
    assert!(s.node.services.table.is_empty() && s.node.timers.is_empty());
    assert_eq!(s.node.with(|tcp, cx| tcp.accept_request(cx, request.id)), Err(Error::Timeout));
}

#[test]
fn a_request_that_is_forgotten_may_come_again() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    for _ in 0..2 {
        s.inject("S 0:0 win 1000 <mss 1000>");
        let request = next(&mut s, forwarder);
        s.node.with(|tcp, cx| tcp.forget_request(cx, request.id));
        s.flush();
        s.quiet();
    }
    assert_eq!(s.counters().forward_requests, 2);
}

#[test]
fn a_repeated_syn_is_no_second_request() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    s.inject_batch(&["S 0:0 win 1000 <mss 1000>", "S 0:0 win 1000 <mss 1000>"]);
    let request = next(&mut s, forwarder);
    s.inject("S 0:0 win 1000 <mss 1000>");
    assert_eq!(s.node.tcp.next_request(forwarder), Err(Error::WouldBlock));
    assert_eq!(s.node.drops, [DropReason::TcpDuplicate; 2]);
    accept(&mut s, &request);
    s.expect("S. 0:0 ack 1");
    s.quiet();
}

#[test]
fn a_peer_that_takes_its_syn_back_frees_the_place() {
    let config = ForwarderConfig { max_pending: 1, ..ForwarderConfig::default() };
    let (mut s, forwarder) = forwarding(config);
    s.inject("S 0:0 win 1000 <mss 1000>");
    s.inject("R 9:9 win 0");
    s.inject("R 1:1 win 0");
    assert_eq!(s.node.tcp.next_request(forwarder), Err(Error::WouldBlock));
    assert_eq!(s.node.drops, [DropReason::TcpOutOfWindow], "a reset with another number");
    s.inject("S 0:0 win 1000 <mss 1000>");
    next(&mut s, forwarder);
}

#[test]
fn an_undecided_request_is_forgotten_in_the_end() {
    let config = ForwarderConfig { patience: Duration::from_secs(3), ..ForwarderConfig::default() };
    let (mut s, forwarder) = forwarding(config);
    s.inject("S 0:0 win 1000 <mss 1000>");
    let request = next(&mut s, forwarder);
    s.advance(2_999);
    assert_eq!(s.counters().forward_expired, 0);
    s.advance(1);
    assert_eq!((s.counters().forward_expired, s.node.tcp.table_sizes().1), (1, 0));
    s.quiet();
    assert_eq!(s.node.with(|tcp, cx| tcp.accept_request(cx, request.id)), Err(Error::Timeout));
}

#[test]
fn requests_beyond_the_limits_are_dropped_and_counted() {
    let config = ForwarderConfig { max_pending: 3, max_pending_per_peer: 2, ..ForwarderConfig::default() };
    let (mut s, forwarder) = forwarding(config);
    for (peer, kept) in
        [("10.0.0.2:1", 1), ("10.0.0.2:2", 2), ("10.0.0.2:3", 2), ("10.0.0.3:1", 3), ("10.0.0.4:1", 3)]
    {
        s.peer = peer.parse().unwrap();
        s.inject("S 0:0 win 1000 <mss 1000>");
        assert_eq!(s.node.tcp.table_sizes().1, kept, "{peer}");
    }
    assert_eq!(s.node.drops, [DropReason::BacklogFull; 2]);
    assert_eq!(s.counters().forward_overflows, 2);
    let request = next(&mut s, forwarder);
    s.node.with(|tcp, cx| tcp.forget_request(cx, request.id));
    s.inject("S 0:0 win 1000 <mss 1000>");
    assert_eq!(s.node.tcp.table_sizes().1, 3, "a decision frees a place");
}

#[test]
fn what_is_no_good_syn_is_refused_and_nothing_is_kept() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    s.inject(". 1:1 ack 7 win 1000");
    s.expect("R 7:7 <>");
    s.inject("S. 0:0 ack 7 win 1000");
    s.expect("R 7:7 <>");
    let mut damaged = s.packet("S 0:0 win 1000 <mss 1000>");
    damaged.meta.checksum = Checksum::Unverified;
    s.node.receive(damaged);
    assert_eq!(s.node.drops, [DropReason::BadTransportChecksum]);
    assert_eq!(s.node.tcp.next_request(forwarder), Err(Error::WouldBlock));
}

#[test]
fn an_ecn_setup_syn_is_as_good_as_any() {
    for (accepts, answer) in [(EcnPolicy::PASSIVE, "S.E 0:0 ack 1"), (EcnPolicy::OFF, "S. 0:0 ack 1")] {
        let (mut s, forwarder) = forwarding(ForwarderConfig::default());
        s.node.with(|tcp, cx| tcp.set_option(cx, forwarder, SocketOption::Ecn(accepts))).unwrap();
        s.inject("SEW 0:0 win 1000");
        let request = next(&mut s, forwarder);
        accept(&mut s, &request);
        s.expect(answer);
    }
}

#[test]
fn a_listener_comes_first() {
    let mut s = Script::listening(TcpConfig::default(), 5);
    let forwarder = s.node.tcp.open_forwarder(ForwarderConfig::default()).unwrap();
    s.inject("S 0:0 win 1000 <mss 1000>");
    s.expect("S. 0:0 ack 1");
    assert_eq!(s.node.tcp.next_request(forwarder), Err(Error::WouldBlock));
}

#[test]
fn a_syn_ack_that_is_lost_goes_again_and_a_reset_ends_it() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    s.inject("S 0:0 win 1000 <mss 1000>");
    let request = next(&mut s, forwarder);
    accept(&mut s, &request);
    s.expect("S. 0:0 ack 1");
    s.expect_at(1_000, "S. 0:0 ack 1");
    s.inject("R 1:1 win 0");
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::ConnectionRefused)));
}

#[test]
fn a_syn_after_time_wait_is_a_request_with_higher_numbers() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    s.inject("S 0:0 win 1000 <mss 1000>");
    let request = next(&mut s, forwarder);
    accept(&mut s, &request);
    s.expect("S. 0:0 ack 1");
    s.inject(". 1:1 ack 1 win 1000");
    let old = s.our_iss;
    let id = s.id;
    s.node.with(|tcp, cx| tcp.close(cx, id));
    s.flush();
    s.expect("F. 1:1 ack 1");
    s.inject("F. 1:1 ack 2 win 1000");
    s.expect(". 2:2 ack 2");
    assert_eq!(s.node.tcp.table_sizes().2, 1);
    s.inject("S 100:100 win 1000 <mss 1000>");
    let request = next(&mut s, forwarder);
    accept(&mut s, &request);
    s.skip();
    assert!(s.our_iss.after(old + 0x1_0000));
    assert_eq!(s.counters().time_wait_recycled, 1);
}

#[test]
fn a_forwarder_that_closes_takes_its_requests_along() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    assert_eq!(s.node.tcp.open_forwarder(ForwarderConfig::default()), Err(Error::PortInUse));
    s.inject("S 0:0 win 1000 <mss 1000>");
    s.node.with(|tcp, cx| tcp.close(cx, forwarder));
    s.flush();
    s.quiet();
    assert_eq!(s.node.tcp.table_sizes(), (0, 0, 0));
    assert!(s.node.services.table.is_empty() && s.node.timers.is_empty());
    s.inject("S 0:0 win 1000 <mss 1000>");
    s.expect("R. 0:0 ack 1");
}

#[test]
fn connections_inherit_the_settings_of_the_forwarder() {
    let (mut s, forwarder) = forwarding(ForwarderConfig::default());
    s.node.with(|tcp, cx| tcp.set_option(cx, forwarder, SocketOption::MaxSegment(500))).unwrap();
    s.inject("S 0:0 win 1000 <mss 1000>");
    let request = next(&mut s, forwarder);
    accept(&mut s, &request);
    s.expect("S. 0:0 ack 1 <mss 500>");
}
