//! What can go wrong with a call, one type for each kind of call; every message says what, why, and what to do next.
//!
//! All convert into [`std::io::Error`] with the matching [`ErrorKind`] and keep themselves as its source, so that `?`
//! works in code written for `std::net`.

use crate::source::RandomError;
use stack_core::{Error, NicId};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// Why a stack could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A protocol was registered twice.
    #[error(transparent)]
    Host(#[from] stack_host::BuildError),
    /// An interface can't be as described.
    #[error(transparent)]
    Nic(#[from] NicError),
    /// A route can't be.
    #[error(
        "the route to {destination} names {nic}, which does not exist; add the interface before building"
    )]
    RouteNic {
        /// Where it leads.
        destination: stack_core::IpNet,
        /// The interface that is missing.
        nic: NicId,
    },
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The driver could not be started.
    #[error(
        "cannot start the driver: {0}; check the limits on threads and open files (ulimit -u, ulimit -n)"
    )]
    Driver(#[source] io::Error),
}

/// Why an interface could not be created.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum NicError {
    /// The number is taken.
    #[error("there is a {nic} already; choose another number, or leave it out to have one chosen")]
    DuplicateNic {
        /// The number.
        nic: NicId,
    },
    /// The name is taken.
    #[error("there is an interface named {name:?} already; choose another name")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The same address twice.
    #[error("the interface has {address} already; give each address once")]
    DuplicateAddress {
        /// The address.
        address: IpAddr,
    },
    /// Nobody carries the address.
    #[error("no network protocol carries {address}: enable feature `{feature}` or call .network({remedy})")]
    NoNetworkProtocol {
        /// The address.
        address: IpAddr,
        /// The feature to enable.
        feature: &'static str,
        /// The protocol to register.
        remedy: &'static str,
    },
    /// Nobody finds neighbours' link addresses.
    #[error(
        "{address} is on an Ethernet link and nothing there finds the link addresses of neighbours: enable feature `arp` or call .network(Arp::default())"
    )]
    NoResolver {
        /// The address.
        address: IpAddr,
    },
    /// The gateway can't be reached by the interface.
    #[error(
        "gateway {gateway} is not on the link: it lies in none of the interface's subnets ({subnets}); correct it, or give the interface an address in its subnet"
    )]
    GatewayNotOnLink {
        /// The gateway.
        gateway: IpAddr,
        /// The subnets, with commas between them.
        subnets: String,
    },
    /// The thread that was to read its link could not be started.
    #[error(
        "cannot start a thread for {nic}: {kind}; check the limits on threads and open files (ulimit -u, ulimit -n), or leave `own_thread` out"
    )]
    Thread {
        /// The interface.
        nic: NicId,
        /// Why not.
        kind: ErrorKind,
    },
    /// The host refused for another reason.
    #[error("the interface can't be created: {0}")]
    Other(#[source] Error),
}

impl NicError {
    pub(crate) fn no_network_protocol(address: IpAddr) -> Self {
        let (feature, remedy) =
            if address.is_ipv4() { ("ipv4", "Ipv4::default()") } else { ("ipv6", "Ipv6::default()") };
        Self::NoNetworkProtocol { address, feature, remedy }
    }
}

/// A text that is not an IP address and a port.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "{0:?} is not an IP address and a port, as in 10.77.0.2:80 or [::1]:80; resolve names before, with svc-dns for one"
)]
pub struct AddressError(pub(crate) String);

/// Why a socket could not be bound, or not listen.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address can't be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The port is taken.
    #[error(
        "{local} is in use by another socket of this stack; choose another port, or 0 to have one chosen"
    )]
    InUse {
        /// What was asked for.
        local: SocketAddr,
    },
    /// The address is not ours.
    #[error("{local} is not an address of this stack; add it to an interface, or bind to 0.0.0.0 or [::]")]
    NotOurs {
        /// What was asked for.
        local: SocketAddr,
    },
    /// The transport protocol is not there.
    #[error(
        "this stack has no {protocol}: enable its feature and call .transport({protocol}::default()) on the builder"
    )]
    NoProtocol {
        /// Its name.
        protocol: &'static str,
    },
    /// Something else.
    #[error("cannot bind {local}: {error}")]
    Other {
        /// What was asked for.
        local: SocketAddr,
        /// Why not.
        error: Error,
    },
}

