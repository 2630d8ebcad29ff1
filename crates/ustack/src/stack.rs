//! The handle of a stack: its interfaces, addresses, routes, and what else an administrator sets and reads.
//!
//! The vocabulary is that of the netstack family (`create_nic`, `add_address`, `set_route_table`, `find_route` ...).
//! Every method locks the host for a moment; none waits for a device.

use crate::builder::StackBuilder;
use crate::driver::{caller, inline, thread};
use crate::lock::lock;
use crate::net::wait::ThisThread;
use crate::nic::Networks;
use crate::shared::Shared;
use stack_core::{
    Clock, DefaultHandler, Error, Hook, Instant, IpNet, LinkAddress, NetworkEvent, NicId, RouteQuery, Tap,
    TransportProtocol, TxPacket,
};
use stack_host::{Counters, Host, Neighbor, NicCounters, NicInfo, Policies, Route, RouteEntry};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
#[cfg(feature = "tcp")]
use std::time::Duration;

/// How often a stack that is shut down looks whether its connections have ended.
#[cfg(feature = "tcp")]
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// A TCP/IP stack with its driver. Clones are handles of the same stack; so are sockets. When the last one is dropped,
/// the driver ends and the links are closed.
#[derive(Clone)]
pub struct Stack {
    pub(crate) inner: Arc<Inner>,
}

/// Who moves packets when no future runs inline.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Driving {
    #[default]
    Thread,
    Nobody,
}

pub(crate) struct Inner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) networks: Networks,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Stack {
    /// A builder without protocols and interfaces.
    pub fn builder() -> StackBuilder {
        StackBuilder::default()
    }

