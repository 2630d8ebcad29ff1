//! What one socket is: its identity on the network, its options, and what all sockets have.
//!
//! Invariants: `peer` is set only with a `binding`, and the binding's identity is the one that the host demultiplexes by.

use crate::UdpConfig;
use crate::error::DeliveryReport;
use crate::forwarder::{Forwarder, Pending};
use crate::groups::Membership;
use crate::received::Received;
use crate::transmit::Outgoing;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use stack_core::{EndpointIdentity, Families, PortRequest, Readiness};
use stack_datagram::{DatagramSocket, IpOptions, Peer, Reports, RouteCache, SocketBase};

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) families: Families,
    pub(crate) binding: Option<Binding>,
    /// Where a connected socket sends to and receives from.
    pub(crate) peer: Option<Peer>,
    pub(crate) options: IpOptions,
    pub(crate) sharing: Sharing,
    pub(crate) base: SocketBase<Received, Outgoing>,
    pub(crate) reports: Reports<DeliveryReport>,
    pub(crate) groups: Vec<Membership>,
    /// It is asked about flows that nobody has a socket for.
    pub(crate) forwarder: Option<Box<Forwarder>>,
    /// It is such a flow, and nobody has decided about it.
    pub(crate) pending: Option<Box<Pending>>,
    pub(crate) route: RouteCache,
}

/// A port that was reserved and an identity that was registered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    /// What the host demultiplexes by now.
    pub(crate) identity: EndpointIdentity,
    /// What it was while there was no peer.
    pub(crate) unconnected: EndpointIdentity,
    /// What was reserved, with the port that was granted.
    pub(crate) request: PortRequest,
    /// The source that the socket is bound to; `None` if the host chooses.
    pub(crate) bound_source: Option<IpAddr>,
    /// The source of what is sent: that, or the one that `connect` chose.
    pub(crate) source: Option<IpAddr>,
    /// Made by `connect`, for the time of the connection.
    pub(crate) by_connect: bool,
}

impl Binding {
    /// Of what was taken, for a socket that is bound to `source`.
    pub(crate) fn new((request, identity): (PortRequest, EndpointIdentity), source: Option<IpAddr>) -> Self {
        Self { identity, unconnected: identity, request, bound_source: source, source, by_connect: false }
    }
}

/// Whether a socket shares its port, by the name under which the application asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sharing {
    pub(crate) address: bool,
    pub(crate) port: bool,
}

impl Sharing {
    pub(crate) fn any(self) -> bool {
        self.address || self.port
    }
}

impl Socket {
    pub(crate) fn new(families: Families, config: &UdpConfig) -> Self {
        Self {
            families,
            binding: None,
            peer: None,
            options: IpOptions::default(),
            sharing: Sharing::default(),
            base: SocketBase::new(config.receive_buffer, config.send_buffer),
            reports: Reports::new(false),
            groups: Vec::new(),
            forwarder: None,
            pending: None,
            route: RouteCache::default(),
        }
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        let any = Peer::unspecified(self.families);
        let local = self.binding.map_or(any, |Binding { identity, .. }| match identity.local {
            Some(ip) => Peer { ip, port: identity.local_port, zone: identity.nic },
            // Bound to any IPv4 address of a dual-stack socket: `::ffff:0.0.0.0`.
            None => Peer { port: identity.local_port, ..Peer::unspecified(identity.families) },
        });
        local.to_application(self.families)
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
        let asked = self.forwarder.as_ref().is_some_and(|forwarder| !forwarder.untold.is_empty());
        Readiness { readable: base.readable || asked, error: base.error || !self.reports.is_empty(), ..base }
    }
}
