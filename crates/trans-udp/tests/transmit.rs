//! Outbound datagrams: what is built, what is refused and why, and whose turn it is.

mod common;

use common::*;
use proptest::prelude::*;
use stack_core::*;
use trans_udp::{SendOptions, UdpConfig};

const PEER: &str = "10.0.0.2:99";
const PEER6: &str = "[2001:db8::2]:99";

fn only(mut sent: Vec<Sent>) -> Sent {
    assert_eq!(sent.len(), 1);
    sent.remove(0)
}

// R768-b
#[test]
fn a_datagram_as_others_read_it() {
    let mut net = Net::default();
    for (local, peer, from) in [("0.0.0.0:53", PEER, "10.0.0.1:53"), ("[::]:54", PEER6, "[2001:db8::1]:54")] {
        let id = net.bound(local);
        for payload in [&b""[..], b"x", b"hello", &[0xff; 1472]] {
            assert_eq!(net.send(id, payload, Some(peer)), Ok(payload.len()));
            let sent = only(net.transmit());
            assert_eq!((sent.from, sent.to), (addr(from), addr(peer)));
            assert_eq!(sent.payload, payload);
            assert_eq!((sent.gso_size, sent.ip.protocol, sent.ip.cast), (0, 17, Cast::Unicast));
        }
    }
    assert_eq!(net.udp.counters().out_datagrams, 8);
}

#[test]
fn an_unbound_socket_gets_a_port_and_keeps_it() {
    let mut net = Net::default();
    let id = net.create(Families::Dual);
    assert_eq!(net.send(id, b"?", None), Err(Error::DestinationRequired));
    net.send(id, b"1", Some("[::ffff:10.0.0.2]:99")).unwrap();
    net.send(id, b"2", Some(PEER6)).unwrap();
    let sent = net.transmit();
    assert!(sent[0].from.port() >= 49_152);
    assert_eq!(sent[0].from.port(), sent[1].from.port());
    assert_eq!((sent[0].from.is_ipv4(), sent[1].from.is_ipv4()), (true, false));
    net.connect(id, PEER6).unwrap();
    net.with(|udp, cx| udp.disconnect(cx, id)).unwrap();
    assert_eq!(net.udp.local_address(id).unwrap().port(), sent[0].from.port());
}

#[test]
fn a_connected_socket_keeps_its_source_and_may_send_elsewhere() {
    let mut net = Net::default();
    let id = net.create(Families::V4);
    net.connect(id, PEER).unwrap();
    net.send(id, b"peer", None).unwrap();
    net.send(id, b"other", Some("10.0.0.3:7")).unwrap();
    let sent = net.transmit();
    assert_eq!((sent[0].to, sent[1].to), (addr(PEER), addr("10.0.0.3:7")));
    let source = Some(US_V4.parse().unwrap());
    assert!(net.host.queries[1..].iter().all(|query| query.local == source), "{:?}", net.host.queries);
}

#[test]
fn the_routing_table_is_asked_once_while_its_answer_holds() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    for _ in 0..5 {
        net.send(id, b"x", Some(PEER)).unwrap();
    }
    assert_eq!(net.host.queries.len(), 1);
    net.host.generation += 1;
    net.send(id, b"x", Some(PEER)).unwrap();
    assert_eq!(net.host.queries.len(), 2);
    assert_eq!(net.transmit().last().unwrap().hop.generation, 2);
}

#[test]
fn refusals_queue_nothing() {
    let mut net = Net::default();
    let v4 = net.bound("0.0.0.0:53");
    let v6 = net.bound("[::]:53");
    let narrowed = net.create(Families::Dual);
    net.bind(narrowed, "[::ffff:10.0.0.1]:54").unwrap();
    let long = vec![0; 65_528];
    for (id, bytes, to, error) in [
        (v4, &b""[..], Some("192.0.2.1:9"), Error::NoRoute),
        (v4, b"", Some("10.0.0.2:0"), Error::InvalidArgument),
        (v4, b"", Some("0.0.0.0:9"), Error::InvalidArgument),
        (v4, b"", Some(PEER6), Error::AddressFamily),
        (v6, b"", Some(PEER), Error::AddressFamily),
        (v6, b"", Some("[::ffff:10.0.0.2]:9"), Error::AddressFamily),
        (narrowed, b"", Some(PEER6), Error::AddressFamily),
        (v4, b"", Some("10.0.0.255:9"), Error::BroadcastDisabled),
        (v4, b"", Some("255.255.255.255:9"), Error::BroadcastDisabled),
        (v4, &long[..65_508], Some(PEER), Error::MessageTooLarge),
        (v6, &long[..65_528], Some(PEER6), Error::MessageTooLarge),
        (v4, b"", None, Error::DestinationRequired),
    ] {
        assert_eq!(net.send(id, bytes, to), Err(error), "{to:?}");
    }
    assert!(net.transmit().is_empty());
    assert_eq!(net.send(v4, &long[..65_507], Some(PEER)), Ok(65_507));
    assert_eq!(net.send(v6, &long[..65_527], Some(PEER6)), Ok(65_527));
    assert_eq!(net.transmit().len(), 2);
}

