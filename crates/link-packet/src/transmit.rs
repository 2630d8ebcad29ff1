//! Frames to the interface: a batch with one `sendmmsg`, headers and payload from where they lie.

use crate::receive::{exists, link_error};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
use stack_core::{DropReason, Instant, LinkDrops, LinkError, LinkTransmit, TxBatch, TxPacket};
use stack_packet::MAX_PIECES;
use stack_packet::vnet::{self, VnetHeader};
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

/// Vectors of one frame: virtio-net header, headers, payload. Up to eight the kernel takes without allocating.
const VECTORS: usize = MAX_PIECES + 2;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// What went no further. Each frame counts in one of these.
#[derive(Debug, Default)]
pub struct PacketCounters {
    down: AtomicU64,
    full: AtomicU64,
    refused: AtomicU64,
    missed: AtomicU64,
}

impl PacketCounters {
    /// Frames dropped because the interface was down.
    pub fn dropped_down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Frames that the interface's own queue had no room for.
    pub fn queue_full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Frames that the kernel refused: malformed or too large.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Inbound frames for which the kernel had no room because we came too late; brought up to date now and then.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    pub(crate) fn count_missed(&self, frames: u32) {
        self.missed.fetch_add(u64::from(frames), Ordering::Relaxed);
    }
}

impl LinkDrops for PacketCounters {
    fn of(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::LinkDown => self.dropped_down(),
            DropReason::LinkQueueFull => self.queue_full() + self.missed(),
            DropReason::LinkRefused => self.refused(),
            _ => 0,
        }
    }
}

pub(crate) struct PacketTransmit {
    fd: Arc<OwnedFd>,
    index: u32,
    vnet: bool,
    batch: usize,
    counters: Arc<PacketCounters>,
}

impl PacketTransmit {
    pub(crate) fn new(
        fd: Arc<OwnedFd>,
        index: u32,
        vnet: bool,
        batch: usize,
        counters: Arc<PacketCounters>,
    ) -> Self {
        Self { fd, index, vnet, batch, counters }
    }

    /// Writes frames from the front of the batch and says how many; the error is the first one's.
    fn write(&self, batch: &TxBatch) -> Result<usize, Errno> {
        let count = batch.len().min(self.batch);
        let mut headers = Vec::with_capacity(count);
        for packet in batch.iter().take(count) {
            match self.vnet_header(packet) {
                Some(header) => headers.push(header),
                // Those before it can still go.
                None if headers.is_empty() => return Err(Errno::INVAL),
                None => break,
            }
        }
        let vectors: Vec<_> = headers
            .iter()
            .zip(batch.iter())
            .map(|(header, packet)| vectors(header, packet, self.vnet))
            .collect();
        let mut controls: Vec<_> = headers.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let mut messages: Vec<_> = vectors
            .iter()
            .zip(&mut controls)
            .map(|((vectors, used), control)| MMsgHdr::new(&vectors[..*used], control))
            .collect();
        retry_on_intr(|| sendmmsg(&self.fd, &mut messages, SendFlags::empty()))
    }

    /// `None` for a super-packet of which we can't say how it is to be cut.
    fn vnet_header(&self, packet: &TxPacket) -> Option<[u8; vnet::LEN]> {
        if self.vnet {
            VnetHeader::of(packet, ETHERNET).map(|header| header.encode())
        } else {
            Some([0; vnet::LEN])
        }
    }

    fn refuse(&self, errno: Errno) -> Result<(), LinkError> {
        let counter = match errno {
            // The interface may come up again, unless it is gone.
            Errno::NETDOWN | Errno::NXIO if exists(self.fd.as_fd(), self.index) => &self.counters.down,
            Errno::NOBUFS => &self.counters.full,
            errno if link_error(errno) == LinkError::Closed => return Err(LinkError::Closed),
            _ => &self.counters.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn vectors<'a>(header: &'a [u8], packet: &'a TxPacket, vnet: bool) -> ([IoSlice<'a>; VECTORS], usize) {
    let mut vectors = [IoSlice::new(&[]); VECTORS];
    let mut used = 0;
    for piece in vnet.then_some(header).into_iter().chain(packet.all_pieces()) {
        vectors[used] = IoSlice::new(piece);
        used += 1;
    }
    (vectors, used)
}

impl LinkTransmit for PacketTransmit {
    fn transmit(&mut self, _: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        while !batch.is_empty() {
            match self.write(batch) {
                Ok(written) => (0..written).for_each(|_| batch.consume()),
                Err(Errno::AGAIN) => break,
                Err(errno) => {
                    self.refuse(errno)?;
                    batch.consume();
                }
            }
        }
        Ok(())
    }

