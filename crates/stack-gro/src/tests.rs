//! What becomes one packet, what does not, and that no byte is lost or moved.

use super::*;
use crate::run::MAX_LEN;
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use proptest::prelude::*;
use stack_packet::{Checksum, Instant, RxBatch, RxPacket, StreamPosition};
use stack_wire::checksum::{self, pseudo_header};
use stack_wire::ethernet::EtherType;
use stack_wire::ip::protocol;
use stack_wire::ipv4::{self, Ipv4};
use stack_wire::ipv6::{self, Ipv6};
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{self, Flags, Tcp};
use stack_wire::tcp_options::TcpOptions;

const SRC: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1));
const DST: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2));
const SIZE: usize = 100;

/// An IPv4 address, or the IPv6 address that has it in it.
fn of_family(v6: bool, ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v6 => v4.to_ipv6_mapped().into(),
        ip => ip,
    }
}

#[derive(Clone, Copy)]
struct Sent {
    v6: bool,
    port: u16,
    seq: u32,
    len: usize,
    flags: Flags,
    ack: u32,
    timestamp: u32,
}

/// The `n`th segment of a flow.
fn nth(n: u32) -> Sent {
    let seq = (u32::MAX - 150).wrapping_add(n.wrapping_mul(SIZE as u32));
    Sent { v6: false, port: 1000, seq, len: SIZE, flags: Flags::ACK, ack: 7, timestamp: 9 }
}

impl Sent {
    fn text(&self) -> impl Iterator<Item = u8> + use<> {
        let seq = self.seq;
        (0..self.len).map(move |at| seq.wrapping_add(at as u32) as u8)
    }

    fn packet(&self) -> RxPacket {
        let mut options = [0; tcp::MAX_OPTIONS_LEN];
        let len =
            TcpOptions { timestamps: Some((self.timestamp, 1)), ..TcpOptions::NONE }.write(&mut options);
        let emit = tcp::Emit {
            src_port: self.port,
            dst_port: 80,
            seq: SeqNum(self.seq),
            ack: SeqNum(self.ack),
            flags: self.flags,
            window: 500,
            options: &options[..len],
            ..tcp::Emit::default()
        };
        let text: Vec<u8> = self.text().collect();
        let segment_len = emit.header_len() + text.len();
        let (src, dst) = (of_family(self.v6, SRC), of_family(self.v6, DST));
        let mut bytes = alloc::vec![0; 40 + segment_len];
        let at = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                ipv4::Emit::new(src, dst, protocol::TCP, segment_len).write(&mut bytes)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                ipv6::Emit::new(src, dst, protocol::TCP, segment_len).write(&mut bytes)
            }
            _ => unreachable!("both of one family"),
        };
        bytes.truncate(at + segment_len);
        let mut covered = pseudo_header(src, dst, protocol::TCP, segment_len as u32);
        emit.write(&mut bytes[at..], *covered.add_bytes(&text));
        bytes[at + emit.header_len()..].copy_from_slice(&text);
        let ether_type = if self.v6 { EtherType::IPV6 } else { EtherType::IPV4 };
        RxPacket::new(Bytes::from(bytes), ether_type, Instant::ZERO)
    }
}

fn merged(sent: &[Sent]) -> RxBatch {
    let mut batch = sent.iter().map(Sent::packet).collect();
    coalesce(&mut batch);
    batch
}

/// Text lengths of the packets that come out.
fn lengths(sent: &[Sent]) -> Vec<usize> {
    merged(sent).iter().map(|packet| packet.len() - if sent[0].v6 { 72 } else { 52 }).collect()
}

#[test]
fn segments_that_follow_each_other_become_one_packet_with_right_headers() {
    for v6 in [false, true] {
        let sent: Vec<Sent> = (0..5).map(|n| Sent { v6, ..nth(n) }).collect();
        let batch = merged(&sent);
        let [packet] = &batch[..] else { panic!("{} packets", batch.len()) };
        assert_eq!((packet.meta.gso_size, packet.meta.checksum), (SIZE as u16, Checksum::Verified));
        let transport = if v6 { 40 } else { 20 };
        assert_eq!(packet.len(), transport + 32 + 5 * SIZE);
        if v6 {
            let ip = Ipv6::parse_quoted(&packet.data).unwrap();
            assert_eq!(usize::from(ip.payload_len()), packet.len() - 40);
        } else {
            let ip = Ipv4::parse_quoted(&packet.data).unwrap();
            assert!(ip.verify_checksum());
            assert_eq!(usize::from(ip.total_len()), packet.len());
        }
        let text: Vec<u8> = packet.more.pieces().flatten().copied().collect();
        let expected: Vec<u8> = sent.iter().flat_map(Sent::text).collect();
        assert_eq!(text, expected);
    }
}

