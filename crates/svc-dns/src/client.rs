//! hickory's resolver, made for some servers: how our settings are said in its words, and what its errors mean.

use crate::config::ResolverConfig;
use crate::error::LookupError;
use crate::failover::{Connections, LastFailure};
use crate::sockets::Sockets;
use hickory_net::NetError;
use hickory_proto::rr::{Name, Record, RecordType};
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverOpts, ServerOrderingStrategy,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use ustack::Stack;

/// Whom to ask, and in which domains to search.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Upstream {
    pub(crate) servers: Vec<SocketAddr>,
    pub(crate) search: Vec<Name>,
}

/// Asks some servers, follows aliases, and remembers what they say.
#[derive(Clone)]
pub(crate) struct Client {
    inner: hickory_resolver::Resolver<Connections>,
    /// The servers, for people.
    asked: Arc<str>,
    failure: LastFailure,
}

impl Client {
    /// A client without memory, over the sockets of `stack`.
    pub(crate) fn new(stack: &Stack, config: &ResolverConfig, upstream: &Upstream) -> Result<Self, NetError> {
        let failure = LastFailure::default();
        let sockets = Sockets::new(stack.clone(), &upstream.servers);
        let connections = Connections { sockets, timeout: config.timeout, failure: failure.clone() };
        let servers = upstream.servers.iter().map(|server| name_server(*server)).collect();
        let whom =
            hickory_resolver::config::ResolverConfig::from_parts(None, upstream.search.clone(), servers);
        let inner = hickory_resolver::Resolver::builder_with_config(whom, connections)
            .with_options(options(config, upstream.servers.len()))
            .build()?;
        let asked: Vec<String> = upstream.servers.iter().map(ToString::to_string).collect();
        Ok(Self { inner, asked: asked.join(", ").into(), failure })
    }

    /// The addresses of both families.
    pub(crate) async fn lookup_ip(&self, name: &Name) -> Result<Vec<IpAddr>, LookupError> {
        let lookup = self.inner.lookup_ip(name.clone()).await;
        Ok(lookup.map_err(|error| self.failed(name, "address", &error))?.iter().collect())
    }

    /// The records of a kind.
    pub(crate) async fn lookup(&self, name: &Name, kind: RecordType) -> Result<Vec<Record>, LookupError> {
        let lookup = self.inner.lookup(name.clone(), kind).await;
        let lookup = lookup.map_err(|error| self.failed(name, &format!("{kind} record"), &error))?;
        Ok(lookup.answers().to_vec())
    }

    /// Without any connection that works, the servers' own words say more.
    fn failed(&self, name: &Name, wanted: &str, error: &NetError) -> LookupError {
        let failure = self.failure.get().filter(|_| matches!(error, NetError::NoConnections));
        LookupError::new(&name.to_string(), wanted, &self.asked, failure.as_ref().unwrap_or(error))
    }
}

fn options(config: &ResolverConfig, servers: usize) -> ResolverOpts {
    let mut options = ResolverOpts::default();
    options.ndots = config.ndots;
    // Each server has its own time (`Connections`); this is the end of a round, with one more for TCP.
    options.timeout = config.timeout.saturating_mul(servers as u32 + 1);
    options.attempts = config.attempts.saturating_sub(1);
    options.cache_size = config.cache_entries;
    options.positive_max_ttl = Some(config.max_ttl);
    options.negative_max_ttl = Some(config.max_negative_ttl);
    options.ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    options.use_hosts_file = ResolveHosts::Never;
    // One server after the other, in the order of precedence.
    options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
    options.num_concurrent_reqs = 1;
    options
}

/// UDP first, TCP for what does not fit (RFC 7766 §5).
fn name_server(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.into())
}
