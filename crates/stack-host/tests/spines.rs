//! The two spines: local delivery, forwarding, backpressure, bounds, timers, taps and hooks.

mod common;

use bytes::Bytes;
use common::*;
use core::time::Duration;
use stack_core::*;
use stack_host::{Host, HostConfig, NicConfig, RouteEntry};
use std::sync::{Arc, Mutex};

#[test]
fn what_we_send_to_ourselves_never_leaves() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    for to in ["10.0.0.1", "127.0.0.1", "127.9.8.7"] {
        send(&mut host, None, to, b"me");
        assert_eq!(inbox(&mut host), [(1, "me".into())], "{to}");
        assert_eq!(sent(&mut host, 1), [], "{to}");
    }
    assert_eq!((host.counters().local.packets, host.counters().transmitted.packets), (3, 0));
    assert!(host.is_idle());
}

// R1122-3.2.1.3-c
#[test]
fn loopback_addresses_never_reach_a_wire() {
    let mut host = host();
    host.add_route(RouteEntry::new(net("0.0.0.0/0"), NicId(1)));
    send(&mut host, Some("127.0.0.1"), "10.0.0.2", b"x");
    assert_eq!(sent(&mut host, 1), []);
    assert_eq!(host.counters().drops.of(DropReason::NoRoute), 1);
}

#[test]
fn local_traffic_is_bounded_per_call() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    let toy = host.transport::<Toy>(T0).unwrap().0;
    for _ in 0..100 {
        toy.outbox.push_back((None, ip("127.0.0.1"), 1, 7, Bytes::from_static(b"x")));
    }
    let mut calls = 1;
    while host.transmit(T0, 10) {
        calls += 1;
        assert!(inbox(&mut host).len() <= 20, "one call delivered too much");
    }
    assert!((5..=30).contains(&calls), "{calls} calls");
    assert_eq!(host.counters().delivered, 100);
}

fn router() -> Host {
    let mut host = host();
    host.add_nic(T0, NicId(2), NicConfig::new("nic2", LinkCapabilities::plain(Medium::Ip, 1500))).unwrap();
    host.add_address(T0, NicId(2), net("10.0.1.1/24")).unwrap();
    for nic in [1, 2] {
        host.set_forwarding(NicId(nic), true).unwrap();
    }
    host
}

#[test]
fn segments_may_come_joined_where_nobody_sees_each() {
    let mut host = host();
    assert!(host.coalesces(NicId(1)) && !host.coalesces(NicId(9)));
    let outcomes = LinkCapabilities { wants_outcomes: true, ..LinkCapabilities::plain(Medium::Ip, 1500) };
    host.add_nic(T0, NicId(3), NicConfig::new("nic3", outcomes)).unwrap();
    assert!(!host.coalesces(NicId(3)));
    host.set_forwarding(NicId(1), true).unwrap();
    assert!(!host.coalesces(NicId(1)));
    host.set_forwarding(NicId(1), false).unwrap();
    assert!(host.coalesces(NicId(1)));
    host.add_tap(Box::new(Nothing));
    assert!(!host.coalesces(NicId(1)));
}

#[test]
fn text_that_was_placed_is_not_shown_to_those_who_have_to_see_it() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    let placed = || {
        let mut packet = packet("10.0.0.2", "10.0.0.1", 7, b"text");
        packet.truncate(packet.len() - 4);
        packet.meta.placed = 4;
        packet
    };
    host.receive(T0, NicId(1), &mut vec![placed()]);
    assert_eq!(host.counters().drops.of(DropReason::Misplaced), 0);
    assert_eq!((host.counters().received.packets, host.counters().delivered), (1, 1));
    host.add_tap(Box::new(Nothing));
    host.receive(T0, NicId(1), &mut vec![placed()]);
    assert_eq!((host.counters().drops.of(DropReason::Misplaced), host.counters().delivered), (1, 1));
}

struct Nothing;

