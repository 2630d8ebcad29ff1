//! Super-packets and partial checksums on links with and without offload, judged by a decoder that is not ours.

mod common;

use bytes::Bytes;
use common::{Seeded, T0, ip, net, receive};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::{Checksum, LinkCapabilities, Medium, NicId, RouteQuery, RxPacket, TxPacket};
use stack_host::{Host, NicConfig};
use stack_wire::checksum::{ipv4_header, pseudo_header};
use stack_wire::ethernet::EtherType;

const MSS: usize = 1460;

fn host(capabilities: LinkCapabilities) -> Host {
    let builder = Host::builder().network(Ipv4::new(Ipv4Config::default())).rng(Box::new(Seeded(3)));
    let mut host = builder.build().unwrap();
    host.add_nic(T0, NicId(1), NicConfig::new("nic1", capabilities)).unwrap();
    host.add_address(T0, NicId(1), net("10.0.0.1/24")).unwrap();
    host
}

fn payload(len: usize) -> Bytes {
    (0..len).map(|i| (i * 7) as u8).collect()
}

/// A segment with FIN, PSH, CWR and a checksum that holds the pseudo-header only.
fn build(packet: &mut TxPacket, protocol: u8, data: &Bytes, pieces: usize) {
    for piece in data.chunks(data.len().div_ceil(pieces)) {
        packet.push(data.slice_ref(piece)).unwrap();
    }
    let (len, offset) = if protocol == 6 { (20, 16) } else { (8, 6) };
    let header = packet.prepend(len).unwrap();
    header.fill(0);
    header[..4].copy_from_slice(&[0x10, 0, 0, 80]);
    if protocol == 6 {
        header[4..8].copy_from_slice(&(u32::MAX - 1000).to_be_bytes());
        header[12] = 5 << 4;
        header[13] = 0x01 | 0x08 | 0x10 | 0x80;
    } else {
        header[4..6].copy_from_slice(&(8 + data.len() as u16).to_be_bytes());
    }
    let sum = pseudo_header(ip("10.0.0.1"), ip("10.0.0.2"), protocol, (len + data.len()) as u32).folded();
    header[offset..offset + 2].copy_from_slice(&sum.to_be_bytes());
    packet.checksum = Checksum::Partial { start: 0, offset: offset as u16 };
    if data.len() > MSS {
        packet.gso_size = MSS as u16;
    }
}

#[expect(clippy::vec_box, reason = "as the batch hands them out")]
fn send(host: &mut Host, protocol: u8, data: &Bytes, pieces: usize) -> Vec<Box<TxPacket>> {
    let route = host.find_route(T0, &RouteQuery { nic: None, local: None, remote: ip("10.0.0.2") }).unwrap();
    host.write_packet(T0, &route, protocol, |packet| build(packet, protocol, data, pieces)).unwrap();
    while host.transmit(T0, 64) {}
    std::iter::from_fn(|| host.out(NicId(1)).unwrap().pop()).collect()
}

#[test]
fn tcp_is_cut_for_plain_links_and_every_segment_is_right() {
    for (len, pieces) in [(1, 1), (MSS, 2), (MSS + 1, 3), (10_000, 6), (64_000, 5)] {
        let data = payload(len);
        let sent = send(&mut host(LinkCapabilities::plain(Medium::Ip, 1500)), 6, &data, pieces);
        assert_eq!(sent.len(), len.div_ceil(MSS));
        assert_segments(&sent, &data, 1500);
    }
}

