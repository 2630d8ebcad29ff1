//! What a retransmission timeout does: RFC 6298 §5.4 to §5.6, RFC 5681 §3.1, RFC 6582 §3.2 step 6.
//!
//! All that is outstanding counts as lost and is sent again in order, as the window that begins at one segment
//! allows (go-back-N: without SACK there is no better knowledge). Leaves out F-RTO and undo.

use super::{Phase, Recovery};
use crate::congestion::{CongestionControl, Window};
use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::event::{Cause, TcpEvent};
use crate::timers::Timer;
use stack_core::{Error, Hop};
use stack_wire::seq::SeqNum;

/// Timeouts in a row after which the path is doubted: R9293-SHLD-10.
const R1: u8 = 3;

impl Recovery {
    /// The timer went off with `[una, nxt)` outstanding.
    pub(crate) fn on_timeout(
        &mut self,
        window: &mut Window,
        congestion: &mut dyn CongestionControl,
        una: SeqNum,
        nxt: SeqNum,
        mss: u32,
    ) {
        // R5681-3.1-e: the threshold falls with the first timeout of a segment only.
        let flight = nxt.distance_from(una);
        if self.timeouts == 0 {
            window.ssthresh = congestion.ssthresh(window, flight, mss);
        }
        congestion.on_timeout(window, flight, mss);
        self.timeouts = self.timeouts.saturating_add(1);
        self.phase = Phase::Loss;
        self.recovery_point = nxt; // R6582-4-a: duplicates of what is sent again start no fast recovery
        self.dup_acks = 0;
        self.mark_lost(una, nxt, Cause::Timeout);
    }
}

impl Connection {
    /// The retransmission timer went off.
    pub(crate) fn on_retransmission_timeout(&mut self, env: &mut Env<'_, '_>) {
        if self.state.is_opening() {
            return self.on_syn_timeout(env);
        }
        if self.snd.outstanding() == 0 {
            return;
        }
        if self.recovery.timeouts >= env.config().data_retries {
            // R2 of R9293-MUST-20
            return self.close(env, CloseReason::TimedOut(self.soft_error.unwrap_or(Error::Timeout)));
        }
        env.counters().timeouts += 1;
        let (una, nxt, mss) = (self.snd.una, self.snd.nxt, self.mss());
        self.recovery.on_timeout(&mut self.window, self.congestion.get_mut(), una, nxt, mss);
        if self.recovery.timeouts == R1 {
            self.path.hop = Hop::UNRESOLVED; // R1 of R9293-MUST-20: ask for the route again
        }
        self.back_off(env);
        let recovery_point = nxt;
        env.emit(|| TcpEvent::RecoveryBegins { cause: Cause::Timeout, recovery_point });
        self.show_window(env);
    }

    /// R9293-MUST-22, R9293-MUST-23.
    fn on_syn_timeout(&mut self, env: &mut Env<'_, '_>) {
        if self.recovery.timeouts >= env.config().syn_retries {
            return self.close(env, CloseReason::TimedOut(self.soft_error.unwrap_or(Error::Timeout)));
        }
        self.recovery.timeouts += 1;
        self.syn_due = true;
        self.back_off(env);
    }

    /// R6298-5.5-a.
    fn back_off(&mut self, env: &mut Env<'_, '_>) {
        self.rtt.backoff = self.rtt.backoff.saturating_add(1);
        let rto = self.rtt.rto(env.config());
        self.timers.set(Timer::Retransmit, env.now + rto);
    }
}