#[test]
fn every_bit_of_the_headers_counts_but_those_that_no_receiver_acts_on() {
    for (v6, link) in [(false, 0), (false, 14), (true, 0), (true, 14)] {
        let frame = |n| [&[2; 14][..link], &Sent { v6, ..nth(n) }.packet().data].concat();
        let (first, second) = (frame(0), frame(1));
        let ether_type = if v6 { EtherType::IPV6 } else { EtherType::IPV4 };
        let Look::Text(segment) = look(&first, first.len(), link, ether_type) else {
            panic!("a segment of text")
        };
        let run = Run::of(&first, segment);
        assert_eq!(run.header_len(), first.len() - SIZE);
        assert_eq!(run.follower(&second).map(|segment| segment.len), Some(SIZE));
        let tcp = link + if v6 { 40 } else { 20 };
        for bit in 0..8 * run.header_len() {
            let (at, mut changed) = (bit / 8, second.clone());
            if !v6 && (link + 10..link + 12).contains(&at) {
                continue;
            }
            changed[at] ^= 1 << (bit % 8);
            if !v6 {
                changed[link + 10..link + 12].fill(0);
                let sum = checksum::ipv4_header(&changed[link..link + 20]);
                changed[link + 10..link + 12].copy_from_slice(&sum.to_be_bytes());
            }
            let identification = !v6 && (link + 4..link + 6).contains(&at);
            let checksum = (tcp + 16..tcp + 18).contains(&at);
            let push = bit == 8 * (tcp + 13) + 3;
            let free = identification || checksum || push;
            assert_eq!(run.follower(&changed).is_some(), free, "bit {} of byte {at}, {v6}", bit % 8);
        }
        let mut wrong = second;
        wrong[link + 10] ^= 1;
        assert!(run.follower(&wrong).is_none(), "an IPv4 checksum, or an IPv6 address");
    }
}

#[test]
fn a_segment_is_at_one_position_of_one_stream() {
    for (v6, link) in [(false, 0), (false, 14), (true, 0), (true, 14)] {
        let packet = Sent { v6, ..nth(0) }.packet();
        let frame = [&[2; 14][..link], &packet.data].concat();
        let look = |frame: &[u8], len| match look(frame, len, link, packet.meta.ether_type) {
            Look::Text(segment) => Some(segment),
            _ => None,
        };
        let remote = SocketAddr::new(of_family(v6, SRC), 1000);
        let local = SocketAddr::new(of_family(v6, DST), 80);
        let position = StreamPosition { remote, local, seq: nth(0).seq };
        let headers = frame.len() - SIZE;
        // The headers are enough.
        let segment = look(&frame[..headers], frame.len()).unwrap();
        assert_eq!((segment.header_len(), segment.text_len()), (headers, SIZE));
        assert!(segment.is_at(&frame[..headers], &position));
        assert!(
            look(&frame, frame.len() - 1).is_none() && look(&frame[..headers - 1], frame.len()).is_none()
        );
        let other = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => IpAddr::V4(core::net::Ipv4Addr::from_bits(v4.to_bits() ^ 1)),
            IpAddr::V6(v6) => IpAddr::V6(core::net::Ipv6Addr::from_bits(v6.to_bits() ^ 1 << 127)),
        };
        for elsewhere in [
            StreamPosition { remote: SocketAddr::new(other(remote.ip()), 1000), ..position },
            StreamPosition { remote: SocketAddr::new(remote.ip(), 1001), ..position },
            StreamPosition { local: SocketAddr::new(other(local.ip()), 80), ..position },
            StreamPosition { local: SocketAddr::new(local.ip(), 81), ..position },
            StreamPosition { remote: local, local: remote, ..position },
            StreamPosition { remote: SocketAddr::new(of_family(!v6, SRC), 1000), ..position },
            StreamPosition { seq: position.seq + 1, ..position },
        ] {
            assert!(!segment.is_at(&frame, &elsewhere), "{elsewhere:?}");
        }
    }
}

#[test]
fn what_ends_a_super_packet() {
    let base: Vec<Sent> = (0..4).map(nth).collect();
    let with = |index: usize, change: fn(&mut Sent)| {
        let mut sent = base.clone();
        change(&mut sent[index]);
        lengths(&sent)
    };
    assert_eq!(lengths(&base), [400]);
    assert_eq!(with(2, |s| s.flags = Flags::ACK | Flags::PSH), [300, 100], "PSH is the last");
    assert_eq!(with(3, |s| s.len = 60), [360], "a shorter one may be the last");
    assert_eq!(with(2, |s| s.len = 60), [260, 100], "and is");
    assert_eq!(with(2, |s| s.len = 101), [200, 101, 100], "none is longer than the first");
    assert_eq!(with(2, |s| s.seq = s.seq.wrapping_add(1)), [200, 100, 100], "a gap");
    assert_eq!(with(2, |s| s.ack += 1), [200, 100, 100], "another acknowledgement");
    assert_eq!(with(2, |s| s.timestamp += 1), [200, 100, 100], "other options");
    assert_eq!(with(2, |s| s.flags = Flags::ACK | Flags::FIN), [200, 100, 100], "FIN stays alone");
    assert_eq!(with(2, |s| s.flags = Flags::ACK | Flags::CWR), [200, 100, 100], "CWR begins anew");
    assert_eq!(with(1, |s| s.len = 0), [100, 0, 200], "a pure ACK is not passed");
    assert_eq!(with(1, |s| s.port = 1001), [100, 100, 200], "another flow does not matter, order does");
}

