//! A network in one process: hosts, the links between them, and time that jumps from one event to the next.
//!
//! Nothing here reads a clock, starts a thread or keeps order by chance: the same hosts, links and seed give the same
//! packets at the same times. At one instant, everything that can happen does, in the order in which hosts and links
//! were added; then time goes to the earliest of all deadlines.
//!
//! What the program does with its sockets is an [`App`], called whenever something moved, or the test itself, between
//! two calls of [`Net::run_until`].

mod link;
mod socket;
mod tap;
mod transfer;

pub use link::LinkSpec;
pub use socket::{Socket, TCP, UDP};
pub use tap::{Sent, Tap};
pub use transfer::{Content, End, Transfer};

use core::time::Duration;
use link_impair::ImpairCounters;
use stack_core::{Instant, IpNet, LinkEndpoint, LinkReceive, LinkTransmit, NicId, RxBatch};
use stack_host::{Host, NicConfig};
use std::sync::Arc;

/// A host of the network, by the order in which it was added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(pub usize);

/// What a program on a host does; called whenever something has moved, and at the time it asks for.
pub trait App {
    /// Does what can be done now. Returns whether anything was done, so that the network turns once more.
    fn poll(&mut self, hosts: &mut Hosts) -> bool;

    /// When it wants to be called although nothing moved.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let _ = now;
        None
    }
}

/// How often one instant may turn before the network is declared to spin.
const MAX_TURNS: u32 = 100_000;
/// Packets that a host is asked for at once.
const BUDGET: usize = 64;

/// The hosts of a network, which programs work on.
#[derive(Default)]
pub struct Hosts {
    now: Instant,
    nodes: Vec<Node>,
}

struct Node {
    name: String,
    host: Host,
    ports: Vec<Port>,
}

/// A network interface with its link.
struct Port {
    nic: NicId,
    receive: Box<dyn LinkReceive>,
    transmit: Box<dyn LinkTransmit>,
    batch: RxBatch,
}

/// A virtual network.
#[derive(Default)]
pub struct Net {
    hosts: Hosts,
    apps: Vec<Box<dyn App>>,
    tap: Option<Tap>,
    links: u16,
    lines: Vec<Arc<ImpairCounters>>,
}

impl Net {
    /// An empty network at time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a host.
    pub fn add_host(&mut self, name: &str, host: Host) -> HostId {
        self.hosts.nodes.push(Node { name: name.to_owned(), host, ports: Vec::new() });
        HostId(self.hosts.nodes.len() - 1)
    }

    /// Gives a host an interface on an end of a link, with addresses.
    ///
    /// # Panics
    /// The host refuses the interface or an address.
    pub fn attach(&mut self, host: HostId, link: impl LinkEndpoint + 'static, addresses: &[IpNet]) -> NicId {
        let now = self.hosts.now;
        let node = &mut self.hosts.nodes[host.0];
        let nic = NicId(node.ports.len() as u32 + 1);
        let name = format!("{}-eth{}", node.name, nic.0);
        let mut config = NicConfig::new(&name, link.capabilities());
        config.link_address = link.link_address();
        node.host.add_nic(now, nic, config).expect("the host takes the interface");
        for address in addresses {
            node.host.add_address(now, nic, *address).expect("the interface takes the address");
        }
        let (receive, transmit) = Box::new(link).split();
        node.ports.push(Port { nic, receive, transmit, batch: RxBatch::new() });
        nic
    }

    /// A number for a new link.
    fn next_link(&mut self) -> [u8; 2] {
        self.links += 1;
        self.links.to_be_bytes()
    }

    /// Adds a program.
    pub fn add_app(&mut self, app: impl App + 'static) {
        self.apps.push(Box::new(app));
    }

    /// Keeps a copy of every packet from now on, as the hosts hand it to their links.
    pub fn record(&mut self) {
        self.tap.get_or_insert_default();
    }

    /// The packets kept since [`record`](Self::record), oldest first.
    pub fn sent(&self) -> &[Sent] {
        self.tap.as_ref().map_or(&[], |tap| tap.sent())
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.hosts.now
    }

    /// The hosts.
    pub fn hosts(&mut self) -> &mut Hosts {
        &mut self.hosts
    }

    /// A host. What its sockets have to send leaves when the network runs.
    pub fn host(&mut self, id: HostId) -> &mut Host {
        self.hosts.host(id)
    }

    /// When something happens next, if anything does.
    pub fn next_deadline(&self) -> Option<Instant> {
        let apps = self.apps.iter().filter_map(|app| app.deadline(self.hosts.now));
        self.hosts.deadlines().chain(apps).min()
    }

    /// Does everything that can happen at this instant.
    ///
    /// # Panics
    /// The instant does not end: two hosts answer each other for ever.
    pub fn settle(&mut self) {
        for _ in 0..MAX_TURNS {
            let mut moved = self.hosts.turn(self.tap.as_mut());
            for app in &mut self.apps {
                moved |= app.poll(&mut self.hosts);
            }
            if !moved {
                return;
            }
        }
        panic!("the network does not come to rest at {}", self.hosts.now);
    }