// R1122-3.2.1.6-a, R1122-3.2.1.7-c
#[test]
fn options_reach_the_packet() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.send(id, b"", Some(PEER)).unwrap();
    net.send(id, b"", Some("239.1.1.1:9")).unwrap();
    for option in [
        SocketOption::Broadcast(true),
        SocketOption::HopLimit(9),
        SocketOption::MulticastHopLimit(5),
        SocketOption::MulticastLoop(false),
        SocketOption::MulticastNic(Some(NicId(3))),
        SocketOption::TrafficClass(0xb9),
        SocketOption::Mark(42),
        SocketOption::DontFragment(true),
    ] {
        net.set(id, option).unwrap();
    }
    for to in [PEER, "239.1.1.1:9", "10.0.0.255:9"] {
        net.send(id, b"", Some(to)).unwrap();
    }
    let sent = net.transmit();
    let limits: Vec<u8> = sent.iter().map(|sent| sent.ip.hop_limit).collect();
    assert_eq!(limits, [0, 1, 9, 5, 9]);
    let casts: Vec<Cast> = sent[2..].iter().map(|sent| sent.ip.cast).collect();
    assert_eq!(casts, [Cast::Unicast, Cast::Multicast, Cast::Broadcast]);
    let nics: Vec<_> = sent.iter().map(|sent| sent.bound_nic).collect();
    assert_eq!(nics, [None, None, None, Some(NicId(3)), None]);
    assert_eq!(sent[3].hop.nic, NicId(3));
    assert!(sent[1].multicast_loop && !sent[3].multicast_loop);
    assert!(!sent[0].ip.dont_fragment && sent[2].ip.dont_fragment);
    assert_eq!((sent[2].ip.traffic_class, sent[2].mark), (0xb9, 42));
    assert_eq!(net.set(id, SocketOption::HopLimit(0)), Err(Error::InvalidArgument));
    assert_eq!(net.set(id, SocketOption::MulticastHopLimit(0)), Err(Error::InvalidArgument));
}

#[test]
fn bound_interfaces_and_zones_are_binding() {
    let mut net = Net::default();
    let id = net.create(Families::V6);
    net.send(id, b"", Some("[fe80::2%3]:9")).unwrap();
    net.set(id, SocketOption::BindToNic(Some(NicId(2)))).unwrap();
    net.send(id, b"", Some(PEER6)).unwrap();
    assert_eq!(net.send(id, b"", Some("[fe80::2%3]:9")), Err(Error::InvalidArgument));
    let nics: Vec<_> = net.transmit().iter().map(|sent| (sent.bound_nic, sent.hop.nic)).collect();
    assert_eq!(nics, [(Some(NicId(3)), NicId(3)), (Some(NicId(2)), NicId(2))]);
}

// R1122-4.1.3.5-a, R1122-3.2.1.3-d, R1122-3.3.4.2-a
#[test]
fn an_answer_can_come_from_the_address_that_was_asked() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let mut send = |source: &str| {
        let options = SendOptions {
            to: Some(addr(PEER)),
            source: Some(source.parse().unwrap()),
            hop_limit: Some(3),
            traffic_class: Some(1),
            ..SendOptions::default()
        };
        net.with(|udp, cx| udp.send_message(cx, id, b"answer", &options))
    };
    assert_eq!(send("10.0.0.77"), Err(Error::BadLocalAddress));
    assert_eq!(send(US_V6), Err(Error::AddressFamily));
    assert_eq!(send("10.0.0.9"), Ok(6));
    let sent = only(net.transmit());
    assert_eq!(sent.from, addr("10.0.0.9:53"));
    assert_eq!((sent.ip.hop_limit, sent.ip.traffic_class), (3, 1));
}

