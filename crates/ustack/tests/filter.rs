//! Stacks with a router between them that filters and translates.

mod common;

use etherparse::PacketBuilder;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;
use ustack::contract::ErrorOrigin;
use ustack::filter::{Action, Filter, FilterConfig, Place, Rule, States};
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::net::{Echo, IcmpSocket, RawSocket, TcpListener, TcpStream, UdpSocket};
use ustack::{Counters, DropReason, IPPROTO_RAW, IpNet, NicConfig, NicId, RouteEntry, Stack};

const INSIDE: NicId = NicId(1);
const OUTSIDE: NicId = NicId(2);
const WAIT: Duration = Duration::from_secs(10);

/// The addresses of a family: client, router inside, router outside, server.
#[derive(Clone, Copy)]
struct Plan {
    client: &'static str,
    inside: &'static str,
    outside: &'static str,
    server: &'static str,
    prefix: u8,
    any: &'static str,
}

const V4: Plan = Plan {
    client: "10.0.0.2",
    inside: "10.0.0.1",
    outside: "192.0.2.1",
    server: "192.0.2.2",
    prefix: 24,
    any: "0.0.0.0",
};
const V6: Plan = Plan {
    client: "fd00::2",
    inside: "fd00::1",
    outside: "2001:db8::1",
    server: "2001:db8::2",
    prefix: 64,
    any: "::",
};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(text: &str, port: u16) -> SocketAddr {
    (ip(text), port).into()
}

fn nic(link: ChannelLink, address: impl Fn(&Plan) -> &'static str) -> NicConfig {
    [V4, V6].iter().fold(NicConfig::new(link), |nic, plan| {
        nic.address(format!("{}/{}", address(plan), plan.prefix).parse().unwrap())
    })
}

struct Net {
    client: Stack,
    router: Stack,
    server: Stack,
}

/// A client behind a router; the server has no way back to the client's own address.
fn net(config: FilterConfig, rules: impl IntoIterator<Item = (Place, Rule)>) -> Net {
    let (client, inside) = pair(ChannelConfig::default().with_offload());
    let (outside, server) = pair(ChannelConfig::default());
    let client = nic(client, |plan| plan.client).gateway(ip(V4.inside)).gateway(ip(V6.inside));
    let router = Stack::builder()
        .default_protocols()
        .nic(nic(inside, |plan| plan.inside).forwarding(true))
        .nic(nic(outside, |plan| plan.outside).forwarding(true));
    let stack = |nic| Stack::builder().default_protocols().nic(nic).build().unwrap();
    let router = router.build().unwrap();
    let mut filter = Filter::new(config);
    rules.into_iter().for_each(|(place, rule)| filter.append(place, rule).unwrap());
    router.add_hook(filter);
    Net { client: stack(client), router, server: stack(nic(server, |plan| plan.server)) }
}

fn masquerading() -> Net {
    net(FilterConfig::default(), [masquerade()])
}

fn masquerade() -> (Place, Rule) {
    (Place::Postrouting, Rule::new(Action::Masquerade).output(OUTSIDE))
}

impl Net {
    fn filter<R>(&self, ask: impl FnOnce(&mut Filter) -> R) -> R {
        self.router.with_hook(|filter: &mut Filter, _| ask(filter)).unwrap()
    }
}

/// A server that says who came and echoes what he says, for one connection.
fn greet(stack: &Stack, at: SocketAddr) -> JoinHandle<SocketAddr> {
    let listener = TcpListener::bind(stack, at).unwrap();
    std::thread::spawn(move || {
        let (stream, peer) = listener.accept().unwrap();
        common::echo(stream);
        peer
    })
}

fn connect(stack: &Stack, to: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(stack, &to, WAIT).unwrap()
}

#[test]
fn tcp_crosses_a_masquerading_router_whole() {
    for plan in [V4, V6] {
        let net = masquerading();
        let server = greet(&net.server, at(plan.server, 80));
        let stream = connect(&net.client, at(plan.server, 80));
        let sent = common::noise(3, 3 << 20);
        assert_eq!(common::hash(&common::exchange(&stream, &sent)), common::hash(&sent));
        let port = stream.local_addr().unwrap().port();
        assert_eq!(server.join().unwrap(), at(plan.outside, port), "the port is kept");
        let list = net.filter(|filter| filter.connections().collect::<Vec<_>>());
        let [connection] = &list[..] else { panic!("{list:?}") };
        assert_eq!((connection.original.src, connection.reply.dst), (ip(plan.client), ip(plan.outside)));
        assert!(connection.replied && connection.bytes.iter().all(|bytes| *bytes > 3 << 20));
        assert_eq!(errors(&net), 0);
    }
}

