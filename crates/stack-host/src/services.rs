//! The tables as protocols see them: the services of the contract.

use crate::tables::Tables;
use crate::ways::Claim;
use core::net::IpAddr;
use stack_core::{
    CachedRoute, Cast, Destination, EndpointId, EndpointIdentity, Error, Hop, Instant, LinkAddress,
    LinkAddressCache, NeighborUpdate, NetServices, NicId, NicView, PortRequest, RouteQuery, RxPacket,
    SourceFilter, TapPoint, TapPoints, TransportServices,
};

/// Packets whose senders wait to be told that a port is unreachable.
const MAX_REFUSED: usize = 256;

impl LinkAddressCache for Tables {
    fn check_local_address(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId> {
        let owns = |interface: &&crate::interface::Interface| {
            nic.is_none_or(|nic| interface.id() == nic) && interface.owns(address)
        };
        self.interfaces.iter().find(owns).map(|interface| interface.id())
    }

    fn add_link_address(&mut self, now: Instant, nic: NicId, address: IpAddr, link: LinkAddress) {
        let link = Some(link);
        let update = NeighborUpdate {
            nic,
            address,
            link,
            solicited: false,
            overrides: true,
            router: None,
            create: true,
        };
        self.neighbors.update(now, &update, &mut *self.rng);
    }
}

impl NetServices for Tables {
    fn destination(&self, nic: NicId, address: IpAddr) -> Destination {
        let Ok(interface) = self.interface(nic) else { return Destination::Remote };
        if interface.is_loopback() && self.interfaces.iter().any(|other| other.is_broadcast(address)) {
            return Destination::Local(Cast::Broadcast);
        }
        match interface.destination(address) {
            Destination::Remote if interface.visible.forwarding && self.owner(address).is_some() => {
                Destination::Local(Cast::Unicast)
            }
            destination => destination,
        }
    }

    fn allow_icmp(&mut self, now: Instant, to: IpAddr) -> bool {
        self.icmp.allow(now, to)
    }

    fn has_local_taps(&self) -> bool {
        self.taps.has(TapPoint::LocalInput)
    }

    fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
}

impl TransportServices for Tables {
    fn register(
        &mut self,
        protocol: u8,
        identity: &EndpointIdentity,
        endpoint: EndpointId,
    ) -> Result<(), Error> {
        if let Some(nic) = identity.nic {
            self.interface(nic)?;
        }
        self.demux.register(protocol, identity, endpoint)
    }

    fn unregister(&mut self, protocol: u8, identity: &EndpointIdentity, endpoint: EndpointId) {
        self.demux.unregister(protocol, identity, endpoint);
    }

    fn replace(&mut self, protocol: u8, identity: &EndpointIdentity, from: EndpointId, to: EndpointId) {
        self.demux.replace(protocol, identity, from, to);
    }

    fn reserve_port(&mut self, protocol: u8, request: &PortRequest) -> Result<u16, Error> {
        let random = self.rng.next_u64();
        self.ports.reserve(protocol, request, random)
    }

    fn release_port(&mut self, protocol: u8, request: &PortRequest) {
        self.ports.release(protocol, request);
    }

    fn route(&mut self, query: &RouteQuery) -> Result<CachedRoute, Error> {
        Tables::route(self, query, Claim::Answer)
    }

    fn is_current(&self, hop: &Hop) -> bool {
        hop.generation == self.generation
    }

    fn owner(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId> {
        let owns = self.check_local_address(nic, address);
        let accepts = |interface: &&crate::interface::Interface| {
            nic.is_none_or(|nic| interface.id() == nic)
                && (interface.may_claim(address) || interface.accepts(address))
        };
        owns.or_else(|| self.interfaces.iter().find(accepts).map(|interface| interface.id()))
    }

    fn set_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32) {
        self.path_mtus.set_path_mtu(now, remote, mtu);
        self.invalidate_routes();
    }

    // R8201-4-c, R8201-5.1-a
    fn lower_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32) {
        if self.path_mtus.path_mtu(now, remote).is_none_or(|known| mtu < known) {
            self.set_path_mtu(now, remote, mtu);
        }
    }

    fn confirm_reachable(&mut self, now: Instant, hop: &Hop) {
        self.neighbors.confirm(now, hop.nic, hop.next_hop, &mut *self.rng);
    }

    fn nic(&self, nic: NicId) -> Option<NicView<'_>> {
        self.interface(nic).ok().map(|interface| interface.visible.view())
    }

    fn set_taps(&mut self, protocol: u8, points: TapPoints) {
        self.taps.set(protocol, points);
    }

    fn set_group(
        &mut self,
        nic: NicId,
        group: IpAddr,
        before: Option<&SourceFilter>,
        after: Option<&SourceFilter>,
    ) -> Result<(), Error> {
        self.interface_mut(nic)?.groups.replace(group, before, after)
    }

    fn refuse(&mut self, packet: RxPacket) {
        if self.refused.len() < MAX_REFUSED {
            self.refused.push(packet);
        }
    }

    fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use stack_core::Rng;

    struct Zero;

    impl Rng for Zero {
        fn next_u64(&mut self) -> u64 {
            0
        }
    }

    // R8201-4-c, R8201-5.1-a, R8201-5.2-a
    #[test]
    fn of_several_reports_the_smallest_counts_for_each_destination() {
        let mut tables = Tables::new(&crate::HostConfig::default(), None, None, Box::new(Zero));
        let (group, other) = ("ff05::7".parse().unwrap(), "ff05::8".parse().unwrap());
        let now = Instant::ZERO;
        for (reported, known) in [(1400, 1400), (1500, 1400), (1300, 1300), (1400, 1300)] {
            tables.lower_path_mtu(now, group, reported);
            assert_eq!(tables.path_mtus.path_mtu(now, group), Some(known), "{reported}");
        }
        assert_eq!(tables.path_mtus.path_mtu(now, other), None);
    }

    // R1191-3-c, R8201-4-d
    #[test]
    fn who_holds_a_route_looks_again_after_each_minute_and_with_each_path_mtu() {
        let mut tables = Tables::new(&crate::HostConfig::default(), None, None, Box::new(Zero));
        let held = |tables: &Tables| Hop { generation: tables.generation, ..Hop::UNRESOLVED };
        let first = held(&tables);
        tables.advance(Instant::from_millis(59_999));
        assert!(tables.is_current(&first));
        let now = tables.advance(Instant::from_secs(60));
        assert!(!tables.is_current(&first));
        let second = held(&tables);
        tables.set_path_mtu(now, "10.0.0.1".parse().unwrap(), 1400);
        assert!(!tables.is_current(&second));
        let third = held(&tables);
        tables.advance(Instant::from_secs(1));
        tables.advance(Instant::from_secs(119));
        assert!(tables.is_current(&third), "time does not go back");
    }
}
