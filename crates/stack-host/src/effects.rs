//! What packets caused beyond their verdicts, applied when the calls have returned.

use crate::Host;
use crate::demux::Flow;
use crate::redirects::Advice;
use core::net::IpAddr;
use stack_core::{
    AddressState, DeliveryError, DropReason, Effect, ErrorKind, Instant, NetworkEvent, NicId, SourceFilter,
    TapPoint, TransportServices,
};

impl Host {
    /// Applies everything that is pending; after it nothing is.
    pub(crate) fn settle(&mut self, now: Instant) {
        while !self.effects.is_empty() || self.tables.neighbors.has_actions() {
            for effect in core::mem::take(&mut self.effects) {
                self.apply(now, effect);
            }
            self.tell_groups(now);
            self.act_on_neighbors(now);
        }
        self.flush_wires(now);
    }

    /// Tells the senders of packets that were refused after they had been received.
    pub(crate) fn answer_refused(&mut self, now: Instant) {
        for packet in core::mem::take(&mut self.tables.refused) {
            let Some(nic) = self.tables.index(packet.meta.nic) else { continue };
            let mut endpoints = self.nics[nic].endpoints.iter();
            if let Some(endpoint) = endpoints.position(|(number, _)| *number == packet.meta.ether_type) {
                self.answer(now, nic, endpoint, &packet, ErrorKind::PortUnreachable);
            }
        }
    }

    fn apply(&mut self, now: Instant, effect: Effect) {
        match effect {
            Effect::Neighbor(update) => {
                let tables = &mut self.tables;
                tables.neighbors.update(now, &update, &mut *tables.rng);
            }
            Effect::Error(error) => self.tell_endpoint(now, &error),
            Effect::Redirect { nic, from, destination, gateway, link } => {
                let believed = self.tables.redirect(&Advice { nic, from, destination, gateway, link });
                tracing::debug!(%from, %destination, %gateway, believed, "redirect");
            }
            Effect::PathMtu { remote, mtu } => self.tables.lower_path_mtu(now, remote, mtu),
            Effect::AddressReady { nic, address } => {
                self.set_address_state(nic, address, AddressState::Preferred);
            }
            Effect::AddressState { nic, address, state } => self.set_address_state(nic, address, state),
            // An address that is there already stays as it is.
            Effect::AddAddress { nic, address } => drop(self.give_address(now, nic, address)),
            // One that is gone already needs no removal.
            Effect::RemoveAddress { nic, address } => drop(self.remove_address(now, nic, address)),
            Effect::RouteFound(route) => self.tables.discover(&route),
            Effect::RouteLost(route) => self.tables.lose(&route),
            Effect::LinkParameters(parameters) => self.tables.set_parameters(&parameters),
            Effect::Event(event) => self.events.push(event),
            Effect::AddressConflict { nic, address, link } => {
                tracing::warn!(%nic, %address, %link, "another station uses our address: it is removed");
                self.counters.drops.count(DropReason::AddressConflict);
                // An address that is gone already needs no removal.
                let _ = self.remove_address(now, nic, address);
            }
            Effect::LocalInput(packet) => {
                if let Some(nic) = self.tables.index(packet.meta.nic) {
                    self.tap_received(now, nic, TapPoint::LocalInput, &packet);
                }
            }
            Effect::Dropped { nic, reason, packets } => self.count_drops(nic, reason, packets.into()),
            Effect::Group { nic, group, join } => {
                let everything = SourceFilter::everything();
                let (before, after) =
                    if join { (None, Some(&everything)) } else { (Some(&everything), None) };
                // Leaving a group that was not joined, or joining one too many, changes nothing.
                let _ = self.tables.set_group(nic, group, before, after);
            }
            Effect::ForwardGroup(packet) => self.forward_too(now, *packet),
        }
    }

    fn set_address_state(&mut self, nic: NicId, address: IpAddr, state: AddressState) {
        let Ok(interface) = self.tables.interface_mut(nic) else { return };
        if !interface.set_state(address, state) {
            return;
        }
        self.tables.invalidate_routes();
        if state == AddressState::Duplicate {
            tracing::warn!(%nic, %address, "another station has the address: it is not used");
        }
        self.events.push(NetworkEvent::Address { nic, address, state: Some(state) });
    }

    /// Finds the endpoint that sent a quoted packet and tells it what became of that.
    pub(crate) fn tell_endpoint(&mut self, now: Instant, error: &DeliveryError) {
        let Some(slot) = self.slots.iter().find(|slot| slot.number == error.protocol) else { return };
        let Some((local_port, remote_port)) = slot.protocol.parse_quoted_ports(&error.quoted) else { return };
        let flow = Flow {
            protocol: error.protocol,
            nic: error.nic.unwrap_or(crate::LOCAL_NIC),
            local: error.local,
            local_port,
            remote: error.remote,
            remote_port,
        };
        if let Some(endpoint) = self.tables.demux.find(&flow) {
            self.with_slot(error.protocol, now, |protocol, cx| protocol.receive_error(cx, endpoint, error));
        }
    }
}
