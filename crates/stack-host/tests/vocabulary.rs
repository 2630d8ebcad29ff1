//! The seed's vocabulary: each call of the Go package that this system follows keeps its meaning.
//! `docs/api-map.md` names these tests row by row.

mod common;

use bytes::Bytes;
use common::*;
use stack_core::{
    DropReason, Error, ErrorKind, ErrorOrigin, LinkAddress, LinkCapabilities, Medium, NicId, RxPacket,
};
use stack_host::{Host, HostConfig, NicConfig, RouteEntry, RouteOrder};

#[test]
fn packets_reach_registered_endpoints() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 7, b"hello"));
    assert_eq!(inbox(&mut host), [(1, "hello".into())]);
    assert_eq!(host.counters().delivered, 1);
}

#[test]
fn unregistered_endpoints_get_nothing_and_unregistering_twice_is_harmless() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    for _ in 0..2 {
        host.transport::<Toy>(T0).unwrap().1.unregister(&identity(None, None, 7), id(1));
    }
    receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 7, b"hello"));
    assert_eq!(inbox(&mut host), []);
    let answers = sent(&mut host, 1);
    assert_eq!(answers[0].3, "PortUnreachable");
}

#[test]
fn nic_specific_endpoints_come_before_global_ones() {
    let mut host = host();
    host.add_nic(T0, NicId(2), NicConfig::new("nic2", LinkCapabilities::plain(Medium::Ip, 1500))).unwrap();
    host.add_address(T0, NicId(2), net("10.0.1.1/24")).unwrap();
    register(&mut host, 1, identity(None, Some("10.0.0.1"), 7)).unwrap();
    register(&mut host, 2, identity(Some(1), None, 7)).unwrap();
    register(&mut host, 3, identity(None, None, 7)).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 7, b"a"));
    receive(&mut host, 2, packet("10.0.1.2", "10.0.1.1", 7, b"b"));
    assert_eq!(inbox(&mut host), [(2, "a".into()), (3, "b".into())]);
}

#[test]
fn registration_over_several_network_protocols_is_all_or_nothing() {
    use stack_core::{EndpointIdentity, Families};
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    let dual = EndpointIdentity { families: Families::Dual, ..identity(None, None, 7) };
    assert_eq!(register(&mut host, 2, dual), Err(Error::DuplicateAddress));
    let v6 = EndpointIdentity { families: Families::V6, ..identity(None, None, 7) };
    assert_eq!(register(&mut host, 3, v6), Ok(()), "nothing was left behind for IPv6");
}

#[test]
fn a_removed_address_lives_while_a_route_holds_it() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    let route = host.find_route(T0, &query(None, "10.0.0.2")).unwrap();
    let clone = route.clone();
    host.remove_address(T0, NicId(1), ip("10.0.0.1")).unwrap();
    assert_eq!(host.remove_address(T0, NicId(1), ip("10.0.0.1")), Err(Error::BadLocalAddress));
    drop(route);
    receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 7, b"still"));
    assert_eq!(inbox(&mut host), [(1, "still".into())]);
    host.add_route(RouteEntry::new(net("10.0.0.0/24"), NicId(1)));
    host.write_packet(T0, &clone, TOY, |packet| packet.push("data".into()).unwrap()).unwrap();
    while host.transmit(T0, 32) {}
    assert_eq!(sent(&mut host, 1)[0].0, "10.0.0.1");
    drop(clone);
    receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 7, b"gone"));
    assert_eq!(inbox(&mut host), []);
    assert_eq!(host.counters().unknown_address(), 1);
}

#[test]
fn a_subnet_is_accepted_as_if_it_were_ours() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    host.add_subnet(NicId(1), net("192.168.7.0/24")).unwrap();
    assert_eq!(host.add_subnet(NicId(1), net("192.168.7.0/24")), Err(Error::DuplicateAddress));
    receive(&mut host, 1, packet("10.0.0.2", "192.168.7.200", 7, b"in"));
    receive(&mut host, 1, packet("10.0.0.2", "192.168.8.1", 7, b"out"));
    assert_eq!(inbox(&mut host), [(1, "in".into())]);
    assert_eq!(host.check_local_address(Some(NicId(1)), ip("192.168.7.200")), None, "accepted, not owned");
    host.remove_subnet(NicId(1), net("192.168.7.0/24")).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "192.168.7.200", 7, b"late"));
    assert_eq!(inbox(&mut host), []);
}

