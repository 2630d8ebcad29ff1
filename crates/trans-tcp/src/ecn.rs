//! Explicit congestion notification: RFC 3168, with one mark a round trip fed back ("classic", as RFC 9768 calls it).
//!
//! Routers mark packets instead of dropping them; the receiver echoes marks (ECE) until the sender says that it has reacted
//! (CWR). Pure data and functions of what arrives; the handshake of all kinds of feedback is in
//! `accurate_ecn/handshake.rs`. Left out: ECN on anything but new text (R3168-6.1.1-b, R3168-6.1.4-a), which only
//! experiments have, and the historic nonce.

use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;

/// The ECN field of an IP packet: RFC 3168 §5.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum Codepoint {
    /// The transport would not understand a mark.
    #[default]
    NotEct = 0b00,
    /// It would; for experiments (RFC 8311).
    Ect1 = 0b01,
    /// It would.
    Ect0 = 0b10,
    /// A router marked the packet.
    Ce = 0b11,
}

impl Codepoint {
    /// The codepoint in the two low bits of a traffic class.
    pub fn of_traffic_class(traffic_class: u8) -> Self {
        match traffic_class & 3 {
            0b00 => Self::NotEct,
            0b01 => Self::Ect1,
            0b10 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The two bits.
    pub fn bits(self) -> u8 {
        self as u8
    }
}

/// How the two ends of a connection feed marks back; the same in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Feedback {
    /// Not at all: nothing is sent as ECN-capable.
    #[default]
    None,
    /// By ECE and CWR (RFC 3168).
    Classic,
    /// By counters (RFC 9768).
    Accurate,
}

/// The ECN state of a connection with classic feedback.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Classic {
    /// A mark came, and no CWR since.
    echoes: bool,
    /// The window was reduced, and no new text was sent since.
    cwr_due: bool,
    /// SND.NXT at the last reduction: marks of what was sent before it are answered.
    reduced_at: Option<SeqNum>,
}

impl Classic {
    /// An acceptable segment arrived: R3168-6.1.3-a. A segment that says CWR and is marked itself begins a new echo.
    pub fn on_segment(&mut self, codepoint: Codepoint, flags: Flags) {
        self.echoes &= !flags.contains(Flags::CWR);
        self.echoes |= codepoint == Codepoint::Ce;
    }

    /// An acceptable ACK arrived. Returns whether the window has to be reduced: once for each window of data
    /// (R3168-6.1.2-a).
    pub fn on_ack(&mut self, flags: Flags, snd_una: SeqNum, snd_nxt: SeqNum) -> bool {
        if self.reduced_at.is_some_and(|at| snd_una.after_eq(at)) {
            self.reduced_at = None;
        }
        let reduces = flags.contains(Flags::ECE) && self.reduced_at.is_none() && snd_una != snd_nxt;
        if reduces {
            self.on_reduction(snd_nxt);
        }
        reduces
    }

    /// The window was reduced, for whatever reason: the peer is told, and marks of the same window don't count again.
    pub fn on_reduction(&mut self, snd_nxt: SeqNum) {
        (self.cwr_due, self.reduced_at) = (true, Some(snd_nxt));
    }

    /// The flags of a segment that is being sent; `is_new` if it carries text for the first time.
    pub fn flags(&mut self, is_new: bool) -> Flags {
        let mut flags = if self.echoes { Flags::ECE } else { Flags::NONE };
        if is_new && core::mem::take(&mut self.cwr_due) {
            flags |= Flags::CWR;
        }
        flags
    }

    /// Whether marks are being echoed: ACKs should not wait when this changes.
    pub fn echoes(&self) -> bool {
        self.echoes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: Flags = Flags::ACK;

    #[test]
    fn codepoints_are_the_low_bits_of_the_traffic_class() {
        for bits in 0..=255u8 {
            assert_eq!(Codepoint::of_traffic_class(bits).bits(), bits & 3);
        }
    }

    // R3168-6.1.3-a
    #[test]
    fn a_mark_is_echoed_until_the_sender_has_reduced() {
        let mut ecn = Classic::default();
        ecn.on_segment(Codepoint::Ect0, ACK);
        assert_eq!(ecn.flags(false), Flags::NONE);
        ecn.on_segment(Codepoint::Ce, ACK);
        ecn.on_segment(Codepoint::Ect0, ACK);
        assert_eq!((ecn.flags(false), ecn.flags(true), ecn.echoes()), (Flags::ECE, Flags::ECE, true));
        ecn.on_segment(Codepoint::Ect0, ACK | Flags::CWR);
        assert_eq!(ecn.flags(false), Flags::NONE);
        ecn.on_segment(Codepoint::Ce, ACK | Flags::CWR);
        assert_eq!(ecn.flags(false), Flags::ECE, "a marked CWR is a new mark");
    }

    // R3168-6.1.2-a
    #[test]
    fn a_window_of_data_is_answered_once() {
        let mut ecn = Classic::default();
        let ece = ACK | Flags::ECE;
        assert!(!ecn.on_ack(ACK, SeqNum(0), SeqNum(100)));
        assert!(ecn.on_ack(ece, SeqNum(10), SeqNum(100)));
        assert!(!ecn.on_ack(ece, SeqNum(50), SeqNum(140)));
        assert!(!ecn.on_ack(ece, SeqNum(99), SeqNum(180)));
        assert!(ecn.on_ack(ece, SeqNum(100), SeqNum(200)), "the echo of what was sent after the reduction");
        assert!(!ecn.on_ack(ece, SeqNum(199), SeqNum(200)));
        assert!(!ecn.on_ack(ece, SeqNum(200), SeqNum(200)), "nothing is in flight");
    }

    // R3168-6.1.2-a
    #[test]
    fn cwr_goes_with_the_next_new_text() {
        let mut ecn = Classic::default();
        ecn.on_ack(ACK | Flags::ECE, SeqNum(0), SeqNum(100));
        assert_eq!(ecn.flags(false), Flags::NONE, "neither on an ACK nor on a retransmission");
        assert_eq!((ecn.flags(true), ecn.flags(true)), (Flags::CWR, Flags::NONE));
        ecn.on_reduction(SeqNum(200)); // by a loss
        assert!(!ecn.on_ack(ACK | Flags::ECE, SeqNum(150), SeqNum(250)), "which counts for marks, too");
        assert_eq!(ecn.flags(true), Flags::CWR);
    }
}
