//! Explicit congestion notification: routers mark packets instead of dropping them. RFC 3168; with accurate feedback,
//! RFC 9768 (`accurate_ecn`).
//!
//! | what | RFC | file |
//! | --- | --- | --- |
//! | one mark a round trip: ECE and CWR | 3168 §6.1.2, §6.1.3 | `classic` |
//! | what a handshake agrees on | 3168 §6.1.1, 9768 §3.1 | `opening`, `accurate_ecn/handshake` |
//! | what arrives marked, what is sent as ECN-capable, and what the flags say | 3168 §6.1, 9768 §3.2 | `traffic` |
//! | what marks mean for the window | 3168 §6.1.2 | `recovery/cwr` |
//!
//! Left out: ECN on anything but new text (R3168-6.1.1-b, R3168-6.1.4-a), which only experiments have; ECT(1); the
//! historic nonce.

mod classic;
mod opening;
mod traffic;

pub use classic::Classic;
pub(crate) use opening::OpeningEcn;
pub use stack_core::EcnFeedback as Feedback;
pub(crate) use traffic::{Stamp, TWO_BLOCKS};

use crate::accurate_ecn::Accurate;
use crate::connection::Connection;
use crate::segment::Segment;
use stack_wire::ip::ecn;
use stack_wire::tcp::Flags;

/// The ECN field of an IP packet: RFC 3168 §5.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Codepoint {
    /// The transport would not understand a mark.
    #[default]
    NotEct = ecn::NOT_ECT,
    /// It would; for experiments (RFC 8311).
    Ect1 = ecn::ECT_1,
    /// It would.
    Ect0 = ecn::ECT_0,
    /// A router marked the packet.
    Ce = ecn::CE,
}

impl Codepoint {
    /// The codepoint in the two low bits of a traffic class.
    pub fn of_traffic_class(traffic_class: u8) -> Self {
        match traffic_class & 3 {
            ecn::NOT_ECT => Self::NotEct,
            ecn::ECT_1 => Self::Ect1,
            ecn::ECT_0 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub fn bits(self) -> u8 {
        self as u8
    }
}

/// The ECN of a connection, from the moment on at which its handshake has agreed on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Ecn {
    /// Not agreed, or not yet.
    #[default]
    Off,
    Classic(Classic),
    /// The state lies apart, as few connections have it: [`Connection::accurate_ecn`].
    Accurate,
}

impl Ecn {
    /// What both ends have agreed on.
    pub(crate) fn feedback(&self) -> Feedback {
        match self {
            Self::Off => Feedback::None,
            Self::Classic(_) => Feedback::Classic,
            Self::Accurate => Feedback::Accurate,
        }
    }

    /// Whether a segment echoes marks.
    pub(crate) fn is_echo(&self, seg: &Segment) -> bool {
        matches!(self, Self::Classic(_)) && seg.flags.contains(Flags::ECE)
    }

    /// The classic one.
    pub(crate) fn classic(&mut self) -> Option<&mut Classic> {
        if let Self::Classic(classic) = self { Some(classic) } else { None }
    }
}

impl Connection {
    /// The state of accurate feedback, if that is agreed on.
    pub(crate) fn accurate_ecn(&self) -> Option<&Accurate> {
        self.more.as_ref()?.accurate_ecn.as_ref()
    }

    /// The same, to be changed.
    pub(crate) fn accurate_ecn_mut(&mut self) -> Option<&mut Accurate> {
        self.more.as_mut()?.accurate_ecn.as_mut()
    }

    /// Whether something came that was sent as ECN-capable.
    pub(crate) fn sees_ecn(&self) -> bool {
        match &self.ecn {
            Ecn::Off => false,
            Ecn::Classic(classic) => classic.is_seen(),
            Ecn::Accurate => self.accurate_ecn().is_some_and(|accurate| accurate.receiver.is_seen()),
        }
    }

    /// What holds new text back for marks.
    pub(crate) fn hold(&self) -> Hold {
        match &self.ecn {
            Ecn::Off => Hold::default(),
            Ecn::Classic(classic) => classic.hold,
            Ecn::Accurate => self.accurate_ecn().map_or(Hold::default(), |accurate| accurate.hold),
        }
    }

    /// The same, to be changed.
    pub(crate) fn hold_mut(&mut self) -> Option<&mut Hold> {
        match &mut self.ecn {
            Ecn::Off => None,
            Ecn::Classic(classic) => Some(&mut classic.hold),
            Ecn::Accurate => {
                let accurate = self.more.as_mut()?.accurate_ecn.as_mut()?;
                Some(&mut accurate.hold)
            }
        }
    }
}

/// A window of one segment can't be reduced: marks hold new text back until the retransmission timer goes off (RFC 3168
/// §6.1.2), each time for twice as long (R9438-4.6-d), until the window has grown again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Hold(u8);

impl Hold {
    const WAITS: u8 = 1 << 7;

    /// Text waits from now on.
    pub(crate) fn begin(&mut self) {
        self.0 = Self::WAITS | (self.0 & !Self::WAITS).saturating_add(1).min(Self::WAITS - 1);
    }

    /// Text goes.
    pub(crate) fn end(&mut self) {
        self.0 &= !Self::WAITS;
    }

    /// Whether text waits; how often the timer is doubled then.
    pub(crate) fn doublings(self) -> Option<u8> {
        (self.0 & Self::WAITS != 0).then_some((self.0 & !Self::WAITS).saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R9438-4.6-d
    #[test]
    fn text_is_held_longer_each_time() {
        let mut hold = Hold::default();
        assert_eq!(hold.doublings(), None);
        for doublings in (0..126).chain([126, 126]) {
            hold.begin();
            assert_eq!(hold.doublings(), Some(doublings));
            hold.end();
            assert_eq!(hold.doublings(), None);
        }
    }

    #[test]
    fn codepoints_are_the_low_bits_of_the_traffic_class() {
        for bits in 0..=255u8 {
            assert_eq!(Codepoint::of_traffic_class(bits).bits(), bits & 3);
        }
    }
}
