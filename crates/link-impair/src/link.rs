//! The decorator: a line before the transmitting half of a link, and one behind the receiving half if wanted.

use crate::line::Line;
use crate::rng::SplitMix;
use crate::{ImpairConfig, ImpairCounters};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use core::time::Duration;
use stack_core::{
    DropReason, Instant, LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkError, LinkReceive,
    LinkTransmit, RxBatch, RxPacket, Token, TxBatch, TxPacket,
};

/// When a link that had no room for packets that came out of the line is tried again.
const RETRY: Duration = Duration::from_millis(1);
/// Batches that are put into the receiving line in one call although none of their packets comes out yet.
const BATCHES: usize = 8;

/// A link behind a bad line.
pub struct Impair<L> {
    inner: L,
    transmit: ImpairConfig,
    receive: Option<ImpairConfig>,
    seed: u64,
    transmit_counters: Arc<ImpairCounters>,
    receive_counters: Arc<ImpairCounters>,
}

impl<L: LinkEndpoint> Impair<L> {
    /// Impairs what `inner` transmits. All chance comes from `seed`.
    pub fn new(inner: L, config: ImpairConfig, seed: u64) -> Self {
        Self {
            inner,
            transmit: config,
            receive: None,
            seed,
            transmit_counters: Arc::default(),
            receive_counters: Arc::default(),
        }
    }

    /// Impairs what `inner` receives as well: where the other end can't be wrapped.
    #[must_use]
    pub fn receiving(self, config: ImpairConfig) -> Self {
        Self { receive: Some(config), ..self }
    }

    /// What happens to packets that are transmitted; stays readable when the link is in use.
    pub fn transmit_counters(&self) -> Arc<ImpairCounters> {
        Arc::clone(&self.transmit_counters)
    }

    /// What happens to packets that are received; stays readable when the link is in use.
    pub fn receive_counters(&self) -> Arc<ImpairCounters> {
        Arc::clone(&self.receive_counters)
    }
}

impl<L: LinkEndpoint> LinkEndpoint for Impair<L> {
    fn capabilities(&self) -> LinkCapabilities {
        let inner = self.inner.capabilities();
        LinkCapabilities { tx_checksum: false, tso4: false, tso6: false, uso: false, max_gso: 0, ..inner }
    }

    fn link_address(&self) -> Option<LinkAddress> {
        self.inner.link_address()
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        let mut drops = self.inner.drops();
        drops.push(self.transmit_counters());
        drops.push(self.receive_counters());
        drops
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let wants_outcomes = self.inner.capabilities().wants_outcomes;
        let (receive, transmit) = Box::new(self.inner).split();
        let mut seeds = SplitMix::new(self.seed);
        let transmit = ImpairTransmit {
            inner: transmit,
            line: Line::new(self.transmit, seeds.next(), self.transmit_counters),
            ready: TxBatch::new(),
            retry: None,
        };
        let seed = seeds.next();
        let receive = match self.receive {
            None => receive,
            Some(config) => Box::new(ImpairReceive {
                inner: receive,
                wants_outcomes,
                line: Line::new(config, seed, self.receive_counters),
                arrived: Vec::new(),
                again: None,
                ended: None,
            }),
        };
        (receive, Box::new(transmit))
    }
}

impl<L: core::fmt::Debug> core::fmt::Debug for Impair<L> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Impair")
            .field("inner", &self.inner)
            .field("transmit", &self.transmit)
            .field("receive", &self.receive)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

struct ImpairTransmit {
    inner: Box<dyn LinkTransmit>,
    line: Line<Box<TxPacket>>,
    /// Packets that came out of the line and that the link has not taken yet.
    ready: TxBatch,
    /// When to offer them again.
    retry: Option<Instant>,
}

impl ImpairTransmit {
    /// Hands the link what has come out of the line by now.
    fn deliver(&mut self, now: Instant) -> Result<(), LinkError> {
        while let Some(packet) = self.line.arrive(now) {
            self.ready.push(packet);
        }
        let result = self.inner.transmit(now, &mut self.ready);
        // The caller's batch is empty, so it will not ask to be woken when there is room: we come back by ourselves.
        self.retry = (!self.ready.is_empty()).then(|| now + RETRY);
        result
    }
}

impl LinkTransmit for ImpairTransmit {
    /// Takes all packets, and drops those that find the queue full. If the link turns out to be gone only when packets
    /// without delay are handed to it, these are gone with it.
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        self.deliver(now)?;
        while let Some(packet) = batch.pop() {
            if let Err((packet, _)) = self.line.send(now, packet) {
                batch.recycle(packet);
            }
        }
        if self.line.next_due().is_some_and(|due| due <= now) {
            self.deliver(now)?;
        }
        if self.ready.is_empty() {
            // Slots that the link has emptied go back to where the next packets are built.
            self.ready.append(batch);
        }
        Ok(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ours = self.line.next_due().into_iter().chain(self.retry);
        ours.chain(self.inner.poll_timeout()).min()
    }

