//! How connections end. Errors of calls are [`stack_core::Error`].

use core::fmt;
use stack_core::Error;

/// Why a connection ended (R9293-MUST-12).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// Both sides have closed and know of each other's close.
    Normal,
    /// The peer refused: it answered our SYN with a reset, or an ICMP message did so in its name.
    Refused,
    /// The peer reset it.
    Reset,
    /// The peer reset it after it had closed its side.
    ResetAfterClose,
    /// The peer did not answer: retransmissions, window probes, keepalive probes, or the user timeout ran out.
    /// The error is what ICMP said last, or a plain timeout.
    TimedOut(Error),
    /// The connect failed because of what ICMP or this host's own network layer said.
    Unreachable(Error),
    /// This side aborted it.
    Aborted,
}

impl CloseReason {
    /// The error that the application gets; `None` for a normal end.
    pub fn error(self) -> Option<Error> {
        match self {
            Self::Normal => None,
            Self::Refused => Some(Error::ConnectionRefused),
            Self::Reset => Some(Error::ConnectionReset),
            Self::ResetAfterClose => Some(Error::ClosedForSend),
            Self::TimedOut(error) | Self::Unreachable(error) => Some(error),
            Self::Aborted => Some(Error::Aborted),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error() {
            None => f.write_str("both sides closed"),
            Some(error) => fmt::Display::fmt(&error, f),
        }
    }
}
