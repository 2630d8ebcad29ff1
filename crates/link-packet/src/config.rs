//! What can be asked of an interface.

use stack_core::LinkAddress;

/// Which interface.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Interface {
    /// By its name.
    Name(String),
    /// By its index, which stays when it is renamed.
    Index(u32),
}

/// How an interface is to be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PacketConfig {
    /// The interface, in the network namespace of the thread that opens it.
    pub interface: Interface,
    /// The address of our station, which the link then names as its own. If it is not that of the interface, the interface
    /// is made promiscuous while it is in use. Default: the address of the interface.
    pub station: Option<LinkAddress>,
    /// Ask for the virtio-net header, checksum offload and super-packets. Default: yes.
    pub offload: bool,
    /// Frames that are read or written with one system call; at most 64. Default: 32, what the stack likes to handle in
    /// one turn.
    pub batch: usize,
    /// Memory for frames that wait for us, in bytes as the kernel counts it. Default: 4 MiB, 64 super-packets; without
    /// `CAP_NET_ADMIN` the kernel cuts it to `net.core.rmem_max`.
    pub receive_buffer: usize,
    /// Memory for frames that wait for the interface, in bytes as the kernel counts it; beyond it our stack waits.
    /// Default: 4 MiB, with the same limit (`net.core.wmem_max`).
    pub send_buffer: usize,
}

impl PacketConfig {
    /// The interface of this name.
    pub fn interface(name: impl Into<String>) -> Self {
        Self::of(Interface::Name(name.into()))
    }

    /// The interface with this index.
    pub fn index(index: u32) -> Self {
        Self::of(Interface::Index(index))
    }

    fn of(interface: Interface) -> Self {
        Self {
            interface,
            station: None,
            offload: true,
            batch: 32,
            receive_buffer: 4 << 20,
            send_buffer: 4 << 20,
        }
    }

    /// The same with this address of our station.
    #[must_use]
    pub fn with_station(self, station: LinkAddress) -> Self {
        Self { station: Some(station), ..self }
    }

    /// The same with offload asked for, or not.
    #[must_use]
    pub fn with_offload(self, offload: bool) -> Self {
        Self { offload, ..self }
    }

    /// The same with so many frames in a batch.
    #[must_use]
    pub fn with_batch(self, batch: usize) -> Self {
        Self { batch, ..self }
    }
}
