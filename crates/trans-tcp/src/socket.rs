//! Sockets: the typed interface of [`Tcp`] to applications. RFC 9293 §3.9.1.
//!
//! No call waits. [`Error::WouldBlock`] says that readiness tells when to try again, through a waker left with
//! [`Tcp::register`]. All calls take the context of the host, because they may send, arm timers and wake others.

use crate::connection::Connection;
use crate::listener::Listener;
use crate::reservation::Reservation;
use crate::settings::Settings;
use crate::state::State;
use crate::tcp::{Socket, Tcp, unspecified};
use crate::tuple::{can_be_peer, is_link_local};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{IpAddr, SocketAddr, SocketAddrV6};
use core::task::Waker;
use stack_core::{EndpointId, Error, Families, Interest, NicId, PortRequest, Readiness, TransportCx};

/// A socket that is neither connected nor listening.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) families: Families,
    /// The address that it is bound to, with the port that it was granted.
    pub(crate) local: Option<(Option<IpAddr>, u16)>,
    pub(crate) nic: Option<NicId>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) reservation: Option<Reservation>,
}

impl Tcp {
    /// A new socket, unbound.
    ///
    /// # Errors
    /// [`Error::LimitReached`] at [`TcpConfig::max_sockets`](crate::TcpConfig::max_sockets).
    pub fn create(&mut self, _cx: &mut TransportCx<'_>, families: Families) -> Result<EndpointId, Error> {
        let dual = families == Families::Dual;
        let settings = if dual { &self.shared.dual_settings } else { &self.shared.settings }.clone();
        let fresh = Fresh { families, local: None, nic: None, settings, reservation: None };
        self.sockets.insert(Socket::Fresh(Box::new(fresh))).map_err(|_| Error::LimitReached)
    }

    /// Binds it to a local address (R9293-MUST-43): unspecified means any, port 0 an ephemeral one. An IPv6 scope
    /// names the interface.
    ///
    /// # Errors
    /// [`Error::AlreadyBound`], [`Error::AddressFamily`], [`Error::BadLocalAddress`], [`Error::PortInUse`],
    /// [`Error::NoPortAvailable`].
    pub fn bind(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, local: SocketAddr) -> Result<(), Error> {
        let fresh = self.fresh(id)?;
        if fresh.local.is_some() {
            return Err(Error::AlreadyBound);
        }
        let ip = local.ip().to_canonical();
        if !family_fits(fresh.families, ip) {
            return Err(Error::AddressFamily);
        }
        fresh.nic = fresh.nic.or(scope_of(local));
        let address = (!ip.is_unspecified()).then_some(ip);
        if let Some(ip) = address {
            if !can_be_peer(ip) || cx.host.owner(fresh.nic, ip).is_none() {
                return Err(Error::BadLocalAddress);
            }
        }
        let families = if address.is_some() { Families::of(ip) } else { fresh.families };
        let mut request = PortRequest {
            families,
            local: address,
            port: local.port(),
            remote: None,
            nic: fresh.nic,
            shared: fresh.settings.reuse_port,
        };
        request.port = cx.reserve_port(&request)?;
        fresh.reservation = Some(Reservation::of(&request));
        fresh.local = Some((address, request.port));
        Ok(())
    }

    /// Lets peers connect; again, it changes the backlog. `backlog` + 1 connections can wait for
    /// [`accept`](Self::accept), and as many peers can be half open.
    ///
    /// # Errors
    /// [`Error::InvalidState`] if it is not bound or is connected, [`Error::PortInUse`] if somebody else listens there.
    pub fn listen(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, backlog: usize) -> Result<(), Error> {
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(id) {
            listener.backlog = backlog;
            return Ok(());
        }
        let fresh = self.fresh(id).map_err(|_| Error::InvalidState)?;
        let (local, port) = fresh.local.ok_or(Error::InvalidState)?;
        let families = local.map_or(fresh.families, Families::of);
        let listener = Listener {
            families,
            local,
            port,
            nic: fresh.nic,
            settings: fresh.settings.clone(),
            reservation: fresh.reservation,
            backlog,
            half_open: 0,
            accepted: VecDeque::new(),
            early: 0,
            forged: VecDeque::new(),
            cookie_at: None,
            waker: None,
        };
        let taken = |error| if error == Error::DuplicateAddress { Error::PortInUse } else { error };
        cx.register(&listener.identity(), id).map_err(taken)?;
        self.listeners.entry(port).or_default().push(id);
        if let Some(socket) = self.sockets.get_mut(id) {
            *socket = Socket::Listener(Box::new(listener));
        }
        Ok(())
    }

