//! Keepalive: RFC 9293 §3.8.4 (R9293-MAY-5).
//! Off by default (R9293-MUST-25), switched by each connection (R9293-MUST-24).
//!
//! A probe is a segment without text at SND.NXT − 1 (R9293-SHLD-12): the peer finds it unacceptable and acknowledges.
//! Nothing is probed while data is unacknowledged: the retransmission timer watches then (R9293-MUST-26).

use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::info::instant_of;
use crate::timers::Timer;
use core::time::Duration;
use stack_core::{Error, Instant};

impl Connection {
    /// Starts the timer, or stops it, as the connection's option says.
    pub(crate) fn start_keep_alive(&mut self, now: Instant) {
        self.keep_alive_probes = 0;
        if self.settings.keep_alive && self.state.is_synchronized() {
            self.timers.set(Timer::KeepAlive, now + self.keep_alive_idle());
        } else {
            self.timers.clear(Timer::KeepAlive);
        }
    }

    /// The timer went off. Arriving segments don't touch it; it looks back instead.
    pub(crate) fn on_keep_alive_timeout(&mut self, env: &mut Env<'_, '_>) {
        let idle_since = instant_of(self.stats.last_received, env.now) + self.keep_alive_idle();
        let busy = self.snd.outstanding() > 0 || self.snd.unsent() > 0;
        if busy || idle_since > env.now {
            self.keep_alive_probes = 0;
            let next = if busy { env.now + self.keep_alive_idle() } else { idle_since };
            return self.timers.set(Timer::KeepAlive, next);
        }
        if self.keep_alive_probes >= self.settings.keep_alive_count {
            return self.abort(env, CloseReason::TimedOut(self.soft_error.unwrap_or(Error::Timeout)));
        }
        self.keep_alive_probes += 1; // R9293-MUST-29: one unanswered probe is no reason
        self.keep_alive_due = true;
        let interval = Duration::from_millis(u64::from(self.settings.keep_alive_interval));
        self.timers.set(Timer::KeepAlive, env.now + interval);
    }

    fn keep_alive_idle(&self) -> Duration {
        Duration::from_millis(u64::from(self.settings.keep_alive_idle)) // R9293-MUST-27
    }
}
