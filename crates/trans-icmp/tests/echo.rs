//! Echo sockets of both families: identity, requests, replies.

mod common;

use common::*;
use proptest::prelude::*;
use stack_core::*;
use trans_icmp::{Icmp, IcmpConfig, V4, V6};

/// The same test for both families.
macro_rules! both {
    ($($name:ident)*) => {
        mod v4 { use super::*; $(#[test] fn $name() { super::$name::<V4>(); })* }
        mod v6 { use super::*; $(#[test] fn $name() { super::$name::<V6>(); })* }
    };
}

both! {
    identifiers_are_chosen_or_free_and_not_shared
    connect_narrows_the_identity_and_disconnect_widens_it
    a_connect_that_fails_changes_nothing
    requests_as_others_read_them
    refusals_queue_nothing
    options_reach_the_packet
    fragments_can_be_forbidden
    the_send_buffer_holds_back_and_wakes
    sockets_take_turns_within_the_budget
    what_was_written_before_closing_is_sent
    replies_come_whole_and_in_order
    replies_that_are_not_for_us
    what_is_no_reply_is_ignored
    checksums
    a_reply_in_pieces_arrives_whole
    buffers_are_bounded
    small_replies_do_not_pin_large_packets
    the_common_calls_speak_whole_messages
    a_shut_down_socket_ends
    closing_gives_everything_back
}

#[test]
fn numbers_and_names() {
    assert_eq!((Icmp::v4().number(), Icmp::v4().name()), (1, "ICMPv4"));
    assert_eq!((Icmp::v6().number(), Icmp::v6().name()), (58, "ICMPv6"));
}

#[test]
fn ports_are_identifiers_of_replies_and_of_quoted_requests() {
    let message = |kind: u8| [kind, 0, 0, 0, 0x12, 0x34, 0, 9];
    let (v4, v6) = (Icmp::v4(), Icmp::v6());
    assert_eq!(v4.parse_ports(&message(0)), Some((0, 0x1234)));
    assert_eq!(v4.parse_ports(&message(8)), Some((0, 0)));
    assert_eq!(v6.parse_ports(&message(129)), Some((0, 0x1234)));
    assert_eq!(v6.parse_ports(&message(128)), Some((0, 0)));
    assert_eq!(v6.parse_ports(&message(129)[..5]), None);
    assert_eq!(v4.parse_quoted_ports(&message(8)), Some((0x1234, 0)));
    assert_eq!(v4.parse_quoted_ports(&message(0)), None);
    assert_eq!(v6.parse_quoted_ports(&message(128)), Some((0x1234, 0)));
    assert_eq!(v6.parse_quoted_ports(&message(129)), None);
    assert_eq!(v6.parse_quoted_ports(&message(128)[..7]), None);
}

fn identifiers_are_chosen_or_free_and_not_shared<F: Case>() {
    let mut net = Net::<F>::default();
    let chosen = net.bound(77);
    assert_eq!(net.icmp.local_address(chosen), Ok(addr(F::ANY, 77)));
    assert_eq!(net.bind(chosen, F::ANY, 78), Err(Error::AlreadyBound));
    let other = net.create();
    assert_eq!(net.icmp.local_address(other), Ok(addr(F::ANY, 0)));
    assert_eq!(net.bind(other, F::ANY, 77), Err(Error::PortInUse));
    assert_eq!(net.bind(other, F::OTHER, 78), Err(Error::BadLocalAddress));
    assert_eq!(net.bind(other, F::WRONG, 78), Err(Error::AddressFamily));
    assert_eq!(net.bind(other, F::US, 0), Ok(()));
    let free = net.icmp.local_address(other).unwrap();
    assert!(free.ip() == F::US.parse::<core::net::IpAddr>().unwrap() && free.port() != 0);
    assert_eq!(net.identity(other).families, F::FAMILIES);
    let wrong = if F::FAMILIES == Families::V4 { Families::V6 } else { Families::V4 };
    assert_eq!(net.with(|icmp, cx| icmp.create(cx, wrong)), Err(Error::AddressFamily));
}

fn connect_narrows_the_identity_and_disconnect_widens_it<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    let unconnected = net.identity(id);
    net.connect(id, F::PEER).unwrap();
    let identity = net.identity(id);
    assert_eq!((identity.remote, identity.remote_port), (Some(F::PEER.parse().unwrap()), 0));
    assert_eq!(net.icmp.local_address(id), Ok(addr(F::US, 77)));
    assert_eq!(net.icmp.remote_address(id), Ok(addr(F::PEER, 0)));
    net.connect(id, F::OTHER).unwrap();
    assert_eq!(net.identity(id).remote, Some(F::OTHER.parse().unwrap()));
    net.with(|icmp, cx| icmp.disconnect(cx, id)).unwrap();
    assert_eq!(net.identity(id), unconnected);
    assert_eq!(net.with(|icmp, cx| icmp.disconnect(cx, id)), Err(Error::NotConnected));
    net.set(id, SocketOption::BindToNic(Some(NicId(2)))).unwrap();
    assert_eq!(net.identity(id).nic, Some(NicId(2)));
    net.connect(id, F::PEER).unwrap();
    net.with(|icmp, cx| icmp.disconnect(cx, id)).unwrap();
    assert_eq!(net.identity(id).nic, Some(NicId(2)));
    let fresh = net.create();
    net.connect(fresh, F::PEER).unwrap();
    assert!(net.identity(fresh).local_port != 0);
}

fn a_connect_that_fails_changes_nothing<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    net.connect(id, F::PEER).unwrap();
    let before = net.identity(id);
    assert_eq!(net.connect(id, F::ANY), Err(Error::InvalidArgument));
    assert_eq!(net.connect(id, F::WRONG), Err(Error::AddressFamily));
    net.host.refuse = true;
    assert_eq!(net.connect(id, F::OTHER), Err(Error::PortInUse));
    assert_eq!(net.identity(id), before);
    assert_eq!(net.icmp.remote_address(id), Ok(addr(F::PEER, 0)));
    let unbound = net.create();
    net.host.refuse = true;
    assert_eq!(net.bind(unbound, F::ANY, 5), Err(Error::PortInUse));
    assert_eq!(net.host.ports.len(), 1);
}

fn requests_as_others_read_them<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(0x1234);
    for (seq, data) in [(0, &b""[..]), (1, b"x"), (65_535, b"odd"), (7, &[0xff; 1400])] {
        assert_eq!(net.send(id, seq, data, Some(F::PEER)), Ok(data.len()));
        let sent = net.transmit().remove(0);
        assert_eq!((sent.ident, sent.seq, &sent.payload[..]), (0x1234, seq, data));
        assert_eq!((sent.ip.src, sent.ip.dst), (F::US.parse().unwrap(), F::PEER.parse().unwrap()));
        assert_eq!(sent.ip.protocol, F::PROTOCOL);
    }
    assert_eq!(net.icmp.counters().out_echos, 4);
    assert_eq!(net.host.queries.len(), 1, "the route is asked for once");
    net.host.generation += 1;
    net.send(id, 0, b"", Some(F::PEER)).unwrap();
    assert_eq!(net.host.queries.len(), 2, "and again when it no longer holds");
}

fn refusals_queue_nothing<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    let long = vec![0; F::MAX_PAYLOAD + 1];
    assert_eq!(net.send(id, 0, b"", None), Err(Error::DestinationRequired));
    assert_eq!(net.send(id, 0, b"", Some(F::WRONG)), Err(Error::AddressFamily));
    assert_eq!(net.send(id, 0, b"", Some(F::ANY)), Err(Error::InvalidArgument));
    assert_eq!(net.send(id, 0, &long, Some(F::PEER)), Err(Error::MessageTooLarge));
    assert!(net.transmit().is_empty());
    assert_eq!(net.send(id, 0, &long[1..], Some(F::PEER)), Ok(F::MAX_PAYLOAD));
    assert_eq!(net.transmit().len(), 1);
}

