//! The receiving half: RCV.NXT, the window, and the text that waits for the application. RFC 9293 §3.3.1, §3.8.6.
//!
//! Text is charged the memory that it pins (small pieces are copied and charged what they are). What is offered to the
//! peer is decided in `window.rs`.

use crate::reassembly::{COPY_BREAK, Reassembly};
use alloc::boxed::Box;
use bytes::Bytes;
use stack_packet::Rope;
use stack_wire::seq::SeqNum;

/// Receive sequence variables and the receive buffer.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) nxt: SeqNum,
    /// The rightmost edge that was ever offered.
    pub(crate) edge: SeqNum,
    /// Last.ACK.sent of RFC 7323.
    pub(crate) last_ack: SeqNum,
    /// RCV.UP: the octet behind the last urgent one.
    up: SeqNum,
    /// The peer's FIN; means something with `has_fin`.
    fin_seq: SeqNum,
    /// Size of the buffer.
    pub(crate) buffer: u32,
    /// Memory behind the text that waits.
    pub(crate) charged: u32,
    queue: Option<Box<Rope>>,
    /// Text beyond a gap, and what arrived twice: there while there is any of either.
    pub(crate) reassembly: Option<Box<Reassembly>>,
    /// Octets received in order.
    pub(crate) received: u64,
    /// Text of the largest segment seen.
    segment_size: u16,
    /// Shift of our windows.
    pub(crate) scale: u8,
    urgent: bool,
    has_fin: bool,
    /// The application reads no more: text is counted and dropped.
    pub(crate) discard: bool,
}

impl Receiver {
    /// A receiver that has heard of no peer yet.
    pub(crate) fn new(buffer: u32) -> Self {
        let none = SeqNum(0);
        Self {
            nxt: none,
            edge: none,
            last_ack: none,
            up: none,
            fin_seq: none,
            buffer,
            charged: 0,
            queue: None,
            reassembly: None,
            received: 0,
            segment_size: 0,
            scale: 0,
            urgent: false,
            has_fin: false,
            discard: false,
        }
    }

    /// The peer's SYN has the number `irs`; it was offered `window` octets.
    pub(crate) fn opened(&mut self, irs: SeqNum, window: u32) {
        self.nxt = irs + 1;
        self.last_ack = self.nxt;
        self.up = self.nxt;
        self.edge = self.nxt + window;
    }

    /// The peer's FIN has this number.
    pub(crate) fn saw_fin(&mut self, seq: SeqNum) {
        (self.fin_seq, self.has_fin) = (seq, true);
    }

    /// The number of the peer's FIN, once one came; perhaps it waits behind a gap.
    pub(crate) fn fin(&self) -> Option<SeqNum> {
        self.has_fin.then_some(self.fin_seq)
    }

    /// RCV.WND: octets that are accepted from RCV.NXT on.
    pub(crate) fn wnd(&self) -> u32 {
        if self.edge.after(self.nxt) { self.edge.distance_from(self.nxt) } else { 0 }
    }

    /// Octets that wait for the application.
    pub(crate) fn readable(&self) -> usize {
        self.queue.as_ref().map_or(0, |rope| rope.len())
    }

    /// The queue, if something waits.
    pub(crate) fn queue(&self) -> Option<&Rope> {
        self.queue.as_deref()
    }

    /// Text of the largest segment seen: what "full-sized" means for the peer.
    pub(crate) fn segment_size(&self) -> u32 {
        u32::from(self.segment_size)
    }

    /// A segment with text of that size came.
    pub(crate) fn saw_segment(&mut self, size: u32) {
        self.segment_size = self.segment_size.max(size.min(0xffff) as u16);
    }

    /// Whether text waits behind a gap.
    pub(crate) fn has_gap(&self) -> bool {
        self.reassembly.as_ref().is_some_and(|reassembly| !reassembly.is_empty())
    }

    /// Whether an ACK has something to say besides its number.
    pub(crate) fn has_blocks(&self) -> bool {
        self.reassembly.is_some() || self.fin().is_some_and(|fin| fin.after(self.nxt))
    }

