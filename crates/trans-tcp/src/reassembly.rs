//! Text that arrived out of order: RFC 9293 §3.10.7.4 (R9293-SHLD-31), bounded.
//!
//! Pieces are kept by their offset from the beginning of the stream, sorted and never overlapping; what was there
//! first stays. Each piece is charged the memory that it pins and an overhead of its own, and the sum stays within the
//! budget that the receiver gives: three quarters of its buffer, so that in-order text always finds room. Small pieces
//! are copied, so that they don't pin the block that they arrived in. What is taken is reported, whatever number of ranges
//! it makes (`held.rs`): that budget is the only bound.

mod held;

use crate::duplicates::Duplicates;
use alloc::collections::BTreeMap;
use bytes::{Bytes, BytesMut};
use held::Held;
use stack_packet::{Range, Rope};

/// Memory of a piece beyond its bytes: its places in two trees, reference, allocation.
const OVERHEAD: u32 = 128;
/// Pieces up to this size are copied.
pub(crate) const COPY_BREAK: usize = 512;
/// Ranges that are remembered as recent: what two ACKs can report.
const RECENT: usize = 8;

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    charge: u32,
}

/// The out-of-order queue of a connection.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    pieces: BTreeMap<u64, Piece>,
    charged: u32,
    /// What is held, whatever pieces it is in.
    held: Held,
    /// A place in each of the ranges that grew last, the latest first.
    recent: [u64; RECENT],
    /// Of these, ranges that no ACK has told of since.
    fresh: u8,
    /// What arrived twice and no ACK has told of.
    pub(crate) duplicates: Duplicates,
}

impl Reassembly {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Memory that it holds, in bytes.
    pub(crate) fn charged(&self) -> u32 {
        self.charged
    }

    /// Queues the bytes at `start` as far as they are new; `pinned` is the memory behind them.
    /// Returns whether the budget allowed it.
    pub(crate) fn insert(&mut self, start: u64, bytes: Bytes, pinned: u32, budget: u32) -> bool {
        let range = Range::new(start, start + bytes.len() as u64);
        let held = self.insert_new(start, bytes, pinned, budget);
        if held {
            self.held.insert(range);
            self.touch(start);
        }
        held
    }

    /// The first part of `range` that is held already.
    pub(crate) fn overlap(&self, range: Range) -> Option<Range> {
        let held = self.held.at_or_after(range.start)?;
        let common = Range::new(held.start.max(range.start), held.end.min(range.end));
        (!common.is_empty()).then_some(common)
    }

    /// Ranges that have grown since an ACK told of them.
    pub(crate) fn fresh(&self) -> u32 {
        u32::from(self.fresh)
    }

    /// Up to `most` ranges for an ACK, those that grew last first, each once.
    pub(crate) fn report(&mut self, most: usize) -> impl Iterator<Item = Range> + use<> {
        let mut ranges = [Range::new(0, 0); RECENT];
        let mut count = 0;
        let mut looked_at = 0;
        for &place in &self.recent {
            if count == most {
                break;
            }
            looked_at += 1;
            let Some(range) = self.held.at_or_after(place).filter(|range| range.start <= place) else {
                continue;
            };
            if ranges.iter().take(count).all(|told| *told != range) {
                if let Some(slot) = ranges.get_mut(count) {
                    *slot = range;
                }
                count += 1;
            }
        }
        if usize::from(self.fresh) > looked_at {
            self.recent.rotate_left(looked_at);
        }
        self.fresh = self.fresh.saturating_sub(looked_at as u8);
        ranges.into_iter().take(count)
    }

    /// The range around `place` has grown.
    fn touch(&mut self, place: u64) {
        let Some(range) = self.held.at_or_after(place) else { return };
        let same = |&at: &u64| range.start <= at && at < range.end;
        let was_at = self.recent.iter().position(same).unwrap_or(RECENT - 1);
        if was_at >= usize::from(self.fresh) {
            self.fresh = (self.fresh + 1).min(RECENT as u8);
        }
        if let Some(older) = self.recent.get_mut(..=was_at) {
            older.rotate_right(1);
        }
        self.recent[0] = place;
    }

    fn insert_new(&mut self, start: u64, mut bytes: Bytes, pinned: u32, budget: u32) -> bool {
        let mut start = start;
        if let Some((&at, before)) = self.pieces.range(..=start).next_back() {
            let covered = (at + before.bytes.len() as u64).saturating_sub(start);
            if covered >= bytes.len() as u64 {
                return true;
            }
            bytes = bytes.split_off(covered as usize);
            start += covered;
        }
        let covered = self.covered(start, &mut bytes);
        let charge = charge_of(&bytes, pinned);
        if bytes.is_empty() {
            return true;
        }
        if (self.charged - covered).saturating_add(charge) > budget {
            return false; // and nothing that was there is dropped: the peer may know of it
        }
        self.swallow(start, start + bytes.len() as u64);
        if bytes.len() <= COPY_BREAK {
            bytes = Bytes::copy_from_slice(&bytes);
        }
        self.charged += charge;
        self.pieces.insert(start, Piece { bytes, charge });
        true
    }

