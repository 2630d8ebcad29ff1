//! Sockets: the typed interface of [`Tcp`] to applications. RFC 9293 §3.9.1.
//!
//! No call waits. [`Error::WouldBlock`] says that readiness tells when to try again, through a waker left with
//! [`Tcp::register`]. All calls take the context of the host, because they may send, arm timers and wake others.

use crate::config::Settings;
use crate::connection::Connection;
use crate::error::CloseReason;
use crate::listener::Listener;
use crate::pmtu::Path;
use crate::reservation::Reservation;
use crate::state::{Event, State};
use crate::tcp::{Socket, Tcp, unspecified};
use crate::tuple::{Tuple, can_be_peer};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::task::Waker;
use stack_core::{
    Cast, EndpointId, Error, Families, Interest, NicId, PortRequest, Readiness, RouteQuery, Shutdown,
    TransportCx,
};

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
        let settings = self.shared.settings.clone();
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

    /// Connects it to a peer: [`Error::ConnectStarted`], and writability tells when it is done. The source address is
    /// chosen by the route if it is not bound to one (R9293-MUST-44).
    ///
    /// # Errors
    /// Besides [`Error::ConnectStarted`]: [`Error::AlreadyConnecting`], [`Error::AlreadyConnected`],
    /// [`Error::InvalidState`], [`Error::AddressFamily`], [`Error::NetworkUnreachable`] for addresses of many
    /// (R9293-MUST-46), [`Error::NoRoute`], [`Error::NoPortAvailable`], [`Error::PortInUse`] if there is such a
    /// connection.
    pub fn connect(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        remote: SocketAddr,
    ) -> Result<(), Error> {
        let fresh = self.fresh(id)?;
        let nic = fresh.nic.or(scope_of(remote));
        let ip = remote.ip().to_canonical();
        if !family_fits(fresh.families, ip) {
            return Err(Error::AddressFamily);
        }
        if remote.port() == 0 {
            return Err(Error::InvalidArgument);
        }
        if !can_be_peer(ip) {
            return Err(Error::NetworkUnreachable);
        }
        let bound = fresh.local.and_then(|(address, _)| address);
        if bound.is_some_and(|address| Families::of(address) != Families::of(ip)) {
            return Err(Error::AddressFamily);
        }
        let route = cx.host.route(&RouteQuery { nic, local: bound, remote: ip })?;
        if route.cast != Cast::Unicast {
            return Err(Error::NetworkUnreachable);
        }
        let remote = SocketAddr::new(ip, remote.port());
        let settings = fresh.settings.clone();
        let held = fresh.local.map(|(_, port)| (port, fresh.reservation));
        let (port, reservation) = claim(cx, id, route.local, remote, nic, held)?;
        let tuple = Tuple { local: route.local, remote: ip, local_port: port, remote_port: remote.port() };
        self.start_connect(cx, id, tuple, nic, settings, reservation, Path::new(&route));
        Err(Error::ConnectStarted)
    }

    #[expect(clippy::too_many_arguments, reason = "what a connection is made of")]
    fn start_connect(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        tuple: Tuple,
        nic: Option<NicId>,
        settings: Arc<Settings>,
        reservation: Option<Reservation>,
        path: Path,
    ) {
        let mut env = crate::env::Env::new(id, cx, &mut self.shared);
        let mut connection = Box::new(Connection::new(&mut env, tuple, nic, settings));
        connection.path = path;
        connection.registered = true;
        connection.reservation = reservation;
        connection.update_mss();
        connection.syn_due = true;
        connection.event(&mut env, Event::Connect);
        connection.mark_ready(&mut env);
        env.counters().active_opens += 1;
        if let Some(socket) = self.sockets.get_mut(id) {
            *socket = Socket::Connection(connection);
        }
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

    /// Copies received bytes; 0 at the end of the stream.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::NotConnected`], or, once, why the connection ended.
    pub fn read(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        self.on_stream(cx, id, |connection, env| connection.read(env, buffer))
    }

    /// Takes up to `max` received bytes by reference, one piece; empty at the end of the stream.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_bytes(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        max: usize,
    ) -> Result<Bytes, Error> {
        self.on_stream(cx, id, |connection, env| connection.read_bytes(env, max))
    }

    /// Copies received bytes and leaves them in the queue (`MSG_PEEK`).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn peek(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        buffer: &mut [u8],
    ) -> Result<usize, Error> {
        self.on_stream(cx, id, |connection, _| connection.peek(buffer))
    }

    /// Queues a copy of as many bytes as there is room for and says how many. Allowed before the connect is done.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::NotConnected`], [`Error::ClosedForSend`], or, once, why the connection ended.
    pub fn write(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, bytes: &[u8]) -> Result<usize, Error> {
        self.on_stream(cx, id, |connection, env| connection.write(env, bytes))
    }

    /// Queues as many bytes as there is room for by reference and takes them off the front of `bytes`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_bytes(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &mut Bytes,
    ) -> Result<usize, Error> {
        self.on_stream(cx, id, |connection, env| connection.write_bytes(env, bytes))
    }

    /// Writes as [`write`](Self::write) does and tells the peer that what was written is urgent (`MSG_OOB`;
    /// R9293-MUST-30). New applications should not (R9293-SHLD-13).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_urgent(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
    ) -> Result<usize, Error> {
        self.on_stream(cx, id, |connection, env| connection.write_urgent(env, bytes))
    }

    /// Urgent bytes that are still to be read or to come (R9293-MUST-33); `None` where nothing is urgent. They lie in
    /// the stream like all others.
    pub fn urgent(&self, id: EndpointId) -> Option<usize> {
        self.connection(id)?.rcv.urgent_ahead().map(|ahead| ahead as usize)
    }

    /// Ends one side or both. What comes after the end of reading is acknowledged and dropped.
    ///
    /// # Errors
    /// [`Error::NotConnected`].
    pub fn shutdown(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, how: Shutdown) -> Result<(), Error> {
        self.on_stream(cx, id, |connection, env| {
            if connection.state == State::Closed {
                return Err(Error::NotConnected);
            }
            if how != Shutdown::Write {
                connection.shutdown_read(env);
            }
            if how != Shutdown::Read {
                connection.shutdown_write(env);
            }
            Ok(())
        })
    }

    /// Gives the handle up. A connection ends by itself in an orderly way, but with a reset if it was left with
    /// unread data (R9293-SHLD-3); a listener resets what nobody accepted. Unknown handles are ignored.
    pub fn close(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        if self.connection(id).is_some() {
            self.with_connection(cx, id, |connection, env| connection.give_up(env));
            return;
        }
        match self.sockets.remove(id) {
            Some(Socket::Listener(listener)) => self.close_listener(cx, id, *listener),
            Some(Socket::Fresh(fresh)) => {
                if let (Some(reservation), Some((local, port))) = (fresh.reservation, fresh.local) {
                    let ip = local.unwrap_or(unspecified(fresh.families));
                    let local = SocketAddr::new(ip, port);
                    reservation.release(cx, local, local, fresh.nic);
                }
            }
            _ => {}
        }
    }

    /// Resets a connection at once and gives the handle up (ABORT, RFC 9293 §3.10.5); otherwise as
    /// [`close`](Self::close).
    pub fn abort(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let aborted = self.with_connection(cx, id, |connection, env| {
            connection.orphan = true;
            if !matches!(connection.state, State::Closed | State::TimeWait) {
                connection.abort(env, CloseReason::Aborted);
            }
        });
        if aborted.is_none() {
            self.close(cx, id);
        }
    }

    /// What can be done now; all closed for an unknown handle.
    pub fn readiness(&self, id: EndpointId) -> Readiness {
        match self.sockets.get(id) {
            Some(Socket::Connection(connection)) => connection.readiness(),
            Some(Socket::Listener(listener)) => {
                Readiness { readable: !listener.accepted.is_empty(), ..Readiness::default() }
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
            _ => return,
        };
        match slot {
            Some(there) => there.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// Its own address; unspecified and port 0 while unbound.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    pub fn local_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        let (families, local) = match self.sockets.get(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Connection(connection) => return Ok(connection.tuple.local_address()),
            Socket::Listener(listener) => (listener.families, Some((listener.local, listener.port))),
            Socket::Fresh(fresh) => (fresh.families, fresh.local),
        };
        let (ip, port) = local.unwrap_or((None, 0));
        Ok(SocketAddr::new(ip.unwrap_or(unspecified(families)), port))
    }

    /// The peer's address.
    ///
    /// # Errors
    /// [`Error::NotConnected`], [`Error::UnknownEndpoint`].
    pub fn remote_address(&self, id: EndpointId) -> Result<SocketAddr, Error> {
        match self.sockets.get(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Connection(connection) => Ok(connection.tuple.remote_address()),
            _ => Err(Error::NotConnected),
        }
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
    fn fresh(&mut self, id: EndpointId) -> Result<&mut Fresh, Error> {
        match self.sockets.get_mut(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(fresh) => Ok(fresh),
            Socket::Listener(_) => Err(Error::InvalidState),
            Socket::Connection(connection) => Err(match connection.state {
                State::SynSent | State::SynReceived => Error::AlreadyConnecting,
                State::Closed => Error::InvalidState,
                _ => Error::AlreadyConnected,
            }),
        }
    }

    fn on_stream<T>(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        f: impl FnOnce(&mut Connection, &mut crate::env::Env<'_, '_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.sockets.get(id).is_none() {
            return Err(Error::UnknownEndpoint);
        }
        self.with_connection(cx, id, f).unwrap_or(Err(Error::NotConnected))
    }
}

/// Ephemeral ports that a connect tries: one that is free may still be in the host's table, as a TIME-WAIT record
/// that let its port go.
const PORT_TRIES: usize = 16;

/// Registers the connection that `id` is to become: under the port that it is bound to (`held`), or else under an
/// ephemeral one for this peer (RFC 6056).
fn claim(
    cx: &mut TransportCx<'_>,
    id: EndpointId,
    local: IpAddr,
    remote: SocketAddr,
    nic: Option<NicId>,
    held: Option<(u16, Option<Reservation>)>,
) -> Result<(u16, Option<Reservation>), Error> {
    let tuple = |port| Tuple { local, remote: remote.ip(), local_port: port, remote_port: remote.port() };
    let taken = |error| if error == Error::DuplicateAddress { Error::PortInUse } else { error };
    if let Some((port, reservation)) = held {
        cx.register(&tuple(port).identity(nic), id).map_err(taken)?;
        return Ok((port, reservation));
    }
    let families = Families::of(local);
    let request =
        PortRequest { families, local: Some(local), port: 0, remote: Some(remote), nic, shared: false };
    let reservation = Reservation::of(&request);
    for _ in 0..PORT_TRIES {
        let port = cx.reserve_port(&request)?;
        match cx.register(&tuple(port).identity(nic), id) {
            Ok(()) => return Ok((port, Some(reservation))),
            Err(error) => {
                cx.release_port(&PortRequest { port, ..request });
                if error != Error::DuplicateAddress {
                    return Err(error);
                }
            }
        }
    }
    Err(Error::NoPortAvailable)
}

/// Whether an address may be used with a socket; an unspecified IPv6 address stands for both families.
fn family_fits(families: Families, address: IpAddr) -> bool {
    families.contains(address)
}

/// The interface that the scope of an IPv6 address names.
fn scope_of(address: SocketAddr) -> Option<NicId> {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(NicId(v6.scope_id())),
        _ => None,
    }
}