#[test]
fn broadcast_is_to_be_allowed_and_mapped_addresses_are_not_ours() {
    let mut net = Net::<V4>::default();
    let id = net.bound(77);
    assert_eq!(net.send(id, 0, b"", Some("192.0.2.1")), Err(Error::NoRoute));
    assert_eq!(net.send(id, 0, b"", Some("10.0.0.255")), Err(Error::BroadcastDisabled));
    net.set(id, SocketOption::Broadcast(true)).unwrap();
    net.send(id, 0, b"", Some("10.0.0.255")).unwrap();
    assert_eq!(net.transmit()[0].ip.cast, Cast::Broadcast);
    let mut net = Net::<V6>::default();
    let id = net.bound(77);
    assert_eq!(net.send(id, 0, b"", Some("::ffff:10.0.0.2")), Err(Error::AddressFamily));
}

#[test]
fn zones_choose_the_interface_and_are_shown() {
    let mut net = Net::<V6>::default();
    let id = net.bound(77);
    net.send(id, 0, b"", Some("fe80::2%3")).unwrap();
    let sent = net.transmit().remove(0);
    assert_eq!((sent.bound_nic, sent.hop.nic), (Some(NicId(3)), NicId(3)));
    net.deliver(id, Net::<V6>::reply("fe80::2", 77, 0, b"")).unwrap();
    assert_eq!(net.recv(id).unwrap().from, addr("fe80::2%1", 0));
    net.set(id, SocketOption::BindToNic(Some(NicId(2)))).unwrap();
    assert_eq!(net.connect(id, "fe80::2%3"), Err(Error::InvalidArgument));
}

