//! Classic feedback: RFC 3168 §6.1.2 and §6.1.3. The receiver echoes marks (ECE) until the sender says that it has reacted
//! (CWR). Pure data and functions of what arrives.

use super::{Codepoint, Hold};
use stack_wire::tcp::Flags;

/// The ECN state of a connection with classic feedback.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Classic {
    /// A mark came, and no CWR since.
    echoes: bool,
    /// The window was reduced, and no new text was sent since.
    cwr_due: bool,
    /// Text is sent as ECN-capable.
    sends_ect: bool,
    /// Something came that was sent as ECN-capable.
    seen: bool,
    pub(super) hold: Hold,
}

impl Classic {
    /// A connection that has agreed on it. Whoever sent a SYN or SYN-ACK that says otherwise, or received one, sends
    /// nothing as ECN-capable, and still echoes marks (RFC 3168 §6.1.1).
    pub fn new(sends_ect: bool) -> Self {
        Self { echoes: false, cwr_due: false, sends_ect, seen: false, hold: Hold::default() }
    }

    /// An acceptable segment arrived: R3168-6.1.3-a. A segment that says CWR and is marked itself begins a new echo. Returns
    /// whether the peer should hear of it at once: because marks begin, or because it has reduced its window, perhaps to so
    /// little that it waits for an ACK.
    pub fn on_segment(&mut self, codepoint: Codepoint, flags: Flags) -> bool {
        let is_marked = codepoint == Codepoint::Ce;
        let reduced = flags.contains(Flags::CWR);
        let begins = is_marked && (!self.echoes || reduced);
        self.echoes = is_marked || self.echoes && !reduced;
        self.seen |= codepoint != Codepoint::NotEct;
        begins || reduced
    }

    /// The window was reduced, for whatever reason: the peer is told (R3168-6.1.2-a).
    pub fn on_reduction(&mut self) {
        self.cwr_due = true;
    }

    /// The reduction is taken back.
    pub fn on_undo(&mut self) {
        self.cwr_due = false;
    }

    /// The flags of a segment that is being sent; `is_new` if it carries text for the first time.
    pub fn flags(&mut self, is_new: bool) -> Flags {
        let mut flags = if self.echoes { Flags::ECE } else { Flags::NONE };
        if is_new && core::mem::take(&mut self.cwr_due) {
            flags |= Flags::CWR;
        }
        flags
    }

    /// The codepoint of a segment; ECT for new text only (R3168-6.1.4-a).
    pub fn codepoint(&self, is_new: bool) -> Codepoint {
        if is_new && self.sends_ect { Codepoint::Ect0 } else { Codepoint::NotEct }
    }

    /// Whether something came that was sent as ECN-capable.
    pub fn is_seen(&self) -> bool {
        self.seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: Flags = Flags::ACK;

    // R3168-6.1.3-a
    #[test]
    fn a_mark_is_echoed_until_the_sender_has_reduced() {
        let mut ecn = Classic::new(true);
        assert!(!ecn.on_segment(Codepoint::Ect0, ACK));
        assert_eq!(ecn.flags(false), Flags::NONE);
        assert!(ecn.on_segment(Codepoint::Ce, ACK), "it begins");
        assert!(!ecn.on_segment(Codepoint::Ect0, ACK) && !ecn.on_segment(Codepoint::Ce, ACK));
        assert_eq!((ecn.flags(false), ecn.flags(true)), (Flags::ECE, Flags::ECE));
        assert!(ecn.on_segment(Codepoint::Ect0, ACK | Flags::CWR));
        assert_eq!(ecn.flags(false), Flags::NONE);
        ecn.on_segment(Codepoint::Ce, ACK | Flags::CWR);
        assert_eq!(ecn.flags(false), Flags::ECE, "a marked CWR is a new mark");
    }

    // R3168-6.1.2-a
    #[test]
    fn cwr_goes_with_the_next_new_text() {
        let mut ecn = Classic::new(true);
        ecn.on_reduction();
        assert_eq!(ecn.flags(false), Flags::NONE, "neither on an ACK nor on a retransmission");
        assert_eq!((ecn.flags(true), ecn.flags(true)), (Flags::CWR, Flags::NONE));
        ecn.on_reduction();
        ecn.on_undo();
        assert_eq!(ecn.flags(true), Flags::NONE, "there was no reduction");
    }

    // R3168-6.1.4-a
    #[test]
    fn only_new_text_is_ecn_capable() {
        let codepoints = |ecn: Classic| [true, false].map(|is_new| ecn.codepoint(is_new));
        assert_eq!(codepoints(Classic::new(true)), [Codepoint::Ect0, Codepoint::NotEct]);
        assert_eq!(codepoints(Classic::new(false)), [Codepoint::NotEct; 2]);
    }

    #[test]
    fn what_the_peer_sends_is_remembered() {
        for (codepoint, seen) in [(Codepoint::NotEct, false), (Codepoint::Ect0, true), (Codepoint::Ce, true)]
        {
            let mut ecn = Classic::new(true);
            ecn.on_segment(codepoint, ACK);
            assert_eq!(ecn.is_seen(), seen, "{codepoint:?}");
        }
    }
}
