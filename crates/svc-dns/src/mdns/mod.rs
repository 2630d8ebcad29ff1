//! One-shot multicast DNS queries (RFC 6762 §5.1, §6.7): what the link itself knows of a name below `local`, or of a
//! type of service.
//!
//! A query goes from a port of its own, not 5353 (R6762-5.1-a), to 224.0.0.251 and ff02::fb on every interface that has an address of
//! the family; responders answer such a query directly. So no group is joined and nothing is remembered: each query asks
//! anew. Not here: continuous queries, known answers, responding, and TCP for answers that do not fit.
//!
//! | file | answers |
//! | --- | --- |
//! | `ask.rs` | how the question gets on the links, and how long answers are waited for |
//! | `answers.rs` | which packets are answers, and what is taken from them |

mod answers;
mod ask;

pub use answers::Answers;

use crate::error::LookupError;
use crate::resolver::{names, parse, reverse_name};
use hickory_proto::rr::{Name, RecordType};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;
use ustack::{NicId, Stack};

/// How the link is asked.
#[derive(Clone, Debug)]
pub struct MdnsConfig {
    /// How long answers are waited for: all of it for a type of service, which many may offer; until there is an answer, and
    /// a moment for those that come with it, for a host or an address, which are unique. Default: 3 s, so that each of three queries has a second.
    pub wait: Duration,
    /// From one query to the next, doubled each time, at least. Default: 1 s (RFC 6762 §5.2).
    pub interval: Duration,
    /// Records that are taken from all answers together. Default: 256.
    pub records: usize,
}

impl Default for MdnsConfig {
    fn default() -> Self {
        Self { wait: Duration::from_secs(3), interval: Duration::from_secs(1), records: 256 }
    }
}

/// Asks the links of a stack. Its methods are to be awaited in a tokio runtime with time enabled.
#[derive(Clone, Debug)]
pub struct Mdns {
    stack: Stack,
    config: MdnsConfig,
}

impl Mdns {
    /// Asks on all links of `stack`.
    pub fn new(stack: &Stack, config: MdnsConfig) -> Self {
        Self { stack: stack.clone(), config }
    }

    /// The addresses of a host, such as `printer.local`, of both families; a link-local one with its interface as scope
    /// id, all with port 0.
    ///
    /// # Errors
    /// Nobody answered, or the question could not be asked.
    pub async fn lookup_ip(&self, name: &str) -> Result<Vec<SocketAddr>, LookupError> {
        self.addresses(name, &[RecordType::AAAA, RecordType::A]).await
    }

    /// As [`lookup_ip`](Self::lookup_ip), of IPv4 alone.
    ///
    /// # Errors
    /// As there.
    pub async fn lookup_ipv4(&self, name: &str) -> Result<Vec<SocketAddr>, LookupError> {
        self.lookup_family(name, RecordType::A).await
    }

    /// As [`lookup_ip`](Self::lookup_ip), of IPv6 alone.
    ///
    /// # Errors
    /// As there.
    pub async fn lookup_ipv6(&self, name: &str) -> Result<Vec<SocketAddr>, LookupError> {
        self.lookup_family(name, RecordType::AAAA).await
    }

    /// The names of an address, of the link or not.
    ///
    /// # Errors
    /// As [`lookup_ip`](Self::lookup_ip).
    pub async fn lookup_name(&self, address: IpAddr) -> Result<Vec<Name>, LookupError> {
        let answers = self.query(&reverse_name(address).to_string(), &[RecordType::PTR]).await?;
        Ok(names(answers.answers))
    }

    pub(crate) async fn lookup_family(
        &self,
        name: &str,
        kind: RecordType,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        self.addresses(name, &[kind]).await
    }

    /// The records of these kinds that a name has: PTR records of `_http._tcp.local`, which name the instances of a
    /// service, with what responders add about them.
    ///
    /// # Errors
    /// As [`lookup_ip`](Self::lookup_ip).
    pub async fn query(&self, name: &str, kinds: &[RecordType]) -> Result<Answers, LookupError> {
        let answers = self.ask(&fully_qualified(name)?, kinds).await?;
        if answers.answers.is_empty() {
            return Err(LookupError::TimedOut {
                name: name.to_owned(),
                asked: "the hosts on the link".to_owned(),
            });
        }
        Ok(answers)
    }

    async fn addresses(&self, name: &str, kinds: &[RecordType]) -> Result<Vec<SocketAddr>, LookupError> {
        let answers = self.query(name, kinds).await?;
        let found = answers.answers.iter().zip(&answers.nics);
        let mut addresses: Vec<SocketAddr> =
            found.filter_map(|(record, nic)| Some(with_scope(record.data.ip_addr()?, *nic))).collect();
        let mut seen = Vec::new();
        addresses.retain(|address| {
            !seen.contains(address) && {
                seen.push(*address);
                true
            }
        });
        Ok(addresses)
    }
}

/// Whether a name is one that the link knows, or the reverse name of an address of the link. R6762-3-a, R6762-4-a
pub(crate) fn is_local(name: &Name) -> bool {
    let link_local_v6 = [&b"8"[..], b"9", b"a", b"b"];
    ends_in(name, &[b"local"])
        || ends_in(name, &[b"254", b"169", b"in-addr", b"arpa"])
        || link_local_v6.iter().any(|nibble| ends_in(name, &[nibble, b"e", b"f", b"ip6", b"arpa"]))
}

/// Whether a name is the reverse name of an address.
fn is_reverse(name: &Name) -> bool {
    ends_in(name, &[b"in-addr", b"arpa"]) || ends_in(name, &[b"ip6", b"arpa"])
}

fn ends_in(name: &Name, zone: &[&[u8]]) -> bool {
    let labels: Vec<&[u8]> = name.iter().collect();
    labels.len() >= zone.len()
        && labels[labels.len() - zone.len()..].iter().zip(zone).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

fn fully_qualified(name: &str) -> Result<Name, LookupError> {
    let mut name = parse(name)?;
    name.set_fqdn(true);
    Ok(name)
}

fn with_scope(address: IpAddr, nic: NicId) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, 0, 0, nic.0).into(),
        address => SocketAddr::new(address, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6762-3-a, R6762-4-a
    #[test]
    fn names_of_the_link_are_told_from_others() {
        for (name, local) in [
            ("printer.local", true),
            ("printer.LOCAL.", true),
            ("_http._tcp.local", true),
            ("local.example.com", false),
            ("notlocal", false),
            ("1.2.254.169.in-addr.arpa", true),
            ("1.2.0.10.in-addr.arpa", false),
            ("1.0.8.e.f.ip6.arpa", true),
            ("1.0.0.d.f.ip6.arpa", false),
        ] {
            assert_eq!(is_local(&Name::from_ascii(name).unwrap()), local, "{name}");
        }
    }
}
