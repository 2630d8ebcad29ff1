//! What the peer received of us, by what it says: RFC 9768 §3.2.2.4, §3.2.2.5.2, §3.2.3.2.

use super::{ACE_MODULUS, AckOfSynAck, ByteCounts, INITIAL_CEP, is_mangled};
use crate::ecn::Codepoint;
use stack_wire::tcp_options::AccEcnOption;

/// What a count of 24 bits can have grown by; beyond it, it went back.
const MAX_GROWTH: u32 = 1 << 23;

/// Counts of what the peer has told.
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
    /// No counter has come in ACE yet: one that begins at zero was zeroed on the way.
    is_first_ace: bool,
    options: Options,
}

/// What came of the peer's options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Options {
    /// None.
    NotSeen,
    /// They come, and make sense.
    Seen,
    /// The first had a count of zero, which no peer sends: something on the path writes into them (§3.2.3.2.4).
    Mangled,
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
        Self {
            cep: INITIAL_CEP,
            bytes: ByteCounts::INITIAL,
            usually_acked_8: 0,
            responds: true,
            sends_ect: true,
            is_first_ace: true,
            options: Options::NotSeen,
        }
    }
}

impl Sender {
    /// What the server learns from the ACK of its SYN-ACK (§3.2.2.1, table 4); `sent` is the codepoint that the SYN-ACK had.
    pub fn on_handshake(&mut self, ack: AckOfSynAck, sent: Codepoint) {
        match ack {
            AckOfSynAck::Disabled => self.disable(),
            AckOfSynAck::Unused => {}
            AckOfSynAck::Arrived(codepoint) => {
                self.cep = INITIAL_CEP + u32::from(codepoint == Codepoint::Ce);
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
        // §3.2.2.4; an ACK of three marks or more, as of a batch, says so in its option.
        let has_marks = option.and_then(|option| option.ce).is_some_and(|bytes| bytes > 0);
        if core::mem::take(&mut self.is_first_ace) && ace == 0 && !has_marks {
            self.disable();
        }
        let bytes = option.and_then(|option| self.take_bytes(option));
        let least = u32::from(ace).wrapping_sub(self.cep) % ACE_MODULUS;
        let packets = match bytes {
            Some(bytes) => with_bytes(least, bytes, newly_acked, mss),
            None if self.is_usual(newly_acked) => least,
            None => safest(least, newly_acked),
        };
        self.sends_ect &= packets > 0 || bytes.is_none_or(|bytes| bytes == 0); // §3.2.3.2.5
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

    /// Packets of ours that came marked, as far as the peer has told.
    pub fn marked(&self) -> u32 {
        self.cep.wrapping_sub(INITIAL_CEP)
    }

    /// Bytes of ours by the codepoint that they came with, as the peer's options tell.
    pub fn bytes(&self) -> ByteCounts {
        self.bytes
    }

    /// Whether options of the peer arrive.
    pub fn sees_options(&self) -> bool {
        self.options == Options::Seen
    }

    /// Feedback can't be trusted: nothing is sent as ECN-capable, and nothing that is told is answered.
    fn disable(&mut self) {
        (self.responds, self.sends_ect) = (false, false);
    }

    /// Whether ACKs of so many packets are what the peer sends (it merges what arrives), and no sign of lost ACKs.
    fn is_usual(&self, newly_acked: u32) -> bool {
        newly_acked.min(1 << 16) * 4 <= self.usually_acked_8
    }

    /// Takes the counts of an option over; returns by how many bytes the marked ones grew, if that is known.
    fn take_bytes(&mut self, option: &AccEcnOption) -> Option<u32> {
        if self.options == Options::NotSeen && !option.is_empty() {
            let is_mangled = option.ect0 == Some(0) || option.ect1 == Some(0);
            self.options = if is_mangled { Options::Mangled } else { Options::Seen };
        }
        if self.options != Options::Seen {
            return None;
        }
        let grow = |count: &mut u32, field: Option<u32>| {
            let growth = field.map_or(0, |field| field.wrapping_sub(*count) & 0xff_ffff);
            let growth = if growth < MAX_GROWTH { growth } else { 0 }; // an ACK that another one has overtaken
            *count = count.wrapping_add(growth);
            growth
        };
        grow(&mut self.bytes.ect0, option.ect0);
        grow(&mut self.bytes.ect1, option.ect1);
        Some(grow(&mut self.bytes.ce, option.ce))
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

/// Marked packets if the marked bytes are known: of the numbers that ACE allows the smallest that can have had them, but
/// not a round more than were acknowledged (§3.2.3.2.5).
fn with_bytes(least: u32, bytes: u32, newly_acked: u32, mss: u32) -> u32 {
    let full = bytes.div_ceil(mss.max(1));
    let rounds = full.saturating_sub(least).div_ceil(ACE_MODULUS);
    least + rounds.min(newly_acked.saturating_sub(least).div_ceil(ACE_MODULUS)) * ACE_MODULUS
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_wire::tcp_options::AccEcnOrder;

    const MSS: u32 = 1000;

    fn option(ect0: Option<u32>, ce: Option<u32>) -> AccEcnOption {
        AccEcnOption { ect0, ce, ect1: None, order: AccEcnOrder::Zero }
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
            let marked = sender.on_ack(6, 100, MSS, Some(&option(Some(1), Some(bytes))));
            assert_eq!((marked, sender.sees_options()), (Marked { packets, bytes }, true), "{bytes}");
        }
    }

    // R9768-3.2.3.2.5-b
    #[test]
    fn marked_bytes_without_marked_packets_end_ect() {
        for (newly_acked, codepoint) in [(0, Codepoint::NotEct), (8, Codepoint::Ect0)] {
            let mut sender = Sender::default();
            let marked = sender.on_ack(5, newly_acked, MSS, Some(&option(Some(1), Some(500))));
            assert_eq!(marked.packets, newly_acked, "eight may have gone round");
            sender.on_ack(5, 100, MSS, None);
            assert_eq!(sender.codepoint(true), codepoint, "for good");
        }
    }

    // R9768-3.2.3.1-a
    #[test]
    fn byte_counts_wrap_at_24_bits() {
        let bytes = ByteCounts { ect0: 1, ce: 0xff_ff00, ect1: 1 };
        let mut sender = Sender { bytes, ..Sender::default() };
        assert_eq!(sender.on_ack(6, 1, MSS, Some(&option(Some(1), Some(0x100)))).bytes, 0x200);
        assert_eq!(sender.bytes.ce, 0x100_0100);
        assert_eq!(sender.on_ack(6, 1, MSS, Some(&option(None, Some(0xff)))).bytes, 0, "an older one");
    }

    // R9768-3.2.2.1-c
    #[test]
    fn a_peer_whose_ack_of_the_syn_ack_says_zero_gets_no_ect_and_is_not_believed() {
        let mut sender = Sender::default();
        sender.on_handshake(AckOfSynAck::Disabled, Codepoint::NotEct);
        assert_eq!(sender.codepoint(true), Codepoint::NotEct);
        assert_eq!(sender.on_ack(7, 2, MSS, None), Marked::default());
    }

    // R9768-3.2.2.4-a, R9768-3.2.3.2.4-a
    #[test]
    fn first_counts_are_only_tested_for_zero() {
        for (ace, codepoint) in [(0, Codepoint::NotEct), (3, Codepoint::Ect0), (7, Codepoint::Ect0)] {
            let mut sender = Sender::default();
            let marked = sender.on_ack(ace, 9, MSS, None);
            assert_eq!((sender.codepoint(true), marked.packets > 0), (codepoint, ace > 0), "{ace}");
        }
        let mut sender = Sender::default();
        assert_eq!(
            sender.on_ack(0, 3, MSS, Some(&option(Some(1), Some(3000)))).packets,
            3,
            "it has gone round"
        );
        assert_eq!(sender.codepoint(true), Codepoint::Ect0);
        for (ect0, seen) in [(Some(0), false), (Some(1), true), (Some(77), true), (None, false)] {
            let mut sender = Sender::default();
            sender.on_ack(5, 1, MSS, Some(&option(ect0, None)));
            sender.on_ack(5, 1, MSS, Some(&option(Some(99), None)));
            assert_eq!(sender.sees_options(), seen || ect0.is_none(), "{ect0:?}");
        }
    }

    // R3168-6.1.4-a, R9768-3.1.5-i, R9768-3.2.2.2-c, R9768-3.2.2.3-a
    #[test]
    fn ect_is_for_new_text_on_a_path_that_leaves_it() {
        let mut sender = Sender::default();
        assert_eq!((sender.codepoint(true), sender.codepoint(false)), (Codepoint::Ect0, Codepoint::NotEct));
        sender.on_syn_ack(Codepoint::NotEct, Codepoint::Ect1);
        assert_eq!(sender.codepoint(true), Codepoint::NotEct);
        assert_eq!(sender.on_ack(6, 1, MSS, None).packets, 1, "what it tells still counts");
        let mut server = Sender::default();
        server.on_handshake(AckOfSynAck::Arrived(Codepoint::Ce), Codepoint::Ect0);
        assert_eq!((server.cep, server.codepoint(true)), (6, Codepoint::Ect0));
        server.stop_sending_ect();
        assert_eq!(server.codepoint(true), Codepoint::NotEct);
    }
}
