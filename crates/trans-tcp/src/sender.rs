//! The sending half: SND.UNA, SND.NXT, SND.WND and the text between them and the application. RFC 9293 §3.3.1, §3.8.
//!
//! The buffer is a byte sequence from the first unacknowledged octet on; a retransmission takes any range of it, so
//! another segment size costs nothing. All numbers wrap (R9293-3.4-a).
//! Invariant: SND.UNA ≤ SND.NXT ≤ end of text + 1 (the FIN).

use alloc::boxed::Box;
use bytes::{Bytes, BytesMut};
use stack_core::TxPacket;
use stack_packet::Rope;
use stack_wire::seq::SeqNum;

/// Pieces up to this size are copied into the buffer, so that a segment doesn't fall apart into many.
const COPY_BREAK: usize = 512;

/// Send sequence variables and the send buffer.
#[derive(Debug)]
pub(crate) struct Sender {
    /// SND.UNA; our initial sequence number until the SYN is acknowledged.
    pub(crate) una: SeqNum,
    pub(crate) nxt: SeqNum,
    /// SND.WND, scaled (R9293-REC-1).
    pub(crate) wnd: u32,
    /// The largest window that the peer ever offered.
    pub(crate) max_wnd: u32,
    wl1: SeqNum,
    wl2: SeqNum,
    /// SND.UP: the octet behind the last urgent one.
    up: SeqNum,
    /// End of the last segment that was smaller than the MSS, for Nagle's rule.
    pub(crate) small_end: SeqNum,
    /// The sequence number of our FIN; means something with `has_fin`.
    fin_seq: SeqNum,
    pub(crate) buffer: Option<Box<Rope>>,
    /// Shift of the peer's windows.
    pub(crate) scale: u8,
    urgent: bool,
    syn_acked: bool,
    has_fin: bool,
}

impl Sender {
    /// A sender whose SYN has the number `iss`.
    pub(crate) fn new(iss: SeqNum) -> Self {
        Self {
            una: iss,
            nxt: iss,
            wnd: 0,
            max_wnd: 0,
            wl1: iss,
            wl2: iss,
            up: iss,
            small_end: iss,
            fin_seq: iss,
            buffer: None,
            scale: 0,
            urgent: false,
            syn_acked: false,
            has_fin: false,
        }
    }

    /// Our SYN is acknowledged.
    pub(crate) fn opened(&mut self) {
        self.syn_acked = true;
        self.una += 1;
        self.small_end = self.una;
    }

    /// Sequence numbers that were sent and are not acknowledged.
    pub(crate) fn outstanding(&self) -> u32 {
        self.nxt.distance_from(self.una)
    }

    /// Octets in the buffer.
    pub(crate) fn buffered(&self) -> u32 {
        self.buffer.as_ref().map_or(0, |rope| rope.len() as u32)
    }

    /// The sequence number behind the last octet in the buffer.
    pub(crate) fn text_end(&self) -> SeqNum {
        self.fin().unwrap_or_else(|| self.text_start() + self.buffered())
    }

    /// Octets that were never sent.
    pub(crate) fn unsent(&self) -> u32 {
        let from = self.nxt.max(self.text_start());
        let end = self.text_end();
        if end.after(from) { end.distance_from(from) } else { 0 }
    }

    /// Puts a FIN behind what is queued: nothing can be queued behind it.
    pub(crate) fn queue_fin(&mut self) {
        self.fin_seq = self.text_end();
        self.has_fin = true;
    }

    /// The application has closed: a FIN is queued, sent or acknowledged.
    pub(crate) fn has_fin(&self) -> bool {
        self.has_fin
    }

    /// The FIN is queued and was never sent.
    pub(crate) fn fin_unsent(&self) -> bool {
        self.fin().is_some_and(|fin| !self.nxt.after(fin))
    }

    /// The FIN was sent and is acknowledged.
    pub(crate) fn fin_acked(&self) -> bool {
        self.fin().is_some_and(|fin| self.una.after(fin))
    }

    /// Whether a segment up to `end` carries the FIN.
    pub(crate) fn ends_with_fin(&self, end: SeqNum) -> bool {
        self.fin() == Some(end)
    }

    /// Octets between SND.NXT and the right edge of the peer's window; negative after it has shrunk
    /// (R9293-MUST-34).
    pub(crate) fn window_room(&self) -> i32 {
        (self.una + self.wnd) - self.nxt
    }

    /// The sequence number for segments without text: SND.NXT, but inside a window that has shrunk below it, or
    /// the peer would not take the ACK.
    pub(crate) fn acceptable_seq(&self) -> SeqNum {
        if self.window_room() < 0 { self.una + self.wnd } else { self.nxt }
    }

    /// Takes a window from an acceptable ACK, if it is not older than the one that is there (RFC 9293 §3.10.7.4).
    pub(crate) fn update_window(&mut self, seq: SeqNum, ack: SeqNum, wnd: u32) {
        if self.wl1.before(seq) || (self.wl1 == seq && self.wl2.before_eq(ack)) {
            self.set_window(seq, ack, wnd);
        }
    }

    /// Takes the window of the peer's SYN, or of the ACK of ours.
    pub(crate) fn set_window(&mut self, seq: SeqNum, ack: SeqNum, wnd: u32) {
        (self.wl1, self.wl2, self.wnd) = (seq, ack, wnd);
        self.max_wnd = self.max_wnd.max(wnd);
    }

    /// Everything before `ack` has arrived; drops it and says how many octets of text that were.
    pub(crate) fn acknowledge(&mut self, ack: SeqNum) -> u32 {
        let text = ack.distance_from(self.text_start()).min(self.buffered());
        if let Some(rope) = &mut self.buffer {
            rope.advance(text as usize);
        }
        self.una = ack;
        if self.urgent && self.up.before_eq(ack) {
            self.urgent = false;
        }
        text
    }

