//! The words that packets carry about themselves: who, where, and what has been vouched for.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::str::FromStr;

/// The number of a network interface within one host; chosen by whoever makes the interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NicId(pub u32);

impl fmt::Display for NicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nic{}", self.0)
    }
}

/// A packet's number on the link that received it: a capture finds its record again by this.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Token(pub u64);

/// A link-layer address of six bytes (IEEE EUI-48).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LinkAddress(pub [u8; 6]);

impl LinkAddress {
    /// All stations: `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// No address: links without addresses, and fields not yet filled.
    pub const UNSPECIFIED: Self = Self([0; 6]);

    /// Whether this is the broadcast address.
    pub fn is_broadcast(self) -> bool {
        self == Self::BROADCAST
    }

    /// Whether the group bit is set (broadcast included).
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// Whether frames for a single station can carry this address: not a group, not zero.
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && self != Self::UNSPECIFIED
    }

    /// The link address of an IP multicast group (RFC 1112 §6.4 for IPv4, RFC 2464 §7 for IPv6).
    pub fn of_multicast_group(group: IpAddr) -> Self {
        match group {
            IpAddr::V4(v4) => {
                let [_, b, c, d] = v4.octets();
                Self([0x01, 0x00, 0x5e, b & 0x7f, c, d])
            }
            IpAddr::V6(v6) => {
                let o = v6.octets();
                Self([0x33, 0x33, o[12], o[13], o[14], o[15]])
            }
        }
    }
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not six hexadecimal bytes with colons between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParseLinkAddressError;

impl fmt::Display for ParseLinkAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a link address is six hexadecimal bytes with colons between them, as in 02:00:00:00:00:01",
        )
    }
}

impl core::error::Error for ParseLinkAddressError {}

impl FromStr for LinkAddress {
    type Err = ParseLinkAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(ParseLinkAddressError)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| ParseLinkAddressError)?;
        }
        if parts.next().is_some() { Err(ParseLinkAddressError) } else { Ok(Self(bytes)) }
    }
}

/// To how many a packet was addressed, at the link or at the network layer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Cast {
    /// To one station.
    #[default]
    Unicast,
    /// To all on the link.
    Broadcast,
    /// To a group.
    Multicast,
}

/// What is known of the transport checksum. Never computed where a device vouches for it, never skipped where none does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Checksum {
    /// Nobody vouches for it: the receiver must verify it, the sender has written it in full.
    #[default]
    Unverified,
    /// The device has verified it.
    Verified,
    /// The field holds the folded pseudo-header sum only. Whoever puts the packet on a wire without
    /// checksum offload adds the bytes from `start` on and stores the complement at `start + offset`.
    /// Inbound, it means that the packet never left the machine, so there is nothing to verify.
    Partial {
        /// Where summing starts, in bytes from the first byte of the packet as it stands.
        start: u16,
        /// Where the field lies, in bytes from `start`.
        offset: u16,
    },
}

/// Down to which layer whoever made an outbound packet has decided about it; the layers below are the host's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Layer {
    /// The bytes are a transport segment: the host routes it and puts a network header in front.
    #[default]
    Transport,
    /// The network header is written, too (`IP_HDRINCL`): `ether_type` and `network_len` are set, and the host routes it.
    Network,
    /// The bytes are what a frame carries: `bound_nic`, `link_dst` and `ether_type` are set, and the host passes it to that
    /// interface as it is.
    Link,
}

/// Where an outbound packet goes next: a cached answer of the routing table.
///
/// Valid while `generation` equals the host's; after that the host looks it up again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hop {
    /// The interface it leaves by.
    pub nic: NicId,
    /// The neighbour it is handed to: the gateway, or the destination itself.
    pub next_hop: IpAddr,
    /// The routing table's generation that this was computed from; 0 is never valid.
    pub generation: u32,
}

impl Hop {
    /// No route yet: the host looks one up when the packet is sent.
    pub const UNRESOLVED: Self =
        Self { nic: NicId(0), next_hop: IpAddr::V4(Ipv4Addr::UNSPECIFIED), generation: 0 };
}

impl Default for Hop {
    fn default() -> Self {
        Self::UNRESOLVED
    }
}

/// What the network layer knows of a packet, in the same words for both families and both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IpMeta {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Transport protocol: IPv4's protocol, or IPv6's last next header.
    pub protocol: u8,
    /// TTL or hop limit; 0 outbound means the default (64, RFC 1700).
    pub hop_limit: u8,
    /// Type of service or traffic class, ECN in the two low bits (RFC 2474, RFC 3168).
    pub traffic_class: u8,
    /// Outbound: never to be fragmented, with the DF bit in IPv4 (RFC 791). Inbound: whether it was set; always in IPv6,
    /// which routers don't fragment.
    pub dont_fragment: bool,
    /// The flow label of IPv6, 20 bits; outbound `None` lets the network layer compute one for the flow (RFC 6437 §3).
    pub flow_label: Option<u32>,
    /// To how many the destination address belongs.
    pub cast: Cast,
}

impl IpMeta {
    /// The two ECN bits of the traffic class (RFC 3168 §5).
    pub fn ecn(&self) -> u8 {
        self.traffic_class & 3
    }
}

impl Default for IpMeta {
    fn default() -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            src: any,
            dst: any,
            protocol: 0,
            hop_limit: 0,
            traffic_class: 0,
            dont_fragment: false,
            flow_label: None,
            cast: Cast::Unicast,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn link_addresses_round_trip_as_text() {
        let address: LinkAddress = "02:00:5e:10:00:ff".parse().unwrap();
        assert_eq!(address.to_string(), "02:00:5e:10:00:ff");
        for bad in ["", "02:00:5e:10:00", "02:00:5e:10:00:ff:00", "2:0:5e:10:0:f", "zz:00:00:00:00:00"] {
            assert_eq!(bad.parse::<LinkAddress>(), Err(ParseLinkAddressError), "{bad}");
        }
    }

    #[test]
    fn multicast_groups_map_as_the_rfcs_say() {
        let v4 = LinkAddress::of_multicast_group("239.129.2.3".parse().unwrap());
        assert_eq!(v4.to_string(), "01:00:5e:01:02:03");
        let v6 = LinkAddress::of_multicast_group("ff02::1:ff00:42".parse().unwrap());
        assert_eq!(v6.to_string(), "33:33:ff:00:00:42");
        assert!(v4.is_multicast() && !v4.is_broadcast() && !v4.is_unicast());
    }
}
