//! Errors about echo requests: what ping and traceroute are told.

mod common;

use common::*;
use proptest::prelude::*;
use stack_core::*;
use trans_icmp::{Family, V4, V6};

const ROUTER: &str = "10.0.0.254";

fn error<F: Case>(kind: ErrorKind, to: &str, ident: u16, seq: u16, data: &[u8]) -> DeliveryError {
    let header = [[F::ECHO_REQUEST, 0], [0, 0], ident.to_be_bytes(), seq.to_be_bytes()].concat();
    DeliveryError {
        kind,
        origin: ErrorOrigin::Icmp { from: ROUTER.parse().unwrap() },
        nic: Some(NicId(1)),
        protocol: F::PROTOCOL,
        local: F::US.parse().unwrap(),
        remote: to.parse().unwrap(),
        quoted: [&header[..], data].concat().into(),
    }
}

impl<F: Case> Net<F> {
    fn error(&mut self, id: EndpointId, error: &DeliveryError) {
        self.with(|icmp, cx| icmp.receive_error(cx, id, error));
    }
}

fn a_traceroute<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    for hops in 1..=3 {
        net.set(id, SocketOption::HopLimit(hops)).unwrap();
        net.send(id, hops.into(), b"probe", Some(F::PEER)).unwrap();
    }
    let limits: Vec<_> = net.transmit().iter().map(|sent| (sent.ip.hop_limit, sent.seq)).collect();
    assert_eq!(limits, [(1, 1), (2, 2), (3, 3)]);
    net.icmp.register(id, Interest::Readable, &waker());
    net.error(id, &error::<F>(ErrorKind::HopLimitExceeded, F::PEER, 77, 2, b"probe"));
    net.error(id, &error::<F>(ErrorKind::HostUnreachable, F::PEER, 77, 1, b""));
    assert_eq!(net.wakes.len(), 1);
    net.deliver(id, Net::<F>::reply(F::PEER, 77, 3, b"probe")).unwrap();
    assert!(net.icmp.readiness(id).error && net.icmp.readiness(id).readable);
    let report = net.icmp.recv_report(id).unwrap();
    assert_eq!((report.kind, report.sequence), (ErrorKind::HopLimitExceeded, 2));
    assert_eq!(report.origin, ErrorOrigin::Icmp { from: ROUTER.parse().unwrap() });
    assert_eq!(
        (report.to, report.nic, &report.payload[..]),
        (addr(F::PEER, 0), Some(NicId(1)), &b"probe"[..])
    );
    assert_eq!(report.received_at, Instant::from_secs(1));
    assert_eq!(net.icmp.recv_report(id).unwrap().sequence, 1);
    assert_eq!(net.icmp.recv_report(id), Err(Error::WouldBlock));
    assert!(!net.icmp.readiness(id).error);
    assert_eq!(net.recv(id).unwrap().sequence, 3, "an unconnected socket has no pending error");
    assert_eq!(net.icmp.counters().in_error_reports, 2);
}

#[test]
fn a_traceroute_over_ipv4() {
    a_traceroute::<V4>();
}

#[test]
fn a_traceroute_over_ipv6() {
    a_traceroute::<V6>();
}

#[test]
fn a_connected_socket_hears_of_each_kind_once() {
    use ErrorKind::*;
    for (kind, expected) in [
        (PortUnreachable, Error::ConnectionRefused),
        (HostUnreachable, Error::HostUnreachable),
        (NetUnreachable, Error::NetworkUnreachable),
        (ProtocolUnreachable, Error::ProtocolUnreachable),
        (ParameterProblem { pointer: 1, code: 0 }, Error::ProtocolUnreachable),
        (SourceRouteFailed, Error::HostUnreachable),
        (Prohibited, Error::HostUnreachable),
        (HopLimitExceeded, Error::HostUnreachable),
        (ReassemblyTimeout, Error::HostUnreachable),
    ] {
        let mut net = Net::<V4>::default();
        let id = net.bound(77);
        net.connect(id, V4::PEER).unwrap();
        net.error(id, &error::<V4>(kind, V4::PEER, 77, 1, b""));
        assert!(net.icmp.readiness(id).error);
        assert_eq!(net.recv(id), Err(expected), "{kind:?}");
        assert_eq!(net.recv(id), Err(Error::WouldBlock));
        net.error(id, &error::<V4>(kind, V4::PEER, 77, 1, b""));
        assert_eq!(net.send(id, 0, b"", None), Err(expected));
        assert_eq!(net.send(id, 0, b"", None), Ok(0));
        net.error(id, &error::<V4>(kind, V4::PEER, 77, 1, b""));
        assert_eq!((net.icmp.take_error(id), net.icmp.take_error(id)), (Some(expected), None));
        assert_eq!(net.icmp.recv_report(id).unwrap().kind, kind);
    }
}

