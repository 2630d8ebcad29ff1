//! How sockets get, share, change and lose their identity on the network.

mod common;

use common::*;
use stack_core::*;
use trans_udp::UdpConfig;

#[test]
fn bind_takes_what_is_ours_a_group_or_a_broadcast_address() {
    use Families::{Dual, V4, V6};
    for (families, local, outcome, shown) in [
        (V4, "0.0.0.0:53", Ok(()), "0.0.0.0:53"),
        (V4, "10.0.0.1:53", Ok(()), "10.0.0.1:53"),
        (V4, "10.0.0.2:53", Err(Error::BadLocalAddress), "0.0.0.0:0"),
        (V4, "239.1.1.1:53", Ok(()), "239.1.1.1:53"),
        (V4, "10.0.0.255:53", Ok(()), "10.0.0.255:53"),
        (V4, "255.255.255.255:53", Ok(()), "255.255.255.255:53"),
        (V4, "[::]:53", Err(Error::AddressFamily), "0.0.0.0:0"),
        (V6, "[::]:53", Ok(()), "[::]:53"),
        (V6, "[fe80::1%1]:53", Ok(()), "[fe80::1%1]:53"),
        (V6, "[::ffff:10.0.0.1]:53", Err(Error::AddressFamily), "[::]:0"),
        (Dual, "[::]:53", Ok(()), "[::]:53"),
        (Dual, "[::ffff:10.0.0.1]:53", Ok(()), "[::ffff:10.0.0.1]:53"),
        (Dual, "[::ffff:0.0.0.0]:53", Ok(()), "[::ffff:0.0.0.0]:53"),
        (Dual, "[2001:db8::1]:53", Ok(()), "[2001:db8::1]:53"),
    ] {
        let mut net = Net::default();
        let id = net.create(families);
        assert_eq!(net.bind(id, local), outcome, "{families:?} {local}");
        assert_eq!(net.udp.local_address(id), Ok(addr(shown)), "{families:?} {local}");
        assert_eq!(net.host.ports.len(), usize::from(outcome.is_ok()), "{families:?} {local}");
    }
}

#[test]
fn a_dual_stack_socket_registers_for_both_families_unless_it_is_bound_to_one() {
    let mut net = Net::default();
    for (local, families) in [
        ("[::]:1", Families::Dual),
        ("[::ffff:0.0.0.0]:2", Families::V4),
        ("[::ffff:10.0.0.1]:3", Families::V4),
        ("[2001:db8::1]:4", Families::V6),
    ] {
        let id = net.create(Families::Dual);
        net.bind(id, local).unwrap();
        assert_eq!(net.identity(id).families, families, "{local}");
    }
}

#[test]
fn binding_twice_and_taken_ports_are_refused() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    assert_eq!(net.bind(id, "0.0.0.0:54"), Err(Error::AlreadyBound));
    let other = net.create(Families::V4);
    assert_eq!(net.bind(other, "10.0.0.1:53"), Err(Error::PortInUse));
    net.close(id);
    assert_eq!(net.bind(other, "10.0.0.1:53"), Ok(()));
}

#[test]
fn port_zero_picks_a_free_one() {
    let mut net = Net::default();
    let ids = [net.bound("0.0.0.0:0"), net.bound("0.0.0.0:0"), net.bound("0.0.0.0:0")];
    let ports: Vec<u16> = ids.iter().map(|&id| net.udp.local_address(id).unwrap().port()).collect();
    assert!(ports.iter().all(|&port| port >= 49_152) && all_different(ports));
}

#[test]
fn sharing_is_asked_for_before_binding_and_by_both() {
    for option in [SocketOption::ReusePort(true), SocketOption::ReuseAddress(true)] {
        let mut net = Net::default();
        let [a, b, c] = [(); 3].map(|()| net.create(Families::V4));
        net.set(a, option).unwrap();
        net.set(b, option).unwrap();
        net.bind(a, "0.0.0.0:53").unwrap();
        net.bind(b, "0.0.0.0:53").unwrap();
        assert!(net.identity(a).shared && net.identity(b).shared);
        assert_eq!(net.bind(c, "0.0.0.0:53"), Err(Error::PortInUse));
        assert_eq!(net.set(a, option), Err(Error::InvalidState));
    }
}

#[test]
fn a_refused_registration_gives_the_port_back() {
    let mut net = Net::default();
    let id = net.create(Families::V4);
    net.host.refuse = true;
    assert_eq!(net.bind(id, "0.0.0.0:53"), Err(Error::PortInUse));
    assert!(net.host.ports.is_empty());
    assert_eq!(net.bind(id, "0.0.0.0:53"), Ok(()));
}

#[test]
fn connect_narrows_the_identity_and_disconnect_widens_it() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let unconnected = net.identity(id);
    net.connect(id, "10.0.0.2:99").unwrap();
    let identity = net.identity(id);
    assert_eq!(identity.local, Some(US_V4.parse().unwrap()));
    assert_eq!((identity.remote, identity.remote_port), (Some("10.0.0.2".parse().unwrap()), 99));
    assert_eq!(net.udp.local_address(id), Ok(addr("10.0.0.1:53")));
    assert_eq!(net.udp.remote_address(id), Ok(addr("10.0.0.2:99")));
    net.connect(id, "10.0.0.3:98").unwrap();
    assert_eq!(net.identity(id).remote_port, 98);
    net.with(|udp, cx| udp.disconnect(cx, id)).unwrap();
    assert_eq!(net.identity(id), unconnected);
    assert_eq!(net.udp.remote_address(id), Err(Error::NotConnected));
    assert_eq!(net.with(|udp, cx| udp.disconnect(cx, id)), Err(Error::NotConnected));
}