fn options_reach_the_packet<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    net.send(id, 0, b"", Some(F::PEER)).unwrap();
    net.send(id, 1, b"", Some(F::GROUP)).unwrap();
    for option in [
        SocketOption::HopLimit(9),
        SocketOption::MulticastHopLimit(5),
        SocketOption::MulticastLoop(false),
        SocketOption::MulticastNic(Some(NicId(3))),
        SocketOption::TrafficClass(0xb8),
        SocketOption::Mark(42),
        SocketOption::DontFragment(true),
    ] {
        net.set(id, option).unwrap();
    }
    net.send(id, 2, b"", Some(F::PEER)).unwrap();
    net.send(id, 3, b"", Some(F::GROUP)).unwrap();
    let sent = net.transmit();
    let limits: Vec<u8> = sent.iter().map(|sent| sent.ip.hop_limit).collect();
    assert_eq!(limits, [0, 1, 9, 5]);
    let nics: Vec<_> = sent.iter().map(|sent| sent.bound_nic).collect();
    assert_eq!(nics, [None, None, None, Some(NicId(3))]);
    assert!(sent[1].multicast_loop && !sent[3].multicast_loop);
    assert!(!sent[0].ip.dont_fragment && sent[2].ip.dont_fragment);
    assert_eq!((sent[2].ip.traffic_class, sent[2].mark), (0xb8, 42));
    assert_eq!(net.set(id, SocketOption::HopLimit(0)), Err(Error::InvalidArgument));
    assert_eq!(net.set(id, SocketOption::ReusePort(true)), Err(Error::NotSupported));
}

fn fragments_can_be_forbidden<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    let fits = 1500 - 8 - F::IP_HEADER_LEN;
    let data = vec![0; fits + 1];
    assert_eq!(net.send(id, 0, &data, Some(F::PEER)), Ok(fits + 1));
    net.set(id, SocketOption::DontFragment(true)).unwrap();
    assert_eq!(net.send(id, 0, &data, Some(F::PEER)), Err(Error::MessageTooLarge));
    assert_eq!(net.send(id, 0, &data[1..], Some(F::PEER)), Ok(fits));
}

fn the_send_buffer_holds_back_and_wakes<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    net.set(id, SocketOption::SendBuffer(10_000)).unwrap();
    let mut sent = 0;
    while net.icmp.readiness(id).writable {
        assert_eq!(net.send(id, sent, &[0; 1000], Some(F::PEER)), Ok(1000), "writable is exact");
        sent += 1;
    }
    assert!((8..=10).contains(&sent), "{sent} requests of 1000 bytes");
    assert_eq!(net.send(id, 0, b"", Some(F::PEER)), Err(Error::WouldBlock));
    assert_eq!(net.icmp.counters().sndbuf_errors, 1);
    net.icmp.register(id, Interest::Writable, &waker());
    let mut out = TxBatch::new();
    assert!(net.with(|icmp, cx| icmp.poll_transmit(cx, &mut out, 1)));
    assert_eq!((out.len(), net.wakes.len()), (1, 1));
    assert!(net.icmp.readiness(id).writable);
}

