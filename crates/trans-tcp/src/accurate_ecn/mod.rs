//! Accurate ECN: RFC 9768. How many packets and bytes were marked, not only that some were.
//!
//! Each end counts what arrives with each codepoint ([`Receiver`]) and sends the low three bits of its count of marked
//! packets in the place of three flags of every segment (ACE), and counts of bytes in an option where there is room
//! (`option.rs`). The other end ([`Sender`]) keeps the same counts by what it is told. The handshake is in
//! `handshake.rs`. Left out: remembering over connections which paths drop the option.

mod handshake;
mod option;

pub use handshake::{
    AckOfSynAck, Request, ack_of_syn_ack_flags, answer_to_syn, conflicts, is_mangled, on_ack_of_syn_ack,
    on_syn_ack, syn_ack_flags, syn_flags,
};
pub use option::{AccEcnOption, KIND_ORDER_0, KIND_ORDER_1, Order};

use crate::ecn::Codepoint;
use stack_wire::tcp::Flags;

/// What both ends begin to count marked packets from: RFC 9768 §3.2.1.
const INITIAL_CEP: u32 = 5;
/// The same for bytes of ECT(0) and ECT(1).
const INITIAL_BYTES: u32 = 1;
/// Marks without an ACK of ours that call for one, while text waits to be acknowledged (§3.2.2.5.1).
const MARKS_BEFORE_ACK: u32 = 2;
/// The same where none does: ACKs of ACKs must die out.
const MARKS_BEFORE_LONE_ACK: u32 = 3;
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

/// Bytes of text with each codepoint, modulo 2^24 where they travel.
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
    const INITIAL: Self = Self { ect0: INITIAL_BYTES, ce: 0, ect1: INITIAL_BYTES };
}

/// What we received and feed back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receiver {
    /// Packets that came marked: `r.cep`.
    cep: u32,
    bytes: ByteCounts,
    /// What the last option said.
    told: ByteCounts,
    /// `cep` when the last ACK was sent.
    acked_cep: u32,
    last_was_marked: bool,
}

impl Default for Receiver {
    fn default() -> Self {
        let bytes = ByteCounts::INITIAL;
        Self { cep: INITIAL_CEP, bytes, told: bytes, acked_cep: INITIAL_CEP, last_was_marked: false }
    }
}

impl Receiver {
    /// The SYN-ACK came marked; that counts once, however often it comes (§3.2.2.2).
    pub fn on_marked_syn_ack(&mut self) {
        self.cep = INITIAL_CEP + 1;
    }

    /// Acceptable packets without SYN arrived, with one codepoint and `len` bytes of text in all. Returns whether they
    /// call for an ACK at once (§3.2.2.5.1); `owes_ack` if text waits to be acknowledged.
    pub fn on_packets(&mut self, codepoint: Codepoint, packets: u32, len: u32, owes_ack: bool) -> bool {
        let is_marked = codepoint == Codepoint::Ce;
        let counter = match codepoint {
            Codepoint::NotEct => None,
            Codepoint::Ect0 => Some(&mut self.bytes.ect0),
            Codepoint::Ect1 => Some(&mut self.bytes.ect1),
            Codepoint::Ce => Some(&mut self.bytes.ce),
        };
        if let Some(counter) = counter {
            *counter = counter.wrapping_add(len);
        }
        self.cep = self.cep.wrapping_add(if is_marked { packets } else { 0 });
        let changes = is_marked && !core::mem::replace(&mut self.last_was_marked, is_marked) && len > 0;
        let limit = if owes_ack || len > 0 { MARKS_BEFORE_ACK } else { MARKS_BEFORE_LONE_ACK };
        changes || self.cep.wrapping_sub(self.acked_cep) >= limit
    }

    /// ACE of a segment that is being sent.
    pub fn ace(&self) -> u8 {
        (self.cep % ACE_MODULUS) as u8
    }

    /// An ACK is sent.
    pub fn on_ack_sent(&mut self) {
        self.acked_cep = self.cep;
    }

