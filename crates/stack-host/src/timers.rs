//! One lazy deadline per endpoint, in one hierarchical timing wheel.
//!
//! Six levels of 64 slots; a tick is 2^17 ns (131 µs), so the wheel spans 104 days and later deadlines wait in its
//! last slot. A deadline that moves later touches only its record: the old entry finds out when it comes up.
//! A deadline that moves earlier adds an entry and leaves the old one to be ignored.
//!
//! Invariants: an entry counts only if its time equals the record's `queued`; `queued <= deadline`; entries on level
//! `n` are later than all on the levels below.

use crate::hash::Map;
use alloc::vec::Vec;
use core::hash::Hash;
use stack_core::Instant;

const TICK_BITS: u32 = 17;
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
const LEVELS: usize = 6;
/// Last tick that differs from the current one within the wheel's span.
const SPAN: u64 = (1 << (LEVEL_BITS * LEVELS as u32)) - 1;

#[derive(Clone, Copy, Debug)]
struct Record {
    deadline: Instant,
    queued: Instant,
}

#[derive(Debug)]
struct Level<K> {
    occupied: u64,
    slots: [Vec<(Instant, K)>; SLOTS],
}

/// Deadlines by key.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    records: Map<K, Record>,
    levels: [Level<K>; LEVELS],
    current: u64,
}

fn tick_of(time: Instant) -> u64 {
    time.as_nanos() >> TICK_BITS
}

impl<K: Copy + Eq + Hash> Timers<K> {
    pub(crate) fn new(seed: u64) -> Self {
        let level = |_| Level { occupied: 0, slots: core::array::from_fn(|_| Vec::new()) };
        Self { records: crate::hash::map(seed), levels: core::array::from_fn(level), current: 0 }
    }

    /// Sets the key's deadline; [`Instant::FAR_FUTURE`] takes it away.
    pub(crate) fn arm(&mut self, key: K, deadline: Instant) {
        match self.records.get_mut(&key) {
            Some(record) if record.queued <= deadline => record.deadline = deadline,
            _ if deadline == Instant::FAR_FUTURE => {}
            _ => {
                self.records.insert(key, Record { deadline, queued: deadline });
                self.insert(deadline, key);
            }
        }
    }

    /// Whether no deadline is set.
    pub(crate) fn is_idle(&self) -> bool {
        self.records.values().all(|record| record.deadline == Instant::FAR_FUTURE)
    }

    /// When [`expire`](Self::expire) should be called: the next deadline, or somewhat before it.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (level, slot) = self.first_occupied()?;
        if level == 0 {
            return self.levels[0].slots[slot].iter().map(|(time, _)| *time).min();
        }
        Some(Instant::from_nanos(self.slot_start(level, slot) << TICK_BITS))
    }

    /// Appends the keys whose deadlines have passed to `due`, each once.
    pub(crate) fn expire(&mut self, now: Instant, due: &mut Vec<K>) {
        let mut early = Vec::new();
        while let Some((level, slot)) = self.first_occupied() {
            let start = self.slot_start(level, slot);
            if start > tick_of(now) {
                break;
            }
            self.current = self.current.max(start);
            self.levels[level].occupied &= !(1 << slot);
            let mut entries = core::mem::take(&mut self.levels[level].slots[slot]);
            for (time, key) in entries.drain(..) {
                self.take_up(now, time, key, due, &mut early);
            }
            if self.levels[level].slots[slot].is_empty() {
                self.levels[level].slots[slot] = entries;
            }
        }
        self.current = self.current.max(tick_of(now));
        for (time, key) in early {
            self.insert(time, key);
        }
    }

    fn take_up(
        &mut self,
        now: Instant,
        time: Instant,
        key: K,
        due: &mut Vec<K>,
        early: &mut Vec<(Instant, K)>,
    ) {
        let Some(record) = self.records.get_mut(&key).filter(|record| record.queued == time) else { return };
        if record.deadline <= now {
            self.records.remove(&key);
            due.push(key);
        } else if record.deadline == Instant::FAR_FUTURE {
            self.records.remove(&key);
        } else {
            record.queued = record.deadline;
            let time = record.deadline;
            if tick_of(time) <= tick_of(now) { early.push((time, key)) } else { self.insert(time, key) }
        }
    }

    fn insert(&mut self, time: Instant, key: K) {
        let tick = tick_of(time).clamp(self.current, self.current | SPAN);
        let differing = (tick ^ self.current) | (SLOTS as u64 - 1);
        let level = ((63 - differing.leading_zeros()) / LEVEL_BITS) as usize;
        let slot = (tick >> (LEVEL_BITS * level as u32)) as usize % SLOTS;
        self.levels[level].occupied |= 1 << slot;
        self.levels[level].slots[slot].push((time, key));
    }

    fn first_occupied(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// First tick of a slot, with the current tick's higher digits.
    fn slot_start(&self, level: usize, slot: usize) -> u64 {
        let shift = LEVEL_BITS * level as u32;
        let above = self.current >> (shift + LEVEL_BITS) << (shift + LEVEL_BITS);
        (above | ((slot as u64) << shift)).max(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use core::time::Duration;
    use proptest::prelude::*;

    #[test]
    fn fires_exactly_and_once() {
        let mut timers = Timers::new(1);
        let deadline = Instant::from_micros(1_000_001);
        timers.arm(7u32, deadline);
        let mut due = Vec::new();
        while let Some(next) = timers.next() {
            assert!(next <= deadline);
            timers.expire(next, &mut due);
            if next < deadline {
                assert!(due.is_empty(), "early at {next}");
            }
        }
        assert_eq!(due, [7]);
    }

    #[test]
    fn a_later_deadline_replaces_an_earlier_one() {
        let mut timers = Timers::new(1);
        timers.arm(1u32, Instant::from_millis(10));
        timers.arm(1, Instant::from_secs(100));
        let mut due = Vec::new();
        timers.expire(Instant::from_secs(99), &mut due);
        assert!(due.is_empty());
        timers.arm(1, Instant::FAR_FUTURE);
        assert!(timers.is_idle());
        timers.expire(Instant::from_secs(1000), &mut due);
        assert!(due.is_empty() && timers.next().is_none());
    }

    proptest! {
        #[test]
        fn a_wheel_is_a_sorted_map(ops in proptest::collection::vec((0..8u32, 0..40_000_000_000u64, 0..3u8), 1..80)) {
            let (mut timers, mut model) = (Timers::new(3), BTreeMap::<u32, Instant>::new());
            let mut now = Instant::ZERO;
            for (key, delay, op) in ops {
                if op < 2 {
                    let delay = Duration::from_nanos(if op == 0 { delay } else { delay >> 12 });
                    timers.arm(key, now + delay);
                    model.insert(key, now + delay);
                } else {
                    now += Duration::from_nanos(delay >> 3);
                    let mut due = Vec::new();
                    timers.expire(now, &mut due);
                    due.sort_unstable();
                    let expected: Vec<u32> = model.iter().filter(|(_, d)| **d <= now).map(|(k, _)| *k).collect();
                    model.retain(|_, d| *d > now);
                    prop_assert_eq!(due, expected);
                }
                match (timers.next(), model.values().min()) {
                    (Some(next), Some(first)) => prop_assert!(next <= *first, "{} after {}", next, first),
                    (None, Some(first)) => prop_assert!(false, "{} forgotten", first),
                    _ => {}
                }
            }
        }
    }
}
