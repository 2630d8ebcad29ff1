//! What can be set for all raw and packet sockets, where the defaults come from, and what is counted.

/// Settings of [`Raw`](crate::Raw).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawConfig {
    /// Receive buffer of a new socket, in bytes of pinned memory. Default 212,992: Linux's `net.core.rmem_default`.
    pub receive_buffer: usize,
    /// Send buffer of a new socket, in bytes. Default 212,992: Linux's `net.core.wmem_default`.
    pub send_buffer: usize,
    /// What a socket may raise either buffer to, in bytes; larger wishes are cut to this without an error.
    /// Default 16 MiB: what a capture of some hundred super-packets needs.
    pub max_buffer: usize,
    /// Memory that the receive queues of all sockets may pin together, in bytes. Default 64 MiB: four sockets with the
    /// largest buffer.
    pub memory_limit: usize,
    /// Sockets that may exist at a time. Default 256: each of them is looked at for each packet.
    pub max_sockets: usize,
    /// Groups that a socket may join. Default 20: Linux's `igmp_max_memberships`.
    pub max_groups: usize,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 212_992,
            send_buffer: 212_992,
            max_buffer: 16 << 20,
            memory_limit: 64 << 20,
            max_sockets: 256,
            max_groups: 20,
        }
    }
}

/// Counts of packets and frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawCounters {
    /// Packets and frames sent.
    pub sent: u64,
    /// Copies delivered to a socket.
    pub delivered: u64,
    /// Copies for which the socket or all of them together had no room.
    pub receive_buffer_errors: u64,
    /// Copies whose checksum was wrong (raw IPv6 sockets that have it verified).
    pub checksum_errors: u64,
    /// Writes for which the socket had no room.
    pub send_buffer_errors: u64,
}
