//! Which version is spoken on a link: the oldest that a querier was heard to speak lately (RFC 9776 §7.2.1, RFC 9777 §8.2.1).

use crate::{GroupConfig, Query, Version};
use core::time::Duration;
use stack_packet::Instant;

/// Between general queries, while no querier has said otherwise: RFC 9776 §8.2.
const QUERY_INTERVAL: Duration = Duration::from_secs(125);
/// How long answers may take, likewise: RFC 9776 §8.3.
const QUERY_RESPONSE_INTERVAL: Duration = Duration::from_secs(10);

/// What is known of the queriers of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compatibility {
    forced: Option<Version>,
    /// Until when queriers of versions 1 and 2 count as present.
    v1_until: Option<Instant>,
    v2_until: Option<Instant>,
    /// As the last querier of version 3 has said.
    pub(crate) robustness: u8,
    interval: Duration,
    response: Duration,
}

impl Compatibility {
    pub(crate) fn new(config: &GroupConfig) -> Self {
        Self {
            forced: config.version,
            v1_until: None,
            v2_until: None,
            robustness: config.robustness.max(1), // R9776-8.1-a
            interval: QUERY_INTERVAL,
            response: QUERY_RESPONSE_INTERVAL,
        }
    }

    /// What is spoken.
    pub(crate) fn version(&self) -> Version {
        match (self.forced, self.v1_until, self.v2_until) {
            (Some(version), ..) => version,
            (None, Some(_), _) => Version::V1,
            (None, None, Some(_)) => Version::V2,
            (None, None, None) => Version::V3,
        }
    }

    /// Whether a query of that version is listened to.
    pub(crate) fn listens_to(&self, version: Version) -> bool {
        self.forced.is_none_or(|forced| version >= forced)
    }

    /// A query was heard. Returns whether another version is spoken now.
    pub(crate) fn heard(&mut self, now: Instant, query: &Query<'_>) -> bool {
        let before = self.version();
        match query.version {
            // R9776-7.2.1-b, R9777-8.2.1-b
            Version::V1 => self.v1_until = Some(now + self.timeout()),
            Version::V2 if query.group.is_none() => self.v2_until = Some(now + self.timeout()),
            Version::V2 => {}
            Version::V3 => self.learn(query),
        }
        self.version() != before
    }

    fn learn(&mut self, query: &Query<'_>) {
        // R9776-4.1.6-a, R9777-5.1.8-a
        if query.robustness > 0 {
            self.robustness = query.robustness.min(7);
        }
        if !query.interval.is_zero() {
            self.interval = query.interval;
        }
        if query.group.is_none() {
            self.response = query.max_response;
        }
    }

    /// Older Version Querier Present Timeout: RFC 9776 §8.12 (R9776-8.12-a).
    fn timeout(&self) -> Duration {
        self.interval * u32::from(self.robustness) + self.response
    }

    /// When a querier stops to count as present.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.v1_until, self.v2_until].into_iter().flatten().min()
    }

    /// Time has passed. Returns whether another version is spoken now.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let before = self.version();
        self.v1_until = self.v1_until.filter(|until| *until > now);
        self.v2_until = self.v2_until.filter(|until| *until > now);
        self.version() != before
    }
}
