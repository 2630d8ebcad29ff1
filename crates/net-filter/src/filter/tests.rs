//! Situations at the hooks, packet by packet: a router with an inside and an outside.

use super::*;
use crate::testing::{address, icmp, packet, ping, tcp, udp};
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;
use stack_core::{
    AddressState, Destination, Instant, InterfaceAddress, LinkAddress, LinkAddressCache, LinkCapabilities,
    NetServices, NicView,
};
use stack_wire::ip::protocol::{IPV6_DESTINATION, UDP};
use stack_wire::tcp::Flags;

struct Host;

impl LinkAddressCache for Host {
    fn check_local_address(&self, _: Option<NicId>, _: IpAddr) -> Option<NicId> {
        None
    }
    fn add_link_address(&mut self, _: Instant, _: NicId, _: IpAddr, _: LinkAddress) {}
}

impl NetServices for Host {
    fn destination(&self, _: NicId, _: IpAddr) -> Destination {
        Destination::Remote
    }
    fn allow_icmp(&mut self, _: Instant, _: IpAddr) -> bool {
        true
    }
    fn random(&mut self) -> u64 {
        0
    }
}

const INSIDE: NicId = NicId(1);
const OUTSIDE: NicId = NicId(2);
const CLIENT: &str = "10.0.0.2";
const PUBLIC: &str = "203.0.113.1";
const SERVER: &str = "192.0.2.2";

/// A filter on a router whose clock stands until it is moved.
struct Router {
    filter: Filter,
    now: Instant,
}

impl Router {
    fn new(config: FilterConfig, rules: impl IntoIterator<Item = (Place, Rule)>) -> Self {
        let mut filter = Filter::new(config);
        rules.into_iter().for_each(|(place, rule)| filter.append(place, rule).unwrap());
        Self { filter, now: Instant::ZERO }
    }

    fn masquerading() -> Self {
        Self::new(FilterConfig::default(), [masquerade()])
    }

