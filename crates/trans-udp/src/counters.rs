//! What happened, under the names of Linux's `/proc/net/snmp`.

/// Counts of datagrams; a super-packet counts as the datagrams it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpCounters {
    /// Delivered to a socket (`InDatagrams`).
    pub in_datagrams: u64,
    /// Nobody listened on the port (`NoPorts`).
    pub no_ports: u64,
    /// Not delivered for any other reason, those below included (`InErrors`).
    pub in_errors: u64,
    /// Sent (`OutDatagrams`).
    pub out_datagrams: u64,
    /// The socket's receive buffer was full (`RcvbufErrors`).
    pub rcvbuf_errors: u64,
    /// The socket's send buffer was full (`SndbufErrors`).
    pub sndbuf_errors: u64,
    /// The checksum was wrong, or missing over IPv6 (`InCsumErrors`).
    pub in_csum_errors: u64,
    /// Broadcast and multicast that nobody listened to (`IgnoredMulti`).
    pub ignored_multi: u64,
    /// Flows that a forwarder was asked about; Linux has no such thing, nor the two that follow.
    pub forward_requests: u64,
    /// Datagrams dropped because a forwarder had too many flows to decide about.
    pub forward_overflows: u64,
    /// Flows that nobody decided about in time.
    pub forward_expired: u64,
    /// The memory budget of all sockets was used up (`MemErrors`).
    pub mem_errors: u64,
}
