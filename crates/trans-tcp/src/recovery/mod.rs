//! Loss recovery: which bytes have to be sent again, and what the window is meanwhile.
//!
//! The lost bytes are one range, `[rtx_next, rtx_end)`: everything outstanding after a timeout (`rto.rs`), one segment
//! in a NewReno recovery (`newreno.rs`). What is in that range is not in the network, so
//! `pipe = (SND.NXT − SND.UNA) − (rtx_end − rtx_next)`. SND.NXT itself never moves back.

pub(crate) mod newreno;
pub(crate) mod rto;

use crate::event::Cause;
use stack_wire::seq::SeqNum;

/// Where the recovery is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Nothing is known to be lost.
    Open,
    /// Fast recovery after duplicate ACKs (RFC 6582).
    Fast,
    /// After a timeout, until all that was outstanding then is acknowledged.
    Loss,
}

impl From<Phase> for crate::congestion::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Open => Self::Open,
            Phase::Fast => Self::Recovery,
            Phase::Loss => Self::Loss,
        }
    }
}

/// The recovery state of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    pub(crate) phase: Phase,
    /// Duplicate ACKs since the last ACK of new data.
    pub(crate) dup_acks: u8,
    /// A partial ACK was seen in this fast recovery.
    partial: bool,
    /// Consecutive timeouts without progress.
    pub(crate) timeouts: u8,
    /// SND.NXT when the last recovery began: "recover" of RFC 6582.
    pub(crate) recovery_point: SeqNum,
    /// SND.NXT before limited transmit added to it.
    before_limited: SeqNum,
    rtx_next: SeqNum,
    rtx_end: SeqNum,
    cause: Cause,
}

impl Recovery {
    /// A connection that begins at `iss`.
    pub(crate) fn new(iss: SeqNum) -> Self {
        Self {
            phase: Phase::Open,
            dup_acks: 0,
            partial: false,
            timeouts: 0,
            recovery_point: iss,
            before_limited: iss,
            rtx_next: iss,
            rtx_end: iss,
            cause: Cause::Timeout,
        }
    }

    /// Marks `[start, end)` to be sent again.
    pub(crate) fn mark_lost(&mut self, start: SeqNum, end: SeqNum, cause: Cause) {
        (self.rtx_next, self.rtx_end, self.cause) = (start, end, cause);
    }

    /// The range to be sent again, and why; `None` if there is nothing.
    pub(crate) fn lost(&self) -> Option<(SeqNum, SeqNum, Cause)> {
        self.rtx_next.before(self.rtx_end).then_some((self.rtx_next, self.rtx_end, self.cause))
    }

    /// Bytes of the range that are not in the network.
    pub(crate) fn lost_bytes(&self) -> u32 {
        self.lost().map_or(0, |(start, end, _)| end.distance_from(start))
    }

    /// The range up to `end` was sent again.
    pub(crate) fn retransmitted(&mut self, end: SeqNum) {
        self.rtx_next = self.rtx_next.max(end);
    }

    /// Everything before `una` is acknowledged: it needs no retransmission any more.
    fn forget_before(&mut self, una: SeqNum) {
        self.rtx_next = self.rtx_next.max(una);
        self.rtx_end = self.rtx_end.max(una);
    }
}
