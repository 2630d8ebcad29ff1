//! How a socket gets its identity: bind, connect, disconnect, and the change of its interface.
//!
//! What fails leaves the socket as it was, except that it may have got an identifier. The identifier is the local port,
//! replies have the remote port 0. It is not shared: two programs that get each other's replies are of use to nobody.

use crate::socket::{Binding, Socket};
use crate::{Family, Icmp};
use core::net::IpAddr;
use stack_core::{CachedRoute, EndpointId, EndpointIdentity, Error, NicId, PortRequest, TransportCx};
use stack_datagram::{Peer, agree, change_identity, take_port};

impl<F: Family> Icmp<F> {
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
        let address = (!local.ip.is_unspecified()).then_some(local.ip);
        if address.is_some_and(|address| cx.host.owner(nic, address).is_none()) {
            return Err(Error::BadLocalAddress);
        }
        let wish = PortRequest {
            families: F::FAMILIES,
            local: address,
            port: local.port,
            remote: None,
            nic,
            shared: false,
        };
        let (request, identity) = take_port(cx, id, wish)?;
        socket.binding = Some(Binding { identity, unconnected: identity, request });
        Ok(())
    }

    /// Binds an unbound socket to any address and a free identifier.
    pub(crate) fn bind_if_unbound(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        if self.sockets.open(id)?.binding.is_some() {
            return Ok(());
        }
        self.bind_socket(cx, id, Peer::unspecified(F::FAMILIES))
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
        socket.base.error = None;
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
        socket.base.reopen();
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
        let query = self.options.query(self.bound_nic(), peer, source)?;
        self.options.check(self.route.find(cx, query)?)
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
        change_identity(cx, id, self.identity, identity)?;
        self.identity = identity;
        Ok(())
    }
}
