//! IPv6 headers: RFC 8200 §3, with the traffic class of RFC 2474 and RFC 3168 and
//! the flow label of RFC 6437.
//!
//! [`Ipv6::parse`] trusts the payload length as far as bytes arrived; padding
//! behind it is cut off (R8200-3-a). Extension headers are part of the payload
//! here, see [`ipv6_ext`](crate::ipv6_ext). Jumbograms (RFC 2675) are left out: a
//! payload length of zero is an empty payload.

use core::net::Ipv6Addr;
use core::ops::Deref;

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::WireError;
pub use crate::ipv6_ext::upper_layer;

/// Octets of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Every link carries packets of this size: RFC 8200 §5.
pub const MIN_MTU: usize = 1280;

const FLOW_LABEL_MASK: u32 = 0x000f_ffff;

/// A fixed header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Version (4 bits), traffic class (8), flow label (20).
    pub version_class_flow: U32,
    /// Octets behind this header, extension headers included.
    pub payload_len: U16,
    /// Type of what follows: an extension header or the payload's protocol.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Source address.
    pub src: [u8; 16],
    /// Destination address.
    pub dst: [u8; 16],
}

impl Header {
    /// The header at the front of `packet`, for changes in place; nothing is checked but the size.
    #[inline]
    pub fn from_bytes_mut(packet: &mut [u8]) -> Option<&mut Self> {
        Self::mut_from_prefix(packet).ok().map(|(header, _)| header)
    }

    /// The version field: 6 in every header that was parsed.
    #[inline]
    pub const fn version(&self) -> u8 {
        (self.version_class_flow.get() >> 28) as u8
    }

    /// DS field and ECN bits.
    #[inline]
    pub const fn traffic_class(&self) -> u8 {
        (self.version_class_flow.get() >> 20) as u8
    }

    /// The differentiated services codepoint, six bits.
    #[inline]
    pub const fn dscp(&self) -> u8 {
        self.traffic_class() >> 2
    }

    /// The ECN codepoint, see [`ip::ecn`](crate::ip::ecn).
    #[inline]
    pub const fn ecn(&self) -> u8 {
        self.traffic_class() & 0b11
    }

    /// The flow label, 20 bits.
    #[inline]
    pub const fn flow_label(&self) -> u32 {
        self.version_class_flow.get() & FLOW_LABEL_MASK
    }

    /// Octets behind this header, as the header tells.
    #[inline]
    pub const fn payload_len(&self) -> u16 {
        self.payload_len.get()
    }

    /// Type of what follows, see [`ip::protocol`](crate::ip::protocol).
    #[inline]
    pub const fn next_header(&self) -> u8 {
        self.next_header
    }

    /// Hops left.
    #[inline]
    pub const fn hop_limit(&self) -> u8 {
        self.hop_limit
    }

    /// Source address.
    #[inline]
    pub const fn src(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from_be_bytes(self.src))
    }

    /// Destination address.
    #[inline]
    pub const fn dst(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from_be_bytes(self.dst))
    }

    /// Takes one hop off and returns the hops left; zero stays zero.
    #[inline]
    pub fn decrement_hop_limit(&mut self) -> u8 {
        self.hop_limit = self.hop_limit.saturating_sub(1);
        self.hop_limit
    }

    /// Replaces DS field and ECN bits.
    #[inline]
    pub fn set_traffic_class(&mut self, traffic_class: u8) {
        let others = self.version_class_flow.get() & 0xf00f_ffff;
        self.version_class_flow.set(others | u32::from(traffic_class) << 20);
    }
}

/// A packet whose length was found right. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Ipv6<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Ipv6<'a> {
    /// Reads a packet that may be followed by padding.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) below 40 octets, [`BadVersion`](WireError::BadVersion),
    /// [`BadTotalLength`](WireError::BadTotalLength) when the payload length is above what arrived.
    #[inline]
    pub fn parse(packet: &'a [u8]) -> Result<Self, WireError> {
        let (header, rest) = Self::parse_header(packet)?;
        let payload = rest.get(..usize::from(header.payload_len())).ok_or(WireError::BadTotalLength)?;
        Ok(Self { header, payload })
    }

    /// Reads the front of a packet as an ICMPv6 error quotes it: the payload may be shorter than
    /// its length says (RFC 4443 §2.4).
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), except that a payload length above what arrived is accepted.
    #[inline]
    pub fn parse_quoted(packet: &'a [u8]) -> Result<Self, WireError> {
        let (header, rest) = Self::parse_header(packet)?;
        let payload = rest.get(..usize::from(header.payload_len())).unwrap_or(rest);
        Ok(Self { header, payload })
    }

    #[inline]
    fn parse_header(packet: &'a [u8]) -> Result<(&'a Header, &'a [u8]), WireError> {
        let Ok((header, rest)) = Header::ref_from_prefix(packet) else { return Err(WireError::Truncated) };
        if header.version() != 6 {
            return Err(WireError::BadVersion);
        }
        Ok((header, rest))
    }

    /// The fixed header, borrowed from the packet.
    #[inline]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// Extension headers and what they carry, up to the payload length.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl Deref for Ipv6<'_> {
    type Target = Header;
    #[inline]
    fn deref(&self) -> &Header {
        self.header
    }
}