impl BindError {
    pub(crate) fn new(local: SocketAddr, error: Error, protocol: &'static str) -> Self {
        match error {
            Error::PortInUse | Error::DuplicateAddress | Error::NoPortAvailable => Self::InUse { local },
            Error::BadLocalAddress => Self::NotOurs { local },
            Error::UnknownProtocol => Self::NoProtocol { protocol },
            error => Self::Other { local, error },
        }
    }

    /// The kind that [`io::Error`] has after conversion.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(_) => ErrorKind::InvalidInput,
            Self::InUse { .. } => ErrorKind::AddrInUse,
            Self::NotOurs { .. } => ErrorKind::AddrNotAvailable,
            Self::NoProtocol { .. } => ErrorKind::Unsupported,
            Self::Other { error, .. } => kind_of(*error),
        }
    }
}

/// Why a connection could not be made.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address can't be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The peer answered with a reset.
    #[error("{remote} refused the connection; is a server listening on that port?")]
    Refused {
        /// The peer.
        remote: SocketAddr,
    },
    /// The peer did not answer.
    #[error("{remote} did not answer in time; is the host up, and does no filter stand in between?")]
    TimedOut {
        /// The peer.
        remote: SocketAddr,
    },
    /// There is no way to the peer.
    #[error(
        "no route to {remote}: no interface has its subnet and there is no gateway; give the interface an address and a gateway, or add a route"
    )]
    NoRoute {
        /// The peer.
        remote: SocketAddr,
    },
    /// The network or the host says that the peer can't be reached.
    #[error("{remote} can't be reached: {error}")]
    Unreachable {
        /// The peer.
        remote: SocketAddr,
        /// Who says so.
        error: Error,
    },
    /// The transport protocol is not there.
    #[error(
        "this stack has no {protocol}: enable its feature and call .transport({protocol}::default()) on the builder"
    )]
    NoProtocol {
        /// Its name.
        protocol: &'static str,
    },
    /// Something else.
    #[error("cannot connect to {remote}: {error}")]
    Other {
        /// The peer.
        remote: SocketAddr,
        /// Why not.
        error: Error,
    },
}

impl ConnectError {
    pub(crate) fn new(remote: SocketAddr, error: Error, protocol: &'static str) -> Self {
        match error {
            Error::ConnectionRefused => Self::Refused { remote },
            Error::Timeout => Self::TimedOut { remote },
            Error::NoRoute => Self::NoRoute { remote },
            Error::NetworkUnreachable | Error::HostUnreachable | Error::ProtocolUnreachable => {
                Self::Unreachable { remote, error }
            }
            Error::UnknownProtocol => Self::NoProtocol { protocol },
            error => Self::Other { remote, error },
        }
    }

    /// The kind that [`io::Error`] has after conversion.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Address(_) => ErrorKind::InvalidInput,
            Self::Refused { .. } => ErrorKind::ConnectionRefused,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::NoRoute { .. } => ErrorKind::NetworkUnreachable,
            Self::NoProtocol { .. } => ErrorKind::Unsupported,
            Self::Unreachable { error, .. } | Self::Other { error, .. } => kind_of(*error),
        }
    }
}

/// Why no connection could be accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum AcceptError {
    /// None waits, and the socket does not block.
    #[error("no connection waits to be accepted; wait until the listener is readable")]
    WouldBlock,
    /// The listener is no more.
    #[error("the listener can't accept: {0}")]
    Other(#[source] Error),
}

impl AcceptError {
    pub(crate) fn new(error: Error) -> Self {
        if error == Error::WouldBlock { Self::WouldBlock } else { Self::Other(error) }
    }

    /// The kind that [`io::Error`] has after conversion.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::WouldBlock => ErrorKind::WouldBlock,
            Self::Other(error) => kind_of(*error),
        }
    }
}

/// Why an operation on a socket failed; what an [`io::Error`] of `read`, `write` and the settings holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("cannot {operation}: {error}")]
pub struct SocketError {
    operation: &'static str,
    #[source]
    error: Error,
}

impl SocketError {
    pub(crate) fn new(operation: &'static str, error: Error) -> Self {
        Self { operation, error }
    }

