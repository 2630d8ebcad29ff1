//! Queries, and the answers that wait for their time: RFC 9776 §5.2, RFC 9777 §6.2.

use crate::{FilterMode, Record, SourceFilter, Version};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use stack_packet::Instant;
use stack_wire::group_record::kind;

/// Sources that are remembered of the queries about one group; with more, the answer is about all: a querier that asks for so
/// many learns no less.
const MAX_QUERIED: usize = 512;

/// What a router asks.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// In which version.
    pub version: Version,
    /// About which group; `None` for all.
    pub group: Option<IpAddr>,
    /// About which sources of the group; empty for all.
    pub sources: &'a [IpAddr],
    /// How long answers may take.
    pub max_response: Duration,
    /// Robustness of the querier; 0 where it does not say.
    pub robustness: u8,
    /// Between its general queries; zero where it does not say.
    pub interval: Duration,
}

/// An answer about one group that is to be given.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) deadline: Instant,
    /// About these sources; empty for all.
    sources: BTreeSet<IpAddr>,
}

impl Response {
    /// Adds a query to what is to be answered about a group (R9776-5.2-c, R9777-6.2-c): by the earlier of the two times.
    pub(crate) fn merged(before: Option<Self>, deadline: Instant, asked: &[IpAddr]) -> Self {
        let Some(mut response) = before else {
            return Self { deadline, sources: asked.iter().take(MAX_QUERIED + 1).copied().collect() }
                .bounded();
        };
        response.deadline = response.deadline.min(deadline);
        if asked.is_empty() || response.sources.is_empty() {
            response.sources.clear();
        } else {
            response.sources.extend(asked.iter().take(MAX_QUERIED + 1));
        }
        response.bounded()
    }

    fn bounded(mut self) -> Self {
        if self.sources.len() > MAX_QUERIED {
            self.sources.clear();
        }
        self
    }

    /// What there is to say (R9776-5.2-d, R9777-6.2-d): nothing if none of the sources is wanted.
    pub(crate) fn record(&self, group: IpAddr, filter: &SourceFilter) -> Option<Record> {
        if self.sources.is_empty() {
            return current_state(group, filter);
        }
        let wanted: Vec<_> = self.sources.iter().copied().filter(|source| filter.admits(*source)).collect();
        let record = Record { kind: kind::MODE_IS_INCLUDE, group, sources: wanted };
        (!record.sources.is_empty()).then_some(record)
    }
}

/// The whole state of a group; `None` if it is no membership.
pub(crate) fn current_state(group: IpAddr, filter: &SourceFilter) -> Option<Record> {
    let kind = match filter.mode() {
        FilterMode::Include => kind::MODE_IS_INCLUDE,
        FilterMode::Exclude => kind::MODE_IS_EXCLUDE,
    };
    let sources = filter.sources().iter().copied().collect();
    (!filter.is_nothing()).then_some(Record { kind, group, sources })
}
