//! Life of a written byte, top to bottom.
//!
//! ```text
//! transports, in turn: poll_transmit -> route -> output -> NetworkEndpoint::encapsulate -> postrouting
//!   -> fragments where it must -> launch.rs: neighbour known? -> offloads -> the interface's batch
//!   -> to ourselves: turned around and received, bounded by the same budget
//! ```
//!
//! Invariants: transports pause while a link is full, so nothing of theirs is lost on the way to it; a turn is bounded
//! by its budget; whoever is told that there is more comes back.

use crate::Host;
use crate::ways::Claim;
use alloc::boxed::Box;
use stack_core::{
    Cast, DeliveryError, Destination, DropReason, Error, ErrorKind, ErrorOrigin, Hop, Instant, Layer,
    RouteQuery, TransportCx, TxPacket,
};

impl Host {
    /// Collects up to about `budget` packets from the transports and makes them ready in [`out`](Self::out).
    /// Returns whether there is more; then call again once the links have taken what is there.
    pub fn transmit(&mut self, now: Instant, budget: usize) -> bool {
        let now = self.advance(now);
        for nic in &mut self.nics {
            self.out.reclaim(&mut nic.out);
        }
        self.answer_refused(now);
        let mut left = budget;
        loop {
            let more = self.poll_transports(now, left);
            let made = self.out.len();
            while let Some(packet) = self.out.pop() {
                self.send(now, packet);
            }
            // A socket may have joined a group, and its report leaves in the same turn.
            self.tell_groups(now);
            // A packet may have asked for its neighbour: the question leaves in the same turn.
            self.settle(now);
            let turned = self.turn_around(now, left);
            self.arm_timers();
            left = left.saturating_sub(made.max(turned));
            let idle = made == 0 && turned == 0;
            if left == 0 || idle {
                return !idle && (more || !self.out.is_empty() || !self.nics[0].out.is_empty());
            }
            if turned == 0 && !more && self.out.is_empty() {
                return false;
            }
        }
    }

    /// Asks each transport once, beginning with another one each time.
    fn poll_transports(&mut self, now: Instant, budget: usize) -> bool {
        if self.nics.iter_mut().any(|nic| nic.wants_pause(now)) {
            return false;
        }
        let Self { slots, tables, wakes, out, turn, .. } = self;
        *turn = turn.wrapping_add(1);
        let mut more = false;
        for index in 0..slots.len() {
            let slot = (index + *turn) % slots.len();
            let slot = &mut slots[slot];
            let mut cx =
                TransportCx { now, protocol: slot.number, wakes, armed: &mut slot.armed, host: tables };
            let left = budget.saturating_sub(out.len()).max(1);
            more |= slot.protocol.poll_transmit(&mut cx, out, left);
        }
        more
    }

    /// One segment, from its transport to its interface.
    pub(crate) fn send(&mut self, now: Instant, mut packet: Box<TxPacket>) {
        if packet.layer == Layer::Link {
            return self.send_frame(now, packet);
        }
        match self.prepare(now, &mut packet) {
            Ok(Some(nic)) => return self.launch(now, nic, packet),
            Ok(None) => {}
            Err(failure) => self.fail(now, &packet, failure),
        }
        self.out.recycle(packet);
    }

    /// A frame about which everything is decided.
    fn send_frame(&mut self, now: Instant, packet: Box<TxPacket>) {
        match packet.bound_nic.and_then(|nic| self.tables.index(nic)) {
            Some(nic) => self.emit(now, nic, packet),
            None => {
                self.counters.drops.count(DropReason::NoRoute);
                self.out.recycle(packet);
            }
        }
    }

    /// Puts the network header in front. The interface that the packet goes to; none if it went in fragments.
    fn prepare(&mut self, now: Instant, packet: &mut TxPacket) -> Result<Option<usize>, Failure> {
        let mut nic = self.hop_of(packet)?;
        let destination = packet.ip.dst;
        self.ask(now, None, Some(nic), |hook, cx| hook.output(cx, packet)).map_err(Failure::Drop)?;
        if packet.ip.dst != destination {
            packet.hop = Hop::UNRESOLVED;
            nic = self.hop_of(packet)?;
        }
        let endpoint =
            self.endpoint_for(nic, packet.ip.dst).ok_or(Failure::Drop(DropReason::UnknownProtocol))?;
        if packet.layer == Layer::Transport {
            let transport_header = packet.header().len();
            self.with_endpoint(nic, endpoint, now, |endpoint, cx| endpoint.encapsulate(cx, packet))
                .map_err(Failure::Drop)?;
            packet.network_len = (packet.header().len() - transport_header) as u16;
        }
        self.ask_postrouting(now, nic, packet).map_err(Failure::Drop)?;
        if packet.ip.cast != Cast::Unicast && packet.multicast_loop {
            self.loop_back(now, nic, packet);
        }
        let mtu = self.largest_packet(now, nic, packet);
        if packet.gso_size == 0 && packet.len() > mtu {
            self.send_fragments(now, nic, endpoint, packet, mtu).map_err(Failure::Error)?;
            Ok(None)
        } else {
            Ok(Some(nic))
        }
    }

    /// How long the packet may be in one piece: as long as its link takes, or, since no router will fragment it, as the path
    /// of IPv6 takes (RFC 8200 §5, RFC 8201 §4). Who forbids fragments has looked at the path and knows why.
    fn largest_packet(&self, now: Instant, nic: usize, packet: &TxPacket) -> usize {
        let link = self.tables.interfaces[nic].mtu_to(packet.ip.dst);
        let follows_path = packet.ip.dst.is_ipv6() && packet.len() > IPV6_MIN_MTU && !packet.ip.dont_fragment;
        let path = follows_path.then(|| self.tables.path_mtus.path_mtu(now, packet.ip.dst)).flatten();
        path.map_or(link, |path| path.min(link)) as usize
    }

