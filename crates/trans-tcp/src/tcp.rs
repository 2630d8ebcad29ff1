//! The protocol as the host sees it: segments to endpoints, strays, timeouts, and what an
//! ended connection leaves behind.
//!
//! The host has found the endpoint: every 4-tuple is in its table, those of half-open peers and TIME-WAIT records
//! included, and the index says which kind it is. Nothing here hashes a tuple.

use crate::config::TcpConfig;
use crate::connection::Connection;
use crate::counters::TcpCounters;
use crate::delayed_ack::Owed;
use crate::env::{Env, Shared, answer_nic};
use crate::error::CloseReason;
use crate::fastopen::FastOpen;
use crate::forwarder::Forwarder;
use crate::listener::Listener;
use crate::segment::Segment;
use crate::slab::{Kind, Slab};
use crate::socket::Fresh;
use crate::state::State;
use crate::syn_queue::HalfOpen;
use crate::time_wait::TimeWait;
use crate::tuple::{Tuple, can_be_peer};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use stack_core::{
    Cast, DeliveryError, DropReason, EndpointId, Endpoints, Families, RxPacket, TransportCx,
    TransportProtocol, TxBatch, Unknown,
};
use stack_wire::ip::protocol;
use stack_wire::tcp::{MIN_HEADER_LEN, Quoted};

/// What a handle of the application stands for.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Created, perhaps bound.
    Fresh(Box<Fresh>),
    Listener(Box<Listener>),
    Connection(Box<Connection>),
    /// Is asked about connections that nobody listens for.
    Forwarder(Box<Forwarder>),
}

/// Memory of a socket in its table.
#[cfg(test)]
pub(crate) const SLOT: usize = Slab::<Socket>::SLOT;

/// The TCP of one host: its sockets, and all that happens to them.
#[derive(Debug)]
pub struct Tcp {
    pub(crate) shared: Shared,
    pub(crate) sockets: Slab<Socket>,
    pub(crate) half_open: Slab<HalfOpen>,
    pub(crate) time_wait: Slab<TimeWait>,
    /// Listeners by port: for SYNs that meet a TIME-WAIT record first.
    pub(crate) listeners: BTreeMap<u16, Vec<EndpointId>>,
    /// One for each interface, or for all.
    pub(crate) forwarders: Vec<EndpointId>,
}

impl Tcp {
    /// A TCP without sockets.
    pub fn new(config: TcpConfig) -> Self {
        Self {
            sockets: Slab::new(Kind::Socket, config.max_sockets),
            half_open: Slab::new(Kind::HalfOpen, config.max_half_open),
            time_wait: Slab::new(Kind::TimeWait, config.max_time_wait),
            listeners: BTreeMap::new(),
            forwarders: Vec::new(),
            shared: Shared::new(config),
        }
    }

    /// What has happened so far.
    pub fn counters(&self) -> &TcpCounters {
        &self.shared.counters
    }

    /// What it was set to.
    pub fn config(&self) -> &TcpConfig {
        &self.shared.config
    }

    /// Bytes behind the buffers of all connections; see [`TcpConfig::memory`].
    pub fn memory_used(&self) -> usize {
        self.shared.memory.used()
    }

    /// Does something with a connection, and then what follows from it for the tables.
    pub(crate) fn with_connection<T>(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        f: impl FnOnce(&mut Connection, &mut Env<'_, '_>) -> T,
    ) -> Option<T> {
        self.shared.keep_time(cx);
        let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else { return None };
        let mut env = Env::new(id, cx, &mut self.shared);
        connection.level = env.shared.memory.level();
        let before = connection.memory();
        let result = f(connection, &mut env);
        connection.settle_memory(&mut env, before);
        connection.relax(&mut env);
        let ends_early = connection.fast_open == FastOpen::Serving && connection.state != State::SynReceived;
        if ends_early {
            let was_reset = connection.close_reason == Some(CloseReason::Reset);
            connection.fast_open = FastOpen::Served;
            self.end_early(cx.now, id, was_reset);
        }
        let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else { return Some(result) };
        let mut env = Env::new(id, cx, &mut self.shared);
        if matches!(connection.state, State::Closed | State::TimeWait) {
            self.settle(cx, id);
        } else {
            connection.observe_limits(&env);
            connection.rearm(&mut env);
        }
        Some(result)
    }

    /// A connection that has ended leaves the host's table; in TIME-WAIT a record takes its place. Its slot is
    /// freed once the application has given up the handle.
    fn settle(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(Socket::Connection(connection)) = self.sockets.get_mut(id) else { return };
        connection.timers.clear_all();
        let mut record_id = None;
        if core::mem::take(&mut connection.registered) {
            cx.arm(id, stack_core::Instant::FAR_FUTURE);
            let identity = connection.tuple.identity(connection.nic);
            let waits = connection.state == State::TimeWait;
            let record = TimeWait::of(connection, cx.now);
            record_id = if waits { self.time_wait.insert(record).ok() } else { None };
            match record_id {
                Some(record_id) => cx.replace(&identity, id, record_id),
                None => cx.unregister(&identity, id),
            }
            self.shared.counters.time_wait += u64::from(record_id.is_some());
            self.shared.counters.time_wait_overflow += u64::from(waits && record_id.is_none());
        }
        // With SO_REUSEADDR the port is free at once; the tuple is not.
        let keeps_port = record_id.is_some() && !connection.settings.reuse_address;
        if let Some(reservation) = connection.reservation.take().filter(|_| !keeps_port) {
            reservation.release_tuple(cx, &connection.tuple, connection.nic);
        }
        let owes_ack = connection.acks.owed() != Owed::Nothing;
        if connection.orphan {
            connection.return_memory(&mut self.shared.memory, &self.shared.config);
            self.sockets.remove(id);
        }
        if let Some(record_id) = record_id {
            cx.arm(record_id, cx.now + self.shared.config.time_wait);
            if owes_ack {
                self.acknowledge_time_wait(cx, record_id);
            }
        }
    }

