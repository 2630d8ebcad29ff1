//! The end of a channel that a program drives by hand: what the netstack family calls inject and read.

use crate::pipe::{Reader, Writer};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use core::task::Waker;
use spin::Mutex;
use stack_core::{Instant, RxBatch, RxPacket, TxBatch, TxPacket};
use thiserror::Error;

/// The program's side of an [`injector`](crate::injector). Dropping it closes the link.
///
/// All methods take `&self`, so that one thread may inject while another reads.
pub struct ChannelPort {
    /// Behind a lock because a pipe has one writer at a time.
    writer: Mutex<Writer<RxPacket>>,
    reader: Reader<Box<TxPacket>>,
}

/// Why a packet was not taken, and the packet.
#[derive(Debug, Error)]
pub enum InjectError {
    /// The queue is full: offer it again after the waker of [`ChannelPort::register_room`] was woken.
    #[error("the stack has not yet taken the packets injected before; inject it again when there is room")]
    Full(Box<RxPacket>),
    /// The link was dropped: nobody will take packets any more.
    #[error("the link of this port is gone; make a new channel")]
    Closed(Box<RxPacket>),
}

impl ChannelPort {
    pub(crate) fn new(writer: Writer<RxPacket>, reader: Reader<Box<TxPacket>>) -> Self {
        Self { writer: Mutex::new(writer), reader }
    }

    /// Makes a packet arrive at the stack. Checksum state, `gso_size`, cast and source station count as given; the time
    /// of arrival is set when the stack takes it, and so is the EtherType of an IP packet.
    ///
    /// # Errors
    /// There is no room, or nobody to take it; the error holds the packet.
    pub fn inject(&self, packet: RxPacket) -> Result<(), InjectError> {
        let writer = self.writer.lock();
        match writer.room() {
            None => Err(InjectError::Closed(Box::new(packet))),
            Some(0) => Err(InjectError::Full(Box::new(packet))),
            Some(_) => {
                writer.push(&mut VecDeque::from([packet]));
                Ok(())
            }
        }
    }

    /// Makes a packet arrive of which nothing is known but its bytes: an IP packet, or a frame on an Ethernet channel.
    ///
    /// # Errors
    /// As [`ChannelPort::inject`].
    pub fn inject_bytes(&self, packet: Bytes) -> Result<(), InjectError> {
        self.inject(RxPacket::new(packet, 0, Instant::ZERO))
    }

    /// Makes packets from the front of `batch` arrive and removes them; returns how many. What stays found no room,
    /// or the link is gone ([`ChannelPort::is_closed`]).
    pub fn inject_batch(&self, batch: &mut RxBatch) -> usize {
        let writer = self.writer.lock();
        let count = writer.room().unwrap_or(0).min(batch.len());
        writer.push(&mut batch.drain(..count).collect());
        count
    }

    /// The next packet that the stack has sent. With checksum or segmentation offload configured it may be a
    /// super-packet, or its checksum incomplete: see its fields.
    pub fn read(&self) -> Option<Box<TxPacket>> {
        let mut one = Vec::new();
        self.reader.pop(1, &mut one)?;
        one.pop()
    }

    /// Appends up to `max` packets that the stack has sent to `batch`; returns how many.
    pub fn read_batch(&self, max: usize, batch: &mut TxBatch) -> usize {
        let mut read = Vec::new();
        let count = self.reader.pop(max, &mut read).unwrap_or(0);
        read.into_iter().for_each(|packet| batch.push(packet));
        count
    }

    /// Packets that wait to be read.
    pub fn readable(&self) -> usize {
        self.reader.len()
    }

    /// Packets that can be injected now.
    pub fn room(&self) -> usize {
        self.writer.lock().room().unwrap_or(0)
    }

    /// Whether the stack takes no packets any more.
    pub fn is_closed(&self) -> bool {
        self.writer.lock().room().is_none()
    }

    /// Wakes this waker once when the stack sends a packet or drops the link; look again after registering.
    pub fn register(&self, waker: &Waker) {
        self.reader.register(waker);
    }

    /// Wakes this waker once when there is room for packets again or the link is gone; look again after registering.
    pub fn register_room(&self, waker: &Waker) {
        self.writer.lock().register(waker);
    }
}

impl fmt::Debug for ChannelPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelPort")
            .field("readable", &self.readable())
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelConfig, injector};
    use stack_core::{Cast, Checksum, LinkEndpoint, LinkError};

    fn numbered(from: u8, to: u8) -> RxBatch {
        (from..to).map(|i| RxPacket::new(Bytes::copy_from_slice(&[0x45, i]), 0, Instant::ZERO)).collect()
    }

    #[test]
    fn what_the_program_says_of_a_packet_reaches_the_stack() {
        let (link, port) = injector(ChannelConfig::default().with_offload());
        let (mut receive, _transmit) = Box::new(link).split();
        let mut packet = RxPacket::new(Bytes::from_static(b"\x60"), 0, Instant::ZERO);
        packet.meta.cast = Cast::Broadcast;
        packet.meta.checksum = Checksum::Verified;
        packet.meta.gso_size = 1400;
        port.inject(packet).unwrap();
        let mut got = Vec::new();
        receive.receive(Instant::from_secs(9), &mut got).unwrap();
        let meta = got[0].meta;
        assert_eq!((meta.cast, meta.checksum, meta.gso_size), (Cast::Broadcast, Checksum::Verified, 1400));
        assert_eq!((meta.ether_type, meta.received_at), (0x86dd, Instant::from_secs(9)));
    }

    #[test]
    fn a_full_queue_gives_the_packet_back() {
        let (link, port) = injector(ChannelConfig::default().with_capacity(2));
        let mut batch = numbered(0, 3);
        assert_eq!(port.inject_batch(&mut batch), 2);
        assert_eq!(batch.len(), 1);
        let Err(InjectError::Full(packet)) = port.inject(batch.remove(0)) else { panic!("there is no room") };
        assert_eq!(packet.data[1], 2);
        drop(link);
        assert!(port.is_closed());
        assert!(matches!(port.inject(*packet), Err(InjectError::Closed(_))));
    }

    #[test]
    fn packets_are_read_in_order_and_as_the_stack_built_them() {
        let (link, port) = injector(ChannelConfig::default().with_offload());
        let (_receive, mut transmit) = Box::new(link).split();
        let mut batch = TxBatch::new();
        for mark in 0..5 {
            let packet = batch.slot();
            (packet.mark, packet.gso_size) = (mark, 100);
            packet.checksum = Checksum::Partial { start: 20, offset: 16 };
        }
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(port.readable(), 5);
        let first = port.read().unwrap();
        assert_eq!((first.mark, first.gso_size), (0, 100));
        assert_eq!(first.checksum, Checksum::Partial { start: 20, offset: 16 });
        assert_eq!(port.read_batch(9, &mut batch), 4);
        assert_eq!(batch.iter().map(|packet| packet.mark).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(port.read().is_none());
    }

    #[test]
    fn dropping_the_port_closes_the_link() {
        let (link, port) = injector(ChannelConfig::default());
        let (mut receive, mut transmit) = Box::new(link).split();
        port.inject_bytes(Bytes::from_static(b"\x45")).unwrap();
        drop(port);
        let mut got = Vec::new();
        assert_eq!(receive.receive(Instant::ZERO, &mut got), Ok(1));
        assert_eq!(receive.receive(Instant::ZERO, &mut got), Err(LinkError::Closed));
        assert_eq!(transmit.transmit(Instant::ZERO, &mut TxBatch::new()), Err(LinkError::Closed));
    }
}