    /// The interface that the packet's route leads to; looked up unless the cached answer holds.
    fn hop_of(&mut self, packet: &mut TxPacket) -> Result<usize, Failure> {
        if packet.hop.generation != self.tables.generation {
            self.find_hop(packet)?;
        }
        self.tables.index(packet.hop.nic).ok_or(Failure::Error(ErrorKind::NetUnreachable))
    }

    /// Routes a packet whose cached answer no longer holds, and gives it a source address if it has none.
    fn find_hop(&mut self, packet: &mut TxPacket) -> Result<(), Failure> {
        // A header that an application wrote may name a source that is none of ours.
        let local = (packet.layer == Layer::Transport).then_some(packet.ip.src);
        let query = RouteQuery { nic: packet.bound_nic, local, remote: packet.ip.dst };
        let route = self.tables.route(&query, Claim::Answer).map_err(|error| {
            Failure::Error(match error {
                Error::HostUnreachable => ErrorKind::HostUnreachable,
                _ => ErrorKind::NetUnreachable,
            })
        })?;
        packet.hop = route.hop;
        packet.ip.cast = route.cast;
        if packet.ip.src.is_unspecified() {
            packet.ip.src = route.local;
        }
        Ok(())
    }

    pub(crate) fn send_fragments(
        &mut self,
        now: Instant,
        nic: usize,
        endpoint: usize,
        packet: &mut TxPacket,
        mtu: usize,
    ) -> Result<(), ErrorKind> {
        if crate::offload::complete_checksum(packet).is_err() {
            return Err(ErrorKind::PacketTooBig { mtu: mtu as u32 });
        }
        let mut fragments = stack_core::TxBatch::new();
        self.with_endpoint(nic, endpoint, now, |endpoint, cx| {
            endpoint.fragment(cx, packet, mtu, &mut fragments)
        })?;
        self.counters.fragmented += 1;
        while let Some(fragment) = fragments.pop() {
            self.launch(now, nic, fragment);
        }
        Ok(())
    }

    /// Our own members of a group, and all of us for a broadcast, hear it too (RFC 1112 §6.1): a copy goes the way of
    /// local packets.
    fn loop_back(&mut self, now: Instant, nic: usize, packet: &TxPacket) {
        if nic != 0 && self.tables.interfaces[nic].destination(packet.ip.dst) != Destination::Remote {
            let mut copy = packet.clone();
            copy.hop = Hop { nic: crate::LOCAL_NIC, ..packet.hop };
            copy.bound_nic = Some(packet.hop.nic);
            self.launch(now, 0, Box::new(copy));
        }
    }

    /// Receives what we sent to ourselves, at most `budget` packets. Returns how many.
    fn turn_around(&mut self, now: Instant, budget: usize) -> usize {
        let mut turned = 0;
        while turned < budget {
            let Some(mut sent) = self.nics[0].out.pop() else { break };
            // What was sent to many comes back by the interface that it was sent on: groups are joined there.
            let by = sent.bound_nic.filter(|_| sent.ip.cast != Cast::Unicast);
            let nic = by.and_then(|nic| self.tables.index(nic)).unwrap_or(0);
            let mut packet = sent.to_rx(now);
            self.nics[0].out.recycle(sent);
            packet.meta.nic = self.nics[nic].id;
            packet.meta.loopback = true;
            self.counters.local += packet.len();
            if let Err(reason) = self.receive_packet(now, nic, &mut packet) {
                self.count_drop(nic, packet.meta.token, reason);
            }
            self.settle(now);
            turned += 1;
        }
        turned
    }

    /// A packet of ours that could not be sent: counted, and its endpoint is told as if by ICMP.
    fn fail(&mut self, now: Instant, packet: &TxPacket, failure: Failure) {
        let (reason, kind) = match failure {
            Failure::Drop(reason) => (reason, None),
            Failure::Error(kind @ ErrorKind::PacketTooBig { .. }) => (DropReason::PacketTooBig, Some(kind)),
            Failure::Error(kind) => (DropReason::NoRoute, Some(kind)),
        };
        self.counters.drops.count(reason);
        if let Some(kind) = kind {
            self.report(now, packet, kind);
        }
    }

    /// Tells the endpoint that sent a packet what became of it.
    pub(crate) fn report(&mut self, now: Instant, packet: &TxPacket, kind: ErrorKind) {
        let Some(offset) = transport_offset(packet) else { return };
        let mut quoted = packet.to_bytes();
        let _ = quoted.split_to(offset.min(quoted.len()));
        quoted.truncate(64);
        let error = DeliveryError {
            kind,
            origin: ErrorOrigin::Local,
            nic: Some(packet.hop.nic),
            protocol: packet.ip.protocol,
            local: packet.ip.src,
            remote: packet.ip.dst,
            quoted,
        };
        self.tell_endpoint(now, &error);
    }
}

/// Why a packet could not be sent.
enum Failure {
    /// Nothing that its sender could use.
    Drop(DropReason),
    /// Something that its sender should hear.
    Error(ErrorKind),
}

/// Every IPv6 path carries this (RFC 8200 §5).
const IPV6_MIN_MTU: usize = 1280;

/// Where the transport header starts; `None` in later fragments.
fn transport_offset(packet: &TxPacket) -> Option<usize> {
    let encapsulated = packet.ether_type != 0;
    Some(usize::from(packet.network_len)).filter(|offset| *offset > 0 || !encapsulated)
}
