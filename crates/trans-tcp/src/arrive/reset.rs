//! Second check: resets. RFC 9293 §3.10.7.4, RFC 5961 §3.

use super::{Flow, Reply};
use crate::connection::Connection;
use crate::error::CloseReason;
use crate::fastopen::FastOpen;
use crate::segment::Segment;
use crate::state::State;
use core::ops::ControlFlow;
use stack_core::DropReason;

impl Connection {
    /// A reset counts if it has exactly the number that is expected next; a near miss inside the window asks the peer
    /// to confirm (R5961-3.2-a). Data in it is no matter (R9293-SHLD-2).
    pub(super) fn check_reset(&mut self, seg: &Segment) -> Flow {
        if !seg.flags.rst() {
            return Flow::Continue(());
        }
        if seg.seq != self.rcv.nxt {
            return ControlFlow::Break(Reply::ChallengeAck(DropReason::TcpBadReset));
        }
        ControlFlow::Break(Reply::Close(match self.state {
            State::SynReceived if self.fast_open == FastOpen::Serving => CloseReason::Reset,
            State::SynReceived => CloseReason::Refused, // an active open (R9293-MUST-11)
            State::CloseWait => CloseReason::ResetAfterClose,
            State::Closing | State::LastAck => CloseReason::Normal,
            _ => CloseReason::Reset,
        }))
    }
}
