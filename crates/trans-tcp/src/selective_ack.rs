//! Which SACK blocks our ACKs carry: RFC 2018 §3 and §4, RFC 2883.
//!
//! Whatever lies beyond a gap is reported until the gap is filled, the block that grew last first (R2018-3-a,
//! R2018-4-a). What arrived twice comes before all others, once, each in an ACK of its own (R2883-4-a). When a batch made more blocks than one
//! header holds, the others follow in ACKs of their own. Nothing that was reported is ever dropped: text beyond a gap
//! leaves the queue only towards the application.

use crate::connection::Connection;
use crate::ecn::{Feedback, TWO_BLOCKS};
use crate::env::Env;
use crate::receiver::Receiver;
use stack_packet::Range;
use stack_wire::seq::SeqNum;
use stack_wire::tcp_options::SackBlocks;

/// Octets of a block, and of what stands before the first.
const BLOCK: u32 = 8;
const BEFORE: u32 = 4;

impl Receiver {
    /// The octets `[start, end)` came and were there already; to be reported.
    fn note_duplicate(&mut self, start: SeqNum, end: SeqNum) {
        self.reassembly.get_or_insert_default().duplicates.push(start, end);
    }

    /// The report of a duplicate for the next ACK.
    fn take_duplicate(&mut self) -> Option<(SeqNum, SeqNum)> {
        let taken = self.reassembly.as_mut()?.duplicates.pop();
        self.drop_reassembly_if_idle();
        taken
    }

    /// Reports that wait.
    fn duplicates(&self) -> u8 {
        self.reassembly.as_ref().map_or(0, |reassembly| reassembly.duplicates.len())
    }

    /// The first octets of `[start, start + len)` that are held beyond a gap already.
    fn held_already(&self, start: SeqNum, len: u32) -> Option<(SeqNum, SeqNum)> {
        let offset = self.offset_of(start);
        let held = self.reassembly.as_ref()?.overlap(Range::new(offset, offset + u64::from(len)))?;
        Some((self.seq_of(held.start), self.seq_of(held.end)))
    }

    /// The blocks for `room` octets of options, most recent first; takes the report of a duplicate.
    fn take_blocks(&mut self, room: u32) -> SackBlocks {
        let mut blocks = SackBlocks::new();
        let most = (room.saturating_sub(BEFORE) / BLOCK) as usize;
        if most == 0 {
            return blocks;
        }
        if let Some((start, end)) = self.take_duplicate() {
            blocks.push(start, end);
        }
        let (nxt, received, fin) = (self.nxt, self.received, self.fin());
        let mut fin_is_told = fin.is_none_or(|fin| fin.before(nxt));
        if let Some(reassembly) = &mut self.reassembly {
            for range in reassembly.report(most - blocks.len()) {
                let seq = |offset: u64| nxt + (offset - received) as u32;
                let ends_with_fin = fin == Some(seq(range.end));
                fin_is_told |= ends_with_fin;
                blocks.push(seq(range.start), seq(range.end) + u32::from(ends_with_fin));
            }
        }
        if let Some(fin) = fin.filter(|&fin| !fin_is_told && fin != nxt && blocks.len() < most) {
            blocks.push(fin, fin + 1);
        }
        blocks
    }

    /// Offset in the stream of a number at or beyond RCV.NXT.
    pub(crate) fn offset_of(&self, seq: SeqNum) -> u64 {
        self.received + u64::from(seq.distance_from(self.nxt))
    }

    fn seq_of(&self, offset: u64) -> SeqNum {
        self.nxt + offset.wrapping_sub(self.received) as u32
    }
}

impl Connection {
    /// Text of a segment lies before RCV.NXT: the peer sent it again, or the network doubled it.
    pub(crate) fn old_text(&mut self, env: &mut Env<'_, '_>, start: SeqNum, end: SeqNum) {
        if self.sack && end.after(start) {
            env.counters().dsack_old_sent += 1;
            self.rcv.note_duplicate(start, end);
            self.acks.tell_duplicates(self.rcv.duplicates());
        }
    }

    /// Text beyond a gap; what of it is held already is a duplicate, too.
    pub(crate) fn text_ahead(&mut self, env: &mut Env<'_, '_>, start: SeqNum, len: u32) {
        if !self.sack {
            return;
        }
        if let Some((start, end)) = self.rcv.held_already(start, len) {
            env.counters().dsack_ofo_sent += 1;
            self.rcv.note_duplicate(start, end);
        }
    }

    /// ACKs that `segments` beyond a gap are owed: each its own, so that the peer can count them; with SACK, as many as
    /// it takes to tell all blocks.
    pub(crate) fn acknowledge_gap(&mut self, segments: u64) {
        if !self.sack {
            return self.acks.gap(segments);
        }
        let room = crate::options::sack_room(self.ts.on);
        let room = if self.ecn.feedback() == Feedback::Accurate { room.min(TWO_BLOCKS) } else { room };
        let per_ack = (room - BEFORE) / BLOCK;
        let fresh = self.rcv.reassembly.as_ref().map_or(0, |reassembly| reassembly.fresh());
        self.acks.tell(fresh.div_ceil(per_ack));
        self.acks.tell_duplicates(self.rcv.duplicates());
    }

