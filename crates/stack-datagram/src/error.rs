//! What errors on the way mean to a socket: RFC 1122 §3.2.2, RFC 1191 §7.1.

use bytes::Bytes;
use stack_core::{Error, ErrorKind};

/// Payload bytes of a quoted packet that a report keeps.
const MAX_QUOTE: usize = 128;
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

/// What a report keeps of a quoted payload: the first 128 bytes, copied, so that it does not pin its packet's memory.
pub fn quote(payload: &[u8]) -> Bytes {
    Bytes::copy_from_slice(payload.get(..MAX_QUOTE).unwrap_or(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plateaus_are_below_what_was_sent() {
        for (sent, plateau) in [(65_535, Some(32_000)), (1500, Some(1492)), (1492, Some(1006)), (68, None)] {
            assert_eq!(lower_plateau(sent), plateau, "{sent}");
        }
    }

    #[test]
    fn long_quotes_are_cut() {
        for (len, kept) in [(0, 0), (128, 128), (129, 128)] {
            assert_eq!(quote(&[7; 200][..len]).len(), kept);
        }
    }
}
