//! Deciding about a request: a connection, a reset, or nothing.

use crate::connection::Connection;
use crate::env::{Control, Env};
use crate::recovery::Recovery;
use crate::syn_queue::HalfOpen;
use crate::tcp::{Socket, Tcp};
use alloc::boxed::Box;
use core::net::SocketAddr;
use stack_core::{EndpointId, Error, Instant, NicId, TransportCx};

/// A peer wants a connection to an address and port that nobody listens on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpRequest {
    /// Names the request in the calls that decide about it.
    pub id: EndpointId,
    /// Where the peer wants to get to.
    pub local: SocketAddr,
    /// The peer.
    pub remote: SocketAddr,
    /// The interface that the connection will use: the one that the forwarder is for, or for link-local addresses the one
    /// that the SYN came in by; `None` leaves it to the routing table.
    pub nic: Option<NicId>,
}

impl Tcp {
    /// Takes the oldest request that nobody has taken. Whoever takes it decides about it.
    ///
    /// # Errors
    /// [`Error::WouldBlock`], [`Error::UnknownEndpoint`] if it is no forwarder.
    pub fn next_request(&mut self, forwarder: EndpointId) -> Result<TcpRequest, Error> {
        let forwarder = self.forwarder_mut(forwarder).ok_or(Error::UnknownEndpoint)?;
        let id = forwarder.untold.pop_front().ok_or(Error::WouldBlock)?;
        let record = self.half_open.get(id).ok_or(Error::WouldBlock)?;
        let (local, remote) = (record.tuple.local_address(), record.tuple.remote_address());
        Ok(TcpRequest { id, local, remote, nic: record.nic })
    }

    /// Answers the SYN of a request. The connection is in SYN-RECEIVED; writability tells when the handshake is complete, or
    /// has failed, as with a connect.
    ///
    /// # Errors
    /// [`Error::Timeout`] if the request is gone: it took too long, or the peer has taken it back.
    /// [`Error::LimitReached`] at [`TcpConfig::max_sockets`](crate::TcpConfig::max_sockets); the request stays.
    pub fn accept_request(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<EndpointId, Error> {
        let record = self.request(id)?;
        let settings = self.forwarder(record.listener).ok_or(Error::Timeout)?.settings.clone();
        self.shared.keep_time(cx);
        let mut env = Env::new(id, cx, &mut self.shared);
        let mut connection = Box::new(Connection::from_half_open(&mut env, &record, settings));
        connection.refresh_path(&mut env);
        let socket = Socket::Connection(connection);
        let connection = self.sockets.insert(socket).map_err(|_| Error::LimitReached)?;
        self.half_open.remove(id);
        cx.arm(id, Instant::FAR_FUTURE);
        cx.replace(&record.tuple.identity(record.nic), id, connection);
        self.settle_request(id, &record);
        self.shared.counters.passive_opens += 1;
        self.with_connection(cx, connection, |connection, env| connection.send_syn_ack(env, &record));
        Ok(connection)
    }

    /// Answers the SYN of a request with a reset (R9293-3.10.7.1-a), as if nobody were there.
    ///
    /// # Errors
    /// [`Error::Timeout`] if the request is gone.
    pub fn reject_request(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) -> Result<(), Error> {
        let record = self.request(id)?;
        self.shared.push_control(Control::Reply(record.refusal()));
        self.remove_half_open(cx, id);
        Ok(())
    }

    /// Does not answer the SYN of a request: the peer will try again, and then it is a new request. A request that is gone
    /// is ignored.
    pub fn forget_request(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        if self.request(id).is_ok() {
            self.remove_half_open(cx, id);
        }
    }

    fn request(&self, id: EndpointId) -> Result<HalfOpen, Error> {
        self.half_open.get(id).filter(|record| record.held).copied().ok_or(Error::Timeout)
    }

    pub(crate) fn settle_request(&mut self, id: EndpointId, record: &HalfOpen) {
        if let Some(forwarder) = self.forwarder_mut(record.listener) {
            forwarder.settle(id, record.tuple.remote);
        }
    }
}

impl Connection {
    /// A connection that was made of a record without a SYN-ACK sends it.
    pub(crate) fn send_syn_ack(&mut self, env: &mut Env<'_, '_>, record: &HalfOpen) {
        self.snd.nxt = record.iss;
        self.recovery = Recovery::new(record.iss);
        self.syn_due = true;
        self.start_waiting(env);
        self.mark_ready(env);
    }
}