    /// The option of an ACK that is being sent, if some count has changed since the last one and it fits into `room` bytes
    /// (§3.2.3.3).
    pub fn take_option(&mut self, room: usize) -> Option<AccEcnOption> {
        let option = AccEcnOption::of_changes(&self.bytes, &self.told, &ByteCounts::INITIAL, room)?;
        self.told = self.bytes;
        Some(option)
    }

    /// The option of the handshake's segments, which test whether the path lets it through (§3.2.3.2.1): all counts, as far
    /// as they fit.
    pub fn whole_option(&mut self, room: usize) -> Option<AccEcnOption> {
        self.told = self.bytes;
        AccEcnOption::whole(&self.bytes, room)
    }
}

/// What the peer received of us, by what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// `s.cep`
    cep: u32,
    bytes: ByteCounts,
    /// Packets that the peer's ACKs acknowledge on average, in eighths.
    usually_acked_8: u32,
    /// Marks are answered; else feedback was found to be mangled.
    responds: bool,
    /// Text is sent as ECN-capable.
    sends_ect: bool,
}

/// What an ACK says is new.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marked {
    /// Packets.
    pub packets: u32,
    /// Bytes: as the option says, or else the most that the packets may have had.
    pub bytes: u32,
}

impl Default for Sender {
    fn default() -> Self {
        let bytes = ByteCounts::INITIAL;
        Self { cep: INITIAL_CEP, bytes, usually_acked_8: 0, responds: true, sends_ect: true }
    }
}

impl Sender {
    /// What the server learns from the ACK of its SYN-ACK (§3.2.2.1, table 4); `sent` is the codepoint that the SYN-ACK had.
    pub fn on_handshake(&mut self, ack: AckOfSynAck, sent: Codepoint) {
        match ack {
            AckOfSynAck::Disabled => (self.responds, self.sends_ect) = (false, false),
            AckOfSynAck::Unused => {}
            AckOfSynAck::Arrived(codepoint) => {
                self.cep += u32::from(codepoint == Codepoint::Ce);
                self.sends_ect &= !is_mangled(sent, codepoint);
            }
        }
    }

    /// What the client learns from the SYN-ACK about its SYN; the count stays, as the server's does (§3.2.2.2).
    pub fn on_syn_ack(&mut self, sent: Codepoint, arrived: Codepoint) {
        self.sends_ect &= !is_mangled(sent, arrived);
    }

    /// A server that sent or received a SYN or SYN-ACK without the three flags can't know what its peer does (§3.1.5).
    pub fn stop_sending_ect(&mut self) {
        self.sends_ect = false;
    }

    /// An acceptable ACK without SYN that no later one has superseded: its ACE, the packets that it newly acknowledges (at
    /// least), the bytes of a full-sized one, and its option.
    pub fn on_ack(&mut self, ace: u8, newly_acked: u32, mss: u32, option: Option<&AccEcnOption>) -> Marked {
        let bytes = option.map(|option| self.take_bytes(option));
        let least = u32::from(ace).wrapping_sub(self.cep) % ACE_MODULUS;
        let packets = match bytes {
            Some(bytes) => with_bytes(least, bytes, mss),
            None if self.is_usual(newly_acked) => least,
            None => safest(least, newly_acked),
        };
        self.usually_acked_8 = self.usually_acked_8 - self.usually_acked_8 / 8 + newly_acked.min(1 << 16);
        self.cep = self.cep.wrapping_add(packets);
        if !self.responds {
            return Marked::default();
        }
        Marked { packets, bytes: bytes.unwrap_or(packets.saturating_mul(mss)) }
    }

    /// The codepoint of a packet; ECT for new text only (R3168-6.1.4-a).
    pub fn codepoint(&self, is_new_text: bool) -> Codepoint {
        if is_new_text && self.sends_ect { Codepoint::Ect0 } else { Codepoint::NotEct }
    }

    /// Whether ACKs of so many packets are what the peer sends (it merges what arrives), and no sign of lost ACKs.
    fn is_usual(&self, newly_acked: u32) -> bool {
        newly_acked.min(1 << 16) * 4 <= self.usually_acked_8
    }

