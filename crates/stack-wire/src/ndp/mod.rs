//! Neighbour discovery: RFC 4861 §4. Neighbour solicitation and advertisement are here, the messages of and to routers in
//! `router.rs`, what options say in `options.rs`.
//!
//! [`Neighbor::parse`] reads a whole ICMPv6 message and refuses what the message
//! alone shows to be invalid (§7.1.1, §7.1.2): wrong code, below 24 octets, an
//! option of length 0 or beyond the end, a multicast target. Hop limit 255, the
//! checksum and the rules that need addresses are the receiver's.

mod options;
mod router;

pub use options::{
    Domain, Domains, LIFETIME_INFINITE, Preference, PrefixInfo, RouteInfo, Servers, mtu, route_prefix,
};
pub use router::{Redirect, RouterAdvert, RouterSolicit};

use core::net::Ipv6Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Sum;
use crate::error::WireError;
use crate::ethernet::MacAddr;
use crate::icmpv6::kind;

/// Octets of a message without options.
pub const HEADER_LEN: usize = 24;
/// Octets of a message with one Ethernet link address.
pub const LEN_WITH_LINK_ADDRESS: usize = HEADER_LEN + LINK_ADDRESS_OPTION_LEN;
/// The hop limit of every neighbour discovery message: proof that no router was on the way.
pub const HOP_LIMIT: u8 = 255;

const LINK_ADDRESS_OPTION_LEN: usize = 8;

/// Option types, RFC 4861 §4.6.
pub mod option {
    /// Link address of the sender.
    pub const SOURCE_LINK_ADDRESS: u8 = 1;
    /// Link address of the target.
    pub const TARGET_LINK_ADDRESS: u8 = 2;
    /// A prefix of the link, or of addresses on it: [`PrefixInfo`](super::PrefixInfo).
    pub const PREFIX_INFORMATION: u8 = 3;
    /// The packet that caused a redirect, as much of it as fits.
    pub const REDIRECTED_HEADER: u8 = 4;
    /// The MTU of the link: [`mtu`](super::mtu).
    pub const MTU: u8 = 5;
    /// Tells our own messages that come back from those of others: RFC 7527 §4, RFC 3971 §5.3.2.
    pub const NONCE: u8 = 14;
    /// A more specific route: [`RouteInfo`](super::RouteInfo), RFC 4191 §2.3.
    pub const ROUTE_INFORMATION: u8 = 24;
    /// Resolvers: [`Servers`](super::Servers), RFC 8106 §5.1.
    pub const RECURSIVE_DNS_SERVER: u8 = 25;
    /// Domains to search: [`Domains`](super::Domains), RFC 8106 §5.2.
    pub const DNS_SEARCH_LIST: u8 = 31;
}

/// The flags of an advertisement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdvertFlags {
    /// The sender is a router.
    pub router: bool,
    /// This answers a solicitation.
    pub solicited: bool,
    /// The link address replaces one that is cached.
    pub override_cached: bool,
}

impl AdvertFlags {
    const fn from_bits(bits: u8) -> Self {
        Self { router: bits & 0x80 != 0, solicited: bits & 0x40 != 0, override_cached: bits & 0x20 != 0 }
    }

    const fn bits(self) -> u8 {
        (self.router as u8) << 7 | (self.solicited as u8) << 6 | (self.override_cached as u8) << 5
    }
}

/// The fixed part of both messages, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// ICMPv6 type: 135 or 136.
    pub kind: u8,
    /// Always 0.
    pub code: u8,
    /// Checksum of pseudo-header and message.
    pub checksum: U16,
    /// Flags of an advertisement; 0 in a solicitation.
    pub flags: u8,
    /// Zero when sent, ignored when received (R4861-4-a).
    pub reserved: [u8; 3],
    /// The address that is asked for or told of.
    pub target: [u8; 16],
}

/// A solicitation or advertisement that is valid as far as its own octets tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbor<'a> {
    header: &'a Header,
    options: &'a [u8],
}