    /// Marks all that is queued as urgent (R9293-MUST-31).
    pub(crate) fn mark_urgent(&mut self) {
        self.up = self.text_end();
        self.urgent = true;
    }

    /// The urgent pointer of a segment at `seq`: from there to the octet behind the last urgent one
    /// (R9293-MUST-62); `None` where nothing urgent lies ahead.
    pub(crate) fn urgent_pointer(&self, seq: SeqNum) -> Option<u16> {
        let ahead = self.up.distance_from(seq);
        (self.urgent && self.up.after(seq)).then_some(ahead.min(0xffff) as u16)
    }

    /// Queues a piece by reference, or by copy if it is small.
    pub(crate) fn push(&mut self, spare: impl FnOnce() -> Box<Rope>, piece: Bytes) {
        let rope = self.buffer.get_or_insert_with(spare);
        if piece.len() <= COPY_BREAK { rope.write(&piece) } else { rope.push(piece) }
    }

    /// Puts the octets `[seq, seq + len)` into a packet and says how many it took: all, or at least one full
    /// segment, and then whole ones. Text in many small pieces is copied together.
    pub(crate) fn fill(&mut self, seq: SeqNum, len: u32, mss: u32, packet: &mut TxPacket) -> u32 {
        let offset = seq.distance_from(self.text_start()) as usize;
        let Some(rope) = &mut self.buffer else { return 0 };
        let (len, mss) = (len as usize, mss as usize);
        let taken = rope.copy_to_packet(offset, len, packet);
        if taken == len {
            return len as u32;
        }
        packet.clear_bytes();
        let whole = taken / mss * mss;
        if whole > 0 {
            return rope.copy_to_packet(offset, whole, packet) as u32;
        }
        let mut flat = BytesMut::zeroed(len.min(mss));
        let copied = rope.peek(offset, &mut flat);
        flat.truncate(copied);
        let _ = packet.push(flat.freeze()); // the packet was just emptied
        copied as u32
    }

    fn fin(&self) -> Option<SeqNum> {
        self.has_fin.then_some(self.fin_seq)
    }

    /// The sequence number of the first octet in the buffer.
    pub(crate) fn text_start(&self) -> SeqNum {
        if self.syn_acked { self.una } else { self.una + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(text: &[u8]) -> Sender {
        let mut snd = Sender::new(SeqNum(u32::MAX - 1));
        let mut rope = Box::new(Rope::new());
        rope.write(text);
        snd.buffer = Some(rope);
        snd
    }

    #[test]
    fn text_is_numbered_from_behind_the_syn_across_the_wrap() {
        let mut snd = sender(b"hello");
        assert_eq!((snd.text_end(), snd.unsent()), (SeqNum(4), 5));
        snd.nxt = snd.una + 1;
        snd.opened();
        snd.nxt = SeqNum(2);
        assert_eq!((snd.unsent(), snd.outstanding()), (2, 3));
        assert_eq!(snd.acknowledge(SeqNum(1)), 2);
        let mut packet = TxPacket::new();
        assert_eq!(snd.fill(SeqNum(2), 2, 1, &mut packet), 2);
        assert_eq!(&packet.to_bytes()[..], b"lo");
    }

    #[test]
    fn a_fin_has_a_number_of_its_own() {
        let mut snd = sender(b"x");
        snd.opened();
        snd.queue_fin();
        snd.nxt = snd.text_end();
        assert!(snd.fin_unsent() && snd.ends_with_fin(snd.nxt));
        snd.nxt += 1;
        assert!(!snd.fin_unsent() && !snd.fin_acked());
        assert_eq!(snd.acknowledge(snd.nxt), 1);
        assert!(snd.fin_acked() && snd.unsent() == 0);
    }

    #[test]
    fn full_segments_come_out_of_many_small_pieces() {
        let mut snd = sender(b"");
        let rope = snd.buffer.as_mut().unwrap();
        (0..100u8).for_each(|i| rope.push(Bytes::from(alloc::vec![i; 10])));
        let first = snd.una + 1;
        let mut packet = TxPacket::new();
        assert_eq!(snd.fill(first, 1000, 300, &mut packet), 300);
        assert_eq!((packet.payload().len(), packet.to_bytes()[299]), (1, 29));
        packet.reset();
        assert_eq!(snd.fill(first, 1000, 25, &mut packet), 50, "six pieces hold two segments");
        assert_eq!(packet.to_bytes()[49], 4);
    }

    #[test]
    fn old_windows_are_not_taken() {
        let mut snd = sender(b"");
        snd.set_window(SeqNum(10), SeqNum(5), 100);
        snd.update_window(SeqNum(9), SeqNum(6), 200);
        snd.update_window(SeqNum(10), SeqNum(4), 300);
        assert_eq!(snd.wnd, 100);
        snd.update_window(SeqNum(10), SeqNum(5), 50);
        assert_eq!((snd.wnd, snd.max_wnd), (50, 100));
    }

    #[test]
    fn the_urgent_pointer_names_the_octet_behind_the_last_urgent_one() {
        let mut snd = sender(b"abc");
        let first = snd.una + 1;
        assert_eq!(snd.urgent_pointer(first), None);
        snd.mark_urgent();
        assert_eq!((snd.urgent_pointer(first), snd.urgent_pointer(first + 3)), (Some(3), None));
        snd.opened();
        snd.acknowledge(first + 3);
        assert_eq!(snd.urgent_pointer(first), None);
    }
}
