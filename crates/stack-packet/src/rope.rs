//! A byte sequence made of shared pieces: what sockets queue, in both directions.
//!
//! Pieces enter by reference ([`Rope::push`]) or by copy ([`Rope::write`], which fills a tail block, so that many
//! small writes become one piece). Ranges leave by reference; only [`Rope::read`] copies.
//!
//! Invariants: `len` is the sum of the pieces and the tail; no piece is empty; the tail is behind all pieces.

use crate::TxPacket;
use alloc::collections::VecDeque;
use bytes::{Buf, Bytes, BytesMut};

/// Size of a tail block: one super-packet's payload.
const TAIL_BLOCK: usize = 64 * 1024;
/// First tail block of a rope: a request or a reply, not a transfer.
const FIRST_BLOCK: usize = 2 * 1024;

/// An ordered sequence of bytes in shared pieces.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Rope {
    /// An empty rope; takes no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes in the rope.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Pieces in the rope, the tail included.
    pub fn piece_count(&self) -> usize {
        self.pieces.len() + usize::from(!self.tail.is_empty())
    }

    /// Appends a piece by reference. Empty pieces are ignored.
    pub fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        self.seal();
        self.len += piece.len();
        self.pieces.push_back(piece);
    }

    /// Appends a copy of `bytes`.
    pub fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut room = self.tail.capacity() - self.tail.len();
            if room == 0 {
                self.seal();
                let block =
                    if self.is_empty() && rest.len() <= FIRST_BLOCK { FIRST_BLOCK } else { TAIL_BLOCK };
                self.tail = BytesMut::with_capacity(block);
                room = self.tail.capacity();
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.tail.extend_from_slice(now);
            self.len += now.len();
            rest = later;
        }
    }

    /// Appends all of `other` by reference.
    pub fn append(&mut self, mut other: Self) {
        other.seal();
        self.seal();
        self.len += other.len;
        self.pieces.append(&mut other.pieces);
    }

    /// The bytes piece by piece, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let tail = (!self.tail.is_empty()).then_some(&self.tail[..]);
        self.pieces.iter().map(|piece| &piece[..]).chain(tail)
    }

    /// The pieces themselves, in order.
    pub fn into_pieces(mut self) -> impl Iterator<Item = Bytes> {
        self.seal();
        self.pieces.into_iter()
    }

    /// All bytes in one buffer; copies only if there is more than one piece.
    pub fn to_bytes(&mut self) -> Bytes {
        self.seal();
        if self.pieces.len() == 1 {
            return self.pieces[0].clone();
        }
        let mut flat = BytesMut::with_capacity(self.len);
        self.pieces().for_each(|piece| flat.extend_from_slice(piece));
        flat.freeze()
    }

    /// Copies bytes out of the front into `buffer` and removes them; returns how many.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let copied = self.peek(0, buffer);
        self.advance(copied);
        copied
    }

    /// Copies bytes from `offset` on into `buffer` and leaves them; returns how many.
    pub fn peek(&self, offset: usize, buffer: &mut [u8]) -> usize {
        let (mut skip, mut copied) = (offset, 0);
        for piece in self.pieces() {
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            let take = (piece.len() - skip).min(buffer.len() - copied);
            buffer[copied..copied + take].copy_from_slice(&piece[skip..skip + take]);
            (skip, copied) = (0, copied + take);
            if copied == buffer.len() {
                break;
            }
        }
        copied
    }

    /// Removes up to `max` bytes from the front as one piece, by reference: the first piece, or a part of it.
    /// `None` if the rope is empty or `max` is 0.
    pub fn read_bytes(&mut self, max: usize) -> Option<Bytes> {
        if max == 0 || self.is_empty() {
            return None;
        }
        if self.pieces.is_empty() {
            self.seal();
        }
        let first = self.pieces.front_mut()?;
        let piece = if first.len() <= max { self.pieces.pop_front()? } else { first.split_to(max) };
        self.len -= piece.len();
        Some(piece)
    }

    /// Removes up to `max` bytes from the front, by reference.
    pub fn split_to(&mut self, max: usize) -> Self {
        if self.len <= max {
            return core::mem::take(self);
        }
        let mut front = Self::new();
        while let Some(piece) = self.read_bytes(max - front.len) {
            front.push(piece);
        }
        front
    }

    /// Makes room for so many more pieces.
    pub fn reserve(&mut self, pieces: usize) {
        self.pieces.reserve(pieces);
    }

    /// Removes `count` bytes from the front, or all of them.
    pub fn advance(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len -= left;
        while left > 0 {
            match self.pieces.front_mut() {
                Some(first) if first.len() > left => {
                    first.advance(left);
                    return;
                }
                Some(first) => {
                    left -= first.len();
                    self.pieces.pop_front();
                }
                None => {
                    self.tail.advance(left);
                    return;
                }
            }
        }
    }

    /// Cuts the rope to its first `len` bytes; longer lengths change nothing.
    pub fn truncate(&mut self, len: usize) {
        let mut excess = self.len.saturating_sub(len);
        self.len -= excess;
        let from_tail = excess.min(self.tail.len());
        self.tail.truncate(self.tail.len() - from_tail);
        excess -= from_tail;
        while excess > 0 {
            match self.pieces.back_mut() {
                Some(last) if last.len() > excess => {
                    last.truncate(last.len() - excess);
                    return;
                }
                Some(last) => {
                    excess -= last.len();
                    self.pieces.pop_back();
                }
                None => return,
            }
        }
    }

    /// Drops all bytes and the memory behind them.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Pushes the bytes `[offset, offset + len)` onto a packet by reference and returns how many fitted:
    /// fewer than `len` when the packet runs out of pieces or the rope out of bytes.
    pub fn copy_to_packet(&mut self, offset: usize, len: usize, packet: &mut TxPacket) -> usize {
        if offset + len > self.len - self.tail.len() {
            self.seal();
        }
        let (mut skip, mut left) = (offset, len);
        for piece in &self.pieces {
            if left == 0 {
                break;
            }
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            let take = left.min(piece.len() - skip);
            if packet.push(piece.slice(skip..skip + take)).is_err() {
                break;
            }
            (skip, left) = (0, left - take);
        }
        len - left
    }

    /// Copies all bytes into as few exact blocks as there need be, and lets go of what the pieces pinned.
    pub fn compact(&mut self) {
        let flat = {
            let mut flat = BytesMut::with_capacity(self.len);
            self.pieces().for_each(|piece| flat.extend_from_slice(piece));
            flat.freeze()
        };
        self.clear();
        self.push(flat);
    }

    /// Makes what was written to the tail a piece; later writes go on in the same block.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push_back(self.tail.split().freeze());
        }
    }
}

