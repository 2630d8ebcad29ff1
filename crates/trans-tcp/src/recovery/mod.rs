//! Loss recovery: what has to be sent again, when, and what the window is meanwhile.
//!
//! | what | RFC | file |
//! | --- | --- | --- |
//! | what became of each octet in flight | 6675 §4 | `scoreboard` |
//! | what exists only while data is in flight | | `flight` |
//! | what an ACK delivers; what its SACK option says | 2018, 2883 | `delivery`, `sack` |
//! | which octets are lost | 8985 §6 | `rack` |
//! | the last of a flight | 8985 §7 | `tlp` |
//! | beginning and end of a recovery with SACK | 8985, 6675 §5 | `fast` |
//! | how much may be sent in one | 9937 | `prr` |
//! | recovery without SACK | 6582, 3042 | `newreno` |
//! | marks of routers | 3168 §6.1.2 | `cwr` |
//! | timeouts, reneging | 6298, 2018 §8 | `rto` |
//! | recoveries that were for nothing | 3522, 4015, 3708, 5682 | `undo`, `frto` |
//!
//! SND.NXT itself never moves back: what is sent again is a stretch of the scoreboard.
//! `pipe = (SND.NXT − SND.UNA) − sacked − lost`, where what was sent again is in the network like everything else.

mod cwr;
pub(crate) mod delivery;
mod fast;
pub(crate) mod flight;
pub(crate) mod frto;
pub(crate) mod newreno;
pub(crate) mod prr;
pub(crate) mod rack;
pub(crate) mod rto;
pub(crate) mod sack;
pub(crate) mod scoreboard;
pub(crate) mod tlp;
pub(crate) mod undo;

pub(crate) use crate::congestion::Phase;
pub(crate) use rto::R1;

use crate::event::Cause;
use alloc::boxed::Box;
use flight::Flight;
use rack::Reordering;
use stack_core::Instant;
use stack_wire::seq::SeqNum;
use tlp::LossProbe;
use undo::Undo;

/// The recovery state of a connection.
#[derive(Debug)]
pub(crate) struct Recovery {
    pub(crate) phase: Phase,
    /// Duplicate ACKs since the last ACK of new data; counted without SACK.
    pub(crate) dup_acks: u8,
    /// A partial ACK was seen in this fast recovery.
    partial: bool,
    /// Consecutive timeouts without progress.
    pub(crate) timeouts: u8,
    /// Why the octets that are lost count as such.
    pub(crate) cause: Cause,
    pub(crate) reordering: Reordering,
    /// SND.NXT when the last recovery began: "recover" of RFC 6582, RecoveryPoint of RFC 6675.
    pub(crate) recovery_point: SeqNum,
    pub(crate) probe: LossProbe,
    pub(crate) undo: Undo,
    /// There while something is in flight.
    pub(crate) flight: Option<Box<Flight>>,
}

impl Recovery {
    /// A connection that begins at `iss`.
    pub(crate) fn new(iss: SeqNum) -> Self {
        Self {
            phase: Phase::Open,
            dup_acks: 0,
            partial: false,
            timeouts: 0,
            cause: Cause::Timeout,
            reordering: Reordering::default(),
            recovery_point: iss,
            probe: LossProbe::NONE,
            undo: Undo::NONE,
            flight: None,
        }
    }

    /// Marks everything in `[start, end)` that is in flight to be sent again; returns how many octets that are.
    pub(crate) fn mark_lost(&mut self, start: SeqNum, end: SeqNum, cause: Cause) -> u32 {
        let Some(flight) = &mut self.flight else { return 0 };
        let before = flight.board.lost();
        flight.board.mark_lost(start, end, Instant::FAR_FUTURE, |_| ());
        self.cause = cause;
        flight.board.lost() - before
    }

    /// Marks runs of more than `mss` octets to be sent again: segments of theirs may be longer than that. Returns how
    /// many octets that are.
    pub(crate) fn mark_longer_lost(&mut self, mss: u32, cause: Cause) -> u32 {
        let mut octets = 0;
        let mut from = self.flight.as_ref().and_then(|flight| flight.board.first()).map(|run| run.start);
        while let Some(start) = from {
            let run = self.flight.as_ref().and_then(|flight| flight.board.first_longer(start, mss)).copied();
            octets += run.map_or(0, |run| self.mark_lost(run.start, run.end, cause));
            from = run.map(|run| run.end);
        }
        octets
    }

    /// Octets that are to be sent again.
    pub(crate) fn lost_bytes(&self) -> u32 {
        self.flight.as_ref().map_or(0, |flight| flight.board.lost())
    }
}