/// Packets that were refused because something in them was wrong.
fn errors(net: &Net) -> u64 {
    let bad = |counters: Counters| {
        let reasons =
            [DropReason::BadTransportChecksum, DropReason::BadHeaderChecksum, DropReason::Truncated];
        reasons.iter().map(|reason| counters.drops.of(*reason)).sum::<u64>()
    };
    [&net.client, &net.router, &net.server].map(|stack| bad(stack.counters())).iter().sum()
}

#[test]
fn datagrams_cross_also_in_fragments() {
    for plan in [V4, V6] {
        let net = masquerading();
        let server = UdpSocket::bind(&net.server, at(plan.server, 53)).unwrap();
        let client = UdpSocket::bind(&net.client, at(plan.any, 5353)).unwrap();
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(WAIT)).unwrap();
        }
        for len in [0, 1, 1400, 5001] {
            let (sent, mut buffer) = (common::noise(len as u64, len), vec![0; 9000]);
            client.send_to(&sent, at(plan.server, 53)).unwrap();
            let (got, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..got], from), (&sent[..], at(plan.outside, 5353)));
            server.send_to(&buffer[..got], from).unwrap();
            let (got, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..got], from), (&sent[..], at(plan.server, 53)));
        }
        assert_eq!((errors(&net), net.filter(|filter| filter.connection_count())), (0, 1));
    }
}

#[test]
fn two_clients_with_one_port_are_told_apart() {
    let net = net(
        FilterConfig::default(),
        [(Place::Postrouting, Rule::new(Action::Snat { to: ip(V4.outside), ports: None }).output(OUTSIDE))],
    );
    let server = UdpSocket::bind(&net.server, at(V4.server, 53)).unwrap();
    // The router's own socket has the port already.
    let own = UdpSocket::bind(&net.router, at(V4.outside, 5353)).unwrap();
    let client = UdpSocket::bind(&net.client, at(V4.any, 5353)).unwrap();
    for socket in [&server, &own, &client] {
        socket.set_read_timeout(Some(WAIT)).unwrap();
    }
    let mut buffer = [0; 16];
    own.send_to(b"router", at(V4.server, 53)).unwrap();
    let first = server.recv_from(&mut buffer).unwrap().1;
    client.send_to(b"client", at(V4.server, 53)).unwrap();
    let second = server.recv_from(&mut buffer).unwrap().1;
    assert_eq!((first, second.ip()), (at(V4.outside, 5353), ip(V4.outside)));
    assert!(second.port() >= 1024 && second.port() != 5353);
    for (socket, to) in [(&own, first), (&client, second)] {
        server.send_to(&to.port().to_be_bytes(), to).unwrap();
        assert_eq!(socket.recv_from(&mut buffer).unwrap(), (2, at(V4.server, 53)));
        assert_eq!(buffer[..2], to.port().to_be_bytes());
    }
}

#[test]
fn a_server_inside_is_reached_by_a_port_of_the_router() {
    for plan in [V4, V6] {
        let dnat = Action::Dnat { to: ip(plan.client), port: Some(8080) };
        let rule = Rule::new(dnat).input(OUTSIDE).protocol(6).destination_ports(80..=80);
        let net = net(FilterConfig::default(), [(Place::Prerouting, rule)]);
        let server = greet(&net.client, at(plan.client, 8080));
        let stream = connect(&net.server, at(plan.outside, 80));
        let sent = common::noise(5, 100_000);
        assert_eq!(common::exchange(&stream, &sent), sent);
        assert_eq!(server.join().unwrap().ip(), ip(plan.server), "the source is not changed");
    }
}

// R4787-REQ-9, R5382-REQ-8
#[test]
fn a_client_reaches_its_own_server_by_the_outer_address() {
    for plan in [V4, V6] {
        let dnat = Action::Dnat { to: ip(plan.client), port: Some(8080) };
        let to: IpNet = ip(plan.outside).into();
        let inside: IpNet = format!("{}/{}", plan.client, plan.prefix).parse().unwrap();
        let rules = [
            (Place::Prerouting, Rule::new(dnat).destination(to).protocol(6).destination_ports(80..=80)),
            (Place::Postrouting, Rule::new(Action::Masquerade).output(INSIDE).source(inside)),
        ];
        let net = net(FilterConfig::default(), rules);
        let server = greet(&net.client, at(plan.client, 8080));
        let stream = connect(&net.client, at(plan.outside, 80));
        let sent = common::noise(6, 100_000);
        assert_eq!(common::exchange(&stream, &sent), sent);
        assert_eq!(server.join().unwrap().ip(), ip(plan.inside));
        assert_eq!(stream.peer_addr().unwrap(), at(plan.outside, 80));
    }
}

