//! What errors on the way mean to a socket: RFC 1122 §3.2.2, RFC 1191 §7.1.

use bytes::Bytes;
use core::net::IpAddr;
use stack_core::{Error, ErrorKind};

/// Payload bytes of a quoted packet that a report keeps.
const MAX_QUOTE: usize = 128;
/// RFC 791 §3.2: what every IPv4 link carries.
const MIN_MTU_V4: u32 = 68;
/// RFC 8200 §5: what every IPv6 link carries.
const MIN_MTU_V6: u32 = 1280;
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

/// The path MTU to remember when a router says that a packet of `sent` bytes was larger than `mtu`; `None` if it was not, so
/// that the message can't be true. Anything below what every link carries is raised to that (RFC 8201 §4); of a router of
/// IPv4 that gives none, since it does not know of path MTU discovery, the next lower plateau is taken (RFC 1191 §5).
pub fn believable_mtu(remote: IpAddr, mtu: u32, sent: u32) -> Option<u32> {
    match remote {
        IpAddr::V4(_) if mtu == 0 => PLATEAUS.into_iter().find(|&plateau| plateau < sent),
        IpAddr::V4(_) => (mtu < sent).then_some(mtu.max(MIN_MTU_V4)),
        IpAddr::V6(_) => (mtu < sent).then_some(mtu.max(MIN_MTU_V6)),
    }
}

/// What a report keeps of a quoted payload: the first 128 bytes, copied, so that it does not pin its packet's memory.
pub fn quote(payload: &[u8]) -> Bytes {
    Bytes::copy_from_slice(payload.get(..MAX_QUOTE).unwrap_or(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R8201-4-a, R8201-4-c, R1191-5-a, R1191-3-b
    #[test]
    fn path_mtus_that_can_be_true() {
        let (v4, v6) = ("10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        for (remote, mtu, sent, believed) in [
            (v4, 1400, 1500, Some(1400)),
            (v4, 1500, 1500, None),
            (v4, 1499, 1500, Some(1499)),
            (v4, 20, 1500, Some(68)),
            (v4, 0, 65_535, Some(32_000)),
            (v4, 0, 1500, Some(1492)),
            (v4, 0, 1492, Some(1006)),
            (v4, 0, 28, None),
            (v6, 1400, 1500, Some(1400)),
            (v6, 1500, 1500, None),
            (v6, 600, 1500, Some(1280)),
            (v6, 0, 1500, Some(1280)),
        ] {
            assert_eq!(believable_mtu(remote, mtu, sent), believed, "{remote} {mtu} {sent}");
        }
    }

    #[test]
    fn long_quotes_are_cut() {
        for (len, kept) in [(0, 0), (128, 128), (129, 128)] {
            assert_eq!(quote(&[7; 200][..len]).len(), kept);
        }
    }
}
