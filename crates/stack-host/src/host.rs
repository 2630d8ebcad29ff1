//! The host: its fields, and the contexts that are borrowed from them.

use crate::builder::HostBuilder;
use crate::counters::{Counters, NicCounters};
use crate::discovered::Events;
use crate::multicast::MulticastRoutes;
use crate::nic::Nic;
use crate::tables::Tables;
use crate::timers::Timers;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::task::Waker;
use stack_core::{
    DefaultHandler, DropReason, Effect, EndpointId, Endpoints, Error, Hook, Instant, NetCx, NetworkEndpoint,
    NetworkProtocol, NicId, Rng, Tap, Token, TransportCx, TransportProtocol, TxBatch,
};

/// The interface of the host's own traffic.
pub const LOCAL_NIC: NicId = NicId(u32::MAX);
/// Outcomes kept for links that ask for them; a driver collects them after each batch.
const MAX_OUTCOMES: usize = 4096;

/// A transport protocol and what the host keeps for it.
pub(crate) struct Slot {
    pub(crate) number: u8,
    pub(crate) protocol: Box<dyn TransportProtocol>,
    pub(crate) handler: Option<DefaultHandler>,
    /// Deadlines asked for and not yet in the wheel.
    pub(crate) armed: Vec<(EndpointId, Instant)>,
}

/// One host. See the crate's page for how it is driven.
pub struct Host {
    pub(crate) networks: Vec<Box<dyn NetworkProtocol>>,
    pub(crate) slots: Vec<Slot>,
    /// Parallel to `tables.interfaces`; the local one first.
    pub(crate) nics: Vec<Nic>,
    pub(crate) tables: Tables,
    pub(crate) timers: Timers<(u8, EndpointId)>,
    /// Transport segments that are to be routed.
    pub(crate) out: TxBatch,
    /// Packets to ourselves that wait for their turn.
    pub(crate) effects: Vec<Effect>,
    /// Where packets to groups are forwarded.
    pub(crate) multicast: MulticastRoutes,
    /// What has happened to interfaces.
    pub(crate) events: Events,
    pub(crate) wakes: Vec<Waker>,
    pub(crate) taps: Vec<Box<dyn Tap>>,
    pub(crate) hooks: Vec<Box<dyn Hook>>,
    pub(crate) counters: Counters,
    pub(crate) outcomes: Vec<(NicId, Token, DropReason)>,
    /// The transport that is asked first for something to send.
    pub(crate) turn: usize,
    /// Reused by the receive spine.
    pub(crate) targets: Vec<EndpointId>,
}

