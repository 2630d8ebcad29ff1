//! IPv4 headers: RFC 791, with the DS field and ECN bits of RFC 2474 and RFC 3168.
//!
//! [`Ipv4::parse`] checks every length once; after that all accessors are plain
//! loads. It does not look at the checksum: [`Ipv4::verify_checksum`] does, when
//! the device has not. Bytes behind the total length (Ethernet padding) are cut
//! off. Whether addresses make sense is the network layer's question.

use core::net::Ipv4Addr;
use core::ops::Deref;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::{self, Sum};
use crate::error::WireError;

/// Octets of a header without options.
pub const MIN_HEADER_LEN: usize = 20;
/// Octets of a header with all the options that its length field can tell.
pub const MAX_HEADER_LEN: usize = 60;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET_MASK: u16 = 0x1fff;

/// Option types, RFC 791 §3.1 and RFC 2113.
pub mod option {
    /// End of the option list.
    pub const END: u8 = 0;
    /// No operation.
    pub const NOP: u8 = 1;
    /// Record route.
    pub const RECORD_ROUTE: u8 = 7;
    /// Internet timestamp.
    pub const TIMESTAMP: u8 = 68;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
    /// Router alert.
    pub const ROUTER_ALERT: u8 = 148;
    /// The bit that sends an option along in every fragment (R791-3.2-c).
    pub const COPIED: u8 = 0x80;
}

/// The fixed part of a header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Version (high four bits) and header length in 32-bit words.
    pub version_ihl: u8,
    /// DS field and ECN bits.
    pub tos: u8,
    /// Octets of header and payload.
    pub total_len: U16,
    /// Identification of a fragmented datagram.
    pub ident: U16,
    /// Flags (high three bits) and fragment offset in units of eight octets.
    pub flags_fragment: U16,
    /// Hops left.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Checksum of the header, options included.
    pub checksum: U16,
    /// Source address.
    pub src: [u8; 4],
    /// Destination address.
    pub dst: [u8; 4],
}

impl Header {
    /// The header at the front of `packet`, for changes in place; nothing is checked but the size.
    #[inline]
    pub fn from_bytes_mut(packet: &mut [u8]) -> Option<&mut Self> {
        Self::mut_from_prefix(packet).ok().map(|(header, _)| header)
    }

    /// The version field: 4 in every header that was parsed.
    #[inline]
    pub const fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// Octets of the header with its options, as its length field tells.
    #[inline]
    pub const fn header_len(&self) -> usize {
        (self.version_ihl & 0x0f) as usize * 4
    }

    /// The whole octet of DS field and ECN bits.
    #[inline]
    pub const fn tos(&self) -> u8 {
        self.tos
    }

    /// The differentiated services codepoint, six bits.
    #[inline]
    pub const fn dscp(&self) -> u8 {
        self.tos >> 2
    }

    /// The ECN codepoint, see [`ip::ecn`](crate::ip::ecn).
    #[inline]
    pub const fn ecn(&self) -> u8 {
        self.tos & 0b11
    }

    /// Octets of header and payload, as the header tells.
    #[inline]
    pub const fn total_len(&self) -> u16 {
        self.total_len.get()
    }

    /// The identification shared by the fragments of a datagram.
    #[inline]
    pub const fn ident(&self) -> u16 {
        self.ident.get()
    }

    /// The don't-fragment flag.
    #[inline]
    pub const fn dont_fragment(&self) -> bool {
        self.flags_fragment.get() & DONT_FRAGMENT != 0
    }

    /// The more-fragments flag.
    #[inline]
    pub const fn more_fragments(&self) -> bool {
        self.flags_fragment.get() & MORE_FRAGMENTS != 0
    }

    /// Where this fragment's payload lies in the datagram's, in octets (at most 65528).
    #[inline]
    pub const fn fragment_offset(&self) -> u16 {
        (self.flags_fragment.get() & OFFSET_MASK) * 8
    }

    /// Whether this is one fragment of several.
    #[inline]
    pub const fn is_fragment(&self) -> bool {
        self.flags_fragment.get() & (MORE_FRAGMENTS | OFFSET_MASK) != 0
    }

    /// Hops left.
    #[inline]
    pub const fn ttl(&self) -> u8 {
        self.ttl
    }

