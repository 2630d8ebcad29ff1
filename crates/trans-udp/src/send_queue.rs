//! Datagrams that wait to be sent, and what they cost.
//!
//! A datagram is taken whenever the queue is below its limit, whatever its size, so that "writable" is exact: the
//! limit is overrun by one call's bytes at most (64 KiB), as in Linux.

use crate::config::MIN_BUFFER;
use alloc::collections::VecDeque;
use bytes::Bytes;
use stack_core::{Hop, IpMeta, NicId};

/// One packet to be: all but the bytes of its header.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) payload: Bytes,
    pub(crate) about: About,
}

/// What is said about a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) ip: IpMeta,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) hop: Hop,
    pub(crate) bound_nic: Option<NicId>,
    pub(crate) mark: u32,
    pub(crate) multicast_loop: bool,
    /// Payload bytes of each datagram that the packet stands for; 0 for an ordinary packet.
    pub(crate) gso_size: u16,
}

impl Outgoing {
    /// How many datagrams it stands for.
    pub(crate) fn count(&self) -> usize {
        match self.about.gso_size {
            0 => 1,
            size => self.payload.len().div_ceil(usize::from(size)),
        }
    }

    fn charge(&self) -> usize {
        self.payload.len() + size_of::<Self>()
    }
}

#[derive(Debug)]
pub(crate) struct SendQueue {
    queue: VecDeque<Outgoing>,
    charged: usize,
    limit: usize,
    /// The socket stands in the round.
    pub(crate) scheduled: bool,
}

impl SendQueue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), charged: 0, limit: limit.max(MIN_BUFFER), scheduled: false }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(MIN_BUFFER);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.charged < self.limit
    }

    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        self.charged += outgoing.charge();
        self.queue.push_back(outgoing);
    }

    pub(crate) fn pop(&mut self) -> Option<Outgoing> {
        let outgoing = self.queue.pop_front()?;
        self.charged -= outgoing.charge();
        if self.queue.is_empty() {
            // A burst's queue is not kept for an idle socket.
            self.queue.shrink_to(8);
        }
        Some(outgoing)
    }
}
