//! The memory that a batch is read into: for each frame of a batch a small buffer and a big one.
//!
//! The first [`SMALL`] bytes of a frame go to the small buffer, the rest to the big one. An ordinary frame so pins little
//! memory and is one contiguous buffer; of a super-packet all headers are contiguous in `data` and the rest is one piece
//! of `more`. Buffers that a batch did not use serve the next one; big ones are used again once their packet is gone.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Bytes of a frame that lie in a small buffer: a frame of the usual MTU with room to spare, and any chain of headers.
pub(crate) const SMALL: usize = 2048;
/// Bytes that a frame can have behind those: the largest IP packet and an Ethernet header with a tag in all.
const BIG: usize = 65_536 + 18 - SMALL;
/// Big buffers whose packets are still in use that are looked after; more are let go, so that one hoarder of packets does
/// not keep them all.
const MAX_RETIRED: usize = 32;
/// Of these, how many are asked whether they are free again.
const LOOKED_AT: usize = 4;

/// Buffers for one frame.
#[derive(Debug)]
pub(crate) struct Buffers {
    pub(crate) small: BytesMut,
    pub(crate) big: BytesMut,
}

#[derive(Debug)]
pub(crate) struct Pool {
    buffers: Vec<Buffers>,
    /// Small buffers that were cut from one block and not used yet.
    smalls: Vec<BytesMut>,
    /// What is left of big buffers whose packets are in use.
    retired: VecDeque<BytesMut>,
    frames: usize,
}

impl Pool {
    /// Memory for batches of so many frames.
    pub(crate) fn new(frames: usize) -> Self {
        let mut pool = Self { buffers: Vec::new(), smalls: Vec::new(), retired: VecDeque::new(), frames };
        for _ in 0..frames {
            let (small, big) = (pool.small(), BytesMut::with_capacity(BIG));
            pool.buffers.push(Buffers { small, big });
        }
        pool
    }

    /// Empty buffers with all their room, one pair for each frame of a batch.
    pub(crate) fn buffers(&mut self) -> &mut [Buffers] {
        &mut self.buffers
    }

    /// Takes what was read into the buffers of a frame, and puts fresh ones in their place.
    pub(crate) fn take(&mut self, index: usize) -> (Bytes, Bytes) {
        let small = self.small();
        let buffers = &mut self.buffers[index];
        let front = core::mem::replace(&mut buffers.small, small).freeze();
        if buffers.big.is_empty() {
            return (front, Bytes::new());
        }
        let rest = buffers.big.split().freeze();
        let fresh = self.reclaimed().unwrap_or_else(|| BytesMut::with_capacity(BIG));
        let used = core::mem::replace(&mut self.buffers[index].big, fresh);
        if self.retired.len() == MAX_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(used);
        (front, rest)
    }

    fn small(&mut self) -> BytesMut {
        if self.smalls.is_empty() {
            let mut block = BytesMut::with_capacity(self.frames.max(1) * SMALL);
            self.smalls.extend((0..self.frames).map(|_| {
                let rest = block.split_off(SMALL);
                core::mem::replace(&mut block, rest)
            }));
        }
        self.smalls.pop().unwrap_or_else(|| BytesMut::with_capacity(SMALL))
    }

    fn reclaimed(&mut self) -> Option<BytesMut> {
        let free = (0..self.retired.len().min(LOOKED_AT)).find(|&at| self.retired[at].try_reclaim(BIG))?;
        self.retired.remove(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(pool: &mut Pool, index: usize, small: &[u8], big: &[u8]) -> (Bytes, Bytes) {
        let buffers = &mut pool.buffers()[index];
        assert!(buffers.small.is_empty() && buffers.small.capacity() >= SMALL);
        assert!(buffers.big.is_empty() && buffers.big.capacity() >= BIG);
        buffers.small.extend_from_slice(small);
        buffers.big.extend_from_slice(big);
        pool.take(index)
    }

    #[test]
    fn frames_keep_their_bytes_whatever_is_read_after_them() {
        let mut pool = Pool::new(4);
        let mut kept = Vec::new();
        for round in 0..100u8 {
            let big = if round % 3 == 0 { vec![round; 5000] } else { Vec::new() };
            kept.push((round, fill(&mut pool, usize::from(round % 4), &[round; SMALL], &big)));
        }
        for (round, (front, rest)) in kept {
            assert!(front.len() == SMALL && front.iter().chain(&rest).all(|byte| *byte == round));
            assert_eq!(rest.len(), if round % 3 == 0 { 5000 } else { 0 });
        }
        assert!(pool.retired.len() <= MAX_RETIRED);
    }

    #[test]
    fn big_buffers_are_used_again_when_their_packets_are_gone() {
        let mut pool = Pool::new(1);
        for _ in 0..1000 {
            fill(&mut pool, 0, &[1; 60], &[2; 60_000]);
        }
        assert!(pool.retired.len() <= 2, "{}", pool.retired.len());
    }
}
