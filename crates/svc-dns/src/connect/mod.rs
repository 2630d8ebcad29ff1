//! One connection from a name: both families are looked up and raced, and who is first wins (RFC 8305).
//!
//! | file | answers |
//! | --- | --- |
//! | `race.rs` | when which address is tried |
//! | `order.rs` | in which order addresses are tried |

mod order;
mod race;

use crate::error::LookupError;
use crate::resolver::Resolver;
use hickory_proto::rr::RecordType;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use thiserror::Error;
use ustack::Stack;
use ustack::tokio::TcpStream;

/// The times of a race (RFC 8305 §8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConnectConfig {
    /// How long an IPv4 answer waits for the IPv6 one. Default: 50 ms.
    pub resolution_delay: Duration,
    /// From one attempt to the next, while none has failed; at least 10 ms. Default: 250 ms.
    pub attempt_delay: Duration,
    /// Addresses that are tried at most. Default: 16, so that four seconds see all of them.
    pub attempts: usize,
}

impl Default for ConnectConfig {
    fn default() -> Self {
        Self {
            resolution_delay: Duration::from_millis(50),
            attempt_delay: Duration::from_millis(250),
            attempts: 16,
        }
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name has no address.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// No address could be connected to.
    #[error("cannot connect to {name}: {}", listed(.attempts))]
    Refused {
        /// The name, with the port.
        name: String,
        /// What became of each attempt, in the order in which they failed; not empty.
        attempts: Vec<(SocketAddr, ustack::ConnectError)>,
    },
}

fn listed(attempts: &[(SocketAddr, ustack::ConnectError)]) -> String {
    let each: Vec<String> = attempts.iter().map(|(_, error)| error.to_string()).collect();
    each.join("; ")
}

impl ConnectError {
    /// The kind that [`io::Error`] has after conversion: of several attempts, the last one's.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Lookup(error) => error.kind(),
            Self::Refused { attempts, .. } => {
                attempts.last().map_or(ErrorKind::Other, |(_, error)| error.kind())
            }
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Connects to the first address of `name` that answers, over the resolver's stack; the other attempts are dropped.
/// Dropping the future gives all of them up.
///
/// # Errors
/// The name has no address, or what each of them said.
pub async fn connect(resolver: &Resolver, name: &str, port: u16) -> Result<TcpStream, ConnectError> {
    connect_with(resolver, name, port, &ConnectConfig::default()).await
}

/// As [`connect`], with other times.
///
/// # Errors
/// As there.
pub async fn connect_with(
    resolver: &Resolver,
    name: &str,
    port: u16,
    config: &ConnectConfig,
) -> Result<TcpStream, ConnectError> {
    let stack = resolver.stack();
    let lookup = async |kind| {
        let found = resolver.lookup_family(name, kind).await?;
        Ok(found.into_iter().map(|address| with_port(address, port)).collect())
    };
    let contest = race::Contest {
        order: |addresses: &mut [SocketAddr]| by_destination(stack, addresses),
        connect: |address| TcpStream::connect(stack, address),
        config: *config,
    };
    let (v6, v4) = (lookup(RecordType::AAAA), lookup(RecordType::A));
    contest.run(v6, v4).await.map_err(|failed| match failed {
        race::Failed::Lookup(error) => ConnectError::Lookup(error),
        race::Failed::Attempts(attempts) => {
            ConnectError::Refused { name: format!("{name}, port {port}"), attempts }
        }
    })
}

fn with_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    address.set_port(port);
    address
}

/// RFC 6724 §6, for addresses that may have a scope.
fn by_destination(stack: &Stack, addresses: &mut [SocketAddr]) {
    let mut order: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
    stack.order_destinations(&mut order);
    addresses.sort_by_key(|address| order.iter().position(|ip| *ip == address.ip()));
}
