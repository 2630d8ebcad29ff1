//! The loopback link: what is transmitted is received.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-loopback is here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! A host turns most packets to itself around before they reach any link; this link is right for those that are
//! routed here all the same. Payload passes by reference, super-packets whole, checksums are neither computed nor
//! verified: nothing on the way could damage them.
//!
//! The queue is bounded: what finds no room stays in the batch, and whoever transmits is woken when there is room.
//! What it deliberately lacks: link addresses, and delay or loss (`link-impair` adds those).
//!
//! ```
//! use link_loopback::Loopback;
//! use stack_core::{Instant, LinkEndpoint, TxBatch};
//!
//! let (mut receive, mut transmit) = Box::new(Loopback::new()).split();
//! let mut batch = TxBatch::new();
//! batch.slot().prepend(20).expect("a new packet has headroom").fill(0x45);
//! transmit.transmit(Instant::ZERO, &mut batch)?;
//! let mut arrived = Vec::new();
//! assert_eq!(receive.receive(Instant::ZERO, &mut arrived)?, 1);
//! assert_eq!(arrived[0].len(), 20);
//! # Ok::<(), stack_core::LinkError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::task::Waker;
use spin::Mutex;
use stack_core::{
    Instant, LinkAddress, LinkCapabilities, LinkEndpoint, LinkError, LinkReceive, LinkTransmit, Medium,
    RxBatch, RxPacket, TxBatch,
};

/// Largest packet, in bytes: what Linux gives its loopback device.
pub const DEFAULT_MTU: u32 = 65_536;
/// Packets that wait before the sender has to: about the queue of a Linux device (1000).
const CAPACITY: usize = 1024;
/// Packets handed over in one call.
const BATCH: usize = 64;
/// EtherType of IPv4 (RFC 894).
const IPV4: u16 = 0x0800;
/// EtherType of IPv6 (RFC 2464 §3).
const IPV6: u16 = 0x86dd;

/// A loopback link.
#[derive(Clone, Copy, Debug)]
pub struct Loopback {
    mtu: u32,
}

impl Loopback {
    /// A loopback link with the MTU of Linux's, [`DEFAULT_MTU`].
    pub fn new() -> Self {
        Self { mtu: DEFAULT_MTU }
    }

    /// The same with this MTU, in bytes: to see on one machine what a smaller one does.
    #[must_use]
    pub fn with_mtu(self, mtu: u32) -> Self {
        Self { mtu }
    }
}

impl Default for Loopback {
    fn default() -> Self {
        Self::new()
    }
}

impl LinkEndpoint for Loopback {
    fn capabilities(&self) -> LinkCapabilities {
        LinkCapabilities {
            rx_checksum: true,
            tx_checksum: true,
            tso4: true,
            tso6: true,
            uso: true,
            max_gso: 65_535,
            batch: BATCH,
            ..LinkCapabilities::plain(Medium::Loopback, self.mtu)
        }
    }

    fn link_address(&self) -> Option<LinkAddress> {
        None
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let queue = Arc::new(Mutex::new(Queue::default()));
        (Box::new(Receive(Arc::clone(&queue))), Box::new(Transmit(queue)))
    }
}

/// Packets under way. The lock is held while up to a batch of them moves, and released before anything is woken.
#[derive(Default)]
struct Queue {
    packets: VecDeque<RxPacket>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    closed: bool,
}

struct Receive(Arc<Mutex<Queue>>);

impl LinkReceive for Receive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let mut queue = self.0.lock();
        let count = queue.packets.len().min(BATCH);
        if count == 0 {
            return if queue.closed { Err(LinkError::Closed) } else { Ok(0) };
        }
        let before = batch.len();
        batch.extend(queue.packets.drain(..count));
        let writer = queue.writer.take();
        drop(queue);
        batch[before..].iter_mut().for_each(|packet| packet.meta.received_at = now);
        wake(writer);
        Ok(count)
    }

    fn register(&mut self, waker: &Waker) {
        self.0.lock().reader = Some(waker.clone());
    }
}

impl Drop for Receive {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        let unread = core::mem::take(&mut queue.packets);
        let writer = queue.writer.take();
        drop(queue);
        drop(unread);
        wake(writer);
    }
}

struct Transmit(Arc<Mutex<Queue>>);

