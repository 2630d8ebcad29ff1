//! The last steps of an outbound packet: the neighbour, the offloads, the interface's batch.
//!
//! All packets come through here: our own, forwarded ones, fragments, and what network endpoints put on the wire
//! themselves. Here alone super-packets are cut and checksums completed for links that don't.

use crate::Host;
use crate::neighbor::{Action, Resolution};
use crate::nic::{DROP_AT, Nic};
use crate::offload;
use alloc::boxed::Box;
use core::net::IpAddr;
use stack_core::{
    Cast, DropReason, ErrorKind, Hop, Instant, LinkAddress, LinkAddressResolver, Medium, NetCx, NicId,
    TapPoint, TappedPacket, Token, TxPacket,
};

impl Host {
    /// A finished packet whose hop is known goes to its interface, once its neighbour is known.
    pub(crate) fn launch(&mut self, now: Instant, nic: usize, mut packet: Box<TxPacket>) {
        if self.tables.interfaces[nic].visible.capabilities.medium != Medium::Ethernet {
            return self.emit(now, nic, packet);
        }
        match packet.ip.cast {
            Cast::Broadcast => packet.link_dst = LinkAddress::BROADCAST,
            Cast::Multicast => packet.link_dst = LinkAddress::of_multicast_group(packet.ip.dst),
            Cast::Unicast => return self.resolve(now, nic, packet),
        }
        self.emit(now, nic, packet);
    }

    fn resolve(&mut self, now: Instant, nic: usize, packet: Box<TxPacket>) {
        let Hop { nic: id, next_hop, .. } = packet.hop;
        match self.tables.neighbors.resolve(now, id, next_hop, packet) {
            Resolution::Send(mut packet, link) => {
                packet.link_dst = link;
                self.emit(now, nic, packet);
            }
            Resolution::Held { evicted: Some(packet) } => {
                self.lose(nic, packet, DropReason::NeighborQueueFull)
            }
            Resolution::Held { evicted: None } => {}
        }
    }

    /// To the batch of the interface, in a form that its link understands.
    pub(crate) fn emit(&mut self, now: Instant, nic: usize, mut packet: Box<TxPacket>) {
        let interface = &self.tables.interfaces[nic];
        let capabilities = &interface.visible.capabilities;
        if !interface.enabled {
            return self.lose(nic, packet, DropReason::NicDisabled);
        }
        let cut = packet.gso_size > 0 && !offload::link_segments(&packet, capabilities);
        let complete = !capabilities.tx_checksum;
        if cut {
            return self.cut(now, nic, packet, complete);
        }
        match if complete { offload::complete_checksum(&mut packet) } else { Ok(()) } {
            Ok(()) => self.queue(now, nic, packet),
            Err(reason) => self.lose(nic, packet, reason),
        }
    }

    /// Segments of a super-packet, made in the queue where they will lie: all of them or none.
    fn cut(&mut self, now: Instant, nic: usize, mut packet: Box<TxPacket>, complete: bool) {
        let Nic { id, out: queue, counters, .. } = &mut self.nics[nic];
        let before = queue.len();
        if before >= DROP_AT && nic != 0 {
            return self.lose(nic, packet, DropReason::LinkQueueFull);
        }
        if let Err(reason) = offload::segment(&mut packet, queue) {
            while queue.len() > before {
                queue.cancel();
            }
            return self.lose(nic, packet, reason);
        }
        self.counters.segmented += 1;
        for part in queue.iter_mut().skip(before) {
            if complete {
                // Can't fail: `segment` has made the transport header lie in the headers.
                let _ = offload::complete_checksum(part);
            }
            for tap in &mut self.taps {
                tap.packet(now, *id, TapPoint::LinkTransmit, TappedPacket::Transmitted(part));
            }
            if nic != 0 {
                self.counters.transmitted += part.len();
            }
            counters.transmitted += part.len();
        }
        self.out.recycle(packet);
    }

