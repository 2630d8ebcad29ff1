//! The fixed part of an IPv4 header and its changes in place.
//!
//! Changes mend the checksum incrementally (RFC 1624), so that a wrong one stays
//! wrong: a forwarder must not make a damaged header look sound (R1812-4.2.2-b).

use core::net::Ipv4Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum;

pub(super) const DONT_FRAGMENT: u16 = 0x4000;
pub(super) const MORE_FRAGMENTS: u16 = 0x2000;
pub(super) const OFFSET_MASK: u16 = 0x1fff;

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
