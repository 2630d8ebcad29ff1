//! Taking turns, both families, stamps of arrival, and limits of the tables.

use super::host::{Node, turn};
use super::script::Script;
use super::world::{Wire, World};
use crate::{Cause, Probe, State, SynCookies, TcpConfig, TcpEvent};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use stack_core::{EndpointId, Error, Families, Instant, TransportProtocol, TxBatch};
use std::sync::Mutex;

fn poll(node: &mut Node, budget: usize) -> (Vec<stack_core::TxPacket>, bool) {
    let mut out = TxBatch::new();
    let more = node.with(|tcp, cx| tcp.poll_transmit(cx, &mut out, budget));
    let packets = core::iter::from_fn(|| out.pop().map(|packet| *packet)).collect();
    (packets, more)
}

/// Three connections with data to send.
fn busy() -> World {
    // No pause in here is one that makes the windows start again.
    let config = TcpConfig { min_rto: Duration::from_secs(60), ..TcpConfig::default() };
    let mut world = World::new(1, Wire::GOOD, config);
    world.nodes[0].services.max_gso = 65_535;
    let listener = world.listen(5);
    let ids: Vec<EndpointId> = (0..3).map(|_| world.connect()).collect();
    world.run(Duration::from_millis(100));
    let peers: Vec<EndpointId> = (0..3).map(|_| world.accept(listener).unwrap()).collect();
    let mut buffer = alloc::vec![0; 1 << 20];
    for _ in 0..6 {
        for (&id, &peer) in ids.iter().zip(&peers) {
            let _ = world.nodes[0].with(|tcp, cx| tcp.write(cx, id, &buffer[..400_000]));
            world.run(Duration::from_millis(200));
            let _ = world.nodes[1].with(|tcp, cx| tcp.read(cx, peer, &mut buffer));
        }
    }
    world.run(Duration::from_millis(200));
    for &id in &ids {
        let _ = world.nodes[0].with(|tcp, cx| tcp.write(cx, id, &[1; 1_000_000]));
    }
    world
}

#[test]
fn connections_take_turns_of_a_super_packet_each() {
    let mut world = busy();
    let (packets, more) = poll(&mut world.nodes[0], 6);
    assert!(more && packets.len() == 6);
    let mut sent = alloc::collections::BTreeMap::<u16, usize>::new();
    for packet in &packets {
        *sent.entry(u16::from_be_bytes([packet.header()[0], packet.header()[1]])).or_default() +=
            packet.payload_len();
    }
    assert_eq!(sent.len(), 3, "each had a turn");
    let (least, most) = (sent.values().min().unwrap(), sent.values().max().unwrap());
    assert!(most - least <= 65_536, "{sent:?}");
}

#[test]
fn control_packets_go_first_and_leave_room() {
    let mut world = busy();
    let node = &mut world.nodes[0];
    let mut stray = Script::new(TcpConfig::default());
    stray.peer = "10.0.0.2:9".parse().unwrap();
    for _ in 0..100 {
        node.receive(stray.packet(". 5:5 ack 77"));
    }
    let (packets, more) = poll(node, 8);
    let resets = packets.iter().filter(|packet| packet.payload_len() == 0).count();
    assert_eq!((packets.len(), resets, more), (8, 6, true));
    assert!(packets.iter().take(6).all(|packet| packet.payload_len() == 0));
}

#[test]
fn ipv6_works_alike_and_a_dual_socket_takes_both() {
    for address in ["2001:db8::2", "10.0.0.2"] {
        let mut world = World::new(1, Wire::GOOD, TcpConfig::default());
        if address.contains(':') {
            world.nodes[0].services.address = "2001:db8::1".parse().unwrap();
            world.nodes[1].services.address = address.parse().unwrap();
        }
        let listener = world.nodes[1].with(|tcp, cx| {
            let id = tcp.create(cx, Families::Dual).unwrap();
            tcp.bind(cx, id, "[::]:80".parse().unwrap()).unwrap();
            tcp.listen(cx, id, 1).unwrap();
            id
        });
        let to = SocketAddr::new(address.parse().unwrap(), 80);
        let client = world.nodes[0].with(|tcp, cx| {
            let id = tcp.create(cx, Families::Dual).unwrap();
            assert_eq!(tcp.connect(cx, id, to), Err(Error::ConnectStarted));
            tcp.write(cx, id, b"hello").unwrap();
            id
        });
        world.run(Duration::from_millis(100));
        let server = world.accept(listener).expect(address);
        let mut buffer = [0; 10];
        assert_eq!(world.nodes[1].with(|tcp, cx| tcp.read(cx, server, &mut buffer)), Ok(5));
        let mss = if address.contains(':') { 1440 - 12 } else { 1460 - 12 };
        assert_eq!(world.nodes[0].tcp.info(client).unwrap().mss, mss);
    }
}