fn sockets_take_turns_within_the_budget<F: Case>() {
    let mut net = Net::<F>::default();
    let ids = [net.bound(1), net.bound(2), net.bound(3)];
    for (id, count) in ids.into_iter().zip([4, 1, 2]) {
        for seq in 0..count {
            net.send(id, seq, b"", Some(F::PEER)).unwrap();
        }
    }
    let mut out = TxBatch::new();
    assert!(net.with(|icmp, cx| icmp.poll_transmit(cx, &mut out, 5)));
    assert_eq!(out.len(), 5);
    assert!(!net.with(|icmp, cx| icmp.poll_transmit(cx, &mut out, 2)));
    let turns: Vec<_> = out.iter().map(|packet| (packet.header()[5], packet.header()[7])).collect();
    assert_eq!(turns, [(1, 0), (2, 0), (3, 0), (1, 1), (3, 1), (1, 2), (1, 3)]);
}

fn what_was_written_before_closing_is_sent<F: Case>() {
    let mut net = Net::<F>::new(IcmpConfig { max_sockets: 1, ..IcmpConfig::default() });
    let id = net.bound(77);
    net.send(id, 1, b"", Some(F::PEER)).unwrap();
    net.send(id, 2, b"", Some(F::PEER)).unwrap();
    net.close(id);
    assert_eq!(net.send(id, 3, b"", Some(F::PEER)), Err(Error::UnknownEndpoint));
    assert_eq!(net.with(|icmp, cx| icmp.create(cx, F::FAMILIES)), Err(Error::LimitReached));
    assert_eq!(net.transmit().len(), 2);
    assert_eq!(net.icmp.socket_count(), 0);
}

fn replies_come_whole_and_in_order<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    net.icmp.register(id, Interest::Readable, &waker());
    assert_eq!(net.recv(id), Err(Error::WouldBlock));
    net.deliver(id, Net::<F>::reply(F::PEER, 77, 1, b"one")).unwrap();
    net.deliver(id, Net::<F>::reply(F::OTHER, 77, 2, &[5; 60_000])).unwrap();
    assert_eq!(net.wakes.len(), 1);
    assert!(net.icmp.readiness(id).readable);
    let reply = net.recv(id).unwrap();
    assert_eq!((reply.from, reply.sequence, &reply.payload[..]), (addr(F::PEER, 0), 1, &b"one"[..]));
    assert_eq!((reply.hop_limit, reply.traffic_class, reply.nic), (61, 4, NicId(1)));
    assert_eq!((reply.local, reply.received_at), (F::US.parse().unwrap(), Instant::from_millis(7)));
    let reply = net.recv(id).unwrap();
    assert_eq!((reply.from, reply.sequence, reply.payload), (addr(F::OTHER, 0), 2, vec![5; 60_000].into()));
    assert_eq!((net.icmp.counters().in_echo_reps, net.icmp.queued_bytes()), (2, 0));
}

fn replies_that_are_not_for_us<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    let other_ident = Net::<F>::reply(F::PEER, 78, 0, b"");
    assert_eq!(net.deliver(id, other_ident), Err(DropReason::NotFromPeer));
    net.connect(id, F::PEER).unwrap();
    let other_peer = Net::<F>::reply(F::OTHER, 77, 0, b"");
    assert_eq!(net.deliver(id, other_peer), Err(DropReason::NotFromPeer));
    let mut nobody = Net::<F>::reply(F::PEER, 99, 0, b"");
    let unknown = net.with(|icmp, cx| icmp.receive_unknown(cx, &mut nobody));
    assert_eq!(unknown, Unknown::Drop(DropReason::NoEndpoint));
    net.close(id);
    let late = Net::<F>::reply(F::PEER, 77, 0, b"");
    assert_eq!(net.deliver(id, late), Err(DropReason::NoEndpoint));
    assert_eq!(net.icmp.counters().in_errors, 4);
}

fn what_is_no_reply_is_ignored<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    for kind in (0..=255).filter(|&kind| kind != F::ECHO_REPLY) {
        let mut packet = Net::<F>::reply(F::PEER, 77, 0, b"");
        patch(&mut packet, |icmp| icmp[0] = kind);
        let unknown = net.with(|icmp, cx| icmp.receive_unknown(cx, &mut packet));
        assert_eq!(unknown, Unknown::Drop(DropReason::IcmpIgnored));
        assert_eq!(net.deliver(id, packet), Err(DropReason::IcmpIgnored));
    }
}