impl LinkTransmit for Transmit {
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        let (closed, room) = {
            let queue = self.0.lock();
            (queue.closed, CAPACITY.saturating_sub(queue.packets.len()))
        };
        if closed {
            return Err(LinkError::Closed);
        }
        // Nobody else adds to the queue, so the room stays while the packets are turned around outside of the lock.
        let mut turned: VecDeque<RxPacket> = (0..room).map_while(|_| turn_around(now, batch)).collect();
        if turned.is_empty() {
            return Ok(());
        }
        let mut queue = self.0.lock();
        queue.packets.append(&mut turned);
        let reader = queue.reader.take();
        drop(queue);
        wake(reader);
        Ok(())
    }

    fn register(&mut self, waker: &Waker) {
        self.0.lock().writer = Some(waker.clone());
    }
}

impl Drop for Transmit {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        let reader = queue.reader.take();
        drop(queue);
        wake(reader);
    }
}

/// Takes the first packet of a batch as it would have arrived.
fn turn_around(now: Instant, batch: &mut TxBatch) -> Option<RxPacket> {
    let mut packet = batch.front_mut()?.to_rx(now);
    batch.consume();
    packet.meta.loopback = true;
    packet.meta.ether_type = match packet.data.first().map(|byte| byte >> 4) {
        Some(4) => IPV4,
        Some(6) => IPV6,
        _ => 0,
    };
    Some(packet)
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::vec::Vec;
    use bytes::Bytes;
    use core::sync::atomic::{AtomicU32, Ordering};
    use stack_core::Checksum;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn fill(batch: &mut TxBatch, packets: usize) {
        for _ in 0..packets {
            batch.slot().prepend(20).unwrap().fill(0x45);
        }
    }

    #[test]
    fn it_claims_what_linux_claims_for_lo() {
        let claims = Loopback::new().capabilities();
        assert_eq!((claims.medium, claims.mtu, claims.header_len), (Medium::Loopback, 65_536, 0));
        assert!(claims.rx_checksum && claims.tx_checksum && claims.tso4 && claims.tso6 && claims.uso);
        assert_eq!(claims.queue_packets, None);
        assert_eq!(Loopback::new().link_address(), None);
        assert_eq!(Loopback::new().with_mtu(1500).capabilities().mtu, 1500);
    }

    #[test]
    fn a_super_packet_comes_back_as_it_was_sent() {
        let (mut receive, mut transmit) = Box::new(Loopback::new()).split();
        let mut batch = TxBatch::new();
        let packet = batch.slot();
        let payload = Bytes::from(alloc::vec![1; 60_000]);
        packet.push(payload.clone()).unwrap();
        packet.prepend(40).unwrap().fill(0x60);
        packet.checksum = Checksum::Partial { start: 40, offset: 16 };
        packet.gso_size = 1440;
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        let mut got = Vec::new();
        assert_eq!(receive.receive(Instant::from_millis(2), &mut got), Ok(1));
        let meta = got[0].meta;
        assert!(meta.loopback);
        assert_eq!((meta.ether_type, meta.gso_size, meta.received_at), (IPV6, 1440, Instant::from_millis(2)));
        assert_eq!(meta.checksum, Checksum::Partial { start: 40, offset: 16 });
        assert_eq!(got[0].more.pieces().next().unwrap().as_ptr(), payload.as_ptr());
    }

    #[test]
    fn a_full_queue_leaves_packets_in_the_batch_and_wakes_when_there_is_room() {
        let (mut receive, mut transmit) = Box::new(Loopback::new()).split();
        let (count, waker) = counted();
        let mut batch = TxBatch::new();
        fill(&mut batch, CAPACITY + 3);
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(batch.len(), 3);
        transmit.register(&waker);
        let mut got = Vec::new();
        assert_eq!(receive.receive(Instant::ZERO, &mut got), Ok(BATCH));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert!(batch.is_empty());
    }

    #[test]
    fn readers_are_woken_by_packets_and_by_the_end() {
        let (mut receive, mut transmit) = Box::new(Loopback::new()).split();
        let (count, waker) = counted();
        let (mut batch, mut got) = (TxBatch::new(), Vec::new());
        receive.register(&waker);
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(count.0.load(Ordering::Relaxed), 0, "an empty batch is no news");
        fill(&mut batch, 1);
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        receive.register(&waker);
        drop(transmit);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(receive.receive(Instant::ZERO, &mut got), Ok(1));
        assert_eq!(receive.receive(Instant::ZERO, &mut got), Err(LinkError::Closed));
    }

    #[test]
    fn without_a_reader_packets_stay_where_they_are() {
        let (receive, mut transmit) = Box::new(Loopback::new()).split();
        drop(receive);
        let mut batch = TxBatch::new();
        fill(&mut batch, 1);
        assert_eq!(transmit.transmit(Instant::ZERO, &mut batch), Err(LinkError::Closed));
        assert_eq!(batch.len(), 1);
    }
}