#[test]
fn what_was_for_others_is_redirected_to_a_port_of_ours() {
    for plan in [V4, V6] {
        let rule = Rule::new(Action::Redirect { port: Some(3128) }).input(INSIDE).protocol(6);
        let net = net(FilterConfig::default(), [(Place::Prerouting, rule)]);
        let proxy = greet(&net.router, at(plan.inside, 3128));
        let stream = connect(&net.client, at(plan.server, 80));
        assert_eq!(common::exchange(&stream, b"proxied"), b"proxied");
        assert_eq!(proxy.join().unwrap().ip(), ip(plan.client));
    }
}

#[test]
fn pings_cross_and_their_identifier_comes_back() {
    for plan in [V4, V6] {
        let net = masquerading();
        let socket = IcmpSocket::bind(&net.client, ip(plan.any)).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        for sequence in [1, 2] {
            socket.send_to(sequence, b"through", ip(plan.server)).unwrap();
            let Echo::Reply(reply) = socket.recv().unwrap() else { panic!("an error") };
            assert_eq!((reply.from.ip(), reply.sequence), (ip(plan.server), sequence));
        }
        let list = net.filter(|filter| filter.connections().collect::<Vec<_>>());
        assert_eq!((list.len(), list[0].packets), (1, [2, 2]));
    }
}

