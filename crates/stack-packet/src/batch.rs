//! Batches: the unit in which packets pass between links and the host.
//!
//! An outbound batch recycles its slots: a packet is built where it will lie and never moves;
//! queues pass the boxes on.

use crate::{RxPacket, TxPacket};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Inbound packets, in order of arrival.
pub type RxBatch = Vec<RxPacket>;

/// Empty slots that a cleared batch keeps for reuse; what a burst needed beyond that is given back.
const SPARE_SLOTS: usize = 256;

/// Outbound packets, in order of departure: a queue whose slots are recycled.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "queues of several owners pass the boxes on; a packet must not move")]
pub struct TxBatch {
    queue: VecDeque<Box<TxPacket>>,
    spare: Vec<Box<TxPacket>>,
}

impl TxBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an empty packet and hands it out to be built in place.
    pub fn slot(&mut self) -> &mut TxPacket {
        let packet = self.spare.pop().unwrap_or_default();
        self.queue.push_back(packet);
        let last = self.queue.len() - 1;
        &mut self.queue[last]
    }

    /// Takes back the newest packet: it could not be built.
    pub fn cancel(&mut self) {
        if let Some(packet) = self.queue.pop_back() {
            self.recycle(packet);
        }
    }

    /// Appends a packet that was built elsewhere.
    pub fn push(&mut self, packet: Box<TxPacket>) {
        self.queue.push_back(packet);
    }

    /// Packets in the batch.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is no packet.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The oldest packet.
    pub fn front(&self) -> Option<&TxPacket> {
        self.queue.front().map(|packet| &**packet)
    }

    /// The oldest packet, to be changed.
    pub fn front_mut(&mut self) -> Option<&mut TxPacket> {
        self.queue.front_mut().map(|packet| &mut **packet)
    }

    /// The newest packet, to be changed.
    pub fn back_mut(&mut self) -> Option<&mut TxPacket> {
        self.queue.back_mut().map(|packet| &mut **packet)
    }

    /// Takes the oldest packet out. Give it back with [`TxBatch::recycle`] where speed matters.
    pub fn pop(&mut self) -> Option<Box<TxPacket>> {
        self.queue.pop_front()
    }

    /// Drops the oldest packet: it has been sent.
    pub fn consume(&mut self) {
        if let Some(packet) = self.queue.pop_front() {
            self.recycle(packet);
        }
    }

    /// Empties a packet and keeps its slot for reuse.
    pub fn recycle(&mut self, mut packet: Box<TxPacket>) {
        packet.reset();
        if self.spare.len() < SPARE_SLOTS {
            self.spare.push(packet);
        }
    }

    /// Moves all packets of `other` behind ours; a swap when we have none.
    pub fn append(&mut self, other: &mut Self) {
        if self.queue.is_empty() {
            core::mem::swap(&mut self.queue, &mut other.queue);
        } else {
            self.queue.append(&mut other.queue);
        }
        if other.spare.len() < self.spare.len() {
            let give = (self.spare.len() - other.spare.len()) / 2;
            other.spare.extend(self.spare.drain(self.spare.len() - give..));
        }
    }

    /// Takes the slots of packets that were sent from `other`, if it has none of its own left: they were built here.
    pub fn reclaim(&mut self, other: &mut Self) {
        if self.spare.is_empty() {
            core::mem::swap(&mut self.spare, &mut other.spare);
        }
    }

    /// Drops all packets.
    pub fn clear(&mut self) {
        while !self.is_empty() {
            self.consume();
        }
    }

    /// The packets, oldest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &TxPacket> {
        self.queue.iter().map(|packet| &**packet)
    }

    /// The packets, oldest first, to be changed.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut TxPacket> {
        self.queue.iter_mut().map(|packet| &mut **packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(batch: &mut TxBatch, from: u32, to: u32) {
        for mark in from..to {
            batch.slot().mark = mark;
        }
    }

    fn marks(batch: &TxBatch) -> Vec<u32> {
        batch.iter().map(|packet| packet.mark).collect()
    }

    #[test]
    fn order_is_kept_through_append_and_consume() {
        let (mut a, mut b) = (TxBatch::new(), TxBatch::new());
        numbered(&mut b, 0, 3);
        a.append(&mut b);
        numbered(&mut b, 3, 5);
        a.append(&mut b);
        a.consume();
        assert_eq!(marks(&a), [1, 2, 3, 4]);
        assert!(b.is_empty());
    }

    #[test]
    fn a_recycled_slot_is_empty() {
        let mut batch = TxBatch::new();
        let packet = batch.slot();
        packet.push(bytes::Bytes::from_static(b"old")).unwrap();
        packet.mark = 7;
        packet.multicast_loop = false;
        batch.cancel();
        let packet = batch.slot();
        assert!(packet.is_empty() && packet.mark == 0 && packet.multicast_loop);
        batch.clear();
        assert_eq!(batch.len(), 0);
    }

    #[test]
    fn slots_come_back_to_where_packets_are_built() {
        let (mut built, mut sent) = (TxBatch::new(), TxBatch::new());
        numbered(&mut built, 0, 3);
        let slots: Vec<*const TxPacket> = built.iter().map(core::ptr::from_ref).collect();
        while let Some(packet) = built.pop() {
            sent.push(packet);
        }
        sent.clear();
        built.reclaim(&mut sent);
        numbered(&mut built, 0, 3);
        assert!(built.iter().all(|packet| slots.contains(&core::ptr::from_ref(packet))));
    }

    #[test]
    fn spare_slots_are_bounded() {
        let mut batch = TxBatch::new();
        numbered(&mut batch, 0, 1000);
        batch.clear();
        assert_eq!(batch.spare.len(), SPARE_SLOTS);
    }
}