    /// What the socket said.
    pub fn reason(&self) -> Error {
        self.error
    }

    /// The kind that [`io::Error`] has after conversion.
    pub fn kind(&self) -> ErrorKind {
        kind_of(self.error)
    }
}

macro_rules! into_io_error {
    ($($error:ty),+) => {
        $(impl From<$error> for io::Error {
            fn from(error: $error) -> Self {
                Self::new(error.kind(), error)
            }
        })+
    };
}

into_io_error!(BindError, ConnectError, AcceptError, SocketError);

/// The kind for each error of the contract.
pub(crate) fn kind_of(error: Error) -> ErrorKind {
    match error {
        Error::WouldBlock | Error::ConnectStarted | Error::AlreadyConnecting => ErrorKind::WouldBlock,
        Error::ConnectionRefused => ErrorKind::ConnectionRefused,
        Error::ConnectionReset => ErrorKind::ConnectionReset,
        Error::Aborted => ErrorKind::ConnectionAborted,
        Error::Timeout => ErrorKind::TimedOut,
        Error::HostUnreachable | Error::ProtocolUnreachable => ErrorKind::HostUnreachable,
        Error::NoRoute | Error::NetworkUnreachable => ErrorKind::NetworkUnreachable,
        Error::BadLink => ErrorKind::NetworkDown,
        Error::ClosedForSend => ErrorKind::BrokenPipe,
        Error::NotConnected | Error::ClosedForReceive => ErrorKind::NotConnected,
        Error::PortInUse | Error::DuplicateAddress => ErrorKind::AddrInUse,
        Error::BadLocalAddress | Error::NoPortAvailable => ErrorKind::AddrNotAvailable,
        Error::LimitReached => ErrorKind::QuotaExceeded,
        Error::NotSupported | Error::UnknownProtocol => ErrorKind::Unsupported,
        Error::BroadcastDisabled => ErrorKind::PermissionDenied,
        Error::UnknownNic | Error::UnknownEndpoint => ErrorKind::NotFound,
        Error::InvalidArgument
        | Error::MessageTooLarge
        | Error::DestinationRequired
        | Error::AddressFamily
        | Error::AlreadyBound
        | Error::AlreadyConnected
        | Error::InvalidState => ErrorKind::InvalidInput,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> SocketAddr {
        "10.77.0.1:80".parse().unwrap()
    }

    #[test]
    fn kinds_are_those_that_programs_test_for() {
        let cases = [
            (Error::ConnectionRefused, ErrorKind::ConnectionRefused),
            (Error::Timeout, ErrorKind::TimedOut),
            (Error::Aborted, ErrorKind::ConnectionAborted),
            (Error::ConnectionReset, ErrorKind::ConnectionReset),
            (Error::NoRoute, ErrorKind::NetworkUnreachable),
            (Error::HostUnreachable, ErrorKind::HostUnreachable),
            (Error::UnknownProtocol, ErrorKind::Unsupported),
            (Error::NoPortAvailable, ErrorKind::AddrNotAvailable),
        ];
        for (error, kind) in cases {
            let io = io::Error::from(ConnectError::new(remote(), error, "Tcp"));
            assert_eq!(io.kind(), kind, "{error}");
        }
        assert_eq!(
            io::Error::from(SocketError::new("write", Error::ClosedForSend)).kind(),
            ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn the_source_is_kept() {
        let io = io::Error::from(SocketError::new("read", Error::ConnectionReset));
        let inner = io.get_ref().and_then(|inner| inner.downcast_ref::<SocketError>()).unwrap();
        assert_eq!(inner.reason(), Error::ConnectionReset);
        assert_eq!(io.to_string(), "cannot read: the peer reset the connection");
    }

    #[test]
    fn messages_name_the_remedy() {
        let error = NicError::no_network_protocol("10.77.0.2".parse().unwrap());
        assert_eq!(
            error.to_string(),
            "no network protocol carries 10.77.0.2: enable feature `ipv4` or call .network(Ipv4::default())"
        );
        let error = BindError::new(remote(), Error::UnknownProtocol, "Tcp");
        assert!(error.to_string().contains(".transport(Tcp::default())"));
    }
}
