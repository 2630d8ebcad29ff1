//! What a handshake agrees on: RFC 3168 §6.1.1, RFC 9768 §3.1, in the words of `accurate_ecn/handshake.rs`.
//!
//! A client remembers nothing but how often its SYN timed out; a half-open record has three octets ([`OpeningEcn`]). The
//! feedback of a connection is decided by the first SYN or SYN-ACK and never changes (R9768-3.1.5-a).

use super::{Classic, Codepoint, Ecn, Feedback};
use crate::accurate_ecn::{
    ACCURATE_SYN_ACKS, Accurate, ace, ace_flags, answer_to_syn, conflicts, on_ack_of_syn_ack, on_syn_ack,
    syn_ack_flags, syn_flags,
};
use crate::connection::Connection;
use crate::segment::Segment;
use crate::state::State;
use stack_wire::tcp::Flags;

/// The first ACE of whoever answers a SYN: nothing was counted yet.
const FIRST_ACE: u8 = 5;
/// Segments of a client that test whether the path lets the option through: the ACK of the SYN-ACK, and its first text
/// (R9768-3.2.3.2.1-b).
const CLIENT_OPTIONS: u8 = 2;

/// What a listener remembers of a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct OpeningEcn {
    /// What both will use.
    pub(crate) feedback: Feedback,
    /// How the latest SYN arrived (R9768-3.1.5-e).
    pub(crate) syn: Codepoint,
    /// A later SYN had none of the three flags.
    pub(crate) was_silent: bool,
}

impl OpeningEcn {
    /// What is made of a SYN by a listener that agrees to so much.
    pub(crate) fn of_syn(accepts: Feedback, seg: &Segment) -> Self {
        Self { feedback: answer_to_syn(accepts, seg.flags), syn: seg.codepoint, was_silent: false }
    }

    /// What is made of an ACK that brings a cookie back: the first ACE of those with accurate feedback is none that a
    /// classic peer would send (RFC 9768 §5.1).
    pub(crate) fn of_cookie(accepts: Feedback, seg: &Segment) -> Self {
        let feedback = if ace(seg.flags) > 1 { Feedback::Accurate } else { Feedback::Classic };
        Self { feedback: feedback.min(accepts), ..Self::default() }
    }

    /// The SYN came again. `false` if it asks for another kind of feedback than the first: then the ends could come to have
    /// different ones (R9768-3.1.5-d).
    pub(crate) fn on_syn_again(&mut self, accepts: Feedback, seg: &Segment) -> bool {
        let first = match self.feedback {
            Feedback::None => return true, // R9768-3.1.5-g
            Feedback::Classic => ace_flags(0b011),
            Feedback::Accurate => ace_flags(0b111),
        };
        self.syn = seg.codepoint;
        self.was_silent |= ace(seg.flags) == 0;
        accepts != Feedback::Accurate || !conflicts(false, first, seg.flags)
    }

    /// The flags of the SYN-ACK after `timeouts` of it; after the first of them it has no option, either (R9768-3.1.5-f,
    /// R9768-3.2.3.2.2-a).
    pub(crate) fn syn_ack_flags(&self, timeouts: u8) -> Flags {
        syn_ack_flags(self.feedback, self.syn, timeouts)
    }

    /// The flags of an ACK of the record's.
    pub(crate) fn ack_flags(&self) -> Flags {
        if self.feedback == Feedback::Accurate { ace_flags(FIRST_ACE) } else { Flags::NONE }
    }

    /// The state of accurate feedback to begin with, after so many timeouts of the SYN-ACK.
    fn accurate(&self, timeouts: u8) -> Accurate {
        let mut accurate = Accurate::new(self.syn);
        if self.was_silent || timeouts >= ACCURATE_SYN_ACKS {
            accurate.sender.stop_sending_ect(); // R9768-3.1.5-j
        }
        accurate.sends_option = timeouts == 0;
        accurate
    }
}

impl Connection {
    /// The peer's SYN, or SYN-ACK, says what it can do.
    pub(crate) fn agree_on_ecn(&mut self, seg: &Segment) {
        if seg.flags.ack() { self.take_ecn_of_syn_ack(seg) } else { self.take_ecn_of_crossing_syn(seg) }
    }

