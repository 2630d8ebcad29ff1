//! ProbeBW, where a flow spends its life: slower for a while (down), as fast as the model says (cruise), filling the
//! pipe (refill), and faster (up). §5.3.3.
//!
//! Up raises `inflight_longterm` slowly at first, then faster; a loss rate above the threshold ends it (`loss.rs`). After
//! such an end the next probe is a precaution: it stops where the last one failed, and only if that went well does
//! another follow that stays there for a whole round.

use super::{Bbr, Cycle, Sample, State, UNBOUNDED};
use crate::congestion::{AckSample, Window};
use core::time::Duration;
use stack_core::Instant;

/// Part of the long-term bound that is left to others while cruising, in percent: `Headroom`.
const HEADROOM: u64 = 15;
/// Shortest time from one probe to the next, and how much more chance adds at most.
const MIN_WAIT: Duration = Duration::from_secs(2);
const WAIT_SPREAD_NANOS: u64 = 1_000_000_000;
/// Round trips after which Reno would have grown by as much as matters to people.
const MAX_RENO_ROUNDS: u32 = 63;
/// The slope of the long-term bound doubles no more often.
const MAX_UP_ROUNDS: u8 = 30;

/// What ACKs tell with respect to the probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum AckPhase {
    /// Nothing.
    #[default]
    Init,
    /// The pipe is being filled.
    Refilling,
    /// In flight rises, and nothing has come back.
    ProbeStarting,
    /// What the probe did.
    ProbeFeedback,
    /// The same, though it has ended.
    ProbeStopping,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ProbeBw {
    ack_phase: AckPhase,
    /// ACKs are of what was sent while probing, and no loss rate of it was answered: `is_bw_probe_sample`.
    pub(super) is_probe_sample: bool,
    /// `C.delivered` when the last Up began: what was sent since then has at least as much.
    pub(super) up_delivered: u64,
    /// Bytes acknowledged since the bound was raised last, and those for which it is raised by a segment.
    up_acked: u32,
    up_acked_per_inc: u32,
    up_rounds: u8,
    pub(super) rounds_since_up: u32,
    pub(super) wait: Duration,
    /// When this cycle began.
    stamp: Instant,
    pub(super) prev_too_high: bool,
    prev_precautionary: bool,
    pub(super) drain_start_round: u32,
}

impl Bbr {
    pub(super) fn start_probe_bw_down(&mut self) {
        self.model.reset_congestion_signals();
        self.probe_bw.up_acked_per_inc = UNBOUNDED;
        self.pick_probe_wait();
        self.probe_bw.stamp = self.now;
        self.stop_probing();
        self.state = State::ProbeBw(Cycle::Down);
    }

    /// What was sent so far may still tell of a probe, what is sent now does not.
    pub(super) fn stop_probing(&mut self) {
        self.probe_bw.ack_phase = AckPhase::ProbeStopping;
        self.model.start_round();
    }

    pub(super) fn start_probe_bw_cruise(&mut self) {
        self.state = State::ProbeBw(Cycle::Cruise);
    }

    pub(super) fn start_probe_bw_refill(&mut self) {
        self.model.reset_short_term();
        self.probe_bw.up_rounds = 0;
        self.probe_bw.up_acked = 0;
        self.probe_bw.prev_precautionary = false;
        self.probe_bw.ack_phase = AckPhase::Refilling;
        self.model.start_round();
        self.state = State::ProbeBw(Cycle::Refill);
    }

    fn start_probe_bw_up(&mut self, window: &Window, rs: &Sample) {
        self.probe_bw.is_probe_sample = true;
        self.probe_bw.up_delivered = self.model.delivered;
        self.probe_bw.ack_phase = AckPhase::ProbeStarting;
        self.model.start_round();
        self.full.reset(rs.delivery_rate);
        self.state = State::ProbeBw(Cycle::Up);
        self.raise_inflight_longterm_slope(window);
    }

    /// `UpdateProbeBWCyclePhase`
    pub(super) fn update_probe_bw_cycle_phase(&mut self, window: &Window, ack: &AckSample, rs: &Sample) {
        if !self.full.reached || self.adapt_long_term_model(window, ack, rs) {
            return;
        }
        let State::ProbeBw(cycle) = self.state else { return };
        match cycle {
            Cycle::Down | Cycle::Cruise if self.is_time_to_probe(window) => self.start_probe_bw_refill(),
            Cycle::Down if self.is_time_to_cruise(ack) => self.start_probe_bw_cruise(),
            Cycle::Refill if self.model.round_start => self.start_probe_bw_up(window, rs),
            Cycle::Up => self.go_down_if_it_is_time(window, ack, rs),
            Cycle::Down | Cycle::Cruise | Cycle::Refill => {}
        }
    }

