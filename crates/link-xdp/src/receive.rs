//! Frames from the queue: read out of the receive ring and copied; their memory goes back to the fill ring at once.

use crate::device::{Attachment, BATCH};
use crate::sys::{Descriptor, Ring, Umem};
use rustix::fd::AsRawFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use stack_core::{Instant, LinkError, LinkReceive, RxBatch, RxPacket};
use stack_packet::{RxArena, SMALL_BLOCK};
use std::sync::Arc;
use std::task::Waker;

pub(crate) struct XdpReceive {
    attachment: Arc<Attachment>,
    umem: Arc<Umem>,
    receive: Ring<Descriptor>,
    fill: Ring<u64>,
    arena: RxArena,
}

impl XdpReceive {
    /// `frames` are those that the kernel may fill.
    pub(crate) fn new(
        attachment: Arc<Attachment>,
        umem: Arc<Umem>,
        receive: Ring<Descriptor>,
        mut fill: Ring<u64>,
        frames: impl Iterator<Item = u64>,
    ) -> Self {
        for frame in frames {
            fill.write(frame);
        }
        fill.publish_written();
        Self { attachment, umem, receive, fill, arena: RxArena::new(SMALL_BLOCK) }
    }

    fn frame(&mut self, now: Instant, descriptor: Descriptor) -> Option<RxPacket> {
        let buffer = self.arena.reserve(descriptor.len as usize);
        let read = self.umem.read(descriptor.address, descriptor.len, buffer);
        // The ring has room for all frames that there are.
        self.fill.write(self.umem.chunk_of(descriptor.address));
        // The EtherType is for whoever reads the frame's header.
        read.then(|| RxPacket::new(self.arena.take(), 0, now))
    }

    /// Lets the kernel go on where it waits for that, and hears from it whether the interface is still there.
    fn call_kernel(&self) -> Result<(), LinkError> {
        match recv(&self.attachment.fd, &mut [0; 0], RecvFlags::DONTWAIT) {
            Err(errno @ (Errno::NXIO | Errno::NODEV | Errno::BADF)) => Err(link_error(errno)),
            // While the interface is down nothing arrives, and that is all.
            _ => Ok(()),
        }
    }
}

impl LinkReceive for XdpReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let mut count = 0;
        while count < BATCH {
            let Some(descriptor) = self.receive.read() else { break };
            if let Some(packet) = self.frame(now, descriptor) {
                batch.push(packet);
                count += 1;
            }
        }
        self.receive.publish_read();
        self.fill.publish_written();
        if count == 0 || self.fill.needs_wakeup() {
            self.call_kernel()?;
        }
        Ok(count)
    }

    /// Nothing: the descriptor polls readable.
    fn register(&mut self, _: &Waker) {}

    fn descriptor(&self) -> Option<i32> {
        Some(self.attachment.fd.as_raw_fd())
    }
}

/// The interface was removed, or the descriptor is no socket any more.
pub(crate) fn link_error(errno: Errno) -> LinkError {
    match errno {
        Errno::NXIO | Errno::NODEV | Errno::BADF => LinkError::Closed,
        other => LinkError::Os(other.raw_os_error()),
    }
}
