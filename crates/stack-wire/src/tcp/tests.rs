//! Tests of the TCP view: parsing, building, checksums and their refusals.

use super::*;
use crate::checksum::pseudo_header;
use crate::ip::protocol;
use proptest::prelude::*;
use std::string::ToString;
use std::vec::Vec;

#[test]
fn data_offsets() {
    let mut segment = [0u8; 32];
    for (situation, words, len, want) in [
        ("no words", 0, 32, Err(WireError::BadHeaderLength)),
        ("four words", 4, 32, Err(WireError::BadHeaderLength)),
        ("no options", 5, 32, Ok((0, 12))),
        ("options and text", 7, 32, Ok((8, 4))),
        ("options only", 8, 32, Ok((12, 0))),
        ("options cut", 8, 31, Err(WireError::Truncated)),
        ("offset beyond the segment", 15, 32, Err(WireError::Truncated)),
        ("header cut", 5, 19, Err(WireError::Truncated)),
    ] {
        segment[12] = words << 4;
        let got = Tcp::parse(&segment[..len]).map(|tcp| (tcp.options_bytes().len(), tcp.payload().len()));
        assert_eq!(got, want, "{situation}");
    }
}

#[test]
fn flags_as_text() {
    for (flags, text) in [
        (Flags::NONE, "[none]"),
        (Flags::SYN, "[S]"),
        (Flags::SYN | Flags::ACK, "[S.]"),
        (Flags::FIN | Flags::PSH | Flags::ACK, "[FP.]"),
        (Flags::SYN | Flags::ECE | Flags::CWR | Flags::AE, "[SEWe]"),
        (Flags::RST | Flags::URG, "[RU]"),
    ] {
        assert_eq!(flags.to_string(), text);
    }
}

#[test]
fn what_cannot_be_written() {
    let emit = Emit::default();
    let mut out = [0; 80];
    assert_eq!(emit.write(&mut out[..19], Sum::new()), 0);
    assert_eq!(Emit { options: &[0; 41], ..emit }.write(&mut out, Sum::new()), 0);
    assert_eq!(Emit { options: &[0; 40], ..emit }.write(&mut out[..59], Sum::new()), 0);
    assert_eq!(Emit { options: &[0; 37], ..emit }.write(&mut out, Sum::new()), 60);
}

#[test]
fn quoted_segments() {
    assert_eq!(Quoted::parse(&[0; 7]), None);
    let want = Quoted { src_port: 0x0102, dst_port: 0x0304, seq: SeqNum(0x0506_0708) };
    assert_eq!(Quoted::parse(&[1, 2, 3, 4, 5, 6, 7, 8, 9]), Some(want));
}

#[test]
fn flags_take_sequence_numbers() {
    let mut segment = [0u8; 23];
    for (flags, want) in
        [(Flags::ACK, 3), (Flags::SYN, 4), (Flags::FIN | Flags::ACK, 4), (Flags::SYN | Flags::FIN, 5)]
    {
        Emit { flags, ..Emit::default() }.write(&mut segment, Sum::new());
        assert_eq!(Tcp::parse(&segment).unwrap().segment_len(), want, "{flags}");
    }
}

proptest! {
    #[test]
    fn any_bytes(mut bytes: Vec<u8>, words in prop::option::of(4u8..16)) {
        if let (Some(words), Some(byte)) = (words, bytes.get_mut(12)) {
            *byte = words << 4;
        }
        if let Ok(tcp) = Tcp::parse(&bytes) {
            prop_assert_eq!(tcp.header_len() + tcp.payload().len(), bytes.len());
            prop_assert_eq!(tcp.options_bytes().len() + MIN_HEADER_LEN, tcp.header_len());
        }
    }

    #[test]
    fn written_is_what_others_read(
        (src_port, dst_port) in any::<(u16, u16)>(), (seq, ack) in any::<(u32, u32)>(), bits in 0u16..0x200, (window, urgent) in any::<(u16, u16)>(),
        options in prop::collection::vec(any::<u8>(), 0..=40), payload: Vec<u8>, (src, dst) in any::<([u8; 4], [u8; 4])>(),
    ) {
        let flags = Flags::from_bits(bits);
        let emit = Emit { src_port, dst_port, seq: SeqNum(seq), ack: SeqNum(ack), flags, window, urgent, options: &options };
        let len = emit.header_len() + payload.len();
        let pseudo = pseudo_header(src.into(), dst.into(), protocol::TCP, len as u32);
        let mut covered = pseudo;
        covered.add_bytes(&payload);
        let mut segment = std::vec![0xee; emit.header_len()];
        prop_assert_eq!(emit.write(&mut segment, covered), emit.header_len());
        segment.extend_from_slice(&payload);

        let ours = Tcp::parse(&segment).unwrap();
        let theirs = etherparse::TcpSlice::from_slice(&segment).unwrap();
        prop_assert!(ours.verify_checksum(pseudo));
        prop_assert_eq!(theirs.calc_checksum_ipv4(src, dst), Ok(theirs.checksum()));
        prop_assert_eq!((ours.src_port(), ours.dst_port()), (theirs.source_port(), theirs.destination_port()));
        prop_assert_eq!((ours.seq().0, ours.ack().0), (theirs.sequence_number(), theirs.acknowledgment_number()));
        prop_assert_eq!((ours.window(), ours.urgent()), (theirs.window_size(), theirs.urgent_pointer()));
        prop_assert_eq!((ours.options_bytes(), ours.payload()), (theirs.options(), theirs.payload()));
        prop_assert_eq!(&ours.options_bytes()[..options.len()], &options[..]);
        prop_assert!(ours.options_bytes()[options.len()..].iter().all(|byte| *byte == 0));
        let f = ours.flags();
        prop_assert_eq!(f.bits(), bits);
        prop_assert_eq!((f.fin(), f.syn(), f.rst(), f.psh()), (theirs.fin(), theirs.syn(), theirs.rst(), theirs.psh()));
        prop_assert_eq!((f.ack(), f.urg(), f.contains(Flags::ECE)), (theirs.ack(), theirs.urg(), theirs.ece()));
        prop_assert_eq!((f.contains(Flags::CWR), f.contains(Flags::AE)), (theirs.cwr(), theirs.ns()));

        prop_assert_eq!(emit.write_partial(&mut segment, pseudo), emit.header_len());
        prop_assert_eq!(Tcp::parse(&segment).unwrap().header().checksum.get(), pseudo.folded());
        let header = Header::from_bytes_mut(&mut segment).unwrap();
        header.set_flags(!flags);
        prop_assert_eq!((header.flags(), header.header_len()), (!flags, emit.header_len()));
    }
}
