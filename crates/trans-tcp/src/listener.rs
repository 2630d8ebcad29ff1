//! Listening sockets: the LISTEN state of RFC 9293 §3.10.7.2, the two queues, and how a half-open peer becomes a
//! connection.
//!
//! Connections have tuples of their own, so a port serves many while it listens (R9293-MUST-42), and a listener takes
//! none away (R9293-MUST-41).
//!
//! `listen(n)` holds n + 1 connections that wait for `accept` and as many half-open peers. When the first queue is
//! full, SYNs are dropped, and so are the ACKs that would complete a handshake: the SYN-ACK goes again when its timer
//! says so, and by then there may be room. When the second is full, SYNs are answered with cookies (`syn_cookie.rs`), or
//! dropped ([`DropReason::BacklogFull`]) where these are off.

use crate::env::answer_nic;
use crate::error::CloseReason;
use crate::reservation::Reservation;
use crate::segment::Segment;
use crate::settings::Settings;
use crate::state::State;
use crate::tcp::{Socket, Tcp};
use crate::tuple::Tuple;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::IpAddr;
use core::task::Waker;
use stack_core::{DropReason, EndpointId, EndpointIdentity, Families, Instant, NicId, RxPacket, TransportCx};

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) families: Families,
    pub(crate) local: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) nic: Option<NicId>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) backlog: usize,
    /// Records in the half-open table that are ours.
    pub(crate) half_open: usize,
    /// Connections that wait for `accept`.
    pub(crate) accepted: VecDeque<EndpointId>,
    /// Of these, and of others, those whose SYN brought text and that are not confirmed (RFC 7413).
    pub(crate) early: usize,
    /// When those are forgotten that a reset ended before they were confirmed.
    pub(crate) forged: VecDeque<Instant>,
    /// When a SYN was answered with a cookie last.
    pub(crate) cookie_at: Option<Instant>,
    pub(crate) waker: Option<Waker>,
}

impl Listener {
    /// The key under which the host finds it.
    pub(crate) fn identity(&self) -> EndpointIdentity {
        EndpointIdentity {
            nic: self.nic,
            families: self.families,
            local: self.local,
            local_port: self.port,
            remote: None,
            remote_port: 0,
            shared: self.settings.reuse_port,
        }
    }

    /// Whether no further connection can wait for `accept`.
    pub(crate) fn is_full(&self) -> bool {
        self.accepted.len() > self.backlog
    }

    /// Whether one more connection can be made by its SYN alone.
    pub(crate) fn admits_early(&mut self, now: Instant) -> bool {
        while self.forged.front().is_some_and(|until| *until <= now) {
            self.forged.pop_front();
        }
        !self.is_full() && self.early + self.forged.len() < usize::from(self.settings.fast_open)
    }

    /// Whether packets of this tuple are for it.
    fn matches(&self, tuple: &Tuple, nic: NicId) -> bool {
        self.port == tuple.local_port
            && self.families.contains(tuple.local)
            && self.local.is_none_or(|local| local == tuple.local)
            && self.nic.is_none_or(|bound| bound == nic)
    }
}

impl Tcp {
    /// LISTEN: resets are ignored, ACKs are answered with a reset, SYNs open, the rest is dropped
    /// (R9293-3.10.7.2-a). Text in a SYN is left for the peer to send again, unless it comes with a good cookie.
    pub(crate) fn receive_listen(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let tuple = Tuple::of_packet(packet, seg.src_port, seg.dst_port);
        if seg.flags.rst() {
            return Err(DropReason::TcpBadReset);
        }
        if seg.flags.ack() {
            if let Some(record) = self.record_of_cookie(cx, id, packet, seg) {
                return self.complete(cx, None, &record, packet, seg);
            }
            self.shared.reset_stray(tuple, answer_nic(packet), seg, 0);
            return Err(DropReason::TcpBadAck);
        }
        if !seg.flags.syn() || seg.flags.fin() {
            return Err(DropReason::TcpBadFlags);
        }
        self.open_half(cx, id, packet, seg, None).inspect_err(|_| self.shared.counters.listen_drops += 1)
    }

    /// A SYN that may follow a connection in TIME-WAIT, if somebody listens or is asked.
    pub(crate) fn reopen(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
        seg: &Segment,
    ) -> Result<(), DropReason> {
        let tuple = Tuple::of_packet(packet, seg.src_port, seg.dst_port);
        let listener = self.listener_for(&tuple, packet.meta.nic);
        let opener =
            listener.or_else(|| self.forwarder_for(packet.meta.nic)).ok_or(DropReason::TcpTimeWait)?;
        let after = self.time_wait.get(id).map(|record| record.snd_nxt);
        self.remove_time_wait(cx, id);
        self.shared.counters.time_wait_recycled += 1;
        match listener {
            Some(_) => self.open_half(cx, opener, packet, seg, after),
            None => self.ask(cx, opener, packet, seg, after),
        }
    }

    fn listener_for(&self, tuple: &Tuple, nic: NicId) -> Option<EndpointId> {
        let on_port = self.listeners.get(&tuple.local_port)?;
        let matching = on_port.iter().filter_map(|&id| match self.sockets.get(id) {
            Some(Socket::Listener(listener)) if listener.matches(tuple, nic) => Some((id, listener)),
            _ => None,
        });
        // The more specific one, as the host's demultiplexer has it.
        let specific = |listener: &Listener| (listener.nic.is_some(), listener.local.is_some());
        matching.max_by_key(|(_, listener)| specific(listener)).map(|(id, _)| id)
    }

    /// The listener goes: its half-open peers are forgotten, connections that nobody took are reset.
    pub(crate) fn close_listener(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, listener: Listener) {
        cx.unregister(&listener.identity(), id);
        if let Some(on_port) = self.listeners.get_mut(&listener.port) {
            on_port.retain(|&other| other != id);
            if on_port.is_empty() {
                self.listeners.remove(&listener.port);
            }
        }
        let mine = self.half_open.iter().filter(|(_, record)| record.listener == id);
        let mine: alloc::vec::Vec<EndpointId> = mine.map(|(half, _)| half).collect();
        for half in mine {
            self.remove_half_open(cx, half);
        }
        for waiting in listener.accepted {
            self.with_connection(cx, waiting, |connection, env| {
                connection.orphan = true;
                if connection.state != State::Closed && connection.state != State::TimeWait {
                    connection.abort(env, CloseReason::Aborted);
                }
            });
        }
        if let Some(reservation) = listener.reservation {
            let any = crate::tcp::unspecified(listener.families);
            let local = core::net::SocketAddr::new(listener.local.unwrap_or(any), listener.port);
            reservation.release(cx, local, local, listener.nic);
        }
    }
}
