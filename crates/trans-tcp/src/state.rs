//! The states of a connection and the ways between them: RFC 9293 §3.3.2, figure 5, in one table.
//!
//! Everything that changes a state goes through [`State::after`]. An event that has no arrow in the table leaves the
//! state as it is; `Closed` is reached from everywhere by [`Event::Abort`]. A close before ESTABLISHED is kept until
//! then (RFC 9293 §3.10.4 allows that), so SYN-SENT and SYN-RECEIVED have no arrow for it.

use core::fmt;

/// The state of a connection, as in RFC 9293 §3.3.2. LISTEN is a kind of socket of its own, and the SYN-RECEIVED
/// of a listener's peers is a record (`syn_queue.rs`); here it is reached by simultaneous open only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum State {
    /// There is no connection, or no more.
    #[default]
    Closed,
    /// Waits for connections.
    Listen,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received and answered; the answer is not acknowledged yet.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// Our FIN was sent, not acknowledged; the peer may go on sending.
    FinWait1,
    /// Our FIN was acknowledged; the peer may go on sending.
    FinWait2,
    /// The peer has sent its FIN; we may go on sending.
    CloseWait,
    /// Both FINs were sent, neither side knew of the other's; ours is not acknowledged yet.
    Closing,
    /// The peer closed first, then we; our FIN is not acknowledged yet.
    LastAck,
    /// Both sides are done; old segments may still be on the way.
    TimeWait,
}

/// What moves a connection from state to state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// The application connects.
    Connect,
    /// The peer's SYN, without an acknowledgment of ours: simultaneous open.
    Syn,
    /// The peer's SYN and the acknowledgment of ours have both arrived.
    Open,
    /// The application ends its side: a FIN is queued.
    Shutdown,
    /// The peer's FIN, and all before it, has arrived.
    Fin,
    /// Our FIN is acknowledged.
    FinAcked,
    /// Reset, timeout or abort.
    Abort,
}

impl State {
    /// The state after an event.
    #[must_use]
    pub fn after(self, event: Event) -> Self {
        match (self, event) {
            (_, Event::Abort) => Self::Closed,
            (Self::Closed, Event::Connect) => Self::SynSent,
            (Self::SynSent, Event::Syn) => Self::SynReceived, // R9293-MUST-10
            (Self::SynSent | Self::SynReceived, Event::Open) => Self::Established,
            (Self::Established, Event::Shutdown) => Self::FinWait1,
            (Self::CloseWait, Event::Shutdown) => Self::LastAck,
            (Self::Established, Event::Fin) => Self::CloseWait,
            (Self::FinWait1, Event::Fin) => Self::Closing,
            (Self::FinWait2, Event::Fin) => Self::TimeWait,
            (Self::FinWait1, Event::FinAcked) => Self::FinWait2,
            (Self::Closing, Event::FinAcked) => Self::TimeWait,
            (Self::LastAck, Event::FinAcked) => Self::Closed,
            (state, _) => state,
        }
    }

    /// Both sides know of the connection (RFC 9293 §3.5.2 group 3).
    pub fn is_synchronized(self) -> bool {
        !matches!(self, Self::Closed | Self::Listen | Self::SynSent | Self::SynReceived)
    }

    /// Our SYN is not acknowledged yet.
    pub(crate) fn is_opening(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived)
    }

    /// The peer may still send data.
    pub(crate) fn receives_data(self) -> bool {
        matches!(self, Self::Established | Self::FinWait1 | Self::FinWait2)
    }

    /// The application may still send data.
    pub(crate) fn accepts_writes(self) -> bool {
        matches!(self, Self::SynSent | Self::SynReceived | Self::Established | Self::CloseWait)
    }

    /// The peer has ended its side.
    pub(crate) fn peer_is_done(self) -> bool {
        matches!(self, Self::CloseWait | Self::Closing | Self::LastAck | Self::TimeWait)
    }

    /// Name as in the RFC.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "CLOSED",
            Self::Listen => "LISTEN",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::CloseWait => "CLOSE-WAIT",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{Event::*, State::*, *};

    fn walk(events: &[Event]) -> State {
        events.iter().fold(Closed, |state, &event| state.after(event))
    }

    #[test]
    fn the_walks_of_figure_5() {
        for (events, end) in [
            (&[Connect, Open][..], Established),
            (&[Connect, Syn, Open], Established),
            (&[Connect, Open, Shutdown, FinAcked, Fin], TimeWait),
            (&[Connect, Open, Shutdown, Fin, FinAcked], TimeWait),
            (&[Connect, Open, Fin, Shutdown, FinAcked], Closed),
            (&[Connect, Open, Fin, Abort], Closed),
        ] {
            assert_eq!(walk(events), end, "{events:?}");
        }
    }

    #[test]
    fn events_without_an_arrow_change_nothing() {
        for (state, event) in
            [(Established, FinAcked), (TimeWait, Fin), (CloseWait, Fin), (Closed, Open), (LastAck, Shutdown)]
        {
            assert_eq!(state.after(event), state);
        }
    }
}
