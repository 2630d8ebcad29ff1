//! F-RTO: was the timeout spurious? RFC 5682 §3 (R5682-2-a), the variant for SACK.
//!
//! After a timeout only the first segment goes again. If what the next ACKs show to have arrived was never sent a
//! second time, the peer was slow and nothing was lost: the timeout is taken back. To learn that in time, the second
//! step sends new text instead of more retransmissions.

use super::Phase;
use super::delivery::Delivery;
use crate::connection::Connection;
use crate::env::Env;
use crate::event::UndoCause;

/// Where the algorithm is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Frto {
    /// It does not run, or the loss was real.
    #[default]
    Off,
    /// The first segment was sent again: step 2 waits for its ACK.
    Waiting,
    /// New text goes: step 3 waits for the next ACK.
    Probing,
}

impl Connection {
    /// Steps 2 and 3 for an ACK after a timeout. Returns whether the timeout was spurious and is taken back.
    pub(super) fn advance_frto(&mut self, env: &mut Env<'_, '_>, ack: &Delivery) -> bool {
        let (una, nxt, recovery_point) = (self.snd.una, self.snd.nxt, self.recovery.recovery_point);
        let Some(flight) = self.recovery.flight.as_mut().filter(|flight| flight.frto != Frto::Off) else {
            return false;
        };
        if ack.sent_once && env.config().undo {
            env.counters().spurious_rtos += 1; // step 3.b
            self.undo(env, UndoCause::Frto);
            return true;
        }
        if nxt.after(recovery_point) {
            if ack.sacked > 0 || ack.acked == 0 {
                flight.frto = Frto::Off; // step 3.a: what was sent later has arrived, the rest has not
            }
        } else if ack.acked > 0 && una.before(recovery_point) {
            flight.frto = Frto::Probing; // step 2.b
            self.recovery.recovery_point = nxt;
        }
        false
    }

    /// Whether new text goes before what counts as lost.
    pub(crate) fn probes_timeout(&self) -> bool {
        self.recovery.phase == Phase::Loss
            && self.recovery.flight.as_ref().is_some_and(|flight| flight.frto == Frto::Probing)
    }

    /// There is no new text to send: retransmissions go on.
    pub(crate) fn stop_probing_timeout(&mut self) {
        if let Some(flight) = &mut self.recovery.flight {
            flight.frto = Frto::Off;
        }
    }
}
