//! Errors about datagrams that were sent, from the network and from our own stack.

mod common;

use common::*;
use proptest::prelude::*;
use stack_core::*;

const PEER: &str = "10.0.0.2:99";

fn quote(to: &str, length: u16, payload: &[u8]) -> Vec<u8> {
    let ports = [53u16.to_be_bytes(), addr(to).port().to_be_bytes(), length.to_be_bytes(), [0; 2]];
    [&ports.concat()[..], payload].concat()
}

fn error(kind: ErrorKind, to: &str) -> DeliveryError {
    let remote = addr(to).ip();
    DeliveryError {
        kind,
        origin: ErrorOrigin::Icmp { from: "10.0.0.254".parse().unwrap() },
        nic: Some(NicId(1)),
        protocol: PROTOCOL,
        local: if remote.is_ipv4() { US_V4 } else { US_V6 }.parse().unwrap(),
        remote,
        quoted: quote(to, 1480, b"probe").into(),
    }
}

impl Net {
    fn error(&mut self, id: EndpointId, error: &DeliveryError) {
        self.with(|udp, cx| udp.receive_error(cx, id, error));
    }
}

// R1122-4.1.3.3-a
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
        let mut net = Net::default();
        let id = net.bound("0.0.0.0:53");
        net.connect(id, PEER).unwrap();
        net.deliver(id, datagram(PEER, "10.0.0.1:53", b"data")).unwrap();
        let (waker, _) = counting_waker();
        net.udp.register(id, Interest::Readable, &waker);
        net.udp.register(id, Interest::Writable, &waker);
        net.error(id, &error(kind, PEER));
        assert_eq!(net.wakes.len(), 2);
        let readiness = net.udp.readiness(id);
        assert!(readiness.error && readiness.readable && readiness.writable);
        assert_eq!(net.recv(id), Err(expected), "{kind:?}");
        assert_eq!(net.recv(id).unwrap().0, b"data");
        net.error(id, &error(kind, PEER));
        assert_eq!(net.send(id, b"", None), Err(expected));
        assert_eq!(net.send(id, b"", None), Ok(0));
        net.error(id, &error(kind, PEER));
        assert_eq!(net.udp.take_error(id), Some(expected));
        assert_eq!((net.udp.take_error(id), net.udp.readiness(id).error), (None, false));
    }
}

#[test]
fn others_are_not_told() {
    let mut net = Net::default();
    let unconnected = net.bound("0.0.0.0:54");
    net.error(unconnected, &error(ErrorKind::PortUnreachable, PEER));
    assert_eq!(net.udp.take_error(unconnected), None);
    let connected = net.bound("0.0.0.0:53");
    net.connect(connected, PEER).unwrap();
    for about in ["10.0.0.2:98", "10.0.0.3:99"] {
        net.error(connected, &error(ErrorKind::PortUnreachable, about));
        assert_eq!(net.udp.take_error(connected), None, "about {about}");
    }
    net.error(connected, &error(ErrorKind::PortUnreachable, PEER));
    net.connect(connected, "10.0.0.4:1").unwrap();
    assert_eq!(net.udp.take_error(connected), None, "a new peer begins without old errors");
}

// R8201-4-a
#[test]
fn too_big_sets_the_path_mtu_and_is_told_only_where_fragments_are_forbidden() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.connect(id, PEER).unwrap();
    let too_big = error(ErrorKind::PacketTooBig { mtu: 1400 }, PEER);
    net.error(id, &too_big);
    let remote = addr(PEER).ip();
    assert_eq!((net.udp.take_error(id), &net.host.path_mtus[..]), (None, &[(remote, 1400)][..]));
    net.set(id, SocketOption::DontFragment(true)).unwrap();
    net.send(id, b"", None).unwrap();
    let asked = net.host.queries.len();
    net.error(id, &too_big);
    assert_eq!(net.send(id, b"", None), Err(Error::MessageTooLarge));
    net.send(id, b"", None).unwrap();
    assert_eq!(net.host.queries.len(), asked + 1, "the cached route is not believed any more");
    net.host.path_mtus.clear();
    net.error(id, &DeliveryError { origin: ErrorOrigin::Local, ..too_big });
    assert_eq!(net.udp.take_error(id), Some(Error::MessageTooLarge));
    assert!(net.host.path_mtus.is_empty(), "our own stack knows");
}

#[test]
fn an_unconnected_socket_learns_the_path_mtu_too() {
    let mut net = Net::default();
    let id = net.bound("[::]:53");
    for (mtu, learned) in [(1300, Some(1300)), (9000, None), (0, Some(1280))] {
        net.host.path_mtus.clear();
        net.error(id, &error(ErrorKind::PacketTooBig { mtu }, "[2001:db8::2]:99"));
        assert_eq!(net.host.path_mtus.first().map(|entry| entry.1), learned, "{mtu}");
    }
}

#[test]
fn reports_say_who_what_and_about_which_datagram() {
    let mut net = Net::default();
    let id = net.create(Families::Dual);
    net.bind(id, "[::]:53").unwrap();
    net.set(id, SocketOption::ReceiveErrors(true)).unwrap();
    for port in 1..=20 {
        net.error(id, &error(ErrorKind::HopLimitExceeded, &format!("10.0.0.2:{port}")));
    }
    assert_eq!(net.recv(id), Err(Error::HostUnreachable));
    for port in 1..=16 {
        let report = net.udp.recv_report(id).unwrap();
        assert_eq!(report.to, addr(&format!("[::ffff:10.0.0.2]:{port}")));
        assert_eq!(report.kind, ErrorKind::HopLimitExceeded);
        assert_eq!(report.origin, ErrorOrigin::Icmp { from: "10.0.0.254".parse().unwrap() });
        assert_eq!((&report.payload[..], report.nic), (&b"probe"[..], Some(NicId(1))));
        assert_eq!(report.received_at, Instant::from_secs(1));
    }
    assert_eq!(net.udp.recv_report(id), Err(Error::WouldBlock), "16 are kept");
}

#[test]
fn a_long_quote_is_not_pinned() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::ReceiveErrors(true)).unwrap();
    let quoted = quote(PEER, 1480, &[3; 548]).into();
    net.error(id, &DeliveryError { quoted, ..error(ErrorKind::PortUnreachable, PEER) });
    assert_eq!(net.udp.recv_report(id).unwrap().payload, vec![3; 128]);
}

proptest! {
    #[test]
    fn no_quote_panics(quoted in proptest::collection::vec(any::<u8>(), 0..40), mtu: u32, v6: bool) {
        let mut net = Net::default();
        let id = net.create(Families::Dual);
        net.bind(id, "[::]:53").unwrap();
        net.set(id, SocketOption::ReceiveErrors(true)).unwrap();
        net.set(id, SocketOption::DontFragment(true)).unwrap();
        let about = if v6 { "[2001:db8::2]:99" } else { PEER };
        let told = quoted.len() >= 8;
        let kind = ErrorKind::PacketTooBig { mtu };
        net.error(id, &DeliveryError { quoted: quoted.into(), ..error(kind, about) });
        prop_assert_eq!(net.udp.recv_report(id).is_ok(), told);
        let floor = if v6 { 1280 } else { 68 };
        prop_assert!(net.host.path_mtus.iter().all(|&(_, mtu)| mtu >= floor && mtu < 65_600));
    }
}
