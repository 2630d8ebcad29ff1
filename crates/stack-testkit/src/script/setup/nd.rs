//! `--nd.…`: settings of discovery, of addresses that are formed, and of the router's side.

use super::{NIC, Set, Setup, Unknown, duration, parse, switch};
use net_ipv6::{AdvertisedRoute, Identifiers, RouterConfig};
use stack_core::{AddressState, InterfaceAddress, RoutePreference};

impl Setup {
    pub(super) fn set_nd(&mut self, name: &str, value: &str) -> Set<()> {
        if let Some(name) = name.strip_prefix("router_") {
            return self.set_router(name, value);
        }
        let (nd, slaac) = (&mut self.ipv6.nd, &mut self.ipv6.slaac);
        match name {
            "link_local" => slaac.link_local = switch(value)?,
            "addresses" => slaac.addresses = switch(value)?,
            "temporary" => slaac.temporary = switch(value)?,
            "temporary_valid" => slaac.temporary_valid = duration(value)?,
            "temporary_preferred" => slaac.temporary_preferred = duration(value)?,
            "identifiers" => {
                slaac.identifiers = match value {
                    "opaque" => Identifiers::Opaque,
                    "eui64" => Identifiers::Eui64,
                    _ => return Err(Unknown),
                }
            }
            "secret" => slaac.secret = Some(parse::<u128>(value)?.to_be_bytes()),
            "probes" => nd.dad_transmits = parse(value)?,
            "flat_policies" => self.flat_policies = switch(value)?,
            "discover" => nd.router_discovery = switch(value)?,
            "persistent" => nd.persistent_solicitation = switch(value)?,
            "accept_redirects" => nd.accept_redirects = switch(value)?,
            "send_redirects" => nd.send_redirects = switch(value)?,
            _ => return Err(Unknown),
        }
        Ok(())
    }

    fn set_router(&mut self, name: &str, value: &str) -> Set<()> {
        if self.ipv6.routers.is_empty() {
            self.ipv6.routers.push(RouterConfig::new(NIC));
        }
        let Some(router) = self.ipv6.routers.first_mut() else { return Err(Unknown) };
        match name {
            "min_interval" => router.min_interval = duration(value)?,
            "max_interval" => router.max_interval = duration(value)?,
            "lifetime" => router.lifetime = duration(value)?,
            "preference" => router.preference = preference(value)?,
            "hop_limit" => router.hop_limit = parse(value)?,
            "managed" => router.managed = switch(value)?,
            "other" => router.other = switch(value)?,
            "reachable_time" => router.reachable_time = duration(value)?,
            "retrans_timer" => router.retrans_timer = duration(value)?,
            "mtu" => router.mtu = Some(parse(value)?),
            "prefix" => *router = router.clone().prefix(parse(value)?),
            "route" => {
                let (destination, lifetime) = (parse(value)?, Some(router.lifetime));
                router.routes.push(AdvertisedRoute { destination, preference: router.preference, lifetime });
            }
            "dns_server" => router.dns_servers.push(parse(value)?),
            "search_domain" => router.search_domains.push(value.to_owned()),
            _ => return Err(Unknown),
        }
        Ok(())
    }

    /// `--extra_address=2001:db8::5/64,deprecated,temporary`
    pub(super) fn add_extra_address(&mut self, value: &str) -> Set<()> {
        let mut words = value.split(',');
        let net = parse(words.next().unwrap_or_default())?;
        let mut address = InterfaceAddress::new(net, AddressState::Preferred);
        for word in words {
            match word {
                "deprecated" => address.state = AddressState::Deprecated,
                "tentative" => address.state = AddressState::Tentative,
                "temporary" => address.temporary = true,
                _ => return Err(Unknown),
            }
        }
        self.extra.push(address);
        Ok(())
    }
}

fn preference(value: &str) -> Set<RoutePreference> {
    match value {
        "low" => Ok(RoutePreference::Low),
        "medium" => Ok(RoutePreference::Medium),
        "high" => Ok(RoutePreference::High),
        _ => Err(Unknown),
    }
}