    /// Takes a connection that a peer has opened, and says who the peer is.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::InvalidState`] if it does not listen, [`Error::UnknownEndpoint`].
    pub fn accept(
        &mut self,
        _cx: &mut TransportCx<'_>,
        id: EndpointId,
    ) -> Result<(EndpointId, SocketAddr), Error> {
        let waiting = match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Listener(listener) => listener.accepted.pop_front().ok_or(Error::WouldBlock)?,
            _ => return Err(Error::InvalidState),
        };
        let peer = self.remote_address(waiting)?;
        Ok((waiting, peer))
    }

    /// What can be done now; all closed for an unknown handle.
    pub fn readiness(&self, id: EndpointId) -> Readiness {
        match self.sockets.get(id) {
            Some(Socket::Connection(connection)) => connection.readiness(),
            Some(Socket::Listener(listener)) => {
                Readiness { readable: !listener.accepted.is_empty(), ..Readiness::default() }
            }
            Some(Socket::Forwarder(forwarder)) => {
                Readiness { readable: forwarder.has_untold(), ..Readiness::default() }
            }
            Some(Socket::Fresh(_)) => Readiness::default(),
            None => Readiness { read_closed: true, write_closed: true, ..Readiness::default() },
        }
    }

    /// Wakes this waker once when the readiness changes towards the interest; the caller looks again after registering.
    pub fn register(&mut self, id: EndpointId, interest: Interest, waker: &Waker) {
        let slot = match (self.sockets.get_mut(id), interest) {
            (Some(Socket::Connection(connection)), Interest::Readable) => &mut connection.read_waker,
            (Some(Socket::Connection(connection)), Interest::Writable) => &mut connection.write_waker,
            (Some(Socket::Listener(listener)), Interest::Readable) => &mut listener.waker,
            (Some(Socket::Forwarder(forwarder)), Interest::Readable) => &mut forwarder.waker,
            _ => return,
        };
        match slot {
            Some(there) => there.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// Its own address; unspecified and port 0 while unbound. A socket of both families shows IPv4 as `::ffff:a.b.c.d`.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    pub fn local_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        let (families, local) = match self.sockets.get(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Connection(connection) => return Ok(connection.shown(connection.tuple.local_address())),
            Socket::Listener(listener) => (listener.families, Some((listener.local, listener.port))),
            Socket::Forwarder(_) => (Families::Dual, None),
            Socket::Fresh(fresh) => (fresh.families, fresh.local),
        };
        let (ip, port) = local.unwrap_or((None, 0));
        let any = unspecified(families);
        let address = SocketAddr::new(ip.unwrap_or(any), port);
        // Bound to IPv4 alone, it is not of both families any more.
        let maps = matches!(self.sockets.get(id), Some(Socket::Listener(it)) if it.settings.maps_ipv4)
            || matches!(self.sockets.get(id), Some(Socket::Fresh(it)) if it.settings.maps_ipv4);
        Ok(if maps { mapped(address) } else { address })
    }

    /// The peer's address.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::UnknownEndpoint`].
    pub fn remote_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        match self.sockets.get(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Connection(connection) => Ok(connection.shown(connection.tuple.remote_address())),
            _ => Err(Error::NotConnected),
        }
    }

    /// Whether this is the peer's address, in either form of an IPv4 address.
    pub(crate) fn is_peer(&self, id: EndpointId, address: SocketAddr) -> bool {
        let peer = self.connection(id).map(|connection| connection.tuple.remote_address());
        peer == Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }

    /// Takes the error that waits (`SO_ERROR`): why a connect failed, why a connection ended.
    pub fn take_error(&mut self, id: EndpointId) -> Option<Error> {
        match self.sockets.get_mut(id)? {
            Socket::Connection(connection) => connection.error.take(),
            _ => None,
        }
    }

    pub(crate) fn connection(&self, id: EndpointId) -> Option<&Connection> {
        match self.sockets.get(id)? {
            Socket::Connection(connection) => Some(connection),
            _ => None,
        }
    }

    /// A socket that can still be bound and connected, or what it is instead.
    pub(crate) fn fresh(&mut self, id: EndpointId) -> Result<&mut Fresh, Error> {
        match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) => Ok(fresh),
            Socket::Listener(_) | Socket::Forwarder(_) => Err(Error::InvalidState),
            Socket::Connection(connection) => Err(match connection.state {
                State::SynSent | State::SynReceived => Error::AlreadyConnecting,
                State::Closed => Error::InvalidState,
                _ => Error::AlreadyConnected,
            }),
        }
    }
}

impl Connection {
    /// An address of the connection as its application sees it: in its socket's form, and with the interface that a
    /// link-local one belongs to (RFC 4007 §6).
    fn shown(&self, address: SocketAddr) -> SocketAddr {
        let scope = self.nic.filter(|_| is_link_local(address.ip()));
        match address {
            SocketAddr::V4(_) if self.settings.maps_ipv4 => mapped(address),
            SocketAddr::V6(v6) => {
                SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope.map_or(0, |nic| nic.0)).into()
            }
            address @ SocketAddr::V4(_) => address,
        }
    }
}

/// An IPv4 address in the form of IPv6 (RFC 4291 §2.5.5.2); others as they are.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(v4) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Whether an address may be used with a socket; an unspecified IPv6 address stands for both families.
pub(crate) fn family_fits(families: Families, address: IpAddr) -> bool {
    families.contains(address)
}

/// The interface that the scope of an IPv6 address names.
pub(crate) fn scope_of(address: SocketAddr) -> Option<NicId> {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(NicId(v6.scope_id())),
        _ => None,
    }
}
