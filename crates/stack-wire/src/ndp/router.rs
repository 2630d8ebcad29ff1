//! Messages of and to routers: solicitations, advertisements and redirects, RFC 4861 §4.1, §4.2, §4.5.
//!
//! As with neighbours, `parse` refuses what the message alone shows to be invalid (§6.1.1, §6.1.2, §8.1): another code,
//! too few octets, an option of length 0 or beyond the end. What needs addresses or the hop limit is the receiver's.

use super::{Options, Preference, option};
use crate::error::WireError;
use crate::ethernet::MacAddr;
use crate::icmpv6::kind;
use core::net::Ipv6Addr;
use core::time::Duration;

/// Somebody asks for routers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterSolicit<'a> {
    options: &'a [u8],
}

impl<'a> RouterSolicit<'a> {
    /// Octets without options.
    pub const LEN: usize = 8;

    /// Reads an ICMPv6 message.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated), [`Unsupported`](WireError::Unsupported) for another type or a code,
    /// [`BadTotalLength`](WireError::BadTotalLength) for a bad option.
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (_, options): (&[u8; 8], _) = fixed(message, kind::ROUTER_SOLICIT)?;
        Ok(Self { options })
    }

    /// The link address of the sender, if there is one of Ethernet's length.
    pub fn source_link_address(&self) -> Option<MacAddr> {
        self.options().link_address(option::SOURCE_LINK_ADDRESS)
    }

    /// The options as (type, data).
    pub const fn options(&self) -> Options<'a> {
        Options::new(self.options)
    }
}

/// A router tells of itself and of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterAdvert<'a> {
    header: &'a [u8; 16],
    options: &'a [u8],
}

impl<'a> RouterAdvert<'a> {
    /// Octets without options.
    pub const LEN: usize = 16;

    /// Reads an ICMPv6 message.
    ///
    /// # Errors
    /// As [`RouterSolicit::parse`].
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (header, options) = fixed(message, kind::ROUTER_ADVERT)?;
        Ok(Self { header, options })
    }

    /// The hop limit to use; 0 leaves it open.
    pub const fn hop_limit(&self) -> u8 {
        self.header[4]
    }

    /// The M flag: addresses come from DHCPv6.
    pub const fn managed(&self) -> bool {
        self.header[5] & 0x80 != 0
    }

    /// The O flag: other configuration comes from DHCPv6.
    pub const fn other(&self) -> bool {
        self.header[5] & 0x40 != 0
    }

    /// How much the router wants to be taken (RFC 4191 §2.2).
    pub const fn preference(&self) -> Preference {
        Preference::from_bits(self.header[5])
    }

    /// How long it is a default router; zero: it is none.
    pub const fn lifetime(&self) -> Duration {
        Duration::from_secs(u16::from_be_bytes([self.header[6], self.header[7]]) as u64)
    }

    /// How long a confirmation of a neighbour lasts; zero leaves it open.
    pub const fn reachable_time(&self) -> Duration {
        let [.., a, b, c, d, _, _, _, _] = *self.header;
        Duration::from_millis(u32::from_be_bytes([a, b, c, d]) as u64)
    }

    /// Between two solicitations; zero leaves it open.
    pub const fn retrans_timer(&self) -> Duration {
        let [.., a, b, c, d] = *self.header;
        Duration::from_millis(u32::from_be_bytes([a, b, c, d]) as u64)
    }

    /// The link address of the sender, if there is one of Ethernet's length.
    pub fn source_link_address(&self) -> Option<MacAddr> {
        self.options().link_address(option::SOURCE_LINK_ADDRESS)
    }

    /// The options as (type, data).
    pub const fn options(&self) -> Options<'a> {
        Options::new(self.options)
    }
}

/// A router tells of a better first hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirect<'a> {
    header: &'a [u8; 40],
    options: &'a [u8],
}

impl<'a> Redirect<'a> {
    /// Octets without options.
    pub const LEN: usize = 40;