#[test]
fn nic_subnets_lists_addresses_first() {
    let mut host = host();
    host.add_subnet(NicId(1), net("192.168.7.0/24")).unwrap();
    let all: Vec<_> = host.nic_subnets().filter(|(nic, _)| *nic == NicId(1)).collect();
    assert_eq!(all, [(NicId(1), vec![net("10.0.0.1/32"), net("192.168.7.0/24")])]);
}

#[test]
fn promiscuous_mode_accepts_any_address_and_may_answer_from_it() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    host.add_route(RouteEntry::new(net("0.0.0.0/0"), NicId(1)));
    receive(&mut host, 1, packet("10.0.0.2", "93.184.216.34", 7, b"before"));
    host.set_promiscuous(NicId(1), true).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "93.184.216.34", 7, b"during"));
    assert_eq!(inbox(&mut host), [(1, "during".into())]);
    send(&mut host, Some("93.184.216.34"), "10.0.0.2", b"answer");
    assert_eq!(sent(&mut host, 1)[0].0, "93.184.216.34");
    let refused = host.find_route(T0, &query(Some("93.184.216.34"), "10.0.0.2"));
    assert_eq!(refused.err(), Some(Error::BadLocalAddress), "claiming it unasked takes spoofing");
    host.set_promiscuous(NicId(1), false).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "93.184.216.34", 7, b"after"));
    assert_eq!(inbox(&mut host), []);
}

// R1122-3.2.1.3-d
#[test]
fn spoofing_sends_from_any_address() {
    let mut host = host();
    assert_eq!(host.find_route(T0, &query(Some("1.2.3.4"), "10.0.0.2")).err(), Some(Error::BadLocalAddress));
    host.set_spoofing(NicId(1), true).unwrap();
    let route = host.find_route(T0, &query(Some("1.2.3.4"), "10.0.0.2")).unwrap();
    assert_eq!(route.local_address(), ip("1.2.3.4"));
    send(&mut host, Some("1.2.3.4"), "10.0.0.2", b"x");
    assert_eq!(sent(&mut host, 1)[0].0, "1.2.3.4");
}

#[test]
fn a_default_handler_consumes_or_passes_on() {
    let mut host = host();
    for consumes in [true, false] {
        host.set_transport_protocol_handler(TOY, Some(Box::new(move |_, _| consumes))).unwrap();
        receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 9, b"x"));
        let unknown = std::mem::take(&mut host.transport::<Toy>(T0).unwrap().0.unknown);
        assert_eq!((unknown, sent(&mut host, 1).len()), if consumes { (0, 0) } else { (1, 1) });
    }
    host.set_transport_protocol_handler(TOY, None).unwrap();
    assert_eq!(host.set_transport_protocol_handler(99, None), Err(Error::UnknownProtocol));
}

#[test]
fn a_disabled_nic_passes_nothing_until_it_is_enabled() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    let config =
        NicConfig { enabled: false, ..NicConfig::new("nic2", LinkCapabilities::plain(Medium::Ip, 1500)) };
    host.add_nic(T0, NicId(2), config).unwrap();
    host.add_address(T0, NicId(2), net("10.0.1.1/24")).unwrap();
    receive(&mut host, 2, packet("10.0.1.2", "10.0.1.1", 7, b"too early"));
    assert_eq!(host.nic_counters(NicId(2)).unwrap().drops.of(DropReason::NicDisabled), 1);
    assert_eq!(host.find_route(T0, &query(None, "10.0.1.2")).err(), Some(Error::NetworkUnreachable));
    host.enable_nic(T0, NicId(2)).unwrap();
    receive(&mut host, 2, packet("10.0.1.2", "10.0.1.1", 7, b"now"));
    assert_eq!(inbox(&mut host), [(1, "now".into())]);
    host.disable_nic(T0, NicId(2)).unwrap();
    receive(&mut host, 2, packet("10.0.1.2", "10.0.1.1", 7, b"too late"));
    assert_eq!(inbox(&mut host), []);
}

