//! The virtual network itself: routing between hosts, the same run twice, what it notices at the end.

use core::time::Duration;
use link_impair::ImpairConfig;
use net_arp::Arp;
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::{Instant, Ipv4Net, Medium, NicId};
use stack_host::{Host, RouteEntry};
use stack_testkit::SeededRng;
use stack_testkit::checker::{check, dst, dst_port, payload, src, ttl, udp};
use stack_testkit::net::{HostId, LinkSpec, Net, Sent, Socket, UDP};
use trans_tcp::{Tcp, TcpConfig};
use trans_udp::{Udp, UdpConfig};

fn host(seed: u64) -> Host {
    let builder = Host::builder()
        .network(Ipv4::new(Ipv4Config::default()))
        .network(Arp::default())
        .transport(Udp::new(UdpConfig::default()))
        .transport(Tcp::new(TcpConfig::default()))
        .rng(Box::new(SeededRng::new(seed)));
    builder.build().unwrap()
}

fn slow(medium: Medium) -> LinkSpec {
    let line = ImpairConfig { delay: Duration::from_millis(5), ..ImpairConfig::default() };
    LinkSpec { medium, ..LinkSpec::line(line, 1) }
}

/// client -- router -- server, on two Ethernets.
fn routed() -> (Net, [HostId; 3]) {
    let mut net = Net::new();
    let ids = [1, 2, 3].map(|seed| net.add_host(&format!("host{seed}"), host(seed)));
    let [client, router, server] = ids;
    let net_of = |text: &str| text.parse().unwrap();
    let spec = slow(Medium::Ethernet);
    let [near, _] =
        net.connect((client, &[net_of("10.1.0.2/24")]), (router, &[net_of("10.1.0.1/24")]), &spec);
    let [_, far] = net.connect((router, &[net_of("10.2.0.1/24")]), (server, &[net_of("10.2.0.2/24")]), &spec);
    for nic in [NicId(1), NicId(2)] {
        net.host(router).set_forwarding(nic, true).unwrap();
    }
    let default =
        |nic, gateway: &str| RouteEntry::new(Ipv4Net::default().into(), nic).via(gateway.parse().unwrap());
    net.host(client).add_route(default(near, "10.1.0.1"));
    net.host(server).add_route(default(far, "10.2.0.1"));
    (net, ids)
}

fn question_and_answer() -> Vec<Sent> {
    let (mut net, [client, _, server]) = routed();
    net.record();
    let service = Socket::bound(net.hosts(), server, UDP, "0.0.0.0:7".parse().unwrap()).unwrap();
    let socket = Socket::connecting(net.hosts(), client, UDP, "10.2.0.2:7".parse().unwrap()).unwrap();
    socket.write(net.hosts(), b"question").unwrap();
    let mut buffer = [0; 100];
    let limit = Instant::from_secs(10);
    assert!(net.run_while(limit, |hosts| service.readiness(hosts).readable));
    let (len, from) = service.read(net.hosts(), &mut buffer).unwrap();
    assert_eq!((&buffer[..len], from.ip()), (&b"question"[..], "10.1.0.2".parse().unwrap()));
    service.send_to(net.hosts(), b"answer", from).unwrap();
    net.run_for(Duration::from_secs(1));
    assert_eq!(socket.read(net.hosts(), &mut buffer).unwrap().0, 6);
    net.assert_quiet();
    net.sent().to_vec()
}

#[test]
fn a_router_stands_between_two_ethernets() {
    let sent = question_and_answer();
    let datagrams: Vec<&Sent> = sent.iter().filter(|sent| sent.ether_type == 0x0800).collect();
    assert_eq!(datagrams.len(), 4, "both datagrams, once on each link");
    let (from, to) = ("10.1.0.2".parse().unwrap(), "10.2.0.2".parse().unwrap());
    check(&datagrams[0].decode(), [udp(), src(from), dst(to), ttl(64), dst_port(7), payload(b"question")]);
    check(&datagrams[1].decode(), [udp(), src(from), dst(to), ttl(63), payload(b"question")]);
    check(&datagrams[3].decode(), [udp(), src(to), dst(from), ttl(63), payload(b"answer")]);
}

#[test]
fn the_same_network_does_the_same_again() {
    assert_eq!(question_and_answer(), question_and_answer());
}

#[test]
fn time_passes_as_the_line_says() {
    let sent = question_and_answer();
    let first = sent.iter().find(|sent| sent.ether_type == 0x0800).unwrap();
    // The router has announced its address at the start, and that takes five milliseconds to arrive.
    assert_eq!(first.at, Instant::from_millis(5));
}

#[test]
fn what_is_left_is_named() {
    let mut net = Net::new();
    let (a, b) = (net.add_host("left", host(1)), net.add_host("right", host(2)));
    let net_of = |text: &str| text.parse().unwrap();
    net.connect((a, &[net_of("10.0.0.1/24")]), (b, &[net_of("10.0.0.2/24")]), &slow(Medium::Ip));
    let socket =
        Socket::connecting(net.hosts(), a, stack_testkit::net::TCP, "10.0.0.2:80".parse().unwrap()).unwrap();
    net.settle();
    let left = net.leftovers().join("; ");
    assert!(left.contains("left: a timer is armed") && left.contains("holds packets back"), "{left}");
    // Nobody listens: the reset ends it.
    net.run_for(Duration::from_secs(1));
    socket.close(net.hosts());
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.leftovers(), Vec::<String>::new());
    assert!(net.run_until_idle(Instant::from_secs(100)));
}
