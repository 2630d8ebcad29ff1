//! Which flow a packet belongs to: a hash of addresses, protocol and ports under a secret (RFC 8290 §4.1.1).
//!
//! Fragments and packets with IPv6 extension headers have no ports here: those of two hosts share a flow.

use core::hash::{BuildHasher, Hasher};
use core::net::IpAddr;
use foldhash::fast::FixedState;
use stack_core::TxPacket;
use stack_wire::ip::protocol;
use stack_wire::ipv4::Ipv4;
use stack_wire::ipv6::HEADER_LEN;

/// Bytes that hold a network header and the ports behind it.
const FRONT: usize = 64;

/// The number of the packet's flow, below `flows`.
pub(crate) fn flow(packet: &TxPacket, state: &FixedState, flows: usize) -> usize {
    let mut hasher = state.build_hasher();
    for address in [packet.ip.src, packet.ip.dst] {
        match address {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
    }
    hasher.write_u8(packet.ip.protocol);
    hasher.write_u32(ports(packet));
    (hasher.finish() % flows.max(1) as u64) as usize
}

fn ports(packet: &TxPacket) -> u32 {
    let mut front = [0; FRONT];
    let mut len = 0;
    for piece in packet.all_pieces() {
        let take = piece.len().min(FRONT - len);
        front[len..len + take].copy_from_slice(&piece[..take]);
        len += take;
    }
    transport(&front[..len])
        .and_then(|at| front.get(at..at + 4)?.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}

fn transport(front: &[u8]) -> Option<usize> {
    let has_ports = |number| matches!(number, protocol::TCP | protocol::UDP);
    match front.first()? >> 4 {
        4 => {
            let ip = Ipv4::parse_quoted(front).ok()?;
            (has_ports(ip.protocol()) && !ip.is_fragment()).then_some(ip.header_len())
        }
        6 => has_ports(*front.get(6)?).then_some(HEADER_LEN),
        _ => None,
    }
}
