//! What ICMP and this host's own network layer say about our packets: RFC 9293 §3.9.2.2, RFC 5927. What is said of
//! packets that are too big is in `too_big.rs`.
//!
//! The host finds the connection by what is quoted (R9293-MUST-54).
//! A message is believed only if it quotes a sequence number that is in flight (R5927-4-a). It ends a connection
//! only while that is being opened (R5927-5-b); later it is advice, kept for the day when retransmission gives up.

use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::slab::Kind;
use crate::tcp::Tcp;
use stack_core::{DeliveryError, EndpointId, Error, ErrorKind, ErrorOrigin, TransportCx};
use stack_wire::tcp::Quoted;

/// The error that an application is told.
fn error_of(kind: ErrorKind) -> Option<Error> {
    Some(match kind {
        ErrorKind::NetUnreachable => Error::NetworkUnreachable,
        ErrorKind::HostUnreachable | ErrorKind::Prohibited | ErrorKind::SourceRouteFailed => {
            Error::HostUnreachable
        }
        ErrorKind::ProtocolUnreachable => Error::ProtocolUnreachable,
        ErrorKind::PortUnreachable => Error::ConnectionRefused,
        ErrorKind::HopLimitExceeded
        | ErrorKind::ReassemblyTimeout
        | ErrorKind::ParameterProblem { .. }
        | ErrorKind::PacketTooBig { .. } => return None,
    })
}

impl Tcp {
    /// An error about a packet of `id`.
    pub(crate) fn on_delivery_error(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        error: &DeliveryError,
    ) {
        match Kind::of(id) {
            Some(Kind::HalfOpen) => self.half_open_error(cx, id, error),
            Some(Kind::Socket) => {
                self.with_connection(cx, id, |connection, env| connection.on_error(env, error));
            }
            _ => {}
        }
    }

    /// A peer that can't be reached gets no SYN-ACKs any more; if it can after all, it asks again.
    fn half_open_error(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, error: &DeliveryError) {
        let Some(record) = self.half_open.get(id) else { return };
        let quotes_ours = Quoted::parse(&error.quoted).is_some_and(|quoted| quoted.seq == record.iss);
        let is_local = error.origin == ErrorOrigin::Local;
        if error_of(error.kind).is_some() && (quotes_ours || is_local) {
            self.shared.counters.attempt_fails += 1;
            self.remove_half_open(cx, id);
        }
    }
}

impl Connection {
    fn on_error(&mut self, env: &mut Env<'_, '_>, error: &DeliveryError) {
        let quoted = Quoted::parse(&error.quoted).map(|quoted| quoted.seq);
        let in_flight = quoted.is_some_and(|seq| self.is_in_flight(seq));
        if !in_flight && error.origin != ErrorOrigin::Local {
            env.counters().out_of_window_icmps += 1;
            return;
        }
        if let ErrorKind::PacketTooBig { mtu } = error.kind {
            return self.on_packet_too_big(env, error.origin, quoted.unwrap_or(self.snd.una), mtu);
        }
        let Some(reported) = error_of(error.kind) else { return }; // R9293-MUST-56
        if !self.state.is_opening() {
            self.soft_error = Some(reported); // R9293-SHLD-25, R9293-MUST-47
            return;
        }
        self.close(
            env,
            match error.kind {
                ErrorKind::PortUnreachable => CloseReason::Refused, // R9293-SHLD-26
                _ => CloseReason::Unreachable(reported),
            },
        );
    }
}
