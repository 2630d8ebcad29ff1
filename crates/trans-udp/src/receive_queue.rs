//! Datagrams that wait for the application, and what they cost.
//!
//! A datagram is charged the memory that it pins (its packet's truesize) and its place in the queue. Where it would pin
//! much more than it holds, it is copied out and charged as the copy. A super-packet is charged once and read as the
//! datagrams that it stands for. The first datagram always fits, so that a small buffer delays nobody for ever.

use crate::address::Peer;
use crate::config::MIN_BUFFER;
use alloc::collections::VecDeque;
use bytes::Bytes;
use core::net::IpAddr;
use stack_core::{Cast, Instant, NicId};

/// Payloads up to this many bytes are copied out of their packet: what network drivers use as `rx_copybreak`.
const COPY_BREAK: usize = 256;
/// A payload is copied out if its packet pins more than this many times its size.
const MAX_WASTE: usize = 4;

/// What came with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatagramMeta {
    /// The address that it was sent to (RFC 1122 §4.1.3.5): ours, a group or a broadcast address.
    pub local: IpAddr,
    /// To how many that address belongs.
    pub cast: Cast,
    /// The interface it came in by.
    pub nic: NicId,
    /// TTL or hop limit that was left.
    pub hop_limit: u8,
    /// Type of service or traffic class, ECN included.
    pub traffic_class: u8,
    /// Mark that a policy put on it.
    pub mark: u32,
    /// When it entered the stack.
    pub received_at: Instant,
    /// Payload bytes of each datagram that the bytes stand for, the last one being shorter; 0 for a single datagram.
    pub segment_size: usize,
}

/// One packet's payload.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) from: Peer,
    pub(crate) meta: DatagramMeta,
}

impl Received {
    /// How many datagrams it stands for.
    pub(crate) fn count(&self) -> usize {
        match self.meta.segment_size {
            0 => 1,
            size => self.bytes.len().div_ceil(size).max(1),
        }
    }

    /// The first datagram that it stands for.
    fn first(&self) -> Self {
        let mut first = self.clone();
        if self.meta.segment_size > 0 {
            first.bytes.truncate(self.meta.segment_size);
            first.meta.segment_size = 0;
        }
        first
    }
}

/// How much is taken at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Take {
    /// One datagram.
    Datagram,
    /// All that came in one packet.
    Packet,
}

#[derive(Debug)]
pub(crate) struct ReceiveQueue {
    queue: VecDeque<(Received, usize)>,
    charged: usize,
    limit: usize,
}

impl ReceiveQueue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), charged: 0, limit: limit.max(MIN_BUFFER) }
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

    /// Whether a datagram of that charge fits.
    pub(crate) fn has_room(&self, charge: usize) -> bool {
        self.is_empty() || self.charged.saturating_add(charge) <= self.limit
    }

    pub(crate) fn push(&mut self, received: Received, charge: usize) {
        self.charged += charge;
        self.queue.push_back((received, charge));
    }

    /// The oldest datagram, left where it is.
    pub(crate) fn peek(&self) -> Option<Received> {
        self.queue.front().map(|(received, _)| received.first())
    }

    /// The oldest datagram or packet, with the charge that went with it.
    pub(crate) fn take(&mut self, take: Take) -> Option<(Received, usize)> {
        let (front, _) = self.queue.front_mut()?;
        if take == Take::Datagram && front.count() > 1 {
            let first = front.first();
            front.bytes = front.bytes.slice(first.bytes.len()..);
            return Some((first, 0));
        }
        let (mut received, charge) = self.queue.pop_front()?;
        if received.count() == 1 {
            received.meta.segment_size = 0;
        }
        self.charged -= charge;
        Some((received, charge))
    }

    /// Drops all of it, and the memory behind it; returns what it was charged.
    pub(crate) fn clear(&mut self) -> usize {
        self.queue = VecDeque::new();
        core::mem::take(&mut self.charged)
    }
}

/// Whether a payload is to be copied out of a packet that pins `truesize` bytes.
pub(crate) fn should_copy(payload_len: usize, truesize: usize) -> bool {
    payload_len <= COPY_BREAK || truesize / MAX_WASTE > payload_len
}

/// What a queued payload costs that pins `pinned` bytes.
pub(crate) fn charge(pinned: usize) -> usize {
    pinned.saturating_add(size_of::<(Received, usize)>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn received(len: usize, segment_size: usize) -> Received {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Received {
            bytes: (0..len).map(|i| i as u8).collect(),
            from: Peer { ip, port: 1, zone: None },
            meta: DatagramMeta {
                local: ip,
                cast: Cast::Unicast,
                nic: NicId(1),
                hop_limit: 64,
                traffic_class: 0,
                mark: 0,
                received_at: Instant::ZERO,
                segment_size,
            },
        }
    }

    #[test]
    fn a_super_packet_is_read_as_its_datagrams_and_charged_until_the_last() {
        let mut queue = ReceiveQueue::new(MIN_BUFFER);
        queue.push(received(250, 100), 1000);
        for expected in [(100, 0), (100, 0), (50, 1000)] {
            let (got, charge) = queue.take(Take::Datagram).unwrap();
            assert_eq!((got.bytes.len(), charge), expected);
            assert_eq!(got.meta.segment_size, 0);
        }
        assert!(queue.is_empty() && queue.charged == 0);
    }

    #[test]
    fn a_whole_super_packet_tells_its_segment_size_while_it_has_several() {
        let mut queue = ReceiveQueue::new(MIN_BUFFER);
        queue.push(received(250, 100), 1000);
        assert_eq!(queue.take(Take::Packet).unwrap().0.meta.segment_size, 100);
        queue.push(received(150, 100), 1000);
        assert_eq!(queue.take(Take::Datagram).unwrap().0.bytes.len(), 100);
        let (rest, _) = queue.take(Take::Packet).unwrap();
        assert_eq!((rest.bytes.len(), rest.bytes[0], rest.meta.segment_size), (50, 100, 0));
    }

    #[test]
    fn the_first_datagram_fits_and_then_the_limit_holds() {
        let mut queue = ReceiveQueue::new(MIN_BUFFER);
        assert!(queue.has_room(1 << 20));
        queue.push(received(1, 0), 4000);
        assert!(queue.has_room(96) && !queue.has_room(97));
        assert_eq!(queue.clear(), 4000);
    }

    #[test]
    fn what_pins_much_more_than_it_holds_is_copied() {
        for (len, truesize, copied) in
            [(0, 0, true), (256, 300, true), (257, 300, false), (1472, 1500, false), (1472, 32_768, true)]
        {
            assert_eq!(should_copy(len, truesize), copied, "{len} of {truesize}");
        }
    }
}
