//! What can be wrong with a call; packets from outside are never errors here.

use thiserror::Error;

/// Why a call on a host or a socket failed. The shell wraps these into one enum per call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No protocol with that number is registered.
    #[error("the protocol is not registered with this stack")]
    UnknownProtocol,
    /// No interface has that number.
    #[error("no interface has this number")]
    UnknownNic,
    /// The number is taken by another interface.
    #[error("the interface number is taken")]
    DuplicateNic,
    /// The interface has that address already, or an endpoint that identity.
    #[error("the address is already there")]
    DuplicateAddress,
    /// No route leads to the destination.
    #[error("no route to the destination")]
    NoRoute,
    /// The interface or the link can't do that.
    #[error("the link does not support this")]
    BadLink,
    /// The socket is bound already.
    #[error("the socket is already bound")]
    AlreadyBound,
    /// The call makes no sense in the socket's state.
    #[error("the socket is in a state that does not allow this")]
    InvalidState,
    /// A connect is under way.
    #[error("the socket is already connecting")]
    AlreadyConnecting,
    /// The socket is connected.
    #[error("the socket is already connected")]
    AlreadyConnected,
    /// All ephemeral ports towards that destination are taken.
    #[error("no ephemeral port is free")]
    NoPortAvailable,
    /// The port is taken.
    #[error("the port is in use")]
    PortInUse,
    /// The address is none of ours.
    #[error("the address is not one of this host's")]
    BadLocalAddress,
    /// The write side is shut down.
    #[error("the socket is shut down for writing")]
    ClosedForSend,
    /// The read side is at its end.
    #[error("the socket is at its end for reading")]
    ClosedForReceive,
    /// Nothing can be done now; readiness tells when.
    #[error("the operation would block")]
    WouldBlock,
    /// The peer refused the connection.
    #[error("the peer refused the connection")]
    ConnectionRefused,
    /// The peer did not answer for too long.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The connection was aborted by this side.
    #[error("the connection was aborted by this host")]
    Aborted,
    /// The connect is under way; writability tells when it is done.
    #[error("the connection is being established")]
    ConnectStarted,
    /// No destination was given and the socket has none.
    #[error("a destination is required")]
    DestinationRequired,
    /// The protocol does not know this operation or option.
    #[error("the operation is not supported by this protocol")]
    NotSupported,
    /// The socket is not connected.
    #[error("the socket is not connected")]
    NotConnected,
    /// The peer reset the connection.
    #[error("the peer reset the connection")]
    ConnectionReset,
    /// The network can't be reached.
    #[error("the network is unreachable")]
    NetworkUnreachable,
    /// The host can't be reached.
    #[error("the host is unreachable")]
    HostUnreachable,
    /// The peer does not speak the protocol.
    #[error("the peer does not speak the protocol")]
    ProtocolUnreachable,
    /// The datagram is larger than the protocol or the path allows.
    #[error("the message is too large")]
    MessageTooLarge,
    /// Sending to a broadcast address needs `SO_BROADCAST`.
    #[error("broadcast is not allowed on this socket")]
    BroadcastDisabled,
    /// The handle's endpoint is gone.
    #[error("the socket is gone")]
    UnknownEndpoint,
    /// A cap on connections, sockets or memory is reached.
    #[error("a limit of this stack is reached")]
    LimitReached,
    /// An argument is out of its range.
    #[error("an argument is out of range")]
    InvalidArgument,
    /// Address family and socket don't fit.
    #[error("the address family does not fit the socket")]
    AddressFamily,
}

/// Why a link can go no further.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The device was removed, or the other end is gone.
    #[error("the link is gone")]
    Closed,
    /// The operating system refused, with this error number.
    #[error("the operating system refused (os error {0})")]
    Os(i32),
}
