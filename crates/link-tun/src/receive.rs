//! Packets from the kernel: one `readv` each, straight into the arenas.
//!
//! The first [`SLOT`] bytes of a packet go to an arena of small blocks, the rest to one of large blocks. An ordinary
//! packet so pins little memory and is one contiguous buffer; of a super-packet all headers are contiguous in `data`
//! and the rest is one piece of `more`. Segments of a stream that the kernel cut are read behind each other and so have
//! that shape, too (`joining.rs`), unless a reader waits for them (`placing.rs`). Nothing is copied and nothing is
//! zeroed in any of these cases.

use crate::Mode;
use crate::device::{BATCH, MAX_VNET_LEN};
use crate::joining::Joining;
use crate::placing::Placing;
use crate::sys::{self, Target};
use bytes::Bytes;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use stack_core::{Instant, LinkError, LinkReceive, Placement, RxBatch, RxMeta, RxPacket};
use stack_gro::{Look, look};
use stack_packet::vnet::VnetHeader;
use stack_packet::{BIG_BLOCK, RxArena, SMALL_BLOCK};
use std::sync::Arc;
use std::task::Waker;

/// Bytes of a packet that lie in a small block: a frame of the usual MTU with room to spare, and any chain of headers.
pub(crate) const SLOT: usize = 2048;
/// Bytes that a packet can have: the largest IP packet and an Ethernet header.
pub(crate) const MAX_PACKET: usize = 65_536 + 14;
/// Bytes after which a batch ends, so that its first packets don't wait for many super-packets.
const BATCH_BYTES: usize = 256 * 1024;
/// EtherType of IPv4 (RFC 894).
const IPV4: u16 = 0x0800;
/// Bytes of an Ethernet header without tags, which only TAP devices have, and where its EtherType is (IEEE 802.3 §3.1.1).
const ETHERNET: usize = 14;
const ETHERTYPE: std::ops::Range<usize> = 12..ETHERNET;
/// EtherType of IPv6 (RFC 2464 §3).
const IPV6: u16 = 0x86dd;

pub(crate) struct TunReceive {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) mode: Mode,
    pub(crate) vnet_len: usize,
    pub(crate) small: RxArena,
    pub(crate) big: RxArena,
    pub(crate) joining: Joining,
    pub(crate) placing: Placing,
}

impl TunReceive {
    pub(crate) fn new(fd: Arc<OwnedFd>, mode: Mode, vnet_len: usize) -> Self {
        let (small, big) = (RxArena::new(SMALL_BLOCK), RxArena::new(BIG_BLOCK));
        let (joining, placing) = (Joining::default(), Placing::default());
        Self { fd, mode, vnet_len, small, big, joining, placing }
    }

    /// Appends what has arrived, up to about a batch: each packet to the place where it is likely to belong.
    fn receive_batch(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        mut placement: Option<&mut Placement<'_>>,
    ) -> Result<usize, LinkError> {
        let before = batch.len();
        let (mut count, mut bytes) = (0, 0);
        let mut error = None;
        // Where a placement is full, the batch ends: what comes next may be placed in the next one.
        let is_full = |it: &Placement<'_>| it.placed() > 0 && it.room() < SLOT;
        while count < BATCH && bytes < BATCH_BYTES && !placement.as_deref().is_some_and(is_full) {
            let placement = placement.as_deref_mut().filter(|placement| placement.room() >= SLOT);
            let read = match (placement, self.placing.header_len) {
                (Some(placement), Some(header_len)) => self.read_placing(now, batch, placement, header_len),
                _ if self.expects_more() => self.read_behind(now, batch),
                _ => {
                    self.close_placed(batch);
                    self.close(batch);
                    self.read(now, batch)
                }
            };
            match read {
                Ok(len) => (count, bytes) = (count + 1, bytes + len),
                Err(errno) => {
                    error = Some(errno);
                    break;
                }
            }
        }
        self.close_placed(batch);
        self.close_batch(batch);
        if let Some(placement) = placement {
            self.learn(batch.get(before), placement);
        }
        match error {
            // After packets, the next call meets the same error; first what arrived is handed out.
            Some(errno) if count == 0 && errno != Errno::AGAIN => Err(link_error(errno)),
            _ => Ok(batch.len() - before),
        }
    }

