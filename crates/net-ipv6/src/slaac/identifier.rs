//! What comes behind the prefix: the hardware address (RFC 4291 appendix A), a stable number that tells nothing
//! (RFC 7217 §5), or chance (RFC 8981 §3.3.1). None of them is one that RFC 5453 reserves.
//!
//! F() of RFC 7217 is SipHash-2-4 under a secret of 128 bits; Net_Iface is the hardware address, or the interface's number
//! where there is none; there is no Network_ID.

use super::{Identifiers, Kind};
use crate::Endpoint;
use core::hash::Hasher;
use core::net::Ipv6Addr;
use siphasher::sip::SipHasher24;
use stack_core::{Ipv6Net, LinkAddress, NetCx};

/// The key of F().
pub(super) type Secret = [u8; 16];

/// Draws of which one at least is not reserved, with all but certainty.
const DRAWS: u8 = 8;

impl Endpoint {
    /// Whether stable addresses are made of the hardware address.
    pub(super) fn uses_hardware_address(&self, cx: &NetCx<'_>) -> bool {
        self.config.slaac.identifiers == Identifiers::Eui64 && cx.nic.link_address.is_some()
    }

    /// An address of a kind with a prefix, after so many that others had.
    pub(super) fn identify(
        &mut self,
        cx: &mut NetCx<'_>,
        kind: Kind,
        prefix: Ipv6Net,
        tries: u8,
    ) -> Ipv6Addr {
        let identifier = match (kind, cx.nic.link_address) {
            (Kind::Temporary, _) => unreserved(|_| cx.host.random()),
            (_, Some(link)) if self.uses_hardware_address(cx) => eui64(link),
            (_, link) => {
                let secret = self.secret(cx);
                let (nic, prefix) = (cx.nic.id.0, prefix.network());
                // RFC 7217 §5: a reserved identifier counts as one that somebody else has.
                unreserved(|draw| opaque(&secret, prefix, link, nic, tries, draw))
            }
        };
        Ipv6Addr::from_bits(prefix.network().to_bits() | u128::from(identifier))
    }

    fn secret(&mut self, cx: &mut NetCx<'_>) -> Secret {
        let configured = self.config.slaac.secret;
        *self.slaac.secret.get_or_insert_with(|| {
            configured.unwrap_or_else(|| {
                let (high, low) = (cx.host.random(), cx.host.random());
                (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
            })
        })
    }
}

// R4291-2.5.1-a
fn eui64(link: LinkAddress) -> u64 {
    let [a, b, c, d, e, f] = link.0;
    u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

// R7217-5-a
fn opaque(
    secret: &Secret,
    prefix: Ipv6Addr,
    link: Option<LinkAddress>,
    nic: u32,
    tries: u8,
    draw: u8,
) -> u64 {
    let mut hasher = SipHasher24::new_with_key(secret);
    hasher.write(&prefix.octets());
    match link {
        Some(link) => hasher.write(&link.0),
        None => hasher.write(&nic.to_be_bytes()),
    }
    hasher.write(&[tries, draw]);
    hasher.finish()
}

/// The first draw that is not reserved.
fn unreserved(mut draw: impl FnMut(u8) -> u64) -> u64 {
    let mut drawn = draw(0);
    for number in 1..DRAWS {
        if !is_reserved(drawn) {
            break;
        }
        drawn = draw(number);
    }
    drawn
}

/// RFC 5453 and its registry: the subnet-router anycast address (RFC 4291 §2.6.1), the subnet anycast addresses
/// (RFC 2526 §2), and the block of IANA's own hardware addresses.
fn is_reserved(identifier: u64) -> bool {
    matches!(identifier, 0 | 0xfdff_ffff_ffff_ff80..=0xfdff_ffff_ffff_ffff | 0x0200_5eff_fe00_0000..=0x0200_5eff_feff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: LinkAddress = LinkAddress([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);

    fn prefix(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    // R4291-2.5.1-a
    #[test]
    fn the_hardware_address_with_its_bit_turned() {
        assert_eq!(eui64(LINK), 0x3656_78ff_fe9a_bcde);
    }

    // R7217-5-a, R7217-5-b
    #[test]
    fn opaque_identifiers_depend_on_all_that_they_are_made_of() {
        let secret = [7; 16];
        let first = opaque(&secret, prefix("2001:db8::"), Some(LINK), 1, 0, 0);
        assert_eq!(
            first,
            opaque(&secret, prefix("2001:db8::"), Some(LINK), 2, 0, 0),
            "the number is not needed"
        );
        for (situation, other) in [
            ("another secret", opaque(&[8; 16], prefix("2001:db8::"), Some(LINK), 1, 0, 0)),
            ("another prefix", opaque(&secret, prefix("2001:db8:1::"), Some(LINK), 1, 0, 0)),
            ("another station", opaque(&secret, prefix("2001:db8::"), Some(LinkAddress([2; 6])), 1, 0, 0)),
            ("no station", opaque(&secret, prefix("2001:db8::"), None, 1, 0, 0)),
            ("R7217-6-a: after a duplicate", opaque(&secret, prefix("2001:db8::"), Some(LINK), 1, 1, 0)),
        ] {
            assert_ne!(first, other, "{situation}");
        }
    }

    // R7217-5-c, R8981-3.3.1-a
    #[test]
    fn reserved_identifiers_are_drawn_again() {
        let draws = [0, 0xfdff_ffff_ffff_ff80, u64::MAX >> 8, 5];
        assert_eq!(unreserved(|number| draws[usize::from(number)]), u64::MAX >> 8);
        assert!(is_reserved(0x0200_5eff_fe00_5212) && !is_reserved(0x0200_5eff_ff00_0000));
    }
}
