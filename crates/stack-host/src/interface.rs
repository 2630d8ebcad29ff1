//! One interface as the tables see it: its addresses, what it accepts and what it may claim.
//!
//! Strong host model (RFC 1122 §3.3.4.2): a packet is for us if the interface that it came in by has the address;
//! interfaces that forward accept the addresses of all.

use crate::groups::Groups;
use crate::source::{self, Policies};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use stack_core::{
    AddressState, Cast, Destination, Error, InterfaceAddress, IpNet, LinkAddress, LinkCapabilities, Medium,
    NicId, NicView,
};

/// What protocols see of an interface; shared with the calls under way, replaced when it changes.
#[derive(Clone, Debug)]
pub(crate) struct Visible {
    pub(crate) id: NicId,
    pub(crate) capabilities: LinkCapabilities,
    pub(crate) link_address: Option<LinkAddress>,
    pub(crate) addresses: Vec<InterfaceAddress>,
    pub(crate) forwarding: bool,
}

impl Visible {
    pub(crate) fn view(&self) -> NicView<'_> {
        NicView {
            id: self.id,
            capabilities: &self.capabilities,
            link_address: self.link_address,
            addresses: &self.addresses,
            forwarding: self.forwarding,
        }
    }
}

/// An address that routes may hold on to after it was removed.
#[derive(Debug)]
pub(crate) struct AddressRecord {
    pub(crate) address: IpAddr,
}

#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) visible: Arc<Visible>,
    /// One for each address, in the same order.
    records: Vec<Arc<AddressRecord>>,
    /// Removed addresses that routes still hold.
    lingering: Vec<Arc<AddressRecord>>,
    pub(crate) subnets: Vec<IpNet>,
    pub(crate) promiscuous: bool,
    pub(crate) spoofing: bool,
    pub(crate) groups: Groups,
    /// Largest IPv6 packet, if a router has said so (RFC 4861 §6.3.4).
    pub(crate) mtu_v6: u32,
}

impl Interface {
    pub(crate) fn new(name: String, visible: Visible, seed: u64) -> Self {
        Self {
            name,
            enabled: false,
            visible: Arc::new(visible),
            records: Vec::new(),
            lingering: Vec::new(),
            subnets: Vec::new(),
            promiscuous: false,
            spoofing: false,
            groups: Groups::new(seed),
            mtu_v6: u32::MAX,
        }
    }

    pub(crate) fn id(&self) -> NicId {
        self.visible.id
    }

    pub(crate) fn is_loopback(&self) -> bool {
        self.visible.capabilities.medium == Medium::Loopback
    }

    pub(crate) fn set_forwarding(&mut self, on: bool) {
        Arc::make_mut(&mut self.visible).forwarding = on;
    }

    pub(crate) fn set_link_address(&mut self, link: LinkAddress) {
        Arc::make_mut(&mut self.visible).link_address = Some(link);
    }

    pub(crate) fn add_address(&mut self, address: InterfaceAddress) -> Result<(), Error> {
        if self.visible.addresses.iter().any(|known| known.address() == address.address()) {
            return Err(Error::DuplicateAddress);
        }
        Arc::make_mut(&mut self.visible).addresses.push(address);
        self.records.push(Arc::new(AddressRecord { address: address.address() }));
        Ok(())
    }

    pub(crate) fn remove_address(&mut self, address: IpAddr) -> Result<InterfaceAddress, Error> {
        let position = self.position(address).ok_or(Error::BadLocalAddress)?;
        let removed = Arc::make_mut(&mut self.visible).addresses.remove(position);
        let record = self.records.remove(position);
        self.lingering.retain(is_held);
        if Arc::strong_count(&record) > 1 {
            self.lingering.push(record);
        }
        Ok(removed)
    }

    /// Returns whether it has the address.
    pub(crate) fn set_state(&mut self, address: IpAddr, state: AddressState) -> bool {
        let position = self.position(address);
        if let Some(position) = position {
            Arc::make_mut(&mut self.visible).addresses[position].state = state;
        }
        position.is_some()
    }

    fn position(&self, address: IpAddr) -> Option<usize> {
        self.visible.addresses.iter().position(|known| known.address() == address)
    }

    /// The record of an address, for a route to hold; lingering ones too.
    pub(crate) fn record(&self, address: IpAddr) -> Option<Arc<AddressRecord>> {
        let lingering = self.lingering.iter().filter(|record| is_held(record));
        self.records.iter().chain(lingering).find(|record| record.address == address).cloned()
    }