    fn queue(&mut self, now: Instant, nic: usize, packet: Box<TxPacket>) {
        if self.nics[nic].out.len() >= DROP_AT && nic != 0 {
            return self.lose(nic, packet, DropReason::LinkQueueFull);
        }
        let id = self.nics[nic].id;
        for tap in &mut self.taps {
            tap.packet(now, id, TapPoint::LinkTransmit, TappedPacket::Transmitted(&packet));
        }
        if nic != 0 {
            self.counters.transmitted += packet.len();
        }
        self.nics[nic].counters.transmitted += packet.len();
        self.nics[nic].out.push(packet);
    }

    fn lose(&mut self, nic: usize, packet: Box<TxPacket>, reason: DropReason) {
        self.counters.drops.count(reason);
        self.nics[nic].counters.drops.count(reason);
        self.out.recycle(packet);
    }

    /// What network endpoints put on the wire themselves.
    pub(crate) fn flush_wires(&mut self, now: Instant) {
        for nic in 0..self.nics.len() {
            while let Some(packet) = self.nics[nic].wire.pop() {
                self.emit(now, nic, packet);
            }
        }
    }

    /// Does what the neighbour cache asks for.
    pub(crate) fn act_on_neighbors(&mut self, now: Instant) {
        for action in self.tables.neighbors.take_actions() {
            match action {
                Action::Solicit { nic, target, unicast, source } => {
                    self.solicit(now, nic, target, unicast, source);
                }
                Action::Release { nic, packets, link } => {
                    let Some(index) = self.tables.index(nic) else { continue };
                    for mut packet in packets {
                        packet.link_dst = link;
                        self.emit(now, index, packet);
                    }
                }
                Action::NoRouter { nic, target } => {
                    self.with_resolver(now, nic, target, |resolver, cx| resolver.router_is_host(cx, target));
                }
                Action::Failed { nic, target, packets } => {
                    self.tables.neighbor_failed(nic, target);
                    let Some(index) = self.tables.index(nic) else { continue };
                    for packet in packets {
                        self.undeliverable(now, index, packet);
                    }
                }
            }
        }
    }

    /// R4861-7.2.2-a: in the name of the packet that waits, or else of an address that suits.
    fn solicit(
        &mut self,
        now: Instant,
        nic: NicId,
        target: IpAddr,
        unicast: Option<LinkAddress>,
        source: Option<IpAddr>,
    ) {
        let Ok(interface) = self.tables.interface(nic) else { return };
        let source = source.filter(|source| interface.owns(*source));
        let source = source.or_else(|| interface.source_for(target, target, &self.tables.policies));
        self.with_resolver(now, nic, target, |resolver, cx| resolver.request(cx, target, source, unicast));
    }

    /// Calls who resolves addresses of this kind on an interface.
    fn with_resolver(
        &mut self,
        now: Instant,
        nic: NicId,
        target: IpAddr,
        mut call: impl FnMut(&mut dyn LinkAddressResolver, &mut NetCx<'_>),
    ) {
        let Some(index) = self.tables.index(nic) else { return };
        for endpoint in 0..self.nics[index].endpoints.len() {
            let called = self.with_endpoint(index, endpoint, now, |endpoint, cx| {
                let resolver = endpoint.resolver().filter(|resolver| resolver.resolves(target));
                resolver.map(|resolver| call(resolver, cx)).is_some()
            });
            if called {
                return;
            }
        }
    }

    /// The next hop does not answer: our own endpoint is told, or the sender of a packet that we forward.
    fn undeliverable(&mut self, now: Instant, nic: usize, mut packet: Box<TxPacket>) {
        if self.tables.owner(packet.ip.src).is_some() {
            self.report(now, &packet, ErrorKind::HostUnreachable);
        } else if let Some(endpoint) = self.endpoint_for(nic, packet.ip.dst) {
            let ip = packet.ip;
            let mut returned = packet.to_rx(now);
            returned.ip = ip;
            self.answer(now, nic, endpoint, &returned, ErrorKind::HostUnreachable);
        }
        self.count_drop(nic, Token::default(), DropReason::NeighborUnreachable);
        self.out.recycle(packet);
    }
}
