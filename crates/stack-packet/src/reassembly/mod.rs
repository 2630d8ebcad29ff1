//! Fragments become datagrams again, whatever the family: RFC 815, RFC 8200 §4.5, with the overlap rule of RFC 5722.
//!
//! What makes fragments belong together is the key, which each network protocol chooses; what a fragment must look like
//! has been checked by the protocol before it comes here, and the header of the whole is its to write.
//!
//! - A datagram is whole when its pieces add up to its length: they never overlap, so that there is no other way. The
//!   same piece once more changes nothing; a different piece at a place that is taken condemns the datagram, and the
//!   rest of its fragments with it until its time is over.
//! - Pieces are copied: a fragment that waits a minute must not pin the receive block it came in.
//! - Memory is bounded ([`ReassemblyLimits::high`]): the oldest datagrams make room. So is the number of pieces.
//! - The clock runs from the first fragment that came and is never wound up again (RFC 1122 §3.3.2, RFC 8200 §4.5).

mod datagram;
#[cfg(test)]
mod tests;

use crate::{Instant, RxPacket};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;
use datagram::Datagram;
pub use datagram::{DATAGRAM_COST, Fragment, MAX_FRAGMENTS, PIECE_COST, Whole};

/// How much a store may hold, and how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReassemblyLimits {
    /// How long fragments wait for the rest of their datagram, from the first on; 60 s, the lower end of RFC 1122 §3.3.2
    /// and what RFC 8200 §4.5 says.
    pub timeout: Duration,
    /// Bytes that all fragments may take, bookkeeping included; above it the oldest datagrams go. 4 MiB: 64 of the largest
    /// datagrams, and the limit that Linux and gVisor have.
    pub high: usize,
    /// How far down they go; 3 MiB, so that a flood evicts in batches and not with every packet.
    pub low: usize,
}

impl Default for ReassemblyLimits {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(60), high: 4 * 1024 * 1024, low: 3 * 1024 * 1024 }
    }
}

/// Why fragments end without having become a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FragmentLoss {
    /// Their lengths contradict each other.
    Invalid,
    /// They overlap.
    Overlap,
    /// The store is full, or they are too many.
    Memory,
    /// The rest did not come in time.
    Timeout,
}

/// Datagrams of which fragments are missing.
#[derive(Debug)]
pub struct Reassembly<K> {
    datagrams: BTreeMap<K, Datagram>,
    /// Oldest first; all have the same time to live, so the oldest is also the first to expire.
    by_age: BTreeMap<u64, K>,
    next_age: u64,
    cost: usize,
    lost: Vec<(FragmentLoss, u32)>,
}

impl<K> Default for Reassembly<K> {
    fn default() -> Self {
        Self { datagrams: BTreeMap::new(), by_age: BTreeMap::new(), next_age: 0, cost: 0, lost: Vec::new() }
    }
}

impl<K: Ord + Copy> Reassembly<K> {
    /// Takes a fragment. Hands out the datagram if it was the last that was missing.
    ///
    /// # Errors
    /// Why the fragment was not taken. What became of others is told by [`pop_lost`](Self::pop_lost).
    pub fn insert(
        &mut self,
        now: Instant,
        limits: &ReassemblyLimits,
        key: K,
        fragment: &Fragment<'_>,
    ) -> Result<Option<Whole>, FragmentLoss> {
        self.make_room(limits, fragment.cost() + DATAGRAM_COST)?;
        let datagram = self.find(key, now + limits.timeout);
        let (cost, had) = (datagram.cost(), datagram.pieces());
        let added = datagram.add(fragment);
        let whole = datagram.is_whole();
        let (new_cost, has) = (datagram.cost(), datagram.pieces());
        self.cost = self.cost + new_cost - cost;
        if let Err(loss) = added {
            self.lose(loss, had.saturating_sub(has));
        }
        if !added? || !whole {
            return Ok(None);
        }
        Ok(self.remove(key).and_then(Datagram::into_whole))
    }

    /// When the oldest datagram has waited long enough.
    pub fn next_deadline(&self) -> Option<Instant> {
        let (_, key) = self.by_age.first_key_value()?;
        self.datagrams.get(key).map(Datagram::deadline)
    }

    /// Gives up the oldest datagram if its time is over: `Some` of its first fragment, if that came.
    pub fn pop_expired(&mut self, now: Instant) -> Option<Option<RxPacket>> {
        if self.next_deadline()? > now {
            return None;
        }
        let datagram = self.remove_oldest()?;
        self.lose(FragmentLoss::Timeout, datagram.pieces());
        Some(datagram.into_first())
    }

    /// What its protocol has made of a whole; `None` where its pieces turned out not to belong together.
    ///
    /// # Errors
    /// There is none; the fragments count as lost.
    pub fn finish(&mut self, whole: &Whole, made: Option<Bytes>) -> Result<Bytes, FragmentLoss> {
        made.ok_or_else(|| {
            self.lose(FragmentLoss::Invalid, whole.fragments().saturating_sub(1));
            FragmentLoss::Invalid
        })
    }

    /// Fragments that were kept, and in vain: why, and how many.
    pub fn pop_lost(&mut self) -> Option<(FragmentLoss, u32)> {
        self.lost.pop()
    }

    fn lose(&mut self, loss: FragmentLoss, fragments: usize) {
        if fragments > 0 {
            self.lost.push((loss, u32::try_from(fragments).unwrap_or(u32::MAX)));
        }
    }

    fn find(&mut self, key: K, deadline: Instant) -> &mut Datagram {
        let Self { datagrams, by_age, next_age, cost, .. } = self;
        datagrams.entry(key).or_insert_with(|| {
            *next_age += 1;
            by_age.insert(*next_age, key);
            *cost += DATAGRAM_COST;
            Datagram::new(*next_age, deadline)
        })
    }

    fn make_room(&mut self, limits: &ReassemblyLimits, cost: usize) -> Result<(), FragmentLoss> {
        if cost > limits.high {
            return Err(FragmentLoss::Memory);
        }
        if self.cost + cost <= limits.high {
            return Ok(());
        }
        while self.cost + cost > limits.low {
            let Some(oldest) = self.remove_oldest() else { break };
            self.lose(FragmentLoss::Memory, oldest.pieces());
        }
        Ok(())
    }

    fn remove_oldest(&mut self) -> Option<Datagram> {
        let (_, key) = self.by_age.first_key_value()?;
        self.remove(*key)
    }

    fn remove(&mut self, key: K) -> Option<Datagram> {
        let datagram = self.datagrams.remove(&key)?;
        self.by_age.remove(&datagram.age());
        self.cost -= datagram.cost();
        Some(datagram)
    }
}