    /// Whether the address is one of its own and usable.
    pub(crate) fn owns(&self, address: IpAddr) -> bool {
        let usable = |known: &InterfaceAddress| known.address() == address && known.state.is_usable();
        self.visible.addresses.iter().any(usable)
            || self.lingering.iter().any(|record| record.address == address && is_held(record))
            || (self.is_loopback() && address.is_loopback())
    }

    /// Whether it takes packets to the address as its own: owned, in a subnet, or promiscuous.
    pub(crate) fn accepts(&self, address: IpAddr) -> bool {
        self.owns(address) || self.promiscuous || self.subnets.iter().any(|subnet| subnet.contains(&address))
    }

    /// Whether it may send in the name of the address.
    pub(crate) fn may_claim(&self, address: IpAddr) -> bool {
        self.owns(address) || self.spoofing || self.subnets.iter().any(|subnet| subnet.contains(&address))
    }

    /// Whose a destination address is, as far as this interface alone can say.
    pub(crate) fn destination(&self, address: IpAddr) -> Destination {
        if let Some(cast) = self.group_cast(address) {
            return cast;
        }
        if self.is_loopback() || self.accepts(address) {
            return Destination::Local(Cast::Unicast);
        }
        Destination::Remote
    }

    fn group_cast(&self, address: IpAddr) -> Option<Destination> {
        if self.is_broadcast(address) {
            return Some(Destination::Local(Cast::Broadcast));
        }
        address.is_multicast().then(|| {
            let joined = self.is_loopback() || is_all_nodes(address) || self.groups.contains(address);
            if joined || self.promiscuous { Destination::Local(Cast::Multicast) } else { Destination::Remote }
        })
    }

    /// Its first address of the family of another.
    pub(crate) fn first_of(&self, family: IpAddr) -> Option<IpAddr> {
        let own = self.visible.addresses.iter().map(InterfaceAddress::address);
        own.into_iter().find(|own| own.is_ipv4() == family.is_ipv4())
    }

    /// Whether the address is the limited broadcast address or that of one of its subnets.
    pub(crate) fn is_broadcast(&self, address: IpAddr) -> bool {
        let IpAddr::V4(v4) = address else { return false };
        v4 == Ipv4Addr::BROADCAST || self.visible.addresses.iter().any(|own| own.broadcast() == Some(v4))
    }

    /// The cast of a destination that we send to.
    pub(crate) fn cast_of(&self, address: IpAddr) -> Cast {
        if address.is_multicast() {
            Cast::Multicast
        } else if self.is_broadcast(address) {
            Cast::Broadcast
        } else {
            Cast::Unicast
        }
    }

    /// Largest IP packet to a destination, in bytes.
    pub(crate) fn mtu_to(&self, remote: IpAddr) -> u32 {
        let mtu = self.visible.capabilities.mtu;
        if remote.is_ipv6() { mtu.min(self.mtu_v6) } else { mtu }
    }

    /// The address to send from to `remote` by way of `next_hop`. IPv6 looks at the destination (RFC 6724 §5); IPv4 takes
    /// one in the subnet of the next hop, else the first of its scope.
    pub(crate) fn source_for(&self, remote: IpAddr, next_hop: IpAddr, policies: &Policies) -> Option<IpAddr> {
        if let IpAddr::V6(remote) = remote {
            return source::select(&self.visible.addresses, remote, policies).map(IpAddr::V6);
        }
        let usable = || {
            self.visible.addresses.iter().filter(|own| {
                own.state == AddressState::Preferred && own.address().is_ipv4() == next_hop.is_ipv4()
            })
        };
        let same_scope = |own: &&InterfaceAddress| is_link_local(own.address()) == is_link_local(next_hop);
        usable()
            .find(|own| own.net.contains(&next_hop))
            .or_else(|| usable().find(same_scope))
            .or_else(|| usable().next())
            .map(InterfaceAddress::address)
    }
}

/// Whether somebody besides the interface holds the record.
fn is_held(record: &Arc<AddressRecord>) -> bool {
    Arc::strong_count(record) > 1
}

fn is_all_nodes(group: IpAddr) -> bool {
    match group {
        IpAddr::V4(v4) => v4 == Ipv4Addr::new(224, 0, 0, 1),
        IpAddr::V6(v6) => v6 == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1) || v6.segments()[0] == 0xff01,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || (v6.is_multicast() && v6.segments()[0] & 0xf == 2),
    }
}
