//! When text may leave, and in what portions: the pace of the congestion control in the transmit path.
//!
//! Everything that carries text waits for its departure time, new and retransmitted alike; ACKs, probes and the first
//! segment after a timeout don't. What would go and may not yet sets a timer. A packet of a paced flow is no larger than a
//! millisecond of its rate, so that super-packets don't undo what pacing is for (TSO autosizing).
//! The first segments of a connection leave at once, as Linux lets them: an initial window is a burst that paths take.
//! What limits the flow is noted here too: the congestion control wants to know (draft-ietf-ccwg-bbr §4.1.2.4).

use crate::congestion::CongestionControl;
use crate::congestion::pacing::{MIN_BURST_SEGMENTS, Pacer, burst_bytes};
use crate::connection::Connection;
use crate::env::Env;
use crate::recovery::Phase;
use crate::transmit::Outgoing;
use core::time::Duration;
use stack_core::Instant;

/// The pace of what is in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pacing {
    pacer: Pacer,
    /// Bytes a second; `None` to send as the window allows.
    rate: Option<u64>,
    /// Octets that may leave at once; 0 where the rate says nothing.
    burst: u32,
    /// How late it may be and still make up for it.
    slack: Duration,
}

impl Pacing {
    /// The window or the round-trip time has changed.
    pub(crate) fn set_rate(&mut self, congestion: &dyn CongestionControl, rate: Option<u64>, mss: u32) {
        if rate != self.rate {
            self.rate = rate;
            self.burst = rate.map_or(0, |rate| burst_bytes(rate, mss));
            self.slack = rate.map_or(Duration::ZERO, |rate| congestion.pacing_slack(rate, mss));
        }
    }

    /// Octets left.
    pub(crate) fn sent(&mut self, now: Instant, octets: u32) {
        if let Some(rate) = self.rate {
            self.pacer.on_sent(now, octets, rate, self.slack);
        }
    }

    /// The pace in bytes a second.
    pub(crate) fn rate(&self) -> Option<u64> {
        self.rate
    }
}

impl Connection {
    /// Asks the congestion control for the pace, after something that may have changed it.
    pub(crate) fn update_pace(&mut self, env: &Env<'_, '_>) {
        let is_on = env.config().pacing && self.stats.data_segs_out >= env.config().initial_window;
        let (srtt, mss) = (self.rtt.srtt(), self.mss());
        if let Some(flight) = &mut self.recovery.flight {
            let congestion = self.congestion.get_mut();
            let rate = if is_on { congestion.pacing_rate(&self.window, srtt, mss) } else { None };
            flight.pacing.set_rate(congestion, rate, mss);
        }
    }

    /// What `choose` would send, if it may leave now; else a timer is set for when it may.
    pub(crate) fn when_due(
        &mut self,
        now: Instant,
        choose: impl FnOnce(&mut Self) -> Option<Outgoing>,
    ) -> Option<Outgoing> {
        let next = choose(self)?;
        let Some(flight) = &mut self.recovery.flight else { return Some(next) };
        let departs_at = flight.pacing.pacer.departs_at();
        if departs_at <= now || flight.resend_first || flight.pacing.rate.is_none() {
            return Some(next);
        }
        flight.deadlines.pace = departs_at;
        None
    }

    /// The pace allows more text now.
    pub(crate) fn on_pace_timeout(&mut self) {
        if let Some(flight) = &mut self.recovery.flight {
            flight.deadlines.pace = Instant::FAR_FUTURE;
        }
    }

    /// Octets that one packet may carry at this pace.
    pub(crate) fn paced_burst(&self) -> u32 {
        let burst = self.recovery.flight.as_ref().map_or(0, |flight| flight.pacing.burst);
        if burst == 0 { u32::MAX } else { burst }
    }

    /// Octets of room that new text waits for while more waits behind it: a burst of the pace, but no more than a third of
    /// the window; one segment where the pace has nothing to say, or little.
    fn portion(&self) -> u32 {
        let (burst, mss) = (self.paced_burst(), self.mss());
        let is_large = burst < u32::MAX && burst > MIN_BURST_SEGMENTS * mss;
        if is_large { burst.min(self.window.cwnd / 3).max(mss) } else { mss }
    }

    /// Whether new text waits for ACKs to make room for a whole portion, as Linux lets it (`tcp_tso_should_defer`): larger
    /// packets cost both ends less. Where packets are of one segment, the flow so stays a portion below its window, and
    /// so gets on with the bursts of those who defer: without this it takes half as much again as Linux beside it, and four
    /// flows of CUBIC share less alike. Enough must be in flight for the ACKs to come, and nothing lost.
    pub(crate) fn gathers(&self, unsent: u32, room: u32) -> bool {
        let portion = self.portion();
        room < portion
            && portion > self.mss()
            && unsent > room
            && self.recovery.phase == Phase::Open
            && self.snd.outstanding() >= 2 * portion
    }

    /// After its turn: was it the congestion window that kept it from sending more, or had the application no more to
    /// say, and it was not the pace?
    pub(crate) fn note_limits(&mut self) {
        let (pipe, cwnd, nxt) = (self.pipe(), self.window.cwnd, self.snd.nxt);
        let is_full = pipe.saturating_add(self.portion()) > cwnd;
        let waits = self.snd.unsent() > 0;
        let Some(flight) = &mut self.recovery.flight else { return };
        if is_full && (waits || flight.board.lost() > 0) {
            flight.limited_until = Some(nxt);
        } else if !is_full && !waits && flight.board.lost() == 0 {
            flight.rate.on_app_limited(pipe);
        }
    }
}
