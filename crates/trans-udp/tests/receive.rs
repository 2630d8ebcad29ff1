//! Inbound datagrams: what is delivered, what is dropped and why, and how it is read.

mod common;

use common::*;
use proptest::prelude::*;
use stack_core::*;
use std::sync::atomic::Ordering;
use trans_udp::UdpConfig;

const PEER: &str = "10.0.0.2:99";
const US: &str = "10.0.0.1:53";
const PEER6: &str = "[2001:db8::2]:99";
const US6: &str = "[2001:db8::1]:53";

#[test]
fn datagrams_come_one_by_one_with_their_sender() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    assert_eq!(net.recv(id), Err(Error::WouldBlock));
    net.deliver(id, datagram(PEER, US, b"one")).unwrap();
    net.deliver(id, datagram("10.0.0.3:7", US, b"")).unwrap();
    net.deliver(id, datagram(PEER, US, &[5; 1472])).unwrap();
    assert_eq!(net.recv(id), Ok((b"one".to_vec(), addr(PEER))));
    assert_eq!(net.recv(id), Ok((vec![], addr("10.0.0.3:7"))));
    assert_eq!(net.recv(id), Ok((vec![5; 1472], addr(PEER))));
    assert_eq!(net.recv(id), Err(Error::WouldBlock));
    assert_eq!(net.udp.counters().in_datagrams, 3);
    assert_eq!(net.udp.queued_bytes(), 0);
}

#[test]
fn what_does_not_fit_is_lost_and_said_so() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.deliver(id, datagram(PEER, US, b"longer than that")).unwrap();
    net.deliver(id, datagram(PEER, US, b"next")).unwrap();
    let mut buffer = [0; 6];
    let peeked = net.with(|udp, cx| udp.peek_from(cx, id, &mut buffer)).unwrap();
    assert_eq!((peeked, &buffer), ((6, addr(PEER), true), b"longer"));
    let read = net.with(|udp, cx| udp.recv_from(cx, id, &mut buffer)).unwrap();
    assert_eq!(read, (6, addr(PEER), true));
    let read = net.with(|udp, cx| udp.recv_from(cx, id, &mut buffer)).unwrap();
    assert_eq!((read, &buffer[..4]), ((4, addr(PEER), false), &b"next"[..]));
}

// R1122-4.1.3.5-a, R1122-3.2.1.6-a
#[test]
fn metadata_tell_where_it_was_sent_to_and_how() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let mut packet = datagram(PEER, "239.1.1.1:53", b"all");
    packet.meta.mark = 77;
    net.deliver(id, packet).unwrap();
    let (bytes, from, meta) = net.with(|udp, cx| udp.recv_bytes(cx, id)).unwrap();
    assert_eq!((&bytes[..], from), (&b"all"[..], addr(PEER)));
    assert_eq!((meta.local, meta.cast), ("239.1.1.1".parse().unwrap(), Cast::Multicast));
    assert_eq!((meta.nic, meta.hop_limit, meta.traffic_class, meta.mark), (NicId(1), 61, 0x2e, 77));
    assert_eq!((meta.received_at, meta.segment_size), (Instant::from_millis(7), 0));
}

#[test]
fn dual_stack_sockets_show_mapped_senders_and_zones() {
    let mut net = Net::default();
    let id = net.create(Families::Dual);
    net.bind(id, "[::]:53").unwrap();
    net.deliver(id, datagram(PEER, US, b"4")).unwrap();
    net.deliver(id, datagram(PEER6, US6, b"6")).unwrap();
    net.deliver(id, datagram("[fe80::2]:99", "[fe80::1]:53", b"link")).unwrap();
    assert_eq!(net.recv(id).unwrap().1, addr("[::ffff:10.0.0.2]:99"));
    assert_eq!(net.recv(id).unwrap().1, addr(PEER6));
    assert_eq!(net.recv(id).unwrap().1, addr("[fe80::2%1]:99"));
}

/// Reads a case of the tables below: what to do to a datagram with the payload `payload`, and what comes of it.
fn outcome(from: &str, to: &str, change: impl FnOnce(&mut RxPacket)) -> Result<Vec<u8>, DropReason> {
    let mut net = Net::default();
    let id = net.bound(if to == US { "0.0.0.0:53" } else { "[::]:53" });
    let mut packet = datagram(from, to, b"payload");
    change(&mut packet);
    let mut same = packet.clone();
    let unknown = net.with(|udp, cx| udp.receive_unknown(cx, &mut same));
    let result = net.deliver(id, packet);
    match result {
        Ok(()) => assert_eq!(unknown, Unknown::PortUnreachable),
        Err(reason) => assert_eq!(unknown, Unknown::Drop(reason), "same checks without a socket"),
    }
    let counters = *net.udp.counters();
    assert_eq!(counters.in_errors, if result.is_err() { 2 } else { 0 });
    let checksum = result == Err(DropReason::BadTransportChecksum);
    assert_eq!(counters.in_csum_errors, if checksum { 2 } else { 0 });
    result.map(|()| net.recv(id).unwrap().0)
}

