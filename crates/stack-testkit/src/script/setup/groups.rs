//! `--igmp.…`, `--mld.…`: group management; `--nics`, `--mroute` and others: more interfaces, and routes between them.
//!
//! Scripts of other protocols don't want reports in between: MLD tells of nothing unless a script says `--mld.reports=on`.

use super::{NIC, START, Set, Setup, Unknown, duration, parse, switch};
use stack_core::{IpNet, LinkAddress, LinkCapabilities, Medium, NicId};
use stack_group::{GroupConfig, Version};
use stack_host::{Host, NicConfig};

/// Sets what `--igmp.name` or `--mld.name` says; `versions` are the protocol's own, oldest first.
pub(super) fn set_groups(config: &mut GroupConfig, versions: &[Version], name: &str, value: &str) -> Set<()> {
    match name {
        "reports" => config.reports = switch(value)?,
        "version" => {
            let number: usize = parse(value)?;
            config.version = Some(*versions.get(number.wrapping_sub(1)).ok_or(Unknown)?);
        }
        "robustness" => config.robustness = parse(value)?,
        "unsolicited_report_interval" => config.unsolicited_report_interval = duration(value)?,
        _ => return Err(Unknown),
    }
    Ok(())
}

impl Setup {
    /// `--nics=3`, `--nic_mtu=600`, `--mroute=…`, `--multicast_forwarding=on`
    pub(super) fn set_multicast(&mut self, name: &str, value: &str) -> Set<()> {
        match name {
            "nics" => {
                self.nics = parse::<u32>(value).ok().filter(|nics| (1..9).contains(nics)).ok_or(Unknown)?
            }
            "nic_mtu" => self.nic_mtu = parse(value)?,
            "mroute" => self.routes.push(crate::script::groups::route(value).ok_or(Unknown)?),
            "multicast_forwarding" => self.multicast_forwarding = switch(value)?,
            _ => return Err(Unknown),
        }
        Ok(())
    }

    /// Interfaces besides the first, each with an address of a net of its own, and the multicast routes.
    pub(super) fn add_multicast(&self, host: &mut Host) {
        for number in NIC.0 + 1..=self.nics {
            let nic = NicId(number);
            let capabilities = LinkCapabilities::plain(self.medium, self.nic_mtu);
            let mut config = NicConfig::new(&format!("script{number}"), capabilities);
            let link = LinkAddress([2, 0, 0, 0, number as u8, 1]);
            config.link_address = (self.medium == Medium::Ethernet).then_some(link);
            host.add_nic(START, nic, config).expect("no other interface has the number");
            let text = if self.local.addr().is_ipv6() {
                format!("fd00:{number}::1/64")
            } else {
                format!("10.0.{number}.1/24")
            };
            let net: IpNet = text.parse().expect("an address with its prefix");
            host.add_address(START, nic, net).expect("the interface has no address yet");
            host.set_forwarding(nic, self.forwarding).expect("the interface is there");
        }
        host.set_multicast_forwarding(self.multicast_forwarding);
        for route in &self.routes {
            host.add_multicast_route(route.clone()).expect("a script names a route that can be");
        }
    }
}
