//! Names of hosts to addresses, by the system's resolver: our stack has none.

use crate::failure::{Failure, Outcome};
use clap::Args;
use ipnet::IpNet;
use std::net::{IpAddr, ToSocketAddrs};

/// Which family a command is to use.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct FamilyArgs {
    /// Use IPv4 only
    #[arg(short = '4', long = "ipv4", conflicts_with = "v6")]
    v4: bool,

    /// Use IPv6 only
    #[arg(short = '6', long = "ipv6")]
    v6: bool,
}

impl FamilyArgs {
    fn admits(self, address: &IpAddr) -> bool {
        if address.is_ipv4() { !self.v6 } else { !self.v4 }
    }
}

/// An address of the host, of a family that one of ours is of and that was asked for.
///
/// # Errors
/// The name is not known, or has no address that we could talk to.
pub(crate) fn resolve(host: &str, ours: &[IpNet], family: FamilyArgs) -> Outcome<IpAddr> {
    let all: Vec<IpAddr> = match host.parse() {
        Ok(address) => vec![address],
        Err(_) => (host, 0)
            .to_socket_addrs()
            .map_err(|error| {
                Failure::new(format_args!("find {host:?}"), error, "check the name, or give its address")
            })?
            .map(|address| address.ip())
            .collect(),
    };
    let all: Vec<IpAddr> = all.into_iter().filter(|address| family.admits(address)).collect();
    if all.is_empty() {
        let (wanted, other) = if family.v6 { ("IPv6", "-4") } else { ("IPv4", "-6") };
        return Err(format!("{host} has no {wanted} address; try {other}, or neither").into());
    }
    let usable = all.iter().find(|address| ours.iter().any(|our| our.addr().is_ipv4() == address.is_ipv4()));
    usable.copied().ok_or_else(|| {
        let (theirs, hint) = match all.first() {
            Some(IpAddr::V6(_)) => ("IPv6", "--address fd77::2/64"),
            _ => ("IPv4", "--address 10.77.0.2/24"),
        };
        format!("{host} has {theirs} addresses only and our stack has none of these; give it one with {hint}")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: &str, ours: &str) -> String {
        match resolve(host, &[ours.parse().unwrap()], FamilyArgs::default()) {
            Err(Failure::Told(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_need_no_resolver_but_a_common_family() {
        let ours = ["10.77.0.2/24".parse().unwrap()];
        let any = FamilyArgs::default();
        assert_eq!(resolve("192.0.2.1", &ours, any).unwrap(), IpAddr::from([192, 0, 2, 1]));
        assert!(told("2001:db8::1", "10.77.0.2/24").contains("--address fd77::2/64"));
        assert!(told("192.0.2.1", "fd00::2/64").contains("--address 10.77.0.2/24"));
        assert!(told("no-such-name.invalid", "10.77.0.2/24").contains("check the name"));
        let six = FamilyArgs { v6: true, ..any };
        let Err(Failure::Told(none)) = resolve("192.0.2.1", &ours, six) else {
            panic!("it is no IPv6 address")
        };
        assert_eq!(none, "192.0.2.1 has no IPv6 address; try -4, or neither");
    }
}
