//! ProbeRTT: half of the bandwidth-delay product for 200 ms, so that the queue empties and the round trip can be measured
//! without it; at most every five seconds, and not if it was measured anyway. §5.3.4.
//!
//! All flows at a bottleneck do so at about the same time, as they all see the round trip fall when one begins.

use super::{Bbr, State};
use crate::congestion::{AckSample, Window};
use core::time::Duration;
use stack_core::Instant;

/// How long the flow stays low: `ProbeRTTDuration`.
const DURATION: Duration = Duration::from_millis(200);
/// Age of a measurement that calls for another: `ProbeRTTInterval`.
const INTERVAL: Duration = Duration::from_secs(5);
/// Age from which on a longer round trip is believed: `MinRTTFilterLen`.
const MIN_RTT_FILTER: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
pub(super) struct ProbeRtt {
    /// The shortest round trip of the last ten seconds; [`Duration::MAX`] before the first.
    pub(super) min_rtt: Duration,
    min_rtt_stamp: Instant,
    /// The shortest of the last five seconds.
    min_delay: Duration,
    min_stamp: Instant,
    expired: bool,
    /// When the flow may end this probe; `None` until little enough is in flight.
    done_at: Option<Instant>,
    round_done: bool,
}

impl Default for ProbeRtt {
    fn default() -> Self {
        Self {
            min_rtt: Duration::MAX,
            min_rtt_stamp: Instant::ZERO,
            min_delay: Duration::MAX,
            min_stamp: Instant::ZERO,
            expired: false,
            done_at: None,
            round_done: false,
        }
    }
}

impl ProbeRtt {
    /// The flow begins.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.min_rtt_stamp, self.min_stamp) = (now, now);
    }

    /// `UpdateMinRTT`
    pub(super) fn update_min_rtt(&mut self, ack: &AckSample) {
        self.expired = ack.now > self.min_stamp + INTERVAL;
        if let Some(rtt) = ack.rtt.filter(|&rtt| rtt < self.min_delay || self.expired) {
            (self.min_delay, self.min_stamp) = (rtt, ack.now);
        }
        if self.min_delay < self.min_rtt || ack.now > self.min_rtt_stamp + MIN_RTT_FILTER {
            (self.min_rtt, self.min_rtt_stamp) = (self.min_delay, self.min_stamp);
        }
    }
}

impl Bbr {
    /// `CheckProbeRTT`
    pub(super) fn check_probe_rtt(&mut self, window: &mut Window, ack: &AckSample) {
        if self.state != State::ProbeRtt && self.probe_rtt.expired && !self.idle_restart {
            self.save_cwnd(window);
            self.state = State::ProbeRtt;
            self.probe_rtt.done_at = None;
            self.stop_probing();
        }
        if self.state == State::ProbeRtt {
            self.handle_probe_rtt(window, ack);
        }
    }

    fn handle_probe_rtt(&mut self, window: &mut Window, ack: &AckSample) {
        if self.probe_rtt.done_at.is_some() {
            self.probe_rtt.round_done |= self.model.round_start;
            if self.probe_rtt.round_done {
                self.check_probe_rtt_done(window);
            }
        } else if ack.flight <= self.probe_rtt_cwnd() {
            self.probe_rtt.done_at = Some(self.now + DURATION);
            self.probe_rtt.round_done = false;
            self.model.start_round();
        }
    }

    /// `CheckProbeRTTDone`
    pub(super) fn check_probe_rtt_done(&mut self, window: &mut Window) {
        if self.probe_rtt.done_at.is_some_and(|done_at| self.now > done_at) {
            self.probe_rtt.min_stamp = self.now; // the next one in five seconds
            self.restore_cwnd(window);
            self.exit_probe_rtt();
        }
    }

    /// The clock of ProbeBW starts anew; in flight is less than enough, so there is nothing to drain.
    fn exit_probe_rtt(&mut self) {
        self.model.reset_short_term();
        self.model.end_holding_back();
        if self.full.reached {
            self.start_probe_bw_down();
            self.start_probe_bw_cruise();
        } else {
            self.enter_startup();
        }
    }
}
