//! What can be set for all sockets of the protocol, and where the defaults come from.

/// Settings of [`Udp`](crate::Udp).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpConfig {
    /// Receive buffer of a new socket, in bytes of pinned memory. Default 212,992: Linux's `net.core.rmem_default`.
    pub receive_buffer: usize,
    /// Send buffer of a new socket, in bytes. Default 212,992: Linux's `net.core.wmem_default`.
    pub send_buffer: usize,
    /// What a socket may raise either buffer to, in bytes; larger wishes are cut to this without an error, as Linux
    /// does. Default 16 MiB: what throughput guides tell people to set for `rmem_max`, 100 ms of 1 Gbit/s.
    pub max_buffer: usize,
    /// Memory that the receive queues of all sockets may pin together, in bytes; packets beyond it are dropped as
    /// [`MemoryPressure`](stack_core::DropReason::MemoryPressure). Default 64 MiB: four sockets with the largest buffer.
    pub memory_limit: usize,
    /// Sockets that may exist at a time, those included that are closed but have datagrams to send.
    /// Default 65,536: one for each port.
    pub max_sockets: usize,
    /// Groups that a socket may join. Default 20: Linux's `net.ipv4.igmp_max_memberships`.
    pub max_groups: usize,
    /// Sources that a socket may name of one group. Default 64: Linux's `IP_MAX_MSF` is 10, its `MLD_MAX_MSF` 64.
    pub max_sources: usize,
    /// Error reports that a socket keeps until somebody reads them; newer ones are lost. Default 16: a traceroute
    /// has that many probes under way.
    pub max_error_reports: usize,
}

impl Default for UdpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 212_992,
            send_buffer: 212_992,
            max_buffer: 16 << 20,
            memory_limit: 64 << 20,
            max_sockets: 65_536,
            max_groups: 20,
            max_sources: 64,
            max_error_reports: 16,
        }
    }
}
