//! What losses do to the model, and how it is undone. §5.5.10, §5.5.11, §5.6.4.4.
//!
//! While probing, a loss rate above two percent means that too much was in flight: the long-term bound is where the rate
//! crossed the threshold, and the probe ends. Else each round with losses lowers the short-term bounds.
//!
//! Where this differs from the draft, so that losses that are no sign of congestion cost less:
//!
//! - Only losses of what was sent in Up are judged, not of what Refill sent. With the first segments of Refill no more is in
//!   flight than while cruising; their loss rate says nothing about the probe, and a bound taken from them falls from probe
//!   to probe. It delays an answer by a round trip at most.
//! - Startup is left because of losses only in a round in which the rate did not grow (`startup.rs`).
//! - The short-term bounds go down to what was delivered as if the flow had not sent a percent below them: a round with X %
//!   of losses lowers them by X %, as §5.3.3.8.3 says, and not by one more.
//! - What is measured of Drain and ProbeRTT, when the flow sent half of what it could, lowers no bound.

use super::model::BETA_TENTHS;
use super::{Bbr, Cycle, Sample, State};
use crate::congestion::{LossSample, Window};
use stack_core::Instant;

/// Percent of what was in flight that may be lost: `LossThresh`.
const LOSS_THRESH: u64 = 2;

/// What the losses of a recovery may have changed: §2.15.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Undo {
    /// When it was saved: one ACK may show many losses.
    saved_at: Option<Instant>,
    /// The state that was left because of it, if it was.
    pub(super) state: Option<State>,
    bw_shortterm: u64,
    inflight_shortterm: u32,
    inflight_longterm: u32,
}

impl Sample {
    /// `IsInflightTooHigh`
    pub(super) fn is_inflight_too_high(&self) -> bool {
        let is_above = u64::from(self.lost) * 100 > u64::from(self.tx_in_flight) * LOSS_THRESH;
        is_above || (self.lost > 0 && !self.has_sack)
    }

    /// Bytes in flight, of those in front of a lost packet and a part of it, at which the loss rate crossed the threshold:
    /// `InflightAtLoss`. The packet may be a burst of many segments.
    fn inflight_at_loss(&self, size: u32) -> u32 {
        let inflight_prev = i64::from(self.tx_in_flight.saturating_sub(size));
        let lost_prev = i64::from(self.lost.saturating_sub(size));
        let thresh = LOSS_THRESH as i64;
        let lost_prefix = (thresh * inflight_prev - 100 * lost_prev) / (100 - thresh);
        (inflight_prev + lost_prefix).clamp(0, i64::from(u32::MAX)) as u32
    }
}

impl Bbr {
    /// `UpdateCongestionSignals`, but for the bandwidth.
    pub(super) fn update_congestion_signals(&mut self, window: &Window, rs: &Sample) {
        if !self.model.loss_round_start {
            return;
        }
        let counts = !self.state.is_probing_bw() && self.model.is_at_full_rate(rs);
        if self.model.is_loss_in_round && counts {
            self.model.adapt_lower_bounds(window.cwnd);
        }
        self.model.is_loss_in_round = false;
    }

    /// `HandleLostPacket`
    pub(super) fn handle_lost_packet(&mut self, window: &Window, lost: &LossSample) {
        self.note_loss(window);
        self.full.note_loss(lost);
        let was_full = lost.sent.delivered >= self.probe_bw.up_delivered;
        if !self.probe_bw.is_probe_sample || !was_full {
            return;
        }
        let mut rs = Sample {
            delivery_rate: 0,
            delivered: 0,
            prior_delivered: lost.sent.delivered,
            tx_in_flight: lost.sent.tx_in_flight,
            lost: lost.total_lost.wrapping_sub(lost.sent.lost),
            is_app_limited: lost.sent.is_app_limited,
            has_sack: lost.has_sack,
        };
        if rs.is_inflight_too_high() {
            rs.tx_in_flight = rs.inflight_at_loss(lost.bytes);
            self.handle_inflight_too_high(window, rs.tx_in_flight, rs.is_app_limited);
        }
    }

    /// Routers marked packets: a queue grows, as when too much is lost.
    pub(super) fn handle_mark(&mut self, window: &Window, flight: u32) {
        self.note_loss(window);
        if self.state == State::Startup {
            self.leave_startup_upon_loss();
        } else if self.probe_bw.is_probe_sample {
            self.handle_inflight_too_high(window, flight, false);
        }
    }

    fn note_loss(&mut self, window: &Window) {
        if self.model.note_loss() {
            self.save_state_upon_loss(window);
        }
    }

    fn handle_inflight_too_high(&mut self, window: &Window, tx_in_flight: u32, is_app_limited: bool) {
        self.probe_bw.prev_too_high = true;
        self.probe_bw.is_probe_sample = false; // one answer to a probe
        if !is_app_limited {
            let target = u64::from(self.target_inflight(window)) * u64::from(BETA_TENTHS) / 10;
            self.model.inflight_longterm = tx_in_flight.max(target as u32);
        }
        if self.state == State::ProbeBw(Cycle::Up) {
            self.undo.state = Some(self.state);
            self.start_probe_bw_down();
        }
    }

    /// `SaveStateUponLoss`. What counts is the state when the recovery begins: neither its later rounds nor the losses
    /// that the same ACK shows replace it.
    pub(super) fn save_state_upon_loss(&mut self, window: &Window) {
        self.save_cwnd(window);
        if self.in_loss_recovery || self.undo.saved_at == Some(self.now) {
            return;
        }
        self.undo = Undo {
            saved_at: Some(self.now),
            state: None,
            bw_shortterm: self.model.bw_shortterm,
            inflight_shortterm: self.model.inflight_shortterm,
            inflight_longterm: self.model.inflight_longterm,
        };
    }

    /// `HandleSpuriousLossDetection`
    pub(super) fn handle_spurious_loss_detection(&mut self, window: &mut Window) {
        self.restore_cwnd(window);
        self.model.is_loss_in_round = false;
        self.full.reset(0);
        let (model, undo) = (&mut self.model, core::mem::take(&mut self.undo));
        model.bw_shortterm = model.bw_shortterm.max(undo.bw_shortterm);
        model.inflight_shortterm = model.inflight_shortterm.max(undo.inflight_shortterm);
        model.inflight_longterm = model.inflight_longterm.max(undo.inflight_longterm);
        match undo.state {
            Some(state) if state == self.state => {}
            Some(State::Startup) => {
                self.full.reached = false;
                if self.state != State::ProbeRtt {
                    self.enter_startup();
                }
            }
            Some(_) if self.state != State::ProbeRtt => self.start_probe_bw_refill(),
            _ => {}
        }
    }

    /// The last window that neither a recovery nor ProbeRTT had changed: `SaveCwnd`.
    pub(super) fn save_cwnd(&mut self, window: &Window) {
        let is_changed = self.in_loss_recovery || self.state == State::ProbeRtt;
        self.prior_cwnd = if is_changed { self.prior_cwnd.max(window.cwnd) } else { window.cwnd };
    }

    /// `RestoreCwnd`
    pub(super) fn restore_cwnd(&self, window: &mut Window) {
        window.cwnd = window.cwnd.max(self.prior_cwnd);
    }
}
