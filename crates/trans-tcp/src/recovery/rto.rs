//! What a retransmission timeout does: RFC 6298 §5.4 to §5.6, RFC 5681 §3.1, RFC 8985 §6.3, RFC 6582 §3.2 step 6.
//!
//! With SACK the first run is lost, and so is what was sent a round trip before; what was sent lately gets its time.
//! Without SACK there is no better knowledge than that everything is lost (go-back-N). Either way it goes again in
//! order, as the window that begins at one segment allows.
//! What the peer has reported stays reported, as RFC 8985 has it and not RFC 2018 §8, unless the first run is among it:
//! no peer that keeps what it reports would acknowledge so little (R6675-5.1-a, R2018-8-a).

use super::Phase;
use super::flight::Flight;
use super::frto::Frto;
use super::scoreboard::Fate;
use super::tlp::LossProbe;
use super::undo::Undo;
use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::event::{Cause, TcpEvent};
use crate::state::State;
use crate::timers::Timer;
use core::time::Duration;
use stack_core::{Error, Hop, Instant};

/// Timeouts in a row after which the path is doubted: R9293-SHLD-10.
pub(crate) const R1: u8 = 3;
/// A peer that seems to renege has half a round trip to show that it does not, but no less than this. As Linux.
const RENEGING_DELAY: Duration = Duration::from_millis(10);

impl Connection {
    /// The retransmission timer went off.
    pub(crate) fn on_retransmission_timeout(&mut self, env: &mut Env<'_, '_>) {
        if self.state.is_opening() {
            return self.on_syn_timeout(env);
        }
        if self.recovery.flight.is_none() {
            return;
        }
        if self.gives_up_after(env, self.recovery.timeouts) {
            // R2 of R9293-MUST-20
            return self.close(env, CloseReason::TimedOut(self.soft_error.unwrap_or(Error::Timeout)));
        }
        if self.believe_claim(env) {
            return;
        }
        env.counters().timeouts += 1;
        self.suspect_black_hole(env);
        self.check_reneging(env);
        self.reduce_for_timeout(env);
        self.mark_timed_out(env);
        self.recovery.timeouts = self.recovery.timeouts.saturating_add(1);
        if self.recovery.timeouts == R1 {
            self.path.hop = Hop::UNRESOLVED; // R1 of R9293-MUST-20: ask for the route again
        }
        self.back_off(env);
        self.update_pace(env);
        let recovery_point = self.snd.nxt;
        env.emit(|| TcpEvent::RecoveryBegins { cause: Cause::Timeout, recovery_point });
        self.show_window(env);
    }

    /// The window of a timeout. R5681-3.1-e: the threshold falls with the first timeout of a segment only; neither does
    /// it fall again for losses that a recovery is repairing already, nor after marks in the same window.
    fn reduce_for_timeout(&mut self, env: &mut Env<'_, '_>) {
        let (una, flight, mss) = (self.snd.una, self.pipe(), self.mss());
        let reduces = self.recovery.phase == Phase::Recovery || self.reduces_for_marks();
        let is_first = self.recovery.timeouts == 0 && !reduces;
        let congestion = self.congestion.get_mut();
        if is_first {
            self.window.ssthresh = congestion.ssthresh(&self.window, flight, mss);
        }
        congestion.on_timeout(&mut self.window, flight, mss);
        self.note_reduction();
        if is_first {
            self.recovery.undo = Undo::begin(una, self.retransmitted());
        }
        let watches = self.sack && env.config().frto;
        if let Some(flight) = &mut self.recovery.flight {
            let goes_on = self.recovery.timeouts > 0 && flight.frto != Frto::Off;
            flight.frto = if watches && (is_first || goes_on) { Frto::Waiting } else { Frto::Off };
            flight.first_resent = if is_first { Instant::FAR_FUTURE } else { flight.first_resent };
        }
    }

    fn mark_timed_out(&mut self, env: &mut Env<'_, '_>) {
        let (una, nxt, sack) = (self.snd.una, self.snd.nxt, self.sack);
        let circumstances = self.circumstances();
        self.recovery.phase = Phase::Loss;
        self.recovery.cause = Cause::Timeout;
        self.recovery.recovery_point = nxt; // R6582-4-a: duplicates of what is sent again start no fast recovery
        self.recovery.dup_acks = 0;
        self.recovery.probe = LossProbe::NONE;
        let now = env.now;
        self.on_losses(env, now, |flight, config, lost| {
            flight.resend_first = true;
            flight.probe_due = false;
            flight.deadlines.probe = Instant::FAR_FUTURE;
            let Flight { board, rack, rate, .. } = flight;
            if sack {
                rack.detect_on_timeout(board, now, &circumstances, config, |run| lost(rate, run));
            } else {
                board.mark_lost(una, nxt, Instant::FAR_FUTURE, |run| lost(rate, run));
            }
        });
    }

    /// The first run is reported and still not acknowledged: if that stays so, the peer has dropped what it reported.
    pub(crate) fn suspect_reneging(&mut self, now: Instant) {
        let delay = self.rtt.srtt().map_or(RENEGING_DELAY, |srtt| (srtt / 2).max(RENEGING_DELAY));
        if let Some(flight) = self.recovery.flight.as_mut().filter(|flight| flight.is_reneged()) {
            flight.deadlines.timeout = flight.deadlines.timeout.min(now + delay);
        }
    }

    /// R2018-8-a: nothing that was reported counts any more.
    fn check_reneging(&mut self, env: &mut Env<'_, '_>) {
        if let Some(flight) = self.recovery.flight.as_mut().filter(|flight| flight.is_reneged()) {
            env.shared.counters.sack_reneging += 1;
            flight.board.forget_sacked();
        }
    }

    /// R9293-MUST-22, R9293-MUST-23.
    fn on_syn_timeout(&mut self, env: &mut Env<'_, '_>) {
        let linear = if self.state == State::SynSent { env.config().syn_linear_timeouts } else { 0 };
        if self.recovery.timeouts >= self.syn_retries(env).saturating_add(linear) {
            return self.close(env, CloseReason::TimedOut(self.soft_error.unwrap_or(Error::Timeout)));
        }
        self.recovery.timeouts += 1;
        self.syn_due = true;
        if self.recovery.timeouts > linear {
            return self.back_off(env);
        }
        self.timers.set(Timer::Retransmit, env.now + self.rtt.rto(env.config()));
    }

    /// R6298-5.5-a.
    fn back_off(&mut self, env: &mut Env<'_, '_>) {
        self.rtt.backoff = self.rtt.backoff.saturating_add(1);
        let deadline = env.now + self.rtt.rto(env.config());
        if let Some(flight) = &mut self.recovery.flight {
            flight.deadlines.timeout = deadline;
        }
        self.timers.set(Timer::Retransmit, deadline);
    }
}

impl Flight {
    fn is_reneged(&self) -> bool {
        self.board.first().is_some_and(|first| first.fate == Fate::Sacked)
    }
}
