//! What can be set for all sockets of the protocol, where the defaults come from, and what is counted.

/// Settings of [`Icmp`](crate::Icmp).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpConfig {
    /// Receive buffer of a new socket, in bytes of pinned memory. Default 212,992: Linux's `net.core.rmem_default`.
    pub receive_buffer: usize,
    /// Send buffer of a new socket, in bytes. Default 212,992: Linux's `net.core.wmem_default`.
    pub send_buffer: usize,
    /// What a socket may raise either buffer to, in bytes; larger wishes are cut to this without an error.
    /// Default 4 MiB: sixty of the largest echoes.
    pub max_buffer: usize,
    /// Memory that the receive queues of all sockets may pin together, in bytes. Default 16 MiB: four sockets with the
    /// largest buffer.
    pub memory_limit: usize,
    /// Sockets that may exist at a time. Default 4096: programs that watch many hosts need one socket for all.
    pub max_sockets: usize,
    /// Error reports that a socket keeps until somebody reads them; newer ones are lost. Default 64: a traceroute of 30
    /// hops with two probes under way for each.
    pub max_error_reports: usize,
}

impl Default for IcmpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 212_992,
            send_buffer: 212_992,
            max_buffer: 4 << 20,
            memory_limit: 16 << 20,
            max_sockets: 4096,
            max_error_reports: 64,
        }
    }
}

/// Counts of messages; in brackets the names of Linux's `/proc/net/snmp`, where it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IcmpCounters {
    /// Echo requests sent (`OutEchos`).
    pub out_echos: u64,
    /// Echo replies delivered to a socket (`InEchoReps`).
    pub in_echo_reps: u64,
    /// Echo replies that were dropped, for whatever reason (`InErrors`).
    pub in_errors: u64,
    /// Echo replies with a wrong checksum (`InCsumErrors`).
    pub in_csum_errors: u64,
    /// Echo replies for which the socket had no room (`RcvbufErrors`).
    pub rcvbuf_errors: u64,
    /// Requests for which the socket had no room (`SndbufErrors`).
    pub sndbuf_errors: u64,
    /// Errors about requests of ours that reached their socket.
    pub in_error_reports: u64,
}
