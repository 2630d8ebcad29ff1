//! What ended here.

use core::sync::atomic::{AtomicUsize, Ordering};
use stack_core::{DropReason, LinkDrops};

/// Frames and packets that went no further, by reason.
#[derive(Debug, Default)]
pub struct EthernetCounters {
    pub(crate) not_for_this_station: AtomicUsize,
    pub(crate) other_vlan: AtomicUsize,
    pub(crate) truncated: AtomicUsize,
    pub(crate) no_headroom: AtomicUsize,
}

impl EthernetCounters {
    /// Inbound frames that were addressed to another station.
    pub fn not_for_this_station(&self) -> usize {
        self.not_for_this_station.load(Ordering::Relaxed)
    }

    /// Inbound frames of other VLANs, or of none where the station is in one.
    pub fn other_vlan(&self) -> usize {
        self.other_vlan.load(Ordering::Relaxed)
    }

    /// Inbound frames shorter than a header.
    pub fn truncated(&self) -> usize {
        self.truncated.load(Ordering::Relaxed)
    }

    /// Outbound packets whose headers left no room for ours.
    pub fn no_headroom(&self) -> usize {
        self.no_headroom.load(Ordering::Relaxed)
    }
}

impl LinkDrops for EthernetCounters {
    fn of(&self, reason: DropReason) -> u64 {
        let count = match reason {
            DropReason::NotForThisStation => self.not_for_this_station(),
            DropReason::OtherVlan => self.other_vlan(),
            DropReason::Truncated => self.truncated(),
            DropReason::LinkRefused => self.no_headroom(),
            _ => 0,
        };
        count as u64
    }
}

pub(crate) fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}
