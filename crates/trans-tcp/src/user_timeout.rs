//! The user timeout: how long data, or a closed window, may stay without any progress. RFC 9293 §3.9.1
//! (R9293-MUST-21), R5482-2-a (the option on the wire is not spoken). It replaces the number of retransmissions and of
//! unanswered probes as R2 of RFC 9293 §3.8.3, whichever would be longer; without one, that number decides. A SYN goes as
//! often as it may, but no longer than this either (RFC 9293 §3.10.8: in any state).

use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::timers::Timer;
use core::time::Duration;
use stack_core::Error;

impl Connection {
    /// Something waits for the peer from now on, if nothing did before.
    pub(crate) fn start_waiting(&mut self, env: &Env<'_, '_>) {
        let Some(limit) = self.settings.user_timeout else { return };
        let limit = Duration::from_millis(u64::from(limit));
        self.timers.set_if_off(Timer::User, env.now + limit);
    }

    /// The peer has made progress.
    pub(crate) fn restart_waiting(&mut self, env: &Env<'_, '_>) {
        self.timers.clear(Timer::User);
        if self.snd.outstanding() > 0 {
            self.start_waiting(env);
        }
    }

    /// Whether so many attempts to get an answer are enough: never, if the application has set a time instead.
    pub(crate) fn gives_up_after(&self, env: &Env<'_, '_>, attempts: u8) -> bool {
        self.settings.user_timeout.is_none() && attempts >= env.config().data_retries
    }

    /// The timer went off: the connection ends, and nothing is sent about it.
    pub(crate) fn on_user_timeout(&mut self, env: &mut Env<'_, '_>) {
        self.close(env, CloseReason::TimedOut(self.soft_error.unwrap_or(Error::Timeout)));
    }
}
