//! Multicast listener discovery, both versions: RFC 2710, RFC 9777. Messages are ICMPv6 (RFC 4443).
//!
//! [`Mld::parse`] tells queries apart by their length (RFC 9777 §8.1): 24 octets are version 1, 28 or more version 2, and
//! what is in between is none. The checksum is that of ICMPv6 and the caller's to verify.

use core::net::Ipv6Addr;
use core::time::Duration;

use crate::checksum::pseudo_header;
use crate::error::WireError;
use crate::exponent::{decode8, decode16};
use crate::group_record::{Records, addresses};
use crate::ip::protocol;

/// Octets of a message of version 1.
pub const HEADER_LEN: usize = 24;
/// Octets of a query of version 2 in front of its sources.
pub const QUERY_V2_LEN: usize = 28;
/// Hop limit of every message (RFC 9777 §5).
pub const HOP_LIMIT: u8 = 1;

/// All routers on the link, to whom dones of version 1 go.
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All routers that speak version 2, to whom its reports go.
pub const ALL_V2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// Message types.
pub mod kind {
    /// Query, of both versions.
    pub const QUERY: u8 = 130;
    /// Report of version 1.
    pub const REPORT_V1: u8 = 131;
    /// Done of version 1.
    pub const DONE: u8 = 132;
    /// Report of version 2.
    pub const REPORT_V2: u8 = 143;
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub enum Mld<'a> {
    /// A router asks who listens.
    Query(Query<'a>),
    /// Somebody listens to this group, in the words of version 1.
    ReportV1(Ipv6Addr),
    /// Somebody no longer listens to this group.
    Done(Ipv6Addr),
    /// A report of version 2.
    ReportV2(Records<'a, 16>),
}

/// A query.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// 1 or 2.
    pub version: u8,
    /// The group that is asked about; unspecified in a general query.
    pub group: Ipv6Addr,
    /// How long answers may take.
    pub max_response: Duration,
    /// Robustness of the querier; 0 where it does not say, and in version 1.
    pub robustness: u8,
    /// Interval of the querier; zero in version 1.
    pub interval: Duration,
    sources: &'a [u8],
}

impl<'a> Query<'a> {
    /// The sources that are asked about, of the group.
    pub fn sources(&self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        addresses::<16>(self.sources).map(Ipv6Addr::from)
    }
}

/// Whether an ICMPv6 type is one of these messages.
pub const fn is_mld(of: u8) -> bool {
    matches!(of, kind::QUERY..=kind::DONE | kind::REPORT_V2)
}

impl<'a> Mld<'a> {
    /// Reads a message, ICMPv6 header included.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when it ends inside its fields, [`Unsupported`](WireError::Unsupported) for
    /// other types.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let ([of, _, _, _, a, b, c, d], rest) = bytes.split_first_chunk::<8>().ok_or(WireError::Truncated)?;
        if *of == kind::REPORT_V2 {
            return Ok(Self::ReportV2(Records::new(rest, u16::from_be_bytes([*c, *d]))));
        }
        let (group, rest) = rest.split_first_chunk::<16>().ok_or(WireError::Truncated)?;
        let group = Ipv6Addr::from(*group);
        match *of {
            kind::QUERY => query(u16::from_be_bytes([*a, *b]), group, rest).map(Self::Query),
            kind::REPORT_V1 => Ok(Self::ReportV1(group)),
            kind::DONE => Ok(Self::Done(group)),
            _ => Err(WireError::Unsupported),
        }
    }
}

