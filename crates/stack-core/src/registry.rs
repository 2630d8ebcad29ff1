//! What several shards of one host would have to share. The host owns plain maps; the shell brings concurrent ones.

use crate::{Error, Families};
use core::net::{IpAddr, SocketAddr};
use stack_packet::{Instant, NicId};

/// A wish for a local port.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortRequest {
    /// Network protocols that it is for.
    pub families: Families,
    /// The local address; `None` for all.
    pub local: Option<IpAddr>,
    /// The port; 0 to pick an ephemeral one.
    pub port: u16,
    /// The peer, where it is known: ports towards different peers don't clash.
    pub remote: Option<SocketAddr>,
    /// The interface it is bound to.
    pub nic: Option<NicId>,
    /// May share the port with requests that allow it too (`SO_REUSEPORT`; datagram `SO_REUSEADDR`).
    pub shared: bool,
}

/// Which ports are taken, for each transport protocol.
pub trait PortRegistry: Send {
    /// Takes a port, atomically over the families; `random` seeds the choice of an ephemeral one (RFC 6056).
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NoPortAvailable`].
    fn reserve(&mut self, protocol: u8, request: &PortRequest, random: u64) -> Result<u16, Error>;

    /// Gives it back.
    fn release(&mut self, protocol: u8, request: &PortRequest);
}

/// Path MTUs by destination; they age, so that a path that grew is found out (RFC 1191 §6.3, RFC 8201 §5.3).
pub trait PathMtuStore: Send {
    /// The MTU to a destination, if a smaller one than the interface's is known, in bytes.
    fn path_mtu(&self, now: Instant, remote: IpAddr) -> Option<u32>;

    /// Remembers one.
    fn set_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32);
}
