//! What a packet causes beyond its verdict; emitted by protocols, applied by the host when the call has returned.

use crate::{AddressState, DiscoveredRoute, DropReason, InterfaceAddress, LinkParameters, NetworkEvent};
use alloc::boxed::Box;
use bytes::Bytes;
use core::net::IpAddr;
use stack_packet::{LinkAddress, NicId, RxPacket};

/// Something for the host to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// ARP or neighbour discovery learned something.
    Neighbor(NeighborUpdate),
    /// An ICMP error arrived that quotes a packet of ours: tell its endpoint.
    Error(DeliveryError),
    /// A router reports the path MTU to `remote`, about a packet that has no endpoint: an answer to a ping. The network
    /// protocol has checked that it can be true; the host takes it if it is smaller than what is known (RFC 8201 §4).
    PathMtu {
        /// The destination.
        remote: IpAddr,
        /// The largest IP packet that fits, in bytes.
        mtu: u32,
    },
    /// A router on `from`'s link says that `gateway` is the better first hop to `destination`
    /// (RFC 1122 §3.2.2.2, RFC 4861 §8). The host believes it only from the current first hop.
    Redirect {
        /// The interface that the message came in by.
        nic: NicId,
        /// Who says so.
        from: IpAddr,
        /// The destination host.
        destination: IpAddr,
        /// The better first hop; the destination itself where it is on link.
        gateway: IpAddr,
        /// The link address of `gateway`, where the message tells it.
        link: Option<LinkAddress>,
    },
    /// The network endpoint has formed an address for the interface; the host tells it of the new address as of others.
    AddAddress {
        /// The interface.
        nic: NicId,
        /// The address.
        address: InterfaceAddress,
    },
    /// An address that the network endpoint has formed is no longer valid.
    RemoveAddress {
        /// The interface.
        nic: NicId,
        /// The address.
        address: IpAddr,
    },
    /// An address is at another point of its life.
    AddressState {
        /// The interface.
        nic: NicId,
        /// The address.
        address: IpAddr,
        /// Where it is now.
        state: AddressState,
    },
    /// A router has told of a route, or of another preference for one that is known.
    RouteFound(DiscoveredRoute),
    /// A route that a router had told of is no longer there.
    RouteLost(DiscoveredRoute),
    /// A router has said what holds for all on the link.
    LinkParameters(LinkParameters),
    /// Something that the person who runs the host may want to know.
    Event(NetworkEvent),
    /// The probes for a tentative address met no other user: it may be used (RFC 5227 §2.1.1, RFC 4862 §5.4).
    AddressReady {
        /// The interface.
        nic: NicId,
        /// The address.
        address: IpAddr,
    },
    /// Another station uses an address of ours and won (RFC 5227 §2.4, RFC 4862 §5.4.5): it must go.
    AddressConflict {
        /// The interface.
        nic: NicId,
        /// The address.
        address: IpAddr,
        /// The other station.
        link: LinkAddress,
    },
    /// Receive a multicast group on an interface, or stop to; counted, so joins and leaves must balance.
    Group {
        /// The interface.
        nic: NicId,
        /// The group.
        group: IpAddr,
        /// Join, or leave.
        join: bool,
    },
    /// A message for us that the network endpoint has dealt with itself: raw sockets see it all the same.
    LocalInput(Box<RxPacket>),
    /// A packet to a group that is delivered here may have to go on to other interfaces too (RFC 1812 §5.2.1.3).
    ForwardGroup(Box<RxPacket>),
    /// Packets that the network endpoint had kept ended after all: fragments whose datagram will never be whole.
    Dropped {
        /// The interface that they came in by.
        nic: NicId,
        /// Why.
        reason: DropReason,
        /// How many packets.
        packets: u32,
    },
}

/// What a link-address resolution message says of a neighbour, in the words of RFC 4861 §7.2; ARP maps onto them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborUpdate {
    /// The interface.
    pub nic: NicId,
    /// The neighbour.
    pub address: IpAddr,
    /// Its link address; `None` in an advertisement without the option.
    pub link: Option<LinkAddress>,
    /// A reply to our request: reachability is confirmed. ARP replies to us, solicited advertisements.
    pub solicited: bool,
    /// Replace a different cached link address (the O flag; true for ARP).
    pub overrides: bool,
    /// Whether the neighbour is a router, where the message says (the R flag).
    pub router: Option<bool>,
    /// Make an entry if there is none: requests to us and solicited answers, not gratuitous ones.
    pub create: bool,
}

/// Where an error came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorOrigin {
    /// An ICMP message: possibly forged, to be checked against what is in flight (RFC 5927).
    Icmp {
        /// Who sent it.
        from: IpAddr,
    },
    /// Our own stack: no route, a neighbour that does not answer, a packet too big for the interface.
    Local,
}

/// What went wrong on the way to a destination; the codes of both ICMPs in one list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorKind {
    /// No route to the network, or none from there (ICMPv4 3/0 and 3/6, ICMPv6 1/0 and 1/2).
    NetUnreachable,
    /// The host does not answer or is unknown (ICMPv4 3/1 and 3/7, ICMPv6 1/3).
    HostUnreachable,
    /// The protocol is not spoken there (ICMPv4 3/2, ICMPv6 4/1).
    ProtocolUnreachable,
    /// Nobody listens on the port (ICMPv4 3/3, ICMPv6 1/4).
    PortUnreachable,
    /// The packet is too big for a link on the way (ICMPv4 3/4, ICMPv6 2/0).
    PacketTooBig {
        /// The largest IP packet that fits, in bytes; 0 from routers that don't say (before RFC 1191).
        mtu: u32,
    },
    /// A source route failed (ICMPv4 3/5).
    SourceRouteFailed,
    /// A policy forbids it (ICMPv4 3/9, 3/10, 3/13, ICMPv6 1/1, 1/5, 1/6).
    Prohibited,
    /// TTL or hop limit ran out on the way (ICMPv4 11/0, ICMPv6 3/0).
    HopLimitExceeded,
    /// The destination gave up to reassemble (ICMPv4 11/1, ICMPv6 3/1).
    ReassemblyTimeout,
    /// A header field is wrong (ICMPv4 12/0, ICMPv6 4/0 to 4/2).
    ParameterProblem {
        /// Offset of the field in the quoted packet, in bytes.
        pointer: u32,
        /// The code of the message.
        code: u8,
    },
}

/// An error about a packet that one of our endpoints sent.
#[derive(Clone, Debug)]
pub struct DeliveryError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// Who found it.
    pub origin: ErrorOrigin,
    /// The interface that heard of it; `None` for errors of our own that have none.
    pub nic: Option<NicId>,
    /// Transport protocol of the packet.
    pub protocol: u8,
    /// Its source: our address.
    pub local: IpAddr,
    /// Its destination.
    pub remote: IpAddr,
    /// The packet from its transport header on, as far as it is quoted (at least 8 bytes).
    pub quoted: Bytes,
}
