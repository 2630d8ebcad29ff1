//! What a lease means for a stack: an address, and routes.

use super::lease::Lease;
use crate::Error;
use ipnet::{IpNet, Ipv4Net};
use std::net::{IpAddr, Ipv4Addr};
use ustack::{AddressState, NicId, RouteEntry, Stack};

/// Gives the interface what the lease grants, in the place of what an older lease did.
pub(super) fn configure(
    stack: &Stack,
    nic: NicId,
    lease: &Lease,
    before: Option<&Lease>,
    state: AddressState,
) -> Result<(), Error> {
    let kept = before.is_some_and(|before| before.address == lease.address);
    if let Some(before) = before {
        withdraw_routes(stack, nic, before);
        if !kept {
            withdraw_address(stack, nic, before);
        }
    }
    if !kept {
        let address = IpAddr::V4(lease.address.addr());
        let given =
            stack.with_host(|host, now| host.add_address_in(now, nic, IpNet::V4(lease.address), state));
        given.map_err(|error| Error::Refused { address, error })?;
    }
    for route in routes(nic, lease) {
        let address = route.destination.addr();
        stack.add_route(route).map_err(|error| Error::Refused { address, error })?;
    }
    Ok(())
}

/// Takes it all away again. What somebody else has removed meanwhile is gone already.
pub(super) fn withdraw(stack: &Stack, nic: NicId, lease: &Lease) {
    withdraw_routes(stack, nic, lease);
    withdraw_address(stack, nic, lease);
}

fn withdraw_address(stack: &Stack, nic: NicId, lease: &Lease) {
    if let Err(error) = stack.remove_address(nic, IpAddr::V4(lease.address.addr())) {
        tracing::debug!(address = %lease.address, %error, "a leased address was gone already");
    }
}

fn withdraw_routes(stack: &Stack, nic: NicId, lease: &Lease) {
    let ours: Vec<RouteEntry> = routes(nic, lease).collect();
    stack.with_host(|host, _| host.remove_routes(|row| ours.contains(row)));
}

fn routes(nic: NicId, lease: &Lease) -> impl Iterator<Item = RouteEntry> + '_ {
    let default = Ipv4Net::default();
    let by_router = lease.routers.iter().map(move |router| (default, *router));
    by_router.chain(lease.routes.iter().copied()).map(move |(net, router)| RouteEntry {
        gateway: (router != Ipv4Addr::UNSPECIFIED).then_some(IpAddr::V4(router)),
        mtu: lease.mtu.map(u32::from),
        source: Some(IpAddr::V4(lease.address.addr())),
        ..RouteEntry::new(IpNet::V4(net.trunc()), nic)
    })
}
