//! Forwarders: flows of datagrams to where nobody has a socket, decided about one by one.

mod common;

use common::*;
use stack_core::*;
use std::sync::atomic::Ordering;
use std::time::Duration;
use trans_udp::{ForwarderConfig, UdpRequest};

const PEER: &str = "10.0.0.2:99";
const THERE: &str = "10.0.0.9:53";

impl Net {
    fn forwarder(&mut self, config: ForwarderConfig) -> EndpointId {
        self.udp.open_forwarder(config).unwrap()
    }

    /// A datagram finds the socket that is registered for it, or none.
    fn arrive(&mut self, mut packet: RxPacket) -> Unknown {
        let (src, dst) = self.udp.parse_ports(packet.transport()).unwrap();
        let (local, remote) = (Some(packet.ip.dst), Some(packet.ip.src));
        let owner = self.host.registered.iter().find(|(identity, _)| {
            (identity.local, identity.local_port, identity.remote, identity.remote_port)
                == (local, dst, remote, src)
        });
        match owner.map(|(_, id)| *id) {
            Some(id) => self.deliver(id, packet).map_or_else(Unknown::Drop, |()| Unknown::Handled),
            None => self.with(|udp, cx| udp.receive_unknown(cx, &mut packet)),
        }
    }

    fn next(&mut self, forwarder: EndpointId) -> Result<UdpRequest, Error> {
        self.udp.next_request(forwarder)
    }
}

#[test]
fn a_flow_becomes_a_connected_socket_with_all_that_came() {
    let mut net = Net::default();
    let forwarder = net.forwarder(ForwarderConfig::default());
    assert_eq!(net.next(forwarder), Err(Error::WouldBlock));
    let (waker, woken) = counting_waker();
    net.udp.register(forwarder, Interest::Readable, &waker);
    assert_eq!(net.arrive(datagram(PEER, THERE, b"one")), Unknown::Handled);
    net.wakes.drain(..).for_each(std::task::Waker::wake);
    assert_eq!(woken.load(Ordering::SeqCst), 1);
    assert!(net.udp.readiness(forwarder).readable);
    assert_eq!(net.arrive(datagram(PEER, THERE, b"two")), Unknown::Handled);
    let request = net.next(forwarder).unwrap();
    assert_eq!((request.local, request.remote), (addr(THERE), addr(PEER)));
    assert_eq!(net.next(forwarder), Err(Error::WouldBlock));
    let flow = net.with(|udp, cx| udp.accept_request(cx, request.id)).unwrap();
    assert_eq!(net.recv(flow), Ok((b"one".to_vec(), addr(PEER))));
    assert_eq!(net.recv(flow), Ok((b"two".to_vec(), addr(PEER))));
    net.send(flow, b"back", None).unwrap();
    let sent = net.transmit().remove(0);
    assert_eq!((sent.from, sent.to, &sent.payload[..]), (addr(THERE), addr(PEER), &b"back"[..]));
    net.close(flow);
    assert!(net.host.registered.is_empty() && net.host.ports.is_empty());
    assert_eq!(net.udp.counters().forward_requests, 1);
}

#[test]
fn over_ipv6_too() {
    let mut net = Net::default();
    let forwarder = net.forwarder(ForwarderConfig::default());
    net.arrive(datagram("[2001:db8::2]:99", "[2001:db8::1]:53", b"six"));
    let request = net.next(forwarder).unwrap();
    assert_eq!((request.local, request.remote), (addr("[2001:db8::1]:53"), addr("[2001:db8::2]:99")));
    net.arrive(datagram("[fe80::2]:99", "[fe80::1]:53", b"near"));
    assert_eq!(net.next(forwarder).unwrap().remote, addr("[fe80::2%1]:99"));
}

#[test]
fn a_rejected_flow_has_its_sender_told() {
    let mut net = Net::default();
    let forwarder = net.forwarder(ForwarderConfig::default());
    let packet = datagram(PEER, THERE, b"one");
    net.arrive(packet.clone());
    let request = net.next(forwarder).unwrap();
    net.with(|udp, cx| udp.reject_request(cx, request.id)).unwrap();
    assert_eq!(net.host.refused.len(), 1);
    assert_eq!(net.host.refused[0].data, packet.data, "with the packet as it came");
    assert_eq!((net.udp.counters().no_ports, net.udp.socket_count(), net.udp.queued_bytes()), (1, 1, 0));
    assert_eq!(net.with(|udp, cx| udp.accept_request(cx, request.id)), Err(Error::Timeout));
}

