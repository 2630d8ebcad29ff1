//! How a socket gets its identity: bind, connect, disconnect, and the change of its interface.
//!
//! What fails leaves the socket as it was, except that it may have got an identifier. The identifier is the local port, replies have the remote
//! port 0. It is not shared: two programs that get each other's replies are of use to nobody.

use crate::socket::{Binding, Peer, Socket, unspecified};
use crate::{Family, Icmp};
use core::net::IpAddr;
use stack_core::{
    CachedRoute, Cast, EndpointId, EndpointIdentity, Error, NicId, PortRequest, RouteQuery, TransportCx,
};

impl<F: Family> Icmp<F> {
    pub(crate) fn bind_socket(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        local: Peer,
        ident: u16,
    ) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        if socket.binding.is_some() {
            return Err(Error::AlreadyBound);
        }
        let nic = agree(socket.options.nic, local.zone)?;
        let address = (!local.ip.is_unspecified()).then_some(local.ip);
        if address.is_some_and(|address| cx.host.owner(nic, address).is_none()) {
            return Err(Error::BadLocalAddress);
        }
        let wish = PortRequest {
            families: F::FAMILIES,
            local: address,
            port: ident,
            remote: None,
            nic,
            shared: false,
        };
        socket.binding = Some(take_ident(cx, id, wish)?);
        Ok(())
    }

    /// Binds an unbound socket to any address and a free identifier.
    pub(crate) fn bind_if_unbound(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        if self.sockets.open(id)?.binding.is_some() {
            return Ok(());
        }
        self.bind_socket(cx, id, Peer { ip: unspecified::<F>(), zone: None }, 0)
    }

    pub(crate) fn connect_socket(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        peer: Peer,
    ) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        let source = socket.binding.and_then(|binding| binding.unconnected.local);
        let route = socket.route_to(cx, peer, source)?;
        let nic = agree(socket.bound_nic(), peer.zone)?;
        self.bind_if_unbound(cx, id)?;
        let socket = self.sockets.open_mut(id)?;
        let Some(binding) = &mut socket.binding else { return Err(Error::InvalidState) };
        let identity =
            EndpointIdentity { nic, local: Some(route.local), remote: Some(peer.ip), ..binding.unconnected };
        binding.change(cx, id, identity)?;
        socket.peer = Some(peer);
        socket.error = None;
        Ok(())
    }

    /// Ends the association with the peer: anybody may reply again.
    ///
    /// # Errors
    /// [`Error::NotConnected`].
    pub fn disconnect(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        let (Some(_), Some(binding)) = (socket.peer, &mut socket.binding) else {
            return Err(Error::NotConnected);
        };
        binding.change(cx, id, binding.unconnected)?;
        socket.peer = None;
        socket.read_closed = false;
        socket.write_closed = false;
        Ok(())
    }

    /// Moves a socket to another interface.
    pub(crate) fn set_nic(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        nic: Option<NicId>,
    ) -> Result<(), Error> {
        let socket = self.sockets.open_mut(id)?;
        if let Some(binding) = &mut socket.binding {
            binding.change(cx, id, EndpointIdentity { nic, ..binding.identity })?;
            binding.unconnected.nic = nic;
        }
        socket.options.nic = nic;
        Ok(())
    }
}

impl Socket {
    /// The only interface that the socket uses, by its option or by the zone of its address.
    pub(crate) fn bound_nic(&self) -> Option<NicId> {
        self.options.nic.or(self.binding.and_then(|binding| binding.unconnected.nic))
    }

    /// The way to a destination that the socket may send to.
    pub(crate) fn route_to(
        &mut self,
        cx: &mut TransportCx<'_>,
        peer: Peer,
        source: Option<IpAddr>,
    ) -> Result<CachedRoute, Error> {
        if peer.ip.is_unspecified() {
            return Err(Error::InvalidArgument);
        }
        let mut nic = agree(self.bound_nic(), peer.zone)?;
        if nic.is_none() && peer.ip.is_multicast() {
            nic = self.options.multicast_nic;
        }
        let route = self.route(cx, RouteQuery { nic, local: source, remote: peer.ip })?;
        if route.cast == Cast::Broadcast && !self.options.broadcast {
            return Err(Error::BroadcastDisabled);
        }
        Ok(route)
    }
}

impl Binding {
    /// Registers another identity in place of the present one.
    fn change(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        identity: EndpointIdentity,
    ) -> Result<(), Error> {
        if identity != self.identity {
            cx.register(&identity, id).map_err(in_use)?;
            cx.unregister(&self.identity, id);
            self.identity = identity;
        }
        Ok(())
    }
}

/// Reserves an identifier and registers the identity that goes with it.
fn take_ident(cx: &mut TransportCx<'_>, id: EndpointId, wish: PortRequest) -> Result<Binding, Error> {
    let request = PortRequest { port: cx.reserve_port(&wish)?, ..wish };
    let identity = EndpointIdentity {
        nic: request.nic,
        families: request.families,
        local: request.local,
        local_port: request.port,
        remote: None,
        remote_port: 0,
        shared: false,
    };
    if let Err(error) = cx.register(&identity, id) {
        cx.release_port(&request);
        return Err(in_use(error));
    }
    Ok(Binding { identity, unconnected: identity, request })
}

/// The interface that two wishes agree on.
///
/// # Errors
/// [`Error::InvalidArgument`] if they don't.
fn agree(one: Option<NicId>, other: Option<NicId>) -> Result<Option<NicId>, Error> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Err(Error::InvalidArgument),
        _ => Ok(one.or(other)),
    }
}

/// Two sockets with one identity are two sockets with one identifier, to an application.
fn in_use(error: Error) -> Error {
    if error == Error::DuplicateAddress { Error::PortInUse } else { error }
}