// R8200-5-a
#[test]
fn an_interface_with_a_small_mtu_has_no_address_of_a_protocol_that_needs_more() {
    let mut host = host();
    for (nic, mtu, want) in [(7, 67, Err(Error::NotSupported)), (8, 68, Ok(()))] {
        let config = NicConfig::new("narrow", LinkCapabilities::plain(Medium::Ip, mtu));
        host.add_nic(T0, NicId(nic), config).unwrap();
        assert_eq!(host.add_address(T0, NicId(nic), net("10.7.0.1/24")), want, "{mtu}");
    }
}

#[test]
fn duplicate_and_unknown_ids_are_errors() {
    let mut host = host();
    let config = || NicConfig::new("again", LinkCapabilities::plain(Medium::Ip, 1500));
    assert_eq!(host.add_nic(T0, NicId(1), config()), Err(Error::DuplicateNic));
    assert_eq!(host.add_address(T0, NicId(1), net("10.0.0.1/16")), Err(Error::DuplicateAddress));
    assert_eq!(host.add_address(T0, NicId(1), net("fd00::1/64")), Err(Error::UnknownProtocol));
    assert_eq!(host.add_address(T0, NicId(9), net("10.0.0.9/24")), Err(Error::UnknownNic));
    assert_eq!(host.remove_address(T0, NicId(9), ip("10.0.0.9")), Err(Error::UnknownNic));
    assert_eq!(host.enable_nic(T0, NicId(9)), Err(Error::UnknownNic));
    assert_eq!(host.disable_nic(T0, NicId(9)), Err(Error::UnknownNic));
    assert_eq!(host.remove_nic(T0, NicId(9)), Err(Error::UnknownNic));
    assert_eq!(host.set_promiscuous(NicId(9), true), Err(Error::UnknownNic));
    assert_eq!(host.set_spoofing(NicId(9), true), Err(Error::UnknownNic));
    assert_eq!(host.add_subnet(NicId(9), net("10.0.0.0/8")), Err(Error::UnknownNic));
    assert_eq!(register(&mut host, 1, identity(Some(9), None, 7)), Err(Error::UnknownNic));
    let ethernet = NicConfig::new("eth", LinkCapabilities::plain(Medium::Ethernet, 1500));
    assert_eq!(host.add_nic(T0, NicId(3), ethernet), Err(Error::BadLink));
    assert!(host.check_network_protocol(TOY_NET) && !host.check_network_protocol(0x0800));
}

#[test]
fn routes_by_longest_prefix_or_first_match() {
    for (order, gateway) in [(RouteOrder::LongestPrefix, "10.0.0.3"), (RouteOrder::FirstMatch, "10.0.0.2")] {
        let config = HostConfig { route_order: order };
        let mut host = host_with(config, LinkCapabilities::plain(Medium::Ip, 1500));
        host.set_route_table(vec![
            RouteEntry::new(net("0.0.0.0/0"), NicId(1)).via(ip("10.0.0.2")),
            RouteEntry::new(net("172.16.0.0/12"), NicId(1)).via(ip("10.0.0.3")),
            RouteEntry::new(net("172.16.0.0/12"), NicId(1)).via(ip("10.0.0.4")),
        ]);
        let route = host.find_route(T0, &query(None, "172.16.5.5")).unwrap();
        assert_eq!((order, route.next_hop()), (order, ip(gateway)));
        host.set_route_table(Vec::new());
        assert_eq!(host.find_route(T0, &query(None, "172.16.5.5")).err(), Some(Error::NoRoute));
        let on_link = host.find_route(T0, &query(None, "10.0.0.77")).unwrap();
        assert_eq!(on_link.next_hop(), ip("10.0.0.77"), "an address brings the route to its subnet");
    }
}