    /// Memory behind text that waits, in order and out of order.
    pub(crate) fn memory(&self) -> u32 {
        self.charged + self.reassembly.as_ref().map_or(0, |r| r.charged())
    }

    /// Takes the next octets of the stream, and says whether it keeps the memory that they came in. `spare` becomes
    /// the queue if there is none.
    pub(crate) fn deliver(&mut self, piece: Bytes, spare: impl FnOnce() -> Box<Rope>) -> bool {
        self.advance(piece.len() as u32);
        if self.discard {
            return false;
        }
        let queue = self.queue.get_or_insert_with(spare);
        let keeps = piece.len() > COPY_BREAK;
        if keeps {
            queue.push(piece)
        } else {
            queue.write(&piece)
        }
        keeps
    }

    /// The next octets of the stream have come.
    pub(crate) fn advance(&mut self, len: u32) {
        self.nxt += len;
        self.received += u64::from(len);
    }

    /// Charges what was just delivered with the memory behind it.
    pub(crate) fn charge(&mut self, memory: u32) {
        if !self.discard {
            self.charged = self.charged.saturating_add(memory);
        }
    }

    /// Keeps octets that are ahead of RCV.NXT. Returns whether there was room for them.
    pub(crate) fn hold(&mut self, seq: SeqNum, piece: Bytes, pinned: u32) -> bool {
        let start = self.offset_of(seq);
        let budget = self.budget_ahead();
        let held = self.reassembly.get_or_insert_default().insert(start, piece, pinned, budget);
        self.drop_reassembly_if_idle();
        held
    }

    /// Gives the memory back once nothing waits and there is nothing to tell.
    pub(crate) fn drop_reassembly_if_idle(&mut self) {
        self.reassembly.take_if(|reassembly| reassembly.is_empty() && reassembly.duplicates.len() == 0);
    }

    /// Copies text ahead of its time together, if it pins more than twice what it is; returns whether it did.
    pub(crate) fn collapse_ahead(&mut self) -> bool {
        self.reassembly.as_mut().is_some_and(|reassembly| reassembly.collapse())
    }

    /// Whether `pinned` more ahead of its time would be too much.
    pub(crate) fn is_crowded(&self, pinned: u32) -> bool {
        let charged = self.reassembly.as_ref().map_or(0, |reassembly| reassembly.charged());
        charged.saturating_add(pinned) > self.budget_ahead()
    }

    /// Drops what came ahead of its time: the peer has to send it again, which RFC 2018 §8 allows in need. Returns
    /// whether there was any.
    pub(crate) fn prune(&mut self) -> bool {
        self.reassembly.take().is_some_and(|reassembly| !reassembly.is_empty())
    }

    /// Three quarters of the buffer, so that text in order always finds room.
    fn budget_ahead(&self) -> u32 {
        self.buffer / 4 * 3
    }

    /// Moves what the gap's end has set free into the queue; returns how many octets.
    pub(crate) fn take_held(&mut self, spare: impl FnOnce() -> Box<Rope>) -> u32 {
        let Some(reassembly) = &mut self.reassembly else { return 0 };
        let queue = self.queue.get_or_insert_with(spare);
        let before = queue.len();
        let (moved, charge) = reassembly.take(self.received, queue);
        if self.discard {
            queue.truncate(before);
        } else {
            self.charged = self.charged.saturating_add(charge);
        }
        self.drop_reassembly_if_idle();
        self.advance(moved);
        moved
    }

    /// Copies the queue together when it pins half as much again as the buffer allows; returns whether it did.
    pub(crate) fn collapse(&mut self) -> bool {
        let Some(queue) = &mut self.queue else { return false };
        if self.charged < self.buffer + self.buffer / 2 || queue.len() as u32 > self.charged / 8 * 7 {
            return false;
        }
        queue.compact();
        self.charged = queue.len() as u32;
        true
    }

