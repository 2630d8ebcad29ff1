//! Names of hosts to addresses, by the system's resolver: our stack has none.

use crate::failure::{Failure, Outcome};
use std::net::{IpAddr, ToSocketAddrs};

/// An address of the host, of a family that one of ours is of.
///
/// # Errors
/// The name is not known, or has no address that we could talk to.
pub(crate) fn resolve(host: &str, ours: &[IpAddr]) -> Outcome<IpAddr> {
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
    let usable = all.iter().find(|address| ours.iter().any(|our| our.is_ipv4() == address.is_ipv4()));
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
        match resolve(host, &[ours.parse().unwrap()]) {
            Err(Failure::Told(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_need_no_resolver_but_a_common_family() {
        let ours = ["10.77.0.2".parse().unwrap()];
        assert_eq!(resolve("192.0.2.1", &ours).unwrap(), IpAddr::from([192, 0, 2, 1]));
        assert!(told("2001:db8::1", "10.77.0.2").contains("--address fd77::2/64"));
        assert!(told("192.0.2.1", "fd00::2").contains("--address 10.77.0.2/24"));
        assert!(told("no-such-name.invalid", "10.77.0.2").contains("check the name"));
    }
}
