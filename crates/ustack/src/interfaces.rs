//! Interfaces of a running stack: making and removing them, their addresses, and what they accept.

use crate::driver::gate::Gate;
use crate::driver::{Port, reader};
use crate::error::NicError;
use crate::lock::lock;
use crate::nic::NicConfig;
use crate::shared::Outlet;
use crate::stack::Stack;
use stack_core::{Error, Instant, IpNet, LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, NicId};
use stack_host::{Host, LOCAL_NIC, RouteEntry};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

impl Stack {
    /// Makes an interface and lets packets pass.
    ///
    /// # Errors
    /// What is doubled or contradictory, with the remedy.
    pub fn create_nic(&self, config: NicConfig) -> Result<NicId, NicError> {
        self.add_nic(config, true)
    }

    /// Makes an interface whose link is not read before [`enable_nic`](Self::enable_nic).
    ///
    /// # Errors
    /// What is doubled or contradictory, with the remedy.
    pub fn create_disabled_nic(&self, config: NicConfig) -> Result<NicId, NicError> {
        self.add_nic(config, false)
    }

    /// Lets packets pass.
    ///
    /// # Errors
    /// [`Error::UnknownNic`]; [`Error::BadLink`] if its link is gone.
    pub fn enable_nic(&self, nic: NicId) -> Result<(), Error> {
        self.set_enabled(nic, true)
    }

    /// Stops packets in both directions; what waits to be sent is dropped.
    ///
    /// # Errors
    /// [`Error::UnknownNic`]; [`Error::BadLink`] if its link is gone.
    pub fn disable_nic(&self, nic: NicId) -> Result<(), Error> {
        self.set_enabled(nic, false)
    }

    /// Takes an interface away, with its addresses and the routes over it, and closes its link.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], also for the interface of the host's own traffic.
    pub fn remove_nic(&self, nic: NicId) -> Result<(), Error> {
        let now = self.now();
        let gate = self.shared().peek(|core| {
            core.host.nic_counters(nic)?;
            core.ledger.close(&mut core.host, nic);
            core.host.remove_nic(now, nic)?;
            let position = core.outlets.iter().position(|outlet| outlet.nic == nic);
            Ok(position.map(|position| core.outlets.remove(position).gate))
        })?;
        if let Some(gate) = gate {
            gate.close();
        }
        self.shared().notifier.notify();
        tracing::info!(%nic, "interface removed");
        Ok(())
    }

    /// Gives an interface an address with its subnet; the first of a family is the source of new connections.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::UnknownProtocol`] if no network protocol carries it, [`Error::DuplicateAddress`].
    pub fn add_address(&self, nic: NicId, address: IpNet) -> Result<(), Error> {
        self.with_host(|host, now| host.add_address(now, nic, address))
    }

    /// Takes an address from an interface. It lives on while a route holds it.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::BadLocalAddress`] if the interface does not have it.
    pub fn remove_address(&self, nic: NicId, address: IpAddr) -> Result<(), Error> {
        self.with_host(|host, now| host.remove_address(now, nic, address))
    }

    /// Accepts packets to all addresses of a subnet as if they were ours.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::DuplicateAddress`].
    pub fn add_subnet(&self, nic: NicId, subnet: IpNet) -> Result<(), Error> {
        self.with_host(|host, _| host.add_subnet(nic, subnet))
    }

