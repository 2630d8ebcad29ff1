//! What one echo socket is: its identifier, its options, its two queues and who waits for them.
//!
//! Buffers count memory: what a queued message pins and its place in the queue. The send queue takes a request
//! whenever it is below its limit, so that "writable" is exact; the receive queue always takes the first reply.

use crate::config::MIN_BUFFER;
use crate::error::EchoReport;
use crate::receive::Received;
use crate::send::Outgoing;
use crate::{Family, IcmpConfig};
use alloc::collections::VecDeque;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::task::Waker;
use stack_core::{
    CachedRoute, EndpointIdentity, Error, Families, NicId, PortRequest, Readiness, RouteQuery, TransportCx,
};

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) binding: Option<Binding>,
    /// Where a connected socket sends to and receives from.
    pub(crate) peer: Option<Peer>,
    pub(crate) options: Options,
    pub(crate) receive: Queue<Received>,
    pub(crate) send: Queue<Outgoing>,
    /// The socket stands in the round of those with something to send.
    pub(crate) scheduled: bool,
    /// Reported once, by the next call that reads or writes.
    pub(crate) error: Option<Error>,
    pub(crate) reports: VecDeque<EchoReport>,
    /// Bytes of the largest IP packet that it sent: a path MTU that is not smaller can't be meant for it.
    pub(crate) largest_sent: u32,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
    /// The handle was given up; only unsent requests keep the socket.
    pub(crate) closed: bool,
    pub(crate) readable: Option<Waker>,
    pub(crate) writable: Option<Waker>,
    /// The last question to the routing table, with its answer.
    route: Option<(RouteQuery, CachedRoute)>,
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

/// An address with the interface that its scope names (RFC 4007 §6). The port of an application's address counts only
/// where it binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer {
    pub(crate) ip: IpAddr,
    pub(crate) zone: Option<NicId>,
}

impl Peer {
    /// What an application means.
    ///
    /// # Errors
    /// [`Error::AddressFamily`] for an address of the other family.
    pub(crate) fn from_application<F: Family>(address: SocketAddr) -> Result<Self, Error> {
        let zone = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(NicId(v6.scope_id())),
            _ => None,
        };
        let mapped = address.ip().to_canonical() != address.ip();
        if mapped || Families::of(address.ip()) != F::FAMILIES {
            return Err(Error::AddressFamily);
        }
        Ok(Self { ip: address.ip(), zone })
    }

    /// What an application is shown; the zone only where the address needs one.
    pub(crate) fn to_application(self, port: u16) -> SocketAddr {
        match self.ip {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                SocketAddrV6::new(v6, port, 0, self.zone.map_or(0, |nic| nic.0)).into()
            }
            ip => SocketAddr::new(ip, port),
        }
    }
}

/// "Any address" of a family.
pub(crate) fn unspecified<F: Family>() -> IpAddr {
    match F::FAMILIES {
        Families::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Families::V6 | Families::Dual => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
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
            // Errors are half of what echo is for.
            receive_errors: true,
        }
    }
}

impl Socket {
    pub(crate) fn new(config: &IcmpConfig) -> Self {
        Self {
            binding: None,
            peer: None,
            options: Options::default(),
            receive: Queue::new(config.receive_buffer),
            send: Queue::new(config.send_buffer),
            scheduled: false,
            error: None,
            reports: VecDeque::new(),
            largest_sent: 0,
            read_closed: false,
            write_closed: false,
            closed: false,
            readable: None,
            writable: None,
            route: None,
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        Readiness {
            readable: !self.receive.is_empty() || self.read_closed || self.error.is_some(),
            writable: self.send.is_below_limit() || self.write_closed || self.error.is_some(),
            read_closed: self.read_closed,
            write_closed: self.write_closed,
            urgent: false,
            error: self.error.is_some() || !self.reports.is_empty(),
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

/// Messages in order, each with what it is charged.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    queue: VecDeque<(T, usize)>,
    charged: usize,
    limit: usize,
}

impl<T> Queue<T> {
    fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), charged: 0, limit: limit.max(MIN_BUFFER) }
    }

    /// What a message costs that pins `pinned` bytes.
    pub(crate) fn charge(pinned: usize) -> usize {
        pinned.saturating_add(size_of::<(T, usize)>())
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(MIN_BUFFER);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn is_below_limit(&self) -> bool {
        self.charged < self.limit
    }

    /// Whether a message of that charge fits; the first one always does.
    pub(crate) fn has_room(&self, charge: usize) -> bool {
        self.is_empty() || self.charged.saturating_add(charge) <= self.limit
    }

    pub(crate) fn push(&mut self, message: T, charge: usize) {
        self.charged += charge;
        self.queue.push_back((message, charge));
    }

    /// The oldest message, with the charge that went with it.
    pub(crate) fn pop(&mut self) -> Option<(T, usize)> {
        let (message, charge) = self.queue.pop_front()?;
        self.charged -= charge;
        Some((message, charge))
    }

    /// Drops all of it, and the memory behind it; returns what it was charged.
    pub(crate) fn clear(&mut self) -> usize {
        self.queue = VecDeque::new();
        core::mem::take(&mut self.charged)
    }
}
