//! Memory for copies of what applications write: large blocks that are cut into pieces and used again once all their
//! pieces are gone, so that a transfer takes no memory from the allocator and touches no fresh page.
//!
//! A piece is cut off under a lock and filled without it.

use crate::lock::lock;
use bytes::BytesMut;
use std::collections::VecDeque;
use std::sync::Mutex;

/// Size of a block: a few of the largest writes.
const BLOCK: usize = 1024 * 1024;
/// Blocks that are waited for; more are left to the allocator.
const MAX_RETIRED: usize = 16;

/// A supply of buffers.
#[derive(Default)]
pub(crate) struct Blocks(Mutex<Supply>);

#[derive(Default)]
struct Supply {
    current: BytesMut,
    retired: VecDeque<BytesMut>,
}

impl Blocks {
    /// An empty buffer with room for `len` bytes, at most a block.
    pub(crate) fn buffer(&self, len: usize) -> BytesMut {
        let len = len.min(BLOCK);
        let mut supply = lock(&self.0);
        if supply.current.capacity() < len {
            supply.next_block();
        }
        let rest = supply.current.split_off(len);
        std::mem::replace(&mut supply.current, rest)
    }
}

impl Supply {
    fn next_block(&mut self) {
        let next = self.reclaimed().unwrap_or_else(|| BytesMut::with_capacity(BLOCK));
        let used = std::mem::replace(&mut self.current, next);
        if self.retired.len() == MAX_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(used);
    }

    /// The oldest blocks are the likeliest to be free.
    fn reclaimed(&mut self) -> Option<BytesMut> {
        let free = (0..self.retired.len().min(4)).find(|&i| self.retired[i].try_reclaim(BLOCK))?;
        self.retired.remove(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn filled(blocks: &Blocks, byte: u8, len: usize) -> Bytes {
        let mut buffer = blocks.buffer(len);
        buffer.extend_from_slice(&vec![byte; len]);
        buffer.freeze()
    }

    #[test]
    fn pieces_of_one_block_keep_their_bytes() {
        let blocks = Blocks::default();
        let pieces: Vec<Bytes> = (0..100).map(|i| filled(&blocks, i, 100_000)).collect();
        for (i, piece) in pieces.iter().enumerate() {
            assert!(piece.len() == 100_000 && piece.iter().all(|byte| *byte == i as u8));
        }
    }

    #[test]
    fn a_transfer_uses_the_same_blocks_again() {
        let blocks = Blocks::default();
        let mut flight = VecDeque::new();
        for i in 0..1000 {
            flight.push_back(filled(&blocks, i as u8, 200_000));
            if flight.len() > 5 {
                flight.pop_front();
            }
        }
        assert!(lock(&blocks.0).retired.len() <= 3);
    }

    #[test]
    fn blocks_that_are_kept_by_somebody_are_not_waited_for() {
        let blocks = Blocks::default();
        let kept: Vec<Bytes> = (0..40).map(|i| filled(&blocks, i, BLOCK)).collect();
        assert_eq!(lock(&blocks.0).retired.len(), MAX_RETIRED);
        assert_eq!(kept[39][BLOCK - 1], 39);
    }
}
