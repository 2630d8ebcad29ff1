//! Tests of the IPv4 views: parsing, options, building and their refusals.

use super::*;
use crate::checksum;
use core::net::Ipv4Addr;
use proptest::prelude::*;
use std::vec::Vec;

const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn packet(emit: Emit<'_>, behind: usize) -> Vec<u8> {
    let mut packet = std::vec![0; emit.header_len()];
    assert_eq!(emit.write(&mut packet), emit.header_len());
    packet.resize(emit.header_len() + behind, 0xab);
    packet
}

#[test]
fn lengths() {
    let good = packet(Emit { options: &[1; 4], ..Emit::new(A, A, 6, 10) }, 16);
    let with = |at: usize, byte| {
        let mut packet = good.clone();
        packet[at] = byte;
        Ipv4::parse(&packet).map(|ip| ip.payload().len())
    };
    for (situation, got, want) in [
        ("padding behind", with(0, 0x46), Ok(10)),
        ("version 6", with(0, 0x66), Err(WireError::BadVersion)),
        ("four words", with(0, 0x44), Err(WireError::BadHeaderLength)),
        ("no words", with(0, 0x40), Err(WireError::BadHeaderLength)),
        ("header beyond the bytes", with(0, 0x4f), Err(WireError::Truncated)),
        ("total length is the header's", with(3, 24), Ok(0)),
        ("total length below the header's", with(3, 23), Err(WireError::BadTotalLength)),
        ("total length is all", with(3, 40), Ok(16)),
        ("total length above what arrived", with(3, 41), Err(WireError::BadTotalLength)),
        ("cut header", Ipv4::parse(&good[..19]).map(|_| 0), Err(WireError::Truncated)),
        ("cut options", Ipv4::parse(&good[..23]).map(|_| 0), Err(WireError::Truncated)),
    ] {
        assert_eq!(got, want, "{situation}");
    }
    let quoted = Ipv4::parse_quoted(&good[..32]).unwrap();
    assert_eq!((quoted.payload().len(), quoted.total_len()), (8, 34));
}

#[test]
fn options_end_at_a_bad_length() {
    let walk = |bytes: &[u8]| {
        let packet = packet(Emit { options: bytes, ..Emit::new(A, A, 6, 0) }, 0);
        let mut options = Ipv4::parse(&packet).unwrap().options();
        let seen: Vec<(u8, usize)> = options.by_ref().map(|(kind, data)| (kind, data.len())).collect();
        (seen, options.malformed(), options.offset())
    };
    for (situation, bytes, want) in [
        ("router alert", &[148, 4, 0, 0][..], (std::vec![(148, 2)], false, 24)),
        ("NOPs, then END", &[1, 1, 7, 3, 4, 0, 99, 1], (std::vec![(7, 1)], false, 25)),
        ("length 1", &[7, 3, 4, 68, 1, 0, 0, 0], (std::vec![(7, 1)], true, 23)),
        ("length 0", &[1, 68, 0, 0], (std::vec![], true, 21)),
        ("length beyond the header", &[148, 4, 0, 0, 68, 5, 0, 0], (std::vec![(148, 2)], true, 24)),
        ("no room for a length", &[1, 1, 1, 68], (std::vec![], true, 23)),
    ] {
        assert_eq!(walk(bytes), want, "{situation}");
    }
}

#[test]
fn what_cannot_be_written() {
    let emit = Emit::new(A, A, 6, 100);
    let mut out = [0; 80];
    for (situation, emit, room, want) in [
        ("just enough room", emit, 20, 20),
        ("one octet short", emit, 19, 0),
        ("largest packet", Emit { payload_len: 65515, ..emit }, 80, 20),
        ("packet too large", Emit { payload_len: 65516, ..emit }, 80, 0),
        ("payload of all memory", Emit { payload_len: usize::MAX, ..emit }, 80, 0),
        ("largest options", Emit { options: &[0; 40], ..emit }, 80, 60),
        ("options too large", Emit { options: &[0; 41], ..emit }, 80, 0),
    ] {
        assert_eq!(emit.write(&mut out[..room]), want, "{situation}");
    }
}

