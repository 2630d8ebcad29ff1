//! TCP headers: RFC 9293 §3.1, with the ECN flags of RFC 3168 and the AE flag of RFC 9768.
//!
//! [`Tcp::parse`] checks the data offset; the option area is handed out as bytes
//! for [`TcpOptions::parse`](crate::tcp_options::TcpOptions::parse). It does not
//! look at the checksum: [`Tcp::verify_checksum`] does, when the device has not.

use core::fmt::{self, Write};
use core::ops::{BitAnd, BitOr, BitOrAssign, Deref, Not};

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Sum;
use crate::error::WireError;
use crate::seq::SeqNum;

/// Octets of a header without options.
pub const MIN_HEADER_LEN: usize = 20;
/// Octets of a header with all the options that its length field can tell.
pub const MAX_HEADER_LEN: usize = 60;
/// Octets of the largest option area.
pub const MAX_OPTIONS_LEN: usize = MAX_HEADER_LEN - MIN_HEADER_LEN;
/// Where in the header the checksum lies: what a device wants to know that completes it.
pub const CHECKSUM_OFFSET: usize = 16;

/// The control bits of a segment. Shown as tcpdump shows them: `[S.]`, `[none]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push function.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgment field means something.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer means something.
    pub const URG: Self = Self(0x020);
    /// ECN echo, RFC 3168 §6.1; with AccECN the middle bit of the counter.
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced, RFC 3168 §6.1; with AccECN the upper bit but one of the counter.
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN, RFC 9768 §3.1; in older documents NS.
    pub const AE: Self = Self(0x100);
    /// Every bit above.
    const ALL: u16 = 0x1ff;

    /// The flags in the low nine bits; the rest is dropped.
    #[inline]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL)
    }

    /// The flags as the low nine bits of a number.
    #[inline]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every flag of `other` is set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether some flag of `other` is set.
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no flag is set.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether SYN is set.
    #[inline]
    pub const fn syn(self) -> bool {
        self.contains(Self::SYN)
    }

    /// Whether ACK is set.
    #[inline]
    pub const fn ack(self) -> bool {
        self.contains(Self::ACK)
    }

    /// Whether FIN is set.
    #[inline]
    pub const fn fin(self) -> bool {
        self.contains(Self::FIN)
    }

    /// Whether RST is set.
    #[inline]
    pub const fn rst(self) -> bool {
        self.contains(Self::RST)
    }

    /// Whether PSH is set.
    #[inline]
    pub const fn psh(self) -> bool {
        self.contains(Self::PSH)
    }

    /// Whether URG is set.
    #[inline]
    pub const fn urg(self) -> bool {
        self.contains(Self::URG)
    }

    /// The sequence numbers that the flags take: one for SYN and one for FIN.
    #[inline]
    pub const fn sequence_len(self) -> u32 {
        self.syn() as u32 + self.fin() as u32
    }
}

impl BitOr for Flags {
    type Output = Self;
    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Flags {
    type Output = Self;
    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Self;
    #[inline]
    fn not(self) -> Self {
        Self(!self.0 & Self::ALL)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, char); 9] = [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::ACK, '.'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::AE, 'e'),
        ];
        if self.is_empty() {
            return f.write_str("[none]");
        }
        f.write_char('[')?;
        for (_, letter) in LETTERS.iter().filter(|(flag, _)| self.contains(*flag)) {
            f.write_char(*letter)?;
        }
        f.write_char(']')
    }
}

/// The fixed part of a header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Source port.
    pub src_port: U16,
    /// Destination port.
    pub dst_port: U16,
    /// Sequence number of the first octet, or of SYN.
    pub seq: U32,
    /// Next sequence number that the sender expects.
    pub ack: U32,
    /// Data offset in 32-bit words (high four bits), reserved bits, flags (low nine bits).
    pub offset_flags: U16,
    /// Window, not scaled.
    pub window: U16,
    /// Checksum of pseudo-header, header and payload.
    pub checksum: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

impl Header {
    /// The header at the front of `segment`, for changes in place; nothing is checked but the size.
    #[inline]
    pub fn from_bytes_mut(segment: &mut [u8]) -> Option<&mut Self> {
        Self::mut_from_prefix(segment).ok().map(|(header, _)| header)
    }

    /// Source port.
    #[inline]
    pub const fn src_port(&self) -> u16 {
        self.src_port.get()
    }

    /// Destination port.
    #[inline]
    pub const fn dst_port(&self) -> u16 {
        self.dst_port.get()
    }

    /// SEG.SEQ.
    #[inline]
    pub const fn seq(&self) -> SeqNum {
        SeqNum(self.seq.get())
    }

    /// SEG.ACK; means something only with the ACK flag.
    #[inline]
    pub const fn ack(&self) -> SeqNum {
        SeqNum(self.ack.get())
    }

    /// Octets of the header with its options, as the data offset tells.
    #[inline]
    pub const fn header_len(&self) -> usize {
        (self.offset_flags.get() >> 12) as usize * 4
    }

    /// The control bits.
    #[inline]
    pub const fn flags(&self) -> Flags {
        Flags::from_bits(self.offset_flags.get())
    }

    /// Replaces the control bits; the checksum stays as it is.
    #[inline]
    pub fn set_flags(&mut self, flags: Flags) {
        self.offset_flags.set(self.offset_flags.get() & !Flags::ALL | flags.bits());
    }

    /// SEG.WND before scaling, an unsigned number (R9293-MUST-1).
    #[inline]
    pub const fn window(&self) -> u16 {
        self.window.get()
    }

