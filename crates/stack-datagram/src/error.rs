//! What errors on the way mean to a socket: RFC 1122 §3.2.2, RFC 1191 §7.1.

use stack_core::{Error, ErrorKind};

/// Payload bytes of a quoted packet that a report keeps; longer quotes would pin their packet's memory.
pub const MAX_QUOTE: usize = 128;
/// RFC 1191 §7.1, table 7-1, without its largest.
const PLATEAUS: [u32; 10] = [32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68];

/// What a socket call says.
pub fn as_error(kind: ErrorKind) -> Error {
    match kind {
        ErrorKind::PortUnreachable => Error::ConnectionRefused,
        ErrorKind::ProtocolUnreachable | ErrorKind::ParameterProblem { .. } => Error::ProtocolUnreachable,
        ErrorKind::NetUnreachable => Error::NetworkUnreachable,
        ErrorKind::PacketTooBig { .. } => Error::MessageTooLarge,
        ErrorKind::HostUnreachable
        | ErrorKind::SourceRouteFailed
        | ErrorKind::Prohibited
        | ErrorKind::HopLimitExceeded
        | ErrorKind::ReassemblyTimeout => Error::HostUnreachable,
    }
}

/// The path MTU to try below a packet of `sent` bytes where a router did not say one (RFC 1191 §5); `None` if none is
/// smaller.
pub fn lower_plateau(sent: u32) -> Option<u32> {
    PLATEAUS.into_iter().find(|&plateau| plateau < sent)
}