    pub(crate) fn start(
        host: Host,
        clock: Box<dyn Clock + Sync>,
        networks: Networks,
        driving: Driving,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(host, clock, driving)?);
        let thread =
            if driving != Driving::Nobody { Some(thread::start(Arc::clone(&shared))?) } else { None };
        Ok(Self { inner: Arc::new(Inner { shared, networks, thread: Mutex::new(thread) }) })
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.shared
    }

    /// The stack's time now.
    pub fn now(&self) -> Instant {
        self.shared().clock.now()
    }

    /// Runs a call on the host itself, for what this handle has no method for. The host is locked meanwhile: do not
    /// wait in it, and use no socket of this stack.
    pub fn with_host<R>(&self, call: impl FnOnce(&mut Host, Instant) -> R) -> R {
        self.shared().with(call)
    }

    /// Runs a call on a transport protocol by its type; `None` if it is not registered. As [`with_host`](Self::with_host).
    pub fn with_transport<T: TransportProtocol, R>(
        &self,
        call: impl FnOnce(&mut T, &mut stack_core::TransportCx<'_>) -> R,
    ) -> Option<R> {
        self.shared().with(|host, now| {
            let (protocol, mut cx) = host.transport::<T>(now)?;
            Some(call(protocol, &mut cx))
        })
    }

    /// Runs a future on this thread, between the stack's receive and its transmit, and drives the stack meanwhile:
    /// the fastest way to answer requests, as no packet changes threads. The stack's own thread rests.
    ///
    /// The future may use the sockets of `ustack::tokio` (they need no tokio runtime) and
    /// [`spawn_inline`](crate::spawn_inline); it must not block.
    pub fn run_inline<F: Future>(&self, future: F) -> F::Output {
        inline::run(self.shared(), future)
    }

    /// Waits, at most for `limit`, until all TCP connections have ended: call it before the last handle is dropped, as
    /// then the driver ends and what connections have still to send is lost. Drop their sockets before. Returns whether
    /// all have ended.
    #[cfg(feature = "tcp")]
    pub fn shutdown(&self, limit: Duration) -> bool {
        let (start, here) = (std::time::Instant::now(), ThisThread::new());
        while self.open_connections() > 0 {
            let now = std::time::Instant::now();
            if now.duration_since(start) >= limit {
                return false;
            }
            // This thread drives meanwhile, if no other does.
            caller::wait(self.shared(), &here, Some(now + LOOK_AGAIN), None);
        }
        true
    }

    /// Resets every TCP connection (ABORT, RFC 9293 §3.10.5): for a program that ends in the middle of transfers, so that
    /// its peers learn it now and not when they lose patience. Calls on their sockets fail from then on (`NotFound`: the
    /// socket is gone). Returns how many there were.
    #[cfg(feature = "tcp")]
    pub fn reset_connections(&self) -> usize {
        let reset = self.with_transport::<trans_tcp::Tcp, _>(|tcp, cx| {
            let open: Vec<_> = tcp.connections().filter(is_open).map(|entry| entry.id).collect();
            open.iter().for_each(|id| tcp.abort(cx, *id));
            open.len()
        });
        reset.unwrap_or(0)
    }

    #[cfg(feature = "tcp")]
    fn open_connections(&self) -> usize {
        self.shared().peek(|core| {
            let tcp = core.host.transport_ref::<trans_tcp::Tcp>();
            tcp.map_or(0, |tcp| tcp.connections().filter(is_open).count())
        })
    }

    /// Every TCP socket, half-open peer and TIME-WAIT record: what `ss -t -a` lists.
    #[cfg(feature = "tcp")]
    pub fn tcp_sockets(&self) -> Vec<trans_tcp::TcpEntry> {
        self.shared().peek(|core| {
            let tcp = core.host.transport_ref::<trans_tcp::Tcp>();
            tcp.map_or_else(Vec::new, |tcp| tcp.connections().collect())
        })
    }

    /// Adds a row to the routing table.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn add_route(&self, route: RouteEntry) -> Result<(), Error> {
        self.with_host(|host, _| {
            host.nic_counters(route.nic)?;
            host.add_route(route);
            Ok(())
        })
    }

    /// Replaces the routing table. Subnets of addresses need no row; gateways given to interfaces are rows.
    pub fn set_route_table(&self, routes: Vec<RouteEntry>) {
        self.with_host(|host, _| host.set_route_table(routes));
    }

    /// The routing table in the order in which it is searched.
    pub fn route_table(&self) -> Vec<RouteEntry> {
        self.shared().peek(|core| core.host.route_table().to_vec())
    }

    /// The way to a destination. While the route is held, its local address lives on, even if it is removed.
    ///
    /// # Errors
    /// [`Error::NoRoute`], [`Error::BadLocalAddress`], [`Error::NetworkUnreachable`] if the interface is disabled,
    /// [`Error::UnknownNic`].
    pub fn find_route(&self, query: &RouteQuery) -> Result<Route, Error> {
        self.with_host(|host, now| host.find_route(now, query))
    }

    /// Sends one packet of a transport protocol along a route; `build` writes the segment, header and payload.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`] if no network protocol carries the route's addresses.
    pub fn write_packet(
        &self,
        route: &Route,
        protocol: u8,
        build: impl FnOnce(&mut TxPacket),
    ) -> Result<(), Error> {
        self.with_host(|host, now| host.write_packet(now, route, protocol, build))
    }

    /// Whether a network protocol of this EtherType is registered.
    pub fn check_network_protocol(&self, ether_type: u16) -> bool {
        self.shared().peek(|core| core.host.check_network_protocol(ether_type))
    }

    /// The interface that owns an address: the given one, or any.
    pub fn check_local_address(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId> {
        self.shared().peek(|core| core.host.check_local_address(nic, address))
    }

    /// Stores a neighbour's link address as if the neighbour had told us unasked.
    pub fn add_link_address(&self, nic: NicId, address: IpAddr, link: LinkAddress) {
        self.with_host(|host, now| host.add_link_address(now, nic, address, link));
    }

    /// The neighbours of an interface.
    pub fn neighbors(&self, nic: NicId) -> Vec<Neighbor> {
        self.shared().peek(|core| core.host.neighbors(nic).collect())
    }

    /// Sets the handler for packets of a transport protocol that no socket answers to; `None` takes it away. The host
    /// is locked while it runs: it must not use a socket of this stack.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`].
    pub fn set_transport_protocol_handler(
        &self,
        protocol: u8,
        handler: Option<DefaultHandler>,
    ) -> Result<(), Error> {
        self.with_host(|host, _| host.set_transport_protocol_handler(protocol, handler))
    }

    /// Shows all packets to a tap from now on.
    pub fn add_tap(&self, tap: impl Tap + 'static) {
        self.with_host(|host, _| host.add_tap(Box::new(tap)));
    }

    /// Asks a hook about all packets from now on, after the hooks that are there. A filter (feature `filter`) is one:
    ///
    #[cfg_attr(all(feature = "filter", feature = "ipv4", feature = "udp", feature = "channel"), doc = "```")]
    #[cfg_attr(
        not(all(feature = "filter", feature = "ipv4", feature = "udp", feature = "channel")),
        doc = "```ignore"
    )]
    /// use ustack::filter::{Action, Filter, FilterConfig, Place, Rule};
    /// use ustack::link::channel::{ChannelConfig, pair};
    /// use ustack::{NicConfig, NicId, Stack};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let ((inside, _client), (outside, _server)) = (pair(ChannelConfig::default()), pair(ChannelConfig::default()));
    /// let router = Stack::builder()
    ///     .default_protocols()
    ///     .nic(NicConfig::new(inside).address("10.0.0.1/24".parse()?).forwarding(true))
    ///     .nic(NicConfig::new(outside).address("192.0.2.1/24".parse()?).forwarding(true))
    ///     .build()?;
    /// let mut filter = Filter::new(FilterConfig::default());
    /// filter.append(Place::Postrouting, Rule::new(Action::Masquerade).output(NicId(2)))?;
    /// router.add_hook(filter);
    ///
    /// // Later: who is connected?
    /// let open = router.with_hook(|filter: &mut Filter, _now| filter.connections().count());
    /// assert_eq!(open, Some(0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_hook(&self, hook: impl Hook + 'static) {
        self.with_host(|host, _| host.add_hook(Box::new(hook)));
    }

    /// Runs a call on a hook by its type, to change its rules or to read what it counts; `None` if there is none. As
    /// [`with_host`](Self::with_host).
    pub fn with_hook<H: Hook, R>(&self, call: impl FnOnce(&mut H, Instant) -> R) -> Option<R> {
        self.shared().with(|host, now| Some(call(host.hook::<H>()?, now)))
    }

    /// Takes what has happened to interfaces since the last call, oldest first: addresses and routers that come and go,
    /// resolvers and domains that routers name (RFC 8106). At most 256 wait.
    pub fn network_events(&self) -> Vec<NetworkEvent> {
        self.with_host(|host, _| host.take_events())
    }

    /// Puts the addresses of one peer into the order in which to try them (RFC 6724 §6).
    pub fn order_destinations(&self, addresses: &mut [IpAddr]) {
        self.shared().peek(|core| core.host.order_destinations(addresses));
    }

    /// Replaces the table that says which addresses belong together and which go first (RFC 6724 §2.1).
    pub fn set_policies(&self, policies: Policies) {
        self.with_host(|host, _| host.set_policies(policies));
    }

    /// The counters of the host, all of one moment, with what ended inside links (the seed's `Stats`).
    pub fn counters(&self) -> Counters {
        self.shared().peek(|core| core.counted().counters().clone())
    }

    /// Changes the counters: sets them back, or corrects them (the seed's `MutableStats`).
    pub fn update_counters(&self, change: impl FnOnce(&mut Counters)) {
        self.shared().peek(|core| change(core.counted().counters_mut()));
    }

    /// The counters of an interface and of its link.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn nic_counters(&self, nic: NicId) -> Result<NicCounters, Error> {
        self.shared().peek(|core| core.counted().nic_counters(nic).cloned())
    }

    /// The interfaces; the one of the host's own traffic (127.0.0.1, ::1) first.
    pub fn nics(&self) -> Vec<NicInfo> {
        self.shared().peek(|core| core.host.nics().collect())
    }

    /// What each interface accepts: its addresses as subnets of one, then its subnets.
    pub fn nic_subnets(&self) -> Vec<(NicId, Vec<IpNet>)> {
        self.shared().peek(|core| core.host.nic_subnets().collect())
    }
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nics: Vec<String> = self.nics().into_iter().map(|nic| nic.name).collect();
        f.debug_struct("Stack").field("nics", &nics).finish_non_exhaustive()
    }
}

#[cfg(feature = "tcp")]
fn is_open(entry: &trans_tcp::TcpEntry) -> bool {
    use trans_tcp::State;
    !matches!(entry.state, State::Listen | State::TimeWait | State::Closed)
}

impl Drop for Inner {
    /// What was written goes out as far as the links take it at once; then the driver ends.
    fn drop(&mut self) {
        self.shared.with(|_, _| ());
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.notifier.notify();
        self.shared.claim.call();
        match lock(&self.thread).take() {
            // The last handle may go on a thread of the stack's own, with a task that it wakes: that one ends by itself. The
            // driver's has no panic of its own to tell.
            Some(thread) if !self.shared.is_served_by_this_thread() => drop(thread.join()),
            Some(_) => {}
            None => lock(&self.shared.driver).close(&self.shared),
        }
    }
}
