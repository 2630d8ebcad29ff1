//! The four numbers that name a connection.

use core::net::{IpAddr, SocketAddr};
use stack_core::{EndpointIdentity, Families, NicId, RxPacket};

/// Addresses and ports of both ends. The local address never changes during a connection (R9293-MUST-45).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tuple {
    pub(crate) local: IpAddr,
    pub(crate) remote: IpAddr,
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
}

impl Tuple {
    /// The tuple of an inbound packet, seen from our side.
    pub(crate) fn of_packet(packet: &RxPacket, src_port: u16, dst_port: u16) -> Self {
        Self { local: packet.ip.dst, remote: packet.ip.src, local_port: dst_port, remote_port: src_port }
    }

    /// Our end.
    pub(crate) fn local_address(&self) -> SocketAddr {
        SocketAddr::new(self.local, self.local_port)
    }

    /// The peer's end.
    pub(crate) fn remote_address(&self) -> SocketAddr {
        SocketAddr::new(self.remote, self.remote_port)
    }

    /// The key under which the host finds the connection.
    pub(crate) fn identity(&self, nic: Option<NicId>) -> EndpointIdentity {
        EndpointIdentity {
            nic,
            families: Families::of(self.local),
            local: Some(self.local),
            local_port: self.local_port,
            remote: Some(self.remote),
            remote_port: self.remote_port,
            shared: false,
        }
    }

    /// Octets of an IP header without options in front of our segments.
    pub(crate) fn ip_header_len(&self) -> u32 {
        match self.local {
            IpAddr::V4(_) => 20,
            IpAddr::V6(_) => 40,
        }
    }

    /// Octets of the tuple, in a fixed order: what keyed hashes are fed.
    pub(crate) fn bytes(&self) -> ([u8; 36], usize) {
        let mut out = [0; 36];
        let mut len = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(to) = out.get_mut(len..len + bytes.len()) {
                to.copy_from_slice(bytes);
                len += bytes.len();
            }
        };
        for address in [self.local, self.remote] {
            match address {
                IpAddr::V4(v4) => put(&v4.octets()),
                IpAddr::V6(v6) => put(&v6.octets()),
            }
        }
        put(&self.local_port.to_be_bytes());
        put(&self.remote_port.to_be_bytes());
        (out, len)
    }
}

/// Whether an address is confined to its link, so that it means something only together with an interface.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Whether an address can be the peer of a connection: not unspecified, not a group, not all ones
/// (R9293-MUST-46, R9293-MUST-63).
pub(crate) fn can_be_peer(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}
