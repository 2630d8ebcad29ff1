//! Raw access over a channel: packets of any protocol, and frames.

mod common;

use common::two_stacks;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use ustack::contract::{Cast, Medium};
use ustack::link::channel::{ChannelConfig, pair};
use ustack::link::ethernet::Ethernet;
use ustack::net::{Echo, IcmpSocket, PacketSocket, RawSocket, UdpSocket};
use ustack::{
    DropReason, EtherTypes, Frame, IPPROTO_RAW, IcmpFilter, LinkAddress, NicConfig, NicId, PacketMode,
    PacketType, SendFrame, SocketOption, Stack,
};

const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
/// For experiments (RFC 3692).
const EXPERIMENT: u8 = 253;
const ARP: u16 = 0x0806;
const NIC: NicId = NicId(1);

fn stacks() -> (Stack, Stack) {
    two_stacks(ChannelConfig::default())
}

fn v4(stack: &Stack, protocol: u8) -> RawSocket {
    patient(RawSocket::v4(stack, protocol).unwrap())
}

fn v6(stack: &Stack, protocol: u8) -> RawSocket {
    patient(RawSocket::v6(stack, protocol).unwrap())
}

fn patient(socket: RawSocket) -> RawSocket {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn to(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 0)
}

/// The Internet checksum of `bytes`.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!(folded + (folded >> 16)) as u16).to_be_bytes()
}

fn echo_request_v4() -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0x12, 0x34, 0, 1];
    message.extend_from_slice(b"by hand");
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    message
}

#[test]
fn an_echo_request_by_hand_is_answered_over_ipv4() {
    let (a, _b) = stacks();
    let socket = v4(&a, ICMP);
    socket.send_to(&echo_request_v4(), to("10.0.0.2")).unwrap();
    let reply = socket.recv().unwrap();
    assert_eq!(
        (reply.bytes[0], reply.bytes[9], reply.bytes[20]),
        (0x45, ICMP, 0),
        "a header and an echo reply"
    );
    assert_eq!(&reply.bytes[24..], b"\x12\x34\x00\x01by hand");
    assert_eq!((reply.from, reply.local), (to("10.0.0.2"), "10.0.0.1".parse::<IpAddr>().unwrap()));
    assert_eq!((reply.nic, reply.cast, reply.hop_limit), (NIC, Cast::Unicast, 64));
}

#[test]
fn an_echo_request_by_hand_is_answered_over_ipv6_and_its_checksum_is_filled_in() {
    let (a, b) = stacks();
    let (socket, other) = (v6(&a, ICMPV6), v6(&b, ICMPV6));
    let filter = IcmpFilter::BLOCK_ALL;
    socket.set_icmp_filter(filter.pass(129)).unwrap();
    other.set_icmp_filter(filter.pass(128)).unwrap();
    socket.send_to(b"\x80\0\xde\xad\x12\x34\0\x01by hand", to("fd00::2")).unwrap();
    let reply = socket.recv().unwrap();
    assert_eq!((reply.bytes[0], &reply.bytes[4..]), (129, &b"\x12\x34\0\x01by hand"[..]));
    assert_eq!((reply.from, reply.hop_limit), (to("fd00::2"), 64));
    let request = other.recv().unwrap();
    assert_eq!(
        (request.bytes[0], request.from),
        (128, to("fd00::1")),
        "the peer's raw socket saw the request"
    );
}

#[test]
fn a_filter_blocks_types_and_checksums_are_verified() {
    let (a, b) = stacks();
    let socket = v6(&b, ICMPV6);
    socket.set_icmp_filter(IcmpFilter::PASS_ALL.block(128)).unwrap();
    let sender = v6(&a, ICMPV6);
    sender.set_icmp_filter(IcmpFilter::BLOCK_ALL).unwrap();
    sender.send_to(&[128, 0, 0, 0, 0, 1, 0, 1], to("fd00::2")).unwrap();
    sender.send_to(&[200, 7, 0, 0, 1, 2, 3, 4], to("fd00::2")).unwrap();
    let got = socket.recv().unwrap();
    assert_eq!((got.bytes[0], got.bytes[1]), (200, 7), "a private experiment, and no echo request before it");
    let udp = RawSocket::v4(&a, UDP).unwrap();
    assert!(udp.set_icmp_filter(IcmpFilter::BLOCK_ALL).is_err(), "UDP has no ICMP types");
}