fn checksums<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    for (state, outcome) in [
        (Checksum::Unverified, Err(DropReason::BadTransportChecksum)),
        (Checksum::Verified, Ok(())),
        (Checksum::Partial { start: 20, offset: 2 }, Ok(())),
    ] {
        let mut packet = Net::<F>::reply(F::PEER, 77, 0, b"data");
        patch(&mut packet, |icmp| icmp[9] ^= 4);
        packet.meta.checksum = state;
        assert_eq!(net.deliver(id, packet), outcome, "{state:?}");
    }
    assert_eq!(net.icmp.counters().in_csum_errors, 1);
    for len in 0..8 {
        let mut packet = Net::<F>::reply(F::PEER, 77, 0, b"data");
        packet.truncate(F::IP_HEADER_LEN + len);
        assert_eq!(net.deliver(id, packet), Err(DropReason::TransportMalformed));
    }
}

fn a_reply_in_pieces_arrives_whole<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    for cut in 8..15 {
        let mut packet = Net::<F>::reply(F::PEER, 77, 0, b"payload");
        packet.more = stack_packet::Rope::from(packet.data.split_off(F::IP_HEADER_LEN + cut));
        net.deliver(id, packet).unwrap();
        assert_eq!(net.recv(id).unwrap().payload, &b"payload"[..], "cut at {cut}");
    }
}

fn buffers_are_bounded<F: Case>() {
    let mut net = Net::<F>::new(IcmpConfig { memory_limit: 6000, ..IcmpConfig::default() });
    let (a, b) = (net.bound(1), net.bound(2));
    net.set(a, SocketOption::ReceiveBuffer(0)).unwrap();
    net.set(a, SocketOption::SendBuffer(0)).unwrap();
    assert_eq!(net.icmp.option(a, OptionName::ReceiveBuffer), Ok(SocketOption::ReceiveBuffer(4096)));
    assert_eq!(net.icmp.option(a, OptionName::SendBuffer), Ok(SocketOption::SendBuffer(4096)));
    let empty = Net::<F>::reply(F::PEER, 1, 0, b"");
    let taken = (0..10_000).take_while(|_| net.deliver(a, empty.clone()).is_ok()).count();
    assert!((4..60).contains(&taken), "{taken} in the smallest buffer");
    assert_eq!(net.deliver(a, empty), Err(DropReason::SocketBufferFull));
    let largest = Net::<F>::reply(F::PEER, 1, 0, &[0; 5000]);
    while net.recv(a).is_ok() {}
    assert_eq!(net.deliver(a, largest), Ok(()), "the first one always fits");
    let large = Net::<F>::reply(F::PEER, 2, 0, &[0; 3000]);
    assert_eq!(net.deliver(b, large.clone()), Err(DropReason::MemoryPressure));
    assert_eq!(net.icmp.counters().rcvbuf_errors, 2);
    net.close(a);
    assert_eq!(net.deliver(b, large), Ok(()));
}

fn small_replies_do_not_pin_large_packets<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    for (len, truesize, copied) in [(56, 32_768, true), (1400, 32_768, true), (1400, 1500, false)] {
        let mut packet = Net::<F>::reply(F::PEER, 77, 0, &vec![1; len]);
        packet.meta.truesize = truesize;
        let data = packet.data.clone();
        net.deliver(id, packet).unwrap();
        let charged = net.icmp.queued_bytes();
        assert!((len..len + 500).contains(&charged), "{charged} for {len}");
        let payload = net.recv(id).unwrap().payload;
        assert_eq!(!data.as_ptr_range().contains(&payload.as_ptr()), copied, "{len} of {truesize}");
    }
}

