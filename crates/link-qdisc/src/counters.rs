//! What a discipline has done so far.

use core::sync::atomic::{AtomicU64, Ordering};
use stack_core::{DropReason, LinkDrops};

/// Live counts of a discipline; shared with whoever watches it.
#[derive(Debug, Default)]
pub struct QdiscCounters {
    pub(crate) sent: AtomicU64,
    pub(crate) overflowed: AtomicU64,
    pub(crate) managed: AtomicU64,
    pub(crate) marked: AtomicU64,
    pub(crate) oversized: AtomicU64,
}

/// The counts at one moment, in packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct QdiscStatistics {
    /// Handed to the link.
    pub sent: u64,
    /// Dropped because a limit was reached.
    pub overflowed: u64,
    /// Dropped because they had waited too long (RFC 8289).
    pub managed: u64,
    /// Marked instead (`CE` of RFC 3168).
    pub marked: u64,
    /// Dropped because they are larger than a token bucket.
    pub oversized: u64,
}

impl QdiscCounters {
    /// The counts now.
    pub fn statistics(&self) -> QdiscStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        QdiscStatistics {
            sent: read(&self.sent),
            overflowed: read(&self.overflowed),
            managed: read(&self.managed),
            marked: read(&self.marked),
            oversized: read(&self.oversized),
        }
    }
}

impl LinkDrops for QdiscCounters {
    fn of(&self, reason: DropReason) -> u64 {
        let statistics = self.statistics();
        match reason {
            DropReason::LinkQueueFull => statistics.overflowed,
            DropReason::QueueManaged => statistics.managed,
            DropReason::LinkRefused => statistics.oversized,
            _ => 0,
        }
    }
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