#[test]
fn the_mask_of_linux_filters_icmp_of_ipv4() {
    let (a, b) = stacks();
    let socket = v4(&b, ICMP);
    socket.set_icmp_filter(IcmpFilter::from_icmpv4_mask(1 << 8)).unwrap();
    let sender = v4(&a, ICMP);
    sender.send_to(&echo_request_v4(), to("10.0.0.2")).unwrap();
    let mut timestamp = vec![13, 0, 0, 0, 0, 0, 0, 0];
    let sum = checksum(&timestamp);
    timestamp[2..4].copy_from_slice(&sum);
    sender.send_to(&timestamp, to("10.0.0.2")).unwrap();
    assert_eq!(socket.recv().unwrap().bytes[20], 13);
}

fn udp_by_hand(src: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 9, UDP, 0, 0];
    packet.extend_from_slice(&src);
    packet.extend_from_slice(&[10, 0, 0, 2, 0x10, 0, 0x20, 0]);
    packet.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn a_header_that_is_included_is_sent_as_it_is_but_for_what_must_be_right() {
    let (a, b) = stacks();
    let receiver = UdpSocket::bind(&b, "10.0.0.2:8192").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let seen = v4(&b, UDP);
    let socket = v4(&a, IPPROTO_RAW);
    for (src, from) in [([0; 4], "10.0.0.1:4096"), ([10, 0, 0, 77], "10.0.0.77:4096")] {
        assert_eq!(socket.send_to(&udp_by_hand(src, b"header"), to("10.0.0.2")).unwrap(), 34);
        let mut buffer = [0; 100];
        let (len, got_from) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], got_from), (&b"header"[..], from.parse().unwrap()));
        let packet = seen.recv().unwrap();
        assert_eq!((packet.hop_limit, checksum(&packet.bytes[..20])), (9, [0, 0]));
        assert_ne!(packet.bytes[4..6], [0, 0], "an identification was chosen");
    }
    let too_large = udp_by_hand([0; 4], &[0; 1473]);
    assert_eq!(socket.send_to(&too_large, to("10.0.0.2")).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(socket.send_to(b"no header", to("10.0.0.2")).is_err());
    let own = v4(&a, UDP);
    own.set_header_included(true).unwrap();
    own.send_to(&udp_by_hand([0; 4], b"option"), to("10.0.0.2")).unwrap();
    assert_eq!(receiver.recv_from(&mut [0; 9]).unwrap().0, 6);
}

/// A UDP datagram without a checksum, which no host takes over IPv6 (RFC 8200 §8.1), behind options and in a packet without
/// a length.
fn six_by_hand(src: &str, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 5, 0, 0, 60, 9];
    for address in [src, "fd00::2"] {
        packet.extend_from_slice(&address.parse::<Ipv6Addr>().unwrap().octets());
    }
    packet.extend_from_slice(&[UDP, 0, 1, 4, 0, 0, 0, 0, 0x10, 0, 0x20, 0]);
    packet.extend_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    packet
}