// R768-a
#[test]
fn lengths() {
    let set_length = |len: u16| {
        move |packet: &mut RxPacket| {
            patch(packet, |udp| udp[4..6].copy_from_slice(&len.to_be_bytes()));
            packet.meta.checksum = Checksum::Verified;
        }
    };
    let malformed = Err(DropReason::TransportMalformed);
    assert_eq!(outcome(PEER, US, set_length(15)), Ok(b"payload".to_vec()));
    assert_eq!(outcome(PEER, US, set_length(16)), malformed);
    assert_eq!(outcome(PEER, US, set_length(12)), Ok(b"payl".to_vec()));
    assert_eq!(outcome(PEER, US, set_length(8)), Ok(vec![]));
    assert_eq!(outcome(PEER, US, set_length(7)), malformed);
    assert_eq!(outcome(PEER, US, set_length(0)), malformed);
    for len in 20..28 {
        assert_eq!(outcome(PEER, US, |packet| packet.truncate(len)), malformed);
    }
}

#[test]
fn what_lies_behind_the_length_is_not_summed() {
    let trailer = |packet: &mut RxPacket| {
        packet.data = [&packet.data[..], b"\xde\xad\xbe"].concat().into();
        packet.more.write(b"\xef more");
    };
    assert_eq!(outcome(PEER, US, trailer), Ok(b"payload".to_vec()));
    assert_eq!(outcome(PEER6, US6, trailer), Ok(b"payload".to_vec()));
}

// R1122-4.1.3.4-a, R8200-8.1-a, R8200-8.1-b
#[test]
fn checksums() {
    let bad = Err(DropReason::BadTransportChecksum);
    let good = || Ok(b"payload".to_vec());
    let flip = |packet: &mut RxPacket| patch(packet, |udp| udp[10] ^= 1);
    let zero = |packet: &mut RxPacket| patch(packet, |udp| udp[6..8].fill(0));
    let vouched = |state| {
        move |packet: &mut RxPacket| {
            patch(packet, |udp| udp[6..8].copy_from_slice(&[1, 2]));
            packet.meta.checksum = state;
        }
    };
    for (from, to) in [(PEER, US), (PEER6, US6)] {
        assert_eq!(outcome(from, to, |_| ()), good());
        assert_eq!(outcome(from, to, flip), bad);
        assert_eq!(outcome(from, to, vouched(Checksum::Unverified)), bad);
        assert_eq!(outcome(from, to, vouched(Checksum::Verified)), good());
        assert_eq!(outcome(from, to, vouched(Checksum::Partial { start: 20, offset: 6 })), good());
    }
    assert_eq!(outcome(PEER, US, zero), good());
    assert_eq!(outcome(PEER6, US6, zero), bad);
    assert_eq!(
        outcome(PEER6, US6, |packet| {
            zero(packet);
            packet.meta.checksum = Checksum::Verified;
        }),
        bad,
        "nobody can vouch for a checksum that was not made"
    );
}

#[test]
fn a_payload_in_pieces_arrives_whole_and_is_summed_across_them() {
    for cut in [28, 29, 30, 33, 35] {
        let split = |packet: &mut RxPacket| {
            packet.more = stack_packet::Rope::from(packet.data.split_off(cut));
            packet.more.push(Default::default());
        };
        assert_eq!(outcome(PEER, US, split), Ok(b"payload".to_vec()), "cut at {cut}");
    }
}

// R1122-4.1.3.1-a, R4443-3.1-a
#[test]
fn closed_ports_are_unreachable_but_not_for_many() {
    let mut net = Net::default();
    let mut unknown = |change: fn(&mut RxPacket)| {
        let mut packet = datagram(PEER, US, b"?");
        change(&mut packet);
        net.with(|udp, cx| udp.receive_unknown(cx, &mut packet))
    };
    let ignored = Unknown::Drop(DropReason::NoEndpoint);
    assert_eq!(unknown(|_| ()), Unknown::PortUnreachable);
    assert_eq!(unknown(|packet| packet.ip.cast = Cast::Multicast), ignored);
    assert_eq!(unknown(|packet| packet.ip.cast = Cast::Broadcast), ignored);
    assert_eq!(unknown(|packet| packet.meta.cast = Cast::Broadcast), ignored);
    let counters = net.udp.counters();
    assert_eq!((counters.no_ports, counters.ignored_multi, counters.in_errors), (1, 3, 0));
}

