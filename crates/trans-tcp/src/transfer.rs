//! The typed interface of a connected socket: data in both directions, urgent data, and the ends of it.
//! RFC 9293 §3.9.1.2 to §3.9.1.5.

use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::state::State;
use crate::tcp::{Socket, Tcp, unspecified};
use bytes::Bytes;
use core::net::SocketAddr;
use stack_core::{EndpointId, Error, Shutdown, TransportCx};
use stack_packet::Rope;

impl Tcp {
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

    /// Takes up to `max` received bytes by reference, in the pieces that they lie in; empty at the end of the stream.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_rope(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, max: usize) -> Result<Rope, Error> {
        self.on_stream(cx, id, |connection, env| connection.read_rope(env, max))
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
            Some(Socket::Forwarder(_)) => self.close_forwarder(cx, id),
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

    fn on_stream<T>(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        f: impl FnOnce(&mut Connection, &mut Env<'_, '_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.sockets.get(id).is_none() {
            return Err(Error::UnknownEndpoint);
        }
        self.with_connection(cx, id, f).unwrap_or(Err(Error::NotConnected))
    }
}
