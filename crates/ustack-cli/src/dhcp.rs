//! `ustack serve --dhcp`: an IPv4 address from a server on the link, kept while the program runs, and given back at its end.

use crate::failure::{Failure, Outcome};
use std::future::pending;
use std::net::IpAddr;
use std::time::Duration;
use svc_dhcp::v4::{Client, ClientConfig, Event};
use tokio::time::timeout;
use ustack::{NicId, Stack};

/// How long an address is waited for: three messages of a client, and nine seconds of asking on the link whether another
/// station has it (RFC 2131 §4.1, RFC 5227 §2.1).
const PATIENCE: Duration = Duration::from_secs(40);

/// A lease of ours, or none.
pub(crate) struct Lease(Option<Client>);

impl Lease {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Waits for an address on the interface.
    ///
    /// # Errors
    /// No server has given one in time.
    pub(crate) async fn acquire(stack: &Stack, nic: NicId) -> Outcome<(Self, IpAddr)> {
        let failed = |error: svc_dhcp::Error| Failure::new("get an address by DHCP", error, "see --address");
        let mut client = Client::new(stack, nic, ClientConfig::default()).map_err(failed)?;
        let address = timeout(PATIENCE, async {
            loop {
                if let Event::Configured(lease) = client.next().await? {
                    return Ok(IpAddr::V4(lease.address.addr()));
                }
            }
        });
        let none = |_| {
            let secs = PATIENCE.as_secs();
            format!(
                "no DHCP server has given us an address in {secs} s; is there one on the link? Or use --address"
            )
        };
        let address = address.await.map_err(none)?.map_err(failed)?;
        Ok((Self(Some(client)), address))
    }

    /// Keeps the address; returns only when that fails.
    pub(crate) async fn keep(&mut self) -> Failure {
        let Some(client) = &mut self.0 else { return pending().await };
        loop {
            match client.next().await {
                Ok(Event::Configured(lease)) => tracing::info!(address = %lease.address, "leased again"),
                Ok(Event::Lost(lease)) => {
                    tracing::warn!(address = %lease.address, "the lease is lost; asking again")
                }
                Err(error) => return error.to_string().into(),
            }
        }
    }

    /// Gives it back, as far as that still works.
    pub(crate) async fn release(self) {
        let Some(client) = self.0 else { return };
        if let Err(error) = client.release().await {
            tracing::debug!(%error, "the lease was not given back");
        }
    }
}
