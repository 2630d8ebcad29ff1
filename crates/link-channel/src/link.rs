//! The ends of a channel that a host drives.

use crate::pipe::{Reader, Writer, pipe};
use crate::{ChannelConfig, ChannelPort};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::fmt;
use core::task::Waker;
use stack_core::{
    Checksum, Instant, LinkAddress, LinkCapabilities, LinkEndpoint, LinkError, LinkReceive, LinkTransmit,
    Medium, RxBatch, RxPacket, TxBatch, TxPacket,
};

/// EtherType of IPv4 (RFC 894).
const IPV4: u16 = 0x0800;
/// EtherType of IPv6 (RFC 2464 §3).
const IPV6: u16 = 0x86dd;

/// One end of a channel.
pub struct ChannelLink {
    capabilities: LinkCapabilities,
    link_address: Option<LinkAddress>,
    receive: ChannelReceive,
    transmit: Box<dyn LinkTransmit>,
}

/// Two ends that talk to each other; the first has the first link address of the configuration.
pub fn pair(config: ChannelConfig) -> (ChannelLink, ChannelLink) {
    let (to_second, from_first) = pipe(config.capacity);
    let (to_first, from_second) = pipe(config.capacity);
    let [first, second] = config.link_addresses;
    let capabilities = config.pair_capabilities();
    let end = |link_address, writer: Writer<RxPacket>, reader| ChannelLink {
        capabilities: capabilities.clone(),
        link_address,
        receive: ChannelReceive::new(&config, reader),
        transmit: Box::new(ChannelTransmit { writer, carried: VecDeque::new() }),
    };
    (end(first, to_second, from_second), end(second, to_first, from_first))
}

/// One end, and a port by which the program stands at the other; the end has the first link address of the
/// configuration.
pub fn injector(config: ChannelConfig) -> (ChannelLink, ChannelPort) {
    let (to_port, from_link) = pipe(config.capacity);
    let (to_link, from_port) = pipe(config.capacity);
    let link = ChannelLink {
        capabilities: config.capabilities(),
        link_address: config.link_addresses[0],
        receive: ChannelReceive::new(&config, from_port),
        transmit: Box::new(ChannelTransmit::<Box<TxPacket>> { writer: to_port, carried: VecDeque::new() }),
    };
    (link, ChannelPort::new(to_link, from_link))
}

impl LinkEndpoint for ChannelLink {
    fn capabilities(&self) -> LinkCapabilities {
        self.capabilities.clone()
    }

    fn link_address(&self) -> Option<LinkAddress> {
        self.link_address
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        (Box::new(self.receive), self.transmit)
    }
}

impl fmt::Debug for ChannelLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelLink")
            .field("capabilities", &self.capabilities)
            .field("link_address", &self.link_address)
            .finish_non_exhaustive()
    }
}

struct ChannelReceive {
    reader: Reader<RxPacket>,
    batch: usize,
    medium: Medium,
    trust: bool,
}

impl ChannelReceive {
    fn new(config: &ChannelConfig, reader: Reader<RxPacket>) -> Self {
        Self { reader, batch: config.batch.max(1), medium: config.medium, trust: config.rx_checksum }
    }

    fn annotate(&self, now: Instant, packet: &mut RxPacket) {
        packet.meta.received_at = now;
        if !self.trust {
            packet.meta.checksum = Checksum::Unverified;
        }
        if self.medium != Medium::Ethernet {
            packet.meta.ether_type = ether_type(&packet.data);
        }
    }
}

impl LinkReceive for ChannelReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let before = batch.len();
        let count = self.reader.pop(self.batch, batch).ok_or(LinkError::Closed)?;
        for packet in &mut batch[before..] {
            self.annotate(now, packet);
        }
        Ok(count)
    }

    fn register(&mut self, waker: &Waker) {
        self.reader.register(waker);
    }
}

/// The EtherType of an IP packet, by its version; 0, which no protocol has, if it is none.
fn ether_type(packet: &[u8]) -> u16 {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => IPV4,
        Some(6) => IPV6,
        _ => 0,
    }
}

/// What travels in a pipe, taken from the front of a batch.
trait Carried: Send + Sized {
    fn take_from(batch: &mut TxBatch, now: Instant) -> Option<Self>;
}

impl Carried for RxPacket {
    fn take_from(batch: &mut TxBatch, now: Instant) -> Option<Self> {
        let packet = batch.front_mut()?.to_rx(now);
        batch.consume();
        Some(packet)
    }
}

