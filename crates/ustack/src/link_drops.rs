//! What ends inside links, as a part of the statistics: links count for themselves, and the host's counters catch up
//! whenever somebody looks at them, so that no packet pays for it.
//!
//! Invariant: each drop is added once, also when counters are set back or the link goes meanwhile.

use stack_core::{DropReason, LinkDrops, NicId};
use stack_host::{Drops, Host};
use std::sync::Arc;

/// The links of all interfaces.
#[derive(Default)]
pub(crate) struct Ledger {
    links: Vec<Link>,
}

struct Link {
    nic: NicId,
    sources: Vec<Arc<dyn LinkDrops>>,
    /// What the host's counters have of it.
    entered: Drops,
}

impl Ledger {
    /// A new interface with what counts for it.
    pub(crate) fn open(&mut self, nic: NicId, sources: Vec<Arc<dyn LinkDrops>>) {
        self.links.push(Link { nic, sources, entered: Drops::default() });
    }

    /// Brings the counters of the host up to date.
    pub(crate) fn enter(&mut self, host: &mut Host) {
        self.links.iter_mut().for_each(|link| link.enter(host));
    }

    /// Brings the counters up to date and forgets an interface that goes.
    pub(crate) fn close(&mut self, host: &mut Host, nic: NicId) {
        self.enter(host);
        self.links.retain(|link| link.nic != nic);
    }
}

impl Link {
    fn enter(&mut self, host: &mut Host) {
        for reason in DropReason::ALL {
            let total: u64 = self.sources.iter().map(|source| source.of(*reason)).sum();
            let new = total.saturating_sub(self.entered.of(*reason));
            if new > 0 {
                self.entered.add(*reason, new);
                host.count_drops(self.nic, *reason, new);
            }
        }
    }
}
