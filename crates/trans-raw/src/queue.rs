//! Messages in order, each with what it is charged.
//!
//! Buffers count memory: what a queued message pins and its place in the queue. A send queue takes a message whenever it
//! is below its limit, so that "writable" is exact; a receive queue always takes the first one.

use crate::config::MIN_BUFFER;
use alloc::collections::VecDeque;
use bytes::Bytes;
use stack_core::RxPacket;

/// Payloads up to this many bytes are copied out of their packet: what network drivers use as `rx_copybreak`.
const COPY_BREAK: usize = 256;
/// A payload is copied out if its packet pins more than this many times its size.
const MAX_WASTE: usize = 4;

#[derive(Debug)]
pub(crate) struct Queue<T> {
    queue: VecDeque<(T, usize)>,
    charged: usize,
    limit: usize,
}

impl<T> Queue<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), charged: 0, limit: limit.max(MIN_BUFFER) }
    }

    /// What a message costs that pins `pinned` bytes.
    pub(crate) fn charge(pinned: usize) -> usize {
        pinned.saturating_add(size_of::<(T, usize)>())
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(MIN_BUFFER);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn is_below_limit(&self) -> bool {
        self.charged < self.limit
    }

    /// Whether a message of that charge fits; the first one always does.
    pub(crate) fn has_room(&self, charge: usize) -> bool {
        self.is_empty() || self.charged.saturating_add(charge) <= self.limit
    }

    pub(crate) fn push(&mut self, message: T, charge: usize) {
        self.charged += charge;
        self.queue.push_back((message, charge));
    }

    /// The oldest message, with the charge that went with it.
    pub(crate) fn pop(&mut self) -> Option<(T, usize)> {
        let (message, charge) = self.queue.pop_front()?;
        self.charged -= charge;
        Some((message, charge))
    }

    /// Drops all of it, and the memory behind it; returns what it was charged.
    pub(crate) fn clear(&mut self) -> usize {
        self.queue = VecDeque::new();
        core::mem::take(&mut self.charged)
    }
}

/// The bytes of an inbound packet from `skip` on in one piece, and how much memory they pin: by reference where they are
/// contiguous and the packet does not pin much more than it holds.
pub(crate) fn keep(packet: &RxPacket, skip: usize) -> (Bytes, usize) {
    let len = packet.len().saturating_sub(skip);
    let truesize = packet.meta.truesize as usize;
    let whole = packet.front(packet.len());
    let rest = whole.slice(skip.min(whole.len())..);
    if len <= COPY_BREAK || truesize / MAX_WASTE > len {
        return (Bytes::copy_from_slice(&rest), len);
    }
    (rest, truesize.max(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::Instant;

    #[test]
    fn the_first_message_fits_and_then_the_limit_holds() {
        let mut queue = Queue::new(0);
        assert_eq!(queue.limit(), MIN_BUFFER);
        assert!(queue.has_room(1 << 20));
        queue.push(1, 4000);
        assert!(queue.has_room(96) && !queue.has_room(97) && queue.is_below_limit());
        assert_eq!(queue.pop(), Some((1, 4000)));
        queue.push(2, 5000);
        assert!(!queue.is_below_limit());
        assert_eq!((queue.clear(), queue.is_empty(), queue.pop()), (5000, true, None));
    }

    #[test]
    fn what_pins_much_more_than_it_holds_is_copied() {
        for (len, truesize, skip, copied) in
            [(256, 300, 0, true), (1500, 1500, 40, false), (1500, 65_536, 40, true), (10, 10, 40, true)]
        {
            let bytes: Bytes = (0..len).map(|i| i as u8).collect();
            let mut packet = RxPacket::new(bytes.clone(), 0x0800, Instant::ZERO);
            packet.meta.truesize = truesize;
            let (kept, pinned) = keep(&packet, skip);
            let skip = skip.min(len);
            assert_eq!(kept, bytes.slice(skip..));
            let shared = kept.as_ptr() == bytes.slice(skip..).as_ptr();
            assert_eq!(shared, !copied, "{len} of {truesize}");
            assert_eq!(pinned, if copied { len - skip } else { truesize as usize });
        }
    }

    #[test]
    fn pieces_are_put_together() {
        let mut packet = RxPacket::new(Bytes::from_static(b"head"), 0, Instant::ZERO);
        packet.more.push(Bytes::from_static(b"tail"));
        assert_eq!(keep(&packet, 2).0, &b"adtail"[..]);
    }
}
