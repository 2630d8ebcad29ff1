//! An address with the interface that its scope names (RFC 4007 §6); ports mean nothing here.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use stack_core::{Error, Families, NicId};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) ip: IpAddr,
    pub(crate) zone: Option<NicId>,
}

impl Peer {
    /// What an application means.
    ///
    /// # Errors
    /// [`Error::AddressFamily`] for an address of another family.
    pub(crate) fn from_application(families: Families, address: SocketAddr) -> Result<Self, Error> {
        let zone = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(NicId(v6.scope_id())),
            _ => None,
        };
        let mapped = address.ip().to_canonical() != address.ip();
        if mapped || Families::of(address.ip()) != families {
            return Err(Error::AddressFamily);
        }
        Ok(Self { ip: address.ip(), zone })
    }

    /// What an application is shown; the zone only where the address needs one.
    pub(crate) fn to_application(self) -> SocketAddr {
        match self.ip {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                SocketAddrV6::new(v6, 0, 0, self.zone.map_or(0, |nic| nic.0)).into()
            }
            ip => SocketAddr::new(ip, 0),
        }
    }
}

/// "Any address" of a family.
pub(crate) fn unspecified(families: Families) -> IpAddr {
    match families {
        Families::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Families::V6 | Families::Dual => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// The interface that two wishes agree on.
///
/// # Errors
/// [`Error::InvalidArgument`] if they don't.
pub(crate) fn agree(one: Option<NicId>, other: Option<NicId>) -> Result<Option<NicId>, Error> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Error::InvalidArgument),
        _ => Ok(one.or(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_say_addresses_of_the_sockets_family() {
        use Families::{V4, V6};
        for (families, said, shown) in [
            (V4, "10.0.0.1:7", Ok("10.0.0.1:0")),
            (V6, "[2001:db8::1%3]:7", Ok("[2001:db8::1]:0")),
            (V6, "[fe80::1%3]:7", Ok("[fe80::1%3]:0")),
            (V4, "[::1]:7", Err(Error::AddressFamily)),
            (V6, "10.0.0.1:7", Err(Error::AddressFamily)),
            (V6, "[::ffff:10.0.0.1]:7", Err(Error::AddressFamily)),
        ] {
            let peer = Peer::from_application(families, said.parse().unwrap());
            assert_eq!(peer.map(Peer::to_application), shown.map(|shown| shown.parse().unwrap()), "{said}");
        }
    }

    #[test]
    fn interfaces_agree_or_not() {
        let (a, b) = (Some(NicId(1)), Some(NicId(2)));
        assert_eq!([agree(a, None), agree(None, b), agree(a, a)], [Ok(a), Ok(b), Ok(a)]);
        assert_eq!(agree(a, b), Err(Error::InvalidArgument));
    }
}