impl Tap for Nothing {
    fn packet(&mut self, _: Instant, _: NicId, _: TapPoint, _: TappedPacket<'_>) {}
}

#[test]
fn forwarding_sends_on_what_is_not_ours() {
    let mut host = router();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "10.0.1.2", 7, b"through"));
    let through = sent(&mut host, 2);
    assert_eq!(
        (&through[0].0[..], &through[0].1[..], &through[0].3[4..]),
        ("10.0.0.2", "10.0.1.2", &b"through"[..])
    );
    receive(&mut host, 1, packet("10.0.0.2", "10.0.1.1", 7, b"other side"));
    assert_eq!(inbox(&mut host), [(1, "other side".into())], "a router answers for all its addresses");
    assert_eq!(host.counters().forwarded, 1);
}

// R1122-3.2.2.2-a
#[test]
fn the_host_itself_tells_nobody_of_a_shorter_way() {
    let mut host = router();
    receive(&mut host, 1, packet("10.0.0.2", "10.0.0.3", 7, b"back"));
    let sent: Vec<u8> = sent(&mut host, 1).into_iter().map(|(_, _, protocol, _)| protocol).collect();
    assert_eq!(sent, [TOY], "the packet itself and no redirect");
}

// R1812-4.3.3.1-a, R1812-5.3.1-a, R4443-3.2-a
#[test]
fn forwarding_tells_the_sender_what_is_wrong() {
    let mut host = router();
    receive(&mut host, 1, packet("169.254.0.2", "10.0.1.2", 7, b"x"));
    assert_eq!(sent(&mut host, 1), [], "RFC 3927 §2.7: dropped in silence");
    assert_eq!(host.counters().drops.of(DropReason::MartianSource), 1);
    receive(&mut host, 1, packet("10.0.0.2", "192.0.2.1", 7, b"x"));
    assert_eq!(sent(&mut host, 1)[0].3, "NetUnreachable");
    let mut dying = packet("10.0.0.2", "10.0.1.2", 7, b"x");
    let mut bytes = dying.data.to_vec();
    bytes[9] = 1;
    dying.data = bytes.into();
    receive(&mut host, 1, dying);
    assert_eq!(sent(&mut host, 1)[0].3, "HopLimitExceeded");
    receive(&mut host, 1, packet("10.0.0.2", "10.0.1.2", 7, &[0; 1490]));
    assert_eq!(sent(&mut host, 1)[0].3, "PacketTooBig { mtu: 1500 }");
    assert_eq!(sent(&mut host, 2), []);
}

// R1122-3.3.5-a, R1122-3.2.1.3-a
#[test]
fn without_forwarding_strangers_are_dropped() {
    let mut host = host();
    receive(&mut host, 1, packet("10.0.0.2", "10.0.1.2", 7, b"x"));
    assert_eq!(sent(&mut host, 1), []);
    assert_eq!(host.counters().drops.of(DropReason::NotLocal), 1);
}

// R1122-3.3.4.2-b
#[test]
fn a_host_answers_on_an_interface_for_the_addresses_of_that_one() {
    let mut host = router();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    for nic in [1, 2] {
        host.set_forwarding(NicId(nic), false).unwrap();
    }
    receive(&mut host, 1, packet("10.0.0.2", "10.0.1.1", 7, b"other side"));
    assert_eq!((inbox(&mut host), host.counters().drops.of(DropReason::NotLocal)), (vec![], 1));
    receive(&mut host, 2, packet("10.0.1.2", "10.0.1.1", 7, b"this side"));
    assert_eq!(inbox(&mut host), [(1, "this side".into())]);
}

#[test]
fn a_full_link_pauses_the_transports_and_loses_nothing() {
    let mut host = host();
    let toy = host.transport::<Toy>(T0).unwrap().0;
    for n in 0..2_000u16 {
        toy.outbox.push_back((None, ip("10.0.0.2"), n, 7, Bytes::from_static(b"x")));
    }
    let mut got = Vec::new();
    for _ in 0..100 {
        while host.transmit(T0, 64) {
            assert!(host.out(NicId(1)).unwrap().len() <= 256 + 64);
        }
        got.extend(sent(&mut host, 1).into_iter().map(|(_, _, _, segment)| segment.slice(..2)));
    }
    let expected: Vec<Bytes> = (0..2_000u16).map(|n| Bytes::copy_from_slice(&n.to_be_bytes())).collect();
    assert_eq!(got, expected);
    assert_eq!(host.counters().drops.total(), 0);
}