    fn parse(&mut self, packet: &RxPacket) -> Result<Segment, DropReason> {
        let parsed = Segment::parse(packet);
        match &parsed {
            Ok(seg) => self.shared.counters.received(seg.codepoint, seg.count()),
            Err(reason) => {
                let counters = &mut self.shared.counters;
                counters.in_segs += 1;
                counters.in_errs += 1;
                counters.in_csum_errors += u64::from(*reason == DropReason::BadTransportChecksum);
            }
        }
        parsed
    }
}

/// R9293-MUST-57: nothing about TCP is ever said to many.
fn check_cast(packet: &RxPacket) -> Result<(), DropReason> {
    let unicast = packet.ip.cast == Cast::Unicast && packet.meta.cast == Cast::Unicast;
    if unicast { Ok(()) } else { Err(DropReason::MartianDestination) }
}

/// The wildcard address of a family; of IPv6 for both.
pub(crate) fn unspecified(families: Families) -> IpAddr {
    match families {
        Families::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Families::V6 | Families::Dual => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

impl TransportProtocol for Tcp {
    fn number(&self) -> u8 {
        protocol::TCP
    }

    fn name(&self) -> &'static str {
        "TCP"
    }

    fn min_packet_len(&self) -> usize {
        MIN_HEADER_LEN
    }

    fn parse_ports(&self, segment: &[u8]) -> Option<(u16, u16)> {
        Quoted::parse(segment).map(|quoted| (quoted.src_port, quoted.dst_port))
    }

    fn receive(
        &mut self,
        cx: &mut TransportCx<'_>,
        endpoint: EndpointId,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        self.shared.keep_time(cx);
        let mut seg = self.parse(packet)?;
        check_cast(packet)?;
        match Kind::of(endpoint) {
            Some(Kind::HalfOpen) => self.receive_half_open(cx, endpoint, packet, &mut seg),
            Some(Kind::TimeWait) => self.receive_time_wait(cx, endpoint, packet, &seg),
            Some(Kind::Socket) if matches!(self.sockets.get(endpoint), Some(Socket::Listener(_))) => {
                self.receive_listen(cx, endpoint, packet, &mut seg)
            }
            _ => self
                .with_connection(cx, endpoint, |connection, env| connection.receive(env, packet, &mut seg))
                .unwrap_or(Err(DropReason::NoEndpoint)),
        }
    }

    /// CLOSED: a SYN may be for a forwarder; everything else but a reset is answered with one (R9293-3.10.7.1-a).
    fn receive_unknown(&mut self, cx: &mut TransportCx<'_>, packet: &mut RxPacket) -> Unknown {
        let seg = match self.parse(packet) {
            Ok(seg) => seg,
            Err(reason) => return Unknown::Drop(reason),
        };
        if let Err(reason) = check_cast(packet) {
            return Unknown::Drop(reason);
        }
        if !can_be_peer(packet.ip.src) {
            return Unknown::Drop(DropReason::MartianSource);
        }
        if seg.flags.rst() {
            return Unknown::Drop(DropReason::NoEndpoint);
        }
        if let Some(forwarder) = self.forwarder_for(packet.meta.nic).filter(|_| seg.is_opening()) {
            self.shared.keep_time(cx);
            return self
                .ask(cx, forwarder, packet, &seg, None)
                .map_or_else(Unknown::Drop, |()| Unknown::Handled);
        }
        let tuple = Tuple::of_packet(packet, seg.src_port, seg.dst_port);
        self.shared.reset_stray(tuple, answer_nic(packet), &seg, 0);
        Unknown::Handled
    }

    fn receive_error(&mut self, cx: &mut TransportCx<'_>, endpoint: EndpointId, error: &DeliveryError) {
        self.on_delivery_error(cx, endpoint, error);
    }

    fn poll_transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        self.shared.keep_time(cx);
        let mut left = budget;
        self.transmit_control(cx, out, &mut left);
        self.transmit_ready(cx, out, &mut left);
        self.transmit_control(cx, out, &mut left);
        !(self.shared.control.is_empty() && self.shared.ready.is_empty())
    }

    fn handle_timeout(&mut self, cx: &mut TransportCx<'_>, endpoint: EndpointId) {
        self.shared.keep_time(cx);
        match Kind::of(endpoint) {
            Some(Kind::HalfOpen) => self.half_open_timeout(cx, endpoint),
            Some(Kind::TimeWait) => self.time_wait_timeout(cx, endpoint),
            _ => {
                self.with_connection(cx, endpoint, |connection, env| connection.handle_timeout(env));
            }
        }
    }

    fn endpoints(&mut self) -> Option<&mut dyn Endpoints> {
        Some(self)
    }
}
