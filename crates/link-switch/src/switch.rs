//! The bridge: where a frame goes.

use crate::SwitchPort;
use crate::port::PortCounters;
use crate::stations::Stations;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use core::time::Duration;
use spin::Mutex;
use stack_core::{Instant, LinkAddress, LinkCapabilities, Medium, RxPacket};

/// The shape of a switch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SwitchConfig {
    /// Largest IP packet, in bytes. Default: 1500, as on Ethernet (RFC 894).
    pub mtu: u32,
    /// Whether checksums are left incomplete and super-packets pass whole, as nothing but memory lies between ports.
    /// Default: yes. Not with an [`Uplink`](crate::Uplink).
    pub offload: bool,
    /// Frames that wait at a port. Default: 1024, about the length of the queue of a Linux device (1000).
    pub queue: usize,
    /// Stations that are known at most. Default: 1024.
    pub stations: usize,
    /// How long a silent station is known. Default: 300 s (IEEE 802.1D table 7-5).
    pub ageing: Duration,
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self { mtu: 1500, offload: true, queue: 1024, stations: 1024, ageing: Duration::from_secs(300) }
    }
}

/// A bridge; clones are handles of the same one. It lives as long as a handle or a port.
#[derive(Clone)]
pub struct Switch {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: SwitchConfig,
    state: Mutex<State>,
}

struct State {
    ports: Vec<Option<Port>>,
    stations: Stations,
}

struct Port {
    queue: VecDeque<RxPacket>,
    waker: Option<Waker>,
    counters: Arc<PortCounters>,
}

/// Addresses that no bridge passes on (IEEE 802.1D table 7-10): 01-80-C2-00-00-00 to -0F.
fn is_reserved(station: LinkAddress) -> bool {
    let [a, b, c, d, e, last] = station.0;
    [a, b, c, d, e] == [0x01, 0x80, 0xc2, 0, 0] && last < 0x10
}

impl Switch {
    /// A switch without ports. `seed` is secret: stations choose what is hashed.
    pub fn new(config: SwitchConfig, seed: u64) -> Self {
        let stations = Stations::new(config.stations, config.ageing, seed);
        let state = Mutex::new(State { ports: Vec::new(), stations });
        Self { shared: Arc::new(Shared { config, state }) }
    }

    /// One more port. It is gone when the receiving half of its link is dropped.
    pub fn port(&self) -> SwitchPort {
        let counters = Arc::<PortCounters>::default();
        let port = Port { queue: VecDeque::new(), waker: None, counters: Arc::clone(&counters) };
        let mut state = self.shared.state.lock();
        let free = state.ports.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            state.ports.push(None);
            state.ports.len() - 1
        });
        state.ports[number] = Some(port);
        drop(state);
        SwitchPort::new(Arc::clone(&self.shared), number, counters)
    }
}

impl core::fmt::Debug for Switch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Switch").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn capabilities(&self) -> LinkCapabilities {
        let offload = self.config.offload;
        LinkCapabilities {
            rx_checksum: offload,
            tx_checksum: offload,
            tso4: offload,
            tso6: offload,
            uso: offload,
            max_gso: if offload { 65_535 } else { 0 },
            ..LinkCapabilities::plain(Medium::Ethernet, self.config.mtu)
        }
    }

    /// Takes frames from a port: each with its destination and its source.
    pub(crate) fn switch(
        &self,
        now: Instant,
        from: usize,
        frames: &mut VecDeque<(LinkAddress, LinkAddress, RxPacket)>,
    ) {
        let mut wakers = Vec::new();
        let mut state = self.state.lock();
        for (destination, source, frame) in frames.drain(..) {
            state.stations.learn(now, source, from);
            if is_reserved(destination) {
                continue;
            }
            let known = destination.is_unicast().then(|| state.stations.port_of(now, destination)).flatten();
            match known {
                Some(port) if port == from => {}
                Some(port) => state.queue(self.config.queue, port, frame, &mut wakers),
                None => state.flood(self.config.queue, from, &frame, &mut wakers),
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Moves up to `max` frames that wait at a port.
    pub(crate) fn take(&self, port: usize, max: usize, into: &mut Vec<RxPacket>) -> usize {
        let mut state = self.state.lock();
        let Some(Some(port)) = state.ports.get_mut(port) else { return 0 };
        let count = port.queue.len().min(max);
        into.extend(port.queue.drain(..count));
        count
    }

    /// Wakes this waker once when a frame comes to the port.
    pub(crate) fn register(&self, port: usize, waker: &Waker) {
        if let Some(Some(port)) = self.state.lock().ports.get_mut(port) {
            port.waker = Some(waker.clone());
        }
    }

    pub(crate) fn close(&self, port: usize) {
        let mut state = self.state.lock();
        state.stations.forget_port(port);
        let gone = state.ports.get_mut(port).and_then(Option::take);
        drop(state);
        drop(gone);
    }
}

impl State {
    fn queue(&mut self, limit: usize, port: usize, frame: RxPacket, wakers: &mut Vec<Waker>) {
        let Some(Some(port)) = self.ports.get_mut(port) else { return };
        if port.queue.len() >= limit {
            return port.counters.count_full();
        }
        port.queue.push_back(frame);
        wakers.extend(port.waker.take());
    }

    fn flood(&mut self, limit: usize, from: usize, frame: &RxPacket, wakers: &mut Vec<Waker>) {
        for port in (0..self.ports.len()).filter(|port| *port != from) {
            self.queue(limit, port, frame.clone(), wakers);
        }
    }
}
