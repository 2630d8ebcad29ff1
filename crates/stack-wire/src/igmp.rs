//! IGMP, all three versions: RFC 1112 appendix I, RFC 2236, RFC 9776.
//!
//! [`Igmp::parse`] tells the messages apart as RFC 9776 §7.1 has it: a query of eight octets is version 1 or 2 by its
//! response code, one of twelve or more is version 3, and one in between is none. What stands behind the fields of a
//! message is covered by its checksum and otherwise passed over.

use core::net::Ipv4Addr;
use core::time::Duration;

use crate::checksum::Sum;
use crate::error::WireError;
use crate::exponent::decode8;
use crate::group_record::{Records, addresses};

/// Octets of a message of version 1 or 2, and of a report of version 3 in front of its records.
pub const HEADER_LEN: usize = 8;
/// Octets of a query of version 3 in front of its sources.
pub const QUERY_V3_LEN: usize = 12;
/// Hop count of every message (RFC 9776 §4).
pub const TTL: u8 = 1;
/// Type of service of every message: precedence internetwork control (RFC 9776 §4).
pub const TOS: u8 = 0xc0;

/// All systems on the link, to whom general queries go.
pub const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// All routers on the link, to whom leaves of version 2 go.
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// All routers that speak version 3, to whom its reports go.
pub const ALL_V3_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// Message types.
pub mod kind {
    /// Membership query, of all versions.
    pub const QUERY: u8 = 0x11;
    /// Report of version 1.
    pub const REPORT_V1: u8 = 0x12;
    /// Report of version 2.
    pub const REPORT_V2: u8 = 0x16;
    /// Leave of version 2.
    pub const LEAVE: u8 = 0x17;
    /// Report of version 3.
    pub const REPORT_V3: u8 = 0x22;
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub enum Igmp<'a> {
    /// A router asks who is a member.
    Query(Query<'a>),
    /// A member of this group, in the words of version 1.
    ReportV1(Ipv4Addr),
    /// A member of this group, in the words of version 2.
    ReportV2(Ipv4Addr),
    /// Somebody is no longer a member of this group.
    Leave(Ipv4Addr),
    /// A report of version 3.
    ReportV3(Records<'a, 4>),
}

/// A query.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// 1, 2 or 3.
    pub version: u8,
    /// The group that is asked about; unspecified in a general query.
    pub group: Ipv4Addr,
    /// How long answers may take; 10 s in version 1, which does not say.
    pub max_response: Duration,
    /// Robustness of the querier; 0 where it does not say, and in old versions.
    pub robustness: u8,
    /// Interval of the querier; zero in old versions.
    pub interval: Duration,
    sources: &'a [u8],
}

impl<'a> Query<'a> {
    /// The sources that are asked about, of the group.
    pub fn sources(&self) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        addresses::<4>(self.sources).map(Ipv4Addr::from)
    }
}

impl<'a> Igmp<'a> {
    /// Reads a message; its checksum is the caller's to verify, with [`is_intact`].
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when it ends inside its fields, [`Unsupported`](WireError::Unsupported) for
    /// other types.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WireError> {
        let ([of, code, _, _, fields @ ..], rest) =
            bytes.split_first_chunk::<HEADER_LEN>().ok_or(WireError::Truncated)?;
        let group = Ipv4Addr::from(*fields);
        let [.., a, b] = *fields;
        match *of {
            kind::QUERY => query(*code, group, rest).map(Self::Query),
            kind::REPORT_V1 => Ok(Self::ReportV1(group)),
            kind::REPORT_V2 => Ok(Self::ReportV2(group)),
            kind::LEAVE => Ok(Self::Leave(group)),
            kind::REPORT_V3 => Ok(Self::ReportV3(Records::new(rest, u16::from_be_bytes([a, b])))),
            _ => Err(WireError::Unsupported),
        }
    }
}