    fn register(&mut self, waker: &Waker) {
        self.inner.register(waker);
    }

    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

struct ImpairReceive {
    inner: Box<dyn LinkReceive>,
    wants_outcomes: bool,
    line: Line<RxPacket>,
    /// Packets between the link and the line; empty between calls.
    arrived: RxBatch,
    /// When to look again, because a call ended before the link was empty.
    again: Option<Instant>,
    /// Why the link has ended; told when the line is empty.
    ended: Option<LinkError>,
}

impl ImpairReceive {
    /// Moves one batch from the link to the line; returns whether there was any.
    fn take_in(&mut self, now: Instant) -> bool {
        if self.ended.is_some() {
            return false;
        }
        self.ended = self.inner.receive(now, &mut self.arrived).err();
        let any = !self.arrived.is_empty();
        for packet in self.arrived.drain(..) {
            if let Err((packet, reason)) = self.line.send(now, packet) {
                if self.wants_outcomes {
                    self.inner.outcome(packet.meta.token, reason);
                }
            }
        }
        any
    }

    fn hand_out(&mut self, now: Instant, batch: &mut RxBatch) {
        while let Some(mut packet) = self.line.arrive(now) {
            packet.meta.received_at = now;
            batch.push(packet);
        }
    }
}

impl LinkReceive for ImpairReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let first = batch.len();
        self.again = None;
        // Zero would say that nothing is there; so while all packets are delayed, the next ones are taken in.
        for round in 0.. {
            let more = self.take_in(now);
            self.hand_out(now, batch);
            if batch.len() > first || !more {
                break;
            }
            if round == BATCHES {
                self.again = Some(now);
                break;
            }
        }
        match self.ended {
            Some(error) if batch.len() == first && self.line.next_due().is_none() => Err(error),
            _ => Ok(batch.len() - first),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let ours = self.line.next_due().into_iter().chain(self.again);
        ours.chain(self.inner.poll_timeout()).min()
    }