#[test]
fn a_connected_socket_hears_its_peer_only() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.connect(id, PEER).unwrap();
    assert_eq!(net.deliver(id, datagram("10.0.0.3:99", US, b"x")), Err(DropReason::NotFromPeer));
    assert_eq!(net.deliver(id, datagram("10.0.0.2:98", US, b"x")), Err(DropReason::NotFromPeer));
    assert_eq!(net.deliver(id, datagram(PEER, US, b"x")), Ok(()));
}

#[test]
fn every_member_gets_its_own_copy() {
    let mut net = Net::default();
    let ids = [(); 3].map(|()| {
        let id = net.create(Families::V4);
        net.set(id, SocketOption::ReusePort(true)).unwrap();
        net.bind(id, "0.0.0.0:53").unwrap();
        id
    });
    let packet = datagram(PEER, "239.1.1.1:53", &[7; 600]);
    for id in ids {
        net.deliver(id, packet.clone()).unwrap();
    }
    for id in ids {
        assert_eq!(net.recv(id).unwrap().0, [7; 600]);
    }
}

#[test]
fn the_receive_buffer_counts_the_memory_that_is_pinned() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::ReceiveBuffer(8192)).unwrap();
    let mut packet = datagram(PEER, US, &[1; 1000]);
    packet.meta.truesize = 3000;
    assert_eq!(net.deliver(id, packet.clone()), Ok(()));
    assert_eq!(net.deliver(id, packet.clone()), Ok(()));
    assert!((6000..6600).contains(&net.udp.queued_bytes()), "{}", net.udp.queued_bytes());
    assert_eq!(net.deliver(id, packet.clone()), Err(DropReason::SocketBufferFull));
    net.recv(id).unwrap();
    assert_eq!(net.deliver(id, packet), Ok(()));
    assert_eq!((net.udp.counters().rcvbuf_errors, net.udp.counters().in_errors), (1, 1));
}

#[test]
fn wishes_for_buffers_are_cut_to_the_largest() {
    let mut net = Net::new(UdpConfig { max_buffer: 8192, ..UdpConfig::default() });
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::ReceiveBuffer(usize::MAX)).unwrap();
    net.set(id, SocketOption::SendBuffer(usize::MAX)).unwrap();
    let packet = datagram(PEER, US, &[1; 3000]);
    assert_eq!(net.deliver(id, packet.clone()), Ok(()));
    assert_eq!(net.deliver(id, packet.clone()), Ok(()));
    assert_eq!(net.deliver(id, packet), Err(DropReason::SocketBufferFull));
    net.send(id, &[0; 9000], Some(PEER)).unwrap();
    assert_eq!(net.send(id, b"", Some(PEER)), Err(Error::WouldBlock));
}

#[test]
fn small_payloads_don_t_pin_large_packets() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let mut packet = datagram(PEER, US, b"small");
    packet.meta.truesize = 32_768;
    let (data, len) = (packet.data.clone(), packet.data.len());
    net.deliver(id, packet).unwrap();
    assert!(net.udp.queued_bytes() < 400, "{}", net.udp.queued_bytes());
    let (bytes, _, _) = net.with(|udp, cx| udp.recv_bytes(cx, id)).unwrap();
    assert!(!data.as_ptr_range().contains(&bytes.as_ptr()), "{len} bytes are still pinned");
    let packet = datagram(PEER, US, &[0; 1400]);
    let data = packet.data.clone();
    net.deliver(id, packet).unwrap();
    let (bytes, _, _) = net.with(|udp, cx| udp.recv_bytes(cx, id)).unwrap();
    assert!(data.as_ptr_range().contains(&bytes.as_ptr()), "a large payload is not copied");
}

#[test]
fn empty_datagrams_fill_the_buffer_too() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::ReceiveBuffer(0)).unwrap();
    let packet = datagram(PEER, US, b"");
    let taken = (0..10_000).take_while(|_| net.deliver(id, packet.clone()).is_ok()).count();
    assert!((4..100).contains(&taken), "{taken} in the smallest buffer");
}