impl<'a> Neighbor<'a> {
    /// Reads an ICMPv6 message.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) below 24 octets, [`Unsupported`](WireError::Unsupported)
    /// for another type, a code other than 0 or a multicast target,
    /// [`BadTotalLength`](WireError::BadTotalLength) for an option of length 0 or beyond the end.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let Ok((header, options)) = Header::ref_from_prefix(message) else {
            return Err(WireError::Truncated);
        };
        let neighbor = Self { header, options };
        let known = matches!(header.kind, kind::NEIGHBOR_SOLICIT | kind::NEIGHBOR_ADVERT);
        if !known || header.code != 0 || neighbor.target().is_multicast() {
            return Err(WireError::Unsupported);
        }
        Options::checked(options).map(|_| neighbor)
    }

    /// Whether this asks (solicitation) or tells (advertisement).
    pub const fn is_solicit(&self) -> bool {
        self.header.kind == kind::NEIGHBOR_SOLICIT
    }

    /// The flags of an advertisement; in a solicitation these bits are reserved.
    pub const fn flags(&self) -> AdvertFlags {
        AdvertFlags::from_bits(self.header.flags)
    }

    /// The address that is asked for or told of.
    pub const fn target(&self) -> Ipv6Addr {
        Ipv6Addr::from_bits(u128::from_be_bytes(self.header.target))
    }

    /// The options as (type, data).
    pub const fn options(&self) -> Options<'a> {
        Options { rest: self.options, malformed: false }
    }

    /// The link address of the sender, if there is one of Ethernet's length.
    pub fn source_link_address(&self) -> Option<MacAddr> {
        self.link_address(option::SOURCE_LINK_ADDRESS)
    }

    /// The link address of the target, if there is one of Ethernet's length.
    pub fn target_link_address(&self) -> Option<MacAddr> {
        self.link_address(option::TARGET_LINK_ADDRESS)
    }

    fn link_address(&self, wanted: u8) -> Option<MacAddr> {
        self.options().link_address(wanted)
    }
}

/// Walks the options of a message as (type, data); ends at the first bad length.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
    malformed: bool,
}

impl<'a> Options<'a> {
    /// The options in the bytes behind the fixed part of a neighbour discovery message.
    pub const fn new(area: &'a [u8]) -> Self {
        Self { rest: area, malformed: false }
    }

    /// Whether the walk ended at an option of length 0 or beyond the end: the message is dropped.
    pub const fn malformed(&self) -> bool {
        self.malformed
    }

    /// The data of the first option of a type.
    pub fn first(mut self, wanted: u8) -> Option<&'a [u8]> {
        self.find(|(kind, _)| *kind == wanted).map(|(_, data)| data)
    }

    /// The link address in the first option of that type, if it is of Ethernet's length.
    pub fn link_address(self, wanted: u8) -> Option<MacAddr> {
        self.first(wanted)?.try_into().ok().map(MacAddr)
    }

    /// The options of a message, all of which have a length.
    ///
    /// # Errors
    /// [`BadTotalLength`](WireError::BadTotalLength) for one of length 0 or beyond the end.
    fn checked(area: &'a [u8]) -> Result<&'a [u8], WireError> {
        let mut walk = Self::new(area);
        walk.by_ref().for_each(drop);
        if walk.malformed() { Err(WireError::BadTotalLength) } else { Ok(area) }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, units, behind) = match self.rest {
            [] => return None,
            [kind, units, behind @ ..] => (*kind, *units, behind),
            [_] => (0, 0, [].as_slice()),
        };
        let len = (usize::from(units) * 8).checked_sub(2);
        let Some((data, rest)) = len.and_then(|len| behind.split_at_checked(len)) else {
            self.malformed = true;
            return None;
        };
        self.rest = rest;
        Some((kind, data))
    }
}

/// The group in which the owner of `address` listens for solicitations: RFC 4291 §2.7.1.
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let low = address.to_bits() & 0x00ff_ffff;
    Ipv6Addr::from_bits(0xff02_0000_0000_0000_0000_0001_ff00_0000 | low)
}

/// A message to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emit {
    kind: u8,
    flags: u8,
    target: Ipv6Addr,
    link_address: Option<MacAddr>,
}

impl Emit {
    /// Asks who has `target`. `source` is the sender's link address; it is left out when the packet
    /// has no source address (duplicate address detection).
    pub const fn solicit(target: Ipv6Addr, source: Option<MacAddr>) -> Self {
        Self { kind: kind::NEIGHBOR_SOLICIT, flags: 0, target, link_address: source }
    }

    /// Tells the link address of `target`.
    pub const fn advert(target: Ipv6Addr, flags: AdvertFlags, link_address: Option<MacAddr>) -> Self {
        Self { kind: kind::NEIGHBOR_ADVERT, flags: flags.bits(), target, link_address }
    }

    /// Octets that [`write`](Self::write) fills: 24, or 32 with a link address.
    pub const fn message_len(&self) -> usize {
        if self.link_address.is_some() { LEN_WITH_LINK_ADDRESS } else { HEADER_LEN }
    }