fn assert_segments(sent: &[Box<TxPacket>], data: &Bytes, mtu: usize) {
    let (mut got, mut idents) = (Vec::new(), Vec::new());
    for (index, packet) in sent.iter().enumerate() {
        let bytes = packet.to_bytes();
        assert!(bytes.len() <= mtu && packet.checksum == Checksum::Unverified);
        let sliced = SlicedPacket::from_ip(&bytes).unwrap();
        let Some(NetSlice::Ipv4(v4)) = &sliced.net else { panic!("not IPv4") };
        let header = v4.header().to_header();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
        idents.push(header.identification);
        let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { panic!("not TCP") };
        let right = tcp.calc_checksum_ipv4(v4.header().source(), v4.header().destination()).unwrap();
        assert_eq!(tcp.checksum(), right, "segment {index} of {}", data.len());
        assert_eq!(tcp.sequence_number(), (u32::MAX - 1000).wrapping_add(got.len() as u32));
        let last = index + 1 == sent.len();
        assert_eq!((tcp.fin(), tcp.psh(), tcp.cwr()), (last, last, index == 0));
        got.extend_from_slice(tcp.payload());
    }
    assert_eq!(got, *data);
    assert!(header_idents_differ(&idents), "{idents:?}");
}

/// What came in as one packet and is to leave over a smaller link is cut again if its segments fit, and refused with
/// the size that fits if they don't: never dropped because of its whole length.
#[test]
fn a_super_packet_is_forwarded_as_the_segments_that_it_stands_for() {
    let able = LinkCapabilities {
        tso4: true,
        max_gso: 65_535,
        tx_checksum: true,
        ..LinkCapabilities::plain(Medium::Ip, 1500)
    };
    let data = payload(5_736 - 40);
    for (segment, fits) in [(1_426, true), (1_427, false)] {
        let mut router = host(able.clone());
        let out = NicConfig::new("nic2", LinkCapabilities::plain(Medium::Ip, 1466));
        router.add_nic(T0, NicId(2), out).unwrap();
        router.add_address(T0, NicId(2), net("10.0.2.1/24")).unwrap();
        for nic in [1, 2] {
            router.set_forwarding(NicId(nic), true).unwrap();
        }
        receive(&mut router, 1, super_packet(&data, segment));
        let sent: Vec<_> = std::iter::from_fn(|| router.out(NicId(2)).unwrap().pop()).collect();
        let told = router.out(NicId(1)).unwrap().pop();
        if fits {
            assert_eq!((sent.len(), told.is_none()), (data.len().div_ceil(1_426), true));
            assert_segments(&sent, &data, 1466);
        } else {
            let told = told.unwrap().to_bytes();
            assert!(sent.is_empty());
            assert_eq!(
                (told[20], told[21], &told[26..28]),
                (3, 4, &1466u16.to_be_bytes()[..]),
                "RFC 1191 §4"
            );
        }
    }
}

