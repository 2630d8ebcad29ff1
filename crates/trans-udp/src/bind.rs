//! How a socket gets its identity: bind, connect, disconnect, and the change of its interface.
//!
//! All or nothing: what fails leaves the socket as it was. A port that `connect` took lasts as long as the connection,
//! so that many connections to different peers can share it (RFC 6056 §2.1); one that `bind` or a first write took stays.

use crate::Udp;
use crate::socket::{Binding, Socket};
use core::net::{IpAddr, SocketAddr};
use stack_core::{
    CachedRoute, Cast, EndpointId, EndpointIdentity, Error, Families, NicId, PortRequest, RouteQuery,
    TransportCx,
};
use stack_datagram::{Peer, agree, change_identity, give_back, take_port};

impl Udp {
    pub(crate) fn bind_socket(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        local: Peer,
    ) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        if socket.binding.is_some() {
            return Err(Error::AlreadyBound);
        }
        let nic = agree(socket.options.nic, local.zone)?;
        let (address, families) = match local.ip {
            // `0.0.0.0` on a dual-stack socket means IPv4 only; `::` means both.
            any if any.is_unspecified() && any.is_ipv4() => (None, Families::V4),
            any if any.is_unspecified() => (None, socket.families),
            address => (Some(address), Families::of(address)),
        };
        let source = match address {
            Some(address) => source_of(cx, nic, address)?,
            None => None,
        };
        let shared = socket.sharing.any();
        let wish = PortRequest { families, local: address, port: local.port, remote: None, nic, shared };
        socket.binding = Some(Binding::new(take_port(cx, id, wish)?, source));
        Ok(())
    }

    /// Binds an unbound socket to any address and an ephemeral port.
    pub(crate) fn bind_if_unbound(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        let socket = self.sockets.open(id)?;
        if socket.binding.is_some() {
            return Ok(());
        }
        let any = Peer::unspecified(socket.families);
        self.bind_socket(cx, id, any)
    }

    pub(crate) fn connect_socket(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        peer: Peer,
    ) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        if socket.peer == Some(peer) {
            return Ok(());
        }
        let source = socket.bound_source();
        let route = socket.route_to(cx, peer, source)?;
        let nic = agree(socket.bound_nic(), peer.zone)?;
        let binding = match socket.binding {
            Some(bound) if !bound.by_connect => reconnect(cx, id, bound, peer, nic, route.local)?,
            previous => {
                let port = previous.map_or(0, |previous| previous.request.port);
                let wish = PortRequest {
                    families: Families::of(peer.ip),
                    local: Some(route.local),
                    port,
                    remote: Some(SocketAddr::new(peer.ip, peer.port)),
                    nic,
                    shared: socket.sharing.any(),
                };
                // The port of the last connection, unless somebody is connected to the new peer by it.
                let any = PortRequest { port: 0, ..wish };
                let taken = take_port(cx, id, wish).or_else(|_| take_port(cx, id, any))?;
                if let Some(previous) = previous {
                    give_back(cx, id, &previous.request, &previous.identity);
                }
                Binding { by_connect: true, source: Some(route.local), ..Binding::new(taken, None) }
            }
        };
        socket.binding = Some(binding);
        socket.peer = Some(peer);
        socket.base.error = None;
        Ok(())
    }

    /// Ends the association with the peer: anybody may send again.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`Error::PortInUse`] if another socket has taken the address without a peer meanwhile
    /// (then the socket stays connected).
    pub fn disconnect(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        if socket.peer.is_none() {
            return Err(Error::NotConnected);
        }
        match socket.binding {
            Some(binding) if binding.by_connect => {
                give_back(cx, id, &binding.request, &binding.identity);
                socket.binding = None;
            }
            Some(binding) => {
                let identity = binding.unconnected;
                change_identity(cx, id, binding.identity, identity)?;
                socket.binding = Some(Binding { identity, source: binding.bound_source, ..binding });
            }
            None => {}
        }
        socket.peer = None;
        socket.base.reopen();
        Ok(())
    }

    /// Moves a socket to another interface. The reservation of its port stays: the identity is what must be unique.
    pub(crate) fn set_nic(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        nic: Option<NicId>,
    ) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        if let Some(binding) = socket.binding {
            let identity = EndpointIdentity { nic, ..binding.identity };
            change_identity(cx, id, binding.identity, identity)?;
            let unconnected = EndpointIdentity { nic, ..binding.unconnected };
            socket.binding = Some(Binding { identity, unconnected, ..binding });
        }
        socket.options.nic = nic;
        Ok(())
    }
}

impl Socket {
    /// What the application bound the socket to; what `connect` did is not part of it.
    fn bound(&self) -> Option<&Binding> {
        self.binding.as_ref().filter(|binding| !binding.by_connect)
    }

    fn bound_source(&self) -> Option<IpAddr> {
        self.bound().and_then(|bound| bound.bound_source)
    }

    /// The only interface that the socket uses, by its option or by the zone of its address.
    pub(crate) fn bound_nic(&self) -> Option<NicId> {
        self.options.nic.or(self.bound().and_then(|bound| bound.unconnected.nic))
    }

    /// The source of a datagram to that destination; `None` if the host chooses.
    pub(crate) fn source_to(&self, peer: Peer) -> Option<IpAddr> {
        let source = self.binding.as_ref().and_then(|binding| binding.source);
        source.filter(|source| source.is_ipv4() == peer.ip.is_ipv4())
    }

    /// The way to a destination that the socket may send to.
    pub(crate) fn route_to(
        &mut self,
        cx: &mut TransportCx<'_>,
        peer: Peer,
        source: Option<IpAddr>,
    ) -> Result<CachedRoute, Error> {
        let bound_elsewhere = self.bound().is_some_and(|bound| !bound.unconnected.families.contains(peer.ip));
        if bound_elsewhere || source.is_some_and(|source| source.is_ipv4() != peer.ip.is_ipv4()) {
            return Err(Error::AddressFamily);
        }
        let query = self.options.query(self.bound_nic(), peer, source)?;
        self.options.check(self.route.find(cx, query)?)
    }
}

/// The source of what is sent by a socket that is bound to `address`; `None` where that is no source.
///
/// # Errors
/// [`Error::BadLocalAddress`] if it is neither ours nor a group nor a broadcast address.
fn source_of(cx: &mut TransportCx<'_>, nic: Option<NicId>, address: IpAddr) -> Result<Option<IpAddr>, Error> {
    if address.is_multicast() {
        return Ok(None);
    }
    if cx.host.owner(nic, address).is_some() {
        return Ok(Some(address));
    }
    match cx.host.route(&RouteQuery { nic, local: None, remote: address }) {
        Ok(route) if route.cast == Cast::Broadcast => Ok(None),
        _ => Err(Error::BadLocalAddress),
    }
}

/// Narrows the identity of a bound socket to a peer.
fn reconnect(
    cx: &mut TransportCx<'_>,
    id: EndpointId,
    bound: Binding,
    peer: Peer,
    nic: Option<NicId>,
    source: IpAddr,
) -> Result<Binding, Error> {
    let identity = EndpointIdentity {
        nic,
        families: Families::of(peer.ip),
        local: bound.unconnected.local.or(Some(source)),
        remote: Some(peer.ip),
        remote_port: peer.port,
        ..bound.unconnected
    };
    change_identity(cx, id, bound.identity, identity)?;
    Ok(Binding { identity, source: Some(source), ..bound })
}
