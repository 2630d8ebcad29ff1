//! Probes of our stack: datagrams to ports that nobody has, or echo requests; and what is heard of them.

use super::hops::Verdict;
use crate::echoes::{Echoes, Heard};
use crate::failure::{Failure, Outcome};
use stack_core::{
    EndpointId, Endpoints, Error, ErrorKind, ErrorOrigin, Families, Instant, Interest, SocketOption,
    TransportCx,
};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use trans_icmp::{V4, V6};
use trans_udp::{DeliveryReport, SendOptions, Udp};
use ustack::Stack;

/// The port of the first datagram: traceroute's, and one more for each that follows.
const FIRST_PORT: u16 = 33_434;
/// Data of a probe, in bytes: packets of 60 bytes over IPv4.
const DATA: &[u8; 32] = b"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_";

/// What was heard of a probe.
pub(super) struct Echo {
    pub(super) probe: usize,
    pub(super) from: IpAddr,
    pub(super) at: Instant,
    pub(super) verdict: Verdict,
}

/// Who sends probes and hears of them.
pub(super) struct Prober {
    stack: Stack,
    to: IpAddr,
    kind: Kind,
}

enum Kind {
    Datagrams(EndpointId),
    EchoesV4(Echoes<V4>),
    EchoesV6(Echoes<V6>),
}

impl Prober {
    pub(super) fn new(stack: &Stack, to: IpAddr, echoes: bool) -> Outcome<Self> {
        let kind = match (echoes, to) {
            (true, IpAddr::V4(_)) => Kind::EchoesV4(Echoes::new(stack, to)?),
            (true, IpAddr::V6(_)) => Kind::EchoesV6(Echoes::new(stack, to)?),
            (false, _) => Kind::Datagrams(datagrams(stack, Families::of(to))?),
        };
        Ok(Self { stack: stack.clone(), to, kind })
    }

    /// Sends a probe with a hop limit; returns when.
    pub(super) fn send(&self, probe: usize, hop_limit: u8) -> Result<Instant, Error> {
        let number = probe as u16;
        match &self.kind {
            Kind::EchoesV4(echoes) => echoes.send(number, DATA, Some(hop_limit)),
            Kind::EchoesV6(echoes) => echoes.send(number, DATA, Some(hop_limit)),
            Kind::Datagrams(id) => self.with_udp(|udp, cx| {
                // What became of earlier ones is in their reports.
                udp.take_error(*id);
                let to = Some(SocketAddr::new(self.to, FIRST_PORT + number));
                let options = SendOptions { to, hop_limit: Some(hop_limit), ..SendOptions::default() };
                udp.send_message(cx, *id, &DATA[..], &options)?;
                Ok(cx.now)
            }),
        }
    }

    /// Waits for the next word about a probe.
    pub(super) async fn heard(&self) -> Echo {
        match &self.kind {
            Kind::EchoesV4(echoes) => self.of_echo(echoes.heard().await),
            Kind::EchoesV6(echoes) => self.of_echo(echoes.heard().await),
            Kind::Datagrams(id) => self.of_report(poll_fn(|task| self.poll_report(*id, task)).await),
        }
    }

    fn poll_report(&self, id: EndpointId, task: &Context<'_>) -> Poll<DeliveryReport> {
        let heard = self.with_udp(|udp, _| {
            udp.recv_report(id).inspect_err(|_| udp.register(id, Interest::Readable, task.waker()))
        });
        heard.map_or(Poll::Pending, Poll::Ready)
    }

    fn of_report(&self, report: DeliveryReport) -> Echo {
        let from = match report.origin {
            ErrorOrigin::Icmp { from } => from,
            ErrorOrigin::Local => self.to,
        };
        let verdict = match report.kind {
            ErrorKind::PortUnreachable => Verdict::Arrived,
            kind => verdict(kind),
        };
        let probe = usize::from(report.to.port().wrapping_sub(FIRST_PORT));
        Echo { probe, from, at: report.received_at, verdict }
    }

    fn of_echo(&self, heard: Heard) -> Echo {
        match heard {
            Heard::Reply(reply) => Echo {
                probe: reply.sequence.into(),
                from: reply.from.ip(),
                at: reply.received_at,
                verdict: Verdict::Arrived,
            },
            Heard::Error { from, sequence, kind } => Echo {
                probe: sequence.into(),
                from: from.unwrap_or(self.to),
                at: self.stack.now(),
                verdict: verdict(kind),
            },
        }
    }

    fn with_udp<R>(
        &self,
        call: impl FnOnce(&mut Udp, &mut TransportCx<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.stack.with_transport::<Udp, _>(call).unwrap_or(Err(Error::UnknownProtocol))
    }
}

/// A datagram socket that hears what becomes of its datagrams.
fn datagrams(stack: &Stack, families: Families) -> Outcome<EndpointId> {
    let made = stack.with_transport::<Udp, _>(|udp, cx| {
        let id = udp.create(cx, families)?;
        udp.set_option(cx, id, SocketOption::ReceiveErrors(true))?;
        Ok(id)
    });
    made.unwrap_or(Err(Error::UnknownProtocol))
        .map_err(|error| Failure::new("make a datagram socket", error, "this is a fault of the stack"))
}

/// The marks of traceroute.
fn verdict(kind: ErrorKind) -> Verdict {
    Verdict::Blocked(match kind {
        ErrorKind::HopLimitExceeded => return Verdict::OnTheWay,
        ErrorKind::NetUnreachable => "!N".into(),
        ErrorKind::HostUnreachable => "!H".into(),
        ErrorKind::ProtocolUnreachable | ErrorKind::PortUnreachable => "!P".into(),
        ErrorKind::PacketTooBig { mtu } => format!("!F-{mtu}"),
        ErrorKind::SourceRouteFailed => "!S".into(),
        ErrorKind::Prohibited => "!X".into(),
        ErrorKind::ReassemblyTimeout | ErrorKind::ParameterProblem { .. } => "!?".into(),
    })
}