#[test]
fn a_link_that_takes_nothing_does_not_hold_up_the_others_for_long() {
    let mut host = router();
    let mut now = T0;
    for _ in 0..100 {
        let toy = host.transport::<Toy>(now).unwrap().0;
        for _ in 0..32 {
            toy.outbox.push_back((None, ip("10.0.0.2"), 1, 7, Bytes::from_static(b"dead")));
            toy.outbox.push_back((None, ip("10.0.1.2"), 1, 7, Bytes::from_static(b"alive")));
        }
        now += Duration::from_millis(50);
        while host.transmit(now, 1024) {
            sent(&mut host, 2);
        }
    }
    assert!(host.out(NicId(1)).unwrap().len() <= 1024);
    assert!(host.counters().drops.of(DropReason::LinkQueueFull) > 0);
    assert!(host.nic_counters(NicId(2)).unwrap().transmitted.packets > 1_000);
}

#[test]
fn timers_fire_once_at_their_time() {
    let mut host = host();
    host.transport::<Toy>(T0).unwrap().1.arm(id(3), Instant::from_millis(250));
    while let Some(next) = host.next_deadline() {
        host.poll(next);
    }
    let toy = host.transport::<Toy>(T0).unwrap().0;
    assert_eq!(toy.timeouts, [(id(3), Instant::from_millis(250))]);
    assert!(host.is_idle());
}

#[test]
fn time_does_not_go_back() {
    let mut host = host();
    host.poll(Instant::from_secs(5));
    let (_, cx) = host.transport::<Toy>(Instant::from_secs(4)).unwrap();
    assert_eq!(cx.now, Instant::from_secs(5));
    let (_, cx) = host.transport::<Toy>(Instant::from_secs(6)).unwrap();
    assert_eq!(cx.now, Instant::from_secs(6));
}

// R1122-2.3.2.2-a
#[test]
fn an_unresolved_neighbour_holds_packets_and_then_fails() {
    let mut host = host_with(HostConfig::default(), LinkCapabilities::plain(Medium::Ethernet, 1500));
    register(&mut host, 5, identity(None, None, 4000)).unwrap();
    send(&mut host, None, "10.0.0.2", b"one");
    assert_eq!(sent(&mut host, 1), []);
    let link = LinkAddress([2, 0, 0, 0, 0, 2]);
    host.add_link_address(T0, NicId(1), ip("10.0.0.2"), link);
    assert_eq!(host.out(NicId(1)).unwrap().front().unwrap().link_dst, link);
    assert_eq!(sent(&mut host, 1).len(), 1);
    send(&mut host, None, "10.0.0.3", b"two");
    while let Some(next) = host.next_deadline().filter(|next| *next < Instant::from_secs(4)) {
        host.poll(next);
    }
    let errors = &host.transport::<Toy>(T0).unwrap().0.errors;
    assert_eq!(errors[..], [(id(5), ErrorKind::HostUnreachable, ErrorOrigin::Local)]);
    assert_eq!(host.counters().drops.of(DropReason::NeighborUnreachable), 1);
}

// R1122-3.3.1.4-a
#[test]
fn a_gateway_that_does_not_answer_is_passed_over_for_another_until_it_is_heard_of() {
    let mut host = host_with(HostConfig::default(), LinkCapabilities::plain(Medium::Ethernet, 1500));
    let (first, second, inner) = (ip("10.0.0.8"), ip("10.0.0.9"), ip("10.0.0.7"));
    let all = RouteEntry::new(net("0.0.0.0/0"), NicId(1));
    let some = RouteEntry::new(net("172.16.0.0/12"), NicId(1));
    host.set_route_table(vec![all.via(first), all.via(second), some.via(inner)]);
    let next_hop = |host: &mut Host, now, remote| {
        let query = RouteQuery { nic: None, local: None, remote: ip(remote) };
        host.find_route(now, &query).unwrap().next_hop()
    };
    assert_eq!(next_hop(&mut host, T0, "192.0.2.1"), first);
    for remote in ["192.0.2.1", "172.16.0.1"] {
        send(&mut host, None, remote, b"lost");
    }
    let mut now = T0;
    while let Some(next) = host.next_deadline().filter(|next| *next < Instant::from_secs(4)) {
        host.poll(next);
        now = next;
    }
    assert_eq!(next_hop(&mut host, now, "192.0.2.1"), second);
    assert_eq!(next_hop(&mut host, now, "172.16.0.1"), inner, "what is for some goes nowhere else");
    host.add_link_address(now, NicId(1), first, LinkAddress([2, 0, 0, 0, 0, 8]));
    assert_eq!(next_hop(&mut host, now, "192.0.2.1"), first);
}

