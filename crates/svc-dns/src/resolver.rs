//! A stub resolver over a stack's sockets: names to addresses and other records, addresses to names.
//!
//! hickory's resolver asks, follows aliases and remembers. It is made anew, with an empty memory, whenever servers or
//! search domains change: what one network says of a name need not hold in another. Names below `local` go to the link
//! (RFC 6762 §3), addresses are put into the order in which to try them (RFC 6724 §6).

use crate::client::{Client, Upstream};
use crate::config::{PORT, ResolverConfig};
use crate::error::{ConfigError, LookupError};
use crate::mdns::Mdns;
use crate::servers::{Source, Told};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use ustack::{NetworkEvent, Stack};

/// Looks names up for programs that use one stack. Clones share servers and memory. Its methods are to be awaited in one
/// tokio runtime with time enabled: connections to servers live there.
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    stack: Stack,
    config: ResolverConfig,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    servers: Told<SocketAddr>,
    search: Told<Name>,
    /// What was last in use, and the client that was made for it.
    current: Option<(Upstream, Client)>,
}

impl Resolver {
    /// A resolver whose sockets are those of `stack`.
    ///
    /// # Errors
    /// A search domain is none, or nobody is given time to answer.
    pub fn new(stack: &Stack, config: ResolverConfig) -> Result<Self, ConfigError> {
        if config.timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        let (servers, search) = (config.servers.clone(), config.search.clone());
        let inner = Inner { stack: stack.clone(), config, state: Mutex::default() };
        let resolver = Self { inner: Arc::new(inner) };
        resolver.set_servers(Source::Configured, &servers, None);
        resolver.set_search_domains(Source::Configured, &search, None)?;
        Ok(resolver)
    }

    /// The stack whose sockets it uses.
    pub fn stack(&self) -> &Stack {
        &self.inner.stack
    }

    /// Puts `servers` in place of those that the source has named before, best first, for as long as `lifetime` says:
    /// `None` until further notice. At most six of a source count, and six in all are asked. A link-local one without a scope
    /// is taken to be on the source's interface.
    pub fn set_servers(&self, source: Source, servers: &[SocketAddr], lifetime: Option<Duration>) {
        let now = self.inner.stack.now();
        let servers: Vec<SocketAddr> = servers.iter().map(|server| source.server(*server)).collect();
        self.state().servers.replace(now, source, &servers, lifetime);
    }

    /// Puts `domains` in place of those that the source has named before, as [`set_servers`](Self::set_servers) does.
    ///
    /// # Errors
    /// One of them is no domain; nothing has changed then.
    pub fn set_search_domains<D: AsRef<str>>(
        &self,
        source: Source,
        domains: &[D],
        lifetime: Option<Duration>,
    ) -> Result<(), ConfigError> {
        let names =
            domains.iter().map(|domain| domain_name(domain.as_ref())).collect::<Result<Vec<_>, _>>()?;
        let now = self.inner.stack.now();
        self.state().search.replace(now, source, &names, lifetime);
        Ok(())
    }

    /// Learns from what [`Stack::network_events`] gave to whoever takes these events: resolvers and domains that routers
    /// advertise (RFC 8106). Returns whether the event was of this kind. Domains that are none are left out.
    pub fn handle_event(&self, event: &NetworkEvent) -> bool {
        let now = self.inner.stack.now();
        match event {
            NetworkEvent::DnsServers { nic, router, servers, lifetime } => {
                let source = Source::Router { nic: *nic, router: *router };
                let servers: Vec<SocketAddr> =
                    servers.iter().map(|server| source.server(SocketAddr::new(*server, PORT))).collect();
                self.state().servers.add(now, source, &servers, Some(*lifetime));
            }
            NetworkEvent::SearchDomains { nic, router, domains, lifetime } => {
                let source = Source::Router { nic: *nic, router: *router };
                let names: Vec<Name> = domains.iter().filter_map(|domain| domain_name(domain).ok()).collect();
                self.state().search.add(now, source, &names, Some(*lifetime));
            }
            _ => return false,
        }
        true
    }

    /// The servers that would be asked now, best first.
    pub fn servers(&self) -> Vec<SocketAddr> {
        self.state().servers.in_use(self.inner.stack.now())
    }

    /// The domains that would be searched now, in their order, without the dot at the end.
    pub fn search_domains(&self) -> Vec<String> {
        let names = self.state().search.in_use(self.inner.stack.now());
        names.iter().map(|name| name.to_string().trim_end_matches('.').to_owned()).collect()
    }

    /// The addresses of a host, of both families, in the order in which to try them (RFC 6724 §6). An address stands for
    /// itself. Dropping the future gives the lookup up.
    ///
    /// # Errors
    /// Why there is none. If one family has an answer, the other's error is not told.
    pub async fn lookup_ip(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found = match self.known(name)? {
            Known::Address(address) => return Ok(vec![address]),
            Known::OnLink(mdns) => mdns.lookup_ip(name).await?.into_iter().map(|found| found.ip()).collect(),
            Known::Name(name) => self.client(&name)?.lookup_ip(&name).await?,
        };
        Ok(self.in_order(found))
    }

