//! Why an interface can't be used: what failed, why, and what to do next.

use crate::Interface;
use std::io;
use thiserror::Error;

/// Why an interface could not be attached to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PacketError {
    /// There is no packet socket for us.
    #[error("cannot open a packet socket: {source}; {}", open_hint(source))]
    Open {
        /// What the system says.
        source: io::Error,
    },
    /// There is no such interface.
    #[error("there is no {}; `ip link` lists what there is in this network namespace", Named(interface))]
    NoInterface {
        /// The interface asked for.
        interface: Interface,
    },
    /// The interface has no Ethernet frames.
    #[error(
        "{name} does not carry Ethernet frames (hardware type {hardware}); use a TUN device for IP packets"
    )]
    NotEthernet {
        /// The name of the interface.
        name: String,
        /// Its hardware type (`ARPHRD_`).
        hardware: u16,
    },
    /// A property of the socket or of the interface could not be read or set.
    #[error("cannot {what} of {name}: {source}; {}", configure_hint(source))]
    Configure {
        /// What was tried, as in "read the MTU".
        what: &'static str,
        /// The name of the interface.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

/// An interface, for people.
struct Named<'a>(&'a Interface);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Interface::Name(name) => write!(f, "interface {name:?}"),
            Interface::Index(index) => write!(f, "interface with index {index}"),
        }
    }
}

fn open_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "run with CAP_NET_RAW (sudo), or in a user namespace with a network of its own (unshare -Urn)"
        }
        _ => "see whether the kernel has packet sockets (`modprobe af_packet`)",
    }
}

fn configure_hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "run with CAP_NET_RAW in the network namespace of the interface",
        _ => "see whether somebody has removed the interface",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_interface_and_the_remedy() {
        let none = PacketError::NoInterface { interface: Interface::Name("veth9".into()) };
        assert!(none.to_string().starts_with("there is no interface \"veth9\""), "{none}");
        let none = PacketError::NoInterface { interface: Interface::Index(9) };
        assert!(none.to_string().contains("index 9"), "{none}");
        let denied = PacketError::Open { source: io::Error::from(io::ErrorKind::PermissionDenied) };
        assert!(denied.to_string().contains("CAP_NET_RAW"), "{denied}");
        let gone = io::Error::from(io::ErrorKind::NotFound);
        let gone = PacketError::Configure { what: "read the MTU", name: "veth0".into(), source: gone };
        assert!(gone.to_string().starts_with("cannot read the MTU of veth0"), "{gone}");
    }
}