#[test]
fn an_undecided_flow_is_forgotten_in_the_end() {
    let mut net = Net::default();
    let config = ForwarderConfig { patience: Duration::from_secs(3), ..ForwarderConfig::default() };
    let forwarder = net.forwarder(config);
    net.arrive(datagram(PEER, THERE, b"one"));
    let (flow, deadline) = net.armed[0];
    assert_eq!(deadline, net.now + Duration::from_secs(3));
    net.now = deadline - Duration::from_millis(1);
    net.with(|udp, cx| udp.handle_timeout(cx, flow));
    assert_eq!(net.udp.socket_count(), 2);
    net.now = deadline;
    net.with(|udp, cx| udp.handle_timeout(cx, flow));
    assert_eq!((net.udp.socket_count(), net.udp.counters().forward_expired), (1, 1));
    assert_eq!(net.next(forwarder), Err(Error::WouldBlock));
    net.arrive(datagram(PEER, THERE, b"again"));
    let request = net.next(forwarder).unwrap();
    net.with(|udp, cx| udp.accept_request(cx, request.id)).unwrap();
    net.now = deadline + Duration::from_secs(60);
    net.with(|udp, cx| udp.handle_timeout(cx, request.id));
    assert_eq!(net.recv(request.id).unwrap().0, b"again", "an accepted flow stays");
}

#[test]
fn flows_beyond_the_limit_are_dropped_and_counted() {
    let mut net = Net::default();
    let config = ForwarderConfig { max_pending: 2, ..ForwarderConfig::default() };
    let forwarder = net.forwarder(config);
    for port in 1..=4 {
        net.arrive(datagram(&format!("10.0.0.2:{port}"), THERE, b"one"));
    }
    assert_eq!((net.udp.counters().forward_overflows, net.udp.socket_count()), (2, 3));
    let request = net.next(forwarder).unwrap();
    net.with(|udp, cx| udp.forget_request(cx, request.id));
    assert_eq!(
        net.arrive(datagram("10.0.0.2:9", THERE, b"one")),
        Unknown::Handled,
        "a decision frees a place"
    );
}

#[test]
fn what_was_sent_to_many_or_is_damaged_is_no_flow() {
    let mut net = Net::default();
    let forwarder = net.forwarder(ForwarderConfig::default());
    assert_eq!(net.arrive(datagram(PEER, "239.1.1.1:53", b"all")), Unknown::Drop(DropReason::NoEndpoint));
    let mut damaged = datagram(PEER, THERE, b"one");
    patch(&mut damaged, |bytes| bytes[8] ^= 1);
    assert_eq!(net.arrive(damaged), Unknown::Drop(DropReason::BadTransportChecksum));
    assert_eq!(net.next(forwarder), Err(Error::WouldBlock));
    assert_eq!(net.udp.socket_count(), 1);
}

#[test]
fn a_forwarder_of_an_interface_goes_first_and_closing_takes_its_flows_along() {
    let mut net = Net::default();
    let all = net.forwarder(ForwarderConfig::default());
    let one = net.forwarder(ForwarderConfig { nic: Some(NicId(1)), ..ForwarderConfig::default() });
    assert_eq!(net.udp.open_forwarder(ForwarderConfig::default()), Err(Error::PortInUse));
    net.arrive(datagram(PEER, THERE, b"one"));
    assert_eq!(net.next(all), Err(Error::WouldBlock));
    net.close(one);
    assert_eq!((net.udp.socket_count(), net.udp.queued_bytes()), (1, 0));
    assert!(net.host.registered.is_empty());
    net.arrive(datagram(PEER, THERE, b"one"));
    assert!(net.next(all).is_ok());
    net.close(all);
    assert_eq!(net.arrive(datagram(PEER, THERE, b"one")), Unknown::PortUnreachable);
}