// R9776-7.1-a
fn query(code: u8, group: Ipv4Addr, rest: &[u8]) -> Result<Query<'_>, WireError> {
    let tenths = |tenths: u32| Duration::from_millis(u64::from(tenths) * 100);
    if rest.is_empty() {
        let (version, code) = if code == 0 { (1, 100) } else { (2, code) };
        let (max_response, interval) = (tenths(code.into()), Duration::ZERO);
        return Ok(Query { version, group, max_response, robustness: 0, interval, sources: &[] });
    }
    let ([flags, interval, a, b], rest) = rest.split_first_chunk::<4>().ok_or(WireError::Truncated)?;
    let len = usize::from(u16::from_be_bytes([*a, *b])) * 4;
    Ok(Query {
        version: 3,
        group,
        max_response: tenths(decode8(code)),
        robustness: flags & 7,
        interval: Duration::from_secs(decode8(*interval).into()),
        sources: rest.get(..len).ok_or(WireError::Truncated)?,
    })
}

/// Whether the checksum over all of a message is right.
pub fn is_intact(bytes: &[u8]) -> bool {
    Sum::new().add_bytes(bytes).is_valid()
}

/// Writes the checksum over a message into it; its field is zero before.
pub fn complete(message: &mut [u8]) {
    let sum = Sum::new().add_bytes(message).finish();
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
}

/// A message of version 1 or 2 about a group, with its checksum.
pub fn short(of: u8, group: Ipv4Addr) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = group.octets();
    let mut message = [of, 0, 0, 0, a, b, c, d];
    complete(&mut message);
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn parsed(bytes: &[u8]) -> Query<'_> {
        let Ok(Igmp::Query(query)) = Igmp::parse(bytes) else { panic!("{bytes:?} is no query") };
        query
    }

    // R9776-7.1-a
    #[test]
    fn versions_of_queries() {
        let group = Ipv4Addr::new(239, 1, 2, 3);
        for (situation, bytes, version, millis) in [
            ("version 1", &[0x11, 0, 0, 0, 0, 0, 0, 0][..], 1, 10_000),
            ("version 2", &[0x11, 100, 0, 0, 0, 0, 0, 0], 2, 10_000),
            ("version 2 is linear", &[0x11, 0xff, 0, 0, 0, 0, 0, 0], 2, 25_500),
            ("version 3", &[0x11, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 3, 3_174_400),
        ] {
            let query = parsed(bytes);
            assert_eq!((query.version, query.max_response.as_millis()), (version, millis), "{situation}");
            assert!(query.group.is_unspecified(), "{situation}");
        }
        let query = parsed(&[0x11, 10, 0, 0, 239, 1, 2, 3, 0x0a, 0x80, 0, 2, 10, 0, 0, 1, 10, 0, 0, 2, 77]);
        assert_eq!((query.group, query.robustness, query.interval.as_secs()), (group, 2, 128));
        assert_eq!(
            query.sources().collect::<Vec<_>>(),
            [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]
        );
    }

    #[test]
    fn what_is_no_message() {
        for (situation, bytes, want) in [
            ("empty", &[][..], WireError::Truncated),
            ("cut", &[0x11, 0, 0, 0, 0, 0, 0], WireError::Truncated),
            ("between the versions", &[0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], WireError::Truncated),
            (
                "fewer sources than it says",
                &[0x11, 1, 0, 0, 239, 1, 2, 3, 0, 0, 0, 1, 1, 2, 3],
                WireError::Truncated,
            ),
            ("another type", &[0x13, 0, 0, 0, 0, 0, 0, 0], WireError::Unsupported),
        ] {
            assert_eq!(Igmp::parse(bytes).unwrap_err(), want, "{situation}");
        }
    }

    #[test]
    fn short_messages_come_back() {
        let group = Ipv4Addr::new(239, 1, 2, 3);
        for of in [kind::REPORT_V1, kind::REPORT_V2, kind::LEAVE] {
            let bytes = short(of, group);
            assert!(is_intact(&bytes));
            let read = Igmp::parse(&bytes).unwrap();
            let (Igmp::ReportV1(about) | Igmp::ReportV2(about) | Igmp::Leave(about)) = read else { panic!() };
            assert_eq!((about, bytes[0]), (group, of));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64), of: usize) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = [0x11, 0x12, 0x16, 0x17, 0x22, *first][of % 6];
            }
            if let Ok(Igmp::Query(query)) = Igmp::parse(&bytes) {
                prop_assert!(query.sources().count() * 4 <= bytes.len());
            }
        }
    }
}
