//! The stack's errors under the names that Linux has for them.

use stack_core::Error;

/// The name that Linux has for an error.
pub(super) fn errno(error: Error) -> &'static str {
    match error {
        Error::WouldBlock => "EAGAIN",
        Error::ConnectStarted => "EINPROGRESS",
        Error::AlreadyConnecting => "EALREADY",
        Error::AlreadyConnected => "EISCONN",
        Error::ConnectionRefused => "ECONNREFUSED",
        Error::ConnectionReset => "ECONNRESET",
        Error::Aborted => "ECONNABORTED",
        Error::Timeout => "ETIMEDOUT",
        Error::ClosedForSend => "EPIPE",
        Error::NotConnected => "ENOTCONN",
        Error::HostUnreachable => "EHOSTUNREACH",
        Error::NoRoute | Error::NetworkUnreachable => "ENETUNREACH",
        Error::ProtocolUnreachable => "ENOPROTOOPT",
        Error::PortInUse | Error::DuplicateAddress => "EADDRINUSE",
        Error::BadLocalAddress | Error::NoPortAvailable => "EADDRNOTAVAIL",
        Error::MessageTooLarge => "EMSGSIZE",
        Error::DestinationRequired => "EDESTADDRREQ",
        Error::BroadcastDisabled => "EACCES",
        Error::NotSupported => "EOPNOTSUPP",
        Error::UnknownProtocol => "EPROTONOSUPPORT",
        Error::AddressFamily => "EAFNOSUPPORT",
        Error::LimitReached => "ENOBUFS",
        Error::UnknownEndpoint => "EBADF",
        _ => "EINVAL",
    }
}

/// Whether two names are one error.
pub(super) fn same_errno(a: &str, b: &str) -> bool {
    let alias = |name: &str| if name == "EWOULDBLOCK" { "EAGAIN".to_owned() } else { name.to_owned() };
    alias(a) == alias(b)
}
