//! Flow queueing with controlled delay (RFC 8290): a queue for each flow, served in turns of so many bytes, flows that have
//! just begun first, each queue under CoDel.
//!
//! Invariants: a flow that has packets or credit to lose is in exactly one of the two lists; `packets` and `bytes` are the
//! sums over all flows; beyond the limits the flow with the most bytes loses the oldest of its packets.

use crate::codel::Codel;
use crate::counters::count;
use crate::flow::flow;
use crate::{CodelConfig, Discipline, QdiscCounters};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use foldhash::fast::FixedState;
use stack_core::{Instant, TxPacket};
use stack_wire::ip::mark_congestion;

/// Packets that the fattest flow loses at a time, so that the search for it is paid by many. As Linux.
const DROP_BATCH: usize = 64;

/// The settings of [`FqCodel`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FqCodelConfig {
    /// Queues that flows are hashed to. Default: 1024 (RFC 8290 §5.2.4).
    pub flows: usize,
    /// Bytes that a flow may send in its turn. Default: 1514 (RFC 8290 §5.2.2, an Ethernet frame).
    pub quantum: usize,
    /// Packets that wait at most, in all flows. Default: 10,240 (RFC 8290 §5.2.3).
    pub limit: usize,
    /// Bytes of packets that wait at most. Default: 32 MiB, as Linux (`memory_limit`).
    pub memory_limit: usize,
    /// Whether packets that understand it are marked, and not dropped (RFC 8290 §5.2.7). Default: yes.
    pub ecn: bool,
    /// When a queue is too long.
    pub codel: CodelConfig,
}

impl Default for FqCodelConfig {
    fn default() -> Self {
        Self {
            flows: 1024,
            quantum: 1514,
            limit: 10_240,
            memory_limit: 32 << 20,
            ecn: true,
            codel: CodelConfig::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Flow {
    queue: VecDeque<(Instant, Box<TxPacket>)>,
    bytes: usize,
    /// Bytes that it may still send in this turn; negative after a packet that was longer.
    deficit: isize,
    listed: bool,
    codel: Codel,
}

impl Flow {
    fn pop(&mut self) -> Option<(Instant, Box<TxPacket>)> {
        let (entered, packet) = self.queue.pop_front()?;
        self.bytes -= packet.len();
        Some((entered, packet))
    }
}

/// Fair among flows, short for each.
#[derive(Debug)]
pub struct FqCodel {
    config: FqCodelConfig,
    flows: Vec<Flow>,
    new_flows: VecDeque<usize>,
    old_flows: VecDeque<usize>,
    packets: usize,
    bytes: usize,
    hash: FixedState,
    counters: Arc<QdiscCounters>,
}

impl FqCodel {
    /// Empty queues. `seed` is secret: who knows it can put his packets into somebody else's flow.
    pub fn new(config: FqCodelConfig, seed: u64) -> Self {
        Self {
            config,
            flows: (0..config.flows.max(1)).map(|_| Flow::default()).collect(),
            new_flows: VecDeque::new(),
            old_flows: VecDeque::new(),
            packets: 0,
            bytes: 0,
            hash: FixedState::with_seed(seed),
            counters: Arc::default(),
        }
    }

    /// RFC 8290 §4.1: the flow with the most bytes loses half of them at most, from the front, where a loss is noticed
    /// first.
    fn drop_from_the_fattest(&mut self) {
        let Some(fattest) = self.flows.iter_mut().max_by_key(|flow| flow.bytes) else { return };
        let enough = fattest.bytes / 2;
        for _ in 0..DROP_BATCH {
            let Some((_, packet)) = fattest.pop() else { return };
            self.packets -= 1;
            self.bytes -= packet.len();
            count(&self.counters.overflowed);
            if fattest.bytes <= enough {
                return;
            }
        }
    }

    /// The flow whose turn it is, and whether it is a new one (RFC 8290 §4.2).
    fn turn(&mut self) -> Option<(usize, bool)> {
        loop {
            let new = !self.new_flows.is_empty();
            let list = if new { &mut self.new_flows } else { &mut self.old_flows };
            let index = *list.front()?;
            if self.flows[index].deficit > 0 {
                return Some((index, new));
            }
            list.pop_front();
            self.flows[index].deficit += self.config.quantum.max(1) as isize;
            self.old_flows.push_back(index);
        }
    }

    /// The flow whose turn it is has nothing to send.
    fn end_turn(&mut self, index: usize, new: bool) {
        if new {
            self.new_flows.pop_front();
            // RFC 8290 §4.2: once through the old ones, so that a new flow can't be new again and again.
            if !self.old_flows.is_empty() {
                return self.old_flows.push_back(index);
            }
        } else {
            self.old_flows.pop_front();
        }
        self.flows[index].listed = false;
    }

    /// The next packet of a flow that CoDel lets go.
    fn serve(&mut self, now: Instant, index: usize) -> Option<Box<TxPacket>> {
        let flow = &mut self.flows[index];
        loop {
            let Some((entered, mut packet)) = flow.pop() else {
                flow.codel.empty();
                return None;
            };
            self.packets -= 1;
            self.bytes -= packet.len();
            if !flow.codel.drops(now, now - entered, flow.bytes, &self.config.codel) {
                return Some(packet);
            }
            if self.config.ecn && mark_congestion(packet.header_mut()) {
                count(&self.counters.marked);
                return Some(packet);
            }
            count(&self.counters.managed);
        }
    }
}

impl Discipline for FqCodel {
    fn enqueue(&mut self, now: Instant, packet: Box<TxPacket>) {
        let index = flow(&packet, &self.hash, self.flows.len());
        let flow = &mut self.flows[index];
        self.packets += 1;
        self.bytes += packet.len();
        flow.bytes += packet.len();
        flow.queue.push_back((now, packet));
        if !flow.listed {
            flow.listed = true;
            flow.deficit = self.config.quantum.max(1) as isize;
            self.new_flows.push_back(index);
        }
        if self.packets > self.config.limit || self.bytes > self.config.memory_limit {
            self.drop_from_the_fattest();
        }
    }

    fn dequeue(&mut self, now: Instant) -> Option<Box<TxPacket>> {
        while let Some((index, new)) = self.turn() {
            if let Some(packet) = self.serve(now, index) {
                self.flows[index].deficit -= packet.len() as isize;
                return Some(packet);
            }
            self.end_turn(index, new);
        }
        None
    }

    fn next_due(&self) -> Option<Instant> {
        (self.packets > 0).then_some(Instant::ZERO)
    }

    fn len(&self) -> usize {
        self.packets
    }

    fn counters(&self) -> Arc<QdiscCounters> {
        Arc::clone(&self.counters)
    }
}

#[cfg(test)]
mod tests;
