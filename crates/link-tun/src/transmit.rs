//! Packets to the kernel: one `writev` each, header and payload from where they lie.

use crate::Mode;
use crate::device::MAX_VNET_LEN;
use crate::receive::link_error;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::io::{Errno, retry_on_intr, writev};
use stack_core::{DropReason, Instant, LinkDrops, LinkError, LinkTransmit, TxBatch, TxPacket};
use stack_packet::MAX_PIECES;
use stack_packet::vnet::VnetHeader;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

/// Vectors of one write: virtio-net header, headers, payload. Up to eight the kernel takes without allocating.
const VECTORS: usize = MAX_PIECES + 2;
/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// What could not be written. Each packet counts in one of these.
#[derive(Debug, Default)]
pub struct TunCounters {
    down: AtomicU64,
    refused: AtomicU64,
}

impl TunCounters {
    /// Packets dropped because the device was down.
    pub fn dropped_down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }

    /// Packets that the kernel refused: malformed, too large, or more than it had memory for.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl LinkDrops for TunCounters {
    fn of(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::LinkDown => self.dropped_down(),
            DropReason::LinkRefused => self.refused(),
            _ => 0,
        }
    }
}

pub(crate) struct TunTransmit {
    fd: Arc<OwnedFd>,
    mode: Mode,
    vnet_len: usize,
    counters: Arc<TunCounters>,
}

impl TunTransmit {
    pub(crate) fn new(fd: Arc<OwnedFd>, mode: Mode, vnet_len: usize, counters: Arc<TunCounters>) -> Self {
        Self { fd, mode, vnet_len, counters }
    }

    fn write(&self, packet: &TxPacket) -> Result<(), Errno> {
        let mut header = [0; MAX_VNET_LEN];
        if let Some(fields) = header[..self.vnet_len].first_chunk_mut() {
            let network = if self.mode == Mode::Tap { ETHERNET } else { 0 };
            *fields = VnetHeader::of(packet, network).ok_or(Errno::INVAL)?.encode();
        }
        let mut vectors = [IoSlice::new(&[]); VECTORS];
        vectors[0] = IoSlice::new(&header[..self.vnet_len]);
        let mut used = 1;
        for piece in packet.all_pieces() {
            vectors[used] = IoSlice::new(piece);
            used += 1;
        }
        retry_on_intr(|| writev(&self.fd, &vectors[..used])).map(|_| ())
    }
}

impl LinkTransmit for TunTransmit {
    fn transmit(&mut self, _: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        while let Some(packet) = batch.front() {
            match self.write(packet) {
                Ok(()) => {}
                Err(Errno::AGAIN) => break,
                // `tun_get_user` answers EIO while the device is down; it may be brought up again.
                Err(Errno::IO) => count(&self.counters.down),
                Err(errno) if link_error(errno) == LinkError::Closed => return Err(LinkError::Closed),
                Err(_) => count(&self.counters.refused),
            }
            batch.consume();
        }
        Ok(())
    }

    /// Nothing: the descriptor polls writable.
    fn register(&mut self, _: &Waker) {}

    fn descriptor(&self) -> Option<i32> {
        Some(self.fd.as_raw_fd())
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use stack_core::Checksum;

    fn device(vnet_len: usize) -> (OwnedFd, TunTransmit) {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::NONBLOCK, None).unwrap();
        (theirs, TunTransmit::new(Arc::new(ours), Mode::Tun, vnet_len, Arc::default()))
    }

    #[test]
    fn all_pieces_leave_in_one_write_behind_the_header() {
        let (kernel, mut transmit) = device(12);
        let mut batch = TxBatch::new();
        let packet = batch.slot();
        for piece in ["a", "b", "c", "d", "e", "f"] {
            packet.push(Bytes::from_static(piece.as_bytes())).unwrap();
        }
        packet.prepend(8).unwrap().copy_from_slice(b"\x45transp.");
        packet.checksum = Checksum::Partial { start: 4, offset: 2 };
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert!(batch.is_empty());
        let mut got = [0; 100];
        let len = rustix::io::read(&kernel, &mut got).unwrap();
        let (header, rest) = got[..len].split_at(12);
        assert_eq!(rest, b"\x45transp.abcdef");
        let header = VnetHeader::decode(header.first_chunk().unwrap());
        assert_eq!((header.flags, header.csum_start, header.csum_offset), (1, 4, 2));
    }

    #[test]
    fn what_finds_no_room_stays() {
        let (kernel, mut transmit) = device(0);
        let mut batch = TxBatch::new();
        for _ in 0..10_000 {
            batch.slot().push(Bytes::from_static(&[0x45; 1000])).unwrap();
        }
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        let left = batch.len();
        assert!((1..10_000).contains(&left), "{left}");
        rustix::io::read(&kernel, &mut [0; 1000]).unwrap();
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!((batch.len(), transmit.counters.refused()), (left - 1, 0));
    }

    #[test]
    fn a_super_packet_that_can_not_be_cut_is_counted() {
        let (_kernel, mut transmit) = device(10);
        let mut batch = TxBatch::new();
        batch.slot().gso_size = 100;
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!((batch.len(), transmit.counters.refused()), (0, 1));
        assert_eq!(transmit.counters.of(DropReason::LinkRefused), 1);
    }
}
