//! A change of a group's filter, which is told several times: RFC 9776 §5.1, RFC 9777 §6.1.
//!
//! A further change before all reports are sent is merged into what is left to be told, and begins anew: what is reported is
//! always the state at the time, as far as anything of it has changed.

use crate::{FilterMode, Record, SourceFilter};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_packet::Instant;
use stack_wire::group_record::kind;

/// What is still to be told of a group.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// When next.
    pub(crate) deadline: Instant,
    /// How many reports are to tell of the filter mode.
    mode: u8,
    /// How many are to tell of a source.
    sources: BTreeMap<IpAddr, u8>,
}

impl Change {
    /// The group's whole state is told `times` times, as if it were new.
    pub(crate) fn whole(now: Instant, times: u8) -> Self {
        Self { deadline: now, mode: times, sources: BTreeMap::new() }
    }

    /// Merges a change into what is left of the one before (R9776-5.1-b, R9777-6.1-b).
    pub(crate) fn merged(
        before: Option<Self>,
        now: Instant,
        from: &SourceFilter,
        to: &SourceFilter,
        times: u8,
    ) -> Self {
        if from.mode() != to.mode() {
            return Self::whole(now, times);
        }
        let mut change = before.unwrap_or(Self::whole(now, 0));
        change.deadline = now;
        let changed = from.sources().symmetric_difference(to.sources());
        change.sources.extend(changed.map(|source| (*source, times)));
        change
    }

    /// Whether nothing is left to be told.
    pub(crate) fn is_done(&self) -> bool {
        self.mode == 0 && self.sources.is_empty()
    }

    /// Takes a report as sent.
    pub(crate) fn count(&mut self) {
        self.mode = self.mode.saturating_sub(1);
        self.sources.retain(|_, left| {
            *left = left.saturating_sub(1);
            *left > 0
        });
    }

    /// What a report says now (R9776-5.1-c).
    pub(crate) fn records(&self, group: IpAddr, filter: &SourceFilter) -> Vec<Record> {
        if self.mode > 0 {
            let kind = match filter.mode() {
                FilterMode::Include => kind::CHANGE_TO_INCLUDE,
                FilterMode::Exclude => kind::CHANGE_TO_EXCLUDE,
            };
            let sources = filter.sources().iter().copied().collect();
            return Vec::from([Record { kind, group, sources }]);
        }
        let (allowed, blocked): (Vec<_>, Vec<_>) =
            self.sources.keys().copied().partition(|source| filter.admits(*source));
        let lists = [(kind::ALLOW_NEW_SOURCES, allowed), (kind::BLOCK_OLD_SOURCES, blocked)];
        let record = |(kind, sources)| Record { kind, group, sources };
        lists.into_iter().filter(|(_, sources)| !sources.is_empty()).map(record).collect()
    }
}