    /// Undoes [`add_subnet`](Self::add_subnet).
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::BadLocalAddress`] if it was not there.
    pub fn remove_subnet(&self, nic: NicId, subnet: IpNet) -> Result<(), Error> {
        self.with_host(|host, _| host.remove_subnet(nic, subnet))
    }

    /// Accepts packets to any address, or no longer.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn set_promiscuous_mode(&self, nic: NicId, on: bool) -> Result<(), Error> {
        self.with_host(|host, _| host.set_promiscuous(nic, on))
    }

    /// Lets sockets send in the name of any address, or no longer.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn set_spoofing(&self, nic: NicId, on: bool) -> Result<(), Error> {
        self.with_host(|host, _| host.set_spoofing(nic, on))
    }

    /// Forwards packets that come in by this interface and are not for us, or no longer.
    ///
    /// # Errors
    /// [`Error::UnknownNic`].
    pub fn set_forwarding(&self, nic: NicId, on: bool) -> Result<(), Error> {
        self.with_host(|host, _| host.set_forwarding(nic, on))
    }

    /// Gives an interface another address on its link; IPv6 neighbours are told (RFC 4861 §7.2.6). The link must take
    /// frames to it.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::InvalidArgument`] for an address that no station can have.
    pub fn set_link_address(&self, nic: NicId, address: LinkAddress) -> Result<(), Error> {
        self.with_host(|host, now| host.set_link_address(now, nic, address))
    }

    fn add_nic(&self, config: NicConfig, enabled: bool) -> Result<NicId, NicError> {
        config.check(&self.inner.networks)?;
        let mut capabilities = config.link.capabilities();
        capabilities.mtu = config.mtu.map_or(capabilities.mtu, |mtu| mtu.min(capabilities.mtu));
        let wants_outcomes = capabilities.wants_outcomes;
        let (id, name) =
            self.with_host(|host, now| add_to_host(host, now, &config, capabilities, enabled))?;
        let mut drops = config.link.drops();
        let (receive, transmit) = config.link.split();
        let (gate, enabled) = (Arc::new(Gate::new(transmit)), Arc::new(AtomicBool::new(enabled)));
        drops.push(Arc::clone(&gate) as Arc<dyn LinkDrops>);
        let (receive, reader) = if config.own_thread && !wants_outcomes {
            let started = reader::start(self.shared(), id, receive, &gate, &enabled);
            let (rest, reader) = started.map_err(|error| {
                self.with_host(|host, now| host.remove_nic(now, id).ok());
                NicError::Thread { nic: id, kind: error.kind() }
            })?;
            (rest, Some(reader))
        } else {
            (receive, None)
        };
        let port = Port::new(id, receive, Arc::clone(&gate), Arc::clone(&enabled), wants_outcomes);
        self.shared().peek(|core| {
            core.outlets.push(Outlet { nic: id, gate, enabled, reader });
            core.ledger.open(id, drops);
        });
        lock(&self.shared().new_ports).push(port);
        // What the addresses have caused meanwhile (probes, announcements) goes out now.
        self.with_host(|_, _| ());
        self.shared().notifier.notify();
        tracing::info!(nic = %id, name, "interface created");
        Ok(id)
    }

    fn set_enabled(&self, nic: NicId, on: bool) -> Result<(), Error> {
        let now = self.now();
        self.shared().peek(|core| {
            let link = core.outlets.iter().find(|outlet| outlet.nic == nic);
            core.host.nic_counters(nic)?;
            if link.is_none() && nic != LOCAL_NIC {
                return Err(Error::BadLink);
            }
            if on {
                core.host.enable_nic(now, nic)?
            } else {
                core.host.disable_nic(now, nic)?
            }
            if let Some(link) = link {
                link.enabled.store(on, Ordering::SeqCst);
                link.reader.iter().for_each(|reader| reader.notify());
            }
            Ok(())
        })?;
        // An interface that comes up may have to announce its addresses.
        self.with_host(|_, _| ());
        self.shared().notifier.notify();
        tracing::info!(%nic, up = on, "interface");
        Ok(())
    }
}

/// Makes the interface with all that belongs to it, or nothing.
fn add_to_host(
    host: &mut Host,
    now: Instant,
    config: &NicConfig,
    capabilities: LinkCapabilities,
    enabled: bool,
) -> Result<(NicId, String), NicError> {
    let id = config.id.unwrap_or_else(|| free_id(host));
    if host.nics().any(|nic| nic.id == id) {
        return Err(NicError::DuplicateNic { nic: id });
    }
    let name = config.name.clone().unwrap_or_else(|| id.to_string());
    if host.nics().any(|nic| nic.name == name) {
        return Err(NicError::DuplicateName { name });
    }
    let link_address = config.link_address.or_else(|| config.link.link_address());
    let host_config = stack_host::NicConfig { name: name.clone(), capabilities, link_address, enabled };
    host.add_nic(now, id, host_config).map_err(NicError::Other)?;
    if let Err(error) = furnish(host, now, id, config) {
        let _ = host.remove_nic(now, id);
        return Err(error);
    }
    Ok((id, name))
}

fn furnish(host: &mut Host, now: Instant, id: NicId, config: &NicConfig) -> Result<(), NicError> {
    for net in &config.addresses {
        host.add_address(now, id, *net).map_err(|error| match error {
            Error::DuplicateAddress => NicError::DuplicateAddress { address: net.addr() },
            Error::UnknownProtocol => NicError::no_network_protocol(net.addr()),
            error => NicError::Other(error),
        })?;
    }
    for gateway in &config.gateways {
        let everywhere = if gateway.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        host.add_route(RouteEntry::new(IpNet::new_assert(everywhere, 0), id).via(*gateway));
    }
    let modes = [
        host.set_promiscuous(id, config.promiscuous),
        host.set_spoofing(id, config.spoofing),
        host.set_forwarding(id, config.forwarding),
    ];
    modes.into_iter().collect::<Result<(), Error>>().map_err(NicError::Other)
}

fn free_id(host: &Host) -> NicId {
    let taken: Vec<NicId> = host.nics().map(|nic| nic.id).collect();
    (1..).map(NicId).find(|id| !taken.contains(id)).unwrap_or(LOCAL_NIC)
}