#[test]
fn flags_of_ecn_that_stay_the_same_are_no_obstacle() {
    for flags in [Flags::ECE, Flags::AE, Flags::AE | Flags::ECE, Flags::AE | Flags::CWR] {
        let mut sent: Vec<Sent> = (0..4).map(|n| Sent { flags: Flags::ACK | flags, ..nth(n) }).collect();
        assert_eq!(lengths(&sent), [400], "{flags}");
        sent[3].flags = Flags::ACK | flags | Flags::PSH;
        let merged = merged(&sent);
        let seen = Tcp::parse(merged[0].data.get(20..).unwrap()).unwrap().flags();
        assert_eq!((merged.len(), seen), (1, Flags::ACK | flags | Flags::PSH));
        sent[2].flags = Flags::ACK;
        assert_eq!(lengths(&sent), [200, 100, 100], "{flags}");
    }
}

#[test]
fn marked_segments_are_not_merged_with_others() {
    let mut batch: RxBatch = (0..4).map(|n| nth(n).packet()).collect();
    let mut bytes = batch[2].data.to_vec();
    ipv4::Header::from_bytes_mut(&mut bytes).unwrap().set_tos(3);
    batch[2].data = Bytes::from(bytes);
    coalesce(&mut batch);
    assert_eq!(batch.iter().map(|packet| packet.len() - 52).collect::<Vec<_>>(), [200, 100, 100]);
}

#[test]
fn a_bad_checksum_stays_alone() {
    for bad in 0..4 {
        let mut batch: RxBatch = (0..4).map(|n| nth(n).packet()).collect();
        let mut bytes = batch[bad].data.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        batch[bad].data = Bytes::from(bytes);
        coalesce(&mut batch);
        let alone = batch.iter().filter(|packet| packet.meta.gso_size == 0);
        assert!(alone.clone().any(|packet| packet.meta.checksum == Checksum::Unverified), "{bad}");
        assert!(batch.iter().map(|packet| packet.len() - 52).sum::<usize>() == 400, "{bad}");
    }
}

#[test]
fn a_super_packet_is_bounded_and_a_push_is_kept() {
    let mut sent: Vec<Sent> = (0..1000).map(nth).collect();
    sent[999].flags = Flags::ACK | Flags::PSH;
    let batch = merged(&sent);
    assert!(batch.iter().all(|packet| packet.len() <= MAX_LEN));
    assert_eq!(batch.len(), 2);
    let pushes = batch.iter().map(|packet| Tcp::parse(packet.data.get(20..).unwrap()).unwrap().flags().psh());
    assert_eq!(pushes.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn other_packets_and_empty_ones_stay_where_they_are() {
    let mut batch: RxBatch = (0..3).map(|n| nth(n).packet()).collect();
    batch.insert(1, RxPacket::default());
    let mut datagram = nth(0).packet().data.to_vec();
    datagram[9] = protocol::UDP;
    batch.insert(3, RxPacket::new(Bytes::from(datagram), EtherType::IPV4, Instant::ZERO));
    coalesce(&mut batch);
    assert_eq!(batch.iter().map(RxPacket::len).collect::<Vec<_>>(), [352, 0, 152]);
}

proptest! {
    /// Whatever is sent, each flow's text comes out in the order in which it came in.
    #[test]
    fn no_text_is_lost_or_passes_other_text(
        sent in proptest::collection::vec((0..3u16, 0..6u32, 0..4usize, 0..8u8, 0..2u32), 0..40),
    ) {
        let sent: Vec<Sent> = sent
            .into_iter()
            .enumerate()
            .map(|(at, (port, skew, shorter, flags, ack))| Sent {
                port,
                seq: nth(at as u32).seq.wrapping_add(u32::from(skew == 0)),
                len: if shorter == 0 { 50 } else { SIZE },
                flags: if flags == 0 { Flags::ACK | Flags::PSH } else { Flags::ACK },
                ack,
                ..nth(0)
            })
            .collect();
        let batch = merged(&sent);
        for port in 0..3u16 {
            let of_port = |packet: &&RxPacket| packet.data[20..22] == port.to_be_bytes();
            let out: Vec<u8> = batch
                .iter()
                .filter(of_port)
                .flat_map(|packet| {
                    packet.data[52..].iter().chain(packet.more.pieces().flatten()).copied().collect::<Vec<_>>()
                })
                .collect();
            let expected: Vec<u8> = sent.iter().filter(|s| s.port == port).flat_map(Sent::text).collect();
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn no_bytes_panic(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 2..6)) {
        let mut batch: RxBatch = packets
            .into_iter()
            .map(|bytes| {
                let ether_type = if bytes.len() % 2 == 0 { EtherType::IPV4 } else { EtherType::IPV6 };
                RxPacket::new(Bytes::from(bytes), ether_type, Instant::ZERO)
            })
            .collect();
        let before = batch.len();
        coalesce(&mut batch);
        prop_assert_eq!(batch.len(), before);
    }
}