// R4861-7.2.2-c, R1812-4.3.3.1-a
#[test]
fn the_sender_of_a_forwarded_packet_hears_of_a_next_hop_that_does_not_answer() {
    let mut host = router();
    let config = NicConfig::new("eth", LinkCapabilities::plain(Medium::Ethernet, 1500));
    let link_address = Some(LinkAddress([2, 0, 0, 0, 0, 1]));
    host.add_nic(T0, NicId(3), NicConfig { link_address, ..config }).unwrap();
    host.add_address(T0, NicId(3), net("10.0.3.1/24")).unwrap();
    host.set_forwarding(NicId(3), true).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "10.0.3.9", 7, b"x"));
    assert_eq!(sent(&mut host, 1), []);
    while let Some(next) = host.next_deadline().filter(|next| *next < Instant::from_secs(4)) {
        host.poll(next);
        while host.transmit(next, 32) {}
    }
    assert_eq!(sent(&mut host, 1)[0].3, "HostUnreachable");
}

#[test]
fn addresses_of_a_disabled_interface_are_announced_when_it_is_enabled() {
    let builder = Host::builder().network(net_ipv4::Ipv4::new(Default::default()));
    let mut host = builder.network(net_arp::Arp::default()).rng(Box::new(Seeded(1))).build().unwrap();
    let link_address = Some(LinkAddress([2, 0, 0, 0, 0, 1]));
    let config = NicConfig::new("eth", LinkCapabilities::plain(Medium::Ethernet, 1500));
    host.add_nic(T0, NicId(1), NicConfig { link_address, enabled: false, ..config }).unwrap();
    host.add_address(T0, NicId(1), net("10.0.0.1/24")).unwrap();
    assert!(host.out(NicId(1)).unwrap().is_empty());
    assert_eq!(host.nic_counters(NicId(1)).unwrap().drops.total(), 0);
    for _ in 0..2 {
        host.enable_nic(T0, NicId(1)).unwrap();
        let announcement = host.out(NicId(1)).unwrap().pop().expect("an announcement");
        assert_eq!((announcement.ether_type, announcement.link_dst), (0x0806, LinkAddress::BROADCAST));
        host.disable_nic(T0, NicId(1)).unwrap();
    }
}

#[test]
fn broadcast_and_multicast_need_no_neighbour() {
    let mut host = host_with(HostConfig::default(), LinkCapabilities::plain(Medium::Ethernet, 1500));
    for (to, link) in [
        ("10.0.0.255", LinkAddress::BROADCAST),
        ("255.255.255.255", LinkAddress::BROADCAST),
        ("224.1.2.3", LinkAddress([1, 0, 0x5e, 1, 2, 3])),
    ] {
        send(&mut host, None, to, b"all");
        assert_eq!(host.out(NicId(1)).unwrap().pop().map(|packet| packet.link_dst), Some(link), "{to}");
    }
}

#[test]
fn groups_are_received_after_joining_and_loop_back_to_members() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "224.1.2.3", 7, b"before"));
    let join = |host: &mut Host, join| {
        let everything = SourceFilter::everything();
        let (before, after) = if join { (None, Some(&everything)) } else { (Some(&everything), None) };
        host.transport::<Toy>(T0).unwrap().1.host.set_group(NicId(1), ip("224.1.2.3"), before, after)
    };
    join(&mut host, true).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "224.1.2.3", 7, b"joined"));
    send(&mut host, None, "224.1.2.3", b"looped");
    assert_eq!(inbox(&mut host), [(1, "joined".into()), (1, "looped".into())]);
    assert_eq!(sent(&mut host, 1).len(), 1);
    join(&mut host, false).unwrap();
    assert_eq!(join(&mut host, false), Err(Error::BadLocalAddress));
    receive(&mut host, 1, packet("10.0.0.2", "224.1.2.3", 7, b"after"));
    assert_eq!(inbox(&mut host), []);
}

