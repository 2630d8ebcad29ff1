//! A host of the simulation with its one interface, and how it is given its turn: receive, timers, program, transmit.

use crate::sim::SimError;
use crate::source::SeededRng;
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::{Instant, IpNet, LinkCapabilities, Medium, NicId, RxBatch, TransportCx, TxPacket};
use stack_host::{Host, NicConfig};
use trans_tcp::{Tcp, TcpConfig};

const NIC: NicId = NicId(1);
/// Packets that the host is asked for at once.
const BUDGET: usize = 64;

/// A host.
pub(super) struct Station {
    host: Host,
    inbox: RxBatch,
}

impl Station {
    /// A host with TCP over IPv4 at this address. Its interface computes and verifies checksums in software and takes
    /// packets of at most the MTU.
    pub(super) fn new(tcp: TcpConfig, address: IpNet, mtu: u32, rng: SeededRng) -> Result<Self, SimError> {
        let refused = |error: &dyn core::fmt::Display| SimError::Host(error.to_string());
        let builder = Host::builder().network(Ipv4::new(Ipv4Config::default())).transport(Tcp::new(tcp));
        let mut host = builder.rng(Box::new(rng)).build().map_err(|error| refused(&error))?;
        let nic = NicConfig::new("eth0", LinkCapabilities::plain(Medium::Ip, mtu));
        host.add_nic(Instant::ZERO, NIC, nic).map_err(|error| refused(&error))?;
        host.add_address(Instant::ZERO, NIC, address).map_err(|error| refused(&error))?;
        Ok(Self { host, inbox: RxBatch::new() })
    }

    /// Puts a packet where the host finds it at its next turn, stamped with the time at which it came off the line.
    /// The empty slot goes back to the host, which sends its own packets in it.
    pub(super) fn deliver(&mut self, now: Instant, mut packet: Box<TxPacket>) {
        let mut received = packet.to_rx(now);
        // What came over a wire brings a checksum that nobody vouches for.
        received.meta.checksum = stack_core::Checksum::Unverified;
        self.inbox.push(received);
        if let Some(out) = self.host.out(NIC) {
            out.recycle(packet);
        }
    }

    /// Receives what was delivered and lets timers go off that are due.
    pub(super) fn receive(&mut self, now: Instant) {
        self.host.receive(now, NIC, &mut self.inbox);
        self.inbox.clear();
        self.host.drops().for_each(drop);
        if self.host.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.host.poll(now);
        }
    }

    /// Hands out all packets that the host wants to send now; the callback gives back those that it is done with.
    pub(super) fn transmit(
        &mut self,
        now: Instant,
        mut take: impl FnMut(Box<TxPacket>) -> Option<Box<TxPacket>>,
    ) {
        loop {
            let more = self.host.transmit(now, BUDGET);
            let Some(out) = self.host.out(NIC) else { return };
            while let Some(packet) = out.pop() {
                if let Some(done) = take(packet) {
                    out.recycle(done);
                }
            }
            if !more {
                return;
            }
        }
    }

    /// When the host has something to do by itself.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.host.next_deadline()
    }

    /// Its TCP, for the program.
    pub(super) fn tcp(&mut self, now: Instant) -> Option<(&mut Tcp, TransportCx<'_>)> {
        self.host.transport::<Tcp>(now)
    }

    /// Its TCP, to look at.
    pub(super) fn tcp_ref(&self) -> Option<&Tcp> {
        self.host.transport_ref::<Tcp>()
    }
}
