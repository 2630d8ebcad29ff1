//! Probing a closed or silly window: RFC 9293 §3.8.6.1, R9293-MUST-35, R9293-MUST-36.
//!
//! The probe is the next octet of the stream, beyond the window (RFC 9293; Linux sends an old one). The first goes
//! one RTO after there was nothing else to do (R9293-SHLD-29), the next ones at doubled intervals (R9293-SHLD-30).
//! Answers keep the connection alive for ever, unless the application has closed it;
//! [`TcpConfig::data_retries`](crate::TcpConfig::data_retries) probes without any end it, or the user timeout, where
//! there is one, instead. When the window is open but too small for a sensible segment, the same timer overrides the
//! silly-window rule (RFC 9293 §3.8.6.2.1), and so it does where marks of routers hold text back (RFC 3168 §6.1.2).

use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::event::Cause;
use crate::recovery::flight::Deadlines;
use crate::timers::Timer;
use stack_core::{Error, Instant};

/// The state of probing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Persist {
    /// A probe has to go.
    pub(crate) due: bool,
    /// Probes since the window closed.
    pub(crate) probes: u8,
    /// Probes since the peer was heard of.
    pub(crate) unanswered: u8,
}

impl Connection {
    /// Chooses between the retransmission timer and the persist timer, after something was sent or acknowledged.
    pub(crate) fn schedule_retransmission(&mut self, env: &mut Env<'_, '_>) {
        let outstanding = self.snd.outstanding() > 0;
        if self.state.is_opening() {
            return;
        }
        let waiting = self.snd.unsent() > 0 && !self.is_held_by_cork() || self.snd.fin_unsent();
        // Data beyond a window that has shrunk to nothing is probed, not timed out: R9293-SHLD-17.
        let closed = self.snd.wnd == 0 && (outstanding || waiting);
        let blocked = waiting && !outstanding;
        if closed || blocked {
            self.hold_deadlines();
            let doublings = self.hold().doublings().unwrap_or(self.persist.probes);
            let wait = self.rtt.rto_backed_off(doublings, env.config());
            self.start_waiting(env);
            self.timers.set_if_off(Timer::Persist, env.now + wait);
            return;
        }
        let Some(flight) = &mut self.recovery.flight else {
            self.timers.clear_resend(); // R6298-5.1-a
            return self.timers.clear(Timer::User);
        };
        let deadlines = &mut flight.deadlines;
        if deadlines.timeout == Instant::FAR_FUTURE {
            deadlines.timeout = env.now + self.rtt.rto(&env.shared.config);
        }
        let (timer, deadline) = deadlines.next();
        self.timers.set(timer, deadline);
    }

    /// While the window is closed nothing is late.
    fn hold_deadlines(&mut self) {
        if let Some(flight) = &mut self.recovery.flight {
            flight.deadlines = Deadlines::default();
            flight.probe_due = false;
        }
    }

    /// The persist timer went off.
    pub(crate) fn on_persist_timeout(&mut self, env: &mut Env<'_, '_>) {
        if self.gives_up_after(env, self.persist.unanswered) {
            let error = self.soft_error.unwrap_or(Error::Timeout);
            return self.close(env, CloseReason::TimedOut(error));
        }
        if self.orphan && self.gives_up_after(env, self.persist.probes) {
            // Nobody waits for it any more, and a peer must not hold our memory for ever.
            return self.abort(env, CloseReason::TimedOut(Error::Timeout));
        }
        self.persist.probes = self.persist.probes.saturating_add(1);
        self.persist.unanswered = self.persist.unanswered.saturating_add(1);
        self.persist.due = true;
    }

    /// An acceptable ACK came: the peer is alive. If it has opened the window, what was sent into the closed one
    /// was not taken and goes again.
    pub(crate) fn persist_on_ack(&mut self) {
        self.persist.unanswered = 0; // R9293-MUST-37
        if self.snd.wnd == 0 || self.persist.probes == 0 {
            return;
        }
        self.persist = Persist::default();
        self.timers.clear(Timer::Persist);
        if self.snd.outstanding() > 0 {
            self.recovery.mark_lost(self.snd.una, self.snd.nxt, Cause::WindowOpened);
        }
    }
}