    /// Reads an ICMPv6 message.
    ///
    /// # Errors
    /// As [`RouterSolicit::parse`].
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let (header, options) = fixed(message, kind::REDIRECT)?;
        Ok(Self { header, options })
    }

    /// The better first hop.
    pub fn target(&self) -> Ipv6Addr {
        address(&self.header[8..24])
    }

    /// The destination that it is for.
    pub fn destination(&self) -> Ipv6Addr {
        address(&self.header[24..])
    }

    /// The link address of the target, if there is one of Ethernet's length.
    pub fn target_link_address(&self) -> Option<MacAddr> {
        Options::new(self.options).link_address(option::TARGET_LINK_ADDRESS)
    }
}

fn fixed<const LEN: usize>(message: &[u8], wanted: u8) -> Result<(&[u8; LEN], &[u8]), WireError> {
    let (header, options) = message.split_first_chunk::<LEN>().ok_or(WireError::Truncated)?;
    match header.as_slice() {
        [kind, 0, ..] if *kind == wanted => Ok((header, Options::checked(options)?)),
        _ => Err(WireError::Unsupported),
    }
}

fn address(octets: &[u8]) -> Ipv6Addr {
    <[u8; 16]>::try_from(octets).map_or(Ipv6Addr::UNSPECIFIED, Ipv6Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    // R4861-6.1.1-a, R4861-6.1.2-a, R4861-8.1-a
    #[test]
    fn invalid_messages() {
        type Parse = fn(&[u8]) -> Option<WireError>;
        let solicit: Parse = |m| RouterSolicit::parse(m).err();
        let advert: Parse = |m| RouterAdvert::parse(m).err();
        let redirect: Parse = |m| Redirect::parse(m).err();
        for (parse, kind, len) in [(solicit, 133, 8), (advert, 134, 16), (redirect, 137, 40)] {
            let mut good = std::vec![0; len];
            good[0] = kind;
            good.extend([1, 1, 2, 0, 0, 0, 0, 7]);
            let with = |at: usize, byte| {
                let mut message = good.clone();
                message[at] = byte;
                parse(&message)
            };
            for (situation, got, want) in [
                ("whole", with(0, kind), None),
                ("another type", with(0, 135), Some(WireError::Unsupported)),
                ("another code", with(1, 1), Some(WireError::Unsupported)),
                ("too short", parse(&good[..len - 1]), Some(WireError::Truncated)),
                ("option of length 0", with(len + 1, 0), Some(WireError::BadTotalLength)),
                ("option beyond the end", with(len + 1, 2), Some(WireError::BadTotalLength)),
                ("R4861-4-a: unknown option", with(len, 99), None),
            ] {
                assert_eq!(got, want, "{situation} of {kind}");
            }
        }
    }

    #[test]
    fn fields_of_an_advertisement() {
        let message = [134, 0, 0, 0, 64, 0xc8, 7, 8, 0, 0, 0x75, 0x30, 0, 0, 3, 0xe8, 1, 1, 2, 0, 0, 0, 0, 7];
        let advert = RouterAdvert::parse(&message).unwrap();
        assert_eq!((advert.hop_limit(), advert.managed(), advert.other()), (64, true, true));
        assert_eq!((advert.preference(), advert.lifetime()), (Preference::High, Duration::from_secs(1800)));
        assert_eq!(advert.reachable_time(), Duration::from_secs(30));
        assert_eq!(advert.retrans_timer(), Duration::from_secs(1));
        assert_eq!(advert.source_link_address(), Some(MacAddr([2, 0, 0, 0, 0, 7])));
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes: Vec<u8>, kind in 133u8..138) {
            if let Some(first) = bytes.first_mut() {
                *first = kind;
            }
            let _ = RouterSolicit::parse(&bytes);
            let _ = RouterAdvert::parse(&bytes).map(|advert| advert.options().count());
            let _ = Redirect::parse(&bytes).map(|redirect| redirect.target_link_address());
        }
    }
}
