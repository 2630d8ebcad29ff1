//! What a filter may hold, and for how long; each default with its origin.

use core::time::Duration;

/// How a filter tracks connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterConfig {
    /// Connections at most. At the cap a new one takes the place of one that was never answered or has ended; if none is
    /// near, its first packet is dropped and counted. Default: 16,384, as many as gVisor has buckets; about 4 MiB when full.
    pub max_connections: usize,
    /// Datagrams whose first fragment is remembered, so that later ones can follow it; the oldest goes first. Default:
    /// 1024, as many as fit into Linux's 4 MiB of reassembly memory (`ipfrag_high_thresh`) at 4 KiB each.
    pub max_datagrams: usize,
    /// Whether a TCP segment in the middle of a connection opens one: connections then survive a restart. Default: yes, as
    /// Linux (`nf_conntrack_tcp_loose`).
    pub tcp_loose: bool,
    /// Ports that are tried for a source translation before the packet is dropped and counted. Default: 128, as Linux.
    pub port_attempts: u16,
    /// How long connections live without a packet.
    pub timeouts: Timeouts,
}

impl Default for FilterConfig {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            max_datagrams: 1024,
            tcp_loose: true,
            port_attempts: 128,
            timeouts: Timeouts::default(),
        }
    }
}

/// How long a connection lives without a packet, by its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// TCP that is opening or closing. Default: 4 min, the least that RFC 5382 REQ-5 allows.
    pub tcp_transitory: Duration,
    /// TCP that is open. Default: 2 h 4 min, the least that RFC 5382 REQ-5 allows, so that keep-alives every two hours
    /// (RFC 9293 MUST-28) keep it. Linux and gVisor wait five days.
    pub tcp_established: Duration,
    /// TCP after a reset. Default: 10 s, as Linux (`nf_conntrack_tcp_timeout_close`); text that goes on opens it again.
    pub tcp_reset: Duration,
    /// UDP that nobody has answered. Default: 2 min, the least that RFC 4787 REQ-5 allows.
    pub udp_unreplied: Duration,
    /// UDP that was answered. Default: 5 min, as RFC 4787 REQ-5 c recommends.
    pub udp_replied: Duration,
    /// ICMP questions. Default: 60 s, the least that RFC 5508 REQ-2 allows.
    pub icmp: Duration,
    /// Other protocols. Default: 10 min, as Linux (`nf_conntrack_generic_timeout`).
    pub other: Duration,
    /// The fragments of a datagram, from the first on. Default: 30 s, as Linux waits for them (`ipfrag_time`).
    pub datagram: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_transitory: Duration::from_secs(240),
            tcp_established: Duration::from_secs(7_440),
            tcp_reset: Duration::from_secs(10),
            udp_unreplied: Duration::from_secs(120),
            udp_replied: Duration::from_secs(300),
            icmp: Duration::from_secs(60),
            other: Duration::from_secs(600),
            datagram: Duration::from_secs(30),
        }
    }
}