    /// Nothing: the descriptor polls writable.
    fn register(&mut self, _: &Waker) {}

    fn descriptor(&self) -> Option<i32> {
        Some(self.fd.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use stack_core::Checksum;

    fn interface(vnet: bool, batch: usize) -> (OwnedFd, PacketTransmit) {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::NONBLOCK, None).unwrap();
        (theirs, PacketTransmit::new(Arc::new(ours), 1, vnet, batch, Arc::default()))
    }

    fn read(kernel: &OwnedFd) -> Vec<u8> {
        let mut bytes = [0; 3000];
        let len = rustix::io::read(kernel, &mut bytes).unwrap();
        bytes[..len].to_vec()
    }

    #[test]
    fn all_frames_of_a_batch_leave_in_order_and_in_one_piece_each() {
        let (kernel, mut transmit) = interface(true, 4);
        let mut batch = TxBatch::new();
        for i in 0..10u8 {
            let packet = batch.slot();
            for piece in ["a", "b", "c", "d", "e", "f"] {
                packet.push(Bytes::from_static(piece.as_bytes())).unwrap();
            }
            packet.prepend(3).unwrap().copy_from_slice(&[b'h', b'd', i]);
            packet.checksum = Checksum::Partial { start: 1, offset: 2 };
        }
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert!(batch.is_empty());
        for i in 0..10 {
            let frame = read(&kernel);
            let (header, rest) = frame.split_at(vnet::LEN);
            let header = VnetHeader::decode(header.first_chunk().unwrap());
            assert_eq!((header.flags, header.csum_start, header.csum_offset), (1, 1, 2));
            assert_eq!(rest, [&[b'h', b'd', i], &b"abcdef"[..]].concat());
        }
    }

    #[test]
    fn what_finds_no_room_stays() {
        let (kernel, mut transmit) = interface(false, 32);
        let mut batch = TxBatch::new();
        for _ in 0..10_000 {
            batch.slot().push(Bytes::from_static(&[0x45; 1000])).unwrap();
        }
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        let left = batch.len();
        assert!((1..10_000).contains(&left), "{left}");
        read(&kernel);
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!((batch.len(), transmit.counters.refused()), (left - 1, 0));
    }

    #[test]
    fn a_super_packet_that_can_not_be_cut_is_counted_and_holds_up_nobody() {
        let (kernel, mut transmit) = interface(true, 32);
        let mut batch = TxBatch::new();
        for gso_size in [0, 100, 0] {
            let packet = batch.slot();
            packet.push(Bytes::from_static(b"frame")).unwrap();
            packet.gso_size = gso_size;
        }
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!((batch.len(), transmit.counters.of(DropReason::LinkRefused)), (0, 1));
        assert_eq!([read(&kernel).len(), read(&kernel).len()], [15, 15]);
    }

    #[test]
    fn each_error_has_its_counter() {
        let (_kernel, transmit) = interface(false, 1);
        for (errno, result) in [
            (Errno::NETDOWN, Ok(())),
            (Errno::NOBUFS, Ok(())),
            (Errno::MSGSIZE, Ok(())),
            (Errno::BADF, Err(LinkError::Closed)),
        ] {
            assert_eq!(transmit.refuse(errno), result, "{errno}");
        }
        let reasons = [DropReason::LinkDown, DropReason::LinkQueueFull, DropReason::LinkRefused];
        assert_eq!(reasons.map(|reason| transmit.counters.of(reason)), [1, 1, 1]);
        transmit.counters.count_missed(5);
        assert_eq!(transmit.counters.of(DropReason::LinkQueueFull), 6);
    }
}
