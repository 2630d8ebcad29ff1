//! A port as a link: what a host transmits goes into the switch, what it receives has come to the port.

use crate::switch::Shared;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::Waker;
use stack_core::{
    Checksum, DropReason, Instant, LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkError,
    LinkReceive, LinkTransmit, RxBatch, RxPacket, TxBatch, TxPacket,
};
use stack_wire::ethernet::HEADER_LEN;

/// Frames handed over in one call.
const BATCH: usize = 32;

/// What ended at a port.
#[derive(Debug, Default)]
pub struct PortCounters {
    full: AtomicU64,
    malformed: AtomicU64,
}

impl PortCounters {
    /// Frames to this port that found its queue full.
    pub fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Frames from this port without a header, or with a group as their source.
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Ordering::Relaxed)
    }

    pub(crate) fn count_full(&self) {
        self.full.fetch_add(1, Ordering::Relaxed);
    }
}

impl LinkDrops for PortCounters {
    fn of(&self, reason: DropReason) -> u64 {
        match reason {
            DropReason::LinkQueueFull => self.full(),
            DropReason::LinkRefused => self.malformed(),
            _ => 0,
        }
    }
}

/// A port of a [`Switch`](crate::Switch).
pub struct SwitchPort {
    end: End,
    counters: Arc<PortCounters>,
}

/// Takes the port away when it is dropped.
struct End {
    shared: Arc<Shared>,
    number: usize,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.close(self.number);
    }
}

impl SwitchPort {
    pub(crate) fn new(shared: Arc<Shared>, number: usize, counters: Arc<PortCounters>) -> Self {
        Self { end: End { shared, number }, counters }
    }

    /// What ended here; stays readable when the port is in use.
    pub fn counters(&self) -> Arc<PortCounters> {
        Arc::clone(&self.counters)
    }
}

impl core::fmt::Debug for SwitchPort {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SwitchPort").field("number", &self.end.number).finish_non_exhaustive()
    }
}

impl LinkEndpoint for SwitchPort {
    fn capabilities(&self) -> LinkCapabilities {
        self.end.shared.capabilities()
    }

    fn link_address(&self) -> Option<LinkAddress> {
        None
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        alloc::vec![self.counters()]
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let (shared, number) = (Arc::clone(&self.end.shared), self.end.number);
        let transmit = PortTransmit { shared, number, counters: self.counters, frames: VecDeque::new() };
        (Box::new(PortReceive(self.end)), Box::new(transmit))
    }
}

struct PortReceive(End);

impl LinkReceive for PortReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        let first = batch.len();
        let End { shared, number } = &self.0;
        let count = shared.take(*number, BATCH, batch);
        for packet in batch.iter_mut().skip(first) {
            packet.meta.received_at = now;
            if !shared.config.offload {
                packet.meta.checksum = Checksum::Unverified;
            }
        }
        Ok(count)
    }

    fn register(&mut self, waker: &Waker) {
        self.0.shared.register(self.0.number, waker);
    }
}

struct PortTransmit {
    shared: Arc<Shared>,
    number: usize,
    counters: Arc<PortCounters>,
    /// Frames on their way out of a batch; empty between calls, and kept for its memory.
    frames: VecDeque<(LinkAddress, LinkAddress, RxPacket)>,
}

impl LinkTransmit for PortTransmit {
    /// Takes all frames: a switch has no backpressure.
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        while let Some(packet) = batch.front_mut() {
            match stations(packet) {
                Some((destination, source)) => {
                    self.frames.push_back((destination, source, packet.to_rx(now)));
                }
                None => {
                    self.counters.malformed.fetch_add(1, Ordering::Relaxed);
                }
            }
            batch.consume();
        }
        self.shared.switch(now, self.number, &mut self.frames);
        Ok(())
    }

    fn register(&mut self, _: &Waker) {}
}