    fn register(&mut self, waker: &Waker) {
        self.inner.register(waker);
    }

    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }

    fn outcome(&mut self, token: Token, reason: DropReason) {
        self.inner.outcome(token, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use link_channel::{ChannelConfig, ChannelPort, injector, pair};

    const MS: Duration = Duration::from_millis(1);

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn delayed(millis: u32) -> ImpairConfig {
        ImpairConfig { delay: MS * millis, ..ImpairConfig::default() }
    }

    fn queue(batch: &mut TxBatch, marks: core::ops::Range<u32>) {
        for mark in marks {
            let packet = batch.slot();
            packet.mark = mark;
            packet.prepend(20).unwrap().fill(0x45);
        }
    }

    fn read(port: &ChannelPort) -> Vec<u32> {
        core::iter::from_fn(|| port.read()).map(|packet| packet.mark).collect()
    }

    #[test]
    fn packets_are_real_because_offload_is_not_claimed() {
        let (link, _port) = injector(ChannelConfig::default().with_offload().with_mtu(1400));
        let claims = Impair::new(link, ImpairConfig::default(), 1).capabilities();
        let expected =
            LinkCapabilities { rx_checksum: true, ..LinkCapabilities::plain(stack_core::Medium::Ip, 1400) };
        assert_eq!(claims, expected);
    }

    #[test]
    fn what_is_transmitted_leaves_when_it_is_due() {
        let (link, port) = injector(ChannelConfig::default());
        let (receive, mut transmit) = Box::new(Impair::new(link, delayed(10), 1)).split();
        let mut batch = TxBatch::new();
        queue(&mut batch, 0..2);
        transmit.transmit(at(0), &mut batch).unwrap();
        queue(&mut batch, 2..3);
        transmit.transmit(at(4), &mut batch).unwrap();
        assert!(batch.is_empty());
        assert_eq!((transmit.poll_timeout(), receive.poll_timeout()), (Some(at(10)), None));
        assert_eq!(read(&port), []);
        transmit.transmit(at(10), &mut batch).unwrap();
        assert_eq!((read(&port).as_slice(), transmit.poll_timeout()), (&[0, 1][..], Some(at(14))));
        transmit.transmit(at(20), &mut batch).unwrap();
        assert_eq!((read(&port).as_slice(), transmit.poll_timeout()), (&[2][..], None));
    }

    #[test]
    fn without_delay_packets_leave_in_the_same_call() {
        let (link, port) = injector(ChannelConfig::default());
        let (_receive, mut transmit) = Box::new(Impair::new(link, ImpairConfig::default(), 1)).split();
        let mut batch = TxBatch::new();
        queue(&mut batch, 0..5);
        transmit.transmit(at(0), &mut batch).unwrap();
        assert_eq!(read(&port), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_full_link_is_tried_again_and_loses_nothing() {
        let (link, port) = injector(ChannelConfig::default().with_capacity(2));
        let (_receive, mut transmit) = Box::new(Impair::new(link, ImpairConfig::default(), 1)).split();
        let mut batch = TxBatch::new();
        queue(&mut batch, 0..5);
        let (mut now, mut got) = (at(0), Vec::new());
        transmit.transmit(now, &mut batch).unwrap();
        assert_eq!(transmit.poll_timeout(), Some(at(1)));
        while let Some(due) = transmit.poll_timeout() {
            assert!(due > now);
            now = due;
            got.extend(read(&port));
            transmit.transmit(now, &mut batch).unwrap();
        }
        got.extend(read(&port));
        assert_eq!(got, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn both_directions_are_impaired_apart() {
        let (a, b) = pair(ChannelConfig::default());
        let link = Impair::new(a, delayed(10), 1).receiving(delayed(30));
        let (sent, received) = (link.transmit_counters(), link.receive_counters());
        let (mut rx_a, mut tx_a) = Box::new(link).split();
        let (mut rx_b, mut tx_b) = Box::new(b).split();
        let (mut batch, mut got) = (TxBatch::new(), Vec::new());
        queue(&mut batch, 0..1);
        tx_a.transmit(at(0), &mut batch).unwrap();
        queue(&mut batch, 1..2);
        tx_b.transmit(at(0), &mut batch).unwrap();
        assert_eq!(rx_a.receive(at(0), &mut got), Ok(0));
        assert_eq!(rx_a.poll_timeout(), Some(at(30)));
        assert_eq!(rx_a.receive(at(31), &mut got), Ok(1));
        assert_eq!((got[0].meta.mark, got[0].meta.received_at), (1, at(31)));
        tx_a.transmit(at(10), &mut batch).unwrap();
        assert_eq!(rx_b.receive(at(10), &mut got), Ok(1));
        assert_eq!((sent.statistics().arrived, received.statistics().arrived), (1, 1));
    }

    #[test]
    fn more_than_a_batch_is_taken_in_so_that_no_wake_is_missed() {
        let (link, port) = injector(ChannelConfig { batch: 1, ..ChannelConfig::default() });
        let (mut receive, _transmit) =
            Box::new(Impair::new(link, ImpairConfig::default(), 1).receiving(delayed(10))).split();
        let inject = |count| (0..count).for_each(|_| port.inject_bytes(Bytes::from_static(b"\x45")).unwrap());
        let mut got = Vec::new();
        inject(5);
        assert_eq!((receive.receive(at(0), &mut got), port.room()), (Ok(0), 1024));
        assert_eq!(receive.poll_timeout(), Some(at(10)));
        inject(100);
        assert_eq!(receive.receive(at(1), &mut got), Ok(0));
        assert_eq!(receive.poll_timeout(), Some(at(1)), "a flood does not keep the caller, it comes back");
        while receive.poll_timeout() == Some(at(1)) {
            receive.receive(at(1), &mut got).unwrap();
        }
        assert_eq!((receive.receive(at(11), &mut got), port.room()), (Ok(105), 1024));
    }

    #[test]
    fn an_ended_link_still_hands_out_what_is_on_the_line() {
        let (link, port) = injector(ChannelConfig::default());
        let (mut receive, mut transmit) =
            Box::new(Impair::new(link, delayed(5), 1).receiving(delayed(10))).split();
        port.inject_bytes(Bytes::from_static(b"\x45")).unwrap();
        drop(port);
        let (mut got, mut batch) = (Vec::new(), TxBatch::new());
        assert_eq!(receive.receive(at(0), &mut got), Ok(0));
        assert_eq!(receive.receive(at(10), &mut got), Ok(1));
        assert_eq!(receive.receive(at(10), &mut got), Err(LinkError::Closed));
        queue(&mut batch, 0..1);
        assert_eq!(transmit.transmit(at(0), &mut batch), Err(LinkError::Closed));
        assert_eq!(batch.len(), 1);
    }

    #[test]
    fn the_same_seed_gives_the_same_traffic() {
        let traffic = |seed| {
            let (link, port) = injector(ChannelConfig::default());
            let config = ImpairConfig { loss: 0.3, duplicate: 0.1, corrupt: 0.2, jitter: MS, ..delayed(5) };
            let (_receive, mut transmit) = Box::new(Impair::new(link, config, seed)).split();
            let (mut batch, mut out) = (TxBatch::new(), Vec::new());
            for tick in 0..200 {
                queue(&mut batch, tick..tick + 1);
                transmit.transmit(at(tick.into()), &mut batch).unwrap();
                out.extend(core::iter::from_fn(|| port.read()).map(|p| (tick, p.mark, p.to_bytes())));
            }
            out
        };
        assert_eq!(traffic(1), traffic(1));
        assert_ne!(traffic(1), traffic(2));
    }
}
