//! Life of a received packet, top to bottom.
//!
//! ```text
//! batch -> segments of a flow become super-packets, where nobody has to see each: stack-gro
//!       -> interface enabled? -> taps -> EtherType -> prerouting -> NetworkEndpoint::receive -> verdict
//!       -> ours: input -> protocol number -> demux -> TransportProtocol::receive
//!       -> not ours: forward.rs
//!       -> what else it caused: effects.rs
//! ```
//!
//! Invariants: nothing is sent from here (answers wait in `out` until `transmit`); each packet is delivered, forwarded,
//! kept by a network endpoint, or counted under one `DropReason`.

use crate::Host;
use crate::demux::Flow;
use stack_core::{
    DropReason, EndpointId, ErrorKind, Instant, NicId, RxBatch, RxPacket, TapPoint, TransportCx, Unknown,
    Verdict,
};

impl Host {
    /// Takes in what a link has received and empties the batch. Packets for an unknown interface are dropped.
    pub fn receive(&mut self, now: Instant, nic: NicId, batch: &mut RxBatch) {
        let now = self.advance(now);
        let Some(index) = self.tables.index(nic) else { return batch.clear() };
        for packet in batch.iter_mut() {
            packet.meta.nic = nic;
            packet.meta.policy = 0;
            self.counters.received += packet.len();
            self.nics[index].counters.received += packet.len();
        }
        let coalesces = self.may_coalesce(index);
        if coalesces {
            stack_gro::coalesce(batch);
        }
        for packet in batch.iter_mut() {
            let token = packet.meta.token;
            let received = match packet.meta.placed {
                1.. if !coalesces => Err(DropReason::Misplaced),
                _ => self.receive_packet(now, index, packet),
            };
            if let Err(reason) = received {
                self.count_drop(index, token, reason);
            }
            self.settle(now);
        }
        batch.clear();
        self.arm_timers();
    }

    /// Whether a link may hand in consecutive segments of a flow as one super-packet
    /// ([`LinkReceive::coalesce`](stack_core::LinkReceive::coalesce)), and text to its reader
    /// ([`LinkReceive::receive_placing`](stack_core::LinkReceive::receive_placing)): nobody has to see each packet as it
    /// came, as taps, links that want outcomes, and the far side of a forwarding interface do.
    pub fn coalesces(&self, nic: NicId) -> bool {
        self.tables.index(nic).is_some_and(|index| self.may_coalesce(index))
    }

    fn may_coalesce(&self, nic: usize) -> bool {
        let visible = &self.tables.interfaces[nic].visible;
        self.taps.is_empty()
            && self.tables.taps.is_empty()
            && !visible.forwarding
            && !visible.capabilities.wants_outcomes
    }

    pub(crate) fn receive_packet(
        &mut self,
        now: Instant,
        nic: usize,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        if !self.tables.interfaces[nic].enabled {
            return Err(DropReason::NicDisabled);
        }
        self.tap_received(now, nic, TapPoint::LinkReceive, packet);
        let ether_type = packet.meta.ether_type;
        let endpoint = self.nics[nic].endpoints.iter().position(|(number, _)| *number == ether_type);
        let endpoint = endpoint.ok_or(DropReason::UnknownEtherType)?;
        self.ask(now, Some(nic), None, |hook, cx| hook.prerouting(cx, packet))?;
        match self.with_endpoint(nic, endpoint, now, |endpoint, cx| endpoint.receive(cx, packet)) {
            Verdict::Deliver => self.deliver(now, nic, endpoint, packet),
            Verdict::Forward => self.forward(now, nic, endpoint, packet),
            Verdict::Held => Ok(()),
            Verdict::Drop(reason) => Err(reason),
        }
    }

    /// To the endpoints of the transport protocol, or to whoever stands in for them.
    fn deliver(
        &mut self,
        now: Instant,
        nic: usize,
        endpoint: usize,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        self.ask(now, Some(nic), None, |hook, cx| hook.input(cx, packet))?;
        let taken = self.tap_received(now, nic, TapPoint::LocalInput, packet);
        let protocol = packet.ip.protocol;
        let Some(slot) = self.slots.iter().find(|slot| slot.number == protocol) else {
            if taken {
                return Ok(());
            }
            self.answer(now, nic, endpoint, packet, ErrorKind::ProtocolUnreachable);
            return Err(DropReason::UnknownProtocol);
        };
        let segment =
            Some(packet.transport()).filter(|segment| segment.len() >= slot.protocol.min_packet_len());
        let segment = segment.ok_or(DropReason::Truncated)?;
        let (remote_port, local_port) =
            slot.protocol.parse_ports(segment).ok_or(DropReason::TransportMalformed)?;
        let (local, remote) = (packet.ip.dst, packet.ip.src);
        let flow = Flow { protocol, nic: packet.meta.nic, local, local_port, remote, remote_port };
        let mut targets = core::mem::take(&mut self.targets);
        self.tables.demux.targets(&flow, packet.ip.cast, &mut targets);
        let result = match targets.split_last() {
            Some((last, others)) => self.hand_over(now, protocol, *last, others, packet),
            None => self.unmatched(now, nic, endpoint, packet),
        };
        targets.clear();
        self.targets = targets;
        result
    }

    /// Clones for all but the last, who gets the packet itself. Delivered if anybody took it.
    fn hand_over(
        &mut self,
        now: Instant,
        protocol: u8,
        last: EndpointId,
        others: &[EndpointId],
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        self.counters.delivered += 1;
        let delivered = self.with_slot(protocol, now, |protocol, cx| {
            let others =
                others.iter().filter(|other| protocol.receive(cx, **other, &mut packet.clone()).is_ok());
            let others = others.count();
            protocol.receive(cx, last, packet).or_else(|reason| if others > 0 { Ok(()) } else { Err(reason) })
        });
        delivered.unwrap_or(Err(DropReason::UnknownProtocol))
    }

    /// No endpoint answers to it: the default handler, then the protocol itself.
    fn unmatched(
        &mut self,
        now: Instant,
        nic: usize,
        endpoint: usize,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let Self { slots, tables, wakes, .. } = self;
        let number = packet.ip.protocol;
        let slot = slots.iter_mut().find(|slot| slot.number == number).ok_or(DropReason::UnknownProtocol)?;
        let mut cx = TransportCx { now, protocol: number, wakes, armed: &mut slot.armed, host: tables };
        if slot.handler.as_mut().is_some_and(|handler| handler(&mut cx, packet)) {
            return Ok(());
        }
        match slot.protocol.receive_unknown(&mut cx, packet) {
            Unknown::Handled => Ok(()),
            Unknown::Drop(reason) => Err(reason),
            Unknown::ProtocolUnreachable => {
                self.answer(now, nic, endpoint, packet, ErrorKind::ProtocolUnreachable);
                Err(DropReason::UnknownProtocol)
            }
            Unknown::PortUnreachable => {
                self.answer(now, nic, endpoint, packet, ErrorKind::PortUnreachable);
                Err(DropReason::NoEndpoint)
            }
        }
    }

    /// Lets the network layer tell the sender what went wrong, if it may.
    pub(crate) fn answer(
        &mut self,
        now: Instant,
        nic: usize,
        endpoint: usize,
        packet: &RxPacket,
        kind: ErrorKind,
    ) {
        self.with_endpoint(nic, endpoint, now, |endpoint, cx| endpoint.send_error(cx, packet, kind));
    }
}
