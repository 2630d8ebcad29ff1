//! Forwarders: sockets that are asked about every flow of datagrams to where nobody has a socket. What transparent proxies
//! stand on, together with an interface in promiscuous mode; the netstack family calls it by this name.
//!
//! The first datagram between two ends makes a socket that is connected to its sender and has the datagram in its queue, and
//! so will have those that follow. The application is told ([`Udp::next_request`]) and decides in its own time: it takes
//! the socket ([`Udp::accept_request`]), or has the sender told that the port is unreachable ([`Udp::reject_request`]), or
//! neither ([`Udp::forget_request`]). A flow that nobody decides about is forgotten after [`ForwarderConfig::patience`].
//!
//! UDP has no end: how long an accepted flow may be silent is for the application to say, by the time it waits in `read`.

use crate::Udp;
use crate::socket::{Binding, Socket};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;
use stack_core::{
    Cast, DropReason, EndpointId, Endpoints, Error, Families, Instant, NicId, PortRequest, RxPacket,
    TransportCx,
};
use stack_datagram::{Peer, Reports, take_port};
use stack_wire::udp;

/// Limits of a forwarder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForwarderConfig {
    /// Flows that may be undecided at a time, each with a socket and what its receive buffer holds; datagrams of others are
    /// dropped as [`BacklogFull`](DropReason::BacklogFull) and counted. 256.
    pub max_pending: usize,
    /// How long a flow may be undecided; then it is forgotten, with its datagrams. 10 s: two tries of a DNS client.
    pub patience: Duration,
    /// Only flows that come in by this interface; all if `None`. The forwarder of an interface goes before that of all.
    pub nic: Option<NicId>,
}

impl Default for ForwarderConfig {
    fn default() -> Self {
        Self { max_pending: 256, patience: Duration::from_secs(10), nic: None }
    }
}

/// Somebody sends datagrams to an address and port that nobody has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpRequest {
    /// Names the request in the calls that decide about it.
    pub id: EndpointId,
    /// Where the datagrams are sent to.
    pub local: SocketAddr,
    /// Who sends them; of a link-local sender with its scope.
    pub remote: SocketAddr,
}

/// What makes a socket one that is asked.
#[derive(Debug)]
pub(crate) struct Forwarder {
    config: ForwarderConfig,
    /// Flows that nobody has taken, in their order.
    pub(crate) untold: VecDeque<EndpointId>,
    /// Undecided flows, taken or not.
    pending: Vec<EndpointId>,
}

/// A flow that nobody has decided about.
#[derive(Debug)]
pub(crate) struct Pending {
    forwarder: EndpointId,
    /// Its first packet, for the sender to be told of.
    packet: RxPacket,
    deadline: Instant,
}

impl Udp {
    /// A new forwarder. Options are changed like those of any socket; its flows inherit them.
    ///
    /// # Errors
    /// [`Error::LimitReached`] at [`UdpConfig::max_sockets`](crate::UdpConfig::max_sockets); [`Error::PortInUse`] if there is one for the same interfaces.
    pub fn open_forwarder(&mut self, config: ForwarderConfig) -> Result<EndpointId, Error> {
        if self.forwarder_of(config.nic).is_some() {
            return Err(Error::PortInUse);
        }
        let mut socket = Socket::new(Families::Dual, &self.config);
        socket.forwarder = Some(Box::new(Forwarder { config, untold: VecDeque::new(), pending: Vec::new() }));
        let id = self.sockets.insert(socket, self.config.max_sockets)?;
        self.forwarders.push(id);
        Ok(id)
    }

    fn forwarder_of(&self, nic: Option<NicId>) -> Option<EndpointId> {
        let is_it =
            |id: &&EndpointId| self.forwarder(**id).is_ok_and(|forwarder| forwarder.config.nic == nic);
        self.forwarders.iter().find(is_it).copied()
    }

    fn forwarder(&self, id: EndpointId) -> Result<&Forwarder, Error> {
        self.sockets.open(id)?.forwarder.as_deref().ok_or(Error::UnknownEndpoint)
    }

    fn forwarder_mut(&mut self, id: EndpointId) -> Result<&mut Forwarder, Error> {
        self.sockets.open_mut(id)?.forwarder.as_deref_mut().ok_or(Error::UnknownEndpoint)
    }

    /// A datagram that has passed its checks and that nobody has a socket for. `None` if nobody is asked.
    pub(crate) fn ask(
        &mut self,
        cx: &mut TransportCx<'_>,
        packet: &mut RxPacket,
    ) -> Option<Result<(), DropReason>> {
        let nic = packet.meta.nic;
        let forwarder = self.forwarder_of(Some(nic)).or_else(|| self.forwarder_of(None))?;
        let begun = self.begin_flow(cx, forwarder, packet);
        Some(begun.and_then(|id| self.deliver(cx, id, packet).inspect_err(|_| self.forget_request(cx, id))))
    }

