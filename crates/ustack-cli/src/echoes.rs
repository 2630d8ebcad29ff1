//! An echo socket of our stack that can be waited for.

use crate::failure::{Failure, Outcome};
use stack_core::{
    EndpointId, Endpoints, Error, ErrorKind, ErrorOrigin, Instant, Interest, SocketOption, TransportCx,
};
use std::future::poll_fn;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::task::Poll;
use trans_icmp::{EchoReply, Family, Icmp};
use ustack::Stack;

/// An unconnected echo socket, for as long as the program runs.
pub(crate) struct Echoes<F> {
    stack: Stack,
    id: EndpointId,
    to: SocketAddr,
    family: PhantomData<F>,
}

/// What came for it.
pub(crate) enum Heard {
    Reply(EchoReply),
    Error { from: Option<IpAddr>, sequence: u16, kind: ErrorKind },
}

impl<F: Family> Echoes<F> {
    pub(crate) fn new(stack: &Stack, to: IpAddr) -> Outcome<Self> {
        let created = on::<F, _>(stack, |icmp, cx| {
            let id = icmp.create(cx, F::FAMILIES)?;
            icmp.set_option(cx, id, SocketOption::ReceiveErrors(true))?;
            Ok(id)
        });
        let id = created
            .map_err(|error| Failure::new("make an echo socket", error, "this is a fault of the stack"))?;
        Ok(Self { stack: stack.clone(), id, to: SocketAddr::new(to, 0), family: PhantomData })
    }

    /// Sends a request, with a TTL of its own if one is given; returns when. What became of earlier ones is told elsewhere.
    pub(crate) fn send(&self, sequence: u16, payload: &[u8], ttl: Option<u8>) -> Result<Instant, Error> {
        on::<F, _>(&self.stack, |icmp, cx| {
            icmp.take_error(self.id);
            if let Some(ttl) = ttl {
                icmp.set_option(cx, self.id, SocketOption::HopLimit(ttl))?;
            }
            icmp.send_echo(cx, self.id, sequence, payload, Some(self.to))?;
            Ok(cx.now)
        })
    }

    /// Waits for a reply or an error about a request.
    pub(crate) async fn heard(&self) -> Heard {
        poll_fn(|task| {
            let heard = on::<F, _>(&self.stack, |icmp, cx| {
                let heard = hear(icmp, cx, self.id);
                if heard.is_none() {
                    icmp.register(self.id, Interest::Readable, task.waker());
                }
                Ok(heard)
            });
            heard.ok().flatten().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

fn hear<F: Family>(icmp: &mut Icmp<F>, cx: &mut TransportCx<'_>, id: EndpointId) -> Option<Heard> {
    if let Ok(report) = icmp.recv_report(id) {
        let from = match report.origin {
            ErrorOrigin::Icmp { from } => Some(from),
            ErrorOrigin::Local => None,
        };
        return Some(Heard::Error { from, sequence: report.sequence, kind: report.kind });
    }
    icmp.recv_echo(cx, id).ok().map(Heard::Reply)
}

fn on<F: Family, R>(
    stack: &Stack,
    call: impl FnOnce(&mut Icmp<F>, &mut TransportCx<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    stack.with_transport::<Icmp<F>, _>(call).unwrap_or(Err(Error::UnknownProtocol))
}

/// In the words of ping.
pub(crate) fn describe(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::NetUnreachable => "Destination Net Unreachable".into(),
        ErrorKind::HostUnreachable => "Destination Host Unreachable".into(),
        ErrorKind::ProtocolUnreachable => "Destination Protocol Unreachable".into(),
        ErrorKind::PortUnreachable => "Destination Port Unreachable".into(),
        ErrorKind::PacketTooBig { mtu } => format!("Packet Too Big: the path takes {mtu} bytes"),
        ErrorKind::SourceRouteFailed => "Source Route Failed".into(),
        ErrorKind::Prohibited => "Packet Filtered".into(),
        ErrorKind::HopLimitExceeded => "Time To Live Exceeded".into(),
        ErrorKind::ReassemblyTimeout => "Fragment Reassembly Time Exceeded".into(),
        ErrorKind::ParameterProblem { pointer, .. } => format!("Parameter Problem at byte {pointer}"),
    }
}
