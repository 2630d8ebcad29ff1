//! Interfaces, addresses and routes, as the person who runs the host sets them.

use crate::Host;
use crate::interface::{Interface, Visible};
use crate::neighbor::Neighbor;
use crate::nic::Nic;
use crate::route::{Route, RouteEntry};
use crate::ways::Claim;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{
    AddressState, DropReason, Error, Instant, InterfaceAddress, IpNet, LinkAddress, LinkAddressCache,
    LinkCapabilities, Medium, NetCx, NetworkEndpoint, NetworkEvent, NicId, RouteQuery, Token, TxPacket,
};

/// A new interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NicConfig {
    /// Name for people.
    pub name: String,
    /// What its link can do.
    pub capabilities: LinkCapabilities,
    /// Our address on the link.
    pub link_address: Option<LinkAddress>,
    /// Whether packets pass from the start; if not, after [`Host::enable_nic`].
    pub enabled: bool,
}

impl NicConfig {
    /// An enabled interface without a link address.
    pub fn new(name: &str, capabilities: LinkCapabilities) -> Self {
        Self { name: name.to_string(), capabilities, link_address: None, enabled: true }
    }
}

/// An interface, for listings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NicInfo {
    /// Its number.
    pub id: NicId,
    /// Its name.
    pub name: String,
    /// Whether packets pass.
    pub enabled: bool,
    /// Whether it accepts packets to any address.
    pub promiscuous: bool,
    /// Whether it sends in the name of any address.
    pub spoofing: bool,
    /// Whether it forwards.
    pub forwarding: bool,
    /// What its link can do.
    pub capabilities: LinkCapabilities,
    /// Our address on the link.
    pub link_address: Option<LinkAddress>,
    /// Its addresses, primary ones first.
    pub addresses: Vec<InterfaceAddress>,
}

impl Host {
    /// Makes an interface, with an endpoint for each network protocol.
    ///
    /// # Errors
    /// [`Error::DuplicateNic`]; [`Error::BadLink`] for an Ethernet link without an address.
    pub fn add_nic(&mut self, now: Instant, id: NicId, config: NicConfig) -> Result<(), Error> {
        if self.tables.index(id).is_some() {
            return Err(Error::DuplicateNic);
        }
        if config.capabilities.medium == Medium::Ethernet && config.link_address.is_none() {
            return Err(Error::BadLink);
        }
        let visible = Visible {
            id,
            capabilities: config.capabilities,
            link_address: config.link_address,
            addresses: Vec::new(),
            forwarding: false,
        };
        let endpoints =
            self.networks.iter_mut().map(|p| (p.ether_type(), p.new_endpoint(&visible.view()))).collect();
        let seed = self.tables.rng.next_u64();
        self.tables.interfaces.push(Interface::new(config.name, visible, seed));
        self.nics.push(Nic::new(id, endpoints));
        if config.enabled { self.enable_nic(now, id) } else { Ok(()) }
    }

