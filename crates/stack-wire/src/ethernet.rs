//! Ethernet II frames and addresses: RFC 894, RFC 2464, and the multicast
//! mappings of RFC 1112 §6.4 and RFC 2464 §7.
//!
//! A frame's EtherType is handed on as it is; values below 1536 are 802.3
//! lengths, which no protocol here answers to. There is no frame check sequence:
//! devices strip it. VLAN tags are left to whoever knows EtherType 0x8100.

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use thiserror::Error;
use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::WireError;

/// Octets of a frame header.
pub const HEADER_LEN: usize = 14;

/// The EtherTypes that matter here, as plain numbers. A namespace without values.
#[derive(Clone, Copy, Debug)]
pub enum EtherType {}

impl EtherType {
    /// IPv4, RFC 894.
    pub const IPV4: u16 = 0x0800;
    /// ARP, RFC 826.
    pub const ARP: u16 = 0x0806;
    /// A VLAN tag, IEEE 802.1Q.
    pub const VLAN: u16 = 0x8100;
    /// The outer VLAN tag of a provider, IEEE 802.1Q §9.5 (802.1ad).
    pub const SERVICE_VLAN: u16 = 0x88a8;
    /// IPv6, RFC 2464 §3.
    pub const IPV6: u16 = 0x86dd;
}

/// A 48-bit link address, shown and read as `02:00:5e:10:00:01`.
///
/// ```
/// use stack_wire::ethernet::MacAddr;
/// let mac: MacAddr = "02:00:5e:10:00:01".parse()?;
/// assert!(!mac.is_multicast());
/// # Ok::<(), stack_wire::ethernet::ParseMacError>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(transparent)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Every station on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No address: the target of an ARP request.
    pub const ZERO: Self = Self([0; 6]);

    /// Whether this is the address of all stations.
    #[inline]
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether this is the address of a group; true for broadcast also.
    #[inline]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether one station can have this address: neither a group nor zero.
    #[inline]
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != Self::ZERO
    }

    /// The group to which a multicast IPv4 address goes: its low 23 bits behind 01:00:5e
    /// (RFC 1112 §6.4).
    #[inline]
    pub const fn multicast_v4(group: Ipv4Addr) -> Self {
        let [_, b, c, d] = group.octets();
        Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }

    /// The group to which a multicast IPv6 address goes: its low 32 bits behind 33:33 (RFC 2464 §7).
    #[inline]
    pub const fn multicast_v6(group: Ipv6Addr) -> Self {
        let [.., a, b, c, d] = group.octets();
        Self([0x33, 0x33, a, b, c, d])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The text is not six pairs of hexadecimal digits with colons or hyphens between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a link address: write six pairs of hexadecimal digits, such as 02:00:5e:10:00:01")]
pub struct ParseMacError;

impl FromStr for MacAddr {
    type Err = ParseMacError;

    fn from_str(text: &str) -> Result<Self, ParseMacError> {
        let mut octets = [0; 6];
        let mut pairs = text.split([':', '-']);
        for octet in &mut octets {
            *octet = pairs.next().and_then(hex_pair).ok_or(ParseMacError)?;
        }
        if pairs.next().is_some() { Err(ParseMacError) } else { Ok(Self(octets)) }
    }
}

/// Exactly two digits: `from_str_radix` alone would take `+f` and `f`.
fn hex_pair(pair: &str) -> Option<u8> {
    let digits = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits { u8::from_str_radix(pair, 16).ok() } else { None }
}

/// A frame header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Destination.
    pub dst: MacAddr,
    /// Source.
    pub src: MacAddr,
    /// Protocol of the payload.
    pub ether_type: U16,
}

impl Header {
    /// A header of these values.
    #[inline]
    pub const fn new(dst: MacAddr, src: MacAddr, ether_type: u16) -> Self {
        Self { dst, src, ether_type: U16::new(ether_type) }
    }

    /// Destination.
    #[inline]
    pub const fn dst(&self) -> MacAddr {
        self.dst
    }

    /// Source.
    #[inline]
    pub const fn src(&self) -> MacAddr {
        self.src
    }

    /// Protocol of the payload, see [`EtherType`].
    #[inline]
    pub const fn ether_type(&self) -> u16 {
        self.ether_type.get()
    }

    /// Writes the header to the front of `out` and returns its length (14), or 0 when `out` is too
    /// short.
    #[inline]
    pub fn write(&self, out: &mut [u8]) -> usize {
        self.write_to_prefix(out).map_or(0, |()| HEADER_LEN)
    }
}

/// Splits a frame into header and payload; the payload may have padding behind the packet.
///
/// # Errors
/// [`Truncated`](WireError::Truncated) below 14 octets.
#[inline]
pub fn parse(frame: &[u8]) -> Result<(&Header, &[u8]), WireError> {
    Header::ref_from_prefix(frame).map_err(|_| WireError::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn text_that_is_no_address() {
        for text in [
            "",
            "02:00:5e:10:00",
            "02:00:5e:10:00:01:02",
            "02:00:5e:10:00:+1",
            "2:0:5e:10:0:1",
            "02005e100001",
            "02:00:5e:10:00:0é",
        ] {
            assert_eq!(text.parse::<MacAddr>(), Err(ParseMacError), "{text}");
        }
        assert_eq!("02-00-5E-10-00-01".parse(), Ok(MacAddr([2, 0, 0x5e, 0x10, 0, 1])));
    }

    #[test]
    fn groups() {
        let v4 = MacAddr::multicast_v4(Ipv4Addr::new(239, 129, 2, 3));
        assert_eq!(v4.to_string(), "01:00:5e:01:02:03");
        let v6 = MacAddr::multicast_v6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff28, 0x9c5a));
        assert_eq!(v6.to_string(), "33:33:ff:28:9c:5a");
        for group in [v4, v6, MacAddr::BROADCAST] {
            assert!(group.is_multicast() && !group.is_unicast());
        }
        assert!(MacAddr::BROADCAST.is_broadcast() && !v4.is_broadcast() && !MacAddr::ZERO.is_unicast());
    }

    #[test]
    fn lengths() {
        assert_eq!(parse(&[0; 13]), Err(WireError::Truncated));
        assert!(parse(&[0; 14]).unwrap().1.is_empty());
        assert_eq!(Header::new(MacAddr::ZERO, MacAddr::ZERO, 0).write(&mut [0; 13]), 0);
    }

    proptest! {
        #[test]
        fn text_round_trip(octets: [u8; 6]) {
            prop_assert_eq!(MacAddr(octets).to_string().parse(), Ok(MacAddr(octets)));
        }

        #[test]
        fn written_is_what_others_read(dst: [u8; 6], src: [u8; 6], ether_type: u16) {
            let mut frame = [0u8; 20];
            prop_assert_eq!(Header::new(MacAddr(dst), MacAddr(src), ether_type).write(&mut frame), 14);
            let (ours, payload) = parse(&frame).unwrap();
            let (theirs, rest) = etherparse::Ethernet2HeaderSlice::from_slice(&frame).map(|h| (h, &frame[14..])).unwrap();
            prop_assert_eq!(payload, rest);
            prop_assert_eq!((ours.dst().0, ours.src().0), (theirs.destination(), theirs.source()));
            prop_assert_eq!(ours.ether_type(), theirs.ether_type().0);
        }
    }
}
