//! Router alert: "look at this packet although it is not for you" (RFC 2113, RFC 2711, RFC 9776 §4, RFC 9777 §5).
//!
//! Group management has it in all messages: an option of IPv4, or of IPv6's hop-by-hop header.

use crate::ip::protocol;
use crate::ipv4::Ipv4;
use crate::ipv6::HEADER_LEN;
use crate::ipv6_ext::Extension;

/// The type of the option in IPv4, which counts with its copied flag.
const IPV4_KIND: u8 = 148;
/// The type of the option in a hop-by-hop header: who does not know it passes it over.
const IPV6_KIND: u8 = 5;

/// The option of IPv4, value 0: routers shall examine the packet.
pub const IPV4_OPTION: [u8; 4] = [IPV4_KIND, 4, 0, 0];

/// A hop-by-hop header with nothing but the option, value 0 (multicast listener discovery), and padding; in front of
/// `next_header`.
pub const fn hop_by_hop(next_header: u8) -> [u8; 8] {
    [next_header, 0, IPV6_KIND, 2, 0, 0, 1, 0]
}

/// Whether an IPv4 packet has the option.
pub fn in_ipv4(packet: &Ipv4<'_>) -> bool {
    let mut options = packet.options();
    core::iter::from_fn(|| options.next()).any(|(kind, data)| kind == IPV4_KIND && data == [0, 0])
}

/// Whether an IPv6 packet, whose headers lie in one piece, has the option for listener discovery.
pub fn in_ipv6(packet: &[u8]) -> bool {
    let Some((header, behind)) = packet.split_at_checked(HEADER_LEN) else { return false };
    if header.get(6) != Some(&protocol::HOP_BY_HOP) {
        return false;
    }
    let Ok(extension) = Extension::parse(behind) else { return false };
    let mut options = extension.options();
    core::iter::from_fn(|| options.next()).any(|(kind, data)| kind == IPV6_KIND && data == [0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ipv4, ipv6};
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::vec::Vec;

    #[test]
    fn alerts_of_ipv4() {
        for (situation, options, want) in [
            ("none", &[][..], false),
            ("alone", &IPV4_OPTION, true),
            ("behind padding", &[1, 1, 1, 1, 148, 4, 0, 0], true),
            ("another value", &[148, 4, 0, 9], false),
            ("behind the end", &[0, 0, 0, 0, 148, 4, 0, 0], false),
        ] {
            let any = Ipv4Addr::LOCALHOST;
            let mut packet = [0; 60];
            let len = ipv4::Emit { options, ..ipv4::Emit::new(any, any, 2, 0) }.write(&mut packet);
            assert_eq!(in_ipv4(&Ipv4::parse(&packet[..len]).unwrap()), want, "{situation}");
        }
    }

    #[test]
    fn alerts_of_ipv6() {
        let any = Ipv6Addr::LOCALHOST;
        let packet = |next, behind: &[u8]| -> Vec<u8> {
            let mut packet = std::vec![0; 40];
            ipv6::Emit::new(any, any, next, behind.len()).write(&mut packet);
            [&packet[..], behind].concat()
        };
        assert!(in_ipv6(&packet(0, &hop_by_hop(58))));
        assert!(!in_ipv6(&packet(58, &hop_by_hop(58))), "no hop-by-hop header");
        assert!(!in_ipv6(&packet(0, &[58, 0, 5, 2, 0, 2, 1, 0])), "for active networks");
        assert!(!in_ipv6(&packet(0, &[58, 0, 1, 4, 0, 0, 0, 0])), "padding alone");
        assert!(!in_ipv6(&packet(0, &hop_by_hop(58)[..7])) && !in_ipv6(&[]), "cut");
    }
}
