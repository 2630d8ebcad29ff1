//! One interface as the spines see it: its network endpoints and what waits to be sent.

use crate::counters::NicCounters;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;
use stack_core::{Instant, NetworkEndpoint, NicId, TxBatch};

/// Packets that wait for the link before the transports are asked to pause.
pub(crate) const PAUSE_AT: usize = 256;
/// Packets that wait for the link at most; more are dropped.
pub(crate) const DROP_AT: usize = 1024;
/// A link that takes nothing for so long no longer holds up the others: its packets are dropped at [`DROP_AT`].
const STALLED_AFTER: Duration = Duration::from_millis(200);

pub(crate) struct Nic {
    pub(crate) id: NicId,
    /// One for each network protocol, with its EtherType.
    pub(crate) endpoints: Vec<(u16, Box<dyn NetworkEndpoint>)>,
    /// Finished packets that network endpoints made themselves.
    pub(crate) wire: TxBatch,
    /// What the link is to send.
    pub(crate) out: TxBatch,
    pub(crate) counters: NicCounters,
    /// Since when, and with how many packets sent, the queue has been at [`PAUSE_AT`].
    paused: Option<(Instant, u64, usize)>,
}

impl Nic {
    pub(crate) fn new(id: NicId, endpoints: Vec<(u16, Box<dyn NetworkEndpoint>)>) -> Self {
        let (wire, out) = (TxBatch::new(), TxBatch::new());
        Self { id, endpoints, wire, out, counters: NicCounters::default(), paused: None }
    }

    /// Whether transports should wait for the link: backpressure instead of loss.
    pub(crate) fn wants_pause(&mut self, now: Instant) -> bool {
        let waiting = self.out.len();
        if waiting < PAUSE_AT {
            self.paused = None;
            return false;
        }
        let queued = self.counters.transmitted.packets;
        match self.paused {
            Some((since, then, length)) if then == queued && length == waiting => {
                now.saturating_since(since) < STALLED_AFTER
            }
            _ => {
                self.paused = Some((now, queued, waiting));
                true
            }
        }
    }
}
