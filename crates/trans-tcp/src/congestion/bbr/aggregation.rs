//! ACKs that come in lumps: how much more was acknowledged at once than the bandwidth explains. §5.5.9.
//!
//! Links that collect frames, and hosts that merge segments, fall silent and then acknowledge a lot. The window is wider
//! by the largest lump of the last ten round trips, so that the flow goes on in the silences.

use super::max_filter::MaxFilter;
use super::{Bbr, control};
use crate::congestion::{AckSample, Window};
use stack_core::Instant;

/// Round trips for which a lump is remembered: `ExtraAckedFilterLen`; one in Startup.
const FILTER_ROUNDS: u32 = 10;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Aggregation {
    interval_start: Instant,
    /// Bytes delivered since then.
    delivered: u64,
    filter: MaxFilter,
}

impl Aggregation {
    /// Begins to count anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.interval_start = now;
    }

    /// `extra_acked`, in bytes.
    pub(super) fn extra_acked(&self) -> u32 {
        self.filter.get()
    }
}

impl Bbr {
    /// `UpdateACKAggregation`
    pub(super) fn update_ack_aggregation(&mut self, window: &Window, ack: &AckSample) {
        let aggregation = &mut self.aggregation;
        let elapsed = ack.now.saturating_since(aggregation.interval_start);
        let mut expected = control::volume(self.model.bw, elapsed);
        if aggregation.delivered <= expected {
            (aggregation.delivered, aggregation.interval_start, expected) = (0, ack.now, 0);
        }
        aggregation.delivered += u64::from(ack.delivered);
        let extra = aggregation.delivered.saturating_sub(expected).min(u64::from(window.cwnd)) as u32;
        let rounds = if self.full.reached { FILTER_ROUNDS } else { 1 };
        aggregation.filter.update(self.model.round_count, extra, rounds);
    }
}
