//! Building a stack: protocols, interfaces, routes, and where time and chance come from.

use crate::error::{BuildError, NicError};
use crate::nic::{Networks, NicConfig};
use crate::source::{SystemClock, SystemRng};
use crate::stack::{Driving, Stack};
use stack_core::{Clock, NetworkProtocol, PathMtuStore, PortRegistry, Rng, TransportProtocol};
use stack_host::{Host, HostBuilder, HostConfig, RouteEntry};

/// Collects what a [`Stack`] is made of; [`Stack::builder`] makes one.
#[derive(Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct StackBuilder {
    host: HostBuilder,
    pub(crate) networks: Networks,
    nics: Vec<NicConfig>,
    routes: Vec<RouteEntry>,
    rng: Option<Box<dyn Rng>>,
    clock: Option<Box<dyn Clock + Sync>>,
    driving: Driving,
}

impl StackBuilder {
    /// Registers a network protocol: `Ipv4`, `Ipv6`, `Arp`, or anybody's.
    pub fn network(mut self, protocol: impl NetworkProtocol) -> Self {
        self.networks.add(protocol.ether_type(), |address| protocol.carries(address));
        self.host = self.host.network(protocol);
        self
    }

    /// Registers a transport protocol: `Tcp`, `Udp`, `Icmp`, or anybody's.
    pub fn transport(mut self, protocol: impl TransportProtocol) -> Self {
        self.host = self.host.transport(protocol);
        self
    }

    /// Registers every protocol that this build has, with its default settings.
    pub fn default_protocols(self) -> Self {
        let builder = self;
        #[cfg(feature = "ipv4")]
        let builder = builder.network(net_ipv4::Ipv4::default());
        #[cfg(feature = "ipv6")]
        let builder = builder.network(net_ipv6::Ipv6::default());
        #[cfg(feature = "arp")]
        let builder = builder.network(net_arp::Arp::default());
        #[cfg(feature = "tcp")]
        let builder = builder.transport(trans_tcp::Tcp::new(trans_tcp::TcpConfig::default()));
        #[cfg(feature = "udp")]
        let builder = builder.transport(trans_udp::Udp::default());
        #[cfg(feature = "icmp")]
        let builder = builder.transport(trans_icmp::Icmp::v4()).transport(trans_icmp::Icmp::v6());
        #[cfg(feature = "raw")]
        let builder = builder.transport(trans_raw::Raw::default());
        builder
    }

    /// Adds an interface.
    pub fn nic(mut self, nic: NicConfig) -> Self {
        self.nics.push(nic);
        self
    }

    /// Adds a route, behind the ones that interfaces bring: the subnets of their addresses and their gateways.
    pub fn route(mut self, route: RouteEntry) -> Self {
        self.routes.push(route);
        self
    }

    /// Settings of the host.
    pub fn host_config(mut self, config: HostConfig) -> Self {
        self.host = self.host.config(config);
        self
    }

    /// Where random numbers come from. Default: [`SystemRng`]. Anything weaker is for tests only.
    pub fn rng(mut self, rng: impl Rng + 'static) -> Self {
        self.rng = Some(Box::new(rng));
        self
    }

    /// Where time comes from. Default: [`SystemClock`]. It has to run at about the speed of the system's clock, with
    /// which the driver sleeps; for virtual time drive a [`Host`] yourself.
    pub fn clock(mut self, clock: impl Clock + Sync + 'static) -> Self {
        self.clock = Some(Box::new(clock));
        self
    }

    /// A registry of ports shared with other stacks, such as [`SharedPorts`](crate::SharedPorts).
    pub fn ports(mut self, ports: impl PortRegistry + 'static) -> Self {
        self.host = self.host.ports(Box::new(ports));
        self
    }

    /// A store of path MTUs shared with other stacks, such as [`SharedPathMtus`](crate::SharedPathMtus).
    pub fn path_mtus(mut self, store: impl PathMtuStore + 'static) -> Self {
        self.host = self.host.path_mtus(Box::new(store));
        self
    }

    /// No thread of its own: packets move, and time passes, only while somebody is in [`Stack::run_inline`] or waits in a
    /// blocking socket.
    pub fn without_thread(mut self) -> Self {
        self.driving = Driving::Nobody;
        self
    }

    /// Makes the stack and starts its driver.
    ///
    /// # Errors
    /// What is missing, doubled or contradictory, with the remedy.
    pub fn build(self) -> Result<Stack, BuildError> {
        let rng = match self.rng {
            Some(rng) => rng,
            None => Box::new(SystemRng::new()?),
        };
        let host: Host = self.host.rng(rng).build()?;
        let clock = self.clock.unwrap_or_else(|| Box::new(SystemClock::new()));
        check_names(&self.nics)?;
        let stack = Stack::start(host, clock, self.networks, self.driving).map_err(BuildError::Driver)?;
        for nic in self.nics {
            stack.create_nic(nic)?;
        }
        for route in self.routes {
            let RouteEntry { destination, nic, .. } = route;
            stack.add_route(route).map_err(|_| BuildError::RouteNic { destination, nic })?;
        }
        Ok(stack)
    }
}

/// Two interfaces of one name are found before either exists.
fn check_names(nics: &[NicConfig]) -> Result<(), NicError> {
    for (index, nic) in nics.iter().enumerate() {
        let taken = nics.iter().take(index).any(|other| nic.name.is_some() && other.name == nic.name);
        if taken {
            return Err(NicError::DuplicateName { name: nic.name.clone().unwrap_or_default() });
        }
    }
    Ok(())
}

impl std::fmt::Debug for StackBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StackBuilder")
            .field("nics", &self.nics)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}