    /// Copies adjacent pieces together, if that lets go of half of the memory; returns whether it did. What it costs
    /// is paid by the memory that it took to get there, so that a peer can't make it happen often.
    pub(crate) fn collapse(&mut self) -> bool {
        let text = self.held.total() as u32;
        if self.charged < 2 * (text + OVERHEAD * (self.held.len() as u32 + 1)) {
            return false;
        }
        let mut runs: BTreeMap<u64, Piece> = BTreeMap::new();
        let mut run: Option<(u64, BytesMut)> = None;
        for (at, piece) in core::mem::take(&mut self.pieces) {
            match &mut run {
                Some((start, bytes)) if *start + bytes.len() as u64 == at => {
                    bytes.extend_from_slice(&piece.bytes)
                }
                _ => {
                    let next = (at, BytesMut::from(&piece.bytes[..]));
                    runs.extend(run.replace(next).map(finish));
                }
            }
        }
        runs.extend(run.map(finish));
        self.charged = runs.values().map(|piece| piece.charge).sum();
        self.pieces = runs;
        true
    }

    /// Moves everything that follows `next` without a gap to `queue`. Returns the bytes moved and their charge.
    pub(crate) fn take(&mut self, next: u64, queue: &mut Rope) -> (u32, u32) {
        let (mut moved, mut charge) = (0u32, 0u32);
        while let Some(first) = self.pieces.first_entry() {
            let at = *first.key();
            let due = next + u64::from(moved);
            if at > due {
                break;
            }
            let mut piece = first.remove();
            self.charged -= piece.charge;
            let stale = (due - at).min(piece.bytes.len() as u64) as usize;
            let fresh = piece.bytes.split_off(stale);
            moved += fresh.len() as u32;
            if fresh.len() <= COPY_BREAK {
                queue.write(&fresh);
                charge += fresh.len() as u32;
            } else {
                charge += piece.charge - OVERHEAD;
                queue.push(fresh);
            }
        }
        self.held.remove_below(next + u64::from(moved));
        (moved, charge)
    }

    /// Cuts the new piece where a queued one goes on beyond it, and says what the queued ones are charged that it
    /// covers whole.
    fn covered(&self, start: u64, bytes: &mut Bytes) -> u32 {
        let end = start + bytes.len() as u64;
        let mut charge = 0;
        for (&at, piece) in self.pieces.range(start..end) {
            if at + piece.bytes.len() as u64 > end {
                bytes.truncate((at - start) as usize);
                break;
            }
            charge += piece.charge;
        }
        charge
    }

    /// Drops the queued pieces in `[start, end)`, which the new one covers.
    fn swallow(&mut self, start: u64, end: u64) {
        while let Some((&at, _)) = self.pieces.range(start..end).next() {
            if let Some(gone) = self.pieces.remove(&at) {
                self.charged -= gone.charge;
            }
        }
    }
}

/// A run of copied text as a piece of its own.
fn finish((start, bytes): (u64, BytesMut)) -> (u64, Piece) {
    let charge = OVERHEAD + bytes.len() as u32;
    (start, Piece { bytes: bytes.freeze(), charge })
}