    /// As [`lookup_ip`](Self::lookup_ip), for IPv4 alone.
    ///
    /// # Errors
    /// As there.
    pub async fn lookup_ipv4(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found = self.lookup_family(name, RecordType::A).await?;
        Ok(self.in_order(found.into_iter().map(|found| found.ip()).collect()))
    }

    /// As [`lookup_ip`](Self::lookup_ip), for IPv6 alone.
    ///
    /// # Errors
    /// As there.
    pub async fn lookup_ipv6(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let found = self.lookup_family(name, RecordType::AAAA).await?;
        Ok(self.in_order(found.into_iter().map(|found| found.ip()).collect()))
    }

    /// The names of an address (PTR records below `in-addr.arpa` and `ip6.arpa`).
    ///
    /// # Errors
    /// Why there is none.
    pub async fn lookup_name(&self, address: IpAddr) -> Result<Vec<Name>, LookupError> {
        Ok(names(self.lookup(&reverse_name(address).to_string(), RecordType::PTR).await?))
    }

    /// Whether the hosts on the link are asked for a name, or for the names of an address, and not the servers.
    ///
    /// # Errors
    /// It is no name.
    pub fn asks_link(&self, name: &str) -> Result<bool, LookupError> {
        let name = name.parse().map_or_else(|_| parse(name), |address| Ok(reverse_name(address)))?;
        Ok(self.on_link(&name).is_some())
    }

    /// The records of a kind that a name has, aliases on the way to them included.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn lookup(&self, name: &str, kind: RecordType) -> Result<Vec<Record>, LookupError> {
        let parsed = parse(name)?;
        if let Some(mdns) = self.on_link(&parsed) {
            return mdns.query(name, &[kind]).await.map(|answers| answers.answers);
        }
        self.client(&parsed)?.lookup(&parsed, kind).await
    }

    /// The addresses of one family, in the order of the answer, with scope where they need one and without a port.
    pub(crate) async fn lookup_family(
        &self,
        name: &str,
        kind: RecordType,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        let records = match self.known(name)? {
            Known::Address(address) if address.is_ipv4() == (kind == RecordType::A) => {
                return Ok(vec![SocketAddr::new(address, 0)]);
            }
            Known::Address(_) => {
                let wanted = format!("{kind} record");
                return Err(LookupError::NoRecords { name: name.to_owned(), wanted });
            }
            Known::OnLink(mdns) => return mdns.lookup_family(name, kind).await,
            Known::Name(_) => self.lookup(name, kind).await?,
        };
        let addresses = records.iter().filter_map(|record| record.data.ip_addr());
        Ok(addresses.map(|address| SocketAddr::new(address, 0)).collect())
    }

    fn in_order(&self, mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        self.inner.stack.order_destinations(&mut addresses);
        addresses
    }

    fn known(&self, name: &str) -> Result<Known, LookupError> {
        if let Ok(address) = name.parse() {
            return Ok(Known::Address(address));
        }
        let name = parse(name)?;
        Ok(self.on_link(&name).map_or(Known::Name(name), Known::OnLink))
    }

    /// Who answers for names below `local`. R6762-3-a
    fn on_link(&self, name: &Name) -> Option<Mdns> {
        let config = self.inner.config.mdns.clone()?;
        crate::mdns::is_local(name).then(|| Mdns::new(&self.inner.stack, config))
    }

    /// The client for the servers of now.
    fn client(&self, name: &Name) -> Result<Client, LookupError> {
        let now = self.inner.stack.now();
        let mut state = self.state();
        let upstream = Upstream { servers: state.servers.in_use(now), search: state.search.in_use(now) };
        if let Some((_, client)) = state.current.as_ref().filter(|(current, _)| *current == upstream) {
            return Ok(client.clone());
        }
        let client = Client::new(&self.inner.stack, &self.inner.config, &upstream);
        let client = client.map_err(|error| LookupError::new(&name.to_string(), "answer", "", &error))?;
        tracing::info!(servers = ?upstream.servers, search = ?upstream.search, "names are asked for from now on");
        state.current = Some((upstream, client.clone()));
        Ok(client)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("servers", &self.servers()).finish_non_exhaustive()
    }
}

/// How a name finds its answer.
enum Known {
    Address(IpAddr),
    OnLink(Mdns),
    Name(Name),
}

/// The name below which an address has its names: `2.0.0.10.in-addr.arpa.`, or nibbles below `ip6.arpa.`
/// (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> Name {
    Name::from(address)
}

/// What PTR records point at.
pub(crate) fn names(records: Vec<Record>) -> Vec<Name> {
    let named = records.into_iter().filter_map(|record| match record.data {
        RData::PTR(name) => Some(name.0),
        _ => None,
    });
    named.collect()
}

pub(crate) fn parse(name: &str) -> Result<Name, LookupError> {
    let bad = |reason: String| LookupError::BadName { name: name.to_owned(), reason };
    if name.trim_end_matches('.').is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    Name::from_utf8(name).map_err(|error| bad(error.to_string()))
}

fn domain_name(domain: &str) -> Result<Name, ConfigError> {
    let mut name = parse(domain).map_err(|error| {
        let reason = match error {
            LookupError::BadName { reason, .. } => reason,
            other => other.to_string(),
        };
        ConfigError::SearchDomain { domain: domain.to_owned(), reason }
    })?;
    name.set_fqdn(true);
    Ok(name)
}