proptest! {
    #[test]
    fn any_bytes(mut bytes: Vec<u8>, first in prop::option::of(0x44u8..0x50)) {
        if let (Some(first), Some(byte)) = (first, bytes.first_mut()) {
            *byte = first;
        }
        if let Ok(ip) = Ipv4::parse(&bytes) {
            prop_assert_eq!(ip.header_len() + ip.payload().len(), usize::from(ip.total_len()));
            prop_assert_eq!(MIN_HEADER_LEN + ip.options_bytes().len(), ip.header_len());
            let mut options = ip.options();
            options.by_ref().for_each(drop);
            prop_assert!(options.offset() <= ip.header_len());
        }
        if let Ok(ip) = Ipv4::parse_quoted(&bytes) {
            prop_assert!(ip.header_len() + ip.payload().len() <= bytes.len());
        }
    }

    #[test]
    fn written_is_what_others_read(
        (tos, ident, ttl, protocol) in any::<(u8, u16, u8, u8)>(), (df, mf) in any::<(bool, bool)>(), units in 0u16..1 << 13,
        (src, dst) in any::<([u8; 4], [u8; 4])>(), options in prop::collection::vec(any::<u8>(), 0..=40), len in 0usize..100,
    ) {
        let emit = Emit {
            tos, ident, dont_fragment: df, more_fragments: mf, fragment_offset: units * 8, ttl, protocol,
            src: src.into(), dst: dst.into(), options: &options, payload_len: len,
        };
        let mut packet = packet(emit, len);
        let ours = Ipv4::parse(&packet).unwrap();
        let theirs = etherparse::Ipv4HeaderSlice::from_slice(&packet).unwrap();
        prop_assert!(ours.verify_checksum());
        prop_assert_eq!(theirs.header_checksum(), theirs.to_header().calc_header_checksum());
        prop_assert_eq!(ours.payload().len(), len);
        prop_assert_eq!(ours.options_bytes(), theirs.options());
        prop_assert_eq!(&ours.options_bytes()[..options.len()], &options[..]);
        prop_assert_eq!((ours.version(), ours.tos()), (4, tos));
        prop_assert_eq!((ours.dscp(), ours.ecn()), (theirs.dcp().value(), theirs.ecn().value()));
        prop_assert_eq!((ours.total_len(), ours.ident()), (theirs.total_len(), theirs.identification()));
        prop_assert_eq!(ours.dont_fragment(), theirs.dont_fragment());
        prop_assert_eq!(ours.more_fragments(), theirs.more_fragments());
        prop_assert_eq!(ours.fragment_offset(), theirs.fragments_offset().value() * 8);
        prop_assert_eq!(ours.is_fragment(), theirs.is_fragmenting_payload());
        prop_assert_eq!((ours.ttl(), ours.protocol()), (theirs.ttl(), theirs.protocol().0));
        prop_assert_eq!((ours.src(), ours.dst()), (theirs.source_addr(), theirs.destination_addr()));

        let header = Header::from_bytes_mut(&mut packet).unwrap();
        prop_assert_eq!(header.decrement_ttl(), ttl.saturating_sub(1));
        header.set_tos(!tos);
        let changed = Ipv4::parse(&packet).unwrap();
        prop_assert!(changed.verify_checksum());
        prop_assert_eq!((changed.ttl(), changed.tos()), (ttl.saturating_sub(1), !tos));
    }

    #[test]
    fn one_flipped_bit_is_seen(ident: u16, bit in 0usize..160) {
        let mut packet = packet(Emit { ident, ..Emit::new(A, A, 6, 0) }, 0);
        packet[bit / 8] ^= 1 << (bit % 8);
        let seen = checksum::ipv4_header(&packet) != 0;
        prop_assert!(seen);
    }
}
