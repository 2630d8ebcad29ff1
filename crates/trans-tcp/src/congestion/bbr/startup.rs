//! Startup: doubling the rate each round trip until the pipe is full. §5.3.1.
//!
//! The pipe is full when the rate no longer grows (three rounds with less than a quarter more), or when it has lost too
//! much for a whole round of a recovery.

use super::{Bbr, Sample, State};
use crate::congestion::{AckSample, LossSample, Phase};
use stack_wire::seq::SeqNum;

/// Rounds without growth that mean a full pipe.
const FULL_ROUNDS: u8 = 3;
/// Separate ranges lost in a round that mean a full pipe, together with the loss rate: `StartupFullLossCnt`.
const FULL_LOSSES: u8 = 6;

/// The estimator of a full pipe, of use in Startup and in ProbeBW_UP; and the losses of a round, of use in Startup.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FullPipe {
    /// The pipe was full once: `full_bw_reached`.
    pub(super) reached: bool,
    /// It is, since it was last looked for: `full_bw_now`.
    pub(super) now: bool,
    baseline: u64,
    rounds: u8,
    pub(super) losses_in_round: u8,
    lost_end: Option<SeqNum>,
}

impl FullPipe {
    /// Begins to look for it, from a rate on: `ResetFullBW`.
    pub(super) fn reset(&mut self, baseline: u64) {
        (self.baseline, self.rounds, self.now) = (baseline, 0, false);
    }

    /// `CheckFullBWReached`
    pub(super) fn check(&mut self, round_start: bool, rs: &Sample) {
        if self.now || !round_start || rs.is_app_limited {
            return;
        }
        if u128::from(rs.delivery_rate) * 4 >= u128::from(self.baseline) * 5 {
            return self.reset(rs.delivery_rate);
        }
        self.rounds += 1;
        self.now = self.rounds >= FULL_ROUNDS;
        self.reached |= self.now;
    }

    /// A run of bytes is lost; those that follow upon each other count once.
    pub(super) fn note_loss(&mut self, lost: &LossSample) {
        let follows = self.lost_end == Some(lost.seq);
        self.losses_in_round = self.losses_in_round.saturating_add(u8::from(!follows));
        self.lost_end = Some(lost.seq + lost.bytes);
    }
}

impl Bbr {
    pub(super) fn enter_startup(&mut self) {
        self.state = State::Startup;
    }

    /// `CheckStartupDone`
    pub(super) fn check_startup_done(&mut self, ack: &AckSample, rs: &Sample) {
        if !self.full.reached && self.has_lost_too_much(ack, rs) {
            self.leave_startup_upon_loss();
        }
        if self.model.loss_round_start {
            self.full.losses_in_round = 0;
        }
        if self.state == State::Startup && self.full.reached {
            self.enter_drain();
        }
    }

    /// §5.3.1.3, but only if the rate does not grow any more: on a path that loses at random it is not full when it has
    /// lost enough segments. Rounds of losses begin with the first one, so one that ends in a recovery lay in it.
    fn has_lost_too_much(&self, ack: &AckSample, rs: &Sample) -> bool {
        if ack.phase != Phase::Recovery {
            return false;
        }
        let enough = self.model.loss_round_start && self.full.losses_in_round >= FULL_LOSSES;
        let may_be_full = self.full.rounds > 0 || rs.is_app_limited; // of the latter the rate tells nothing
        (enough || !ack.has_sack) && rs.is_inflight_too_high() && may_be_full
    }

    /// The pipe is full, as losses or marks say; what was delivered in a round is what fits.
    pub(super) fn leave_startup_upon_loss(&mut self) {
        self.undo.state = Some(State::Startup);
        self.full.reached = true;
        self.model.inflight_longterm = self.bdp(100).max(self.model.inflight_latest);
    }
}
