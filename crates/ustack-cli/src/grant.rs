//! `ustack serve --grant`: addresses of our subnet for the hosts on the link, by DHCP.

use crate::failure::{Failure, Outcome};
use ipnet::Ipv4Net;
use stack_core::Medium;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use svc_dhcp::v4::{Server, ServerConfig};
use ustack::{NicId, NicInfo, Stack};

/// First and last address of a pool, as people write it: `10.77.0.50-10.77.0.99`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pool {
    first: Ipv4Addr,
    last: Ipv4Addr,
}

impl FromStr for Pool {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let both = text.split_once('-').and_then(|(first, last)| {
            let [first, last] = [first, last].map(|address| address.trim().parse().ok());
            Some(Self { first: first?, last: last? })
        });
        both.ok_or_else(|| "write the first and the last address, such as 10.77.0.50-10.77.0.99".to_owned())
    }
}

/// A server for the interface, if a pool was given. It names no router: we do not forward.
///
/// # Errors
/// The pool is not of our subnet, or the interface has no IPv4 address or nobody who could ask.
pub(crate) fn server(stack: &Stack, nic: NicId, pool: Option<Pool>) -> Outcome<Option<Server>> {
    let Some(Pool { first, last }) = pool else { return Ok(None) };
    let nics = stack.nics();
    let Some(info) = nics.iter().find(|info| info.id == nic) else { return Ok(None) };
    if info.capabilities.medium != Medium::Ethernet {
        return Err("--grant needs a link with stations; add --tap, or use an interface with --packet"
            .to_owned()
            .into());
    }
    let none = || "--grant needs an IPv4 address of ours; give one with --address".to_owned();
    let ours = our_subnet(info).ok_or_else(none)?;
    let server = Server::new(stack, nic, ServerConfig::new(ours, first, last));
    server.map(Some).map_err(|error| error.to_string().into())
}

/// Grants addresses; returns only when that fails.
pub(crate) async fn run(server: &mut Option<Server>) -> Failure {
    match server {
        Some(server) => match server.run().await {
            Ok(()) => std::future::pending().await,
            Err(error) => error.to_string().into(),
        },
        None => std::future::pending().await,
    }
}

fn our_subnet(nic: &NicInfo) -> Option<Ipv4Net> {
    nic.addresses.iter().find_map(|own| match own.net.addr() {
        IpAddr::V4(address) => Ipv4Net::new(address, own.net.prefix_len()).ok(),
        IpAddr::V6(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_two_addresses() {
        let pool = Pool { first: Ipv4Addr::new(10, 77, 0, 50), last: Ipv4Addr::new(10, 77, 0, 99) };
        assert_eq!("10.77.0.50-10.77.0.99".parse(), Ok(pool));
        assert_eq!("10.77.0.50 - 10.77.0.99".parse(), Ok(pool));
        for text in ["", "10.77.0.50", "10.77.0.50-", "10.77.0.50-99", "fd00::1-fd00::9"] {
            assert!(text.parse::<Pool>().unwrap_err().contains("such as"), "{text}");
        }
    }
}
