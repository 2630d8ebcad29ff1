//! Fourth check: a SYN where none belongs. RFC 9293 §3.10.7.4, RFC 5961 §4.

use super::{Flow, Reply};
use crate::connection::Connection;
use crate::env::Env;
use crate::segment::Segment;
use core::ops::ControlFlow;
use stack_core::DropReason;

impl Connection {
    /// Never a reason to reset: the peer is asked, and if it really has started again, it answers with a reset that
    /// fits (R5961-4.2-a).
    pub(super) fn check_syn(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        if !seg.flags.syn() {
            return Flow::Continue(());
        }
        env.counters().syn_challenge += 1;
        ControlFlow::Break(Reply::ChallengeAck(DropReason::TcpUnexpectedSyn))
    }
}