    fn ask<R>(
        &mut self,
        ingress: Option<NicId>,
        egress: Option<NicId>,
        ask: impl FnOnce(&mut Filter, &mut HookCx<'_>) -> R,
    ) -> R {
        let capabilities = LinkCapabilities::default();
        let addresses = [("10.0.0.1/24", INSIDE), ("203.0.113.1/24", OUTSIDE), ("2001:db8::1/64", OUTSIDE)]
            .map(|(net, nic)| (InterfaceAddress::new(net.parse().unwrap(), AddressState::Preferred), nic));
        let of =
            |nic: NicId| -> Vec<_> { addresses.iter().filter(|row| row.1 == nic).map(|row| row.0).collect() };
        let (inner, outer) = (of(INSIDE), of(OUTSIDE));
        let view = |id| NicView {
            id,
            capabilities: &capabilities,
            link_address: None,
            addresses: if id == INSIDE { &inner } else { &outer },
            forwarding: true,
        };
        let mut host = Host;
        let mut cx =
            HookCx { now: self.now, ingress: ingress.map(view), egress: egress.map(view), host: &mut host };
        ask(&mut self.filter, &mut cx)
    }

    /// A packet that is sent on, in by one interface and out by the other; what leaves.
    fn pass(&mut self, from: NicId, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let to = if from == INSIDE { OUTSIDE } else { INSIDE };
        let mut rx = RxPacket::new(bytes.into(), 0, self.now);
        let accepted = |verdict| (verdict == HookVerdict::Accept).then_some(());
        accepted(self.ask(Some(from), None, |filter, cx| filter.prerouting(cx, &mut rx)))?;
        accepted(self.ask(Some(from), Some(to), |filter, cx| filter.forward(cx, &mut rx)))?;
        let header = if rx.data[0] >> 4 == 4 { 20 } else { 40 };
        rx.ip.protocol = if header == 20 { rx.data[9] } else { rx.data[6] };
        let mut tx = TxPacket::new();
        tx.from_rx(&mut rx, header).unwrap();
        tx.hop.next_hop = address(if header == 20 { "203.0.113.254" } else { "2001:db8::fe" });
        accepted(self.ask(None, Some(to), |filter, cx| filter.postrouting(cx, &mut tx)))?;
        Some(tx.to_bytes().to_vec())
    }

    fn out(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.pass(INSIDE, bytes)
    }

    fn back(&mut self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        self.pass(OUTSIDE, bytes)
    }
}

fn masquerade() -> (Place, Rule) {
    (Place::Postrouting, Rule::new(Action::Masquerade).output(OUTSIDE))
}

#[test]
fn a_question_leaves_with_our_address_and_its_answer_comes_back() {
    let mut router = Router::masquerading();
    let (there, here) = ((5353, 53), (53, 5353));
    assert_eq!(router.out(udp(CLIENT, SERVER, there, b"q")), Some(udp(PUBLIC, SERVER, there, b"q")));
    assert_eq!(router.back(udp(SERVER, PUBLIC, here, b"a")), Some(udp(SERVER, CLIENT, here, b"a")));
    // Somebody else's packet to the same port is no answer, and a packet without a connection is left alone.
    let other = udp("192.0.2.77", PUBLIC, here, b"a");
    assert_eq!(router.back(other.clone()), Some(other));
    assert_eq!(router.filter.connection_count(), 2);
}

#[test]
fn identifiers_of_pings_are_told_apart() {
    let mut router = Router::masquerading();
    let first = router.out(ping(CLIENT, SERVER, 7));
    assert_eq!(first, Some(ping(PUBLIC, SERVER, 7)));
    let second = router.out(ping("10.0.0.3", SERVER, 7));
    assert_eq!(second, Some(ping(PUBLIC, SERVER, 0)), "the first that is free");
    let answer = icmp(SERVER, PUBLIC, 0, [0, 0, 0, 1], b"ping");
    assert_eq!(router.back(answer), Some(icmp(SERVER, "10.0.0.3", 0, [0, 7, 0, 1], b"ping")));
}

#[test]
fn a_question_behind_extension_headers_and_its_error_are_translated() {
    let mut router = Router::masquerading();
    let (client, public, server) = ("fd00::2", "2001:db8::1", "2001:db8:2::2");
    let extended = |src: &str| {
        let plain = udp(src, server, (1000, 53), b"q");
        let segment = [&[UDP, 0, 1, 4, 0, 0, 0, 0], &plain[40..]].concat();
        packet(address(src), address(server), IPV6_DESTINATION, &segment)
    };
    assert_eq!(router.out(extended(client)), Some(extended(public)));
    let error = |to: &str| icmp("2001:db8:7::7", to, 1, [0; 4], &extended(to));
    assert_eq!(router.back(error(public)), Some(error(client)));
}

#[test]
fn an_error_goes_to_the_client_that_its_quote_names() {
    let mut router = Router::masquerading();
    router.out(udp(CLIENT, SERVER, (1000, 33434), b"trace")).unwrap();
    let error = |to: &str, from: &str| icmp(from, to, 11, [0; 4], &udp(to, SERVER, (1000, 33434), b"trace"));
    assert_eq!(router.back(error(PUBLIC, "198.51.100.7")), Some(error(CLIENT, "198.51.100.7")));
    assert_eq!(router.filter.counters().errors_translated, 1);
    // It was sent to another address of ours: that stays.
    let stray =
        icmp("198.51.100.7", "203.0.113.9", 11, [0; 4], &udp(PUBLIC, SERVER, (1000, 33434), b"trace"));
    let passed = router.back(stray).unwrap();
    assert_eq!(passed[16..20], [203, 0, 113, 9]);
    // About nobody's packet.
    let unknown = icmp(SERVER, PUBLIC, 3, [0; 4], &udp(PUBLIC, SERVER, (1, 2), b""));
    assert_eq!(router.back(unknown.clone()), Some(unknown));
    assert_eq!(router.filter.counters().invalid, 1);
}

#[test]
fn who_is_hidden_stays_hidden_in_the_errors_of_his_routers() {
    let dnat = Rule::new(Action::Dnat { to: address("10.0.0.80"), port: Some(8080) }).input(OUTSIDE);
    let mut router = Router::new(FilterConfig::default(), [(Place::Prerouting, dnat)]);
    let asked = router.back(tcp(SERVER, PUBLIC, (1000, 80), Flags::SYN)).unwrap();
    assert_eq!(asked, tcp(SERVER, "10.0.0.80", (1000, 8080), Flags::SYN));
    // A router inside says that the server is not there; the client knows neither of the two.
    let inner = icmp("10.0.0.7", SERVER, 3, [0; 4], &asked);
    let told = icmp(PUBLIC, SERVER, 3, [0; 4], &tcp(SERVER, PUBLIC, (1000, 80), Flags::SYN));
    assert_eq!(router.out(inner), Some(told));
}

#[test]
fn a_later_fragment_follows_its_first_and_not_before() {
    for (translates, rules) in [(true, Some(masquerade())), (false, None)] {
        let mut router = Router::new(FilterConfig::default(), rules);
        let whole = udp(CLIENT, SERVER, (1000, 53), &[7; 32]);
        let part = |flags: u16, payload: &[u8]| {
            let mut bytes = packet(address(CLIENT), address(SERVER), UDP, payload);
            bytes[6..8].copy_from_slice(&flags.to_be_bytes());
            bytes[10..12].fill(0);
            let sum = stack_wire::checksum::ipv4_header(&bytes[..20]);
            bytes[10..12].copy_from_slice(&sum.to_be_bytes());
            bytes
        };
        let (first, later) = (part(0x2000, &whole[20..44]), part(3, &whole[44..]));
        assert_eq!(router.out(later.clone()).is_none(), translates);
        assert_eq!(router.filter.counters().early_fragments, u64::from(translates));
        let first = router.out(first).unwrap();
        let later = router.out(later).unwrap();
        let source = address(if translates { PUBLIC } else { CLIENT });
        let expected = udp(&source.to_string(), SERVER, (1000, 53), &[7; 32]);
        assert_eq!([&first[20..], &later[20..]].concat(), expected[20..]);
        assert_eq!(later[12..20], expected[12..20]);
        assert_eq!(router.filter.connection_count(), 1);
    }
}

#[test]
fn a_full_table_refuses_and_counts() {
    let config = FilterConfig { max_connections: 4, ..FilterConfig::default() };
    let mut router = Router::new(config, []);
    for port in 0..4 {
        router.out(udp(CLIENT, SERVER, (port, 53), b"")).unwrap();
        router.back(udp(SERVER, CLIENT, (53, port), b"")).unwrap();
    }
    assert_eq!(router.out(udp(CLIENT, SERVER, (9, 53), b"")), None);
    assert_eq!(router.filter.counters().table_full, 1);
    router.now = Instant::ZERO + Duration::from_secs(300);
    assert!(router.out(udp(CLIENT, SERVER, (9, 53), b"")).is_some());
    assert!(router.filter.counters().expired > 0);
}

#[test]
fn without_a_free_port_or_an_address_the_packet_ends() {
    let snat = Action::Snat { to: address(PUBLIC), ports: Some((700, 701)) };
    let mut router = Router::new(FilterConfig::default(), [(Place::Postrouting, Rule::new(snat))]);
    let from = |host: u8| udp(&IpAddr::from([10, 0, 0, host]).to_string(), SERVER, (1000, 53), b"");
    assert!(router.out(from(2)).is_some() && router.out(from(3)).is_some());
    assert_eq!(router.out(from(4)), None);
    assert_eq!((router.filter.counters().no_port, router.filter.connection_count()), (1, 2));
    // Inside there is no IPv6 address to redirect to.
    let redirect = (Place::Prerouting, Rule::new(Action::Redirect { port: None }));
    let mut router = Router::new(FilterConfig::default(), [redirect]);
    assert_eq!(router.out(udp("fd00::2", "2001:db8:2::2", (1, 2), b"")), None);
    assert_eq!(router.filter.counters().no_port, 1);
}

#[test]
fn what_a_rule_drops_opens_no_connection() {
    let rules = [
        (Place::Forward, Rule::new(Action::Accept).states(States::ESTABLISHED | States::RELATED)),
        (Place::Forward, Rule::new(Action::Drop).input(OUTSIDE)),
    ];
    let mut router = Router::new(FilterConfig::default(), rules);
    assert_eq!(router.back(tcp(SERVER, CLIENT, (80, 1000), Flags::SYN)), None);
    assert_eq!((router.filter.connection_count(), router.filter.counters().refused), (0, 1));
    router.out(tcp(CLIENT, SERVER, (1000, 80), Flags::SYN)).unwrap();
    assert!(router.back(tcp(SERVER, CLIENT, (80, 1000), Flags::SYN | Flags::ACK)).is_some());
    assert_eq!(router.filter.rules(Place::Forward)[0].hits(), 1);
}

#[test]
fn a_place_that_refuses_by_default_lets_through_what_a_rule_accepts() {
    let mut router = Router::new(FilterConfig::default(), []);
    router.filter.set_default(Place::Forward, true);
    assert_eq!(router.out(ping(CLIENT, SERVER, 1)), None);
    router.filter.append(Place::Forward, Rule::new(Action::Accept).protocol(1)).unwrap();
    assert!(router.out(ping(CLIENT, SERVER, 1)).is_some());
    router.filter.clear_rules(Place::Forward);
    assert_eq!(router.out(ping(CLIENT, SERVER, 1)), None);
}

#[test]
fn segments_that_open_nothing_are_invalid() {
    let strict = FilterConfig { tcp_loose: false, ..FilterConfig::default() };
    let mut router =
        Router::new(strict, [(Place::Prerouting, Rule::new(Action::Drop).states(States::INVALID))]);
    for flags in [Flags::ACK, Flags::SYN | Flags::ACK, Flags::RST, Flags::NONE, Flags::SYN | Flags::FIN] {
        assert_eq!(router.out(tcp(CLIENT, SERVER, (1, 2), flags)), None, "{flags:?}");
    }
    assert!(router.out(tcp(CLIENT, SERVER, (1, 2), Flags::SYN)).is_some());
    assert_eq!((router.filter.counters().invalid, router.filter.connection_count()), (5, 1));
    router.filter.forget_connections();
    assert_eq!(router.filter.connection_count(), 0);
}

// R5382-REQ-5
#[test]
fn the_states_of_a_connection_are_shown_as_they_are() {
    let mut router = Router::masquerading();
    let state = |router: &Router| {
        let connection = router.filter.connections().next().unwrap();
        (connection.tcp.unwrap(), connection.assured, (connection.expires - router.now).as_secs())
    };
    let (there, here) = ((1000, 80), (80, 1000));
    let steps = [
        (true, Flags::SYN, crate::TcpState::SynSent, false, 240),
        (false, Flags::SYN | Flags::ACK, crate::TcpState::SynReceived, false, 240),
        (true, Flags::ACK, crate::TcpState::Established, true, 7440),
        (false, Flags::FIN | Flags::ACK, crate::TcpState::Closing, true, 240),
        (true, Flags::FIN | Flags::ACK, crate::TcpState::TimeWait, false, 240),
        (true, Flags::SYN, crate::TcpState::SynSent, false, 240),
        (false, Flags::RST | Flags::ACK, crate::TcpState::Reset, false, 10),
    ];
    for (forth, flags, expected, assured, lifetime) in steps {
        let passed = match forth {
            true => router.out(tcp(CLIENT, SERVER, there, flags)),
            false => router.back(tcp(SERVER, PUBLIC, here, flags)),
        };
        assert!(passed.is_some());
        assert_eq!(state(&router), (expected, assured, lifetime), "{flags:?}");
    }
}

// R4787-REQ-6, R4787-REQ-12, R5382-REQ-10, R5508-REQ-2, R5508-REQ-6
#[test]
fn each_packet_prolongs_a_connection_and_no_error_does_or_ends_it() {
    let kinds = [
        (udp(CLIENT, SERVER, (1000, 53), b"12345678"), udp(PUBLIC, SERVER, (1000, 53), b"12345678"), 120),
        (tcp(CLIENT, SERVER, (1000, 53), Flags::SYN), tcp(PUBLIC, SERVER, (1000, 53), Flags::SYN), 240),
        (ping(CLIENT, SERVER, 9), ping(PUBLIC, SERVER, 9), 60),
    ];
    for (sent, left, lifetime) in kinds {
        let mut router = Router::masquerading();
        let expires = |router: &Router| router.filter.connections().next().map(|known| known.expires);
        for at in [0, 50] {
            router.now = Instant::from_secs(at);
            assert_eq!(router.out(sent.clone()), Some(left.clone()));
            assert_eq!(expires(&router), Some(router.now + Duration::from_secs(lifetime)));
        }
        let before = expires(&router);
        router.now = Instant::from_secs(60);
        for kind in [3, 4, 11, 12] {
            let error = icmp("198.51.100.7", PUBLIC, kind, [0; 4], &left);
            assert_eq!(router.back(error), Some(icmp("198.51.100.7", CLIENT, kind, [0; 4], &sent)));
        }
        assert_eq!(expires(&router), before);
        assert_eq!(router.out(sent), Some(left));
    }
}

#[test]
fn no_packet_makes_it_panic() {
    let mut router = Router::masquerading();
    let seeds = [
        icmp(SERVER, PUBLIC, 3, [0; 4], &udp(PUBLIC, SERVER, (1000, 53), b"x")),
        icmp("2001:db8:2::2", "2001:db8::1", 1, [0; 4], &udp("2001:db8::1", "2001:db8:2::2", (1, 2), b"x")),
        tcp(CLIENT, SERVER, (1, 2), Flags::SYN),
        ping("fd00::2", "2001:db8:2::2", 3),
    ];
    for seed in seeds {
        for at in 0..seed.len() {
            for value in [0, 0x2c, 0x3c, 0x45, 0x4f, 0x60, 0xff] {
                let mut bytes = seed.clone();
                bytes[at] = value;
                for len in [bytes.len(), at] {
                    for nic in [INSIDE, OUTSIDE] {
                        let mut rx = RxPacket::new(bytes[..len].to_vec().into(), 0, Instant::ZERO);
                        router.ask(Some(nic), None, |filter, cx| filter.prerouting(cx, &mut rx));
                        router.ask(Some(nic), None, |filter, cx| filter.input(cx, &mut rx));
                    }
                }
            }
        }
    }
    assert!(router.filter.connection_count() > 10);
}
