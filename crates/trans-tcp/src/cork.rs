//! `TCP_CORK`: segments that are not full wait for more to come, for 200 ms at most. Linux's name and number.
//!
//! It is stronger than `TCP_NODELAY` and Nagle's rule. What does not wait: full segments, urgent data, the end of the
//! stream, and all that is there when the cork is pulled.

use crate::connection::Connection;
use crate::env::Env;
use crate::timers::Timer;
use core::time::Duration;

/// How long an incomplete segment may wait. Linux: 200 ms.
const MOST: Duration = Duration::from_millis(200);

impl Connection {
    /// Whether segments that are not full wait now.
    pub(crate) fn is_corked(&self) -> bool {
        self.settings.cork && !self.cork_expired && !self.snd.has_fin()
    }

    /// Whether the cork is all that keeps the rest of the text back.
    pub(crate) fn is_held_by_cork(&self) -> bool {
        self.is_corked() && self.snd.unsent() < self.mss() && self.snd.wnd > 0
    }

    /// The connection has had its turn: what is left may be waiting for more.
    pub(crate) fn schedule_cork(&mut self, env: &Env<'_, '_>) {
        if self.snd.unsent() == 0 {
            self.cork_expired = false;
            self.clear_cork();
        } else if self.is_corked() {
            self.timers.set_if_off(Timer::Cork, env.now + MOST);
        }
    }

    /// The timer went off: what has been collected goes.
    pub(crate) fn on_cork_timeout(&mut self) {
        self.cork_expired = true;
    }

    fn clear_cork(&mut self) {
        if !self.orphan {
            self.timers.clear(Timer::Cork);
        }
    }
}
