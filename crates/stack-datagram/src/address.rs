//! Addresses at the edge of the socket: what an application says and sees, and what the stack means by it.
//!
//! Inside, an IPv4 peer is an IPv4 address. A dual-stack socket shows it as `::ffff:a.b.c.d` (RFC 3493 §3.7) and takes
//! it in both forms. A scope id is an interface number (RFC 4007 §6); 0 names none.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use stack_core::{Error, Families, NicId};

/// A transport address with the interface that its scope names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The address.
    pub ip: IpAddr,
    /// The port; 0 where ports mean nothing.
    pub port: u16,
    /// The interface that the scope names.
    pub zone: Option<NicId>,
}

impl Peer {
    /// Any address, and no port, as a socket of these families shows it.
    pub fn unspecified(families: Families) -> Self {
        let ip = match families {
            Families::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Families::V6 | Families::Dual => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        Self { ip, port: 0, zone: None }
    }

    /// What an application means, for a socket of these families.
    ///
    /// # Errors
    /// [`Error::AddressFamily`] if such a socket has no addresses of this kind.
    pub fn from_application(families: Families, address: SocketAddr) -> Result<Self, Error> {
        let zone = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(NicId(v6.scope_id())),
            _ => None,
        };
        let mapped = matches!(address.ip(), IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
        if mapped && families != Families::Dual {
            return Err(Error::AddressFamily);
        }
        let peer = Self { ip: address.ip().to_canonical(), port: address.port(), zone };
        if families.contains(peer.ip) { Ok(peer) } else { Err(Error::AddressFamily) }
    }

    /// As [`from_application`](Self::from_application), where the port means nothing.
    ///
    /// # Errors
    /// As there.
    pub fn without_port(families: Families, address: SocketAddr) -> Result<Self, Error> {
        Ok(Self { port: 0, ..Self::from_application(families, address)? })
    }

    /// As [`from_application`](Self::from_application), for somebody to send to.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] without an address or a port.
    pub fn destination(families: Families, address: SocketAddr) -> Result<Self, Error> {
        let peer = Self::from_application(families, address)?;
        if peer.ip.is_unspecified() || peer.port == 0 { Err(Error::InvalidArgument) } else { Ok(peer) }
    }

    /// What an application of a socket of these families is shown. `zone` counts only where the address needs one.
    pub fn to_application(self, families: Families) -> SocketAddr {
        let v6 = match (self.ip, families) {
            (IpAddr::V4(v4), Families::Dual | Families::V6) => v4.to_ipv6_mapped(),
            (IpAddr::V4(_), Families::V4) => return SocketAddr::new(self.ip, self.port),
            (IpAddr::V6(v6), _) => v6,
        };
        let scope = self.zone.filter(|_| self.is_link_local()).map_or(0, |nic| nic.0);
        SocketAddr::V6(SocketAddrV6::new(v6, self.port, 0, scope))
    }

    /// As [`to_application`](Self::to_application), and groups are shown without a zone, as echo and raw sockets do.
    pub fn to_application_of_hosts(self, families: Families) -> SocketAddr {
        let zone = self.zone.filter(|_| !self.ip.is_multicast());
        Self { zone, ..self }.to_application(families)
    }

    /// An IPv6 address, of one or of many, that is unique on one link only (RFC 4007 §4).
    pub fn is_link_local(self) -> bool {
        let IpAddr::V6(v6) = self.ip else { return false };
        v6.is_unicast_link_local() || (v6.is_multicast() && v6.octets()[1] & 0x0f == 2)
    }
}

/// The interface that two wishes agree on.
///
/// # Errors
/// [`Error::InvalidArgument`] if they don't.
pub fn agree(one: Option<NicId>, other: Option<NicId>) -> Result<Option<NicId>, Error> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Error::InvalidArgument),
        _ => Ok(one.or(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_say_and_see() {
        use Families::{Dual, V4, V6};
        let family = Err(Error::AddressFamily);
        for (families, said, means, seen) in [
            (V4, "10.0.0.1:5", Ok("10.0.0.1"), "10.0.0.1:5"),
            (V4, "[2001:db8::1]:5", family, ""),
            (V4, "[::ffff:10.0.0.1]:5", family, ""),
            (V6, "[2001:db8::1]:5", Ok("2001:db8::1"), "[2001:db8::1]:5"),
            (V6, "10.0.0.1:5", family, ""),
            (V6, "[::ffff:10.0.0.1]:5", family, ""),
            (Dual, "[::ffff:10.0.0.1]:5", Ok("10.0.0.1"), "[::ffff:10.0.0.1]:5"),
            (Dual, "10.0.0.1:5", Ok("10.0.0.1"), "[::ffff:10.0.0.1]:5"),
            (Dual, "[fe80::1%3]:5", Ok("fe80::1"), "[fe80::1%3]:5"),
            (Dual, "[ff02::1%3]:5", Ok("ff02::1"), "[ff02::1%3]:5"),
            (Dual, "[2001:db8::1%3]:5", Ok("2001:db8::1"), "[2001:db8::1]:5"),
        ] {
            let peer = Peer::from_application(families, said.parse().unwrap());
            assert_eq!(peer.map(|peer| peer.ip), means.map(|ip| ip.parse().unwrap()), "{families:?} {said}");
            if let Ok(peer) = peer {
                assert_eq!(peer.to_application(families), seen.parse().unwrap(), "{families:?} {said}");
            }
        }
    }

    #[test]
    fn where_ports_mean_nothing_hosts_are_shown() {
        use Families::{V4, V6};
        for (families, said, shown) in [
            (V4, "10.0.0.1:7", "10.0.0.1:0"),
            (V6, "[2001:db8::1%3]:7", "[2001:db8::1]:0"),
            (V6, "[fe80::1%3]:7", "[fe80::1%3]:0"),
            (V6, "[ff02::1%3]:7", "[ff02::1]:0"),
        ] {
            let peer = Peer::without_port(families, said.parse().unwrap()).unwrap();
            assert_eq!(peer.to_application_of_hosts(families), shown.parse().unwrap(), "{said}");
        }
    }

    #[test]
    fn interfaces_agree_or_not() {
        let (a, b) = (Some(NicId(1)), Some(NicId(2)));
        assert_eq!(agree(a, None), Ok(a));
        assert_eq!(agree(None, b), Ok(b));
        assert_eq!(agree(a, a), Ok(a));
        assert_eq!(agree(a, b), Err(Error::InvalidArgument));
    }
}