    /// Takes the counts of an option over; returns by how many bytes the marked ones grew.
    fn take_bytes(&mut self, option: &AccEcnOption) -> u32 {
        let grow = |count: &mut u32, field: Option<u32>| {
            let growth = field.map_or(0, |field| field.wrapping_sub(*count) & option::MASK);
            *count = count.wrapping_add(growth);
            growth
        };
        grow(&mut self.bytes.ect0, option.ect0);
        grow(&mut self.bytes.ect1, option.ect1);
        grow(&mut self.bytes.ce, option.ce)
    }
}

/// Marked packets if ACE may have gone round: of the numbers that it allows the largest that were acknowledged, which is
/// the safest of the likely cases (§3.2.2.5.2, appendix A.2.1). If ACE has not moved, likely none were.
fn safest(least: u32, newly_acked: u32) -> u32 {
    if newly_acked <= least || least == 0 {
        return least; // the peer also counts packets that an ACK doesn't show
    }
    newly_acked - (newly_acked - least) % ACE_MODULUS
}

/// Marked packets if the marked bytes are known: of the numbers that ACE allows the smallest that can have had them.
fn with_bytes(least: u32, bytes: u32, mss: u32) -> u32 {
    let full = bytes.div_ceil(mss.max(1));
    if full <= least { least } else { least + (full - least).div_ceil(ACE_MODULUS) * ACE_MODULUS }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

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
        let (receiver, sender) = (Receiver::default(), Sender::default());
        assert_eq!(
            (receiver.ace(), receiver.bytes, sender.cep),
            (5, ByteCounts { ect0: 1, ce: 0, ect1: 1 }, 5)
        );
    }

    // R9768-3.2-a, R9768-3.2-b, R9768-3.2.2-a
    #[test]
    fn marks_are_counted_and_wrap() {
        let mut receiver = Receiver::default();
        receiver.on_packets(Codepoint::Ce, 2, 2000, true);
        assert_eq!(receiver.ace(), 7);
        receiver.on_packets(Codepoint::Ect0, 3, 3000, true);
        receiver.on_packets(Codepoint::NotEct, 1, 1000, true);
        receiver.on_packets(Codepoint::Ce, 1, 0, true);
        assert_eq!((receiver.ace(), receiver.bytes), (0, ByteCounts { ect0: 3001, ce: 2000, ect1: 1 }));
    }

    // R9768-3.2.2.5.1-a, R9768-3.2.2.5.1-b
    #[test]
    fn acks_are_called_for_by_changes_and_by_marks() {
        let mut receiver = Receiver::default();
        assert!(!receiver.on_packets(Codepoint::Ect0, 1, 1000, false));
        assert!(receiver.on_packets(Codepoint::Ce, 1, 1000, false), "the first marked one");
        receiver.on_ack_sent();
        assert!(!receiver.on_packets(Codepoint::Ce, 1, 1000, false));
        assert!(receiver.on_packets(Codepoint::Ce, 1, 1000, true), "two since the last ACK");
        receiver.on_ack_sent();
        let mut lone = || receiver.on_packets(Codepoint::Ce, 1, 0, false);
        assert_eq!([lone(), lone(), lone()], [false, false, true], "three marked ACKs");
    }

    // R9768-3.2.2.2-b
    #[test]
    fn a_marked_syn_ack_counts_once() {
        let mut receiver = Receiver::default();
        receiver.on_marked_syn_ack();
        receiver.on_marked_syn_ack();
        assert_eq!(receiver.ace(), 6);
    }

    // R9768-3.2.2.5.2-a, R9768-3.2.3.2.3-a
    #[test]
    fn without_the_option_the_safest_number_counts() {
        // ACE says one more (mod 8): one of up to eight acknowledged, nine of up to sixteen.
        for (newly_acked, packets) in [(0, 1), (1, 1), (8, 1), (9, 9), (16, 9), (17, 17)] {
            let mut sender = Sender::default();
            let marked = sender.on_ack(6, newly_acked, MSS, None);
            assert_eq!(marked, Marked { packets, bytes: packets * MSS }, "{newly_acked}");
            assert_eq!(sender.on_ack(6, 1, MSS, None), Marked::default(), "and nothing is new then");
        }
        assert_eq!(Sender::default().on_ack(5, 80, MSS, None).packets, 0, "ACE has not moved");
    }

    #[test]
    fn a_peer_that_merges_what_arrives_is_taken_at_its_word() {
        let mut sender = Sender::default();
        (0..20).for_each(|_| assert_eq!(sender.on_ack(5, 40, MSS, None).packets, 0));
        assert_eq!(sender.on_ack(6, 44, MSS, None).packets, 1);
        assert_eq!(sender.on_ack(7, 400, MSS, None).packets, 393, "but ACKs were lost");
    }

    // R9768-3.2.3.2.5-a
    #[test]
    fn with_the_option_bytes_tell_how_often_ace_went_round() {
        for (bytes, packets) in [(0, 1), (900, 1), (1000, 1), (1001, 9), (9000, 9), (9001, 17)] {
            let mut sender = Sender::default();
            let option = AccEcnOption { ect0: Some(1), ce: Some(bytes), ect1: None, order: Order::Zero };
            assert_eq!(sender.on_ack(6, 100, MSS, Some(&option)), Marked { packets, bytes }, "{bytes}");
        }
    }

    // R9768-3.2.3.1-a
    #[test]
    fn byte_counts_wrap_at_24_bits() {
        let mut sender =
            Sender { bytes: ByteCounts { ect0: 1, ce: 0xff_ff00, ect1: 1 }, ..Sender::default() };
        let option = AccEcnOption { ect0: None, ce: Some(0x100), ect1: None, order: Order::Zero };
        assert_eq!(sender.on_ack(6, 1, MSS, Some(&option)).bytes, 0x200);
        assert_eq!(sender.bytes.ce, 0x100_0100);
    }

    #[test]
    fn both_ends_keep_the_same_counts() {
        let (mut receiver, mut sender) = (Receiver::default(), Sender::default());
        let (mut marked, mut said) = (0, 0);
        for i in 0..1000u32 {
            let codepoint = if i % 7 < 3 { Codepoint::Ce } else { Codepoint::Ect0 };
            receiver.on_packets(codepoint, 1, MSS, true);
            marked += u32::from(codepoint == Codepoint::Ce);
            if i % 5 == 0 {
                said += sender.on_ack(receiver.ace(), 5, MSS, receiver.take_option(11).as_ref()).packets;
            }
        }
        said += sender.on_ack(receiver.ace(), 5, MSS, receiver.take_option(11).as_ref()).packets;
        assert_eq!((said, sender.cep, sender.bytes), (marked, receiver.cep, receiver.bytes));
    }

    // R9768-3.2.2.1-c
    #[test]
    fn a_peer_whose_first_ace_is_zero_gets_no_ect_and_is_not_believed() {
        let mut sender = Sender::default();
        sender.on_handshake(AckOfSynAck::Disabled, Codepoint::NotEct);
        assert_eq!(sender.codepoint(true), Codepoint::NotEct);
        assert_eq!(sender.on_ack(7, 2, MSS, None), Marked::default());
    }

    // R3168-6.1.4-a, R9768-3.1.5-i, R9768-3.2.2.2-c
    #[test]
    fn ect_is_for_new_text_on_a_path_that_leaves_it() {
        let mut sender = Sender::default();
        assert_eq!((sender.codepoint(true), sender.codepoint(false)), (Codepoint::Ect0, Codepoint::NotEct));
        sender.on_syn_ack(Codepoint::NotEct, Codepoint::Ect1);
        assert_eq!(sender.codepoint(true), Codepoint::NotEct);
        let mut server = Sender::default();
        server.on_handshake(AckOfSynAck::Arrived(Codepoint::Ce), Codepoint::Ect0);
        assert_eq!((server.cep, server.codepoint(true)), (6, Codepoint::Ect0));
        server.stop_sending_ect();
        assert_eq!(server.codepoint(true), Codepoint::NotEct);
    }
}
