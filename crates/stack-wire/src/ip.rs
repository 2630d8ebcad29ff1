//! What IPv4 and IPv6 have in common: protocol numbers, ECN codepoints, and marking.

use crate::{ipv4, ipv6};

/// Protocol numbers (the IPv4 protocol field, the IPv6 next header), from the IANA registry.
pub mod protocol {
    /// IPv6 hop-by-hop options, RFC 8200 §4.3.
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP for IPv4, RFC 792.
    pub const ICMP: u8 = 1;
    /// IGMP, RFC 3376.
    pub const IGMP: u8 = 2;
    /// TCP, RFC 9293.
    pub const TCP: u8 = 6;
    /// UDP, RFC 768.
    pub const UDP: u8 = 17;
    /// IPv6 routing header, RFC 8200 §4.4.
    pub const IPV6_ROUTE: u8 = 43;
    /// IPv6 fragment header, RFC 8200 §4.5.
    pub const IPV6_FRAGMENT: u8 = 44;
    /// ICMPv6, RFC 4443.
    pub const ICMPV6: u8 = 58;
    /// No next header, RFC 8200 §4.7.
    pub const IPV6_NO_NEXT: u8 = 59;
    /// IPv6 destination options, RFC 8200 §4.6.
    pub const IPV6_DESTINATION: u8 = 60;
}

/// The two ECN bits of the IPv4 TOS and IPv6 traffic class, RFC 3168 §5.
pub mod ecn {
    /// The transport does not speak ECN.
    pub const NOT_ECT: u8 = 0b00;
    /// ECN-capable, codepoint 1 (L4S, RFC 9331).
    pub const ECT_1: u8 = 0b01;
    /// ECN-capable, codepoint 0.
    pub const ECT_0: u8 = 0b10;
    /// Congestion experienced.
    pub const CE: u8 = 0b11;
}

/// Sets the ECN field of the packet whose header begins these bytes to CE, if the field says that the transport understands
/// that; returns whether it did (RFC 3168 §5). The IPv4 header checksum is mended.
pub fn mark_congestion(packet: &mut [u8]) -> bool {
    let marks = |class: u8| matches!(class & 3, ecn::ECT_0 | ecn::ECT_1);
    match packet.first().map(|first| first >> 4) {
        Some(4) => ipv4::Header::from_bytes_mut(packet)
            .filter(|header| marks(header.tos()))
            .map(|header| header.set_tos(header.tos() | ecn::CE))
            .is_some(),
        Some(6) => ipv6::Header::from_bytes_mut(packet)
            .filter(|header| marks(header.traffic_class()))
            .map(|header| header.set_traffic_class(header.traffic_class() | ecn::CE))
            .is_some(),
        _ => false,
    }
}
