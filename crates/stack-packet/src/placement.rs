//! Direct placement: text that a link reads to where its reader wants it (the term is that of RFC 5041 §1.1).
//!
//! A reader that waits offers memory for what its stream goes on with. A link that finds that text in front of it
//! reads it there, and hands the packet up without it; [`RxMeta::placed`](crate::RxMeta::placed) says how much of the
//! payload is with the reader. Nobody else sees that text: it is only offered where nobody has to, and whoever cannot
//! use such a packet as it is drops it as if it had been lost. What the transport takes lies, from the start on
//! without a gap, in the memory; what lies behind it means nothing.

use core::net::SocketAddr;

/// A place in a stream of a transport with sequence numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StreamPosition {
    /// Who sends it.
    pub remote: SocketAddr,
    /// Whom it is sent to.
    pub local: SocketAddr,
    /// The sequence number of the octet there.
    pub seq: u32,
}

/// Memory for what a stream goes on with: first what has been placed, then room.
#[derive(Debug)]
pub struct Placement<'a> {
    next: StreamPosition,
    memory: &'a mut [u8],
    placed: usize,
}

impl<'a> Placement<'a> {
    /// Offers memory for the text from `next` on.
    pub fn new(next: StreamPosition, memory: &'a mut [u8]) -> Self {
        Self { next, memory, placed: 0 }
    }

    /// What belongs at the start of the room.
    pub fn next(&self) -> &StreamPosition {
        &self.next
    }

    /// Octets that have been placed.
    pub fn placed(&self) -> usize {
        self.placed
    }

    /// Octets that there is room for.
    pub fn room(&self) -> usize {
        self.memory.len() - self.placed
    }

    /// The room, and in front of it the last `before` octets that were placed, or all if they are fewer. Who writes to
    /// those restores them.
    pub fn memory(&mut self, before: usize) -> &mut [u8] {
        self.memory.get_mut(self.placed.saturating_sub(before)..).unwrap_or_default()
    }

    /// Says that the first `len` octets of the room are what belongs there; at most all of it.
    pub fn place(&mut self, len: usize) {
        let len = len.min(self.room());
        self.placed += len;
        self.next.seq = self.next.seq.wrapping_add(len as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    #[test]
    fn text_is_placed_behind_text_until_there_is_no_room() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let mut memory = [0; 10];
        let start = StreamPosition { remote: address, local: address, seq: u32::MAX - 1 };
        let mut placement = Placement::new(start, &mut memory);
        placement.memory(99)[..4].copy_from_slice(b"abcd");
        placement.place(4);
        assert_eq!((placement.placed(), placement.room(), placement.next().seq), (4, 6, 2));
        assert_eq!(placement.memory(2), b"cd\0\0\0\0\0\0");
        assert_eq!((placement.memory(0).len(), placement.memory(99).len()), (6, 10));
        placement.place(99);
        assert_eq!((placement.placed(), placement.room(), placement.next().seq), (10, 0, 8));
        assert_eq!(placement.memory(1).len(), 1);
        assert!(placement.memory(0).is_empty());
    }
}
