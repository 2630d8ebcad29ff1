//! `ustack serve --dhcp`: our addresses from the link, kept while the program runs, and given back at its end. Of IPv4 a
//! server grants one; of IPv6 routers name prefixes, or say that a server grants addresses (RFC 4861 §4.2, the M flag).

use crate::failure::{Failure, Outcome};
use std::future::pending;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use svc_dhcp::{Error, Event, v4, v6};
use tokio::time::{Instant, sleep, timeout_at};
use ustack::{AddressState, NetworkEvent, NicId, Stack};

/// How long an address is waited for: three messages of a client, and nine seconds of asking on the link whether another
/// station has it (RFC 2131 §4.1, RFC 5227 §2.1).
const PATIENCE: Duration = Duration::from_secs(40);
/// How long the other family is waited for where one has its address: one message less.
const OTHER: Duration = Duration::from_secs(20);
/// Between two looks at what routers have said.
const LOOK: Duration = Duration::from_millis(100);

/// What is leased on an interface, of both families.
pub(crate) struct Leases {
    stack: Stack,
    nic: NicId,
    v4: v4::Client,
    /// Begun when a router says that there is a server.
    v6: Option<v6::Client>,
}

/// Something has become of an address.
enum Told {
    Leased(IpAddr),
    Lost(IpAddr),
    /// A router has said that a server grants addresses.
    Asked,
}

impl Leases {
    /// Waits for addresses on the interface.
    ///
    /// # Errors
    /// There are none in time.
    pub(crate) async fn acquire(stack: &Stack, nic: NicId) -> Outcome<Self> {
        let failed = |error: Error| Failure::new("get an address by DHCP", error, "see --address");
        let v4 = v4::Client::new(stack, nic, v4::ClientConfig::default()).map_err(failed)?;
        let mut leases = Self { stack: stack.clone(), nic, v4, v6: None };
        let start = Instant::now();
        let mut leased = Vec::new();
        while !leases.has_all(&leased) {
            let patience = if leases.addresses().is_empty() { PATIENCE } else { OTHER };
            match timeout_at(start + patience, leases.next()).await {
                Ok(Ok(Told::Leased(address))) => leased.push(address),
                Ok(Ok(Told::Lost(address))) => leased.retain(|other| *other != address),
                Ok(Ok(Told::Asked)) => {}
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => break,
            }
        }
        if leases.addresses().is_empty() {
            let secs = PATIENCE.as_secs();
            return Err(format!(
                "no DHCP server or router has given us an address in {secs} s; is there one on the link? Or use --address"
            )
            .into());
        }
        Ok(leases)
    }

    /// Our addresses that others can reach, leased or formed.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let nics = self.stack.nics();
        let of_nic = nics.iter().filter(|info| info.id == self.nic).flat_map(|info| &info.addresses);
        let usable = of_nic.filter(|own| own.state == AddressState::Preferred).map(|own| own.net.addr());
        usable.filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())).collect()
    }

    /// Keeps the addresses; returns only when that fails.
    pub(crate) async fn keep(&mut self) -> Failure {
        loop {
            match self.next().await {
                Ok(Told::Leased(address)) => tracing::info!(%address, "leased again"),
                Ok(Told::Lost(address)) => tracing::warn!(%address, "the lease is lost; asking again"),
                Ok(Told::Asked) => tracing::info!("a router says that a server grants IPv6 addresses"),
                Err(error) => return error.to_string().into(),
            }
        }
    }

    /// Gives them back, as far as that still works.
    pub(crate) async fn release(self) {
        let v6 = async {
            match self.v6 {
                Some(client) => client.release().await,
                None => Ok(()),
            }
        };
        let (v4, v6) = tokio::join!(self.v4.release(), v6);
        for error in [v4, v6].into_iter().filter_map(Result::err) {
            tracing::debug!(%error, "a lease was not given back");
        }
    }

    /// Whether there is an address from each server that there is.
    fn has_all(&self, leased: &[IpAddr]) -> bool {
        leased.iter().any(IpAddr::is_ipv4) && (self.v6.is_none() || leased.iter().any(IpAddr::is_ipv6))
    }

    async fn next(&mut self) -> Result<Told, Error> {
        let Self { stack, nic, v4, v6 } = self;
        let begun = v6.is_some();
        tokio::select! {
            event = v4.next() => Ok(match event? {
                Event::Configured(lease) => Told::Leased(lease.address.addr().into()),
                Event::Lost(lease) => Told::Lost(lease.address.addr().into()),
            }),
            event = next_of(v6) => Ok(match event? {
                Event::Configured(lease) => Told::Leased(address(&lease)),
                Event::Lost(lease) => Told::Lost(address(&lease)),
            }),
            () = asked(stack, *nic), if !begun => {
                *v6 = Some(v6::Client::new(stack, *nic, v6::ClientConfig::default())?);
                Ok(Told::Asked)
            }
        }
    }
}

async fn next_of(client: &mut Option<v6::Client>) -> Result<v6::Event, Error> {
    match client {
        Some(client) => client.next().await,
        None => pending().await,
    }
}

/// Stateful clients have an address in each lease.
fn address(lease: &v6::Lease) -> IpAddr {
    lease.address.unwrap_or(Ipv6Addr::UNSPECIFIED).into()
}

/// Waits until a router says that a server grants addresses.
async fn asked(stack: &Stack, nic: NicId) {
    let says = |event: &NetworkEvent| matches!(event, NetworkEvent::Dhcp { nic: at, addresses: true, .. } if *at == nic);
    while !stack.network_events().iter().any(says) {
        sleep(LOOK).await;
    }
}
