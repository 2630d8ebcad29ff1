//! BBR version 3: draft-ietf-ccwg-bbr-06. Section numbers in this folder are the draft's.
//!
//! Instead of filling the queue until it overflows, it keeps a model of the path, how fast it delivers and how long an
//! empty round trip takes (`model.rs`), and sends as fast as that with as much in flight as that asks for
//! (`control.rs`). The states are experiments that keep the model true: Startup finds the rate, Drain empties the queue
//! that this made, ProbeBW (down, cruise, refill, up) looks for more rate, ProbeRTT for a shorter round trip; each has
//! its file. Losses bound the model (`loss.rs`); acknowledgments that come in lumps widen the window
//! (`aggregation.rs`).
//!
//! The draft leaves ECN open but for one thing: marks must count as congestion (§3.7). Here a mark is what a loss rate
//! above the threshold is. Names are those of the draft, without its prefixes.

mod aggregation;
mod control;
mod drain;
mod loss;
mod max_filter;
mod model;
mod probe_bw;
mod probe_rtt;
mod startup;
#[cfg(test)]
mod tests;

use super::{AckSample, CongestionControl, LossSample, Phase, RateSample, Restart, Window, pacing};
use aggregation::Aggregation;
use core::time::Duration;
use loss::Undo;
pub(crate) use max_filter::MaxFilter;
use model::Model;
use probe_bw::ProbeBw;
use probe_rtt::ProbeRtt;
use stack_core::Instant;
use startup::FullPipe;

/// No bound is known.
const UNBOUNDED: u32 = u32::MAX;
/// Segments that are always allowed in flight, so that delayed ACKs don't stop the flow: `MinPipeCwnd`.
const MIN_PIPE_SEGMENTS: u32 = 4;

/// The BBR algorithm.
#[derive(Clone, Copy, Debug)]
pub struct Bbr {
    state: State,
    model: Model,
    full: FullPipe,
    probe_bw: ProbeBw,
    probe_rtt: ProbeRtt,
    aggregation: Aggregation,
    undo: Undo,
    /// The window before a recovery or ProbeRTT: `prior_cwnd`.
    prior_cwnd: u32,
    /// `InitialCwnd`; 0 before the first event.
    initial_cwnd: u32,
    /// Bytes a second; 0 before the first ACK.
    pacing_rate: u64,
    /// The time of the event at hand.
    now: Instant,
    mss: u32,
    in_loss_recovery: bool,
    /// The flow sends after a pause, and nothing is delivered yet.
    idle_restart: bool,
    /// State of the random numbers.
    random: u64,
}

/// The states of §5.1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Startup,
    Drain,
    ProbeBw(Cycle),
    ProbeRtt,
}

/// The phases of ProbeBW: §5.3.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cycle {
    Down,
    Cruise,
    Refill,
    Up,
}

impl State {
    /// How fast to send, in percent of the bandwidth: §5.6.1.
    fn pacing_gain(self) -> u64 {
        match self {
            Self::Startup => 277, // 4 ln 2
            Self::Drain => 50,
            Self::ProbeBw(Cycle::Down) => 90,
            Self::ProbeBw(Cycle::Up) => 125,
            Self::ProbeBw(Cycle::Cruise | Cycle::Refill) | Self::ProbeRtt => 100,
        }
    }

    /// How much may be in flight, in percent of the bandwidth-delay product: §5.6.1.
    fn cwnd_gain(self) -> u64 {
        match self {
            Self::ProbeBw(Cycle::Up) => 225,
            Self::ProbeRtt => 50,
            _ => 200,
        }
    }

    /// Whether it means to send more than the model allows: `IsProbingBW`.
    fn is_probing_bw(self) -> bool {
        matches!(self, Self::Startup | Self::ProbeBw(Cycle::Refill | Cycle::Up))
    }

    fn is_probe_bw(self) -> bool {
        matches!(self, Self::ProbeBw(_))
    }
}

/// What the draft calls RS: the rate sample of the ACK at hand.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Bytes a second; 0 if the interval was too short to tell.
    delivery_rate: u64,
    /// Bytes delivered between the transmission of the newest of them and now.
    delivered: u32,
    prior_delivered: u64,
    tx_in_flight: u32,
    lost: u32,
    is_app_limited: bool,
    has_sack: bool,
}

impl Sample {
    fn new(rate: &RateSample, has_sack: bool) -> Self {
        Self {
            delivery_rate: rate.rate().unwrap_or(0),
            delivered: u32::try_from(rate.interval_bytes()).unwrap_or(u32::MAX),
            prior_delivered: rate.prior_delivered,
            tx_in_flight: rate.tx_in_flight,
            lost: rate.lost,
            is_app_limited: rate.is_app_limited,
            has_sack,
        }
    }
}

impl Bbr {
    pub(super) const NAME: &'static str = "bbr";

