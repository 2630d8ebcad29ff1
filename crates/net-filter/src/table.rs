//! The connections, found by the tuples of both directions.
//!
//! Invariants: never more than the cap; an entry stands under its original tuple, and under its reply tuple unless
//! another one has it; no call looks at more than a few entries: what has expired is found when it is asked for, by a
//! cursor that moves on with each new connection, or when room is needed.

use crate::connection::{Connection, Entry};
use crate::tuple::Tuple;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stack_core::Instant;

/// Entries that the cursor passes with each new connection: more than one, so that it overtakes their growth.
const STRIDE: usize = 4;
/// Entries that are looked at for one to give way when the table is full.
const REACH: usize = 32;
/// Bits of a generation: what fits into a mark beside the index.
const GENERATIONS: u32 = 0x00ff_ffff;

/// Which way a packet of a connection goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Direction {
    /// As the first packet.
    Original,
    /// Back.
    Reply,
}

impl Direction {
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Original => Self::Reply,
            Self::Reply => Self::Original,
        }
    }
}

/// A connection and a direction, to be found again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Way {
    pub(crate) index: u32,
    pub(crate) generation: u32,
    pub(crate) direction: Direction,
}

/// Why a connection could not be added or moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Full;

#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
    keys: HashMap<Tuple, (u32, Direction), FixedState>,
    cursor: usize,
    capacity: usize,
    pub(crate) expired: u64,
    pub(crate) evicted: u64,
}

