//! What a line has done so far.

use core::sync::atomic::{AtomicUsize, Ordering};
use stack_core::{DropReason, LinkDrops};

/// Live counts of one direction; shared between the line and whoever watches it.
#[derive(Debug, Default)]
pub struct ImpairCounters {
    pub(crate) arrived: AtomicUsize,
    pub(crate) lost: AtomicUsize,
    pub(crate) overflowed: AtomicUsize,
    pub(crate) marked: AtomicUsize,
    pub(crate) policed: AtomicUsize,
    pub(crate) reordered: AtomicUsize,
    pub(crate) duplicated: AtomicUsize,
    pub(crate) corrupted: AtomicUsize,
}

/// The counts at one moment, in packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ImpairStatistics {
    /// Came out at the far end, duplicates included.
    pub arrived: usize,
    /// Lost by chance, in bursts or not.
    pub lost: usize,
    /// Dropped because the queue was full.
    pub overflowed: usize,
    /// Marked instead, because the queue was long (`CE` of RFC 3168).
    pub marked: usize,
    /// Dropped because they exceeded the policer's rate.
    pub policed: usize,
    /// Made late, so that later ones may overtake them.
    pub reordered: usize,
    /// Doubled.
    pub duplicated: usize,
    /// Damaged.
    pub corrupted: usize,
}

impl ImpairCounters {
    /// The counts now.
    pub fn statistics(&self) -> ImpairStatistics {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        ImpairStatistics {
            arrived: read(&self.arrived),
            lost: read(&self.lost),
            overflowed: read(&self.overflowed),
            marked: read(&self.marked),
            policed: read(&self.policed),
            reordered: read(&self.reordered),
            duplicated: read(&self.duplicated),
            corrupted: read(&self.corrupted),
        }
    }
}

impl LinkDrops for ImpairCounters {
    fn of(&self, reason: DropReason) -> u64 {
        let statistics = self.statistics();
        let count = match reason {
            DropReason::Impaired => statistics.lost,
            DropReason::LinkQueueFull => statistics.overflowed,
            _ => 0,
        };
        count as u64
    }
}

pub(crate) fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}