    /// SACK blocks for a segment with `room` octets for options besides timestamps.
    pub(crate) fn sack_blocks(&mut self, room: u32) -> SackBlocks {
        if !self.sack || !self.rcv.has_blocks() {
            return SackBlocks::new();
        }
        self.rcv.take_blocks(room.min(crate::options::sack_room(self.ts.on)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use bytes::Bytes;

    const ROOM: u32 = 40;

    fn receiver() -> Receiver {
        let mut rcv = Receiver::new(1 << 20);
        rcv.opened(SeqNum(u32::MAX), 1 << 20); // text starts at 0
        rcv
    }

    fn hold(rcv: &mut Receiver, start: u32, end: u32) {
        assert!(rcv.hold(SeqNum(start), Bytes::from(alloc::vec![1; (end - start) as usize]), 0));
    }

    fn blocks(rcv: &mut Receiver, room: u32) -> Vec<(u32, u32)> {
        rcv.take_blocks(room).iter().map(|block| (block.left.0, block.right.0)).collect()
    }

    // R2018-4-a, R2018-3-a
    #[test]
    fn the_block_that_grew_last_comes_first_and_is_whole() {
        let mut rcv = receiver();
        hold(&mut rcv, 100, 200);
        hold(&mut rcv, 300, 400);
        assert_eq!(blocks(&mut rcv, ROOM), [(300, 400), (100, 200)]);
        hold(&mut rcv, 200, 250);
        assert_eq!(blocks(&mut rcv, ROOM), [(100, 250), (300, 400)]);
        hold(&mut rcv, 250, 300);
        assert_eq!(blocks(&mut rcv, ROOM), [(100, 400)]);
    }

    // R2018-3-a
    #[test]
    fn four_blocks_fit_or_three_beside_timestamps() {
        let mut rcv = receiver();
        (1..8).for_each(|i| hold(&mut rcv, i * 100, i * 100 + 10));
        let all = blocks(&mut rcv, ROOM);
        assert_eq!(all, [(700, 710), (600, 610), (500, 510), (400, 410)]);
        assert_eq!(crate::options::sack_room(true), 28);
        assert_eq!(blocks(&mut rcv, 28).len(), 3);
        assert!(blocks(&mut rcv, 11).is_empty());
    }

    #[test]
    fn what_one_ack_does_not_hold_is_in_the_next() {
        let mut rcv = receiver();
        (1..7).for_each(|i| hold(&mut rcv, i * 100, i * 100 + 10));
        let mut told = blocks(&mut rcv, 28);
        told.extend(blocks(&mut rcv, 28));
        told.sort_unstable();
        assert_eq!(told, (1..7).map(|i| (i * 100, i * 100 + 10)).collect::<Vec<_>>());
    }

    // R2883-4-a
    #[test]
    fn a_duplicate_is_told_once_and_before_the_block_around_it() {
        let mut rcv = receiver();
        hold(&mut rcv, 100, 200);
        hold(&mut rcv, 300, 400);
        assert_eq!(rcv.held_already(SeqNum(120), 30), Some((SeqNum(120), SeqNum(150))));
        assert_eq!(rcv.held_already(SeqNum(50), 100), Some((SeqNum(100), SeqNum(150))));
        assert_eq!(rcv.held_already(SeqNum(200), 100), None);
        rcv.note_duplicate(SeqNum(120), SeqNum(150));
        hold(&mut rcv, 120, 150);
        assert_eq!(blocks(&mut rcv, ROOM), [(120, 150), (100, 200), (300, 400)]);
        assert_eq!(blocks(&mut rcv, ROOM), [(100, 200), (300, 400)]);
    }

    #[test]
    fn duplicates_that_follow_each_other_are_one() {
        let mut rcv = receiver();
        rcv.note_duplicate(SeqNum(10), SeqNum(20));
        rcv.note_duplicate(SeqNum(20), SeqNum(30));
        assert_eq!(blocks(&mut rcv, ROOM), [(10, 30)]);
        rcv.note_duplicate(SeqNum(10), SeqNum(20));
        rcv.note_duplicate(SeqNum(40), SeqNum(50));
        assert!(rcv.has_blocks() && !rcv.has_gap());
        assert_eq!(blocks(&mut rcv, ROOM), [(10, 20)], "one in each ACK");
        assert_eq!(blocks(&mut rcv, ROOM), [(40, 50)]);
        assert!(!rcv.has_blocks() && rcv.reassembly.is_none());
    }

    #[test]
    fn a_fin_beyond_a_gap_is_part_of_the_block_before_it_or_one_of_its_own() {
        let mut rcv = receiver();
        rcv.saw_fin(SeqNum(500));
        assert_eq!(blocks(&mut rcv, ROOM), [(500, 501)]);
        hold(&mut rcv, 400, 500);
        assert_eq!(blocks(&mut rcv, ROOM), [(400, 501)]);
    }
}