#[test]
fn an_ipv4_address_in_ipv6_clothes_is_ipv4() {
    let mut s = Script::new(Script::plain());
    let id = s.node.with(|tcp, cx| {
        let id = tcp.create(cx, Families::Dual).unwrap();
        assert_eq!(
            tcp.connect(cx, id, "[::ffff:10.0.0.2]:5000".parse().unwrap()),
            Err(Error::ConnectStarted)
        );
        id
    });
    assert_eq!(s.node.tcp.remote_address(id), Ok("[::ffff:10.0.0.2]:5000".parse().unwrap()));
    let listed: Vec<_> = s.node.tcp.connections().filter_map(|entry| entry.remote).collect();
    assert_eq!(listed, ["10.0.0.2:5000".parse().unwrap()], "what the network sees");
    let only_v6 = s.node.with(|tcp, cx| {
        let id = tcp.create(cx, Families::V6).unwrap();
        tcp.connect(cx, id, "[::ffff:10.0.0.2]:5000".parse().unwrap())
    });
    assert_eq!(only_v6, Err(Error::AddressFamily));
}

#[test]
fn round_trips_end_when_the_packet_arrives_not_when_it_is_processed() {
    let mut world = World::new(1, Wire::GOOD, TcpConfig { timestamps: false, ..TcpConfig::default() });
    let listener = world.listen(1);
    let client = world.connect();
    world.run(Duration::from_millis(100));
    world.accept(listener).unwrap();
    let before = world.nodes[0].tcp.info(client).unwrap().srtt.unwrap();
    let [a, b] = &mut world.nodes;
    a.with(|tcp, cx| tcp.write(cx, client, &[1; 5000])).unwrap();
    let sent = a.transmit(32);
    b.now += Duration::from_millis(20);
    let arrived = b.now;
    sent.into_iter().for_each(|packet| b.receive(turn(packet, arrived)));
    a.now = arrived + Duration::from_secs(5); // somebody held the lock
    for packet in b.transmit(32) {
        let mut packet = turn(packet, arrived);
        packet.meta.received_at = arrived;
        let id = a.services.table.values().next().copied().unwrap();
        a.with(|tcp, cx| tcp.receive(cx, id, &mut packet)).unwrap();
    }
    let after = world.nodes[0].tcp.info(client).unwrap().srtt.unwrap();
    assert!(after <= before + Duration::from_millis(5), "{before:?} {after:?}");
}

#[test]
fn tables_are_full_at_their_caps() {
    let config = TcpConfig { max_sockets: 2, ..Script::plain() };
    let mut s = Script::listening(config, 5);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    s.inject(". 1:1 ack 1 win 1000");
    assert_eq!(s.node.with(|tcp, cx| tcp.create(cx, Families::V4)), Err(Error::LimitReached));
    s.peer.set_port(2);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    s.inject(". 1:1 ack 1 win 1000");
    assert_eq!(s.node.tcp.table_sizes(), (2, 1, 0), "it stays half open until there is room");
    let config = TcpConfig { max_half_open: 1, syn_cookies: SynCookies::Off, ..Script::plain() };
    let mut s = Script::listening(config, 5);
    s.inject("S 0:0 win 1000");
    s.peer.set_port(2);
    s.inject("S 0:0 win 1000");
    assert_eq!((s.node.tcp.table_sizes().1, s.counters().listen_drops), (1, 1));
}

#[derive(Default)]
struct Recorder(Mutex<Vec<TcpEvent>>);

impl Probe for Recorder {
    fn event(&self, _: Instant, _: EndpointId, event: &TcpEvent) {
        self.0.lock().unwrap().push(*event);
    }
}

#[test]
fn a_probe_sees_the_life_of_a_connection() {
    let recorder = Arc::new(Recorder::default());
    let config = TcpConfig { probe: Some(recorder.clone()), ..Script::plain() };
    let mut s = Script::accepted(config, "mss 1000");
    s.write(1000).unwrap();
    s.advance(250);
    s.inject(". 1:1 ack 1001");
    s.write(1000).unwrap();
    s.advance(50);
    s.inject(". 1:1 ack 2001");
    let seen = recorder.0.lock().unwrap();
    let has = |what: &str, f: &dyn Fn(&TcpEvent) -> bool| assert!(seen.iter().any(f), "{what}: {seen:?}");
    has("a state", &|e| matches!(e, TcpEvent::StateChange { to: State::Established, .. }));
    has("a retransmission", &|e| matches!(e, TcpEvent::Retransmit { len: 1000, cause: Cause::Timeout, .. }));
    has("a window", &|e| matches!(e, TcpEvent::Window { cwnd: 1000, .. }));
    has("a sample", &|e| matches!(e, TcpEvent::RttSample { rtt, .. } if rtt.as_millis() == 50));
    has("a recovery", &|e| matches!(e, TcpEvent::RecoveryBegins { cause: Cause::Timeout, .. }));
}
