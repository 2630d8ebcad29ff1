//! Packets that are rewritten, against those that would have been built.

use super::*;
use crate::testing::{address, icmp, packet, ping, tcp, udp};
use alloc::vec::Vec;
use stack_wire::checksum::pseudo_header;
use stack_wire::tcp::Flags;

fn end(text: &str, port: u16) -> End {
    End { address: address(text), port }
}

/// Both ends of a packet changed, one after the other.
fn both(mut bytes: Vec<u8>, source: End, destination: End, checksum: Checksum) -> Vec<u8> {
    for (side, to) in [(Side::Source, source), (Side::Destination, destination)] {
        let layout = Layout::of_packet(&bytes, bytes.len()).unwrap();
        translate(&mut bytes, &layout, side, to, to.address, checksum);
    }
    bytes
}

/// Before and after of both families.
const ENDS: [(&str, &str, &str, &str); 2] = [
    ("10.0.0.1", "203.0.113.1", "192.0.2.1", "192.0.2.99"),
    ("fd00::1", "2001:db8::1", "2001:db8:2::1", "2001:db8:ffff:ffff::99"),
];

#[test]
fn a_translated_packet_is_the_one_that_would_have_been_built() {
    for ((src, src2, dst, dst2), question) in ENDS.into_iter().zip([8, 128]) {
        let (source, destination) = (end(src2, 40_000), end(dst2, 8080));
        let after = both(udp(src, dst, (1000, 80), b"odd"), source, destination, Checksum::Unverified);
        assert_eq!(after, udp(src2, dst2, (40_000, 8080), b"odd"));
        let syn = tcp(src, dst, (1000, 80), Flags::SYN);
        let after = both(syn, source, destination, Checksum::Verified);
        assert_eq!(after, tcp(src2, dst2, (40_000, 8080), Flags::SYN));
        let after = both(ping(src, dst, 7), end(src2, 9), end(dst2, question), Checksum::Unverified);
        assert_eq!(after, ping(src2, dst2, 9));
    }
}

#[test]
fn an_incomplete_checksum_stays_the_sum_of_the_pseudo_header() {
    for (src, src2, dst, dst2) in ENDS {
        let mut before = tcp(src, dst, (1000, 80), Flags::ACK);
        let at = before.len() - 20;
        let sum = |src, dst| pseudo_header(address(src), address(dst), 6, 20).folded().to_be_bytes();
        before[at + 16..at + 18].copy_from_slice(&sum(src, dst));
        let partial = Checksum::Partial { start: at as u16, offset: 16 };
        let after = both(before, end(src2, 1), end(dst2, 2), partial);
        assert_eq!(after[at + 16..at + 18], sum(src2, dst2));
        assert_eq!(after[at..at + 4], [0, 1, 0, 2]);
    }
}

#[test]
fn a_datagram_without_checksum_keeps_none_and_one_never_becomes_none() {
    let (src, src2, dst, dst2) = ENDS[0];
    let mut bare = udp(src, dst, (1, 2), b"x");
    bare[26..28].fill(0);
    let after = both(bare, end(src2, 3), end(dst2, 4), Checksum::Unverified);
    assert_eq!(after[26..28], [0, 0]);
    for port in 0..=u16::MAX {
        let after = both(udp(src, dst, (1, 2), b""), end(src2, port), end(dst2, 4), Checksum::Unverified);
        assert_ne!(after[26..28], [0, 0], "{port}");
    }
}

#[test]
fn a_later_fragment_changes_its_addresses_only() {
    let (src, src2, dst, dst2) = ENDS[0];
    let mut bytes = packet(address(src), address(dst), 17, &[1, 2, 3, 4, 5, 6, 7, 8]);
    bytes[7] = 1;
    bytes[10..12].fill(0);
    let sum = stack_wire::checksum::ipv4_header(&bytes[..20]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    let after = both(bytes, end(src2, 3), end(dst2, 4), Checksum::Unverified);
    assert_eq!(after[20..], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(stack_wire::checksum::ipv4_header(&after[..20]), 0);
    assert_eq!(after[12..20], [203, 0, 113, 1, 192, 0, 2, 99]);
}

#[test]
fn an_errors_quote_is_translated_with_every_checksum() {
    for ((inside, outside, peer, _), kind) in ENDS.into_iter().zip([3, 1]) {
        let router = if inside.contains(':') { "2001:db8:7::7" } else { "198.51.100.7" };
        let quotes = [
            (udp(outside, peer, (40_000, 53), b"query"), udp(inside, peer, (1000, 53), b"query")),
            (tcp(outside, peer, (40_000, 80), Flags::SYN), tcp(inside, peer, (1000, 80), Flags::SYN)),
        ];
        for (sent, original) in quotes {
            let mut error = icmp(router, outside, kind, [0; 4], &sent);
            let layout = Layout::of_packet(&error, error.len()).unwrap();
            let to = end(inside, 1000);
            translate(&mut error, &layout, Side::Destination, to, to.address, Checksum::Unverified);
            assert_eq!(error, icmp(router, inside, kind, [0; 4], &original));
        }
    }
}

#[test]
fn a_quote_of_eight_bytes_is_translated_as_far_as_it_goes() {
    let (inside, outside, peer, _) = ENDS[0];
    let sent = tcp(outside, peer, (40_000, 80), Flags::SYN);
    let mut error = icmp(peer, outside, 11, [0; 4], &sent[..28]);
    let layout = Layout::of_packet(&error, error.len()).unwrap();
    let to = end(inside, 1000);
    translate(&mut error, &layout, Side::Destination, to, to.address, Checksum::Unverified);
    let original = tcp(inside, peer, (1000, 80), Flags::SYN);
    assert_eq!(error, icmp(peer, inside, 11, [0; 4], &original[..28]));
}

#[test]
fn a_quoted_question_gets_its_identifier_back() {
    for ((inside, outside, peer, _), kind) in ENDS.into_iter().zip([11, 3]) {
        let mut error = icmp(peer, outside, kind, [0; 4], &ping(outside, peer, 0x5678));
        let layout = Layout::of_packet(&error, error.len()).unwrap();
        let to = end(inside, 0x1234);
        translate(&mut error, &layout, Side::Destination, to, to.address, Checksum::Unverified);
        assert_eq!(error, icmp(peer, inside, kind, [0; 4], &ping(inside, peer, 0x1234)));
    }
}