impl Carried for Box<TxPacket> {
    fn take_from(batch: &mut TxBatch, _: Instant) -> Option<Self> {
        batch.pop()
    }
}

struct ChannelTransmit<T> {
    writer: Writer<T>,
    /// Packets on their way out of a batch; empty between calls, and kept for its memory.
    carried: VecDeque<T>,
}

impl<T: Carried> LinkTransmit for ChannelTransmit<T> {
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        let room = self.writer.room().ok_or(LinkError::Closed)?;
        for _ in 0..room.min(batch.len()) {
            self.carried.extend(T::take_from(batch, now));
        }
        // Nobody else writes to this pipe, so the room is still there.
        self.writer.push(&mut self.carried);
        Ok(())
    }

    fn register(&mut self, waker: &Waker) {
        self.writer.register(waker);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::sync::Arc;
    use alloc::vec::Vec;
    use bytes::Bytes;
    use core::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Count {
        fn total(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
    }

    type Halves = (Box<dyn LinkReceive>, Box<dyn LinkTransmit>);

    fn halves(config: ChannelConfig) -> (Halves, Halves) {
        let (a, b) = pair(config);
        (Box::new(a).split(), Box::new(b).split())
    }

    fn send(batch: &mut TxBatch, header: &[u8], payload: &'static [u8]) {
        let packet = batch.slot();
        packet.push(Bytes::from_static(payload)).unwrap();
        packet.prepend(header.len()).unwrap().copy_from_slice(header);
    }

    #[test]
    fn what_one_end_transmits_the_other_receives_in_both_directions() {
        let ((mut rx_a, mut tx_a), (mut rx_b, mut tx_b)) = halves(ChannelConfig::default());
        let (mut batch, mut got) = (TxBatch::new(), Vec::new());
        send(&mut batch, b"\x45one", b"1");
        send(&mut batch, b"\x60two", b"2");
        tx_a.transmit(Instant::ZERO, &mut batch).unwrap();
        assert!(batch.is_empty());
        assert_eq!(rx_b.receive(Instant::from_millis(3), &mut got), Ok(2));
        assert_eq!(got.iter().map(|p| p.meta.ether_type).collect::<Vec<_>>(), [IPV4, IPV6]);
        assert_eq!((&got[0].data[..], got[0].meta.received_at), (&b"\x45one"[..], Instant::from_millis(3)));
        assert_eq!(rx_a.receive(Instant::ZERO, &mut got), Ok(0));

        send(&mut batch, b"\x45back", b"3");
        tx_b.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(rx_a.receive(Instant::ZERO, &mut got), Ok(1));
        assert_eq!(got[2].more.pieces().next(), Some(&b"3"[..]));
    }

    #[test]
    fn a_super_packet_passes_whole_and_by_reference() {
        let ((_, mut tx), (mut rx, _)) = halves(ChannelConfig::default().with_offload());
        let payload = Bytes::from(alloc::vec![7; 60_000]);
        let mut batch = TxBatch::new();
        let packet = batch.slot();
        packet.push(payload.clone()).unwrap();
        packet.prepend(20).unwrap().fill(0x45);
        packet.checksum = Checksum::Partial { start: 20, offset: 16 };
        packet.gso_size = 1448;
        tx.transmit(Instant::ZERO, &mut batch).unwrap();
        let mut got = Vec::new();
        rx.receive(Instant::ZERO, &mut got).unwrap();
        let meta = got[0].meta;
        assert_eq!((meta.gso_size, meta.checksum), (1448, Checksum::Partial { start: 20, offset: 16 }));
        assert_eq!(got[0].more.pieces().next().unwrap().as_ptr(), payload.as_ptr());
    }

    #[test]
    fn an_end_that_trusts_nobody_hands_out_unverified_packets() {
        let ((_, mut tx), (mut rx, _)) = halves(ChannelConfig::default());
        let mut batch = TxBatch::new();
        batch.slot().checksum = Checksum::Verified;
        tx.transmit(Instant::ZERO, &mut batch).unwrap();
        let mut got = Vec::new();
        rx.receive(Instant::ZERO, &mut got).unwrap();
        assert_eq!(got[0].meta.checksum, Checksum::Unverified);
    }

    #[test]
    fn a_full_queue_keeps_packets_with_the_sender_and_wakes_it_once_there_is_room() {
        let config = ChannelConfig { batch: 1, ..ChannelConfig::default().with_capacity(2) };
        let ((_, mut tx), (mut rx, _)) = halves(config);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut batch = TxBatch::new();
        for _ in 0..3 {
            send(&mut batch, b"\x45", b"x");
        }
        tx.transmit(Instant::ZERO, &mut batch).unwrap();
        tx.register(&waker);
        assert_eq!((batch.len(), count.total()), (1, 0));
        let mut got = Vec::new();
        assert_eq!(rx.receive(Instant::ZERO, &mut got), Ok(1));
        assert_eq!(rx.receive(Instant::ZERO, &mut got), Ok(1));
        assert_eq!(count.total(), 1);
        tx.transmit(Instant::ZERO, &mut batch).unwrap();
        assert!(batch.is_empty());
    }

    #[test]
    fn the_receiver_is_woken_once_by_packets_and_by_the_end() {
        let ((_, mut tx), (mut rx, _)) = halves(ChannelConfig::default());
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut batch = TxBatch::new();
        rx.register(&waker);
        for expected in [1, 1] {
            send(&mut batch, b"\x45", b"x");
            tx.transmit(Instant::ZERO, &mut batch).unwrap();
            assert_eq!(count.total(), expected);
        }
        rx.register(&waker);
        drop(tx);
        assert_eq!(count.total(), 2);
    }

    #[test]
    fn a_dropped_end_closes_the_other_after_what_it_sent() {
        let ((mut rx_a, mut tx_a), b) = halves(ChannelConfig::default());
        let (rx_b, mut tx_b) = b;
        let (mut batch, mut got) = (TxBatch::new(), Vec::new());
        send(&mut batch, b"\x45last", b"words");
        tx_b.transmit(Instant::ZERO, &mut batch).unwrap();
        drop((rx_b, tx_b));
        assert_eq!(rx_a.receive(Instant::ZERO, &mut got), Ok(1));
        assert_eq!(rx_a.receive(Instant::ZERO, &mut got), Err(LinkError::Closed));
        send(&mut batch, b"\x45", b"to nobody");
        assert_eq!(tx_a.transmit(Instant::ZERO, &mut batch), Err(LinkError::Closed));
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn frames_keep_their_header_and_have_no_ether_type_yet() {
        let (a, b) = (LinkAddress([2, 0, 0, 0, 0, 1]), LinkAddress([2, 0, 0, 0, 0, 2]));
        let (first, second) = pair(ChannelConfig::ethernet(a, b));
        assert_eq!((first.link_address(), second.link_address()), (Some(a), Some(b)));
        assert_eq!(first.capabilities().medium, Medium::Ethernet);
        let ((_, mut tx), (mut rx, _)) = (Box::new(first).split(), Box::new(second).split());
        let mut batch = TxBatch::new();
        send(&mut batch, b"a frame's header", b"");
        tx.transmit(Instant::ZERO, &mut batch).unwrap();
        let mut got = Vec::new();
        rx.receive(Instant::ZERO, &mut got).unwrap();
        assert_eq!((&got[0].data[..], got[0].meta.ether_type), (&b"a frame's header"[..], 0));
    }

    #[test]
    fn packets_cross_threads_without_a_lost_wake() {
        const PACKETS: usize = 20_000;
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = || Waker::from(Arc::new(Unpark(std::thread::current())));
        let ((_, mut tx), (mut rx, rest)) = halves(ChannelConfig::default().with_capacity(16));
        let sender = std::thread::spawn(move || {
            let (mut batch, waker) = (TxBatch::new(), waker());
            for i in 0..PACKETS {
                let packet = batch.slot();
                packet.mark = i as u32;
                packet.prepend(1).unwrap()[0] = 0x45;
                while batch.len() > 32 {
                    tx.transmit(Instant::ZERO, &mut batch).unwrap();
                    if batch.len() > 32 {
                        tx.register(&waker);
                        tx.transmit(Instant::ZERO, &mut batch).unwrap();
                        if batch.len() > 32 {
                            std::thread::park();
                        }
                    }
                }
            }
            while !batch.is_empty() {
                tx.transmit(Instant::ZERO, &mut batch).unwrap();
                std::thread::yield_now();
            }
        });
        let (mut got, waker) = (Vec::new(), waker());
        let mut next = 0;
        loop {
            match rx.receive(Instant::ZERO, &mut got) {
                Ok(0) => {
                    rx.register(&waker);
                    if rx.receive(Instant::ZERO, &mut got) == Ok(0) {
                        std::thread::park();
                    }
                }
                Ok(_) => {}
                Err(_) => break,
            }
            for packet in got.drain(..) {
                assert_eq!(packet.meta.mark, next);
                next += 1;
            }
        }
        sender.join().unwrap();
        drop(rest);
        assert_eq!(next as usize, PACKETS);
    }
}