// R9777-8.1-a
fn query(code: u16, group: Ipv6Addr, rest: &[u8]) -> Result<Query<'_>, WireError> {
    let millis = |millis: u32| Duration::from_millis(millis.into());
    if rest.is_empty() {
        let (max_response, interval) = (millis(code.into()), Duration::ZERO);
        return Ok(Query { version: 1, group, max_response, robustness: 0, interval, sources: &[] });
    }
    let ([flags, interval, a, b], rest) = rest.split_first_chunk::<4>().ok_or(WireError::Truncated)?;
    let len = usize::from(u16::from_be_bytes([*a, *b])) * 16;
    Ok(Query {
        version: 2,
        group,
        max_response: millis(decode16(code)),
        robustness: flags & 7,
        interval: Duration::from_secs(decode8(*interval).into()),
        sources: rest.get(..len).ok_or(WireError::Truncated)?,
    })
}

/// Writes the checksum over a message from `src` to `dst` into it; its field is zero before.
pub fn complete(message: &mut [u8], src: Ipv6Addr, dst: Ipv6Addr) {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let sum = pseudo_header(src.into(), dst.into(), protocol::ICMPV6, len).add_bytes(message).finish();
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// A report or done of version 1 about a group; its checksum is not there yet.
pub fn short(of: u8, group: Ipv6Addr) -> [u8; HEADER_LEN] {
    let mut message = [0; HEADER_LEN];
    message[0] = of;
    if let Some(place) = message.last_chunk_mut::<16>() {
        *place = group.octets();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const GROUP: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 7);

    fn bytes(of: u8, code: u16, behind: &[u8]) -> Vec<u8> {
        let [a, b] = code.to_be_bytes();
        [&[of, 0, 0, 0, a, b, 0, 0][..], &GROUP.octets(), behind].concat()
    }

    // R9777-8.1-a
    #[test]
    fn versions_of_queries() {
        let of = |code, behind: &[u8]| {
            let bytes = bytes(kind::QUERY, code, behind);
            let Ok(Mld::Query(query)) = Mld::parse(&bytes) else { panic!("no query") };
            assert_eq!(query.group, GROUP);
            (
                query.version,
                query.max_response.as_millis(),
                query.robustness,
                query.interval.as_secs(),
                query.sources().count(),
            )
        };
        assert_eq!(of(1000, &[]), (1, 1000, 0, 0, 0));
        assert_eq!(of(0xffff, &[]), (1, 65_535, 0, 0, 0), "version 1 is linear");
        assert_eq!(of(0xffff, &[0x0b, 125, 0, 0]), (2, 8_387_584, 3, 125, 0));
        let sources = [&[2, 0x80, 0, 1][..], &[7; 16], &[9; 3]].concat();
        assert_eq!(of(5, &sources), (2, 5, 2, 128, 1));
    }

    #[test]
    fn what_is_no_message() {
        for (situation, bytes, want) in [
            ("cut", bytes(kind::QUERY, 0, &[])[..23].to_vec(), WireError::Truncated),
            ("between the versions", bytes(kind::QUERY, 0, &[0; 3]), WireError::Truncated),
            ("fewer sources than it says", bytes(kind::QUERY, 0, &[0, 0, 0, 1, 0]), WireError::Truncated),
            ("another type", bytes(135, 0, &[]), WireError::Unsupported),
        ] {
            assert_eq!(Mld::parse(&bytes).unwrap_err(), want, "{situation}");
        }
    }

    #[test]
    fn short_messages_come_back_with_their_checksum() {
        let src = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        for of in [kind::REPORT_V1, kind::DONE] {
            let mut message = short(of, GROUP);
            complete(&mut message, src, GROUP);
            let (Ok(Mld::ReportV1(group)) | Ok(Mld::Done(group))) = Mld::parse(&message) else { panic!() };
            assert_eq!(group, GROUP);
            let mut sum = pseudo_header(src.into(), GROUP.into(), protocol::ICMPV6, 24);
            assert!(sum.add_bytes(&message).is_valid() && is_mld(of));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..99), of: usize) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = [130, 131, 132, 143, *first][of % 5];
            }
            if let Ok(Mld::Query(query)) = Mld::parse(&bytes) {
                prop_assert!(query.sources().count() * 16 <= bytes.len());
            }
        }
    }
}
