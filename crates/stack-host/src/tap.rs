//! Who looks at packets that pass: taps, and transport protocols that do so for raw and packet sockets.
//!
//! Protocols say at which places they look (`TransportServices::set_taps`); the host keeps the union, so that a packet costs
//! one comparison where nobody looks.

use crate::Host;
use crate::host::Slot;
use crate::tables::Tables;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use stack_core::{Instant, RxPacket, Tap, TapPoint, TapPoints, TappedPacket, TransportCx};

/// The places that protocols look at.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    of: Vec<(u8, TapPoints)>,
    all: TapPoints,
}

impl Taps {
    pub(crate) fn set(&mut self, protocol: u8, points: TapPoints) {
        self.of.retain(|(other, _)| *other != protocol);
        if !points.is_empty() {
            self.of.push((protocol, points));
        }
        self.all = self.of.iter().fold(TapPoints::NONE, |all, (_, points)| all.union(*points));
    }

    pub(crate) fn has(&self, point: TapPoint) -> bool {
        self.all.contains(point)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn of(&self, protocol: u8, point: TapPoint) -> bool {
        self.of.iter().any(|(number, points)| *number == protocol && points.contains(point))
    }
}

/// All who may look, borrowed from the host beside the interface whose packet it is.
pub(crate) struct Watchers<'a> {
    pub(crate) taps: &'a mut [Box<dyn Tap>],
    pub(crate) slots: &'a mut [Slot],
    pub(crate) tables: &'a mut Tables,
    pub(crate) wakes: &'a mut Vec<Waker>,
}

impl Watchers<'_> {
    /// Shows a packet of an interface to all who look at this place. Returns whether a socket took it.
    pub(crate) fn show(
        &mut self,
        now: Instant,
        nic: usize,
        point: TapPoint,
        packet: TappedPacket<'_>,
    ) -> bool {
        for tap in &mut *self.taps {
            tap.packet(now, self.tables.interfaces[nic].id(), point, packet);
        }
        self.tables.taps.has(point) && self.show_protocols(now, nic, point, packet)
    }

    fn show_protocols(
        &mut self,
        now: Instant,
        nic: usize,
        point: TapPoint,
        packet: TappedPacket<'_>,
    ) -> bool {
        let Self { slots, tables, wakes, .. } = self;
        let visible = Arc::clone(&tables.interfaces[nic].visible);
        let mut taken = false;
        for slot in slots.iter_mut() {
            if tables.taps.of(slot.number, point) {
                let mut cx = TransportCx {
                    now,
                    protocol: slot.number,
                    wakes,
                    armed: &mut slot.armed,
                    host: &mut **tables,
                };
                taken |= slot.protocol.tap(&mut cx, &visible.view(), point, packet);
            }
        }
        taken
    }
}

impl Host {
    /// Shows an inbound packet. Returns whether a socket took it.
    pub(crate) fn tap_received(
        &mut self,
        now: Instant,
        nic: usize,
        point: TapPoint,
        packet: &RxPacket,
    ) -> bool {
        let Self { taps, slots, tables, wakes, .. } = self;
        Watchers { taps, slots, tables, wakes }.show(now, nic, point, TappedPacket::Received(packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_all_protocols_and_go_with_the_last() {
        let at = |point| TapPoints::NONE.with(point);
        let mut taps = Taps::default();
        taps.set(255, at(TapPoint::LocalInput));
        taps.set(99, at(TapPoint::LocalInput).with(TapPoint::LinkReceive));
        assert!(taps.of(99, TapPoint::LinkReceive) && !taps.of(255, TapPoint::LinkReceive));
        taps.set(99, TapPoints::NONE);
        assert!(taps.has(TapPoint::LocalInput) && !taps.has(TapPoint::LinkReceive));
        taps.set(255, TapPoints::NONE);
        assert!(taps.is_empty());
    }
}