    /// The urgent pointer; means something only with the URG flag.
    #[inline]
    pub const fn urgent(&self) -> u16 {
        self.urgent.get()
    }
}

/// A segment whose data offset was found right. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    header: &'a Header,
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Tcp<'a> {
    /// Reads a segment: the whole payload of an IP packet.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when the bytes end inside the header or its options,
    /// [`BadHeaderLength`](WireError::BadHeaderLength) for a data offset below five words.
    #[inline]
    pub fn parse(segment: &'a [u8]) -> Result<Self, WireError> {
        let Ok((header, rest)) = Header::ref_from_prefix(segment) else { return Err(WireError::Truncated) };
        let options_len = header.header_len().checked_sub(MIN_HEADER_LEN);
        let options_len = options_len.ok_or(WireError::BadHeaderLength)?;
        let (options, payload) = rest.split_at_checked(options_len).ok_or(WireError::Truncated)?;
        Ok(Self { header, options, payload })
    }

    /// The fixed part of the header, borrowed from the segment.
    #[inline]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// The option area as it came, padding included.
    #[inline]
    pub const fn options_bytes(&self) -> &'a [u8] {
        self.options
    }

    /// The text of the segment.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// SEG.LEN: octets of text, plus one for SYN and one for FIN (RFC 9293 §3.4).
    #[inline]
    pub const fn segment_len(&self) -> u32 {
        self.payload.len() as u32 + self.header.flags().sequence_len()
    }

    /// Whether the checksum is right (R9293-MUST-3); `pseudo` is the sum of the pseudo-header.
    #[inline]
    pub fn verify_checksum(&self, pseudo: Sum) -> bool {
        let mut sum = pseudo;
        sum.add_bytes(self.header.as_bytes()).add_bytes(self.options).add_bytes(self.payload).is_valid()
    }
}

impl Deref for Tcp<'_> {
    type Target = Header;
    #[inline]
    fn deref(&self) -> &Header {
        self.header
    }
}

/// The first eight octets of a header: all that an ICMP error is bound to quote (RFC 792).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Source port of the quoted segment.
    pub src_port: u16,
    /// Destination port of the quoted segment.
    pub dst_port: u16,
    /// Sequence number of the quoted segment.
    pub seq: SeqNum,
}

impl Quoted {
    /// Reads what an ICMP error quotes of a segment; `None` below eight octets.
    pub fn parse(quoted: &[u8]) -> Option<Self> {
        let ([s0, s1, d0, d1, seq @ ..], _) = quoted.split_first_chunk::<8>()?;
        Some(Self {
            src_port: u16::from_be_bytes([*s0, *s1]),
            dst_port: u16::from_be_bytes([*d0, *d1]),
            seq: SeqNum(u32::from_be_bytes(*seq)),
        })
    }
}

/// The values of a header to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Emit<'a> {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: SeqNum,
    /// Acknowledgment number.
    pub ack: SeqNum,
    /// Control bits.
    pub flags: Flags,
    /// Window, already shifted right by the scale.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Option area, at most 40 octets; padded with zeros to a multiple of four (R9293-MUST-69).
    pub options: &'a [u8],
}

impl Emit<'_> {
    /// Octets that [`write`](Self::write) fills.
    #[inline]
    pub const fn header_len(&self) -> usize {
        MIN_HEADER_LEN + self.options.len().next_multiple_of(4)
    }

    /// Writes the header with its checksum to the front of `out` and returns its length
    /// (R9293-MUST-2).
    ///
    /// `covered` is the sum of all else that the checksum covers: pseudo-header, then payload.
    /// Returns 0 and writes nothing when `out` is too short or the options exceed 40 octets.
    #[inline]
    pub fn write(&self, out: &mut [u8], covered: Sum) -> usize {
        self.write_with(out, |header, options| {
            Sum::new().add_bytes(header).add_bytes(options).add_sum(covered).finish()
        })
    }

    /// As [`write`](Self::write), for a device that completes the checksum: the field holds the
    /// sum of the pseudo-header, not complemented.
    #[inline]
    pub fn write_partial(&self, out: &mut [u8], pseudo: Sum) -> usize {
        self.write_with(out, |_, _| pseudo.folded())
    }

    #[inline]
    fn write_with(&self, out: &mut [u8], checksum: impl FnOnce(&[u8], &[u8]) -> u16) -> usize {
        let len = self.header_len();
        if len > MAX_HEADER_LEN || out.len() < len {
            return 0;
        }
        let Ok((fixed, rest)) = Header::mut_from_prefix(out) else { return 0 };
        let Some(area) = rest.get_mut(..len - MIN_HEADER_LEN) else { return 0 };
        *fixed = self.fixed(len);
        match area.split_at_mut_checked(self.options.len()) {
            Some((options, padding)) => {
                options.copy_from_slice(self.options);
                padding.fill(0);
            }
            None => return 0,
        }
        fixed.checksum.set(checksum(fixed.as_bytes(), area));
        len
    }

    /// The fixed part with a checksum of zero.
    #[inline]
    fn fixed(&self, header_len: usize) -> Header {
        Header {
            src_port: U16::new(self.src_port),
            dst_port: U16::new(self.dst_port),
            seq: U32::new(self.seq.0),
            ack: U32::new(self.ack.0),
            offset_flags: U16::new((header_len as u16 / 4) << 12 | self.flags.bits()),
            window: U16::new(self.window),
            checksum: U16::ZERO,
            urgent: U16::new(self.urgent),
        }
    }
}

#[cfg(test)]
mod tests {
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
}
