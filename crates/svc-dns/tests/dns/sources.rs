//! Servers and search domains that come and go at run time.

use crate::server::{Server, knows};
use crate::{config, resolver, stacks};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;
use svc_dns::{LookupError, Resolver, Source};
use tokio::time::Instant;
use ustack::contract::Medium;
use ustack::link::channel::{ChannelConfig, pair};
use ustack::link::ethernet::Ethernet;
use ustack::{
    AddressState, Ipv6, Ipv6Config, LinkAddress, NetworkEvent, NicConfig, NicId, RouterConfig, Stack, Tcp,
    TcpConfig, Udp,
};

const NIC: NicId = NicId(1);

fn at(server: &str) -> SocketAddr {
    SocketAddr::new(server.parse().unwrap(), 53)
}

#[tokio::test]
async fn what_dhcp_names_is_asked_while_its_lease_holds() {
    let (client, server) = stacks();
    let _desk = Server::start(&server, "10.0.0.1", knows("host.lan.", &["10.0.0.9"], 60)).await;
    let resolver = resolver(&client, &[]);
    let lease = Duration::from_millis(800);
    resolver.set_servers(Source::Dhcpv4(NIC), &[at("10.0.0.1")], Some(lease));
    resolver.set_search_domains(Source::Dhcpv4(NIC), &["lan"], Some(lease)).unwrap();
    assert_eq!(resolver.lookup_ipv4("host").await.unwrap(), [IpAddr::from([10, 0, 0, 9])]);
    tokio::time::sleep(lease).await;
    let error = resolver.lookup_ipv4("host").await.unwrap_err();
    assert!(matches!(error, LookupError::NoServers { .. }), "neither asked nor remembered: {error:?}");
    assert!(resolver.servers().is_empty() && resolver.search_domains().is_empty());
}

#[tokio::test]
async fn other_servers_are_asked_anew_and_hands_go_first() {
    let (client, server) = stacks();
    let _first = Server::start(&server, "10.0.0.1", knows("host.test.", &["10.0.0.9"], 600)).await;
    let _second = Server::start(&server, "10.0.0.3", knows("host.test.", &["10.0.0.8"], 600)).await;
    let resolver = resolver(&client, &[]);
    resolver.set_servers(Source::Dhcpv4(NIC), &[at("10.0.0.1")], None);
    assert_eq!(resolver.lookup_ipv4("host.test").await.unwrap(), [IpAddr::from([10, 0, 0, 9])]);
    resolver.set_servers(Source::Configured, &[at("10.0.0.3")], None);
    assert_eq!(resolver.servers(), [at("10.0.0.3"), at("10.0.0.1")]);
    let found = resolver.lookup_ipv4("host.test").await.unwrap();
    assert_eq!(found, [IpAddr::from([10, 0, 0, 8])], "the other network's answer is not remembered");
}

/// A router that names itself as resolver, and a host that nobody configured.
fn router_and_host() -> (Stack, Stack) {
    let frames = ChannelConfig { medium: Medium::Ethernet, ..ChannelConfig::default() };
    let (a, b) = pair(frames);
    let station = |link, last| Ethernet::new(link, LinkAddress([2, 0, 0, 0, 0, last])).unwrap();
    let mut advertised = RouterConfig::new(NIC).prefix("2001:db8:7::/64".parse().unwrap());
    advertised.dns_servers.push("2001:db8:7::1".parse().unwrap());
    advertised.search_domains.push("lan.test".to_owned());
    let mut routing = Ipv6Config::autoconfigured();
    routing.routers.push(advertised);
    let build = |ipv6: Ipv6Config, nic: NicConfig| {
        let stack = Stack::builder()
            .network(Ipv6::new(ipv6))
            .transport(Udp::default())
            .transport(Tcp::new(TcpConfig::default()));
        stack.nic(nic.id(NIC)).build().unwrap()
    };
    let nic = NicConfig::new(station(a, 1)).address("2001:db8:7::1/64".parse().unwrap()).forwarding(true);
    (build(routing, nic), build(Ipv6Config::autoconfigured(), NicConfig::new(station(b, 2))))
}

/// Hands the host's news to the resolver until it knows a server and the host has an address to ask from.
async fn learn(host: &Stack, resolver: &Resolver) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let ready = || {
        let mut addresses = host.nics().into_iter().flat_map(|nic| nic.addresses);
        addresses
            .any(|own| own.state == AddressState::Preferred && own.address().to_string().starts_with("2001:"))
    };
    while resolver.servers().is_empty() || !ready() {
        for event in host.network_events() {
            let about_names =
                matches!(event, NetworkEvent::DnsServers { .. } | NetworkEvent::SearchDomains { .. });
            assert_eq!(resolver.handle_event(&event), about_names, "{event:?}");
        }
        assert!(Instant::now() < deadline, "no router was heard of");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

// R8106-5.3.1-a, R8106-5.1-b
#[tokio::test]
async fn a_host_that_nobody_configured_asks_the_resolver_that_its_router_advertises() {
    let (router, host) = router_and_host();
    let _desk =
        Server::start(&router, "2001:db8:7::1", knows("host.lan.test.", &["2001:db8:7::9"], 60)).await;
    let resolver = Resolver::new(&host, config(&[])).unwrap();
    learn(&host, &resolver).await;
    assert_eq!(resolver.search_domains(), ["lan.test"]);
    let nine: IpAddr = "2001:db8:7::9".parse().unwrap();
    assert_eq!(resolver.lookup_ip("host").await.unwrap(), [nine]);
    let gone = NetworkEvent::DnsServers {
        nic: NIC,
        router: link_local(&router).into(),
        servers: vec!["2001:db8:7::1".parse().unwrap()],
        lifetime: Duration::ZERO,
    };
    assert!(resolver.handle_event(&gone));
    assert!(resolver.servers().is_empty(), "a lifetime of zero ends it");
}

fn link_local(stack: &Stack) -> Ipv6Addr {
    let addresses = stack.nics().into_iter().flat_map(|nic| nic.addresses);
    let mut local = addresses.filter_map(|own| match own.address() {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(v6),
        _ => None,
    });
    local.next().unwrap()
}

#[tokio::test]
async fn a_link_local_server_is_found_by_its_scope() {
    let (router, host) = router_and_host();
    let known = knows("host.test.", &["2001:db8:7::9"], 60);
    let resolver = Resolver::new(&host, config(&[])).unwrap();
    learn(&host, &resolver).await;
    let server = SocketAddrV6::new(link_local(&router), 53, 0, NIC.0);
    let desk = Server::start(&router, "::", known).await;
    resolver.set_servers(Source::Configured, &[server.into()], None);
    resolver.lookup_ipv6("host.test").await.unwrap();
    assert_eq!(desk.asked(), ["host.test. AAAA over Udp"]);
}