    /// A flow that begins. The seed spreads its probes in time, so that flows don't probe together.
    pub fn new(seed: u64) -> Self {
        Self {
            state: State::Startup,
            model: Model::default(),
            full: FullPipe::default(),
            probe_bw: ProbeBw::default(),
            probe_rtt: ProbeRtt::default(),
            aggregation: Aggregation::default(),
            undo: Undo::default(),
            prior_cwnd: 0,
            initial_cwnd: 0,
            pacing_rate: 0,
            now: Instant::ZERO,
            mss: 0,
            in_loss_recovery: false,
            idle_restart: false,
            random: seed,
        }
    }

    /// The first event starts the clocks: `OnInit` of §5.2.1.
    fn begin(&mut self, now: Instant, window: &Window) {
        self.now = now;
        if self.initial_cwnd == 0 {
            self.initial_cwnd = window.cwnd.max(1);
            self.probe_rtt.begin(now);
            self.aggregation.restart(now);
        }
    }

    /// `UpdateModelAndState` of §5.2.3.
    fn update_model_and_state(&mut self, window: &mut Window, ack: &AckSample, rs: &Sample) {
        self.model.update_latest_delivery_signals(rs);
        self.model.update_max_bw(rs);
        self.probe_bw.rounds_since_up += u32::from(self.model.round_start);
        self.update_congestion_signals(window, rs);
        self.update_ack_aggregation(window, ack);
        self.full.check(self.model.round_start, rs);
        self.check_startup_done(ack, rs);
        self.check_drain_done(ack);
        self.update_probe_bw_cycle_phase(window, ack, rs);
        self.probe_rtt.update_min_rtt(ack);
        self.check_probe_rtt(window, ack);
        self.idle_restart &= rs.delivered == 0;
        self.model.advance_latest_delivery_signals(rs);
        self.model.bound_bw();
    }

    fn min_pipe_cwnd(&self) -> u32 {
        self.mss.saturating_mul(MIN_PIPE_SEGMENTS)
    }

    /// Sixty-four random bits (splitmix64).
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

impl CongestionControl for Bbr {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn on_ack(&mut self, window: &mut Window, ack: &AckSample) {
        self.begin(ack.now, window);
        self.mss = ack.mss;
        self.in_loss_recovery = !matches!(ack.phase, Phase::Open | Phase::Cwr);
        let Some(rate) = &ack.rate else { return }; // nothing was delivered
        if self.pacing_rate == 0 {
            self.pacing_rate = control::initial_pacing_rate(window, ack.srtt);
        }
        let rs = Sample::new(rate, ack.has_sack);
        self.model.delivered = rate.delivered;
        self.update_model_and_state(window, ack, &rs);
        self.set_pacing_rate(self.state.pacing_gain());
        self.set_cwnd(window, ack.delivered);
    }

    /// BBR has no threshold: what a loss means is in the model.
    fn ssthresh(&mut self, window: &Window, _flight: u32, mss: u32) -> u32 {
        self.mss = mss;
        self.save_state_upon_loss(window);
        self.in_loss_recovery = true;
        window.ssthresh
    }

    fn on_congestion_experienced(&mut self, window: &Window, flight: u32, mss: u32) -> u32 {
        self.mss = mss;
        self.handle_mark(window, flight);
        window.ssthresh
    }

    fn on_lost(&mut self, window: &Window, lost: &LossSample) {
        self.begin(lost.now, window);
        self.mss = lost.mss;
        self.model.delivered = lost.total_delivered;
        self.handle_lost_packet(window, lost);
    }

    /// §5.6.4.4: all that was in flight counts as lost, one segment may go.
    fn on_timeout(&mut self, window: &mut Window, _flight: u32, mss: u32) {
        self.in_loss_recovery = true;
        window.cwnd = mss;
    }

    fn on_recovery_end(&mut self, window: &mut Window) {
        self.in_loss_recovery = false;
        self.restore_cwnd(window);
    }

    fn on_spurious(&mut self, window: &mut Window) {
        self.handle_spurious_loss_detection(window);
    }

    /// `HandleRestartFromIdle` of §5.4.1: the window stays, and pacing makes bursts of it impossible.
    fn on_restart(&mut self, window: &mut Window, restart: &Restart) {
        self.begin(restart.now, window);
        self.idle_restart = true;
        self.aggregation.restart(restart.now);
        match self.state {
            State::ProbeBw(_) => self.set_pacing_rate(100),
            State::ProbeRtt => self.check_probe_rtt_done(window),
            State::Startup | State::Drain => {}
        }
    }

    fn owns_window_in_recovery(&self) -> bool {
        true
    }

    fn pacing_rate(&self, window: &Window, srtt: Option<Duration>, _mss: u32) -> Option<u64> {
        let rate =
            if self.pacing_rate == 0 { control::initial_pacing_rate(window, srtt) } else { self.pacing_rate };
        Some(rate)
    }

    fn pacing_slack(&self, _rate: u64, _mss: u32) -> Duration {
        pacing::rate_slack()
    }

    fn holds_back(&self) -> bool {
        self.state == State::ProbeRtt
    }

    fn wants_rate_samples(&self) -> bool {
        true
    }
}
