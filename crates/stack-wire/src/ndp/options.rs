//! What the options of neighbour discovery say: prefixes and MTU (RFC 4861 §4.6), routes (RFC 4191 §2.3), resolvers and
//! search domains (RFC 8106 §5). All read and write the data behind type and length.

use core::fmt;
use core::net::Ipv6Addr;
use core::time::Duration;

/// All ones in a lifetime: for ever.
pub const LIFETIME_INFINITE: u32 = u32::MAX;

/// How much a router or route wants to be taken: RFC 4191 §2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// 11
    Low,
    /// 00
    Medium,
    /// 01
    High,
    /// 10, never sent: a router with it counts as medium, a route option with it is ignored.
    Reserved,
}

impl Preference {
    /// From the octet whose bits 3 and 4 it is in.
    pub const fn from_bits(octet: u8) -> Self {
        match octet >> 3 & 3 {
            0 => Self::Medium,
            1 => Self::High,
            2 => Self::Reserved,
            _ => Self::Low,
        }
    }

    /// Its bits in that octet.
    pub const fn bits(self) -> u8 {
        match self {
            Self::Medium => 0,
            Self::High => 1 << 3,
            Self::Reserved => 2 << 3,
            Self::Low => 3 << 3,
        }
    }
}

/// A prefix of the link, or of addresses on it: RFC 4861 §4.6.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixInfo {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length in bits, up to 128.
    pub length: u8,
    /// The L flag: addresses with it are on the link.
    pub on_link: bool,
    /// The A flag: hosts form addresses with it.
    pub autonomous: bool,
    /// Seconds for which it is valid, or [`LIFETIME_INFINITE`].
    pub valid: u32,
    /// Seconds for which its addresses are preferred, or [`LIFETIME_INFINITE`].
    pub preferred: u32,
}

impl PrefixInfo {
    /// Octets of the data.
    pub const LEN: usize = 30;

    /// Reads the data; `None` if it has another length, or the prefix one above 128 bits.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let [length @ ..=128, flags, rest @ ..] = data else { return None };
        let (valid, rest) = u32_of(rest)?;
        let (preferred, rest) = u32_of(rest)?;
        let prefix = <[u8; 16]>::try_from(rest.get(4..)?).ok()?.into();
        let (on_link, autonomous) = (flags & 0x80 != 0, flags & 0x40 != 0);
        Some(Self { prefix, length: *length, on_link, autonomous, valid, preferred })
    }

    /// The data to be sent.
    pub fn data(&self) -> [u8; Self::LEN] {
        let mut data = [0; Self::LEN];
        data[0] = self.length;
        data[1] = u8::from(self.on_link) << 7 | u8::from(self.autonomous) << 6;
        data[2..6].copy_from_slice(&self.valid.to_be_bytes());
        data[6..10].copy_from_slice(&self.preferred.to_be_bytes());
        data[14..].copy_from_slice(&self.prefix.octets());
        data
    }
}

/// A route beside the default one: RFC 4191 §2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The prefix.
    pub prefix: Ipv6Addr,
    /// Its length in bits, up to 128.
    pub length: u8,
    /// How much it wants to be taken.
    pub preference: Preference,
    /// Seconds for which it holds, or [`LIFETIME_INFINITE`]; 0: no longer.
    pub lifetime: u32,
}

impl RouteInfo {
    /// Octets of the data that [`data`](Self::data) makes.
    pub const LEN: usize = 22;

    /// Reads the data; `None` if the prefix is longer than 128 bits or than the option.
    pub fn parse(data: &[u8]) -> Option<Self> {
        let [length @ ..=128, flags, rest @ ..] = data else { return None };
        let (lifetime, octets) = u32_of(rest)?;
        let prefix = route_prefix(octets, *length)?;
        Some(Self { prefix, length: *length, preference: Preference::from_bits(*flags), lifetime })
    }

    /// The data to be sent, with the whole prefix.
    pub fn data(&self) -> [u8; Self::LEN] {
        let mut data = [0; Self::LEN];
        data[0] = self.length;
        data[1] = self.preference.bits();
        data[2..6].copy_from_slice(&self.lifetime.to_be_bytes());
        data[6..].copy_from_slice(&self.prefix.octets());
        data
    }
}

/// A prefix of which 0, 8 or 16 octets are there (RFC 4191 §2.3: as many as its length needs at least).
pub fn route_prefix(octets: &[u8], length: u8) -> Option<Ipv6Addr> {
    let fits = matches!(octets.len(), 0 | 8 | 16) && usize::from(length) <= octets.len() * 8;
    let mut all = [0; 16];
    all.get_mut(..octets.len())?.copy_from_slice(octets);
    fits.then(|| all.into())
}

/// The MTU in the data of an MTU option (RFC 4861 §4.6.4), in bytes.
pub fn mtu(data: &[u8]) -> Option<u32> {
    let (mtu, rest) = u32_of(data.get(2..)?)?;
    rest.is_empty().then_some(mtu)
}

/// Resolvers, walked one by one: RFC 8106 §5.1.
#[derive(Clone, Copy, Debug)]
pub struct Servers<'a> {
    lifetime: u32,
    addresses: &'a [u8],
}

impl<'a> Servers<'a> {
    /// Reads the data; `None` without a whole address.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let (lifetime, addresses) = u32_of(data.get(2..)?)?;
        let whole = !addresses.is_empty() && addresses.len() % 16 == 0;
        whole.then_some(Self { lifetime, addresses })
    }

    /// How long they may be asked.
    pub const fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime as u64)
    }

    /// Their addresses in order.
    pub fn addresses(&self) -> impl Iterator<Item = Ipv6Addr> + 'a {
        self.addresses
            .chunks_exact(16)
            .filter_map(|octets| <[u8; 16]>::try_from(octets).ok().map(Ipv6Addr::from))
    }
}

