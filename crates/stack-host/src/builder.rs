//! Making a host: which protocols it speaks and where its chance comes from.

use crate::route::RouteOrder;
use crate::{Host, NicConfig};
use alloc::boxed::Box;
use alloc::vec::Vec;
use stack_core::{
    Instant, IpNet, LinkCapabilities, Medium, NetworkProtocol, PathMtuStore, PortRegistry, Rng,
    TransportProtocol,
};
use thiserror::Error;

/// Settings of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostConfig {
    /// How the routing table is searched.
    pub route_order: RouteOrder,
}

/// Why a host could not be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two network protocols have the same EtherType.
    #[error("{first} and {second} both have EtherType {ether_type:#06x}: register only one of them")]
    DuplicateNetwork {
        /// The number.
        ether_type: u16,
        /// The one that was there.
        first: &'static str,
        /// The one that came later.
        second: &'static str,
    },
    /// Two transport protocols have the same number.
    #[error("{first} and {second} both have protocol number {number}: register only one of them")]
    DuplicateTransport {
        /// The number.
        number: u8,
        /// The one that was there.
        first: &'static str,
        /// The one that came later.
        second: &'static str,
    },
    /// No source of chance was given.
    #[error("a host needs a source of random numbers for ports and sequence numbers: call `rng`")]
    NoRng,
}

/// Collects what a host is made of.
#[derive(Default)]
pub struct HostBuilder {
    pub(crate) config: HostConfig,
    pub(crate) networks: Vec<Box<dyn NetworkProtocol>>,
    pub(crate) transports: Vec<Box<dyn TransportProtocol>>,
    pub(crate) rng: Option<Box<dyn Rng>>,
    pub(crate) ports: Option<Box<dyn PortRegistry>>,
    pub(crate) path_mtus: Option<Box<dyn PathMtuStore>>,
}

impl HostBuilder {
    /// Registers a network protocol.
    #[must_use]
    pub fn network(self, protocol: impl NetworkProtocol) -> Self {
        self.boxed_network(Box::new(protocol))
    }

    /// Registers a network protocol that is boxed already.
    #[must_use]
    pub fn boxed_network(mut self, protocol: Box<dyn NetworkProtocol>) -> Self {
        self.networks.push(protocol);
        self
    }

    /// Registers a transport protocol.
    #[must_use]
    pub fn transport(self, protocol: impl TransportProtocol) -> Self {
        self.boxed_transport(Box::new(protocol))
    }

    /// Registers a transport protocol that is boxed already.
    #[must_use]
    pub fn boxed_transport(mut self, protocol: Box<dyn TransportProtocol>) -> Self {
        self.transports.push(protocol);
        self
    }

    /// Where random numbers come from; required. Cryptographic, except in tests.
    #[must_use]
    pub fn rng(mut self, rng: Box<dyn Rng>) -> Self {
        self.rng = Some(rng);
        self
    }

    /// Settings.
    #[must_use]
    pub fn config(mut self, config: HostConfig) -> Self {
        self.config = config;
        self
    }

    /// A registry of ports to share with other hosts, instead of one of its own.
    #[must_use]
    pub fn ports(mut self, ports: Box<dyn PortRegistry>) -> Self {
        self.ports = Some(ports);
        self
    }

    /// A store of path MTUs to share with other hosts, instead of one of its own.
    #[must_use]
    pub fn path_mtus(mut self, store: Box<dyn PathMtuStore>) -> Self {
        self.path_mtus = Some(store);
        self
    }

    /// Makes the host, with one interface: the one that carries what it sends to itself.
    ///
    /// # Errors
    /// A protocol registered twice, or no source of chance.
    pub fn build(mut self) -> Result<Host, BuildError> {
        self.check_networks()?;
        self.check_transports()?;
        let rng = self.rng.take().ok_or(BuildError::NoRng)?;
        let mut host = Host::from_parts(self, rng);
        host.add_local_interface();
        Ok(host)
    }

    fn check_networks(&self) -> Result<(), BuildError> {
        for (index, second) in self.networks.iter().enumerate() {
            let ether_type = second.ether_type();
            if let Some(first) = self.networks.iter().take(index).find(|p| p.ether_type() == ether_type) {
                let (first, second) = (first.name(), second.name());
                return Err(BuildError::DuplicateNetwork { ether_type, first, second });
            }
        }
        Ok(())
    }

    fn check_transports(&self) -> Result<(), BuildError> {
        for (index, second) in self.transports.iter().enumerate() {
            let number = second.number();
            if let Some(first) = self.transports.iter().take(index).find(|p| p.number() == number) {
                let (first, second) = (first.name(), second.name());
                return Err(BuildError::DuplicateTransport { number, first, second });
            }
        }
        Ok(())
    }
}

impl Host {
    /// The interface of the host's own traffic: 127.0.0.0/8 and ::1 live here and never reach a wire.
    fn add_local_interface(&mut self) {
        let capabilities = LinkCapabilities {
            rx_checksum: true,
            tx_checksum: true,
            tso4: true,
            tso6: true,
            uso: true,
            max_gso: 65_535,
            ..LinkCapabilities::plain(Medium::Loopback, 65_535)
        };
        let config = NicConfig::new("lo", capabilities);
        let addresses = [
            IpNet::new_assert([127, 0, 0, 1].into(), 8),
            IpNet::new_assert([0, 0, 0, 0, 0, 0, 0, 1].into(), 128),
        ];
        // Nothing can fail: the host is empty, and addresses without a protocol are left out.
        let _ = self.add_nic(Instant::ZERO, crate::LOCAL_NIC, config);
        for net in addresses {
            let _ = self.add_address(Instant::ZERO, crate::LOCAL_NIC, net);
        }
    }
}
