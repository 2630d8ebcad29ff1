//! The decorator: a discipline before the transmitting half of a link.

use crate::counters::count;
use crate::{Discipline, QdiscCounters};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use core::time::Duration;
use stack_core::{
    Instant, LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkError, LinkReceive, LinkTransmit,
    TxBatch,
};

/// When a link that had no room is tried again.
const RETRY: Duration = Duration::from_millis(1);
/// Packets that are handed to the link at a time: what it has not taken yet, the discipline can't put in order any more.
const HANDED: usize = 16;

/// A link with a queueing discipline.
#[derive(Debug)]
pub struct Queued<L, D> {
    inner: L,
    discipline: D,
}

impl<L: LinkEndpoint, D: Discipline + 'static> Queued<L, D> {
    /// Puts `discipline` before what `inner` transmits.
    pub fn new(inner: L, discipline: D) -> Self {
        Self { inner, discipline }
    }

    /// What the discipline counts; stays readable when the link is in use.
    pub fn counters(&self) -> Arc<QdiscCounters> {
        self.discipline.counters()
    }
}

impl<L: LinkEndpoint, D: Discipline + 'static> LinkEndpoint for Queued<L, D> {
    /// Those of the link, without segmentation.
    fn capabilities(&self) -> LinkCapabilities {
        let inner = self.inner.capabilities();
        LinkCapabilities { tso4: false, tso6: false, uso: false, max_gso: 0, ..inner }
    }

    fn link_address(&self) -> Option<LinkAddress> {
        self.inner.link_address()
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        let mut drops = self.inner.drops();
        drops.push(self.counters());
        drops
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let counters = self.counters();
        let (receive, inner) = Box::new(self.inner).split();
        let discipline = self.discipline;
        let transmit = QueuedTransmit { inner, discipline, counters, handed: TxBatch::new(), retry: None };
        (receive, Box::new(transmit))
    }
}

struct QueuedTransmit<D> {
    inner: Box<dyn LinkTransmit>,
    discipline: D,
    counters: Arc<QdiscCounters>,
    /// Packets that the discipline has let go and the link has not taken yet.
    handed: TxBatch,
    /// When to offer them again: the caller's batch is empty, so it will not ask to be woken when there is room.
    retry: Option<Instant>,
}

impl<D: Discipline> QueuedTransmit<D> {
    /// Lets go as much as may go and the link takes.
    fn deliver(&mut self, now: Instant) -> Result<(), LinkError> {
        loop {
            let before = self.handed.len();
            while self.handed.len() < HANDED {
                let Some(packet) = self.discipline.dequeue(now) else { break };
                count(&self.counters.sent);
                self.handed.push(packet);
            }
            self.retry = None;
            if self.handed.is_empty() {
                return Ok(());
            }
            self.inner.transmit(now, &mut self.handed)?;
            if !self.handed.is_empty() {
                self.retry = Some(now + RETRY);
                return Ok(());
            }
            if before == 0 && self.discipline.next_due().is_none_or(|due| due > now) {
                return Ok(());
            }
        }
    }
}

impl<D: Discipline> LinkTransmit for QueuedTransmit<D> {
    /// Takes all packets.
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        while let Some(packet) = batch.pop() {
            self.discipline.enqueue(now, packet);
        }
        let result = self.deliver(now);
        if self.handed.is_empty() {
            // Slots that the link has emptied go back to where the next packets are built.
            self.handed.append(batch);
        }
        result
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ours = self.retry.or_else(|| self.discipline.next_due());
        ours.into_iter().chain(self.inner.poll_timeout()).min()
    }

    fn register(&mut self, waker: &Waker) {
        self.inner.register(waker);
    }

    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fifo;
    use bytes::Bytes;
    use link_channel::{ChannelConfig, injector};
    use stack_core::DropReason;

    fn queue(batch: &mut TxBatch, marks: core::ops::Range<u32>) {
        for mark in marks {
            let packet = batch.slot();
            packet.push(Bytes::from_static(b"\x45 a packet")).unwrap();
            packet.mark = mark;
        }
    }

    #[test]
    fn a_slow_link_lets_packets_wait_here_and_loses_none() {
        let (link, port) = injector(ChannelConfig::default().with_capacity(3).with_offload());
        let queued = Queued::new(link, Fifo::new(50, usize::MAX));
        let (capabilities, drops) = (queued.capabilities(), queued.drops());
        assert!(capabilities.tx_checksum && !capabilities.tso4 && capabilities.max_gso == 0);
        let (_receive, mut transmit) = Box::new(queued).split();
        let mut batch = TxBatch::new();
        queue(&mut batch, 0..80);
        let mut now = Instant::ZERO;
        transmit.transmit(now, &mut batch).unwrap();
        assert!(batch.is_empty());
        let mut marks = Vec::new();
        while let Some(due) = transmit.poll_timeout() {
            assert!(due > now, "it does not spin");
            now = due;
            while let Some(packet) = port.read() {
                marks.push(packet.mark);
            }
            transmit.transmit(now, &mut batch).unwrap();
        }
        marks.extend(core::iter::from_fn(|| port.read()).map(|packet| packet.mark));
        assert_eq!(marks, (0..50).collect::<Vec<_>>());
        assert_eq!(drops.iter().map(|drops| drops.of(DropReason::LinkQueueFull)).sum::<u64>(), 30);
    }
}
