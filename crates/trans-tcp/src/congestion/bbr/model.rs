//! The model of the path: what it delivered lately, the bandwidth that follows, and the bounds that losses have set.
//! §5.5.1 to §5.5.6, §5.5.10.3.
//!
//! Two time scales. The long-term bounds (`max_bw`, `inflight_longterm`) are what the path can do; only probes change
//! them. The short-term bounds hold from a loss until the next probe.

use super::control::PACING_PERCENT;
use super::{Sample, UNBOUNDED};

/// What is left of a short-term bound after a round with losses, in tenths: `Beta`.
pub(super) const BETA_TENTHS: u32 = 7;

#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// `C.delivered`
    pub(super) delivered: u64,
    pub(super) round_count: u32,
    pub(super) round_start: bool,
    next_round_delivered: u64,
    /// The largest delivery rates of this ProbeBW cycle and of the one before: `max_bw_filter`.
    max_bw_filter: [u64; 2],
    /// What the model allows now, in bytes a second.
    pub(super) bw: u64,
    pub(super) bw_shortterm: u64,
    pub(super) inflight_shortterm: u32,
    pub(super) inflight_longterm: u32,
    bw_latest: u64,
    pub(super) inflight_latest: u32,
    loss_round_delivered: u64,
    pub(super) loss_round_start: bool,
    pub(super) is_loss_in_round: bool,
    /// `C.delivered` when the flow held itself back last, and when the first of what it sent after that arrived; `u64::MAX`
    /// until then.
    held_back_until: u64,
    at_full_rate_since: u64,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            delivered: 0,
            round_count: 0,
            round_start: false,
            next_round_delivered: 0,
            max_bw_filter: [0; 2],
            bw: 0,
            bw_shortterm: u64::MAX,
            inflight_shortterm: UNBOUNDED,
            inflight_longterm: UNBOUNDED,
            bw_latest: 0,
            inflight_latest: 0,
            loss_round_delivered: 0,
            loss_round_start: false,
            is_loss_in_round: false,
            held_back_until: 0,
            at_full_rate_since: 0,
        }
    }
}

impl Model {
    pub(super) fn max_bw(&self) -> u64 {
        self.max_bw_filter[0].max(self.max_bw_filter[1])
    }

    /// A cycle is over: its maximum is the one before.
    pub(super) fn advance_max_bw_filter(&mut self) {
        self.max_bw_filter = [0, self.max_bw_filter[0]];
    }

    /// A round begins with what is sent from now on.
    pub(super) fn start_round(&mut self) {
        self.next_round_delivered = self.delivered;
    }

    /// `UpdateMaxBw` and `UpdateRound`. A rate that the application limited says nothing, unless it is higher.
    pub(super) fn update_max_bw(&mut self, rs: &Sample) {
        self.round_start = rs.prior_delivered >= self.next_round_delivered;
        if self.round_start {
            self.start_round();
            self.round_count = self.round_count.wrapping_add(1);
        }
        if rs.delivery_rate >= self.max_bw() || !rs.is_app_limited {
            self.max_bw_filter[0] = self.max_bw_filter[0].max(rs.delivery_rate);
        }
    }

    /// At the start of the processing of an ACK.
    pub(super) fn update_latest_delivery_signals(&mut self, rs: &Sample) {
        self.bw_latest = self.bw_latest.max(rs.delivery_rate);
        self.inflight_latest = self.inflight_latest.max(rs.delivered);
        self.loss_round_start = rs.prior_delivered >= self.loss_round_delivered;
        if self.loss_round_start {
            self.loss_round_delivered = self.delivered;
        }
        if self.at_full_rate_since == u64::MAX && rs.prior_delivered >= self.held_back_until {
            self.at_full_rate_since = self.delivered;
        }
    }

    /// The flow held itself back until now: what it measures of that time says nothing about the path.
    pub(super) fn end_holding_back(&mut self) {
        (self.held_back_until, self.at_full_rate_since) = (self.delivered, u64::MAX);
    }

    /// Whether the sample is of a round trip in which the flow sent as fast as it may, and so was the one before: rates of
    /// sending go back that far.
    pub(super) fn is_at_full_rate(&self, rs: &Sample) -> bool {
        rs.prior_delivered >= self.at_full_rate_since
    }

    /// At its end.
    pub(super) fn advance_latest_delivery_signals(&mut self, rs: &Sample) {
        if self.loss_round_start {
            self.bw_latest = rs.delivery_rate;
            self.inflight_latest = rs.delivered;
        }
    }

    pub(super) fn reset_congestion_signals(&mut self) {
        self.is_loss_in_round = false;
        self.bw_latest = 0;
        self.inflight_latest = 0;
    }

    /// A loss: the round that is judged by it begins with the first one. Returns whether this is the first.
    pub(super) fn note_loss(&mut self) -> bool {
        if !self.is_loss_in_round {
            self.loss_round_delivered = self.delivered;
        }
        !core::mem::replace(&mut self.is_loss_in_round, true)
    }

    /// A round with losses is over, and they were not of a probe: down to what was delivered, but no faster than CUBIC.
    pub(super) fn adapt_lower_bounds(&mut self, cwnd: u32) {
        if self.bw_shortterm == u64::MAX {
            self.bw_shortterm = self.max_bw();
        }
        if self.inflight_shortterm == UNBOUNDED {
            self.inflight_shortterm = cwnd;
        }
        let bw = without_margin(self.bw_latest).min(self.bw_shortterm);
        self.bw_shortterm = bw.max(tenths(self.bw_shortterm, BETA_TENTHS));
        let inflight =
            without_margin(u64::from(self.inflight_latest)).min(u64::from(self.inflight_shortterm));
        self.inflight_shortterm =
            inflight.max(tenths(u64::from(self.inflight_shortterm), BETA_TENTHS)) as u32;
    }

    pub(super) fn reset_short_term(&mut self) {
        (self.bw_shortterm, self.inflight_shortterm) = (u64::MAX, UNBOUNDED);
    }

    pub(super) fn bound_bw(&mut self) {
        self.bw = self.max_bw().min(self.bw_shortterm);
    }
}

/// What would have been delivered if the flow had sent as fast as the bandwidth, and not a percent more slowly.
fn without_margin(delivered: u64) -> u64 {
    (u128::from(delivered) * 100 / u128::from(PACING_PERCENT)) as u64
}

fn tenths(whole: u64, part: u32) -> u64 {
    (u128::from(whole) * u128::from(part) / 10) as u64
}
