//! Frames from the interface: a batch with one `recvmmsg`, straight into the memory where they stay.

use crate::pool::{Pool, SMALL};
use crate::sys::{self, Messages};
use crate::transmit::PacketCounters;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::netdevice;
use stack_core::{Instant, LinkError, LinkReceive, RxBatch, RxPacket};
use stack_packet::vnet::VnetHeader;
use std::sync::Arc;
use std::task::Waker;

/// Received batches after which the kernel is asked how many frames it had no room for.
const COUNT_EVERY: u32 = 256;

pub(crate) struct PacketReceive {
    fd: Arc<OwnedFd>,
    index: u32,
    vnet: bool,
    pool: Pool,
    messages: Messages,
    counters: Arc<PacketCounters>,
    batches: u32,
}

impl PacketReceive {
    pub(crate) fn new(
        fd: Arc<OwnedFd>,
        index: u32,
        vnet: bool,
        batch: usize,
        counters: Arc<PacketCounters>,
    ) -> Self {
        let (pool, messages) = (Pool::new(batch), Messages::new(batch, vnet));
        Self { fd, index, vnet, pool, messages, counters, batches: 0 }
    }

    fn frame(&mut self, index: usize, now: Instant) -> RxPacket {
        let (front, rest) = self.pool.take(index);
        // The EtherType is for whoever reads the frame's header.
        let mut packet = RxPacket::new(front, 0, now);
        packet.meta.truesize = (SMALL + rest.len()) as u32;
        if !rest.is_empty() {
            packet.more.push(rest);
        }
        if self.vnet {
            VnetHeader::decode(self.messages.vnet_header(index)).annotate(packet.len(), &mut packet.meta);
        }
        if let Some(tag) = self.messages.vlan_tag(index) {
            tag.insert(&mut packet);
        }
        packet
    }

    /// Reading resets the kernel's count, so nothing is counted twice.
    fn count_missed(&mut self) {
        self.batches = 0;
        self.counters.count_missed(sys::missed_frames(self.fd.as_fd()).unwrap_or(0));
    }
}

impl LinkReceive for PacketReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let count = match sys::receive(self.fd.as_fd(), self.pool.buffers(), &mut self.messages) {
            Ok(count) => count,
            Err(errno) if errno == Errno::AGAIN || self.is_still_there(errno) => 0,
            Err(errno) => return Err(link_error(errno)),
        };
        batch.reserve(count);
        for index in 0..count {
            let packet = self.frame(index, now);
            batch.push(packet);
        }
        self.batches += 1;
        if self.batches >= COUNT_EVERY {
            self.count_missed();
        }
        Ok(count)
    }

    /// Nothing: the descriptor polls readable.
    fn register(&mut self, _: &Waker) {}

    fn descriptor(&self) -> Option<i32> {
        Some(self.fd.as_raw_fd())
    }
}

impl PacketReceive {
    /// An interface that goes down says so once; frames arrive again when it is up. One that is removed says the same.
    fn is_still_there(&self, errno: Errno) -> bool {
        errno == Errno::NETDOWN && exists(self.fd.as_fd(), self.index)
    }
}

/// Whether there still is an interface with this index.
pub(crate) fn exists(fd: BorrowedFd<'_>, index: u32) -> bool {
    netdevice::index_to_name(fd, index).is_ok()
}

/// The interface was removed, or the descriptor is no socket any more.
pub(crate) fn link_error(errno: Errno) -> LinkError {
    match errno {
        Errno::NETDOWN | Errno::NODEV | Errno::NXIO | Errno::BADF => LinkError::Closed,
        other => LinkError::Os(other.raw_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use stack_core::Checksum;

    /// A datagram socket keeps the bounds of what is written, as a packet socket does.
    fn interface(vnet: bool, batch: usize) -> (OwnedFd, PacketReceive) {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::NONBLOCK, None).unwrap();
        (theirs, PacketReceive::new(Arc::new(ours), 1, vnet, batch, Arc::default()))
    }

    #[test]
    fn frames_of_all_sizes_arrive_whole_with_their_headers_contiguous() {
        let (kernel, mut receive) = interface(true, 3);
        let sizes = [14, 60, 1514, SMALL, SMALL + 1, 9014, 65_549];
        for len in sizes {
            let header = VnetHeader { flags: 1, csum_start: 2, csum_offset: 4, ..VnetHeader::default() };
            let mut sent = header.encode().to_vec();
            sent.extend((0..len).map(|i| i as u8));
            rustix::io::write(&kernel, &sent).unwrap();
        }
        let mut batch = Vec::new();
        while receive.receive(Instant::from_secs(1), &mut batch).unwrap() > 0 {}
        assert_eq!(batch.len(), sizes.len());
        for (got, len) in batch.iter().zip(sizes) {
            assert_eq!((got.len(), got.data.len()), (len, len.min(SMALL)));
            let bytes = got.data.iter().chain(got.more.pieces().flatten());
            assert!(bytes.enumerate().all(|(i, byte)| *byte == i as u8), "{len}");
            assert_eq!(got.meta.checksum, Checksum::Partial { start: 2, offset: 4 });
            assert!(got.meta.truesize as usize >= len && got.meta.received_at == Instant::from_secs(1));
        }
    }

    #[test]
    fn a_batch_is_no_longer_than_asked_for_and_the_next_one_goes_on() {
        let (kernel, mut receive) = interface(false, 4);
        for i in 0..10u8 {
            rustix::io::write(&kernel, &[i; 100]).unwrap();
        }
        let mut batch = Vec::new();
        let counts: Vec<usize> =
            (0..4).map(|_| receive.receive(Instant::ZERO, &mut batch).unwrap()).collect();
        assert_eq!(counts, [4, 4, 2, 0]);
        let firsts: Vec<u8> = batch.iter().map(|packet| packet.data[0]).collect();
        assert_eq!(firsts, (0..10).collect::<Vec<u8>>());
    }

    #[test]
    fn error_numbers_say_whether_the_interface_is_gone() {
        assert_eq!(link_error(Errno::NETDOWN), LinkError::Closed);
        assert_eq!(link_error(Errno::PERM), LinkError::Os(Errno::PERM.raw_os_error()));
        let (kernel, receive) = interface(false, 1);
        assert!(exists(kernel.as_fd(), 1), "the loopback interface");
        assert!(receive.is_still_there(Errno::NETDOWN) && !receive.is_still_there(Errno::AGAIN));
        assert!(!exists(kernel.as_fd(), i32::MAX as u32));
    }
}
