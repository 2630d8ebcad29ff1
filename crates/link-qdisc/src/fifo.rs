//! First in, first out, with limits: what comes when it is full is dropped.

use crate::counters::count;
use crate::{Discipline, QdiscCounters};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use stack_core::{Instant, TxPacket};

/// A queue of bounded length.
#[derive(Debug)]
pub struct Fifo {
    queue: VecDeque<Box<TxPacket>>,
    bytes: usize,
    max_packets: usize,
    max_bytes: usize,
    counters: Arc<QdiscCounters>,
}

impl Fifo {
    /// At most so many packets, and at most so many bytes of them.
    pub fn new(max_packets: usize, max_bytes: usize) -> Self {
        Self { queue: VecDeque::new(), bytes: 0, max_packets, max_bytes, counters: Arc::default() }
    }
}

impl Default for Fifo {
    /// 1000 packets, as Linux's devices (`txqueuelen`), however long.
    fn default() -> Self {
        Self::new(1000, usize::MAX)
    }
}

impl Discipline for Fifo {
    fn enqueue(&mut self, _: Instant, packet: Box<TxPacket>) {
        let bytes = self.bytes.saturating_add(packet.len());
        if self.queue.len() >= self.max_packets || bytes > self.max_bytes {
            return count(&self.counters.overflowed);
        }
        self.bytes = bytes;
        self.queue.push_back(packet);
    }

    fn dequeue(&mut self, _: Instant) -> Option<Box<TxPacket>> {
        let packet = self.queue.pop_front()?;
        self.bytes -= packet.len();
        Some(packet)
    }

    fn next_due(&self) -> Option<Instant> {
        (!self.queue.is_empty()).then_some(Instant::ZERO)
    }

    fn len(&self) -> usize {
        self.queue.len()
    }

    fn counters(&self) -> Arc<QdiscCounters> {
        Arc::clone(&self.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn packet(mark: u32, len: usize) -> Box<TxPacket> {
        let mut packet = Box::new(TxPacket::new());
        packet.push(Bytes::from(alloc::vec![0; len])).unwrap();
        packet.mark = mark;
        packet
    }

    #[test]
    fn packets_and_bytes_are_limited_and_the_order_stays() {
        for (max_packets, max_bytes, kept) in [(3, usize::MAX, 3), (100, 250, 2), (0, usize::MAX, 0)] {
            let mut fifo = Fifo::new(max_packets, max_bytes);
            (0..5).for_each(|mark| fifo.enqueue(Instant::ZERO, packet(mark, 100)));
            assert_eq!((fifo.len(), fifo.counters().statistics().overflowed), (kept, 5 - kept as u64));
            for mark in 0..kept as u32 {
                assert_eq!(fifo.dequeue(Instant::ZERO).unwrap().mark, mark);
            }
            assert_eq!((fifo.next_due(), fifo.bytes), (None, 0));
        }
    }
}