#[test]
fn broadcasts_reach_all_of_our_own_sockets_too() {
    let mut host = host();
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    register(&mut host, 2, identity(None, Some("10.0.0.255"), 7)).unwrap();
    for to in ["10.0.0.255", "255.255.255.255"] {
        send(&mut host, None, to, b"all");
        let mut heard: Vec<u32> = inbox(&mut host).into_iter().map(|(id, _)| id).collect();
        heard.sort_unstable();
        assert_eq!(heard, if to == "10.0.0.255" { vec![1, 2] } else { vec![1] });
        assert_eq!(sent(&mut host, 1).len(), 1);
    }
}

#[test]
fn outcomes_name_each_dropped_packet_for_links_that_ask() {
    let capabilities = LinkCapabilities { wants_outcomes: true, ..LinkCapabilities::plain(Medium::Ip, 1500) };
    let mut host = host_with(HostConfig::default(), capabilities);
    let mut bad = packet("10.0.0.2", "10.5.5.5", 7, b"x");
    bad.meta.token = Token(42);
    receive(&mut host, 1, bad);
    assert_eq!(host.drops().collect::<Vec<_>>(), [(NicId(1), Token(42), DropReason::NotLocal)]);
    assert_eq!(host.drops().count(), 0);
}

#[derive(Default)]
struct Log(Arc<Mutex<Vec<TapPoint>>>);

impl Tap for Log {
    fn packet(&mut self, _: Instant, _: NicId, point: TapPoint, _: TappedPacket<'_>) {
        self.0.lock().unwrap().push(point);
    }
}

struct Refuse(&'static str);

impl Hook for Refuse {
    fn prerouting(&mut self, _: &mut HookCx<'_>, _: &mut RxPacket) -> HookVerdict {
        if self.0 == "prerouting" { HookVerdict::Drop } else { HookVerdict::Accept }
    }
    fn input(&mut self, _: &mut HookCx<'_>, _: &mut RxPacket) -> HookVerdict {
        if self.0 == "input" { HookVerdict::Drop } else { HookVerdict::Accept }
    }
    fn forward(&mut self, _: &mut HookCx<'_>, _: &mut RxPacket) -> HookVerdict {
        if self.0 == "forward" { HookVerdict::Drop } else { HookVerdict::Accept }
    }
    fn output(&mut self, _: &mut HookCx<'_>, _: &mut TxPacket) -> HookVerdict {
        if self.0 == "output" { HookVerdict::Drop } else { HookVerdict::Accept }
    }
    fn postrouting(&mut self, _: &mut HookCx<'_>, _: &mut TxPacket) -> HookVerdict {
        if self.0 == "postrouting" { HookVerdict::Drop } else { HookVerdict::Accept }
    }
}

#[test]
fn taps_see_packets_at_three_points() {
    let mut host = host();
    let log = Log::default();
    let seen = log.0.clone();
    host.add_tap(Box::new(log));
    register(&mut host, 1, identity(None, None, 7)).unwrap();
    receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 7, b"x"));
    send(&mut host, None, "10.0.0.2", b"y");
    assert_eq!(*seen.lock().unwrap(), [TapPoint::LinkReceive, TapPoint::LocalInput, TapPoint::LinkTransmit]);
}

#[test]
fn each_hook_refuses_at_its_place() {
    // What still passes: received and delivered, forwarded, sent.
    let table = [
        ("prerouting", 0, 0, 1),
        ("input", 0, 1, 1),
        ("forward", 1, 0, 1),
        ("output", 1, 1, 0),
        ("postrouting", 1, 0, 0),
        ("none", 1, 1, 1),
    ];
    for (place, delivered, forwarded, transmitted) in table {
        let mut host = router();
        register(&mut host, 1, identity(None, None, 7)).unwrap();
        host.add_hook(Box::new(Refuse(place)));
        receive(&mut host, 1, packet("10.0.0.2", "10.0.0.1", 7, b"in"));
        receive(&mut host, 1, packet("10.0.0.2", "10.0.1.2", 7, b"through"));
        send(&mut host, None, "10.0.0.2", b"out");
        let counts = (inbox(&mut host).len(), sent(&mut host, 2).len(), sent(&mut host, 1).len());
        assert_eq!(counts, (delivered, forwarded, transmitted), "{place}");
        let refused = 3 - delivered - forwarded - transmitted;
        assert_eq!(host.counters().drops.of(DropReason::Policy), refused as u64, "{place}");
    }
}
