//! Who: endpoints, their identity on the network, and the addresses of an interface.

use core::net::{IpAddr, Ipv4Addr};
use ipnet::IpNet;
use stack_packet::NicId;

/// An endpoint of a transport protocol: a slot and the slot's generation, so that a stale handle finds nothing.
///
/// Opaque to the host. A protocol may use bits of `index` to tell its kinds of records apart (connections,
/// half-open peers, TIME-WAIT records); all of them are found by demultiplexing and can have a timer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct EndpointId {
    /// The slot.
    pub index: u32,
    /// How often the slot was used before.
    pub generation: u32,
}

/// Which network protocols an endpoint speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Families {
    /// IPv4 only.
    V4,
    /// IPv6 only (`IPV6_V6ONLY`).
    V6,
    /// Both: an IPv6 socket that takes IPv4 peers as well.
    Dual,
}

impl Families {
    /// The one family of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Whether an address of this kind can be an endpoint's.
    pub fn contains(self, address: IpAddr) -> bool {
        self == Self::Dual || self == Self::of(address)
    }

    /// Whether two endpoints could ever meet the same packet.
    pub fn intersect(self, other: Self) -> bool {
        self == Self::Dual || other == Self::Dual || self == other
    }
}

/// What an endpoint answers to: the key under which the host demultiplexes packets to it.
///
/// A `None` is a wildcard. Registration is all or nothing over the families.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EndpointIdentity {
    /// Only packets of this interface; also the zone of link-local addresses.
    pub nic: Option<NicId>,
    /// Network protocols.
    pub families: Families,
    /// Our address.
    pub local: Option<IpAddr>,
    /// Our port, or what the protocol's `parse_ports` puts in its place (the identifier of an ICMP echo).
    pub local_port: u16,
    /// The peer's address.
    pub remote: Option<IpAddr>,
    /// The peer's port; 0 without a peer.
    pub remote_port: u16,
    /// May share an identity with others that allow it too: unicast packets go to one of them by flow hash,
    /// broadcast and multicast to all (`SO_REUSEPORT`, or `SO_REUSEADDR` of datagram sockets).
    pub shared: bool,
}

/// The life of an address (RFC 4862 §2, RFC 5227 §2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AddressState {
    /// Being probed for duplicates: receives nothing, sends nothing.
    Tentative,
    /// In use, and a source for new connections.
    Preferred,
    /// In use by connections that have it; not chosen for new ones.
    Deprecated,
    /// Another station has it (RFC 4862 §5.4.5): receives nothing, sends nothing, until somebody removes it.
    Duplicate,
}

impl AddressState {
    /// Whether packets may have the address as their source or destination.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Preferred | Self::Deprecated)
    }
}

/// An address of an interface, with its subnet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct InterfaceAddress {
    /// Address and prefix length.
    pub net: IpNet,
    /// Where it is in its life.
    pub state: AddressState,
    /// Made to be given up again soon, so that connections can't be told to be of one host (RFC 8981).
    pub temporary: bool,
}

impl InterfaceAddress {
    /// An address that is not temporary.
    pub const fn new(net: IpNet, state: AddressState) -> Self {
        Self { net, state, temporary: false }
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.net.addr()
    }

    /// The subnet's broadcast address (RFC 1122 §3.3.6); none for IPv6 and for prefixes of 31 and 32 bits (RFC 3021).
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.net {
            IpNet::V4(net) if net.prefix_len() < 31 => Some(net.broadcast()),
            _ => None,
        }
    }
}