    /// Reads a packet to the end of the batch; returns its bytes.
    fn read(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, Errno> {
        let (small, big) = (self.small.reserve(SLOT), self.big.reserve(MAX_PACKET - SLOT));
        let targets = [Target::Spare(small, SLOT), Target::Spare(big, MAX_PACKET - SLOT)];
        let mut said = RxMeta::default();
        let len = read(self.fd.as_fd(), self.vnet_len, targets, &mut said)?;
        let data = self.small.take();
        let mut packet = self.packet(data, said, now);
        if len > packet.data.len() {
            packet.more.push(self.big.take());
            packet.meta.truesize = len as u32;
        }
        self.joining.note(self.mode, &packet);
        batch.push(packet);
        Ok(len)
    }

    /// A packet of which `data` is all, or the front, and what the device said of it.
    pub(crate) fn packet(&self, data: Bytes, said: RxMeta, now: Instant) -> RxPacket {
        let ether_type = match self.mode {
            Mode::Tun => ether_type(&data),
            Mode::Tap => 0,
        };
        let mut packet = RxPacket::new(data, ether_type, now);
        (packet.meta.checksum, packet.meta.gso_size) = (said.checksum, said.gso_size);
        packet
    }
}

/// Reads a packet to these targets, one after the other, and what the device says of it; returns its bytes.
pub(crate) fn read<const N: usize>(
    fd: BorrowedFd<'_>,
    vnet_len: usize,
    targets: [Target<'_>; N],
    said: &mut RxMeta,
) -> Result<usize, Errno> {
    let mut header = [0; MAX_VNET_LEN];
    let header = &mut header[..vnet_len];
    let len = sys::read_packet(fd, header, targets)?;
    if let Some(header) = header.first_chunk() {
        VnetHeader::decode(header).annotate(len, said);
    }
    Ok(len)
}

/// Looks at a frame of `len` bytes that begins so.
pub(crate) fn look_at(mode: Mode, front: &[u8], len: usize) -> Look {
    match (mode, front.get(ETHERTYPE)) {
        (Mode::Tun, _) => look(front, len, 0, ether_type(front)),
        (Mode::Tap, Some(&[high, low])) => look(front, len, ETHERNET, u16::from_be_bytes([high, low])),
        (Mode::Tap, _) => Look::Other,
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

impl LinkReceive for TunReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.receive_batch(now, batch, None)
    }

    fn receive_placing(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
    ) -> Result<usize, LinkError> {
        self.receive_batch(now, batch, Some(placement))
    }

    fn coalesce(&mut self, on: bool) {
        self.joining.allow(on);
    }

    /// Nothing: the descriptor polls readable.
    fn register(&mut self, _: &Waker) {}

    fn descriptor(&self) -> Option<i32> {
        Some(self.fd.as_raw_fd())
    }
}

/// The device was removed (`EBADFD`), or the descriptor is no device any more.
pub(crate) fn link_error(errno: Errno) -> LinkError {
    match errno {
        Errno::BADFD | Errno::NODEV | Errno::BADF | Errno::IO => LinkError::Closed,
        other => LinkError::Os(other.raw_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    /// A datagram socket keeps the bounds of what is written, as a device does.
    fn device(vnet_len: usize) -> (OwnedFd, TunReceive) {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::NONBLOCK, None).unwrap();
        (theirs, TunReceive::new(Arc::new(ours), Mode::Tun, vnet_len))
    }

    #[test]
    fn packets_of_all_sizes_arrive_whole_with_their_headers_contiguous() {
        let (kernel, mut receive) = device(12);
        for len in [0, 1, 40, 1500, SLOT, SLOT + 1, 9000, 65_535] {
            let packet: Vec<u8> = (0..len).map(|i| if i == 0 { 0x60 } else { i as u8 }).collect();
            let mut sent = vec![0; 12];
            sent.extend_from_slice(&packet);
            rustix::io::write(&kernel, &sent).unwrap();
            let mut batch = Vec::new();
            assert_eq!(receive.receive(Instant::from_secs(1), &mut batch), Ok(1));
            let got = &batch[0];
            assert_eq!((got.len(), got.data.len()), (len, len.min(SLOT)));
            assert!(got.more.piece_count() <= 1);
            let bytes: Vec<u8> =
                got.data.iter().copied().chain(got.more.pieces().flatten().copied()).collect();
            assert_eq!(bytes, packet);
            assert_eq!(got.meta.ether_type, if len == 0 { 0 } else { IPV6 });
            assert!(got.meta.truesize as usize >= len);
        }
        assert_eq!(receive.receive(Instant::ZERO, &mut Vec::new()), Ok(0));
    }

    #[test]
    fn a_batch_ends_after_enough_packets() {
        let (kernel, mut receive) = device(0);
        let mut sent = 0;
        while sent < BATCH + 5 && rustix::io::write(&kernel, &[0x45; 100]).is_ok() {
            sent += 1;
        }
        let mut batch = Vec::new();
        while receive.receive(Instant::ZERO, &mut batch).unwrap() > 0 {}
        assert_eq!(batch.len(), sent);
    }

    #[test]
    fn packets_outlive_the_blocks_that_follow() {
        let (kernel, mut receive) = device(0);
        let mut kept = Vec::new();
        for i in 0..500u32 {
            rustix::io::write(&kernel, &vec![i as u8; 3000]).unwrap();
            receive.receive(Instant::ZERO, &mut kept).unwrap();
        }
        for (i, packet) in kept.iter().enumerate() {
            assert!(packet.data.iter().chain(packet.more.pieces().flatten()).all(|byte| *byte == i as u8));
        }
    }

    #[test]
    fn error_numbers_say_whether_the_device_is_gone() {
        assert_eq!(link_error(Errno::BADFD), LinkError::Closed);
        assert_eq!(link_error(Errno::NODEV), LinkError::Closed);
        assert_eq!(link_error(Errno::PERM), LinkError::Os(Errno::PERM.raw_os_error()));
    }
}
