//! What we received and feed back: RFC 9768 §3.2, §3.2.2.5.1.

use super::{ACE_MODULUS, ByteCounts, INITIAL_CEP};
use crate::ecn::Codepoint;
use stack_wire::tcp_options::AccEcnOption;

/// Marks without an ACK of ours that call for one, while text waits to be acknowledged (§3.2.2.5.1).
const MARKS_BEFORE_ACK: u32 = 2;
/// The same where none does: ACKs of ACKs must die out.
const MARKS_BEFORE_LONE_ACK: u32 = 3;

/// Counts of what arrived.
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
    /// A count was sent.
    has_told: bool,
}

impl Default for Receiver {
    fn default() -> Self {
        let bytes = ByteCounts::INITIAL;
        Self {
            cep: INITIAL_CEP,
            bytes,
            told: bytes,
            acked_cep: INITIAL_CEP,
            last_was_marked: false,
            has_told: false,
        }
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

    /// ACE of what was counted so far.
    pub fn ace(&self) -> u8 {
        (self.cep % ACE_MODULUS) as u8
    }

    /// ACE of an ACK that is being sent. A first count of zero would look as if it had been zeroed on the way (§3.2.2.4): if a
    /// whole batch came marked, the first ACK tells of one less, and the next of that.
    pub fn take_ace(&mut self) -> u8 {
        let is_first = !core::mem::replace(&mut self.has_told, true);
        self.acked_cep = self.cep - u32::from(is_first && self.ace() == 0);
        (self.acked_cep % ACE_MODULUS) as u8
    }

    /// An ACK is sent that has no count, but tells about a SYN-ACK.
    pub fn on_ack_sent(&mut self) {
        self.acked_cep = self.cep;
    }

    /// The option of an ACK that is being sent, if some count has changed since the last one and it fits into `room` bytes
    /// (§3.2.3.3).
    pub fn take_option(&mut self, room: usize) -> Option<AccEcnOption> {
        let option = self.bytes.changes_since(&self.told, room)?;
        self.told = self.bytes;
        Some(option)
    }

    /// The option of the handshake's segments, which test whether the path lets it through (§3.2.3.2.1): all counts, as far
    /// as they fit.
    pub fn whole_option(&mut self, room: usize) -> Option<AccEcnOption> {
        let option = self.bytes.all(room)?;
        self.told = self.bytes;
        Some(option)
    }

    /// Packets that came marked.
    pub fn marked(&self) -> u32 {
        self.cep.wrapping_sub(INITIAL_CEP)
    }

    /// Bytes by their codepoint, as they are counted.
    pub fn bytes(&self) -> ByteCounts {
        self.bytes
    }

    /// Whether something came that was sent as ECN-capable.
    pub fn is_seen(&self) -> bool {
        self.bytes != ByteCounts::INITIAL || self.cep != INITIAL_CEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(receiver.marked(), 3);
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

    // R9768-3.2.2.4-a
    #[test]
    fn the_first_count_is_never_zero() {
        let mut receiver = Receiver::default();
        receiver.on_packets(Codepoint::Ce, 3, 3000, false);
        assert_eq!([receiver.take_ace(), receiver.take_ace()], [7, 0]);
    }

    // R9768-3.2.2.2-b
    #[test]
    fn a_marked_syn_ack_counts_once() {
        let mut receiver = Receiver::default();
        receiver.on_marked_syn_ack();
        receiver.on_marked_syn_ack();
        assert_eq!((receiver.ace(), receiver.is_seen()), (6, true));
    }
}
