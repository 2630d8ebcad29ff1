//! Packets and quotes that are looked at, whole and broken.

use super::*;
use crate::testing::{icmp, packet, ping, tcp, udp};
use alloc::vec::Vec;
use stack_wire::ip::protocol::{IPV6_DESTINATION, IPV6_FRAGMENT, UDP};

fn look(bytes: &[u8]) -> Layout {
    Layout::of_packet(bytes, bytes.len()).unwrap()
}

fn ports_of(layout: &Layout) -> Option<(u16, u16)> {
    match layout.content {
        Content::Flow { tuple, .. } => Some((tuple.src_port, tuple.dst_port)),
        _ => None,
    }
}

const PAIRS: [(&str, &str); 2] = [("10.0.0.1", "192.0.2.1"), ("2001:db8::1", "2001:db8:1::1")];

#[test]
fn segments_and_datagrams_have_their_ports() {
    for (src, dst) in PAIRS {
        let layout = look(&tcp(src, dst, (1000, 80), Flags::SYN));
        assert_eq!(ports_of(&layout), Some((1000, 80)));
        let syn = Part::Segment { flags: Flags::SYN, header_len: 20, text: false };
        assert!(matches!(layout.content, Content::Flow { part, .. } if part == syn));
        assert_eq!(ports_of(&look(&udp(src, dst, (53, 5353), b"x"))), Some((53, 5353)));
    }
}

#[test]
fn an_answer_is_the_inverse_of_its_question() {
    for ((src, dst), reply) in PAIRS.into_iter().zip([0, 129]) {
        let question = look(&ping(src, dst, 0x1234));
        let answer = look(&icmp(dst, src, reply, [0x12, 0x34, 0, 1], b"ping"));
        let tuple = |layout: &Layout| match layout.content {
            Content::Flow { tuple, .. } => tuple,
            _ => panic!("{layout:?}"),
        };
        assert_eq!(tuple(&question).inverse(), tuple(&answer));
    }
}

#[test]
fn an_error_is_about_the_packet_that_it_quotes() {
    for ((src, dst), kind) in PAIRS.into_iter().zip([11, 3]) {
        for quoted in [udp(src, dst, (1000, 33434), b""), tcp(src, dst, (1000, 33434), Flags::SYN)] {
            let ip = if src.contains(':') { 40 } else { 20 };
            let bytes = icmp(dst, src, kind, [0; 4], &quoted[..ip + 8]);
            let Content::Error(quote) = look(&bytes).content else { panic!("no error") };
            assert_eq!((quote.network, quote.transport), (ip + 8, 2 * ip + 8));
            assert_eq!((quote.tuple.src_port, quote.tuple.dst_port), (1000, 33434));
            let cut = icmp(dst, src, kind, [0; 4], &quoted[..ip + 7]);
            assert_eq!(look(&cut).content, Content::Invalid);
        }
    }
}

#[test]
fn extension_headers_are_walked_in_packets_and_in_quotes() {
    let (src, dst) = PAIRS[1];
    let plain = udp(src, dst, (7, 9), b"");
    let mut segment: Vec<u8> = [UDP, 0, 1, 4, 0, 0, 0, 0].into();
    segment.extend_from_slice(&plain[40..]);
    let (from, to) = (src.parse().unwrap(), dst.parse().unwrap());
    let extended = packet(from, to, IPV6_DESTINATION, &segment);
    let layout = look(&extended);
    assert_eq!((layout.transport, ports_of(&layout)), (48, Some((7, 9))));
    let Content::Error(quote) = look(&icmp(dst, src, 1, [0; 4], &extended)).content else { panic!() };
    assert_eq!((quote.transport, quote.tuple.dst_port), (40 + 8 + 48, 9));
}

#[test]
fn later_fragments_have_no_ports_but_a_datagram() {
    let (src, dst) = PAIRS[0];
    let mut bytes = udp(src, dst, (7, 9), &[0; 16]);
    (bytes[6], bytes[7]) = (0x20, 0);
    let first = look(&bytes);
    (bytes[6], bytes[7]) = (0, 2);
    let later = look(&bytes);
    assert!(first.datagram.is_some() && first.datagram == later.datagram);
    assert_eq!((ports_of(&first), later.content), (Some((7, 9)), Content::Later));

    let (from, to) = (PAIRS[1].0.parse().unwrap(), PAIRS[1].1.parse().unwrap());
    let fragment = |offset: u8, more: u8| {
        let header = [UDP, 0, 0, offset | more, 0, 0, 0, 7];
        packet(from, to, IPV6_FRAGMENT, &[&header[..], &[0, 7, 0, 9, 0, 24, 1, 1]].concat())
    };
    let (first, later) = (look(&fragment(0, 1)), look(&fragment(8, 0)));
    assert!(first.datagram.is_some() && first.datagram == later.datagram);
    assert_eq!((ports_of(&first), later.content), (Some((7, 9)), Content::Later));
}

#[test]
fn what_has_no_connection_is_told_from_what_is_broken() {
    let (src, dst) = PAIRS[1];
    for kind in [130, 133, 134, 135, 136, 137, 143] {
        assert_eq!(look(&icmp(src, dst, kind, [0; 4], b"")).content, Content::Untracked, "{kind}");
    }
    let redirect = icmp(PAIRS[0].0, PAIRS[0].1, 5, [0; 4], &udp(PAIRS[0].0, PAIRS[0].1, (1, 2), b""));
    assert_eq!(look(&redirect).content, Content::Untracked);
    let whole = tcp(src, dst, (1, 2), Flags::ACK);
    for len in 40..whole.len() {
        assert_eq!(look(&whole[..len]).content, Content::Invalid, "{len}");
    }
    assert_eq!(Layout::of_packet(&whole[..39], 39), None);
    assert_eq!(Layout::of_packet(b"", 0), None);
}

#[test]
fn no_byte_makes_it_panic() {
    let seeds = [
        icmp("10.0.0.1", "10.0.0.2", 3, [0; 4], &tcp("10.0.0.2", "10.0.0.1", (1, 2), Flags::SYN)),
        icmp("fd00::1", "fd00::2", 1, [0; 4], &udp("fd00::2", "fd00::1", (1, 2), b"abc")),
    ];
    for seed in seeds {
        for at in 0..seed.len() {
            for value in [0, 1, 0x2c, 0x3c, 0x45, 0x4f, 0x60, 0x7f, 0x80, 0xff] {
                let mut bytes = seed.clone();
                bytes[at] = value;
                for len in [bytes.len(), at, at / 2] {
                    let layout = Layout::of_packet(&bytes[..len], len);
                    if let Some(Layout { content: Content::Error(quote), .. }) = layout {
                        assert!(quote.transport + 8 <= len);
                    }
                }
            }
        }
    }
}