    /// Protocol of the payload, see [`ip::protocol`](crate::ip::protocol).
    #[inline]
    pub const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Source address.
    #[inline]
    pub const fn src(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.src;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Destination address.
    #[inline]
    pub const fn dst(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.dst;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Takes one hop off and mends the checksum (RFC 1624); returns the hops left. A TTL of zero
    /// stays as it is.
    #[inline]
    pub fn decrement_ttl(&mut self) -> u8 {
        let old = u16::from_be_bytes([self.ttl, self.protocol]);
        self.ttl = self.ttl.saturating_sub(1);
        let new = u16::from_be_bytes([self.ttl, self.protocol]);
        self.checksum.set(checksum::update_u16(self.checksum.get(), old, new));
        self.ttl
    }

    /// Replaces DS field and ECN bits and mends the checksum (RFC 1624).
    #[inline]
    pub fn set_tos(&mut self, tos: u8) {
        let old = u16::from_be_bytes([self.version_ihl, self.tos]);
        let new = u16::from_be_bytes([self.version_ihl, tos]);
        self.tos = tos;
        self.checksum.set(checksum::update_u16(self.checksum.get(), old, new));
    }
}

/// A packet whose lengths were found right. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    header: &'a Header,
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// Reads a packet that may be followed by padding.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when the bytes end inside the header or its options,
    /// [`BadVersion`](WireError::BadVersion), [`BadHeaderLength`](WireError::BadHeaderLength) for
    /// less than five words, [`BadTotalLength`](WireError::BadTotalLength) when the total length
    /// is below the header's or above what arrived.
    #[inline]
    pub fn parse(packet: &'a [u8]) -> Result<Self, WireError> {
        let (view, behind_header) = Self::parse_header(packet)?;
        let payload = view.payload_len().and_then(|len| behind_header.get(..len));
        let payload = payload.ok_or(WireError::BadTotalLength)?;
        Ok(Self { payload, ..view })
    }

    /// Reads the front of a packet as an ICMP error quotes it: the payload may be shorter than the
    /// total length says (RFC 1122 §3.2.2).
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), except that a total length above what arrived is accepted.
    #[inline]
    pub fn parse_quoted(packet: &'a [u8]) -> Result<Self, WireError> {
        let (view, behind_header) = Self::parse_header(packet)?;
        let len = view.payload_len().ok_or(WireError::BadTotalLength)?;
        Ok(Self { payload: behind_header.get(..len).unwrap_or(behind_header), ..view })
    }

    /// Header and options, with the bytes behind them.
    #[inline]
    fn parse_header(packet: &'a [u8]) -> Result<(Self, &'a [u8]), WireError> {
        let Ok((header, rest)) = Header::ref_from_prefix(packet) else { return Err(WireError::Truncated) };
        if header.version_ihl == 0x45 {
            return Ok((Self { header, options: &[], payload: &[] }, rest));
        }
        if header.version() != 4 {
            return Err(WireError::BadVersion);
        }
        let options_len = header.header_len().checked_sub(MIN_HEADER_LEN);
        let options_len = options_len.ok_or(WireError::BadHeaderLength)?;
        let (options, rest) = rest.split_at_checked(options_len).ok_or(WireError::Truncated)?;
        Ok((Self { header, options, payload: &[] }, rest))
    }

    /// What the total length leaves behind the header.
    #[inline]
    fn payload_len(&self) -> Option<usize> {
        usize::from(self.total_len()).checked_sub(self.header_len())
    }

    /// The fixed part of the header, borrowed from the packet.
    #[inline]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// Whether the header's checksum is right (R1122-3.2.1.2-a).
    #[inline]
    pub fn verify_checksum(&self) -> bool {
        Sum::new().add_bytes(self.header.as_bytes()).add_bytes(self.options).is_valid()
    }

    /// The option area as it came, padding included.
    #[inline]
    pub const fn options_bytes(&self) -> &'a [u8] {
        self.options
    }

    /// The options as (type, data), without END and NOP.
    #[inline]
    pub const fn options(&self) -> Options<'a> {
        Options { all: self.options, rest: self.options, malformed: false }
    }

    /// The payload, up to the total length.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl Deref for Ipv4<'_> {
    type Target = Header;
    #[inline]
    fn deref(&self) -> &Header {
        self.header
    }
}