    fn is_time_to_cruise(&self, ack: &AckSample) -> bool {
        let bdp = self.quantization_budget(self.bdp_of(self.model.max_bw(), 100));
        ack.flight <= self.inflight_with_headroom() && ack.flight <= bdp
    }

    /// `IsTimeToGoDown`
    fn go_down_if_it_is_time(&mut self, window: &Window, ack: &AckSample, rs: &Sample) {
        let bound = self.model.inflight_longterm;
        if self.probe_bw.prev_too_high && ack.flight >= bound {
            self.probe_bw.prev_precautionary = true;
        } else if ack.cwnd_limited && window.cwnd >= bound {
            return self.full.reset(rs.delivery_rate); // it is the bound that limits the rate
        } else if !self.full.now {
            return;
        }
        self.probe_bw.prev_too_high = false; // nothing has shown yet
        self.start_probe_bw_down();
    }

    /// After two to three seconds, or when Reno would have grown by as much: §5.3.3.8.
    fn is_time_to_probe(&self, window: &Window) -> bool {
        let has_waited = self.now.saturating_since(self.probe_bw.stamp) > self.probe_bw.wait;
        let reno_rounds = self.target_inflight(window) / self.mss.max(1);
        has_waited || self.probe_bw.rounds_since_up >= reno_rounds.min(MAX_RENO_ROUNDS)
    }

    fn pick_probe_wait(&mut self) {
        let random = self.random();
        self.probe_bw.rounds_since_up = (random & 1) as u32;
        self.probe_bw.wait = MIN_WAIT + Duration::from_nanos((random >> 1) % WAIT_SPREAD_NANOS);
    }

    /// What the flow wants in flight: `TargetInflight`.
    pub(super) fn target_inflight(&self, window: &Window) -> u32 {
        self.bdp(100).min(window.cwnd)
    }

    /// The long-term bound, less what is left to others.
    pub(super) fn inflight_with_headroom(&self) -> u32 {
        let bound = self.model.inflight_longterm;
        if bound == UNBOUNDED {
            return UNBOUNDED;
        }
        let headroom = (u64::from(bound) * HEADROOM / 100) as u32;
        bound.saturating_sub(headroom.max(self.mss)).max(self.min_pipe_cwnd())
    }

    /// The bound rises by a segment in the first round of a probe, by two in the next, by four, …
    fn raise_inflight_longterm_slope(&mut self, window: &Window) {
        let growth_this_round = 1 << self.probe_bw.up_rounds;
        self.probe_bw.up_rounds = (self.probe_bw.up_rounds + 1).min(MAX_UP_ROUNDS);
        self.probe_bw.up_acked_per_inc = (window.cwnd / growth_this_round).max(self.mss).max(1);
    }

    fn probe_inflight_longterm_upward(&mut self, window: &Window, ack: &AckSample) {
        if !ack.cwnd_limited || window.cwnd < self.model.inflight_longterm {
            return; // it is not fully used
        }
        let probe = &mut self.probe_bw;
        probe.up_acked = probe.up_acked.saturating_add(ack.delivered);
        if probe.up_acked >= probe.up_acked_per_inc {
            let steps = probe.up_acked / probe.up_acked_per_inc;
            probe.up_acked -= steps * probe.up_acked_per_inc;
            let growth = steps.saturating_mul(self.mss);
            self.model.inflight_longterm = self.model.inflight_longterm.saturating_add(growth);
        }
        if self.model.round_start {
            self.raise_inflight_longterm_slope(window);
        }
    }

    /// What the ACKs mean for the long-term bounds. Returns whether it changed the state.
    fn adapt_long_term_model(&mut self, window: &Window, ack: &AckSample, rs: &Sample) -> bool {
        let phase = self.probe_bw.ack_phase;
        if phase == AckPhase::ProbeStarting && self.model.round_start {
            self.probe_bw.ack_phase = AckPhase::ProbeFeedback;
        }
        if phase == AckPhase::ProbeStopping && self.model.round_start && self.end_of_probe_feedback(rs) {
            return true;
        }
        if rs.is_inflight_too_high() || self.model.inflight_longterm == UNBOUNDED {
            return false;
        }
        self.model.inflight_longterm = self.model.inflight_longterm.max(rs.tx_in_flight);
        if self.state == State::ProbeBw(Cycle::Up) {
            self.probe_inflight_longterm_upward(window, ack);
        }
        false
    }

    /// A round after the probe all has come back. If it was a precaution and went well, another follows at once.
    fn end_of_probe_feedback(&mut self, rs: &Sample) -> bool {
        self.probe_bw.is_probe_sample = false;
        self.probe_bw.ack_phase = AckPhase::Init;
        if !self.state.is_probe_bw() {
            return false;
        }
        if !rs.is_app_limited {
            self.model.advance_max_bw_filter();
        }
        let again = self.probe_bw.prev_precautionary && !self.probe_bw.prev_too_high;
        if again {
            self.start_probe_bw_refill();
        }
        again
    }
}