impl Host {
    /// A builder without any protocol.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    pub(crate) fn from_parts(builder: HostBuilder, mut rng: Box<dyn Rng>) -> Self {
        let timers = Timers::new(rng.next_u64());
        let slots = builder.transports.into_iter().map(|protocol| Slot {
            number: protocol.number(),
            protocol,
            handler: None,
            armed: Vec::new(),
        });
        Self {
            networks: builder.networks,
            slots: slots.collect(),
            nics: Vec::new(),
            tables: Tables::new(&builder.config, builder.ports, builder.path_mtus, rng),
            timers,
            out: TxBatch::new(),
            effects: Vec::new(),
            multicast: MulticastRoutes::default(),
            events: Events::default(),
            wakes: Vec::new(),
            taps: Vec::new(),
            hooks: Vec::new(),
            counters: Counters::default(),
            outcomes: Vec::new(),
            turn: 0,
            targets: Vec::new(),
        }
    }

    /// A transport protocol by its type, with the context that its calls need. Afterwards call
    /// [`transmit`](Self::transmit): what the call wants to send waits there.
    pub fn transport<T: TransportProtocol>(&mut self, now: Instant) -> Option<(&mut T, TransportCx<'_>)> {
        let now = self.advance(now);
        let Self { slots, tables, wakes, .. } = self;
        let slot = slots.iter_mut().find(|slot| {
            let any: &dyn Any = &*slot.protocol;
            any.is::<T>()
        })?;
        let any: &mut dyn Any = &mut *slot.protocol;
        let cx = TransportCx { now, protocol: slot.number, wakes, armed: &mut slot.armed, host: tables };
        Some((any.downcast_mut()?, cx))
    }

    /// The sockets of a transport protocol by its number, with the context that their calls need.
    pub fn endpoints(&mut self, now: Instant, protocol: u8) -> Option<(&mut dyn Endpoints, TransportCx<'_>)> {
        let now = self.advance(now);
        let Self { slots, tables, wakes, .. } = self;
        let slot = slots.iter_mut().find(|slot| slot.number == protocol)?;
        let cx = TransportCx { now, protocol, wakes, armed: &mut slot.armed, host: tables };
        Some((slot.protocol.endpoints()?, cx))
    }

    /// A transport protocol by its type, to look at.
    pub fn transport_ref<T: TransportProtocol>(&self) -> Option<&T> {
        self.slots.iter().find_map(|slot| {
            let any: &dyn Any = &*slot.protocol;
            any.downcast_ref()
        })
    }

    /// Sets the handler for packets of a transport protocol that no endpoint answers to; `None` takes it away.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`].
    pub fn set_transport_protocol_handler(
        &mut self,
        protocol: u8,
        handler: Option<DefaultHandler>,
    ) -> Result<(), Error> {
        let slot =
            self.slots.iter_mut().find(|slot| slot.number == protocol).ok_or(Error::UnknownProtocol)?;
        slot.handler = handler;
        Ok(())
    }

    /// Shows all packets to a tap from now on.
    pub fn add_tap(&mut self, tap: Box<dyn Tap>) {
        self.taps.push(tap);
    }

    /// Asks a hook about all packets from now on, after those that are there.
    pub fn add_hook(&mut self, hook: Box<dyn Hook>) {
        self.hooks.push(hook);
    }

    /// A hook by its type, to be set or asked; the first that is there.
    pub fn hook<H: Hook>(&mut self) -> Option<&mut H> {
        self.hooks.iter_mut().find_map(|hook| (&mut **hook as &mut dyn Any).downcast_mut())
    }

    /// Whether a network protocol of this EtherType is registered.
    pub fn check_network_protocol(&self, ether_type: u16) -> bool {
        self.networks.iter().any(|protocol| protocol.ether_type() == ether_type)
    }

    /// The counters of the host.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The counters, to be set back or corrected (the seed's `MutableStats`).
    pub fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// The counters of an interface.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn nic_counters(&self, nic: NicId) -> Result<&NicCounters, Error> {
        Ok(&self.nics[self.tables.index(nic).ok_or(Error::UnknownNic)?].counters)
    }

    /// What the interface's link is to send. Packets that the link could not take stay here.
    pub fn out(&mut self, nic: NicId) -> Option<&mut TxBatch> {
        let index = self.tables.index(nic)?;
        Some(&mut self.nics[index].out)
    }

    /// Hands over the wakers of tasks that can go on.
    pub fn take_wakes(&mut self, into: &mut Vec<Waker>) {
        into.append(&mut self.wakes);
    }

    /// The packets that were dropped since the last call, for links that want to know.
    pub fn drops(&mut self) -> impl Iterator<Item = (NicId, Token, DropReason)> + '_ {
        self.outcomes.drain(..)
    }

    /// When [`poll`](Self::poll) wants to be called; `None` while nothing waits for time.
    pub fn next_deadline(&self) -> Option<Instant> {
        let endpoints = self.nics.iter().flat_map(|nic| nic.endpoints.iter().map(|(_, e)| e.poll_timeout()));
        let asked = self.slots.iter().flat_map(|slot| slot.armed.iter().map(|(_, deadline)| *deadline));
        let asked = asked.filter(|deadline| *deadline < Instant::FAR_FUTURE).min();
        let others = [self.timers.next(), self.tables.neighbors.poll_timeout(), asked];
        endpoints.chain(others).flatten().min()
    }

    /// Whether nothing is armed, queued or waiting: what a simulation ends with.
    pub fn is_idle(&self) -> bool {
        let armed = |slot: &Slot| slot.armed.iter().any(|(_, deadline)| *deadline < Instant::FAR_FUTURE);
        self.timers.is_idle()
            && self.out.is_empty()
            && self.nics.iter().all(|nic| nic.out.is_empty())
            && !self.slots.iter().any(armed)
    }

    /// Lets time pass: deadlines of endpoints, of network protocols and of neighbours.
    pub fn poll(&mut self, now: Instant) {
        let now = self.advance(now);
        self.arm_timers();
        let mut due = Vec::new();
        self.timers.expire(now, &mut due);
        for (protocol, endpoint) in due {
            self.with_slot(protocol, now, |protocol, cx| protocol.handle_timeout(cx, endpoint));
        }
        for nic in 0..self.nics.len() {
            self.run_timeouts(nic, now);
        }
        self.tables.neighbors.poll(now);
        self.settle(now);
    }

    /// Lets the network endpoints of an interface do what is due.
    pub(crate) fn run_timeouts(&mut self, nic: usize, now: Instant) {
        for endpoint in 0..self.nics[nic].endpoints.len() {
            if self.nics[nic].endpoints[endpoint].1.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.with_endpoint(nic, endpoint, now, |endpoint, cx| endpoint.handle_timeout(cx));
            }
        }
    }

    /// The time of the call that begins.
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.tables.advance(now)
    }

    /// Moves deadlines that were asked for into the wheel.
    pub(crate) fn arm_timers(&mut self) {
        for slot in &mut self.slots {
            for (endpoint, deadline) in slot.armed.drain(..) {
                self.timers.arm((slot.number, endpoint), deadline);
            }
        }
    }

    /// Calls a transport protocol with its context.
    pub(crate) fn with_slot<R>(
        &mut self,
        number: u8,
        now: Instant,
        call: impl FnOnce(&mut dyn TransportProtocol, &mut TransportCx<'_>) -> R,
    ) -> Option<R> {
        let Self { slots, tables, wakes, .. } = self;
        let slot = slots.iter_mut().find(|slot| slot.number == number)?;
        let mut cx = TransportCx { now, protocol: number, wakes, armed: &mut slot.armed, host: tables };
        Some(call(&mut *slot.protocol, &mut cx))
    }

    /// Calls a network endpoint with its context.
    pub(crate) fn with_endpoint<R>(
        &mut self,
        nic: usize,
        endpoint: usize,
        now: Instant,
        call: impl FnOnce(&mut dyn NetworkEndpoint, &mut NetCx<'_>) -> R,
    ) -> R {
        let Self { nics, tables, out, effects, .. } = self;
        let visible = tables.interfaces[nic].visible.clone();
        let Nic { endpoints, wire, .. } = &mut nics[nic];
        let mut cx = NetCx { now, nic: visible.view(), out, wire, effects, host: tables };
        call(&mut *endpoints[endpoint].1, &mut cx)
    }

    /// The position of the endpoint that carries an address, on an interface.
    pub(crate) fn endpoint_for(&self, nic: usize, address: core::net::IpAddr) -> Option<usize> {
        let ether_type = self.networks.iter().find(|protocol| protocol.carries(address))?.ether_type();
        self.nics[nic].endpoints.iter().position(|(number, _)| *number == ether_type)
    }

    /// Counts a dropped packet, and tells its link if it wants to know.
    pub(crate) fn count_drop(&mut self, nic: usize, token: Token, reason: DropReason) {
        self.counters.drops.count(reason);
        self.nics[nic].counters.drops.count(reason);
        let wanted = self.tables.interfaces[nic].visible.capabilities.wants_outcomes;
        if wanted && self.outcomes.len() < MAX_OUTCOMES {
            self.outcomes.push((self.nics[nic].id, token, reason));
        }
    }

    /// Counts packets that ended where the host could not see it: inside the link of an interface (the
    /// [`LinkDrops`](stack_core::LinkDrops) of the link say how many), or kept by a network endpoint and given up.
    pub fn count_drops(&mut self, nic: NicId, reason: DropReason, packets: u64) {
        self.counters.drops.add(reason, packets);
        if let Some(index) = self.tables.index(nic) {
            self.nics[index].counters.drops.add(reason, packets);
        }
    }
}
