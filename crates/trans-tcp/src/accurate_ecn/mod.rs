//! Accurate ECN: RFC 9768. How many packets and bytes were marked, not only that some were.
//!
//! Each end counts what arrives with each codepoint ([`Receiver`]) and sends the low three bits of its count of marked
//! packets in the place of three flags of every segment (ACE), and counts of bytes in an option where there is room
//! (`option.rs`). The other end ([`Sender`]) keeps the same counts by what it is told. The handshake is in
//! `handshake.rs`. Left out: remembering over connections which paths drop the option or the flags.

mod handshake;
mod option;
mod receiver;
mod sender;

pub use handshake::{
    ACCURATE_SYN_ACKS, AckOfSynAck, ack_of_syn_ack_flags, answer_to_syn, conflicts, is_mangled,
    on_ack_of_syn_ack, on_syn_ack, syn_ack_flags, syn_flags,
};
pub use receiver::Receiver;
pub use sender::{Marked, Sender};

use crate::ecn::{Codepoint, Hold};
use stack_wire::tcp::Flags;
use stack_wire::tcp_options::AccEcnOption;

/// What both ends begin to count marked packets from: RFC 9768 §3.2.1.
const INITIAL_CEP: u32 = 5;
/// The same for bytes of ECT(0) and ECT(1).
const INITIAL_BYTES: u32 = 1;
/// Values of ACE.
const ACE_MODULUS: u32 = 8;

/// The three flags as a number: RFC 9768 §3.2.2.
pub fn ace(flags: Flags) -> u8 {
    let bit = |flag, value| if flags.contains(flag) { value } else { 0 };
    bit(Flags::AE, 4) | bit(Flags::CWR, 2) | bit(Flags::ECE, 1)
}

/// A number as the three flags.
pub fn ace_flags(ace: u8) -> Flags {
    let bit = |flag, value: u8| if ace & value != 0 { flag } else { Flags::NONE };
    bit(Flags::AE, 4) | bit(Flags::CWR, 2) | bit(Flags::ECE, 1)
}

/// Bytes of text with each codepoint; their low 24 bits travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ByteCounts {
    /// ECT(0): `e0b`.
    pub ect0: u32,
    /// Marked: `ceb`.
    pub ce: u32,
    /// ECT(1): `e1b`.
    pub ect1: u32,
}

impl ByteCounts {
    pub(crate) const INITIAL: Self = Self { ect0: INITIAL_BYTES, ce: 0, ect1: INITIAL_BYTES };

    /// Bytes since the beginning: without what counting begins from.
    pub(crate) fn since_beginning(&self) -> Self {
        let less = |count: u32| count.wrapping_sub(INITIAL_BYTES);
        Self { ect0: less(self.ect0), ce: self.ce, ect1: less(self.ect1) }
    }
}

/// The state of a connection with accurate feedback.
#[derive(Clone, Debug)]
pub(crate) struct Accurate {
    pub(crate) receiver: Receiver,
    pub(crate) sender: Sender,
    /// How the peer's SYN arrived: our SYN-ACKs say so.
    pub(crate) syn: Codepoint,
    /// How the peer's SYN-ACK arrived, to be told with a pure ACK of it.
    pub(crate) syn_ack: Option<Codepoint>,
    /// Segments that test whether the path lets the option through.
    pub(crate) options_due: u8,
    /// A segment with the option was not lost so far.
    pub(crate) sends_option: bool,
    /// The ACK that is due answers ACKs: it must not look like a duplicate.
    pub(crate) answers_acks: bool,
    pub(crate) hold: Hold,
}

impl Accurate {
    /// A connection whose peer's SYN arrived with `syn`.
    pub(crate) fn new(syn: Codepoint) -> Self {
        Self {
            receiver: Receiver::default(),
            sender: Sender::default(),
            syn,
            syn_ack: None,
            options_due: 0,
            sends_option: true,
            answers_acks: false,
            hold: Hold::default(),
        }
    }

    /// The flags of a segment without SYN that is being sent; `is_pure` without text and FIN.
    pub(crate) fn flags(&mut self, is_pure: bool) -> Flags {
        match self.syn_ack.take() {
            Some(arrived) if is_pure => {
                self.receiver.on_ack_sent();
                ack_of_syn_ack_flags(arrived)
            }
            _ => ace_flags(self.receiver.take_ace()),
        }
    }

    /// The option of such a segment, if it needs one and has room for it.
    pub(crate) fn option(&mut self, room: usize) -> Option<AccEcnOption> {
        if !self.sends_option {
            return None;
        }
        if self.options_due == 0 {
            return self.receiver.take_option(room);
        }
        self.options_due -= 1;
        self.receiver.whole_option(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ace_is_ae_cwr_ece() {
        assert_eq!(ace(Flags::AE | Flags::ACK), 0b100);
        assert_eq!(ace(Flags::CWR | Flags::ECE), 0b011);
        for value in 0..8 {
            assert_eq!(ace(ace_flags(value)), value);
        }
    }

    // R9768-3.2.1-a
    #[test]
    fn counters_begin_at_numbers_that_zeroing_would_show() {
        let accurate = Accurate::new(Codepoint::NotEct);
        let bytes = ByteCounts { ect0: 1, ce: 0, ect1: 1 };
        assert_eq!((accurate.receiver.ace(), accurate.receiver.bytes()), (5, bytes));
        assert_eq!((accurate.sender.marked(), accurate.sender.bytes()), (0, bytes));
    }

    // R9768-3.2.2.1-a
    #[test]
    fn a_pure_ack_of_the_syn_ack_tells_how_that_arrived_and_others_count() {
        let mut accurate = Accurate::new(Codepoint::NotEct);
        let told = |accurate: &mut Accurate, is_pure| ace(accurate.flags(is_pure));
        accurate.syn_ack = Some(Codepoint::Ect1);
        assert_eq!((told(&mut accurate, true), told(&mut accurate, true)), (0b011, 5));
        accurate.syn_ack = Some(Codepoint::Ect1);
        assert_eq!((told(&mut accurate, false), told(&mut accurate, true)), (5, 5));
    }

    // R9768-3.2.3.2.1-b
    #[test]
    fn the_first_segments_carry_the_option_although_nothing_has_changed() {
        let mut accurate = Accurate::new(Codepoint::NotEct);
        accurate.options_due = 2;
        let mut lengths = |room| accurate.option(room).map_or(0, |option| option.len());
        assert_eq!([lengths(28), lengths(8), lengths(28)], [11, 8, 0]);
    }

    #[test]
    fn both_ends_keep_the_same_counts() {
        let (mut receiver, mut sender) = (Receiver::default(), Sender::default());
        let (mut marked, mut said) = (0, 0);
        for i in 0..1000u32 {
            let codepoint = if i % 7 < 3 { Codepoint::Ce } else { Codepoint::Ect0 };
            receiver.on_packets(codepoint, 1, 1000, true);
            marked += u32::from(codepoint == Codepoint::Ce);
            if i % 5 == 0 {
                said += sender.on_ack(receiver.ace(), 5, 1000, receiver.take_option(11).as_ref()).packets;
            }
        }
        said += sender.on_ack(receiver.ace(), 5, 1000, receiver.take_option(11).as_ref()).packets;
        assert_eq!((said, sender.marked(), sender.bytes()), (marked, receiver.marked(), receiver.bytes()));
    }
}
