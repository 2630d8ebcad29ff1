//! What one socket is: its identity on the network, its options, its two queues and who waits for them.
//!
//! Invariants: `peer` is set only with a `binding`, and the binding's identity is the one that the host demultiplexes by.

use crate::address::Peer;
use crate::error::DeliveryReport;
use crate::forwarder::{Forwarder, Pending};
use crate::groups::Membership;
use crate::receive_queue::ReceiveQueue;
use crate::send_queue::SendQueue;
use crate::{UdpConfig, address};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::task::Waker;
use stack_core::{
    CachedRoute, EndpointIdentity, Error, Families, NicId, PortRequest, Readiness, RouteQuery, TransportCx,
};

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) families: Families,
    pub(crate) binding: Option<Binding>,
    /// Where a connected socket sends to and receives from.
    pub(crate) peer: Option<Peer>,
    pub(crate) options: Options,
    pub(crate) receive: ReceiveQueue,
    pub(crate) send: SendQueue,
    /// Reported once, by the next call that reads or writes.
    pub(crate) error: Option<Error>,
    pub(crate) reports: VecDeque<DeliveryReport>,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
    /// The handle was given up; only unsent datagrams keep the socket.
    pub(crate) closed: bool,
    pub(crate) readable: Option<Waker>,
    pub(crate) writable: Option<Waker>,
    pub(crate) groups: Vec<Membership>,
    /// It is asked about flows that nobody has a socket for.
    pub(crate) forwarder: Option<Box<Forwarder>>,
    /// It is such a flow, and nobody has decided about it.
    pub(crate) pending: Option<Box<Pending>>,
    /// The last question to the routing table, with its answer.
    route: Option<(RouteQuery, CachedRoute)>,
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

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) shared_address: bool,
    pub(crate) shared_port: bool,
    pub(crate) broadcast: bool,
    pub(crate) nic: Option<NicId>,
    pub(crate) multicast_nic: Option<NicId>,
    pub(crate) mark: u32,
    /// 0 stands for the network protocol's default.
    pub(crate) hop_limit: u8,
    pub(crate) multicast_hop_limit: u8,
    pub(crate) multicast_loop: bool,
    pub(crate) traffic_class: u8,
    pub(crate) flow_label: Option<u32>,
    pub(crate) dont_fragment: bool,
    pub(crate) receive_errors: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            shared_address: false,
            shared_port: false,
            broadcast: false,
            nic: None,
            multicast_nic: None,
            mark: 0,
            hop_limit: 0,
            // RFC 1112 §6.1: without a wish of the application, multicast stays on the link.
            multicast_hop_limit: 1,
            multicast_loop: true,
            traffic_class: 0,
            flow_label: None,
            dont_fragment: false,
            receive_errors: false,
        }
    }
}

impl Options {
    pub(crate) fn shared(&self) -> bool {
        self.shared_address || self.shared_port
    }
}

impl Socket {
    pub(crate) fn new(families: Families, config: &UdpConfig) -> Self {
        Self {
            families,
            binding: None,
            peer: None,
            options: Options::default(),
            receive: ReceiveQueue::new(config.receive_buffer),
            send: SendQueue::new(config.send_buffer),
            error: None,
            reports: VecDeque::new(),
            read_closed: false,
            write_closed: false,
            closed: false,
            readable: None,
            writable: None,
            groups: Vec::new(),
            forwarder: None,
            pending: None,
            route: None,
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        let error = self.error.is_some() || !self.reports.is_empty();
        Readiness {
            readable: !self.receive.is_empty()
                || self.read_closed
                || self.error.is_some()
                || self.forwarder.as_ref().is_some_and(|forwarder| !forwarder.untold.is_empty()),
            writable: self.send.has_room() || self.write_closed || self.error.is_some(),
            read_closed: self.read_closed,
            write_closed: self.write_closed,
            urgent: false,
            error,
        }
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        let any = address::unspecified(self.families);
        let Some(binding) = &self.binding else { return SocketAddr::new(any, 0) };
        let EndpointIdentity { nic, families, local, local_port, .. } = binding.identity;
        match local {
            Some(ip) => Peer { ip, port: local_port, zone: nic }.to_application(self.families),
            // Bound to any IPv4 address of a dual-stack socket: `::ffff:0.0.0.0`.
            None if families != self.families => {
                Peer { ip: address::unspecified(families), port: local_port, zone: None }
                    .to_application(self.families)
            }
            None => SocketAddr::new(any, local_port),
        }
    }

    /// The way to a destination; the routing table is asked only if the last answer does not hold.
    pub(crate) fn route(
        &mut self,
        cx: &mut TransportCx<'_>,
        query: RouteQuery,
    ) -> Result<CachedRoute, Error> {
        if let Some((_, route)) =
            self.route.filter(|(asked, route)| *asked == query && cx.host.is_current(&route.hop))
        {
            return Ok(route);
        }
        let route = cx.host.route(&query)?;
        self.route = Some((query, route));
        Ok(route)
    }

    /// Forgets the cached route: the path has changed.
    pub(crate) fn forget_route(&mut self) {
        self.route = None;
    }

    pub(crate) fn wake_both(&mut self, cx: &mut TransportCx<'_>) {
        cx.wake(&mut self.readable);
        cx.wake(&mut self.writable);
    }
}
