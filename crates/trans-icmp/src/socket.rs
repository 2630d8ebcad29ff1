//! What one echo socket is: its identifier, its peer, its options, and what all sockets have.

use crate::IcmpConfig;
use crate::error::EchoReport;
use crate::receive::Received;
use crate::send::Outgoing;
use stack_core::{EndpointIdentity, PortRequest, Readiness};
use stack_datagram::{DatagramSocket, IpOptions, Peer, Reports, RouteCache, SocketBase};

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) binding: Option<Binding>,
    /// Where a connected socket sends to and receives from.
    pub(crate) peer: Option<Peer>,
    pub(crate) options: IpOptions,
    pub(crate) base: SocketBase<Received, Outgoing>,
    pub(crate) reports: Reports<EchoReport>,
    /// Bytes of the largest IP packet that it sent: a path MTU that is not smaller can't be meant for it.
    pub(crate) largest_sent: u32,
    pub(crate) route: RouteCache,
}

/// An identifier that was reserved and an identity that was registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// What the host demultiplexes by now.
    pub(crate) identity: EndpointIdentity,
    /// What it was while there was no peer.
    pub(crate) unconnected: EndpointIdentity,
    /// What was reserved, with the identifier that was granted.
    pub(crate) request: PortRequest,
}

impl Socket {
    pub(crate) fn new(config: &IcmpConfig) -> Self {
        Self {
            binding: None,
            peer: None,
            options: IpOptions::default(),
            base: SocketBase::new(config.receive_buffer, config.send_buffer),
            // Errors are half of what echo is for.
            reports: Reports::new(true),
            largest_sent: 0,
            route: RouteCache::default(),
        }
    }
}

impl DatagramSocket for Socket {
    type Received = Received;
    type Outgoing = Outgoing;

    fn base(&self) -> &SocketBase<Received, Outgoing> {
        &self.base
    }

    fn base_mut(&mut self) -> &mut SocketBase<Received, Outgoing> {
        &mut self.base
    }

    fn readiness(&self) -> Readiness {
        let base = self.base.readiness();
        Readiness { error: base.error || !self.reports.is_empty(), ..base }
    }
}