    fn begin_flow(
        &mut self,
        cx: &mut TransportCx<'_>,
        forwarder: EndpointId,
        packet: &RxPacket,
    ) -> Result<EndpointId, DropReason> {
        let asked = self.sockets.open(forwarder).map_err(|_| DropReason::NoEndpoint)?;
        let config = asked.forwarder.as_ref().ok_or(DropReason::NoEndpoint)?.config;
        if self.forwarder(forwarder).is_ok_and(|it| it.pending.len() >= config.max_pending) {
            self.counters.forward_overflows += 1;
            return Err(DropReason::BacklogFull);
        }
        let families = Families::of(packet.ip.dst);
        let mut flow = Socket::new(families, &self.config);
        (flow.options, flow.sharing) = (asked.options, asked.sharing);
        flow.reports = Reports::new(asked.reports.are_wanted());
        let deadline = cx.now + config.patience;
        flow.pending = Some(Box::new(Pending { forwarder, packet: packet.clone(), deadline }));
        let id = self.sockets.insert(flow, self.config.max_sockets).map_err(|_| DropReason::BacklogFull)?;
        if self.connect_flow(cx, id, packet).is_err() {
            self.sockets.remove(id);
            return Err(DropReason::NoEndpoint);
        }
        cx.arm(id, deadline);
        self.counters.forward_requests += 1;
        let asked = self.sockets.open_mut(forwarder).map_err(|_| DropReason::NoEndpoint)?;
        if let Some(forwarder) = &mut asked.forwarder {
            forwarder.untold.push_back(id);
            forwarder.pending.push(id);
        }
        asked.base.wake_readable(cx);
        Ok(id)
    }

    /// Binds the socket of a flow to both its ends.
    fn connect_flow(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &RxPacket,
    ) -> Result<(), Error> {
        let (src_port, dst_port) = udp::parse_ports(packet.transport()).ok_or(Error::InvalidArgument)?;
        let mut peer = Peer { ip: packet.ip.src, port: src_port, zone: None };
        peer.zone = Some(packet.meta.nic).filter(|_| peer.is_link_local());
        let socket = self.sockets.open_mut(id)?;
        let wish = PortRequest {
            families: Families::of(packet.ip.dst),
            local: Some(packet.ip.dst),
            port: dst_port,
            remote: Some(SocketAddr::new(peer.ip, peer.port)),
            nic: socket.options.nic.or(peer.zone),
            shared: false,
        };
        let source = Some(packet.ip.dst).filter(|_| packet.ip.cast == Cast::Unicast);
        socket.binding = Some(Binding::new(take_port(cx, id, wish)?, source));
        socket.peer = Some(peer);
        Ok(())
    }

    /// Takes the oldest request that nobody has taken. Whoever takes it decides about it.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::UnknownEndpoint`] if it is no forwarder.
    pub fn next_request(&mut self, forwarder: EndpointId) -> Result<UdpRequest, Error> {
        let id = self.forwarder_mut(forwarder)?.untold.pop_front().ok_or(Error::WouldBlock)?;
        let (local, remote) = (self.local_address(id)?, self.remote_address(id)?);
        Ok(UdpRequest { id, local, remote })
    }

    /// Takes the flow: its socket is the caller's from now on, with the datagrams that have come.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it was forgotten meanwhile.
    pub fn accept_request(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<EndpointId, Error> {
        self.decide(cx, id)?;
        Ok(id)
    }

    /// Has the sender told that the port is unreachable (R1122-4.1.3.1-a), as if nobody were asked.
    ///
    /// # Errors
    /// [`Error::Timeout`] if it was forgotten meanwhile.
    pub fn reject_request(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        let pending = self.decide(cx, id)?;
        self.counters.no_ports += 1;
        cx.host.refuse(pending.packet);
        self.close(cx, id);
        Ok(())
    }

    /// Drops the flow and what has come of it: the next datagram is a new request. One that is gone is ignored.
    pub fn forget_request(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        if self.decide(cx, id).is_ok() {
            self.close(cx, id);
        }
    }

    /// From here on the flow is no request.
    fn decide(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<Box<Pending>, Error> {
        let socket = self.sockets.open_mut(id).map_err(|_| Error::Timeout)?;
        let pending = socket.pending.take().ok_or(Error::Timeout)?;
        cx.arm(id, Instant::FAR_FUTURE);
        if let Ok(forwarder) = self.forwarder_mut(pending.forwarder) {
            forwarder.untold.retain(|untold| *untold != id);
            forwarder.pending.retain(|undecided| *undecided != id);
        }
        Ok(pending)
    }

    /// Nobody has decided about a flow in time.
    pub(crate) fn flow_timeout(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(deadline) =
            self.sockets.open(id).ok().and_then(|it| it.pending.as_ref()).map(|it| it.deadline)
        else {
            return;
        };
        if deadline > cx.now {
            return cx.arm(id, deadline);
        }
        self.counters.forward_expired += 1;
        self.forget_request(cx, id);
    }

    /// A forwarder goes, and all that it was asked.
    pub(crate) fn close_forwarder(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        forwarder: &Forwarder,
    ) {
        self.forwarders.retain(|other| *other != id);
        for flow in &forwarder.pending {
            self.forget_request(cx, *flow);
        }
    }
}