/// Domains to search, walked one by one: RFC 8106 §5.2.
#[derive(Clone, Copy, Debug)]
pub struct Domains<'a> {
    lifetime: u32,
    names: &'a [u8],
}

impl<'a> Domains<'a> {
    /// Reads the data; `None` if a name is cut, too long, or compressed, which it must not be.
    pub fn parse(data: &'a [u8]) -> Option<Self> {
        let (lifetime, names) = u32_of(data.get(2..)?)?;
        let mut rest = names;
        while rest.first().is_some_and(|len| *len > 0) {
            (_, rest) = split_name(rest)?;
        }
        Some(Self { lifetime, names })
    }

    /// How long they hold.
    pub const fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime as u64)
    }

    /// Their names in order.
    pub fn names(&self) -> impl Iterator<Item = Domain<'a>> + 'a {
        let mut rest = self.names;
        core::iter::from_fn(move || {
            let (name, behind) = split_name(rest).filter(|(name, _)| !name.0.is_empty())?;
            rest = behind;
            Some(name)
        })
    }
}

/// A name in the form of RFC 1035 §3.1, without the empty label at its end; shown with dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain<'a>(&'a [u8]);

impl fmt::Display for Domain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((len, behind)) = rest.split_first() {
            let (label, next) = behind.split_at_checked(usize::from(*len)).unwrap_or((behind, &[]));
            if rest.len() < self.0.len() {
                f.write_str(".")?;
            }
            write!(f, "{}", label.escape_ascii())?;
            rest = next;
        }
        Ok(())
    }
}

/// The name at the front, and what is behind its empty label.
fn split_name(from: &[u8]) -> Option<(Domain<'_>, &[u8])> {
    const LONGEST_NAME: usize = 255;
    let mut at = 0;
    loop {
        match usize::from(*from.get(at)?) {
            0 => return Some((Domain(from.get(..at)?), from.get(at + 1..)?)),
            len @ 1..=63 if at + len < LONGEST_NAME => at += 1 + len,
            _ => return None,
        }
    }
}

fn u32_of(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::ToString;
    use std::vec::Vec;

    fn prefixes() -> impl Strategy<Value = (Ipv6Addr, u8, u32, u32)> {
        (any::<[u8; 16]>().prop_map(Ipv6Addr::from), 0u8..=128, any::<u32>(), any::<u32>())
    }

    #[test]
    fn lengths_that_can_not_be() {
        let route =
            |length, octets: &[u8]| RouteInfo::parse(&[&[length, 0, 0, 0, 0, 9][..], octets].concat());
        assert!(route(0, &[]).is_some() && route(64, &[1; 8]).is_some() && route(128, &[1; 16]).is_some());
        assert!(route(1, &[]).is_none() && route(65, &[1; 8]).is_none() && route(129, &[1; 16]).is_none());
        assert!(route(8, &[1; 4]).is_none());
        assert!(PrefixInfo::parse(&[129; 30]).is_none() && PrefixInfo::parse(&[64; 29]).is_none());
        assert_eq!((mtu(&[0, 0, 0, 0, 5, 0xdc]), mtu(&[0; 5]), mtu(&[0; 7])), (Some(1500), None, None));
    }

    // R8106-5.3.1-a
    #[test]
    fn names_and_servers() {
        let data = b"\0\0\0\0\0\x09\x03lab\x07example\0\x05local\0\0\0\0";
        let domains = Domains::parse(data).unwrap();
        let names: Vec<_> = domains.names().map(|name| name.to_string()).collect();
        assert_eq!(
            (names, domains.lifetime()),
            (["lab.example", "local"].map(|name| name.to_string()).to_vec(), Duration::from_secs(9))
        );
        assert!(Domains::parse(b"\0\0\0\0\0\x09\x03la").is_none(), "cut");
        assert!(Domains::parse(b"\0\0\0\0\0\x09\xc0\x0c").is_none(), "compressed");
        let servers =
            Servers::parse(&[&[0, 0, 0, 0, 0, 7][..], &[0xfd; 16]].concat()).unwrap().addresses().count();
        assert_eq!(servers, 1);
        assert!(Servers::parse(&[0; 6]).is_none() && Servers::parse(&[0; 14]).is_none());
    }

    proptest! {
        #[test]
        fn prefixes_and_routes_round_trip((prefix, length, valid, preferred) in prefixes(), on_link: bool, autonomous: bool) {
            let info = PrefixInfo { prefix, length, on_link, autonomous, valid, preferred };
            prop_assert_eq!(PrefixInfo::parse(&info.data()), Some(info));
            for preference in [Preference::Low, Preference::Medium, Preference::High] {
                let route = RouteInfo { prefix, length, preference, lifetime: valid };
                prop_assert_eq!(RouteInfo::parse(&route.data()), Some(route));
            }
        }

        #[test]
        fn any_bytes(bytes: Vec<u8>) {
            let _ = (PrefixInfo::parse(&bytes), RouteInfo::parse(&bytes), mtu(&bytes));
            let _ = Servers::parse(&bytes).map(|servers| servers.addresses().count());
            if let Some(domains) = Domains::parse(&bytes) {
                prop_assert!(domains.names().all(|name| name.to_string().len() < 1100));
            }
        }
    }
}
