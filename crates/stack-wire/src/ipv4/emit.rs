//! Writing IPv4 headers: RFC 791 §3.1.

use core::net::Ipv4Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, IntoBytes};

use super::header::{DONT_FRAGMENT, MORE_FRAGMENTS};
use super::{Header, MAX_HEADER_LEN, MIN_HEADER_LEN, option};
use crate::checksum::Sum;

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