#[test]
fn a_socket_bound_to_a_group_does_not_send_from_it() {
    let mut net = Net::default();
    let id = net.bound("239.1.1.1:53");
    net.send(id, b"", Some(PEER)).unwrap();
    assert_eq!(only(net.transmit()).from, addr("10.0.0.1:53"));
}

// R1122-3.3.3-a
#[test]
fn fragments_can_be_forbidden() {
    let mut net = Net::default();
    for (local, peer, fits) in [("0.0.0.0:53", PEER, 1472), ("[::]:53", PEER6, 1452)] {
        let id = net.bound(local);
        let bytes = vec![0; fits + 1];
        assert_eq!(net.send(id, &bytes, Some(peer)), Ok(fits + 1));
        net.set(id, SocketOption::DontFragment(true)).unwrap();
        assert_eq!(net.send(id, &bytes, Some(peer)), Err(Error::MessageTooLarge));
        assert_eq!(net.send(id, &bytes[1..], Some(peer)), Ok(fits));
    }
}

#[test]
fn the_send_buffer_holds_back_and_wakes() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::SendBuffer(10_000)).unwrap();
    let (waker, _) = counting_waker();
    let mut sent = 0;
    while net.udp.readiness(id).writable {
        assert_eq!(net.send(id, &[0; 1000], Some(PEER)), Ok(1000), "writable is exact");
        sent += 1;
    }
    assert!((8..=10).contains(&sent), "{sent} datagrams of 1000 bytes");
    assert_eq!(net.send(id, b"", Some(PEER)), Err(Error::WouldBlock));
    assert_eq!(net.udp.counters().sndbuf_errors, 1);
    net.udp.register(id, Interest::Writable, &waker);
    let mut out = TxBatch::new();
    assert!(net.with(|udp, cx| udp.poll_transmit(cx, &mut out, 1)));
    assert_eq!((out.len(), net.wakes.len()), (1, 1));
    assert!(net.udp.readiness(id).writable);
}

#[test]
fn a_datagram_larger_than_the_buffer_passes_an_empty_queue() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::SendBuffer(1)).unwrap();
    assert_eq!(net.send(id, &[0; 60_000], Some(PEER)), Ok(60_000));
    assert_eq!(net.send(id, b"", Some(PEER)), Err(Error::WouldBlock));
}

#[test]
fn sockets_take_turns_within_the_budget() {
    let mut net = Net::default();
    let ids = [net.bound("0.0.0.0:1"), net.bound("0.0.0.0:2"), net.bound("0.0.0.0:3")];
    for (id, count) in ids.into_iter().zip([4, 1, 2]) {
        for _ in 0..count {
            net.send(id, b"", Some(PEER)).unwrap();
        }
    }
    let mut out = TxBatch::new();
    assert!(net.with(|udp, cx| udp.poll_transmit(cx, &mut out, 5)));
    assert_eq!(out.len(), 5);
    assert!(!net.with(|udp, cx| udp.poll_transmit(cx, &mut out, 2)));
    let ports: Vec<u8> = out.iter().map(|packet| packet.header()[1]).collect();
    assert_eq!(ports, [1, 2, 3, 1, 3, 1, 1]);
    assert!(!net.with(|udp, cx| udp.poll_transmit(cx, &mut out, 2)));
    assert_eq!(out.len(), 7);
}

#[test]
fn what_was_written_before_closing_is_sent() {
    let mut net = Net::new(UdpConfig { max_sockets: 1, ..UdpConfig::default() });
    let id = net.bound("0.0.0.0:53");
    net.send(id, b"1", Some(PEER)).unwrap();
    net.send(id, b"2", Some(PEER)).unwrap();
    net.close(id);
    assert_eq!(net.send(id, b"3", Some(PEER)), Err(Error::UnknownEndpoint));
    assert_eq!(net.deliver(id, datagram(PEER, "10.0.0.1:53", b"")), Err(DropReason::NoEndpoint));
    assert_eq!(net.with(|udp, cx| udp.create(cx, Families::V4)), Err(Error::LimitReached));
    let sent: Vec<Vec<u8>> = net.transmit().into_iter().map(|sent| sent.payload).collect();
    assert_eq!(sent, [b"1", b"2"]);
    assert_eq!(net.udp.socket_count(), 0);
}

