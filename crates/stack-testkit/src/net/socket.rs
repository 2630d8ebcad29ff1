//! Sockets of a virtual network's hosts, in one line a call.
//!
//! Calls go through [`Endpoints`], so they work for every transport protocol; what they cause leaves the host when the
//! network runs.

use crate::net::{HostId, Hosts};
use core::net::SocketAddr;
use stack_core::{EndpointId, Endpoints, Error, Families, Readiness, Shutdown, SocketOption, TransportCx};
pub use stack_wire::ip::protocol::{TCP, UDP};

/// A socket: a handle, to be copied at will.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Socket {
    /// Its host.
    pub host: HostId,
    /// Its transport protocol.
    pub protocol: u8,
    /// Its number there.
    pub id: EndpointId,
}

/// Calls with the endpoints of a protocol.
fn with<R>(
    hosts: &mut Hosts,
    host: HostId,
    protocol: u8,
    call: impl FnOnce(&mut dyn Endpoints, &mut TransportCx<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let now = hosts.now();
    let (endpoints, mut cx) = hosts.host(host).endpoints(now, protocol).ok_or(Error::UnknownProtocol)?;
    call(endpoints, &mut cx)
}

impl Socket {
    /// A new socket.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`] if the host does not speak it, and those of [`Endpoints::create`].
    pub fn create(hosts: &mut Hosts, host: HostId, protocol: u8, families: Families) -> Result<Self, Error> {
        let id = with(hosts, host, protocol, |endpoints, cx| endpoints.create(cx, families))?;
        Ok(Self { host, protocol, id })
    }

    /// A new socket, bound.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`Endpoints::bind`].
    pub fn bound(hosts: &mut Hosts, host: HostId, protocol: u8, local: SocketAddr) -> Result<Self, Error> {
        let socket = Self::create(hosts, host, protocol, Families::of(local.ip()))?;
        socket.call(hosts, |endpoints, cx, id| endpoints.bind(cx, id, local))?;
        Ok(socket)
    }

    /// A new TCP socket that listens.
    ///
    /// # Errors
    /// As [`bound`](Self::bound) and [`Endpoints::listen`].
    pub fn listening(
        hosts: &mut Hosts,
        host: HostId,
        local: SocketAddr,
        backlog: usize,
    ) -> Result<Self, Error> {
        let socket = Self::bound(hosts, host, TCP, local)?;
        socket.call(hosts, |endpoints, cx, id| endpoints.listen(cx, id, backlog))?;
        Ok(socket)
    }

    /// A new socket that is connected or connecting.
    ///
    /// # Errors
    /// As [`create`](Self::create) and [`Endpoints::connect`], except that a connect under way is none.
    pub fn connecting(
        hosts: &mut Hosts,
        host: HostId,
        protocol: u8,
        remote: SocketAddr,
    ) -> Result<Self, Error> {
        let socket = Self::create(hosts, host, protocol, Families::of(remote.ip()))?;
        match socket.call(hosts, |endpoints, cx, id| endpoints.connect(cx, id, remote)) {
            Ok(()) | Err(Error::ConnectStarted) => Ok(socket),
            Err(error) => Err(error),
        }
    }

    /// Any call of [`Endpoints`] on this socket.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`], and those of the call.
    pub fn call<R>(
        self,
        hosts: &mut Hosts,
        call: impl FnOnce(&mut dyn Endpoints, &mut TransportCx<'_>, EndpointId) -> Result<R, Error>,
    ) -> Result<R, Error> {
        with(hosts, self.host, self.protocol, |endpoints, cx| call(endpoints, cx, self.id))
    }

    /// Takes a connection out of the backlog.
    ///
    /// # Errors
    /// As [`Endpoints::accept`].
    pub fn accept(self, hosts: &mut Hosts) -> Result<Self, Error> {
        let id = self.call(hosts, |endpoints, cx, id| endpoints.accept(cx, id))?;
        Ok(Self { id, ..self })
    }

    /// Reads into a buffer.
    ///
    /// # Errors
    /// As [`Endpoints::read`].
    pub fn read(self, hosts: &mut Hosts, buffer: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        self.call(hosts, |endpoints, cx, id| endpoints.read(cx, id, buffer))
    }

    /// Writes to the peer.
    ///
    /// # Errors
    /// As [`Endpoints::write`].
    pub fn write(self, hosts: &mut Hosts, bytes: &[u8]) -> Result<usize, Error> {
        self.call(hosts, |endpoints, cx, id| endpoints.write(cx, id, bytes, None))
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// As [`Endpoints::write`].
    pub fn send_to(self, hosts: &mut Hosts, bytes: &[u8], to: SocketAddr) -> Result<usize, Error> {
        self.call(hosts, |endpoints, cx, id| endpoints.write(cx, id, bytes, Some(to)))
    }

    /// Ends a side.
    ///
    /// # Errors
    /// As [`Endpoints::shutdown`].
    pub fn shutdown(self, hosts: &mut Hosts, how: Shutdown) -> Result<(), Error> {
        self.call(hosts, |endpoints, cx, id| endpoints.shutdown(cx, id, how))
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// As [`Endpoints::set_option`].
    pub fn set(self, hosts: &mut Hosts, option: SocketOption) -> Result<(), Error> {
        self.call(hosts, |endpoints, cx, id| endpoints.set_option(cx, id, option))
    }

    /// Gives the handle up.
    pub fn close(self, hosts: &mut Hosts) {
        // The only error is a protocol that is not there, and then there is nothing to close.
        let _ = self.call(hosts, |endpoints, cx, id| {
            endpoints.close(cx, id);
            Ok(())
        });
    }

    /// What can be done now.
    pub fn readiness(self, hosts: &mut Hosts) -> Readiness {
        self.call(hosts, |endpoints, _, id| Ok(endpoints.readiness(id))).unwrap_or_default()
    }

    /// Its own address.
    ///
    /// # Errors
    /// As [`Endpoints::local_address`].
    pub fn local_address(self, hosts: &mut Hosts) -> Result<SocketAddr, Error> {
        self.call(hosts, |endpoints, _, id| endpoints.local_address(id))
    }
}
