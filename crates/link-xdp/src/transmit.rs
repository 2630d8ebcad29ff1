//! Frames to the queue: copied into free frames and put into the transmit ring; the completion ring gives their memory
//! back. In copy mode the kernel sends while we are in a system call, one for each batch.

use crate::device::{Attachment, XdpCounters};
use crate::receive::link_error;
use crate::sys::{Descriptor, Ring, Umem};
use rustix::fd::AsRawFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use stack_core::{Instant, LinkError, LinkTransmit, TxBatch};
use std::sync::Arc;
use std::task::Waker;

pub(crate) struct XdpTransmit {
    attachment: Arc<Attachment>,
    umem: Arc<Umem>,
    transmit: Ring<Descriptor>,
    completion: Ring<u64>,
    /// Frames that nobody uses.
    free: Vec<u64>,
    counters: Arc<XdpCounters>,
}

impl XdpTransmit {
    pub(crate) fn new(
        attachment: Arc<Attachment>,
        umem: Arc<Umem>,
        transmit: Ring<Descriptor>,
        completion: Ring<u64>,
        free: Vec<u64>,
        counters: Arc<XdpCounters>,
    ) -> Self {
        Self { attachment, umem, transmit, completion, free, counters }
    }

    fn take_back(&mut self) {
        while let Some(address) = self.completion.read() {
            self.free.push(self.umem.chunk_of(address));
        }
        self.completion.publish_read();
    }

    /// Moves packets from the front of the batch into the ring, as far as there are free frames. Returns how many.
    fn fill(&mut self, batch: &mut TxBatch) -> usize {
        let mut count = 0;
        while let Some(packet) = batch.front() {
            let Some(address) = self.free.pop() else { break };
            match self.umem.write(address, packet.all_pieces()) {
                // There are no more frames than places in the ring.
                Some(len) => {
                    self.transmit.write(Descriptor { address, len, options: 0 });
                    count += 1;
                }
                None => {
                    self.free.push(address);
                    self.counters.count_too_large();
                }
            }
            batch.consume();
        }
        self.transmit.publish_written();
        count
    }

    /// What the kernel can't send now stays in the ring; it goes on when the descriptor is polled.
    fn call_kernel(&self) -> Result<(), LinkError> {
        match send(&self.attachment.fd, &[], SendFlags::DONTWAIT) {
            Err(errno @ (Errno::NXIO | Errno::NODEV | Errno::BADF)) => Err(link_error(errno)),
            _ => Ok(()),
        }
    }
}

impl LinkTransmit for XdpTransmit {
    fn transmit(&mut self, _: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        loop {
            self.take_back();
            let moved = self.fill(batch);
            if self.transmit.needs_wakeup() {
                self.call_kernel()?;
            }
            if batch.is_empty() || moved == 0 {
                return Ok(());
            }
        }
    }

    /// Nothing: the descriptor polls writable.
    fn register(&mut self, _: &Waker) {}

    fn descriptor(&self) -> Option<i32> {
        Some(self.attachment.fd.as_raw_fd())
    }
}