/// The values of a header to be written.
#[derive(Clone, Copy, Debug)]
pub struct Emit {
    /// DS field and ECN bits.
    pub traffic_class: u8,
    /// Flow label; the low 20 bits count.
    pub flow_label: u32,
    /// Type of what follows.
    pub next_header: u8,
    /// Hops that the packet may take.
    pub hop_limit: u8,
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// Octets that follow the header.
    pub payload_len: usize,
}

impl Emit {
    /// A packet of traffic class 0 (R8200-7-a), flow label 0, and the hop limit of 64 that the
    /// assigned numbers recommend (RFC 1700).
    pub const fn new(src: Ipv6Addr, dst: Ipv6Addr, next_header: u8, payload_len: usize) -> Self {
        Self { traffic_class: 0, flow_label: 0, next_header, hop_limit: 64, src, dst, payload_len }
    }

    /// Writes the header to the front of `out` and returns its length (40).
    ///
    /// Returns 0 and writes nothing when `out` is too short or the payload exceeds 65535 octets.
    #[inline]
    pub fn write(&self, out: &mut [u8]) -> usize {
        let Ok(payload_len) = u16::try_from(self.payload_len) else { return 0 };
        let class_flow = u32::from(self.traffic_class) << 20 | self.flow_label & FLOW_LABEL_MASK;
        let header = Header {
            version_class_flow: U32::new(6 << 28 | class_flow),
            payload_len: U16::new(payload_len),
            next_header: self.next_header,
            hop_limit: self.hop_limit,
            src: self.src.octets(),
            dst: self.dst.octets(),
        };
        header.write_to_prefix(out).map_or(0, |()| HEADER_LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn lengths() {
        let mut packet = [0u8; 60];
        Emit::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 59, 8).write(&mut packet);
        for (situation, bytes, quoted, want) in [
            ("padding behind", &packet[..], 8, Ok(8)),
            ("exact", &packet[..48], 8, Ok(8)),
            ("payload cut", &packet[..47], 7, Err(WireError::BadTotalLength)),
            ("header only", &packet[..40], 0, Err(WireError::BadTotalLength)),
        ] {
            assert_eq!(Ipv6::parse(bytes).map(|ip| ip.payload().len()), want, "{situation}");
            assert_eq!(Ipv6::parse_quoted(bytes).unwrap().payload().len(), quoted, "{situation}");
        }
        assert_eq!(Ipv6::parse(&packet[..39]).err(), Some(WireError::Truncated));
        packet[0] = 0x45;
        assert_eq!(Ipv6::parse(&packet).err(), Some(WireError::BadVersion));
        assert_eq!(Emit::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, 59, 65536).write(&mut packet), 0);
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes: Vec<u8>, version: bool) {
            if let (true, Some(first)) = (version, bytes.first_mut()) {
                *first = 0x60;
            }
            if let Ok(ip) = Ipv6::parse(&bytes) {
                prop_assert_eq!(ip.payload().len(), usize::from(ip.payload_len()));
            }
        }

        #[test]
        fn written_is_what_others_read(
            class: u8, flow in 0u32..1 << 20, next: u8, hops: u8, src: [u8; 16], dst: [u8; 16], payload: Vec<u8>,
        ) {
            let emit = Emit {
                traffic_class: class, flow_label: flow, next_header: next, hop_limit: hops,
                src: src.into(), dst: dst.into(), payload_len: payload.len(),
            };
            let mut packet = std::vec![0; HEADER_LEN];
            prop_assert_eq!(emit.write(&mut packet), HEADER_LEN);
            packet.extend_from_slice(&payload);
            let ours = Ipv6::parse(&packet).unwrap();
            let theirs = etherparse::Ipv6HeaderSlice::from_slice(&packet).unwrap();
            prop_assert_eq!(ours.payload(), &payload[..]);
            prop_assert_eq!(ours.version(), theirs.version());
            prop_assert_eq!(ours.traffic_class(), theirs.traffic_class());
            prop_assert_eq!(ours.flow_label(), theirs.flow_label().value());
            prop_assert_eq!(ours.payload_len(), theirs.payload_length());
            prop_assert_eq!((ours.next_header(), ours.hop_limit()), (theirs.next_header().0, theirs.hop_limit()));
            prop_assert_eq!((ours.src(), ours.dst()), (theirs.source_addr(), theirs.destination_addr()));

            let header = Header::from_bytes_mut(&mut packet).unwrap();
            header.set_traffic_class(!class);
            prop_assert_eq!(header.decrement_hop_limit(), hops.saturating_sub(1));
            prop_assert_eq!((header.traffic_class(), header.flow_label(), header.version()), (!class, flow, 6));
        }
    }
}
