//! What follows from the model: the pacing rate and the window. §5.6.

use super::{Bbr, Cycle, State, UNBOUNDED};
use crate::congestion::{Window, pacing};
use core::time::Duration;

/// Percent of the bandwidth that are used, so that queues shrink on average: 100 − `PacingMarginPercent`.
pub(super) const PACING_PERCENT: u64 = 99;
/// The round trip of a flow that knows of none.
const NOMINAL_RTT: Duration = Duration::from_millis(1);
/// Bursts that must be allowed in flight: one here, one on the way, one at the peer (§5.5.8.1).
const OFFLOAD_BURSTS: u32 = 3;

/// Bytes that a rate carries in a time.
pub(super) fn volume(rate: u64, time: Duration) -> u64 {
    let bytes = u128::from(rate).saturating_mul(time.as_nanos()) / 1_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// `InitPacingRate`: the initial window in a round trip, times the gain.
pub(super) fn initial_pacing_rate(window: &Window, srtt: Option<Duration>) -> u64 {
    let rtt = srtt.filter(|srtt| !srtt.is_zero()).unwrap_or(NOMINAL_RTT);
    let rate = u128::from(window.cwnd) * 1_000_000_000 / rtt.as_nanos();
    percent_of(rate as u64, State::Startup.pacing_gain())
}

fn percent_of(whole: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(whole) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

impl Bbr {
    /// `SetPacingRateWithGain`. Until the pipe is full the rate only rises.
    pub(super) fn set_pacing_rate(&mut self, gain: u64) {
        let rate = percent_of(percent_of(self.model.bw, gain), PACING_PERCENT);
        if self.full.reached || rate > self.pacing_rate {
            self.pacing_rate = rate.max(1);
        }
    }

    /// The bandwidth-delay product times a gain in percent: `BDPMultiple`.
    pub(super) fn bdp(&self, gain: u64) -> u32 {
        self.bdp_of(self.model.bw, gain)
    }

    pub(super) fn bdp_of(&self, bw: u64, gain: u64) -> u32 {
        if self.probe_rtt.min_rtt == Duration::MAX {
            return self.initial_cwnd;
        }
        let bytes = percent_of(volume(bw, self.probe_rtt.min_rtt), gain);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Enough for bursts and for delayed ACKs: `QuantizationBudget`.
    pub(super) fn quantization_budget(&self, inflight: u32) -> u32 {
        let burst = pacing::burst_bytes(self.pacing_rate, self.mss);
        let inflight = inflight.max(burst.saturating_mul(OFFLOAD_BURSTS)).max(self.min_pipe_cwnd());
        if self.state == State::ProbeBw(Cycle::Up) {
            return inflight.saturating_add(self.mss.saturating_mul(2));
        }
        inflight
    }

    /// `Inflight`
    pub(super) fn inflight(&self, gain: u64) -> u32 {
        self.quantization_budget(self.bdp(gain))
    }

    pub(super) fn probe_rtt_cwnd(&self) -> u32 {
        self.bdp(State::ProbeRtt.cwnd_gain()).max(self.min_pipe_cwnd())
    }

    /// `SetCwnd`: up by what was delivered at most, down at once.
    pub(super) fn set_cwnd(&self, window: &mut Window, newly_acked: u32) {
        let wanted = self.bdp(self.state.cwnd_gain()).saturating_add(self.aggregation.extra_acked());
        let max_inflight = self.quantization_budget(wanted);
        let grown = window.cwnd.saturating_add(newly_acked);
        if self.full.reached {
            window.cwnd = grown.min(max_inflight);
        } else if window.cwnd < max_inflight || self.model.delivered < u64::from(self.initial_cwnd) {
            window.cwnd = grown;
        }
        window.cwnd = window.cwnd.max(self.min_pipe_cwnd());
        if self.state == State::ProbeRtt {
            window.cwnd = window.cwnd.min(self.probe_rtt_cwnd());
        }
        window.cwnd = window.cwnd.min(self.cwnd_bound());
    }

    /// What losses allow: `BoundCwndForModel`.
    fn cwnd_bound(&self) -> u32 {
        let longterm = match self.state {
            State::ProbeBw(Cycle::Cruise) | State::ProbeRtt => self.inflight_with_headroom(),
            State::ProbeBw(_) => self.model.inflight_longterm,
            State::Startup | State::Drain => UNBOUNDED,
        };
        longterm.min(self.model.inflight_shortterm).max(self.min_pipe_cwnd())
    }
}
