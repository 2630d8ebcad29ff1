//! Two stacks on an Ethernet that find out about each other: a router that advertises, and a host that nobody configured.

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};
use ustack::contract::{InterfaceAddress, Medium};
use ustack::link::channel::{ChannelConfig, pair};
use ustack::link::ethernet::Ethernet;
use ustack::net::UdpSocket;
use ustack::{
    AddressState, Ipv6, Ipv6Config, LinkAddress, NetworkEvent, NicConfig, NicId, Policies, RouterConfig,
    Stack, Udp,
};

const NIC: NicId = NicId(1);
const PREFIX: &str = "2001:db8:7::/64";

fn builder(config: Ipv6Config) -> ustack::StackBuilder {
    Stack::builder().network(Ipv6::new(config)).transport(Udp::default())
}

/// A router with 2001:db8:7::1, and a host that listens to it.
fn router_and_host() -> (Stack, Stack) {
    let frames = ChannelConfig { medium: Medium::Ethernet, ..ChannelConfig::default() };
    let (a, b) = pair(frames);
    let station = |link, last| Ethernet::new(link, LinkAddress([2, 0, 0, 0, 0, last])).unwrap();
    let mut advertised = RouterConfig::new(NIC).prefix(PREFIX.parse().unwrap());
    advertised.dns_servers.push("2001:db8:7::53".parse().unwrap());
    let mut config = Ipv6Config::autoconfigured();
    config.routers.push(advertised);
    let nic = NicConfig::new(station(a, 1)).address("2001:db8:7::1/64".parse().unwrap()).forwarding(true);
    let router = builder(config).nic(nic).build().unwrap();
    let host = builder(Ipv6Config::autoconfigured()).nic(NicConfig::new(station(b, 2))).build().unwrap();
    (router, host)
}

/// The host's address with the router's prefix, once it is ready.
fn formed(host: &Stack) -> Option<Ipv6Addr> {
    let prefix: ustack::IpNet = PREFIX.parse().unwrap();
    let ready = host.nics().into_iter().flat_map(|nic| nic.addresses);
    let mut ready =
        ready.filter(|own| own.state == AddressState::Preferred && prefix.contains(&own.address()));
    ready.find_map(|own| if let IpAddr::V6(v6) = own.address() { Some(v6) } else { None })
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_host_that_nobody_configured_finds_a_router_and_talks() {
    let (router, host) = router_and_host();
    let own = wait_for("no address was formed", || formed(&host));
    let events = host.network_events();
    assert!(events.iter().any(|event| matches!(event, NetworkEvent::Router { nic: NIC, present: true, .. })));
    let resolver: IpAddr = "2001:db8:7::53".parse().unwrap();
    let named = |event: &NetworkEvent| matches!(event, NetworkEvent::DnsServers { servers, .. } if servers[..] == [resolver]);
    assert!(events.iter().any(named), "{events:?}");
    let ready = NetworkEvent::Address { nic: NIC, address: own.into(), state: Some(AddressState::Preferred) };
    assert!(events.contains(&ready), "{events:?}");

    let here = UdpSocket::bind(&router, "[2001:db8:7::1]:7").unwrap();
    here.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let there = UdpSocket::bind(&host, "[::]:9").unwrap();
    there.send_to(b"hello", "[2001:db8:7::1]:7").unwrap();
    let mut buffer = [0; 16];
    let (len, from) = here.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], from.ip()), (&b"hello"[..], IpAddr::V6(own)));
    assert!(host.neighbors(NIC).iter().any(|neighbor| neighbor.router));
}

// R4861-7.2.6-a, R4861-6.2.5-a
#[test]
fn neighbours_are_told_of_another_link_address_and_of_the_end_of_a_router() {
    let (router, host) = router_and_host();
    wait_for("no address was formed", || formed(&host));
    let other = LinkAddress([2, 0, 0, 0, 0, 9]);
    host.network_events();
    router.set_link_address(NIC, other).unwrap();
    assert!(router.set_link_address(NIC, LinkAddress::BROADCAST).is_err());
    let known =
        |stack: &Stack| stack.neighbors(NIC).into_iter().find(|neighbor| neighbor.link == Some(other));
    wait_for("the other link address is not known", || known(&host));
    router.set_forwarding(NIC, false).unwrap();
    wait_for("the router is still one", || {
        let routes = host.route_table();
        routes.iter().all(|route| route.gateway.is_none()).then_some(())
    });
}

// R6724-6-a, R6724-6-b, R6724-6-d, R6724-6-e, R6724-6-f, R6724-6-g
#[test]
fn destinations_are_tried_in_the_order_of_the_rfc() {
    let (link, _other) = pair(ChannelConfig::default());
    let nic = ["2001:db8:1::1/64", "fe80::1/64", "10.0.0.1/8", "fd00::1/64"];
    let nic = nic.iter().fold(NicConfig::new(link), |nic, address| nic.address(address.parse().unwrap()));
    let nic = nic.gateway("fe80::2".parse().unwrap()).gateway("10.0.0.2".parse().unwrap());
    let stack = Stack::builder().default_protocols().nic(nic).build().unwrap();
    let ordered = |stack: &Stack, addresses: &[&str]| {
        let mut addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        stack.order_destinations(&mut addresses);
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for (situation, addresses, want) in [
        ("IPv6 first", ["198.51.100.1", "2600::1"], ["2600::1", "198.51.100.1"]),
        ("the smaller scope", ["2600::1", "fe80::9"], ["fe80::9", "2600::1"]),
        (
            "IPv4 before what has a source of another label",
            ["2002:c633:6401::1", "198.51.100.1"],
            ["198.51.100.1", "2002:c633:6401::1"],
        ),
        ("the longer prefix", ["2600::1", "2001:db8:1::9"], ["2001:db8:1::9", "2600::1"]),
        ("the longer prefix, as it was", ["2001:db8:1::9", "2600::1"], ["2001:db8:1::9", "2600::1"]),
        ("equals stay in order", ["198.51.100.2", "198.51.100.1"], ["198.51.100.2", "198.51.100.1"]),
        ("unusable last", ["127.0.0.1", "198.51.100.1"], ["127.0.0.1", "198.51.100.1"]),
    ] {
        assert_eq!(ordered(&stack, &addresses), want, "{situation}");
    }
    // R6724-6-c
    let deprecated = InterfaceAddress::new("2003::1/64".parse().unwrap(), AddressState::Deprecated);
    stack.with_host(|host, now| host.give_address(now, NIC, deprecated)).unwrap();
    assert_eq!(ordered(&stack, &["2003::1:9", "198.51.100.1"])[0], "2003::1:9", "another source will do");
    for address in ["2001:db8:1::1", "fd00::1"] {
        stack.remove_address(NIC, address.parse().unwrap()).unwrap();
    }
    assert_eq!(
        ordered(&stack, &["2003::1:9", "198.51.100.1"])[0],
        "198.51.100.1",
        "the source is deprecated"
    );
    stack.set_route_table(Vec::new());
    assert_eq!(ordered(&stack, &["2600::1", "10.0.0.9"]), ["10.0.0.9", "2600::1"], "without a route: last");
    // R6724-2.1-b
    stack.set_policies(Policies::new(Vec::new()));
    assert_eq!(
        ordered(&stack, &["10.0.0.9", "2003::9"])[0],
        "10.0.0.9",
        "no precedence, but a deprecated source"
    );
}