    /// Writes the message with its checksum to the front of `out` and returns its length, or 0 when
    /// `out` is too short. `pseudo` is the sum of the pseudo-header.
    pub fn write(&self, out: &mut [u8], pseudo: Sum) -> usize {
        let Some(message) = out.get_mut(..self.message_len()) else { return 0 };
        let Ok((header, area)) = Header::mut_from_prefix(message) else { return 0 };
        let (kind, target) = (self.kind, self.target.octets());
        *header = Header { kind, code: 0, checksum: U16::ZERO, flags: self.flags, reserved: [0; 3], target };
        if let (Some(mac), Some((head, to))) = (self.link_address, area.split_first_chunk_mut::<2>()) {
            let source = self.kind == kind::NEIGHBOR_SOLICIT;
            *head = [if source { option::SOURCE_LINK_ADDRESS } else { option::TARGET_LINK_ADDRESS }, 1];
            to.copy_from_slice(&mac.0);
        }
        let mut sum = pseudo;
        header.checksum.set(sum.add_bytes(header.as_bytes()).add_bytes(area).finish());
        self.message_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::pseudo_header;
    use crate::icmpv6::Icmpv6;
    use proptest::prelude::*;
    use std::vec::Vec;

    const TARGET: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0x1234, 0x5678);
    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

    fn solicit() -> [u8; 32] {
        let mut message = [0; 32];
        assert_eq!(Emit::solicit(TARGET, Some(MAC)).write(&mut message, Sum::new()), 32);
        message
    }

    #[test]
    fn groups_of_solicitation() {
        let want = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff34, 0x5678);
        assert_eq!(solicited_node(TARGET), want);
    }

    // R4861-4-a, R4861-7.1.1-a
    #[test]
    fn invalid_messages() {
        let good = solicit();
        let with = |at: usize, byte| {
            let mut message = good;
            message[at] = byte;
            Neighbor::parse(&message).map(|_| ())
        };
        for (situation, got, want) in [
            ("whole", with(0, 135), Ok(())),
            ("another type", with(0, 134), Err(WireError::Unsupported)),
            ("another code", with(1, 1), Err(WireError::Unsupported)),
            ("reserved bits set", with(5, 0xff), Ok(())),
            ("multicast target", with(8, 0xff), Err(WireError::Unsupported)),
            ("unknown option", with(24, 99), Ok(())),
            ("option of length 0", with(25, 0), Err(WireError::BadTotalLength)),
            ("option beyond the end", with(25, 2), Err(WireError::BadTotalLength)),
            ("half an option", Neighbor::parse(&good[..25]).map(|_| ()), Err(WireError::BadTotalLength)),
            ("no option", Neighbor::parse(&good[..24]).map(|_| ()), Ok(())),
            ("below 24 octets", Neighbor::parse(&good[..23]).map(|_| ()), Err(WireError::Truncated)),
        ] {
            assert_eq!(got, want, "{situation}");
        }
    }

    #[test]
    fn link_addresses() {
        let message = solicit();
        let neighbor = Neighbor::parse(&message).unwrap();
        assert!(neighbor.is_solicit());
        assert_eq!(neighbor.source_link_address(), Some(MAC));
        assert_eq!(neighbor.target_link_address(), None);
        assert_eq!(Emit::solicit(TARGET, Some(MAC)).write(&mut [0; 31], Sum::new()), 0);
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes: Vec<u8>) {
            if let Some(first) = bytes.first_mut() {
                *first = kind::NEIGHBOR_ADVERT;
            }
            if let Ok(neighbor) = Neighbor::parse(&bytes) {
                let seen: usize = neighbor.options().map(|(_, data)| data.len() + 2).sum();
                prop_assert_eq!(seen + HEADER_LEN, bytes.len());
            }
        }

        #[test]
        fn adverts_round_trip(
            target in any::<[u8; 16]>().prop_map(Ipv6Addr::from).prop_filter("unicast", |a| !a.is_multicast()),
            mac: Option<[u8; 6]>, router: bool, solicited: bool, override_cached: bool,
        ) {
            let flags = AdvertFlags { router, solicited, override_cached };
            let emit = Emit::advert(target, flags, mac.map(MacAddr));
            let pseudo = pseudo_header(target.into(), TARGET.into(), 58, emit.message_len() as u32);
            let mut message = [0xaa; 32];
            let len = emit.write(&mut message, pseudo);
            prop_assert_eq!(len, emit.message_len());
            let message = &message[..len];
            prop_assert!(Icmpv6::parse(message).unwrap().verify_checksum(pseudo));
            let ours = Neighbor::parse(message).unwrap();
            prop_assert!(!ours.is_solicit());
            prop_assert_eq!((ours.target(), ours.flags()), (target, flags));
            prop_assert_eq!(ours.target_link_address(), mac.map(MacAddr));
            let theirs = etherparse::Icmpv6Slice::from_slice(message).unwrap();
            prop_assert!(theirs.is_checksum_valid(target.octets(), TARGET.octets()));
            let want = etherparse::icmpv6::NeighborAdvertisementHeader { router, solicited, r#override: override_cached };
            prop_assert_eq!(theirs.icmp_type(), etherparse::Icmpv6Type::NeighborAdvertisement(want));
        }
    }
}