    /// A SYN was answered, and the answer confirmed after so many timeouts.
    pub(crate) fn begin_ecn(&mut self, opening: &OpeningEcn, timeouts: u8) {
        match opening.feedback {
            Feedback::None => {}
            Feedback::Classic => self.ecn = Ecn::Classic(Classic::new(!opening.was_silent)),
            Feedback::Accurate => self.begin_accurate_ecn(opening.accurate(timeouts)),
        }
    }

    fn begin_accurate_ecn(&mut self, accurate: Accurate) {
        self.ecn = Ecn::Accurate;
        self.more.get_or_insert_default().accurate_ecn = Some(accurate);
    }

    /// Both ends open: each is as one that only answered (R9768-3.1.2-d), with what it has asked for itself.
    fn take_ecn_of_crossing_syn(&mut self, seg: &Segment) {
        let policy = self.settings.ecn;
        let mut opening = OpeningEcn::of_syn(policy.accepts.min(policy.requests), seg);
        opening.was_silent = self.has_been_silent();
        self.begin_ecn(&opening, 0);
    }

    /// Whether the last of our SYNs had none of the three flags.
    fn has_been_silent(&self) -> bool {
        syn_flags(self.settings.ecn.requests, self.recovery.timeouts) == Flags::NONE
    }

    fn take_ecn_of_syn_ack(&mut self, seg: &Segment) {
        let (request, was_silent) = (self.settings.ecn.requests, self.has_been_silent());
        match on_syn_ack(request, Codepoint::NotEct, seg.flags) {
            (Feedback::None, _) => {}
            (Feedback::Classic, _) => self.ecn = Ecn::Classic(Classic::new(!was_silent)),
            (Feedback::Accurate, syn) => {
                let mut accurate = Accurate::new(Codepoint::NotEct);
                accurate.sender.on_syn_ack(Codepoint::NotEct, syn.unwrap_or_default());
                accurate.syn_ack = Some(seg.codepoint);
                accurate.options_due = CLIENT_OPTIONS;
                if seg.codepoint == Codepoint::Ce {
                    accurate.receiver.on_marked_syn_ack();
                }
                self.begin_accurate_ecn(accurate);
            }
        }
    }

    /// The ACK of our SYN-ACK: without text, it may say how that arrived (R9768-3.2.2.1-b).
    pub(crate) fn take_ack_of_syn_ack(&mut self, seg: &Segment) {
        if let Some(accurate) = self.accurate_ecn_mut() {
            if is_ack_of_syn_ack(seg) {
                accurate.sender.on_handshake(on_ack_of_syn_ack(seg.flags), Codepoint::NotEct);
            }
        }
    }

    /// The SYN-ACK came again: the ACK that answers it says how the latest arrived (R9768-3.1.5-e).
    pub(crate) fn take_syn_ack_again(&mut self, seg: &Segment) {
        if let Some(accurate) = self.accurate_ecn_mut() {
            accurate.syn_ack = Some(seg.codepoint);
            if seg.codepoint == Codepoint::Ce {
                accurate.receiver.on_marked_syn_ack();
            }
        }
    }

    /// The ECN flags of a SYN, or of a SYN-ACK that this connection sends itself.
    pub(crate) fn opening_flags(&mut self) -> Flags {
        let timeouts = self.recovery.timeouts;
        if self.state == State::SynSent {
            return syn_flags(self.settings.ecn.requests, timeouts);
        }
        let feedback = self.ecn.feedback();
        match self.accurate_ecn_mut() {
            Some(accurate) => {
                let flags = syn_ack_flags(Feedback::Accurate, accurate.syn, timeouts);
                if flags == Flags::NONE {
                    accurate.sender.stop_sending_ect(); // R9768-3.1.5-j
                }
                accurate.sends_option &= timeouts == 0;
                flags
            }
            None => syn_ack_flags(feedback, Codepoint::NotEct, timeouts),
        }
    }
}

/// Whether ACE of an ACK that completes a handshake is not a count, but tells about our SYN-ACK.
pub(crate) fn is_ack_of_syn_ack(seg: &Segment) -> bool {
    seg.len == 0 && !seg.flags.fin() && !seg.had_syn
}