fn the_common_calls_speak_whole_messages<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    let mut message = [F::ECHO_REQUEST, 0, 1, 2, 3, 4, 0, 9, b'h', b'i'];
    let to = Some(addr(F::PEER, 0));
    assert_eq!(net.with(|icmp, cx| icmp.write(cx, id, &message, to)), Ok(10));
    let sent = net.transmit().remove(0);
    assert_eq!((sent.ident, sent.seq, &sent.payload[..]), (77, 9, &b"hi"[..]));
    let packet = Net::<F>::reply(F::PEER, 77, 9, b"hi");
    let whole = packet.transport().to_vec();
    net.deliver(id, packet.clone()).unwrap();
    net.deliver(id, packet).unwrap();
    let mut buffer = [0; 64];
    let read = net.with(|icmp, cx| icmp.read(cx, id, &mut buffer));
    assert_eq!((read, &buffer[..10]), (Ok((10, addr(F::PEER, 0))), &whole[..]));
    assert_eq!(net.with(|icmp, cx| icmp.read(cx, id, &mut buffer[..3])), Ok((3, addr(F::PEER, 0))));
    assert_eq!(net.with(|icmp, cx| icmp.write(cx, id, &message[..7], to)), Err(Error::InvalidArgument));
    message[0] = F::ECHO_REPLY;
    assert_eq!(net.with(|icmp, cx| icmp.write(cx, id, &message, to)), Err(Error::InvalidArgument));
}

fn a_shut_down_socket_ends<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    assert_eq!(net.with(|icmp, cx| icmp.shutdown(cx, id, Shutdown::Both)), Err(Error::NotConnected));
    net.connect(id, F::PEER).unwrap();
    net.deliver(id, Net::<F>::reply(F::PEER, 77, 1, b"")).unwrap();
    net.with(|icmp, cx| icmp.shutdown(cx, id, Shutdown::Both)).unwrap();
    let after = Net::<F>::reply(F::PEER, 77, 2, b"");
    assert_eq!(net.deliver(id, after), Err(DropReason::SocketClosed));
    assert_eq!(net.recv(id).unwrap().sequence, 1);
    assert_eq!(net.recv(id), Err(Error::ClosedForReceive));
    assert_eq!(net.send(id, 0, b"", None), Err(Error::ClosedForSend));
}

fn closing_gives_everything_back<F: Case>() {
    let mut net = Net::<F>::default();
    let id = net.bound(77);
    net.connect(id, F::PEER).unwrap();
    net.deliver(id, Net::<F>::reply(F::PEER, 77, 1, b"unread")).unwrap();
    net.icmp.register(id, Interest::Readable, &waker());
    net.close(id);
    assert!(net.host.ports.is_empty() && net.host.registered.is_empty());
    assert_eq!((net.icmp.queued_bytes(), net.icmp.socket_count(), net.wakes.len()), (0, 0, 1));
    assert_eq!(net.recv(id), Err(Error::UnknownEndpoint));
    let readiness = net.icmp.readiness(id);
    assert!(readiness.read_closed && readiness.write_closed && !readiness.readable);
    assert_eq!(net.create().index, id.index);
    net.close(id);
    assert_eq!(net.icmp.socket_count(), 1, "a stale handle closes nothing");
}

fn any_bytes<F: Case>(bytes: &[u8], more: &[u8], transport: u16, state: u8) {
    let mut net = Net::<F>::default();
    let id = net.bound(0);
    let ident = net.identity(id).local_port.to_be_bytes();
    let mut packet = Net::<F>::reply(F::PEER, 0, 0, b"");
    let mut bytes = bytes.to_vec();
    bytes.iter_mut().skip(4).zip(ident).for_each(|(byte, ident)| *byte = ident);
    packet.data = bytes.into();
    packet.more.write(more);
    packet.transport = transport;
    packet.meta.checksum = if state == 0 { Checksum::Unverified } else { Checksum::Verified };
    let all = packet.transport_len();
    net.with(|icmp, cx| icmp.receive_unknown(cx, &mut packet));
    let delivered = net.deliver(id, packet);
    let reply = net.recv(id);
    assert_eq!(delivered.is_ok(), reply.is_ok());
    assert!(reply.is_err() || reply.unwrap().payload.len() + 8 == all);
    assert_eq!(net.icmp.queued_bytes(), 0);
}

proptest! {
    #[test]
    fn any_bytes_are_a_reply_or_a_reason(
        kind in prop_oneof![Just(0u8), Just(129), any::<u8>()],
        mut bytes in proptest::collection::vec(any::<u8>(), 1..80),
        more in proptest::collection::vec(any::<u8>(), 0..40),
        transport in prop_oneof![Just(0u16), 0u16..100],
        state in 0u8..2,
    ) {
        bytes[0] = kind;
        any_bytes::<V4>(&bytes, &more, transport, state);
        any_bytes::<V6>(&bytes, &more, transport, state);
    }
}