    /// Lets packets pass, and tells the network protocols of the addresses that wait.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn enable_nic(&mut self, now: Instant, id: NicId) -> Result<(), Error> {
        let index = self.tables.index(id).ok_or(Error::UnknownNic)?;
        let was_enabled = core::mem::replace(&mut self.tables.interfaces[index].enabled, true);
        self.tables.invalidate_routes();
        if !was_enabled {
            for address in self.tables.interfaces[index].visible.clone().addresses.iter() {
                self.tell_added(now, index, address);
            }
            self.tell_each(now, index, |endpoint, cx| endpoint.interface_up(cx));
            self.tables.interfaces[index].groups.all_changed();
            self.tell_groups(now);
            self.settle(now);
        }
        Ok(())
    }

    /// Stops packets in both directions; what waits to be sent is dropped.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn disable_nic(&mut self, now: Instant, id: NicId) -> Result<(), Error> {
        let index = self.tables.index(id).ok_or(Error::UnknownNic)?;
        if self.tables.interfaces[index].enabled {
            // What endpoints have formed or learned goes first, in the words in which it came.
            self.tell_each(now, index, |endpoint, cx| endpoint.interface_down(cx));
            self.settle(now);
            self.tables.interfaces[index].enabled = false;
            for address in self.tables.interfaces[index].visible.clone().addresses.iter() {
                self.tell_removed(now, index, address);
            }
            self.settle(now);
        }
        let waiting = self.nics[index].out.len() + self.tables.neighbors.clear(id).len();
        self.nics[index].out.clear();
        for _ in 0..waiting {
            self.count_drop(index, Token::default(), DropReason::NicDisabled);
        }
        self.tables.invalidate_routes();
        Ok(())
    }

    fn tell_added(&mut self, now: Instant, index: usize, address: &InterfaceAddress) {
        self.tell_each(now, index, |endpoint, cx| endpoint.address_added(cx, address));
    }

    fn tell_removed(&mut self, now: Instant, index: usize, address: &InterfaceAddress) {
        self.tell_each(now, index, |endpoint, cx| endpoint.address_removed(cx, address));
    }

    fn tell_each(
        &mut self,
        now: Instant,
        index: usize,
        mut tell: impl FnMut(&mut dyn NetworkEndpoint, &mut NetCx<'_>),
    ) {
        for endpoint in 0..self.nics[index].endpoints.len() {
            self.with_endpoint(index, endpoint, now, |endpoint, cx| tell(endpoint, cx));
        }
    }

    /// Takes an interface away, with its addresses and the routes over it. Not the local one.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn remove_nic(&mut self, now: Instant, id: NicId) -> Result<(), Error> {
        let index = self.tables.index(id).filter(|index| *index > 0).ok_or(Error::UnknownNic)?;
        self.disable_nic(now, id)?;
        self.tables.routes.retain(|row| row.nic != id);
        self.multicast.forget(id);
        self.tables.interfaces.remove(index);
        self.nics.remove(index);
        Ok(())
    }

    /// Gives an interface an address with its subnet; the first of a family is the primary one.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::UnknownProtocol`] if no network protocol carries it, [`Error::NotSupported`] if its
    /// packets need a larger MTU than the interface has, [`Error::DuplicateAddress`].
    pub fn add_address(&mut self, now: Instant, nic: NicId, net: IpNet) -> Result<(), Error> {
        self.add_address_in(now, nic, net, AddressState::Preferred)
    }

    /// As [`add_address`](Self::add_address), in a given state: tentative ones are probed first.
    ///
    /// # Errors
    /// As there.
    pub fn add_address_in(
        &mut self,
        now: Instant,
        nic: NicId,
        net: IpNet,
        state: AddressState,
    ) -> Result<(), Error> {
        self.give_address(now, nic, InterfaceAddress::new(net, state))
    }

    /// As [`add_address`](Self::add_address), with all that can be said of an address.
    ///
    /// # Errors
    /// As there.
    pub fn give_address(&mut self, now: Instant, nic: NicId, address: InterfaceAddress) -> Result<(), Error> {
        let now = self.advance(now);
        let index = self.tables.index(nic).ok_or(Error::UnknownNic)?;
        let protocol = self.networks.iter().find(|protocol| protocol.carries(address.address()));
        let min_mtu = protocol.ok_or(Error::UnknownProtocol)?.min_mtu();
        if self.tables.interfaces[index].visible.capabilities.mtu < min_mtu {
            return Err(Error::NotSupported);
        }
        self.tables.interfaces[index].add_address(address)?;
        self.tables.invalidate_routes();
        let (state, address_only) = (Some(address.state), address.address());
        self.events.push(NetworkEvent::Address { nic, address: address_only, state });
        if self.tables.interfaces[index].enabled {
            self.tell_added(now, index, &address);
        }
        self.settle(now);
        Ok(())
    }

    /// Takes an address from an interface. It lives on while a [`Route`] holds it.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::BadLocalAddress`] if the interface does not have it.
    pub fn remove_address(&mut self, now: Instant, nic: NicId, address: IpAddr) -> Result<(), Error> {
        let now = self.advance(now);
        let index = self.tables.index(nic).ok_or(Error::UnknownNic)?;
        let removed = self.tables.interfaces[index].remove_address(address)?;
        self.tables.invalidate_routes();
        self.events.push(NetworkEvent::Address { nic, address, state: None });
        if self.tables.interfaces[index].enabled {
            self.tell_removed(now, index, &removed);
        }
        self.settle(now);
        Ok(())
    }

    /// Accepts packets to all addresses of a subnet as if they were ours.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::DuplicateAddress`].
    pub fn add_subnet(&mut self, nic: NicId, subnet: IpNet) -> Result<(), Error> {
        let interface = self.tables.interface_mut(nic)?;
        if interface.subnets.contains(&subnet) {
            return Err(Error::DuplicateAddress);
        }
        interface.subnets.push(subnet);
        self.tables.invalidate_routes();
        Ok(())
    }

    /// Undoes [`add_subnet`](Self::add_subnet).
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::BadLocalAddress`] if it was not there.
    pub fn remove_subnet(&mut self, nic: NicId, subnet: IpNet) -> Result<(), Error> {
        let interface = self.tables.interface_mut(nic)?;
        let position = interface.subnets.iter().position(|known| *known == subnet);
        interface.subnets.remove(position.ok_or(Error::BadLocalAddress)?);
        self.tables.invalidate_routes();
        Ok(())
    }

    /// What each interface accepts: its addresses as subnets of one, then the subnets.
    pub fn nic_subnets(&self) -> impl Iterator<Item = (NicId, Vec<IpNet>)> + '_ {
        self.tables.interfaces.iter().map(|interface| {
            let own = interface.visible.addresses.iter().map(|own| IpNet::from(own.address()));
            (interface.id(), own.chain(interface.subnets.iter().copied()).collect())
        })
    }

    /// Accepts packets to any address, or no longer.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn set_promiscuous(&mut self, nic: NicId, on: bool) -> Result<(), Error> {
        self.tables.interface_mut(nic)?.promiscuous = on;
        self.tables.invalidate_routes();
        Ok(())
    }

    /// Sends in the name of any address, or no longer.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn set_spoofing(&mut self, nic: NicId, on: bool) -> Result<(), Error> {
        self.tables.interface_mut(nic)?.spoofing = on;
        self.tables.invalidate_routes();
        Ok(())
    }

    /// Forwards packets that come in by this interface and are not for us, or no longer.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn set_forwarding(&mut self, nic: NicId, on: bool) -> Result<(), Error> {
        self.tables.interface_mut(nic)?.set_forwarding(on);
        self.interface_changed(nic)
    }

    /// Gives an interface another address on its link; neighbours are told (RFC 4861 §7.2.6).
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::InvalidArgument`] for an address that no station can have.
    pub fn set_link_address(&mut self, now: Instant, nic: NicId, link: LinkAddress) -> Result<(), Error> {
        self.advance(now);
        if !link.is_unicast() {
            return Err(Error::InvalidArgument);
        }
        self.tables.interface_mut(nic)?.set_link_address(link);
        self.interface_changed(nic)
    }

    fn interface_changed(&mut self, nic: NicId) -> Result<(), Error> {
        self.tables.invalidate_routes();
        let (now, index) = (self.tables.now, self.tables.index(nic).ok_or(Error::UnknownNic)?);
        if self.tables.interfaces[index].enabled {
            self.tell_each(now, index, |endpoint, cx| endpoint.interface_up(cx));
            self.settle(now);
        }
        Ok(())
    }

    /// The interfaces, the local one first.
    pub fn nics(&self) -> impl Iterator<Item = NicInfo> + '_ {
        self.tables.interfaces.iter().map(|interface| NicInfo {
            id: interface.id(),
            name: interface.name.clone(),
            enabled: interface.enabled,
            promiscuous: interface.promiscuous,
            spoofing: interface.spoofing,
            forwarding: interface.visible.forwarding,
            capabilities: interface.visible.capabilities.clone(),
            link_address: interface.visible.link_address,
            addresses: interface.visible.addresses.clone(),
        })
    }

    /// Replaces the routing table. Subnets of addresses need no row.
    pub fn set_route_table(&mut self, rows: Vec<RouteEntry>) {
        self.tables.routes.replace(rows);
        self.tables.invalidate_routes();
    }

    /// Adds a row to the routing table.
    pub fn add_route(&mut self, row: RouteEntry) {
        self.tables.routes.add(row);
        self.tables.invalidate_routes();
    }

    /// Removes rows from the routing table.
    pub fn remove_routes(&mut self, mut gone: impl FnMut(&RouteEntry) -> bool) {
        self.tables.routes.retain(|row| !gone(row));
        self.tables.invalidate_routes();
    }

    /// The routing table in the order in which it is searched.
    pub fn route_table(&self) -> &[RouteEntry] {
        self.tables.routes.rows()
    }

    /// The way to a destination, to be held.
    ///
    /// # Errors
    /// [`Error::NoRoute`], [`Error::BadLocalAddress`], [`Error::NetworkUnreachable`] if the interface is disabled,
    /// [`Error::UnknownNic`].
    pub fn find_route(&mut self, now: Instant, query: &RouteQuery) -> Result<Route, Error> {
        self.advance(now);
        let cached = self.tables.route(query, Claim::Own)?;
        let index = self.tables.index(cached.hop.nic).ok_or(Error::UnknownNic)?;
        let interface = &self.tables.interfaces[index];
        let link = interface.visible.capabilities.header_len;
        let network =
            self.endpoint_for(index, query.remote).map(|e| self.nics[index].endpoints[e].1.header_len());
        let max_header = usize::from(link) + network.ok_or(Error::UnknownProtocol)?;
        let holder = self.tables.owner(cached.local).map(|owner| &self.tables.interfaces[owner]);
        Ok(Route {
            cached,
            remote: query.remote,
            max_header,
            remote_link: self
                .neighbors(cached.hop.nic)
                .find(|n| n.address == cached.hop.next_hop)
                .and_then(|n| n.link),
            _record: holder.and_then(|interface| interface.record(cached.local)),
        })
    }

    /// Sends one packet of a transport protocol along a route: `build` writes the segment, header and payload.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`] if no network protocol carries the route's addresses.
    pub fn write_packet(
        &mut self,
        now: Instant,
        route: &Route,
        protocol: u8,
        build: impl FnOnce(&mut TxPacket),
    ) -> Result<(), Error> {
        self.advance(now);
        if !self.networks.iter().any(|network| network.carries(route.remote)) {
            return Err(Error::UnknownProtocol);
        }
        let packet = self.out.slot();
        build(packet);
        packet.ip.src = route.cached.local;
        packet.ip.dst = route.remote;
        packet.ip.protocol = protocol;
        packet.ip.cast = route.cached.cast;
        packet.hop = route.cached.hop;
        Ok(())
    }

    /// The interface that owns an address: the given one, or any.
    pub fn check_local_address(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId> {
        self.tables.check_local_address(nic, address)
    }

    /// Stores a neighbour's link address as if the neighbour had told us unasked.
    pub fn add_link_address(&mut self, now: Instant, nic: NicId, address: IpAddr, link: LinkAddress) {
        self.tables.add_link_address(now, nic, address, link);
        self.settle(now);
    }

    /// Stores a neighbour's link address for good.
    pub fn set_static_neighbor(&mut self, now: Instant, nic: NicId, address: IpAddr, link: LinkAddress) {
        self.tables.neighbors.set_static(now, nic, address, link);
    }

    /// The neighbours of an interface.
    pub fn neighbors(&self, nic: NicId) -> impl Iterator<Item = Neighbor> + '_ {
        self.tables.neighbors.list(nic)
    }
}
