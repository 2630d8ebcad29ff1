//! What can be chosen about group management on an interface.

use core::time::Duration;

/// How group management is spoken, in the count of IGMP. MLD has one version less: its first is derived from IGMPv2, its
/// second from IGMPv3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Version {
    /// IGMPv1 (RFC 1112): reports, and nothing is said of leaving.
    V1,
    /// IGMPv2 (RFC 2236) and MLDv1 (RFC 2710): reports of groups one by one, which others make superfluous, and leaves.
    V2,
    /// IGMPv3 (RFC 9776) and MLDv2 (RFC 9777): reports with sources.
    V3,
}

/// What can be chosen about IGMP or MLD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GroupConfig {
    /// Tell routers of groups at all; on.
    pub reports: bool,
    /// Speak this version, whatever queriers speak: queries of older ones are ignored, newer ones answered in this one.
    /// `None`, the default: the newest that all queriers understand (RFC 9776 §7.2).
    pub version: Option<Version>,
    /// How often a change is told, so that all but one of the reports may be lost; 2 (RFC 9776 §8.1), never less than 1. A
    /// querier that names another number is followed, up to 7.
    pub robustness: u8,
    /// Longest time between two reports of one change in the newest version; 1 s (RFC 9776 §8.11). In older ones it is 10 s.
    pub unsolicited_report_interval: Duration,
}

impl Default for GroupConfig {
    fn default() -> Self {
        Self {
            reports: true,
            version: None,
            robustness: 2,
            unsolicited_report_interval: Duration::from_secs(1),
        }
    }
}