#[test]
fn what_others_sent_is_not_reported() {
    let mut net = Net::<V6>::default();
    let id = net.bound(77);
    net.connect(id, V6::PEER).unwrap();
    let unreachable = ErrorKind::HostUnreachable;
    net.error(id, &error::<V6>(unreachable, V6::PEER, 78, 1, b""));
    net.error(id, &error::<V6>(unreachable, V6::OTHER, 77, 1, b""));
    let mut not_a_request = error::<V6>(unreachable, V6::PEER, 77, 1, b"");
    not_a_request.quoted = [&[V6::ECHO_REPLY][..], &not_a_request.quoted[1..]].concat().into();
    net.error(id, &not_a_request);
    assert_eq!(net.icmp.recv_report(id), Err(Error::WouldBlock));
    assert_eq!(net.icmp.take_error(id), None);
}

#[test]
fn reports_can_be_switched_off_and_are_bounded() {
    let mut net = Net::<V4>::default();
    let id = net.bound(77);
    let late = |seq| error::<V4>(ErrorKind::HopLimitExceeded, V4::PEER, 77, seq, &[3; 548]);
    for seq in 0..70 {
        net.error(id, &late(seq));
    }
    for seq in 0..64 {
        let report = net.icmp.recv_report(id).unwrap();
        assert_eq!((report.sequence, report.payload.len()), (seq, 128));
    }
    assert_eq!(net.icmp.recv_report(id), Err(Error::WouldBlock));
    net.error(id, &late(1));
    net.set(id, SocketOption::ReceiveErrors(false)).unwrap();
    net.error(id, &late(2));
    assert_eq!(net.icmp.recv_report(id), Err(Error::WouldBlock));
}

#[test]
fn too_big_sets_the_path_mtu_if_it_can_be_true() {
    let mut net = Net::<V6>::default();
    let id = net.bound(77);
    let too_big = |mtu| error::<V6>(ErrorKind::PacketTooBig { mtu }, V6::PEER, 77, 1, b"");
    net.error(id, &too_big(1400));
    assert!(net.host.path_mtus.is_empty(), "nothing was sent");
    net.send(id, 1, &[0; 1452], Some(V6::PEER)).unwrap();
    let asked = net.host.queries.len();
    net.error(id, &too_big(1500));
    assert!(net.host.path_mtus.is_empty(), "nothing larger was sent");
    net.error(id, &too_big(1400));
    assert_eq!(net.host.path_mtus, [(V6::PEER.parse().unwrap(), 1400)]);
    net.send(id, 2, b"", Some(V6::PEER)).unwrap();
    assert_eq!(net.host.queries.len(), asked + 1, "the cached route is not believed any more");
    assert_eq!(net.icmp.recv_report(id).unwrap().kind, ErrorKind::PacketTooBig { mtu: 1400 });
    net.error(id, &DeliveryError { origin: ErrorOrigin::Local, ..too_big(1300) });
    assert_eq!(net.host.path_mtus.len(), 1, "our own stack knows");
    net.connect(id, V6::PEER).unwrap();
    net.error(id, &too_big(1300));
    assert_eq!(net.icmp.take_error(id), None, "fragments are allowed");
    net.set(id, SocketOption::DontFragment(true)).unwrap();
    net.error(id, &too_big(1300));
    assert_eq!(net.icmp.take_error(id), Some(Error::MessageTooLarge));
}

proptest! {
    #[test]
    fn no_quote_panics(quoted in proptest::collection::vec(any::<u8>(), 0..40), request: bool, mtu: u32) {
        let mut net = Net::<V4>::default();
        let id = net.bound(77);
        net.send(id, 1, &[0; 3000], Some(V4::PEER)).unwrap();
        let mut about = error::<V4>(ErrorKind::PacketTooBig { mtu }, V4::PEER, 77, 1, &quoted);
        let ours = quoted.len() >= 8 && quoted[0] == 8 && quoted[4..6] == [0, 77];
        if !request {
            about.quoted = quoted.into();
        }
        net.error(id, &about);
        prop_assert_eq!(request || ours, net.icmp.recv_report(id).is_ok());
        prop_assert!(net.host.path_mtus.iter().all(|&(_, mtu)| (68..3028).contains(&mtu)));
    }
}