#[test]
fn an_ipv6_header_that_is_included_is_sent_as_it_is_but_for_its_length() {
    let (a, b) = stacks();
    let (seen, own) = (v6(&b, UDP), v6(&a, UDP));
    let socket = v6(&a, IPPROTO_RAW);
    own.set_header_included(true).unwrap();
    for (socket, src) in [(&socket, "fd00::77"), (&own, "fd00::78")] {
        assert_eq!(socket.send_to(&six_by_hand(src, b"header"), to("fd00::2")).unwrap(), 62);
        let packet = seen.recv().unwrap();
        assert_eq!((packet.hop_limit, packet.from.ip()), (9, src.parse::<IpAddr>().unwrap()));
        assert_eq!(&packet.bytes[8..], b"header");
    }
    let too_large = six_by_hand("fd00::1", &[0; 1445]);
    assert_eq!(socket.send_to(&too_large, to("fd00::2")).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(socket.send_to(&too_large[..1500], to("fd00::2")).unwrap(), 1500);
    assert!(socket.send_to(&udp_by_hand([0; 4], b"four"), to("fd00::2")).is_err());
}

#[test]
fn a_raw_socket_sees_udp_beside_the_udp_socket_and_filters_by_address() {
    let (a, b) = stacks();
    let receiver = UdpSocket::bind(&b, "10.0.0.2:9").unwrap();
    let (all, ours, others, sixes) = (v4(&b, UDP), v4(&b, UDP), v4(&b, UDP), v6(&b, UDP));
    ours.bind("10.0.0.2".parse().unwrap()).unwrap();
    ours.connect(to("10.0.0.1")).unwrap();
    others.connect(to("10.0.0.99")).unwrap();
    assert!(others.bind("192.0.2.1".parse().unwrap()).is_err());
    UdpSocket::bind(&a, "10.0.0.1:7").unwrap().send_to(b"both", "10.0.0.2:9").unwrap();
    let mut buffer = [0; 10];
    assert_eq!(receiver.recv_from(&mut buffer).unwrap(), (4, "10.0.0.1:7".parse().unwrap()));
    for socket in [&all, &ours] {
        let packet = socket.recv().unwrap();
        assert_eq!(packet.bytes[20..26], [0, 7, 0, 9, 0, 12]);
        assert_eq!(&packet.bytes[28..], b"both");
    }
    for socket in [&others, &sixes] {
        socket.set_nonblocking(true).unwrap();
        assert_eq!(socket.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn a_datagram_in_fragments_arrives_as_one_over_both_families() {
    let (a, b) = stacks();
    let payload = common::noise(5, 9000);
    let (four, six) = (v4(&b, EXPERIMENT), v6(&b, EXPERIMENT));
    v4(&a, EXPERIMENT).send_to(&payload, to("10.0.0.2")).unwrap();
    v6(&a, EXPERIMENT).send_to(&payload, to("fd00::2")).unwrap();
    assert_eq!(four.recv().unwrap().bytes[20..], payload);
    assert_eq!(six.recv().unwrap().bytes[..], payload);
}

#[test]
fn a_protocol_that_a_raw_socket_speaks_is_not_unreachable() {
    let (a, b) = stacks();
    for (icmp, sender, open, address, unreachable) in [
        (v4(&a, ICMP), v4(&a, EXPERIMENT), RawSocket::v4 as fn(&Stack, u8) -> _, "10.0.0.2", [3, 2]),
        (v6(&a, ICMPV6), v6(&a, EXPERIMENT), RawSocket::v6, "fd00::2", [4, 1]),
    ] {
        let mask = IcmpFilter::BLOCK_ALL.pass(unreachable[0]);
        icmp.set_icmp_filter(mask).unwrap();
        let header = if address.contains(':') { 0 } else { 20 };
        sender.send_to(b"anybody?", to(address)).unwrap();
        assert_eq!(icmp.recv().unwrap().bytes[header..header + 2], unreachable, "{address}");
        let socket = patient(open(&b, EXPERIMENT).unwrap());
        sender.send_to(b"somebody", to(address)).unwrap();
        assert_eq!(&socket.recv().unwrap().bytes[header..], b"somebody");
        icmp.set_nonblocking(true).unwrap();
        assert!(icmp.recv().is_err(), "{address}: nobody complained");
    }
    assert_eq!(b.counters().drops.of(DropReason::UnknownProtocol), 2);
}

// The checksum of RFC 3542 §3.1.
#[test]
fn a_checksum_where_the_application_says() {
    let (a, b) = stacks();
    let (sender, receiver) = (v6(&a, EXPERIMENT), v6(&b, EXPERIMENT));
    receiver.set_option(SocketOption::ChecksumOffset(Some(4))).unwrap();
    sender.send_to(b"wrong checksum", to("fd00::2")).unwrap();
    sender.set_option(SocketOption::ChecksumOffset(Some(4))).unwrap();
    sender.send_to(b"rightXXchecksum", to("fd00::2")).unwrap();
    let got = receiver.recv().unwrap();
    assert!(got.bytes.starts_with(b"righ") && got.bytes.ends_with(b"Xchecksum"), "only the right one");
    assert!(sender.send_to(b"short", to("fd00::2")).is_err());
    assert!(sender.set_option(SocketOption::ChecksumOffset(Some(3))).is_err());
    assert!(v6(&a, ICMPV6).set_option(SocketOption::ChecksumOffset(Some(2))).is_err());
    assert!(v4(&a, EXPERIMENT).set_option(SocketOption::ChecksumOffset(Some(2))).is_err());
}

#[test]
fn what_finds_no_room_is_counted() {
    let (a, b) = stacks();
    let socket = v4(&b, EXPERIMENT);
    socket.set_option(SocketOption::ReceiveBuffer(4096)).unwrap();
    let sender = v4(&a, EXPERIMENT);
    for _ in 0..10 {
        sender.send_to(&[7; 1400], to("10.0.0.2")).unwrap();
    }
    let watch = v4(&b, EXPERIMENT);
    sender.send_to(b"last", to("10.0.0.2")).unwrap();
    watch.recv().unwrap();
    let mut received = 0;
    socket.set_nonblocking(true).unwrap();
    while socket.recv().is_ok() {
        received += 1;
    }
    assert!((1..=4).contains(&received), "{received}");
    assert_eq!(socket.dropped().unwrap(), 11 - received);
}

#[test]
fn packets_to_ourselves_are_seen_too() {
    let (a, _b) = stacks();
    let socket = v4(&a, EXPERIMENT);
    for address in ["127.0.0.1", "10.0.0.1"] {
        socket.send_to(b"myself", to(address)).unwrap();
        assert_eq!(socket.recv().unwrap().from, to(address));
    }
}

const A: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
const B: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);

/// Two stacks on an Ethernet.
fn stations() -> (Stack, Stack) {
    let frames = ChannelConfig { medium: Medium::Ethernet, ..ChannelConfig::default() };
    let (a, b) = pair(frames);
    let stack = |link, address, net: &str| {
        let nic = NicConfig::new(Ethernet::new(link, address).unwrap()).address(net.parse().unwrap());
        Stack::builder().default_protocols().nic(nic).build().unwrap()
    };
    (stack(a, A, "10.0.0.1/24"), stack(b, B, "10.0.0.2/24"))
}

fn watch(stack: &Stack, mode: PacketMode, takes: EtherTypes) -> PacketSocket {
    let socket = PacketSocket::open(stack, mode, takes).unwrap();
    socket.bind(Some(NIC), takes).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn ping(stack: &Stack, address: &str) {
    let socket = IcmpSocket::bind(stack, "0.0.0.0".parse().unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.send_to(1, b"ping", address.parse().unwrap()).unwrap();
    assert!(matches!(socket.recv().unwrap(), Echo::Reply(_)));
}

#[test]
fn a_packet_socket_captures_arp_both_ways() {
    let (a, _b) = stations();
    let all = watch(&a, PacketMode::Raw, EtherTypes::All);
    let replies = watch(&a, PacketMode::Cooked, EtherTypes::One(ARP));
    let inbound = watch(&a, PacketMode::Cooked, EtherTypes::All);
    inbound.set_ignore_outgoing(true).unwrap();
    ping(&a, "10.0.0.2");
    let is_arp = |frame: &Frame| frame.ether_type == ARP;
    let mut arp = std::iter::from_fn(|| Some(all.recv().unwrap())).filter(is_arp);
    // Both announce their addresses before.
    let asks = |frame: &Frame| frame.bytes[14 + 24..14 + 28] == [10, 0, 0, 2] && frame.source == A;
    let request = arp.find(asks).unwrap();
    assert_eq!(request.packet_type, PacketType::Outgoing);
    assert_eq!(request.bytes[..14], [&[0xff; 6][..], &A.0, &[8, 6]].concat());
    let reply = arp.find(|frame| frame.packet_type == PacketType::Host).unwrap();
    assert_eq!(reply.bytes[..22], [&A.0[..], &B.0, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2]].concat());
    let mut cooked = std::iter::from_fn(|| Some(replies.recv().unwrap()));
    let cooked = cooked.find(|frame| frame.packet_type == PacketType::Host).unwrap();
    assert_eq!((&cooked.bytes[..], cooked.source, cooked.destination), (&reply.bytes[14..], B, A));
    for _ in 0..2 {
        assert_ne!(inbound.recv().unwrap().packet_type, PacketType::Outgoing);
    }
}

#[test]
fn a_packet_socket_sends_frames_with_and_without_their_headers() {
    let (a, b) = stations();
    let receiver = watch(&b, PacketMode::Raw, EtherTypes::One(0x88b5));
    let raw = watch(&a, PacketMode::Raw, EtherTypes::None);
    let another = LinkAddress([2, 0, 0, 0, 0, 0x77]);
    let frame = [&B.0[..], &another.0, &[0x88, 0xb5], b"in another's name"].concat();
    raw.send(&frame).unwrap();
    let got = receiver.recv().unwrap();
    assert_eq!((&got.bytes[..], got.source, got.packet_type), (&frame[..], another, PacketType::Host));
    let cooked = watch(&a, PacketMode::Cooked, EtherTypes::One(0x88b5));
    let to = SendFrame { destination: LinkAddress::BROADCAST, ..SendFrame::default() };
    cooked.send_to(b"to all", &to).unwrap();
    let got = receiver.recv().unwrap();
    assert_eq!((&got.bytes[14..], got.source, got.packet_type), (&b"to all"[..], A, PacketType::Broadcast));
    assert!(raw.send(&frame[..13]).is_err(), "half a header");
    assert!(raw.send(&[0; 1515]).is_err(), "more than the MTU");
    let unbound = PacketSocket::open(&a, PacketMode::Cooked, EtherTypes::None).unwrap();
    assert!(unbound.send(b"by which interface?").is_err());
    assert!(unbound.bind(Some(NicId(9)), EtherTypes::All).is_err());
}

#[test]
fn on_a_link_without_headers_a_frame_is_an_ip_packet() {
    let (a, b) = stacks();
    let receiver = UdpSocket::bind(&b, "10.0.0.2:8192").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let socket = watch(&a, PacketMode::Raw, EtherTypes::All);
    let mut packet = udp_by_hand([10, 0, 0, 1], b"whole");
    packet[3] = packet.len() as u8;
    let sum = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum);
    socket.send(&packet).unwrap();
    assert_eq!(receiver.recv_from(&mut [0; 9]).unwrap().0, 5);
    let seen = socket.recv().unwrap();
    assert_eq!(
        (&seen.bytes[..], seen.packet_type, seen.ether_type),
        (&packet[..], PacketType::Outgoing, 0x0800)
    );
}

#[test]
fn without_a_socket_nobody_looks() {
    let (a, b) = stacks();
    drop(v4(&b, ICMP));
    drop(watch(&b, PacketMode::Raw, EtherTypes::All));
    ping(&a, "10.0.0.2");
    let counters = b.with_transport::<ustack::Raw, _>(|raw, _| (*raw.counters(), raw.socket_count()));
    assert_eq!(counters, Some((ustack::RawCounters::default(), 0)));
}

#[tokio::test]
async fn tasks_wait_for_packets_and_frames() {
    use ustack::tokio::{PacketSocket, RawSocket};
    let (a, b) = stations();
    let raw = RawSocket::v4(&b, EXPERIMENT).unwrap();
    let frames = PacketSocket::open(&b, PacketMode::Cooked, EtherTypes::One(ARP)).unwrap();
    let sender = RawSocket::v4(&a, EXPERIMENT).unwrap();
    let (sent, packet, frame) =
        tokio::join!(sender.send_to(b"async", to("10.0.0.2")), raw.recv(), frames.recv());
    assert_eq!(sent.unwrap(), 5);
    assert_eq!(&packet.unwrap().bytes[20..], b"async");
    assert_eq!(frame.unwrap().ether_type, ARP);
}