/// Walks an option area; ends at END, at the end of the area or at the first bad length.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    all: &'a [u8],
    rest: &'a [u8],
    malformed: bool,
}

impl Options<'_> {
    /// Where in the header the next option begins, or, after the walk, where it ended: the pointer
    /// of a parameter problem (RFC 792).
    pub const fn offset(&self) -> usize {
        MIN_HEADER_LEN + self.all.len() - self.rest.len()
    }

    /// Whether the walk ended at an option whose length is below 2 or beyond the header.
    pub const fn malformed(&self) -> bool {
        self.malformed
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let [option::NOP, rest @ ..] = self.rest {
            self.rest = rest;
        }
        match *self.rest {
            [] | [option::END, ..] => None,
            [kind, len, ref behind @ ..] => {
                let data = usize::from(len).checked_sub(2).and_then(|len| behind.split_at_checked(len));
                let Some((data, rest)) = data else {
                    self.malformed = true;
                    return None;
                };
                self.rest = rest;
                Some((kind, data))
            }
            [_] => {
                self.malformed = true;
                None
            }
        }
    }
}

/// The values of a header to be written.
#[derive(Clone, Copy, Debug)]
pub struct Emit<'a> {
    /// DS field and ECN bits.
    pub tos: u8,
    /// Identification; meaningful only for what may be fragmented (RFC 6864 §4).
    pub ident: u16,
    /// The don't-fragment flag.
    pub dont_fragment: bool,
    /// The more-fragments flag.
    pub more_fragments: bool,
    /// Place of the payload in the datagram's, in octets; the low three bits are dropped.
    pub fragment_offset: u16,
    /// Hops that the packet may take.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// Option area, at most 40 octets; padded with zeros to a multiple of four.
    pub options: &'a [u8],
    /// Octets that follow the header.
    pub payload_len: usize,
}

impl Emit<'_> {
    /// A whole datagram that may be fragmented: TOS 0, identification 0, no options, and the
    /// TTL of 64 that the assigned numbers recommend (RFC 1700).
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload_len: usize) -> Self {
        Self {
            tos: 0,
            ident: 0,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
            ttl: 64,
            protocol,
            src,
            dst,
            options: &[],
            payload_len,
        }
    }

    /// Octets that [`write`](Self::write) fills.
    #[inline]
    pub const fn header_len(&self) -> usize {
        MIN_HEADER_LEN + self.options.len().next_multiple_of(4)
    }

    /// Writes the header with its checksum to the front of `out` and returns its length.
    ///
    /// Returns 0 and writes nothing when `out` is too short, the options exceed 40 octets, or
    /// header and payload together exceed 65535.
    #[inline]
    pub fn write(&self, out: &mut [u8]) -> usize {
        let len = self.header_len();
        let Some(total_len) = self.payload_len.checked_add(len).and_then(|n| u16::try_from(n).ok()) else {
            return 0;
        };
        if len > MAX_HEADER_LEN || out.len() < len {
            return 0;
        }
        let Ok((fixed, rest)) = Header::mut_from_prefix(out) else { return 0 };
        *fixed = self.fixed(len, total_len);
        let mut sum = Sum::new();
        if let (false, Some(area)) = (self.options.is_empty(), rest.get_mut(..len - MIN_HEADER_LEN)) {
            let padded = self.options.iter().copied().chain(core::iter::repeat(option::END));
            area.iter_mut().zip(padded).for_each(|(to, from)| *to = from);
            sum.add_bytes(area);
        }
        fixed.checksum.set(sum.add_bytes(fixed.as_bytes()).finish());
        len
    }

    /// The fixed part with a checksum of zero.
    #[inline]
    fn fixed(&self, header_len: usize, total_len: u16) -> Header {
        let flags = if self.dont_fragment { DONT_FRAGMENT } else { 0 }
            | if self.more_fragments { MORE_FRAGMENTS } else { 0 };
        Header {
            version_ihl: 0x40 | (header_len / 4) as u8,
            tos: self.tos,
            total_len: U16::new(total_len),
            ident: U16::new(self.ident),
            flags_fragment: U16::new(flags | (self.fragment_offset / 8)),
            ttl: self.ttl,
            protocol: self.protocol,
            checksum: U16::ZERO,
            src: self.src.octets(),
            dst: self.dst.octets(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
