//! An interface to be: a link, addresses, and what else it is to have from the start.

use crate::error::NicError;
use stack_core::{IpNet, LinkAddress, LinkEndpoint, Medium, NicId};
use std::net::IpAddr;

/// EtherTypes of IPv4 (RFC 894) and IPv6 (RFC 2464 §3), which find no neighbours over IPv4.
const IP: [u16; 2] = [0x0800, 0x86dd];

/// Describes an interface for [`StackBuilder::nic`](crate::StackBuilder::nic) and [`Stack::create_nic`](crate::Stack::create_nic).
pub struct NicConfig {
    pub(crate) link: Box<dyn LinkEndpoint>,
    pub(crate) id: Option<NicId>,
    pub(crate) name: Option<String>,
    pub(crate) addresses: Vec<IpNet>,
    pub(crate) gateways: Vec<IpAddr>,
    pub(crate) link_address: Option<LinkAddress>,
    pub(crate) mtu: Option<u32>,
    pub(crate) promiscuous: bool,
    pub(crate) spoofing: bool,
    pub(crate) forwarding: bool,
    pub(crate) own_thread: bool,
}

impl NicConfig {
    /// An interface on this link, without addresses.
    pub fn new(link: impl LinkEndpoint + 'static) -> Self {
        Self {
            link: Box::new(link),
            id: None,
            name: None,
            addresses: Vec::new(),
            gateways: Vec::new(),
            link_address: None,
            mtu: None,
            promiscuous: false,
            spoofing: false,
            forwarding: false,
            own_thread: false,
        }
    }

    /// Its number; by default the smallest that is free, from 1 on.
    #[must_use]
    pub fn id(mut self, id: NicId) -> Self {
        self.id = Some(id);
        self
    }

    /// Its name, in events and listings; by default `nic` and its number.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// One more address, with the length of its subnet's prefix: `10.77.0.2/24`. The first of each family is the
    /// source of new connections.
    #[must_use]
    pub fn address(mut self, address: IpNet) -> Self {
        self.addresses.push(address);
        self
    }

    /// A router for all destinations of its family that have no better route. It lies in the subnet of an address
    /// of this interface, or is link-local.
    #[must_use]
    pub fn gateway(mut self, gateway: IpAddr) -> Self {
        self.gateways.push(gateway);
        self
    }

    /// Our address on the link, instead of the one that the link names.
    #[must_use]
    pub fn link_address(mut self, address: LinkAddress) -> Self {
        self.link_address = Some(address);
        self
    }

    /// A smaller MTU than the link's, in bytes.
    #[must_use]
    pub fn mtu(mut self, mtu: u32) -> Self {
        self.mtu = Some(mtu);
        self
    }

    /// Accept packets to any destination as our own (the seed's `SetPromiscuousMode`).
    #[must_use]
    pub fn promiscuous(mut self, on: bool) -> Self {
        self.promiscuous = on;
        self
    }

    /// Allow sockets to send in the name of any address (`SetSpoofing`).
    #[must_use]
    pub fn spoofing(mut self, on: bool) -> Self {
        self.spoofing = on;
        self
    }

    /// Send packets on that are not for us.
    #[must_use]
    pub fn forwarding(mut self, on: bool) -> Self {
        self.forwarding = on;
        self
    }

    /// Have a thread of its own read the link, beside the driver: for a router between busy interfaces on a machine with
    /// processors to spare, so that one direction need not wait for the other. The host is one all the same, and locked for
    /// each batch. A link that wants to hear what became of its packets (`link::pcap`) is read by the driver anyway.
    #[must_use]
    pub fn own_thread(mut self, on: bool) -> Self {
        self.own_thread = on;
        self
    }

    /// What can be seen to be wrong without a host.
    pub(crate) fn check(&self, networks: &Networks) -> Result<(), NicError> {
        for (index, net) in self.addresses.iter().enumerate() {
            let address = net.addr();
            if !networks.carry(address) {
                return Err(NicError::no_network_protocol(address));
            }
            if self.addresses.iter().take(index).any(|other| other.addr() == address) {
                return Err(NicError::DuplicateAddress { address });
            }
            let ethernet = self.link.capabilities().medium == Medium::Ethernet;
            if ethernet && address.is_ipv4() && !networks.finds_neighbors {
                return Err(NicError::NoResolver { address });
            }
        }
        self.gateways.iter().try_for_each(|gateway| self.check_gateway(*gateway))
    }

    fn check_gateway(&self, gateway: IpAddr) -> Result<(), NicError> {
        let link_local = matches!(gateway, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if link_local || self.addresses.iter().any(|net| net.contains(&gateway)) {
            return Ok(());
        }
        Err(NicError::GatewayNotOnLink { gateway, subnets: self.subnets() })
    }

    fn subnets(&self) -> String {
        let subnets: Vec<String> = self.addresses.iter().map(|net| net.trunc().to_string()).collect();
        if subnets.is_empty() { "none".into() } else { subnets.join(", ") }
    }
}

impl std::fmt::Debug for NicConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NicConfig")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("addresses", &self.addresses)
            .field("gateways", &self.gateways)
            .finish_non_exhaustive()
    }
}

/// What the registered network protocols can do for an interface.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Networks {
    v4: bool,
    v6: bool,
    /// ARP is there, or a protocol that we don't know and that may find neighbours itself.
    finds_neighbors: bool,
}

impl Networks {
    /// One more is registered.
    pub(crate) fn add(&mut self, ether_type: u16, carries: impl Fn(IpAddr) -> bool) {
        // Addresses for documentation (RFC 5737, RFC 3849) stand for all of their family.
        self.v4 |= carries(IpAddr::from([192, 0, 2, 1]));
        self.v6 |= carries(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
        self.finds_neighbors |= !IP.contains(&ether_type);
    }

    fn carry(&self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }
}
