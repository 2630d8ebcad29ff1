//! The receive arena: blocks that packets are read into, one after the other, each handed on as a slice.
//!
//! A block is used again once every packet cut from it is gone (`BytesMut::try_reclaim`); it is never
//! zeroed again. The current one is written from its start again as soon as that is so: where packets come and go at
//! once, as in a router, their bytes stay in the processor's cache. One packet that is kept pins its whole block, so:
//! - small packets have blocks of their own ([`SMALL_BLOCK`]), which bounds the memory that one pins;
//! - sockets copy small payloads out (copy-break, see [`Rope::write`](crate::Rope::write));
//! - the arena waits for at most [`MAX_RETIRED`] blocks, and then lets the oldest go: its memory returns
//!   to the allocator with its last packet, and is charged to whoever keeps that.

use alloc::collections::VecDeque;
use bytes::{Bytes, BytesMut};

/// Block size for super-packets: holds four of 64 KiB.
pub const BIG_BLOCK: usize = 256 * 1024;
/// Block size for packets of up to an ordinary MTU: about twenty of 1500 bytes.
pub const SMALL_BLOCK: usize = 32 * 1024;
/// Blocks remembered for reuse while packets still lie in them.
const MAX_RETIRED: usize = 64;

/// A supply of receive buffers.
#[derive(Debug)]
pub struct RxArena {
    current: BytesMut,
    retired: VecDeque<BytesMut>,
    block: usize,
}

impl RxArena {
    /// An arena of blocks of `block` bytes, the first of them taken now.
    pub fn new(block: usize) -> Self {
        Self { current: BytesMut::with_capacity(block), retired: VecDeque::new(), block }
    }

    /// A buffer with room for at least `len` more bytes behind what was written and not yet taken.
    /// Write to its end, then [`take`](Self::take) the packet.
    pub fn reserve(&mut self, len: usize) -> &mut BytesMut {
        if self.current.is_empty() {
            let _ = self.current.try_reclaim(self.block);
        }
        if self.room() < len {
            self.next_block(len);
        }
        &mut self.current
    }

    /// Bytes that [`reserve`](Self::reserve) can give without moving what was written and not yet taken.
    pub fn room(&self) -> usize {
        self.current.capacity() - self.current.len()
    }

    /// Cuts off what was written since the last call, as a packet.
    pub fn take(&mut self) -> Bytes {
        if self.current.is_empty() {
            return Bytes::new();
        }
        self.current.split().freeze()
    }

    /// Forgets what was written since the last call of [`take`](Self::take).
    pub fn discard(&mut self) {
        self.current.clear();
    }

    /// Copies `bytes` in and hands them back as a packet: for sources that own their memory.
    pub fn copy(&mut self, bytes: &[u8]) -> Bytes {
        self.reserve(bytes.len()).extend_from_slice(bytes);
        self.take()
    }

    /// Blocks that still hold packets, the current one not counted.
    pub fn retired_blocks(&self) -> usize {
        self.retired.len()
    }

    fn next_block(&mut self, len: usize) {
        let size = self.block.max(len);
        let unfinished = self.current.split();
        let mut next = self.reclaimed(size).unwrap_or_else(|| BytesMut::with_capacity(size));
        next.extend_from_slice(&unfinished);
        drop(unfinished);
        let full = core::mem::replace(&mut self.current, next);
        if self.retired.len() == MAX_RETIRED {
            self.retired.pop_front();
        }
        self.retired.push_back(full);
    }

    /// The oldest few retired blocks are the likeliest to be free; more are not looked at.
    fn reclaimed(&mut self, size: usize) -> Option<BytesMut> {
        let free = (0..self.retired.len().min(4)).find(|&i| self.retired[i].try_reclaim(size))?;
        self.retired.remove(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn packets_keep_their_bytes_while_blocks_change() {
        let mut arena = RxArena::new(64);
        let packets: Vec<Bytes> = (0..40u8).map(|i| arena.copy(&[i; 13])).collect();
        for (i, packet) in packets.iter().enumerate() {
            assert_eq!(&packet[..], &[i as u8; 13]);
        }
    }

    #[test]
    fn blocks_are_used_again_when_their_packets_are_gone() {
        let mut arena = RxArena::new(1024);
        for i in 0..100_000u32 {
            let packet = arena.copy(&[i as u8; 100]);
            assert_eq!(packet.len(), 100);
        }
        assert!(arena.retired_blocks() <= 1, "{} blocks", arena.retired_blocks());
    }

    #[test]
    fn what_comes_and_goes_at_once_lies_in_the_same_place() {
        let mut arena = RxArena::new(1024);
        let place = arena.copy(b"first").as_ptr();
        assert_eq!(arena.copy(b"second").as_ptr(), place);
        let kept = arena.copy(b"third");
        assert_ne!(arena.copy(b"fourth").as_ptr(), place);
        drop(kept);
        assert_eq!(arena.copy(b"fifth").as_ptr(), place);
    }

    #[test]
    fn a_hoarder_does_not_make_the_arena_grow() {
        let mut arena = RxArena::new(1024);
        let hoard: Vec<Bytes> = (0..10_000u32).map(|i| arena.copy(&[i as u8; 600])).collect();
        assert!(arena.retired_blocks() <= MAX_RETIRED);
        assert_eq!(hoard.len(), 10_000);
    }

    #[test]
    fn a_packet_larger_than_a_block_gets_one_of_its_own() {
        let mut arena = RxArena::new(16);
        assert_eq!(arena.copy(&[9; 5000]).len(), 5000);
    }

    #[test]
    fn unfinished_bytes_move_along() {
        let mut arena = RxArena::new(16);
        arena.reserve(4).extend_from_slice(b"abcd");
        arena.reserve(100).extend_from_slice(b"efgh");
        assert_eq!(arena.take(), &b"abcdefgh"[..]);
    }
}
