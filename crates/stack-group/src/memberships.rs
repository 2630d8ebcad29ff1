//! The groups of one interface, and what is told of them: RFC 9776 §5, §7.2, RFC 9777 §6, §8.2; RFC 2236 §3 and RFC 2710 §4
//! where a querier speaks no more than that.
//!
//! Bounded: there are as many groups as the host lets its sockets join; of queries only what is about one of them is kept.

use crate::change::Change;
use crate::compatibility::Compatibility;
use crate::message::{self, Message, Record};
use crate::response::{Query, Response, current_state};
use crate::{GroupConfig, SourceFilter, Version, is_reported};
use alloc::collections::{BTreeMap, VecDeque};
use core::net::IpAddr;
use core::time::Duration;
use stack_packet::Instant;

/// Longest time between two reports of one join in older versions: RFC 2236 §8.10, RFC 2710 §7.10.
const OLD_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// A source of random numbers.
type Chance<'a> = &'a mut dyn FnMut() -> u64;

/// The groups of one interface.
#[derive(Debug)]
pub struct Memberships {
    config: GroupConfig,
    compatibility: Compatibility,
    groups: BTreeMap<IpAddr, Group>,
    /// When all groups are to be told of.
    general: Option<Instant>,
    /// What is due and not yet sent.
    records: VecDeque<Record>,
    messages: VecDeque<Message>,
}

/// One of them.
#[derive(Debug)]
struct Group {
    filter: SourceFilter,
    change: Option<Change>,
    response: Option<Response>,
    /// We were the last to report it, so it is ours to say when it is left (RFC 2236 §3, RFC 2710 §4).
    last_reporter: bool,
}

impl Memberships {
    /// No groups.
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            compatibility: Compatibility::new(&config),
            groups: BTreeMap::new(),
            general: None,
            records: VecDeque::new(),
            messages: VecDeque::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn groups_len(&self) -> usize {
        self.groups.len()
    }

    /// The version that is spoken.
    pub fn version(&self) -> Version {
        self.compatibility.version()
    }

    /// The interface wants a group from other sources than before; [`nothing`](SourceFilter::nothing) is to leave it.
    pub fn set_filter(&mut self, now: Instant, group: IpAddr, filter: SourceFilter) {
        let unknown = filter.is_nothing() && !self.groups.contains_key(&group);
        if !self.config.reports || !is_reported(group) || unknown {
            return;
        }
        let times = self.compatibility.robustness;
        let version = self.version();
        let known = self.groups.entry(group).or_insert_with(|| Group::new(SourceFilter::nothing()));
        let before = core::mem::replace(&mut known.filter, filter);
        if before == known.filter {
            return;
        }
        if version == Version::V3 {
            known.change = Some(Change::merged(known.change.take(), now, &before, &known.filter, times));
        } else if before.is_nothing() {
            known.change = Some(Change::whole(now, times));
        } else if known.filter.is_nothing() {
            self.leave_old(group, version);
        }
    }

    // R2236-3-c
    fn leave_old(&mut self, group: IpAddr, version: Version) {
        let gone = self.groups.remove(&group);
        if version == Version::V2 && gone.is_some_and(|gone| gone.last_reporter) {
            self.messages.push_back(Message::Leave(group));
        }
    }

    /// Tells of all groups once more, as if each had just been joined: what was said before may have found no ear.
    pub fn announce(&mut self, now: Instant) {
        let times = self.compatibility.robustness;
        for known in self.groups.values_mut().filter(|known| !known.filter.is_nothing()) {
            known.change = Some(Change::whole(now, times));
        }
    }

    /// Forgets all, and tells nobody: the interface is down.
    pub fn clear(&mut self) {
        *self = Self::new(self.config);
    }

    /// A router asks.
    pub fn on_query(&mut self, now: Instant, query: &Query<'_>, chance: Chance<'_>) {
        if !self.config.reports || !self.compatibility.listens_to(query.version) {
            return;
        }
        if self.compatibility.heard(now, query) {
            self.cancel();
        }
        if self.version() == Version::V3 {
            self.schedule(now, query, chance);
        } else {
            self.schedule_old(now, query, chance);
        }
    }

    /// RFC 9776 §5.2, the five rules.
    fn schedule(&mut self, now: Instant, query: &Query<'_>, chance: Chance<'_>) {
        let at = now + delay(query.max_response, chance); // R9776-5.2-a
        if self.general.is_some_and(|general| general <= at) {
            return;
        }
        let Some(group) = query.group else {
            self.general = Some(at);
            return;
        };
        if let Some(known) = self.groups.get_mut(&group).filter(|known| !known.filter.is_nothing()) {
            known.response = Some(Response::merged(known.response.take(), at, query.sources));
        }
    }