#[test]
fn super_packets_are_built_whole_and_cut_to_what_the_route_takes() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let payload: Vec<u8> = (0..25_000u32).map(|i| i as u8).collect();
    let mut send = |max_gso: u32, len: usize, segment: usize| {
        net.host.max_gso = Some(max_gso);
        net.host.generation += 1;
        let to = Some(addr(PEER));
        let sent = net.with(|udp, cx| udp.send_segmented(cx, id, &payload[..len], segment, to));
        let packets = net.transmit();
        let bytes: Vec<u8> = packets.iter().flat_map(|sent| sent.payload.clone()).collect();
        assert!(sent.is_err() || bytes == payload[..len]);
        sent.map(|_| packets.iter().map(|sent| (sent.payload.len(), sent.gso_size)).collect::<Vec<_>>())
    };
    assert_eq!(send(65_535, 25_000, 1200), Ok(vec![(25_000, 1200)]));
    assert_eq!(send(12_100, 25_000, 1200), Ok(vec![(12_000, 1200), (12_000, 1200), (1000, 0)]));
    assert_eq!(send(1500, 3000, 1200), Ok(vec![(1200, 0), (1200, 0), (600, 0)]));
    assert_eq!(send(65_535, 1000, 100), Ok(vec![(1000, 100)]));
    assert_eq!(send(65_535, 100, 100), Ok(vec![(100, 0)]));
    assert_eq!(send(65_535, 0, 100), Ok(vec![(0, 0)]));
    assert_eq!(send(65_535, 130, 2), Ok(vec![(128, 2), (2, 0)]), "64 segments at most");
    assert_eq!(send(65_535, 25_000, 1473), Err(Error::MessageTooLarge), "never fragmented");
    assert_eq!(send(65_535, 1473, 1473), Err(Error::MessageTooLarge), "not even a single one");
    assert_eq!(net.udp.counters().out_datagrams, 21 + 21 + 3 + 10 + 1 + 1 + 65);
}

#[test]
fn a_shared_payload_is_not_copied() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let payload = bytes::Bytes::from(vec![1; 3000]);
    net.with(|udp, cx| udp.send_segmented(cx, id, payload.clone(), 1000, Some(addr(PEER)))).unwrap();
    let mut out = TxBatch::new();
    net.with(|udp, cx| udp.poll_transmit(cx, &mut out, 8));
    assert_eq!(out.front().unwrap().payload()[0].as_ptr(), payload.as_ptr());
}

proptest! {
    #[test]
    fn whatever_is_sent_comes_back_when_turned_around(
        payload in proptest::collection::vec(any::<u8>(), 0..3000),
        segment in 0usize..1400,
        v6: bool,
    ) {
        let mut net = Net::default();
        net.host.max_gso = Some(2000);
        let (id, to) = if v6 { (net.bound("[::]:53"), "[2001:db8::1]:53") } else { (net.bound("0.0.0.0:53"), "10.0.0.1:53") };
        net.with(|udp, cx| udp.send_segmented(cx, id, &payload[..], segment, Some(addr(to)))).unwrap();
        let mut out = TxBatch::new();
        while net.with(|udp, cx| udp.poll_transmit(cx, &mut out, 3)) {}
        for packet in out.iter_mut() {
            let ip = packet.ip;
            let mut rx = packet.to_rx(Instant::ZERO);
            rx.ip = ip;
            prop_assert_eq!(net.deliver(id, rx), Ok(()));
        }
        let sizes = if segment == 0 { payload.len().max(1) } else { segment };
        let mut expected: Vec<&[u8]> = payload.chunks(sizes).collect();
        if expected.is_empty() {
            expected.push(&[]);
        }
        for datagram in expected {
            prop_assert_eq!(net.recv(id).unwrap(), (datagram.to_vec(), addr(to)));
        }
        prop_assert_eq!(net.recv(id), Err(Error::WouldBlock));
        prop_assert_eq!(net.udp.counters().in_datagrams, net.udp.counters().out_datagrams);
    }
}
