//! TCP as a bystander sees it: enough of RFC 9293's states for sensible timeouts, by flags alone.
//!
//! Sequence numbers are not followed: a window scale that was negotiated before we looked would make them lie. So a reset
//! is believed for a short while only (RFC 7857 §2.2): text that goes on takes it back.

use crate::config::Timeouts;
use crate::table::Direction;
use core::time::Duration;
use stack_wire::tcp::Flags;

/// Where a connection is, seen from between its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TcpState {
    /// A SYN without an answer.
    SynSent,
    /// The SYN was answered.
    SynReceived,
    /// Met in the middle, and seen from one side so far.
    PickedUp,
    /// Open, as far as both sides have shown.
    Established,
    /// One side has said FIN.
    Closing,
    /// Both sides have said FIN.
    TimeWait,
    /// A side has reset it.
    Reset,
}

impl TcpState {
    /// The state that the first segment leads to; `None` if no connection begins so.
    pub(crate) fn first(flags: Flags, loose: bool) -> Option<Self> {
        match essential(flags) {
            SYN => Some(Self::SynSent),
            ACK if loose => Some(Self::PickedUp),
            _ => None,
        }
    }

    /// The state after a segment. A SYN that begins the connection anew makes it [`TcpState::SynSent`] again.
    #[must_use]
    pub(crate) fn after(self, direction: Direction, flags: Flags, text: bool) -> Self {
        let original = direction == Direction::Original;
        match (self, essential(flags)) {
            (_, RST | RST_ACK) => Self::Reset,
            (Self::TimeWait | Self::Reset, SYN) => Self::SynSent,
            (Self::SynSent, SYN_ACK | SYN) if !original => Self::SynReceived,
            (Self::SynReceived, ACK) if original => Self::Established,
            (Self::PickedUp, ACK) if !original => Self::Established,
            (Self::Reset, ACK) if text => Self::Established,
            (Self::SynSent | Self::SynReceived | Self::PickedUp | Self::Established, FIN_ACK) => {
                Self::Closing
            }
            (state, _) => state,
        }
    }

    /// The state after a FIN of the other side as well.
    #[must_use]
    pub(crate) fn finished(self) -> Self {
        if self == Self::Closing { Self::TimeWait } else { self }
    }

    pub(crate) const fn timeout(self, timeouts: &Timeouts) -> Duration {
        match self {
            Self::SynSent | Self::SynReceived | Self::PickedUp | Self::Closing | Self::TimeWait => {
                timeouts.tcp_transitory
            }
            Self::Established => timeouts.tcp_established,
            Self::Reset => timeouts.tcp_reset,
        }
    }

    /// Whether losing the record would hurt somebody.
    pub(crate) const fn is_assured(self) -> bool {
        matches!(self, Self::Established | Self::Closing)
    }
}

const SYN: u16 = Flags::SYN.bits();
const ACK: u16 = Flags::ACK.bits();
const SYN_ACK: u16 = SYN | ACK;
const RST: u16 = Flags::RST.bits();
const RST_ACK: u16 = RST | ACK;
const FIN_ACK: u16 = Flags::FIN.bits() | ACK;

/// The flags that make states.
fn essential(flags: Flags) -> u16 {
    flags.bits() & (SYN | ACK | RST | FIN_ACK)
}

/// Whether the flags can stand together: what scanners send and no state accepts can't.
pub(crate) fn is_valid(flags: Flags) -> bool {
    matches!(essential(flags), SYN | SYN_ACK | ACK | RST | RST_ACK | FIN_ACK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Direction::{Original, Reply};

    fn walk(segments: &[(Direction, Flags)]) -> TcpState {
        let (first, rest) = segments.split_first().unwrap();
        let state = TcpState::first(first.1, true).unwrap();
        rest.iter().fold(state, |state, (direction, flags)| state.after(*direction, *flags, false))
    }

    #[test]
    fn a_connection_opens_and_closes() {
        let ack = Flags::ACK;
        let all = [
            (Original, Flags::SYN, TcpState::SynSent),
            (Reply, Flags::SYN | ack, TcpState::SynReceived),
            (Original, ack, TcpState::Established),
            (Original, Flags::PSH | ack, TcpState::Established),
            (Original, Flags::FIN | ack, TcpState::Closing),
            (Reply, ack, TcpState::Closing),
        ];
        for until in 1..=all.len() {
            let segments: alloc::vec::Vec<_> = all[..until].iter().map(|(d, f, _)| (*d, *f)).collect();
            assert_eq!(walk(&segments), all[until - 1].2, "{until}");
        }
        assert_eq!(TcpState::Closing.finished(), TcpState::TimeWait);
    }

    #[test]
    fn a_reset_is_believed_until_text_goes_on() {
        let reset = TcpState::Established.after(Reply, Flags::RST, false);
        assert_eq!(reset, TcpState::Reset);
        assert_eq!(reset.after(Original, Flags::ACK, false), TcpState::Reset);
        assert_eq!(reset.after(Original, Flags::ACK | Flags::PSH, true), TcpState::Established);
        assert_eq!(reset.after(Original, Flags::SYN, false), TcpState::SynSent);
    }

    #[test]
    fn what_begins_a_connection() {
        assert_eq!(TcpState::first(Flags::SYN | Flags::ECE | Flags::CWR, false), Some(TcpState::SynSent));
        assert_eq!(TcpState::first(Flags::ACK, true), Some(TcpState::PickedUp));
        for flags in [Flags::ACK, Flags::RST, Flags::SYN | Flags::ACK, Flags::FIN | Flags::ACK] {
            assert_eq!(TcpState::first(flags, false), None, "{flags:?}");
        }
        assert_eq!(walk(&[(Original, Flags::ACK), (Reply, Flags::ACK)]), TcpState::Established);
    }

    #[test]
    fn flags_of_scanners_are_invalid() {
        for flags in [Flags::NONE, Flags::FIN, Flags::SYN | Flags::FIN, Flags::SYN | Flags::RST, Flags::URG] {
            assert!(!is_valid(flags), "{flags:?}");
        }
        assert!(is_valid(Flags::ACK | Flags::URG | Flags::PSH | Flags::ECE));
    }
}