    /// RFC 2236 §3: a timer for each group, set anew only if it would run longer than the query allows.
    fn schedule_old(&mut self, now: Instant, query: &Query<'_>, chance: Chance<'_>) {
        let asked = |group: &IpAddr| query.group.is_none_or(|asked| asked == *group);
        for (_, known) in self.groups.iter_mut().filter(|(group, _)| asked(group)) {
            let latest = now + query.max_response;
            let soon = known.response.as_ref().is_some_and(|response| response.deadline <= latest);
            if !soon && !known.filter.is_nothing() {
                let at = now + delay(query.max_response, &mut *chance);
                known.response = Some(Response::merged(None, at, &[]));
            }
        }
    }

    /// Another member has told of a group in the words of an older version: once is enough for all (R2236-3-b, R2710-4-b). In
    /// the newest version each tells for itself (R9776-5-b).
    pub fn on_report(&mut self, group: IpAddr) {
        let old = self.version() != Version::V3;
        if let Some(known) = self.groups.get_mut(&group).filter(|_| old) {
            (known.change, known.response, known.last_reporter) = (None, None, false);
        }
    }

    /// Another version is spoken: what was to be said is no longer (R9776-7.2.1-c, R9777-8.2.1-c).
    fn cancel(&mut self) {
        self.general = None;
        self.groups.retain(|_, known| {
            (known.change, known.response) = (None, None);
            !known.filter.is_nothing()
        });
    }

    /// When [`poll_transmit`](Self::poll_transmit) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.messages.is_empty() {
            return Some(Instant::ZERO); // A leave waits for nothing.
        }
        let changes = self.groups.values().filter_map(|known| known.change.as_ref().map(|c| c.deadline));
        let responses = self.groups.values().filter_map(|known| known.response.as_ref().map(|r| r.deadline));
        let others = [self.general, self.compatibility.next()].into_iter().flatten();
        changes.chain(responses).chain(others).min()
    }

    /// The next message that is due, of at most `room` octets behind the IP header; call until there is none.
    pub fn poll_transmit(&mut self, now: Instant, room: usize, chance: Chance<'_>) -> Option<Message> {
        if self.records.is_empty() && self.messages.is_empty() {
            self.collect(now, chance);
        }
        self.messages.pop_front().or_else(|| message::fill(&mut self.records, room))
    }

    /// Makes what is due ready to be sent.
    fn collect(&mut self, now: Instant, chance: Chance<'_>) {
        if self.compatibility.expire(now) {
            self.cancel();
        }
        if self.version() == Version::V3 {
            self.collect_changes(now, chance);
            self.collect_responses(now);
        } else {
            self.collect_old(now, chance);
        }
    }

    // R9776-5.1-a, R9777-6.1-a, R9776-8.11-a
    fn collect_changes(&mut self, now: Instant, chance: Chance<'_>) {
        let (records, longest) = (&mut self.records, self.config.unsolicited_report_interval);
        self.groups.retain(|group, known| {
            if let Some(change) = known.change.as_mut().filter(|change| change.deadline <= now) {
                records.extend(change.records(*group, &known.filter));
                change.count();
                change.deadline = now + delay(longest, &mut *chance);
                if change.is_done() {
                    known.change = None;
                }
            }
            known.change.is_some() || !known.filter.is_nothing()
        });
    }

    // R9776-5.2-b, R9777-6.2-a
    fn collect_responses(&mut self, now: Instant) {
        let all = self.general.take_if(|general| *general <= now).is_some();
        for (group, known) in &mut self.groups {
            let due = known.response.take_if(|response| all || response.deadline <= now);
            let record = if all {
                current_state(*group, &known.filter)
            } else {
                due.and_then(|response| response.record(*group, &known.filter))
            };
            self.records.extend(record);
        }
    }

    // R9776-7.2.1-a, R9777-8.2.1-a, R2236-3-a, R2710-4-a
    fn collect_old(&mut self, now: Instant, chance: Chance<'_>) {
        let version = self.version();
        for (group, known) in &mut self.groups {
            let response = known.response.take_if(|response| response.deadline <= now).is_some();
            let change = known.change.as_mut().filter(|change| change.deadline <= now);
            if !response && change.is_none() {
                continue;
            }
            if let Some(change) = change {
                change.count();
                change.deadline = now + delay(OLD_REPORT_INTERVAL, &mut *chance);
                if change.is_done() {
                    known.change = None;
                }
            }
            known.last_reporter = true;
            self.messages.push_back(Message::OldReport(version, *group));
        }
    }
}

impl Group {
    fn new(filter: SourceFilter) -> Self {
        Self { filter, change: None, response: None, last_reporter: false }
    }
}

/// A random time above zero, up to `longest`.
fn delay(longest: Duration, chance: Chance<'_>) -> Duration {
    let span = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(chance()) * u128::from(span)) >> 64;
    Duration::from_nanos((part as u64 + 1).min(span))
}
