//! Two hosts, the line between them, and their time.
//!
//! The line is a channel in memory. Each host sends through an impairment that delays, limits and loses; the server's
//! end is recorded, where losses can be seen as retransmissions. A host and its link are driven as any caller's own
//! loop would: receive, poll, the program's turn, transmit.

use crate::failure::{Failure, Outcome};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use link_channel::{ChannelConfig, pair};
use link_impair::{Impair, ImpairConfig};
use link_pcap::{Capture, Pcap};
use net_ipv4::Ipv4;
use net_ipv6::Ipv6;
use stack_core::{Instant, LinkEndpoint, LinkReceive, LinkTransmit, NicId, RxBatch};
use stack_host::{Host, NicConfig};
use stack_testkit::SeededRng;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use trans_tcp::{Probe, Tcp, TcpConfig};

/// Both hosts have an address of each family.
const CLIENT: [IpNet; 2] = addresses(1);
const SERVER: [IpNet; 2] = addresses(2);
const NIC: NicId = NicId(1);
/// Packets that a host makes before its link is asked to take them.
const BUDGET: usize = 64;

const fn addresses(host: u8) -> [IpNet; 2] {
    let v4 = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, host), 24);
    let v6 = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, host as u16), 64);
    [IpNet::V4(v4), IpNet::V6(v6)]
}

/// The server's address of a family.
pub(super) fn server(v6: bool) -> IpAddr {
    SERVER[usize::from(v6)].addr()
}

/// A program on a host.
pub(super) trait Program {
    /// Does what can be done now; returns whether that was anything.
    fn turn(&mut self, host: &mut Host, now: Instant) -> bool;
}

/// Everything there is.
pub(super) struct World {
    pub(super) client: Node,
    pub(super) server: Node,
}

/// A host and the two halves of its link.
pub(super) struct Node {
    pub(super) host: Host,
    receive: Box<dyn LinkReceive>,
    transmit: Box<dyn LinkTransmit>,
    inbound: RxBatch,
}

impl World {
    pub(super) fn new(
        seed: u64,
        line: ImpairConfig,
        capture: &Capture,
        probe: Arc<dyn Probe>,
    ) -> Outcome<Self> {
        // Both directions and both hosts have dice of their own.
        let mut dice = SeededRng::new(seed);
        let (first, second) = pair(ChannelConfig::default());
        let first = Impair::new(first, line, dice.next());
        let second = Impair::new(second, line, dice.next());
        let second = Pcap::new(second, capture, "server").map_err(|error| error.to_string())?;
        let observed = TcpConfig { probe: Some(probe), ..TcpConfig::default() };
        Ok(Self {
            client: Node::new(Box::new(first), CLIENT, TcpConfig::default(), dice.next())?,
            server: Node::new(Box::new(second), SERVER, observed, dice.next())?,
        })
    }

    /// Lets both hosts do everything that can be done at this time.
    pub(super) fn settle(&mut self, now: Instant, client: &mut impl Program, server: &mut impl Program) {
        while self.client.turn(now, client) | self.server.turn(now, server) {}
    }

    /// When something will happen; `None` if nothing ever will.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.client.next_deadline().into_iter().chain(self.server.next_deadline()).min()
    }
}

impl Node {
    fn new(link: Box<dyn LinkEndpoint>, addresses: [IpNet; 2], tcp: TcpConfig, seed: u64) -> Outcome<Self> {
        let refused =
            |error: &dyn std::fmt::Display| Failure::Told(format!("the demo's host can't be made: {error}"));
        let builder =
            Host::builder().network(Ipv4::default()).network(Ipv6::default()).transport(Tcp::new(tcp));
        let mut host =
            builder.rng(Box::new(SeededRng::new(seed))).build().map_err(|error| refused(&error))?;
        let nic = NicConfig::new("line", link.capabilities());
        host.add_nic(Instant::ZERO, NIC, nic).map_err(|error| refused(&error))?;
        for net in addresses {
            host.add_address(Instant::ZERO, NIC, net).map_err(|error| refused(&error))?;
        }
        let (receive, transmit) = link.split();
        Ok(Self { host, receive, transmit, inbound: RxBatch::new() })
    }

    fn turn(&mut self, now: Instant, program: &mut impl Program) -> bool {
        let Self { host, receive, transmit, inbound } = self;
        // A link in memory goes only with its world.
        let arrived = receive.receive(now, inbound).unwrap_or(0);
        host.receive(now, NIC, inbound);
        inbound.clear();
        for (_, token, reason) in host.drops() {
            receive.outcome(token, reason);
        }
        if host.next_deadline().is_some_and(|deadline| deadline <= now) {
            host.poll(now);
        }
        let mut busy = program.turn(host, now) || arrived > 0;
        // What the line hands over now, the other host has to see now.
        busy |= transmit.poll_timeout().is_some_and(|due| due <= now);
        loop {
            let more = host.transmit(now, BUDGET);
            let Some(out) = host.out(NIC) else { return busy };
            busy |= !out.is_empty();
            // Also without packets of its own: the line may hold some that are due.
            let _ = transmit.transmit(now, out);
            if !more {
                return busy;
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let links = [self.receive.poll_timeout(), self.transmit.poll_timeout()];
        links.into_iter().chain([self.host.next_deadline()]).flatten().min()
    }
}