/// Destination and source of a frame; a group is nobody's source.
fn stations(frame: &mut TxPacket) -> Option<(LinkAddress, LinkAddress)> {
    frame.pull_up(HEADER_LEN)?;
    let (destination, rest) = frame.header().split_first_chunk()?;
    let source = LinkAddress(*rest.first_chunk()?);
    source.is_unicast().then_some((LinkAddress(*destination), source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Switch, SwitchConfig};
    use bytes::Bytes;

    type Halves = (Box<dyn LinkReceive>, Box<dyn LinkTransmit>);

    fn station(last: u8) -> LinkAddress {
        LinkAddress([2, 0, 0, 0, 0, last])
    }

    fn ports<const N: usize>(switch: &Switch) -> [Halves; N] {
        core::array::from_fn(|_| Box::new(switch.port()).split())
    }

    fn send(port: &mut Halves, now: Instant, destination: LinkAddress, source: LinkAddress) {
        let mut batch = TxBatch::new();
        let frame = [&destination.0[..], &source.0, &[0x08, 0, source.0[5]]].concat();
        batch.slot().push(Bytes::from(frame)).unwrap();
        port.1.transmit(now, &mut batch).unwrap();
        assert!(batch.is_empty());
    }

    /// Who sent what waits at each port.
    fn received(ports: &mut [Halves]) -> Vec<Vec<u8>> {
        let read = |port: &mut Halves| {
            let mut batch = Vec::new();
            while port.0.receive(Instant::ZERO, &mut batch).unwrap() > 0 {}
            batch
                .iter_mut()
                .map(|frame| {
                    frame.pull_up(15);
                    frame.data[14]
                })
                .collect()
        };
        ports.iter_mut().map(read).collect()
    }

    #[test]
    fn the_unknown_goes_to_all_others_and_the_known_to_one() {
        let switch = Switch::new(SwitchConfig::default(), 1);
        let mut ports = ports::<3>(&switch);
        let now = Instant::ZERO;
        send(&mut ports[0], now, station(2), station(1));
        assert_eq!(received(&mut ports), [&[][..], &[1], &[1]]);
        send(&mut ports[1], now, station(1), station(2));
        assert_eq!(received(&mut ports), [&[2][..], &[], &[]]);
        send(&mut ports[0], now, station(2), station(1));
        assert_eq!(received(&mut ports), [&[][..], &[1], &[]]);
        for group in [LinkAddress::BROADCAST, LinkAddress([1, 0, 0x5e, 0, 0, 1])] {
            send(&mut ports[2], now, group, station(3));
            assert_eq!(received(&mut ports), [&[3][..], &[3], &[]]);
        }
    }

    #[test]
    fn stations_move_age_and_go_with_their_port() {
        let switch = Switch::new(SwitchConfig::default(), 1);
        let mut ports = ports::<3>(&switch);
        send(&mut ports[0], Instant::ZERO, LinkAddress::BROADCAST, station(1));
        send(&mut ports[1], Instant::ZERO, LinkAddress::BROADCAST, station(1));
        received(&mut ports);
        send(&mut ports[2], Instant::from_secs(299), station(1), station(3));
        assert_eq!(received(&mut ports), [&[][..], &[3], &[]]);
        send(&mut ports[2], Instant::from_secs(300), station(1), station(3));
        assert_eq!(received(&mut ports), [&[3][..], &[3], &[]]);
        send(&mut ports[1], Instant::from_secs(300), LinkAddress::BROADCAST, station(1));
        received(&mut ports);
        let [first, second, third] = ports;
        drop(second);
        let mut left = [first, third];
        send(&mut left[1], Instant::from_secs(300), station(1), station(3));
        assert_eq!(received(&mut left), [&[3][..], &[]]);
    }

    #[test]
    fn a_frame_for_a_neighbour_on_the_same_port_stays_there() {
        let switch = Switch::new(SwitchConfig::default(), 1);
        let mut ports = ports::<2>(&switch);
        send(&mut ports[0], Instant::ZERO, LinkAddress::BROADCAST, station(1));
        received(&mut ports);
        send(&mut ports[0], Instant::ZERO, station(1), station(9));
        assert_eq!(received(&mut ports), [&[][..], &[]]);
    }

    #[test]
    fn a_full_queue_drops_and_counts_and_others_go_on() {
        let switch = Switch::new(SwitchConfig { queue: 5, ..SwitchConfig::default() }, 1);
        let slow = switch.port();
        let counters = slow.counters();
        let mut ports =
            [Box::new(slow).split(), Box::new(switch.port()).split(), Box::new(switch.port()).split()];
        for _ in 0..8 {
            send(&mut ports[2], Instant::ZERO, LinkAddress::BROADCAST, station(3));
            received(&mut ports[1..2]);
        }
        assert_eq!((received(&mut ports)[0].len(), counters.of(DropReason::LinkQueueFull)), (5, 3));
    }

    #[test]
    fn what_no_bridge_passes_on_ends() {
        let switch = Switch::new(SwitchConfig::default(), 1);
        let port = switch.port();
        let counters = port.counters();
        let mut ports = [Box::new(port).split(), Box::new(switch.port()).split()];
        send(&mut ports[0], Instant::ZERO, LinkAddress([1, 0x80, 0xc2, 0, 0, 0]), station(1));
        send(&mut ports[0], Instant::ZERO, station(2), LinkAddress::BROADCAST);
        let mut batch = TxBatch::new();
        batch.slot().push(Bytes::from_static(&[2; 13])).unwrap();
        ports[0].1.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!((received(&mut ports)[1].len(), counters.of(DropReason::LinkRefused)), (0, 2));
    }
}