    /// Goes on to the next instant at which something happens, if there is one up to `limit`, and lives through it.
    /// Returns whether there was one; if not, the time is `limit`.
    pub fn step(&mut self, limit: Instant) -> bool {
        self.settle();
        match self.next_deadline() {
            Some(next) if next <= limit => {
                self.hosts.now = self.hosts.now.max(next);
                self.settle();
                true
            }
            _ => {
                self.hosts.now = self.hosts.now.max(limit);
                false
            }
        }
    }

    /// Lives up to `limit`, and through it.
    pub fn run_until(&mut self, limit: Instant) {
        while self.step(limit) {}
        self.settle();
    }

    /// Lives for so long.
    pub fn run_for(&mut self, time: Duration) {
        self.run_until(self.hosts.now + time);
    }

    /// Lives until `done` says so, or up to `limit`. Returns whether it was done.
    pub fn run_while(&mut self, limit: Instant, mut done: impl FnMut(&mut Hosts) -> bool) -> bool {
        self.settle();
        while !done(&mut self.hosts) {
            if !self.step(limit) {
                return done(&mut self.hosts);
            }
        }
        true
    }

    /// Lives until nothing waits for time any more, or up to `limit`. Returns whether it came to rest.
    /// Neighbour entries that grow old count as waiting.
    pub fn run_until_idle(&mut self, limit: Instant) -> bool {
        self.settle();
        while self.next_deadline().is_some() {
            if !self.step(limit) {
                return false;
            }
        }
        true
    }

    /// What is not at rest: armed timers, packets in queues, packets under way. Empty when all is over.
    pub fn leftovers(&mut self) -> Vec<String> {
        let now = self.hosts.now;
        let mut left = Vec::new();
        for node in &mut self.hosts.nodes {
            if !node.host.is_idle() {
                left.push(format!("{}: a timer is armed or a packet waits", node.name));
            }
            for port in &mut node.ports {
                let arrived = port.receive.receive(now, &mut port.batch).unwrap_or(0);
                if arrived > 0 || port.receive.poll_timeout().is_some() {
                    left.push(format!("{}: packets wait to be received on {}", node.name, port.nic));
                }
                if port.transmit.poll_timeout().is_some() {
                    left.push(format!("{}: the link of {} holds packets back", node.name, port.nic));
                }
            }
        }
        left
    }

    /// Checks that all is over: no timer armed, every queue empty, no packet under way.
    ///
    /// # Panics
    /// Something is left; the message says what.
    #[track_caller]
    pub fn assert_quiet(&mut self) {
        let left = self.leftovers();
        assert!(left.is_empty(), "at {}: {}", self.hosts.now, left.join("; "));
    }
}

impl Hosts {
    /// A host. What its sockets have to send leaves when the network runs.
    pub fn host(&mut self, id: HostId) -> &mut Host {
        &mut self.nodes[id.0].host
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.now
    }

    fn deadlines(&self) -> impl Iterator<Item = Instant> + '_ {
        self.nodes.iter().flat_map(|node| {
            let links = node
                .ports
                .iter()
                .flat_map(|port| [port.receive.poll_timeout(), port.transmit.poll_timeout()]);
            links.chain([node.host.next_deadline()]).flatten()
        })
    }

    /// Lets every host receive, live and send once. Returns whether a packet moved or a timer was due.
    fn turn(&mut self, mut tap: Option<&mut Tap>) -> bool {
        let now = self.now;
        let mut moved = false;
        for (index, node) in self.nodes.iter_mut().enumerate() {
            moved |= node.receive(now);
            if node.host.next_deadline().is_some_and(|deadline| deadline <= now) {
                node.host.poll(now);
                moved = true;
            }
            while node.host.transmit(now, BUDGET) {}
            moved |= node.transmit(now, HostId(index), tap.as_deref_mut());
        }
        moved
    }
}

impl Node {
    fn receive(&mut self, now: Instant) -> bool {
        let mut moved = false;
        for port in &mut self.ports {
            // A closed link has said all that it had.
            while port.receive.receive(now, &mut port.batch).unwrap_or(0) > 0 {
                self.host.receive(now, port.nic, &mut port.batch);
                port.batch.clear();
                moved = true;
            }
            for (nic, token, reason) in self.host.drops() {
                if nic == port.nic {
                    port.receive.outcome(token, reason);
                }
            }
        }
        moved
    }

    fn transmit(&mut self, now: Instant, host: HostId, mut tap: Option<&mut Tap>) -> bool {
        let mut moved = false;
        for port in &mut self.ports {
            let Some(batch) = self.host.out(port.nic) else { continue };
            let due = port.transmit.poll_timeout().is_some_and(|deadline| deadline <= now);
            if batch.is_empty() && !due {
                continue;
            }
            let before = batch.len();
            let copies = tap.as_ref().map_or_else(Vec::new, |_| tap::copies(now, host, port.nic, batch));
            // A closed link takes nothing; its packets stay with the host.
            let _ = port.transmit.transmit(now, batch);
            let taken = before - batch.len();
            if let Some(tap) = tap.as_deref_mut() {
                tap.keep(copies.into_iter().take(taken));
            }
            moved |= taken > 0 || due;
        }
        moved
    }
}
