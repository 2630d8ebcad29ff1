//! Drain: sending at half the rate until the queue that Startup made is gone. §5.3.2.

use super::{Bbr, State};
use crate::congestion::AckSample;

/// Round trips after which the rate was overestimated, and it is left to the next probe to find out.
const MAX_ROUNDS: u32 = 3;

impl Bbr {
    pub(super) fn enter_drain(&mut self) {
        self.state = State::Drain;
        self.probe_bw.drain_start_round = self.model.round_count;
    }

    /// `CheckDrainDone`
    pub(super) fn check_drain_done(&mut self, ack: &AckSample) {
        let rounds = self.model.round_count.wrapping_sub(self.probe_bw.drain_start_round);
        if self.state == State::Drain && (ack.flight <= self.inflight(100) || rounds > MAX_ROUNDS) {
            self.model.end_holding_back();
            self.start_probe_bw_down();
        }
    }
}