impl Table {
    /// `seed` is secret: peers choose what is hashed.
    pub(crate) fn new(capacity: usize, seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            keys: HashMap::with_hasher(FixedState::with_seed(seed)),
            cursor: 0,
            capacity: capacity.clamp(1, u32::MAX as usize),
            expired: 0,
            evicted: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The connection that a packet with this tuple belongs to.
    pub(crate) fn find(&mut self, now: Instant, tuple: &Tuple) -> Option<Way> {
        let (index, direction) = *self.keys.get(tuple)?;
        if self.expire(now, index as usize) {
            return None;
        }
        let generation = self.slots.get(index as usize)?.generation;
        Some(Way { index, generation, direction })
    }

    pub(crate) fn get(&self, way: Way) -> Option<&Entry> {
        let slot = self.slots.get(way.index as usize)?;
        slot.entry.as_ref().filter(|_| slot.generation == way.generation)
    }

    pub(crate) fn get_mut(&mut self, way: Way) -> Option<&mut Entry> {
        let slot = self.slots.get_mut(way.index as usize)?;
        slot.entry.as_mut().filter(|_| slot.generation == way.generation)
    }

    /// Adds a connection whose original tuple is in nobody's use.
    pub(crate) fn insert(&mut self, now: Instant, entry: Entry) -> Result<Way, Full> {
        self.sweep(now);
        if self.len() >= self.capacity && !self.make_room(now) {
            return Err(Full);
        }
        let [original, reply] = entry.tuples;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.entry = Some(entry);
        let generation = slot.generation;
        self.keys.insert(original, (index, Direction::Original));
        self.keys.entry(reply).or_insert((index, Direction::Reply));
        Ok(Way { index, generation, direction: Direction::Original })
    }

    pub(crate) fn remove(&mut self, way: Way) {
        if self.get(way).is_some() {
            self.take_out(way.index);
        }
    }

    /// Whether answers with this tuple would be another connection's than this one.
    pub(crate) fn is_taken(&mut self, now: Instant, reply: &Tuple, way: Way) -> bool {
        self.find(now, reply).is_some_and(|other| other.index != way.index)
    }

    /// Makes answers come back with this tuple, unless another connection has it.
    pub(crate) fn set_reply(&mut self, way: Way, reply: Tuple) {
        let Some(entry) = self.get_mut(way) else { return };
        let old = core::mem::replace(&mut entry.tuples[1], reply);
        self.unkey(way.index, old, Direction::Reply);
        self.keys.entry(reply).or_insert((way.index, Direction::Reply));
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = Connection> {
        self.slots.iter().filter_map(|slot| slot.entry.as_ref()).map(Entry::show)
    }

    pub(crate) fn clear(&mut self) {
        for index in 0..self.slots.len() {
            self.take_out(index as u32);
        }
    }

    fn take_out(&mut self, index: u32) {
        let Some(slot) = self.slots.get_mut(index as usize) else { return };
        let Some(entry) = slot.entry.take() else { return };
        slot.generation = slot.generation.wrapping_add(1) & GENERATIONS;
        self.free.push(index);
        let [original, reply] = entry.tuples;
        self.unkey(index, original, Direction::Original);
        self.unkey(index, reply, Direction::Reply);
    }

    fn unkey(&mut self, index: u32, tuple: Tuple, direction: Direction) {
        if self.keys.get(&tuple) == Some(&(index, direction)) {
            self.keys.remove(&tuple);
        }
    }

    /// Removes the entry if its time is over.
    fn expire(&mut self, now: Instant, index: usize) -> bool {
        let over = |entry: &Entry| entry.expires <= now;
        let expired = self.slots.get(index).and_then(|slot| slot.entry.as_ref()).is_some_and(over);
        if expired {
            self.take_out(index as u32);
            self.expired += 1;
        }
        expired
    }

    fn next(&mut self) -> usize {
        self.cursor = if self.cursor + 1 < self.slots.len() { self.cursor + 1 } else { 0 };
        self.cursor
    }

    fn sweep(&mut self, now: Instant) {
        for _ in 0..STRIDE.min(self.slots.len()) {
            let index = self.next();
            self.expire(now, index);
        }
    }

    /// Early drop: the first of the next few that has expired or is not assured gives way.
    fn make_room(&mut self, now: Instant) -> bool {
        for _ in 0..REACH.min(self.slots.len()) {
            let index = self.next();
            if self.expire(now, index) {
                return true;
            }
            let entry = self.slots.get(index).and_then(|slot| slot.entry.as_ref());
            if entry.is_some_and(|entry| !entry.is_assured()) {
                self.take_out(index as u32);
                self.evicted += 1;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Timeouts;
    use crate::layout::Part;
    use core::time::Duration;

    fn tuple(port: u16) -> Tuple {
        let (src, dst) = ("10.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        Tuple { src, dst, src_port: port, dst_port: 53, protocol: 17 }
    }

    fn add(table: &mut Table, now: Instant, port: u16) -> Result<Way, Full> {
        let mut entry = Entry::first(tuple(port), Part::Datagram, true).unwrap();
        entry.pass(now, Direction::Original, Part::Datagram, 28, &Timeouts::default());
        table.insert(now, entry)
    }

    fn answer(table: &mut Table, now: Instant, way: Way) {
        table.get_mut(way).unwrap().pass(now, Direction::Reply, Part::Datagram, 28, &Timeouts::default());
    }

    #[test]
    fn both_directions_find_the_connection_and_an_old_mark_does_not() {
        let (mut table, now) = (Table::new(8, 1), Instant::ZERO);
        let way = add(&mut table, now, 1000).unwrap();
        assert_eq!(table.find(now, &tuple(1000)), Some(way));
        let back = Way { direction: Direction::Reply, ..way };
        assert_eq!(table.find(now, &tuple(1000).inverse()), Some(back));
        table.remove(way);
        let again = add(&mut table, now, 1000).unwrap();
        assert_eq!(again.index, way.index);
        assert!(table.get(way).is_none() && table.get(again).is_some());
    }

    // R4787-REQ-5
    #[test]
    fn a_connection_whose_time_is_over_is_not_found() {
        let mut table = Table::new(8, 1);
        let way = add(&mut table, Instant::ZERO, 1000).unwrap();
        let end = Instant::ZERO + Timeouts::default().udp_unreplied;
        assert_eq!(table.find(end - Duration::from_nanos(1), &tuple(1000)), Some(way));
        assert_eq!(table.find(end, &tuple(1000)), None);
        assert_eq!((table.len(), table.expired, table.keys.len()), (0, 1, 0));
    }

    #[test]
    fn the_cursor_overtakes_new_connections() {
        let mut table = Table::new(10_000, 1);
        for port in 0..1000 {
            add(&mut table, Instant::ZERO, port).unwrap();
        }
        let later = Instant::from_secs(1000);
        for port in 1000..1400 {
            add(&mut table, later, port).unwrap();
        }
        assert_eq!((table.len(), table.expired), (400, 1000));
    }

    #[test]
    fn at_the_cap_the_unanswered_give_way_and_the_assured_stay() {
        let (mut table, now) = (Table::new(16, 1), Instant::ZERO);
        let kept: Vec<Way> = (0..15).map(|port| add(&mut table, now, port).unwrap()).collect();
        kept.iter().for_each(|way| answer(&mut table, now, *way));
        for port in 100..1000 {
            let way = add(&mut table, now, port).unwrap();
            assert!(table.get(way).is_some());
        }
        assert_eq!((table.len(), table.evicted), (16, 899));
        assert!(kept.iter().all(|way| table.get(*way).is_some()));
        let last = table.find(now, &tuple(999)).unwrap();
        answer(&mut table, now, last);
        assert_eq!(add(&mut table, now, 5000), Err(Full));
    }

    #[test]
    fn a_reply_tuple_that_another_has_stays_the_others() {
        let (mut table, now) = (Table::new(8, 1), Instant::ZERO);
        let (first, second) = (add(&mut table, now, 1).unwrap(), add(&mut table, now, 2).unwrap());
        assert!(table.is_taken(now, &tuple(1).inverse(), second));
        table.set_reply(second, tuple(1).inverse());
        table.remove(second);
        assert_eq!(table.find(now, &tuple(1).inverse()).map(|way| way.index), Some(first.index));
        table.remove(first);
        assert!(table.keys.is_empty());
    }
}
