//! What can be chosen about a resolver, and where each default comes from.

use crate::mdns::MdnsConfig;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The port of name servers (RFC 1035 §4.2).
pub(crate) const PORT: u16 = 53;

/// How a resolver asks.
#[derive(Clone, Debug)]
pub struct ResolverConfig {
    /// Name servers set by hand, asked before all others, in this order. A link-local one carries its interface as scope
    /// id. Default: none.
    pub servers: Vec<SocketAddr>,
    /// Domains to search for names with few dots, set by hand, before all others. Default: none.
    pub search: Vec<String>,
    /// How long one server may take before the next is asked. A question over UDP is sent again meanwhile. Default: 5 s
    /// (`RES_TIMEOUT` of BIND's resolver and `timeout` in resolv.conf(5)).
    pub timeout: Duration,
    /// How often the list of servers is gone through, at least once. Default: 2 (`attempts` in resolv.conf(5)).
    pub attempts: usize,
    /// Names with at least so many dots are tried as they are before the search domains are appended. Default: 1
    /// (`ndots` in resolv.conf(5), RFC 1535 §6).
    pub ndots: usize,
    /// Answers that are remembered, those that say no included; 0 remembers nothing. Default: 1,024, some hundred KiB.
    pub cache_entries: u64,
    /// Longest time that an answer is remembered, whatever its TTL says. Default: 7 days (RFC 8767 §4).
    pub max_ttl: Duration,
    /// Longest time that it is remembered that there is no answer. Default: 3 hours (RFC 2308 §5).
    pub max_negative_ttl: Duration,
    /// How names below `local` are asked for on the link (RFC 6762 §3); `None`: they are not known.
    pub mdns: Option<MdnsConfig>,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            search: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 2,
            ndots: 1,
            cache_entries: 1024,
            max_ttl: Duration::from_secs(7 * 24 * 3600),
            max_negative_ttl: Duration::from_secs(3 * 3600),
            mdns: Some(MdnsConfig::default()),
        }
    }
}

impl ResolverConfig {
    /// The defaults with these name servers, on port 53.
    pub fn with_servers(servers: impl IntoIterator<Item = IpAddr>) -> Self {
        let servers = servers.into_iter().map(|server| SocketAddr::new(server, PORT)).collect();
        Self { servers, ..Self::default() }
    }
}