#[test]
fn a_port_that_connect_took_lasts_as_long_as_the_connection() {
    let mut net = Net::default();
    let id = net.create(Families::V4);
    net.connect(id, "10.0.0.2:99").unwrap();
    let port = net.udp.local_address(id).unwrap().port();
    assert_eq!(net.host.ports[0].remote, Some(addr("10.0.0.2:99")));
    net.connect(id, "10.0.0.3:99").unwrap();
    assert_eq!(net.udp.local_address(id).unwrap().port(), port);
    assert_eq!(net.host.ports.len(), 1);
    net.with(|udp, cx| udp.disconnect(cx, id)).unwrap();
    assert!(net.host.ports.is_empty() && net.host.registered.is_empty());
    assert_eq!(net.udp.local_address(id), Ok(addr("0.0.0.0:0")));
}

#[test]
fn a_dual_stack_socket_can_change_to_a_peer_of_the_other_family() {
    let mut net = Net::default();
    let id = net.create(Families::Dual);
    net.connect(id, "[::ffff:10.0.0.2]:99").unwrap();
    assert_eq!(net.udp.local_address(id).unwrap().ip().to_string(), "::ffff:10.0.0.1");
    assert_eq!(net.identity(id).families, Families::V4);
    net.connect(id, "[2001:db8::2]:99").unwrap();
    assert_eq!(net.identity(id).families, Families::V6);
    assert_eq!(net.udp.remote_address(id), Ok(addr("[2001:db8::2]:99")));
    assert_eq!(net.host.ports.len(), 1);
}

#[test]
fn a_connect_that_fails_changes_nothing() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.connect(id, "10.0.0.2:99").unwrap();
    let before = net.identity(id);
    for (remote, error) in [
        ("192.0.2.1:9", Error::NoRoute),
        ("10.0.0.255:9", Error::BroadcastDisabled),
        ("10.0.0.2:0", Error::InvalidArgument),
        ("0.0.0.0:9", Error::InvalidArgument),
        ("[2001:db8::2]:9", Error::AddressFamily),
    ] {
        assert_eq!(net.connect(id, remote), Err(error), "{remote}");
    }
    net.host.refuse = true;
    assert_eq!(net.connect(id, "10.0.0.4:9"), Err(Error::PortInUse));
    assert_eq!(net.identity(id), before);
    assert_eq!(net.udp.remote_address(id), Ok(addr("10.0.0.2:99")));
}

#[test]
fn a_zone_binds_to_its_interface_and_must_agree_with_the_option() {
    let mut net = Net::default();
    let id = net.create(Families::V6);
    net.connect(id, "[fe80::2%2]:9").unwrap();
    assert_eq!(net.identity(id).nic, Some(NicId(2)));
    net.connect(id, "[fe80::2%3]:9").unwrap();
    assert_eq!(net.identity(id).nic, Some(NicId(3)));
    let id = net.create(Families::V6);
    net.set(id, SocketOption::BindToNic(Some(NicId(1)))).unwrap();
    assert_eq!(net.connect(id, "[fe80::2%2]:9"), Err(Error::InvalidArgument));
}

#[test]
fn binding_to_an_interface_moves_the_identity() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::BindToNic(Some(NicId(2)))).unwrap();
    assert_eq!(net.identity(id).nic, Some(NicId(2)));
    net.connect(id, "10.0.0.2:9").unwrap();
    net.with(|udp, cx| udp.disconnect(cx, id)).unwrap();
    assert_eq!(net.identity(id).nic, Some(NicId(2)));
    net.host.refuse = true;
    assert_eq!(net.set(id, SocketOption::BindToNic(None)), Err(Error::PortInUse));
    assert_eq!(net.identity(id).nic, Some(NicId(2)));
}

#[test]
fn closing_gives_everything_back() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let group = "239.1.1.1".parse().unwrap();
    net.set(id, SocketOption::JoinGroup(group, Some(NicId(1)))).unwrap();
    net.connect(id, "10.0.0.2:99").unwrap();
    net.deliver(id, datagram("10.0.0.2:99", "10.0.0.1:53", b"unread")).unwrap();
    assert!(net.udp.queued_bytes() > 0);
    let (waker, _) = counting_waker();
    net.udp.register(id, Interest::Readable, &waker);
    net.close(id);
    assert!(net.host.ports.is_empty() && net.host.registered.is_empty());
    assert!(net.host.groups.is_empty());
    assert_eq!((net.udp.queued_bytes(), net.udp.socket_count(), net.wakes.len()), (0, 0, 1));
    assert_eq!(net.recv(id), Err(Error::UnknownEndpoint));
    let readiness = net.udp.readiness(id);
    assert!(readiness.read_closed && readiness.write_closed && !readiness.readable);
    let again = net.create(Families::V4);
    assert_eq!(again.index, id.index);
    assert_eq!(net.bind(id, "0.0.0.0:1"), Err(Error::UnknownEndpoint));
    net.close(id);
    assert_eq!(net.udp.socket_count(), 1);
}

#[test]
fn the_number_of_sockets_is_limited() {
    let mut net = Net::new(UdpConfig { max_sockets: 2, ..UdpConfig::default() });
    let first = net.create(Families::V4);
    net.create(Families::V4);
    assert_eq!(net.with(|udp, cx| udp.create(cx, Families::V4)), Err(Error::LimitReached));
    net.close(first);
    net.create(Families::V4);
}

#[test]
fn options_of_other_transports_are_not_supported() {
    let mut net = Net::default();
    let id = net.create(Families::V4);
    assert_eq!(net.set(id, SocketOption::NoDelay(true)), Err(Error::NotSupported));
    assert_eq!(net.with(|udp, cx| udp.listen(cx, id, 1)), Err(Error::NotSupported));
}