impl From<Bytes> for Rope {
    fn from(piece: Bytes) -> Self {
        let mut rope = Self::new();
        rope.push(piece);
        rope
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn flat(rope: &Rope) -> Vec<u8> {
        rope.pieces().flatten().copied().collect()
    }

    #[derive(Clone, Debug)]
    enum Op {
        Push(Vec<u8>),
        Write(Vec<u8>),
        Read(usize),
        ReadBytes(usize),
        SplitTo(usize),
        Advance(usize),
        Truncate(usize),
        Slice(usize, usize),
        Compact,
    }

    fn op() -> impl Strategy<Value = Op> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..40);
        prop_oneof![
            bytes().prop_map(Op::Push),
            bytes().prop_map(Op::Write),
            (0..60usize).prop_map(Op::Read),
            (0..60usize).prop_map(Op::ReadBytes),
            (0..60usize).prop_map(Op::SplitTo),
            (0..60usize).prop_map(Op::Advance),
            (0..200usize).prop_map(Op::Truncate),
            (0..100usize, 0..100usize).prop_map(|(a, b)| Op::Slice(a, b)),
            Just(Op::Compact),
        ]
    }

    proptest! {
        #[test]
        fn a_rope_is_a_vector_of_bytes(ops in proptest::collection::vec(op(), 0..60)) {
            let (mut rope, mut model) = (Rope::new(), Vec::<u8>::new());
            for op in ops {
                match op {
                    Op::Push(b) => { rope.push(Bytes::from(b.clone())); model.extend(b); }
                    Op::Write(b) => { rope.write(&b); model.extend(b); }
                    Op::Read(n) => {
                        let mut buffer = alloc::vec![0; n];
                        let got = rope.read(&mut buffer);
                        let expected: Vec<u8> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(&buffer[..got], &expected[..]);
                    }
                    Op::ReadBytes(n) => {
                        if let Some(piece) = rope.read_bytes(n) {
                            prop_assert!(!piece.is_empty() && piece.len() <= n);
                            let expected: Vec<u8> = model.drain(..piece.len()).collect();
                            prop_assert_eq!(&piece[..], &expected[..]);
                        } else {
                            prop_assert!(n == 0 || model.is_empty());
                        }
                    }
                    Op::SplitTo(n) => {
                        let front = rope.split_to(n);
                        let expected: Vec<u8> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!((front.len(), flat(&front)), (expected.len(), expected));
                    }
                    Op::Advance(n) => { rope.advance(n); model.drain(..n.min(model.len())); }
                    Op::Truncate(n) => { rope.truncate(n); model.truncate(n); }
                    Op::Slice(offset, len) => {
                        let mut packet = TxPacket::new();
                        let got = rope.copy_to_packet(offset, len, &mut packet);
                        let start = offset.min(model.len());
                        let end = (offset + got).min(model.len()).max(start);
                        prop_assert_eq!(&packet.to_bytes()[..], &model[start..end]);
                        prop_assert!(got == len.min(model.len().saturating_sub(offset)) || packet.is_full());
                    }
                    Op::Compact => { rope.compact(); prop_assert!(rope.piece_count() <= 1); }
                }
                prop_assert_eq!(rope.len(), model.len());
                prop_assert_eq!(flat(&rope), model.clone());
            }
        }
    }

    #[test]
    fn many_small_writes_are_one_piece() {
        let mut rope = Rope::new();
        for _ in 0..1000 {
            rope.write(b"x");
        }
        assert_eq!(rope.piece_count(), 1);
        assert_eq!(rope.to_bytes().len(), 1000);
    }
}