#[test]
fn a_route_knows_its_ways_and_means() {
    let mut host = host();
    host.add_route(RouteEntry {
        mtu: Some(1400),
        ..RouteEntry::new(net("172.16.0.0/12"), NicId(1)).via(ip("10.0.0.9"))
    });
    let route = host.find_route(T0, &query(None, "172.16.5.5")).unwrap();
    assert_eq!((route.nic(), route.mtu(), route.max_header_length()), (NicId(1), 1400, 10));
    assert_eq!((route.local_address(), route.remote_address()), (ip("10.0.0.1"), ip("172.16.5.5")));
    assert_eq!(route.remote_link_address(), None);
    let (ours, routers) = (LinkAddress([2, 0, 0, 0, 0, 1]), LinkAddress([2, 0, 0, 0, 0, 9]));
    host.add_link_address(T0, NicId(1), ip("10.0.0.9"), routers);
    let resolved = host.find_route(T0, &query(None, "172.16.5.5")).unwrap();
    assert_eq!(resolved.remote_link_address(), Some(routers));
    assert_eq!(host.nics().find(|nic| nic.id == route.nic()).unwrap().link_address, Some(ours));
    let sum = stack_wire::checksum::pseudo_header(ip("10.0.0.1"), ip("172.16.5.5"), 6, 0).folded();
    assert_eq!(route.pseudo_header_checksum(6), sum);
}

#[test]
fn errors_found_locally_reach_the_endpoint_like_icmp() {
    let mut host = host();
    register(&mut host, 5, identity(None, None, 4000)).unwrap();
    send(&mut host, None, "203.0.113.1", b"nowhere");
    send(&mut host, None, "10.0.0.2", &[0; 1500]);
    let told = |kind| (id(5), kind, ErrorOrigin::Local);
    let errors = &host.transport::<Toy>(T0).unwrap().0.errors;
    assert_eq!(
        errors[..],
        [told(ErrorKind::NetUnreachable), told(ErrorKind::PacketTooBig { mtu: 1500 })],
        "and of a neighbour that does not answer: `an_unresolved_neighbour_holds_packets_and_then_fails`"
    );
    let drops = &host.counters().drops;
    assert_eq!([DropReason::NoRoute, DropReason::PacketTooBig].map(|reason| drops.of(reason)), [1, 1]);
}

#[test]
fn the_seeds_statistics_are_sums_of_reasons() {
    let mut host = host();
    let good = packet("10.0.0.2", "10.0.0.1", 7, b"");
    let cut = |len| RxPacket::new(good.data.slice(..len), TOY_NET, T0);
    receive(&mut host, 1, cut(9));
    receive(&mut host, 1, cut(13));
    assert_eq!(host.counters().malformed(), 2, "no whole network header, no whole ports");
    receive(&mut host, 1, RxPacket::new(good.data.clone(), 0x0800, T0));
    let mut stranger = good.data.to_vec();
    stranger[8] = 99;
    receive(&mut host, 1, RxPacket::new(Bytes::from(stranger), TOY_NET, T0));
    assert_eq!(host.counters().unknown_protocol(), 2, "no such EtherType, no such transport");
    receive(&mut host, 1, packet("10.0.0.2", "10.9.9.9", 7, b""));
    assert_eq!(host.counters().unknown_address(), 1);
    receive(&mut host, 1, good.clone());
    assert_eq!(host.counters().drops.of(DropReason::NoEndpoint), 1);
    assert_eq!(host.counters().drops.total(), 6);
}

#[test]
fn mutable_stats_can_be_set_back() {
    let mut host = host();
    receive(&mut host, 1, packet("10.0.0.2", "10.9.9.9", 7, b"x"));
    assert_eq!(host.counters().unknown_address(), 1);
    *host.counters_mut() = Default::default();
    assert_eq!(host.counters().drops.total(), 0);
}

#[test]
fn doubled_protocols_are_refused_by_name() {
    let rng = || Box::new(Seeded(1));
    let net = Host::builder().network(ToyNet).network(ToyNet).rng(rng()).build().err().unwrap();
    assert_eq!(net.to_string(), "toy and toy both have EtherType 0x88b5: register only one of them");
    let transport =
        Host::builder().transport(Toy::default()).transport(Toy::default()).rng(rng()).build().err();
    assert!(transport.unwrap().to_string().contains("protocol number 253"));
    assert!(Host::builder().network(ToyNet).build().err().unwrap().to_string().contains("rng"));
}
