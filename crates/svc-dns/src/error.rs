//! What can go wrong with a lookup: what, why, and what to do next.

use hickory_net::{DnsError, NetError};
use hickory_proto::op::ResponseCode;
use std::io::{self, ErrorKind};
use thiserror::Error;

/// Why a resolver can't be as described.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A search domain is no domain.
    #[error("{domain:?} is not a domain to search ({reason}); write one such as example.com")]
    SearchDomain {
        /// What was given.
        domain: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No server could ever answer.
    #[error("a timeout of 0 gives no server the time to answer; give at least some milliseconds")]
    NoTime,
}

/// Why a name has no answer.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LookupError {
    /// It is no name.
    #[error("{name:?} is not a name that can be looked up ({reason}); check how it is written")]
    BadName {
        /// What was given.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody to ask.
    #[error(
        "cannot look up {name}: no name server is known; set one with ResolverConfig::servers or \
         Resolver::set_servers, or hand the stack's network events to Resolver::handle_event"
    )]
    NoServers {
        /// The name.
        name: String,
    },
    /// A server says that there is no such name (NXDOMAIN).
    #[error("there is no name {name}; check how it is written, or add its domain to the search list")]
    NoSuchName {
        /// The name.
        name: String,
    },
    /// The name exists and has nothing of this kind.
    #[error("{name} has no {wanted}; ask for another kind of record")]
    NoRecords {
        /// The name.
        name: String,
        /// What was asked for.
        wanted: String,
    },
    /// Nobody answered in time.
    #[error("nobody answered for {name} in time ({asked}); check the way there and the filters on it")]
    TimedOut {
        /// The name.
        name: String,
        /// Who was asked.
        asked: String,
    },
    /// No server was willing or able; this is what the last one said.
    #[error("no name server could answer for {name}, the last one asked said {code}; try another server")]
    ServerFailure {
        /// The name.
        name: String,
        /// The response code, in words.
        code: String,
    },
    /// Neither a question nor an answer came through.
    #[error("cannot look up {name}: {reason}; check the routes to the name servers")]
    Unreachable {
        /// The name.
        name: String,
        /// What the sockets, or the answer, said.
        reason: String,
    },
}

impl LookupError {
    /// What hickory's error means for whoever asked for `name`.
    pub(crate) fn new(name: &str, wanted: &str, asked: &str, error: &NetError) -> Self {
        let name = name.to_owned();
        match error {
            NetError::NoConnections => Self::NoServers { name },
            NetError::Timeout => Self::TimedOut { name, asked: asked.to_owned() },
            NetError::Dns(DnsError::NoRecordsFound(none)) => match none.response_code {
                ResponseCode::NXDomain => Self::NoSuchName { name },
                ResponseCode::NoError => Self::NoRecords { name, wanted: wanted.to_owned() },
                code => Self::ServerFailure { name, code: code.to_string() },
            },
            NetError::Dns(DnsError::ResponseCode(code)) => {
                Self::ServerFailure { name, code: code.to_string() }
            }
            other => Self::Unreachable { name, reason: other.to_string() },
        }
    }

    /// The kind that [`io::Error`] has after conversion.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::BadName { .. } => ErrorKind::InvalidInput,
            Self::NoSuchName { .. } | Self::NoRecords { .. } => ErrorKind::NotFound,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::NoServers { .. } | Self::ServerFailure { .. } => ErrorKind::Other,
            Self::Unreachable { .. } => ErrorKind::HostUnreachable,
        }
    }
}

impl From<LookupError> for io::Error {
    fn from(error: LookupError) -> Self {
        Self::new(error.kind(), error)
    }
}