fn charge_of(bytes: &Bytes, pinned: u32) -> u32 {
    let len = bytes.len() as u32;
    OVERHEAD + if bytes.len() <= COPY_BREAK { len } else { pinned.max(len) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const PLENTY: u32 = u32::MAX / 2;

    proptest! {
        #[test]
        fn any_order_any_overlap_gives_the_stream_once(
            cuts in proptest::collection::vec((0usize..3000, 1usize..1500), 1..60)
        ) {
            let stream: Vec<u8> = (0..3000u32).map(|i| (i * 7 + i / 251) as u8).collect();
            let (mut r, mut queue, mut next) = (Reassembly::default(), Rope::new(), 0u64);
            let all = [(0, 3000)];
            for &(start, len) in cuts.iter().chain(&all) {
                let end = (start + len).min(3000);
                let start = start.max(next as usize);
                if start >= end { continue; }
                let piece = Bytes::copy_from_slice(&stream[start..end]);
                prop_assert!(r.insert(start as u64, piece, 2000, PLENTY));
                let told: Vec<Range> = r.report(4).collect();
                prop_assert!(told.iter().all(|range| r.held.at_or_after(range.start) == Some(*range)));
                prop_assert_eq!(r.held.total(), r.pieces.values().map(|p| p.bytes.len() as u64).sum::<u64>());
                let held: u32 = r.pieces.values().map(|p| p.charge).sum();
                prop_assert_eq!(held, r.charged());
                let (moved, _) = r.take(next, &mut queue);
                next += u64::from(moved);
            }
            prop_assert!(r.is_empty() && r.charged() == 0);
            prop_assert_eq!(&queue.to_bytes()[..], &stream[..]);
        }

        #[test]
        fn the_budget_holds(cuts in proptest::collection::vec((0u64..100_000, 1usize..3000), 1..300)) {
            let mut r = Reassembly::default();
            for (start, len) in cuts {
                r.insert(start, Bytes::from(alloc::vec![0; len]), len as u32, 20_000);
                prop_assert!(r.charged() <= 20_000);
            }
        }
    }

    #[test]
    fn what_was_reported_is_not_dropped_for_something_larger() {
        let mut r = Reassembly::default();
        assert!(r.insert(10, Bytes::from(alloc::vec![0; 600]), 600, 1000));
        assert!(!r.insert(5, Bytes::from(alloc::vec![0; 2000]), 2000, 1000));
        assert_eq!(r.overlap(Range::new(0, 5000)), Some(Range::new(10, 610)));
        assert_eq!(r.pieces.len(), 1);
    }

    #[test]
    fn one_byte_pieces_pay_their_overhead() {
        let mut r = Reassembly::default();
        let taken =
            (0..10_000u64).filter(|i| r.insert(i * 2 + 1, Bytes::from_static(b"x"), 2048, 12_900)).count();
        assert_eq!(taken, 100);
    }

    #[test]
    fn holes_of_a_large_window_are_all_reported() {
        let mut r = Reassembly::default();
        for i in 0..10_000u64 {
            assert!(r.insert(3000 * i + 1500, Bytes::from(alloc::vec![0; 1500]), 2048, PLENTY));
            let told: Vec<Range> = r.report(3).collect();
            assert_eq!(told[0], Range::new(3000 * i + 1500, 3000 * i + 3000));
        }
        assert_eq!(r.held.len(), 10_000);
    }

    #[test]
    fn small_pieces_pin_nothing() {
        let block = Bytes::from(alloc::vec![7; 4096]);
        let mut r = Reassembly::default();
        r.insert(10, block.slice(0..100), 4096, PLENTY);
        assert!(block.is_unique());
        assert_eq!(r.charged(), 100 + OVERHEAD);
        r.insert(1000, block.slice(0..1000), 4096, PLENTY);
        assert!(!block.is_unique());
        assert_eq!(r.charged(), 100 + 4096 + 2 * OVERHEAD);
    }

    #[test]
    fn collapsing_lets_go_of_memory_and_keeps_every_byte() {
        let block = Bytes::from((0..60_000u32).map(|i| i as u8).collect::<Vec<u8>>());
        let mut r = Reassembly::default();
        for (start, end) in [(10, 610), (610, 1210), (3000, 3600), (1210, 1811)] {
            assert!(r.insert(start as u64, block.slice(start..end), 8192, PLENTY));
        }
        assert!(r.collapse() && block.is_unique());
        assert_eq!((r.charged(), r.pieces.len()), (1801 + 600 + 2 * OVERHEAD, 2));
        assert!(!r.collapse(), "there is nothing to gain");
        let mut queue = Rope::new();
        assert_eq!(r.take(10, &mut queue).0, 1801);
        assert_eq!(&queue.to_bytes()[..], &block[10..1811]);
    }

    #[test]
    fn collapsing_is_left_where_it_gains_less_than_half() {
        let block = Bytes::from(alloc::vec![0; 2000]);
        let mut r = Reassembly::default();
        for (start, end) in [(0, 1000), (1000, 2000)] {
            r.insert(start as u64, block.slice(start..end), 2000 - OVERHEAD, PLENTY);
        }
        assert_eq!(r.charged(), 4000, "and 2000 and the overhead of a piece afterwards");
        assert!(!r.collapse());
    }

    #[test]
    fn what_came_first_stays() {
        let (mut r, mut queue) = (Reassembly::default(), Rope::new());
        r.insert(2, Bytes::from_static(b"first"), 5, PLENTY);
        r.insert(0, Bytes::from_static(b"xxxxx"), 5, PLENTY);
        r.insert(6, Bytes::from_static(b"yyyyy"), 5, PLENTY);
        r.take(0, &mut queue);
        assert_eq!(&queue.to_bytes()[..], b"xxfirstyyyy");
    }
}