    /// Copies octets out of the queue.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> usize {
        let Some(queue) = &mut self.queue else { return 0 };
        let before = queue.len();
        let taken = queue.read(buffer);
        self.discharge(before, taken);
        taken
    }

    /// Takes a piece out of the queue.
    pub(crate) fn read_bytes(&mut self, max: usize) -> Option<Bytes> {
        let queue = self.queue.as_mut()?;
        let before = queue.len();
        let piece = queue.read_bytes(max)?;
        self.discharge(before, piece.len());
        Some(piece)
    }

    /// Takes octets out of the queue, in the pieces that they lie in.
    pub(crate) fn read_rope(&mut self, max: usize) -> Option<Rope> {
        let queue = self.queue.as_mut()?;
        let before = queue.len();
        let rope = queue.split_to(max);
        self.discharge(before, rope.len());
        (!rope.is_empty()).then_some(rope)
    }

    /// Takes the queue away if nothing is in it, so that its memory can serve another connection.
    pub(crate) fn take_empty_queue(&mut self) -> Option<Box<Rope>> {
        self.queue.take_if(|queue| queue.is_empty())
    }

    /// Drops all that waits, and all that comes.
    pub(crate) fn shut(&mut self) {
        self.discard = true;
        self.queue = None;
        self.charged = 0;
    }

    /// An urgent pointer that names `up` came; returns whether the application has to be told
    /// (R9293-MUST-32).
    pub(crate) fn urgent(&mut self, up: SeqNum) -> bool {
        let advanced = !self.urgent || up.after(self.up);
        if up.after(self.read_position()) && advanced {
            self.up = up;
            self.urgent = true;
            return true;
        }
        false
    }

    /// Urgent octets that the application has not read yet (R9293-MUST-33); `None` where nothing is urgent.
    pub(crate) fn urgent_ahead(&self) -> Option<u32> {
        let at = self.read_position();
        (self.urgent && self.up.after(at)).then(|| self.up.distance_from(at))
    }

    fn read_position(&self) -> SeqNum {
        self.nxt - self.readable() as u32
    }

    /// Memory goes with the octets in proportion; all of it with the last.
    fn discharge(&mut self, before: usize, taken: usize) {
        if taken >= before {
            self.charged = 0;
        } else {
            let share = u64::from(self.charged) * taken as u64 / before as u64;
            self.charged -= share as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn receiver(buffer: u32, scale: u8) -> Receiver {
        let mut rcv = Receiver::new(buffer);
        rcv.scale = scale;
        rcv.opened(SeqNum(u32::MAX - 500), buffer.min(0xffff));
        rcv
    }

    fn deliver(rcv: &mut Receiver, len: usize) {
        rcv.deliver(Bytes::from(alloc::vec![1; len]), Box::default);
        rcv.charge(len as u32);
    }

    #[test]
    fn pinned_memory_closes_the_window_and_is_let_go() {
        let mut rcv = receiver(10_000, 0);
        for pinned in [4000, 8000, 12_000, 16_000] {
            assert!(!rcv.collapse(), "the buffer allows it");
            assert!(rcv.deliver(Bytes::from(alloc::vec![1; 600]), Box::default));
            rcv.charge(4000);
            assert_eq!(rcv.memory(), pinned);
        }
        assert_eq!((rcv.memory(), rcv.offer(u32::MAX, MSS)), (16_000, 7600));
        assert!(rcv.collapse());
        assert_eq!((rcv.memory(), rcv.readable()), (2400, 2400));
        assert!(!rcv.collapse());
    }

    #[test]
    fn urgent_octets_are_counted_down_as_they_are_read() {
        let mut rcv = receiver(10_000, 0);
        let up = rcv.nxt + 5;
        assert!(rcv.urgent(up) && !rcv.urgent(up));
        deliver(&mut rcv, 3);
        assert_eq!(rcv.urgent_ahead(), Some(5));
        rcv.read(&mut [0; 3]);
        assert_eq!(rcv.urgent_ahead(), Some(2));
        deliver(&mut rcv, 10);
        rcv.read(&mut [0; 10]);
        assert_eq!(rcv.urgent_ahead(), None);
        assert!(!rcv.urgent(up), "it lies behind");
    }
}