/// As a device with offloads delivers it: from 10.0.0.2 to 10.0.2.2, not to be fragmented.
fn super_packet(data: &Bytes, segment: u16) -> RxPacket {
    let mut packet = TxPacket::new();
    build(&mut packet, 6, data, 4);
    let sum = pseudo_header(ip("10.0.0.2"), ip("10.0.2.2"), 6, (20 + data.len()) as u32).folded();
    packet.header_mut()[16..18].copy_from_slice(&sum.to_be_bytes());
    let len = (40 + data.len()) as u16;
    let header = packet.prepend(20).unwrap();
    header.fill(0);
    (header[0], header[6], header[8], header[9]) = (0x45, 0x40, 64, 6);
    header[2..4].copy_from_slice(&len.to_be_bytes());
    header[12..16].copy_from_slice(&[10, 0, 0, 2]);
    header[16..20].copy_from_slice(&[10, 0, 2, 2]);
    let sum = ipv4_header(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.checksum = Checksum::Partial { start: 20, offset: 16 };
    packet.gso_size = segment;
    let mut packet = packet.to_rx(T0);
    packet.meta.ether_type = EtherType::IPV4;
    packet
}

/// RFC 768: a checksum that comes out as zero is sent as all ones, for zero stands for none.
#[test]
fn a_sum_of_zero_is_sent_as_all_ones() {
    let checksum = |data: [u8; 2]| {
        let plain = LinkCapabilities::plain(Medium::Ip, 1500);
        let sent = send(&mut host(plain), 17, &Bytes::copy_from_slice(&data), 1);
        let bytes = sent[0].to_bytes();
        [bytes[26], bytes[27]]
    };
    let of_nothing = checksum([0, 0]);
    assert_ne!(of_nothing, [0xff, 0xff]);
    assert_eq!(checksum(of_nothing), [0xff, 0xff]);
}

#[test]
fn a_count_in_the_place_of_cwr_stays_on_every_segment_and_no_link_is_trusted_with_it() {
    let able = LinkCapabilities {
        tso4: true,
        max_gso: 65_535,
        tx_checksum: true,
        ..LinkCapabilities::plain(Medium::Ip, 1500)
    };
    for (keeps, sent) in [(true, 7), (false, 1)] {
        let data = payload(10_000);
        let mut host = host(able.clone());
        let route =
            host.find_route(T0, &RouteQuery { nic: None, local: None, remote: ip("10.0.0.2") }).unwrap();
        host.write_packet(T0, &route, 6, |packet| {
            build(packet, 6, &data, 2);
            packet.gso_keeps_cwr = keeps;
        })
        .unwrap();
        while host.transmit(T0, 64) {}
        let packets: Vec<_> = std::iter::from_fn(|| host.out(NicId(1)).unwrap().pop()).collect();
        assert_eq!(packets.len(), sent);
        assert!(packets.iter().all(|packet| packet.to_bytes()[20 + 13] & 0x80 != 0));
    }
}

/// RFC 6864 §4: atomic datagrams may all have the same; otherwise they differ.
fn header_idents_differ(idents: &[u16]) -> bool {
    idents.windows(2).all(|pair| pair[0] != pair[1]) || idents.iter().all(|ident| *ident == 0)
}

#[test]
fn udp_is_cut_into_datagrams() {
    let data = payload(5_000);
    let sent = send(&mut host(LinkCapabilities::plain(Medium::Ip, 1500)), 17, &data, 3);
    let mut got = Vec::new();
    for packet in &sent {
        let bytes = packet.to_bytes();
        let sliced = SlicedPacket::from_ip(&bytes).unwrap();
        let (Some(NetSlice::Ipv4(v4)), Some(TransportSlice::Udp(udp))) = (&sliced.net, &sliced.transport)
        else {
            panic!("not UDP over IPv4")
        };
        let ip = v4.header();
        let right =
            udp.to_header().calc_checksum_ipv4_raw(ip.source(), ip.destination(), udp.payload()).unwrap();
        assert_eq!((udp.checksum(), usize::from(udp.length())), (right, 8 + udp.payload().len()));
        got.extend_from_slice(udp.payload());
    }
    assert_eq!((sent.len(), Bytes::from(got)), (4, data));
}

#[test]
fn links_that_offload_get_the_super_packet_whole() {
    let able = LinkCapabilities {
        tx_checksum: true,
        tso4: true,
        max_gso: 65_535,
        ..LinkCapabilities::plain(Medium::Ip, 1500)
    };
    let data = payload(60_000);
    let sent = send(&mut host(able.clone()), 6, &data, 4);
    assert_eq!((sent.len(), sent[0].gso_size), (1, MSS as u16));
    assert_eq!(sent[0].checksum, Checksum::Partial { start: 20, offset: 16 });
    let small = LinkCapabilities { max_gso: 30_000, ..able.clone() };
    let sent = send(&mut host(small), 6, &data, 4);
    assert_eq!(sent.len(), data.len().div_ceil(MSS), "larger than the link takes");
    assert!(matches!(sent[0].checksum, Checksum::Partial { .. }), "the link completes each segment's");
    let sent = send(&mut host(able), 17, &payload(4_000), 1);
    assert_eq!(sent.len(), 3, "no USO");
}