#[test]
fn all_sockets_share_one_budget() {
    let mut net = Net::new(UdpConfig { memory_limit: 100_000, ..UdpConfig::default() });
    let (a, b) = (net.bound("0.0.0.0:53"), net.bound("0.0.0.0:54"));
    let packet = datagram(PEER, US, &[0; 60_000]);
    assert_eq!(net.deliver(a, packet.clone()), Ok(()));
    assert_eq!(net.deliver(b, packet.clone()), Err(DropReason::MemoryPressure));
    assert_eq!(net.udp.counters().mem_errors, 1);
    net.close(a);
    assert_eq!(net.deliver(b, packet), Ok(()));
}

#[test]
fn super_packets_are_read_as_datagrams() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let payload: Vec<u8> = (0..2500u32).map(|i| i as u8).collect();
    let mut packet = datagram(PEER, US, &payload);
    packet.meta.gso_size = 1000;
    net.deliver(id, packet.clone()).unwrap();
    assert_eq!(net.udp.counters().in_datagrams, 3);
    let mut peeked = [0; 2000];
    assert_eq!(net.with(|udp, cx| udp.peek_from(cx, id, &mut peeked)), Ok((1000, addr(PEER), false)));
    for range in [0..1000, 1000..2000, 2000..2500] {
        assert_eq!(net.recv(id).unwrap().0, payload[range]);
    }
    assert_eq!((net.recv(id), net.udp.queued_bytes()), (Err(Error::WouldBlock), 0));
    net.deliver(id, packet).unwrap();
    let (bytes, _, meta) = net.with(|udp, cx| udp.recv_segmented(cx, id)).unwrap();
    assert_eq!((&bytes[..], meta.segment_size), (&payload[..], 1000));
}

#[test]
fn a_reader_is_woken_once_and_sees_the_datagram() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    let (waker, count) = counting_waker();
    net.udp.register(id, Interest::Readable, &waker);
    assert!(!net.udp.readiness(id).readable && net.udp.readiness(id).writable);
    net.deliver(id, datagram(PEER, US, b"1")).unwrap();
    net.deliver(id, datagram(PEER, US, b"2")).unwrap();
    net.wakes.drain(..).for_each(|waker| waker.wake());
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert!(net.udp.readiness(id).readable);
}

#[test]
fn a_shut_down_socket_ends() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    assert_eq!(net.with(|udp, cx| udp.shutdown(cx, id, Shutdown::Both)), Err(Error::NotConnected));
    net.connect(id, PEER).unwrap();
    net.deliver(id, datagram(PEER, US, b"before")).unwrap();
    net.with(|udp, cx| udp.shutdown(cx, id, Shutdown::Read)).unwrap();
    assert_eq!(net.deliver(id, datagram(PEER, US, b"after")), Err(DropReason::SocketClosed));
    assert_eq!(net.recv(id).unwrap().0, b"before");
    assert_eq!(net.recv(id), Err(Error::ClosedForReceive));
    assert_eq!(net.send(id, b"x", None), Ok(1));
    net.with(|udp, cx| udp.shutdown(cx, id, Shutdown::Write)).unwrap();
    assert_eq!(net.send(id, b"x", None), Err(Error::ClosedForSend));
}

proptest! {
    #[test]
    fn any_bytes_are_a_datagram_or_a_reason(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        transport in 0u16..100,
        more in proptest::collection::vec(any::<u8>(), 0..40),
        gso_size in 0u16..20,
        v6: bool,
        state in 0..3,
    ) {
        let mut net = Net::default();
        let id = net.bound(if v6 { "[::]:53" } else { "0.0.0.0:53" });
        let mut packet = if v6 { datagram(PEER6, US6, b"") } else { datagram(PEER, US, b"") };
        packet.data = bytes.into();
        packet.more.write(&more);
        packet.transport = transport;
        packet.meta.gso_size = gso_size;
        packet.meta.checksum = match state {
            0 => Checksum::Unverified,
            1 => Checksum::Verified,
            _ => Checksum::Partial { start: 0, offset: 6 },
        };
        let all = packet.transport_len();
        net.with(|udp, cx| udp.receive_unknown(cx, &mut packet));
        let delivered = net.deliver(id, packet).is_ok();
        let mut read = 0;
        while let Ok((datagram, _)) = net.recv(id) {
            read += datagram.len();
        }
        prop_assert!(read + 8 <= all.max(8));
        prop_assert!(delivered || read == 0);
        prop_assert_eq!(net.udp.queued_bytes(), 0);
    }
}