#[test]
fn an_unreachable_port_behind_the_translation_is_told_to_its_client() {
    for plan in [V4, V6] {
        let net = masquerading();
        let client = UdpSocket::bind(&net.client, at(plan.any, 0)).unwrap();
        client.set_read_timeout(Some(WAIT)).unwrap();
        client.connect(at(plan.server, 9)).unwrap();
        client.send(b"anybody?").unwrap();
        let error = client.recv(&mut [0; 16]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!((errors(&net), net.filter(|filter| filter.counters().errors_translated)), (0, 1));
    }
}

#[test]
fn a_trace_of_the_route_names_the_routers_on_both_sides() {
    for plan in [V4, V6] {
        // client - translating router - plain router - server
        let next = if plan.prefix == 24 { ["198.51.100.1", "198.51.100.2"] } else { ["fd01::1", "fd01::2"] };
        let (outside, far) = pair(ChannelConfig::default());
        let (beyond, server) = pair(ChannelConfig::default());
        let (client, inside) = pair(ChannelConfig::default());
        let nic = |link, address: &str| {
            NicConfig::new(link).address(format!("{address}/{}", plan.prefix).parse().unwrap())
        };
        let build = |nics: Vec<NicConfig>| {
            let builder = Stack::builder().default_protocols();
            nics.into_iter().fold(builder, ustack::StackBuilder::nic).build().unwrap()
        };
        let client = build(vec![nic(client, plan.client).gateway(ip(plan.inside))]);
        let router = build(vec![
            nic(inside, plan.inside).forwarding(true),
            nic(outside, plan.outside).forwarding(true).gateway(ip(plan.server)),
        ]);
        let _far = build(vec![nic(far, plan.server).forwarding(true), nic(beyond, next[0]).forwarding(true)]);
        let _server = build(vec![nic(server, next[1]).gateway(ip(next[0]))]);
        let mut filter = Filter::new(FilterConfig::default());
        let (place, rule) = masquerade();
        filter.append(place, rule).unwrap();
        router.add_hook(filter);

        let socket = IcmpSocket::bind(&client, ip(plan.any)).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        let mut path = Vec::new();
        for ttl in 1..=3 {
            socket.set_ttl(ttl).unwrap();
            socket.send_to(ttl as u16, b"trace", ip(next[1])).unwrap();
            path.push(match socket.recv().unwrap() {
                Echo::Reply(reply) => (reply.from.ip(), reply.sequence),
                Echo::Report(report) => match report.origin {
                    ErrorOrigin::Icmp { from } => (from, report.sequence),
                    origin => panic!("{origin:?}"),
                },
            });
        }
        assert_eq!(path, [(ip(plan.inside), 1), (ip(plan.server), 2), (ip(next[1]), 3)]);
    }
}

#[test]
fn only_what_was_asked_for_comes_in() {
    let known = States::ESTABLISHED | States::RELATED;
    let rules = [
        masquerade(),
        (Place::Forward, Rule::new(Action::Accept).states(known)),
        (Place::Forward, Rule::new(Action::Drop).input(OUTSIDE)),
    ];
    let net = net(FilterConfig::default(), rules);
    // The server knows a way in now, and is still kept out.
    let way_in = RouteEntry::new("10.0.0.0/24".parse().unwrap(), NicId(1)).via(ip(V4.outside));
    net.server.add_route(way_in).unwrap();
    let inside = UdpSocket::bind(&net.client, at(V4.client, 7)).unwrap();
    inside.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let outside = UdpSocket::bind(&net.server, at(V4.server, 7)).unwrap();
    outside.set_read_timeout(Some(WAIT)).unwrap();
    outside.send_to(b"unasked", at(V4.client, 7)).unwrap();
    assert_eq!(inside.recv_from(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(net.filter(|filter| (filter.connection_count(), filter.counters().refused)), (0, 1));
    inside.send_to(b"question", at(V4.server, 7)).unwrap();
    let from = outside.recv_from(&mut [0; 16]).unwrap().1;
    outside.send_to(b"answer", from).unwrap();
    inside.set_read_timeout(Some(WAIT)).unwrap();
    assert_eq!(inside.recv_from(&mut [0; 16]).unwrap().0, 6);
    assert_eq!(net.filter(|filter| filter.rules(Place::Forward)[0].hits()), 1);
    assert_eq!(net.router.counters().drops.of(DropReason::Policy), 1);
}

#[test]
fn what_leaves_is_looked_at_whoever_wrote_its_header() {
    for plan in [V4, V6] {
        let no_questions = Rule::new(Action::Drop).protocol(17).destination_ports(53..=53);
        let elsewhere = Rule::new(Action::Dnat { to: ip(plan.client), port: Some(7) }).protocol(17);
        let net = net(FilterConfig::default(), [(Place::Output, no_questions), (Place::Output, elsewhere)]);
        let client = UdpSocket::bind(&net.client, at(plan.client, 7)).unwrap();
        client.set_read_timeout(Some(WAIT)).unwrap();
        let open = if plan.prefix == 24 { RawSocket::v4 } else { RawSocket::v6 };
        let socket = open(&net.router, IPPROTO_RAW).unwrap();
        for (port, text) in [(53, b"question"), (54, b"answered")] {
            let packet = datagram(ip(plan.inside), ip(plan.server), port, text);
            socket.send_to(&packet, at(plan.server, 0)).unwrap();
        }
        let mut buffer = [0; 16];
        assert_eq!(client.recv_from(&mut buffer).unwrap(), (8, at(plan.inside, 4096)));
        assert_eq!(&buffer[..8], b"answered");
        assert_eq!(net.router.counters().drops.of(DropReason::Policy), 1);
    }
}

/// A UDP datagram from port 4096 with its network header, complete.
fn datagram(src: IpAddr, dst: IpAddr, port: u16, text: &[u8; 8]) -> Vec<u8> {
    let udp = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => PacketBuilder::ipv4(src.octets(), dst.octets(), 9),
        (IpAddr::V6(src), IpAddr::V6(dst)) => PacketBuilder::ipv6(src.octets(), dst.octets(), 9),
        _ => unreachable!("of one family"),
    };
    let mut packet = Vec::new();
    udp.udp(4096, port).write(&mut packet, text).unwrap();
    packet
}

#[test]
fn a_flood_leaves_the_open_connections_alone() {
    let config = FilterConfig { max_connections: 64, ..FilterConfig::default() };
    let net = net(config, [masquerade()]);
    let server = greet(&net.server, at(V4.server, 80));
    let mut stream = connect(&net.client, at(V4.server, 80));
    stream.write_all(b"one").unwrap();
    stream.read_exact(&mut [0; 3]).unwrap();
    let sink = UdpSocket::bind(&net.server, at(V4.server, 9)).unwrap();
    let socket = UdpSocket::bind(&net.client, at(V4.any, 0)).unwrap();
    for port in 1000..2000 {
        socket.send_to(b"flood", at(V4.server, port)).unwrap();
    }
    // The last datagram is behind all others.
    sink.set_read_timeout(Some(WAIT)).unwrap();
    socket.send_to(b"end", at(V4.server, 9)).unwrap();
    sink.recv_from(&mut [0; 8]).unwrap();
    let (count, counters) = net.filter(|filter| (filter.connection_count(), filter.counters()));
    assert_eq!((count, counters.opened - counters.evicted, counters.table_full), (64, 64, 0));
    stream.write_all(b"two").unwrap();
    stream.read_exact(&mut [0; 3]).unwrap();
    drop(stream);
    server.join().unwrap();
}
