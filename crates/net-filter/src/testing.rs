//! Packets for the tests of this crate.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_wire::checksum::{Sum, pseudo_header};
use stack_wire::ip::protocol::{ICMP, ICMPV6, TCP, UDP};
use stack_wire::tcp::Flags;
use stack_wire::{icmpv4, icmpv6, ipv4, ipv6, tcp, udp};

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A packet around a segment.
pub(crate) fn packet(src: IpAddr, dst: IpAddr, protocol: u8, segment: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 40];
    let len = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            ipv4::Emit::new(src, dst, protocol, segment.len()).write(&mut bytes)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            ipv6::Emit::new(src, dst, protocol, segment.len()).write(&mut bytes)
        }
        _ => panic!("two families"),
    };
    bytes.truncate(len);
    bytes.extend_from_slice(segment);
    bytes
}

pub(crate) fn udp(src: &str, dst: &str, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (address(src), address(dst));
    let len = udp::HEADER_LEN + payload.len();
    let mut segment = vec![0; len];
    segment[8..].copy_from_slice(payload);
    let mut covered = pseudo_header(src, dst, UDP, len as u32);
    covered.add_bytes(payload);
    let emit = udp::Emit { src_port: ports.0, dst_port: ports.1, payload_len: payload.len() };
    emit.write(&mut segment, covered);
    packet(src, dst, UDP, &segment)
}

pub(crate) fn tcp(src: &str, dst: &str, ports: (u16, u16), flags: Flags) -> Vec<u8> {
    let (src, dst) = (address(src), address(dst));
    let emit = tcp::Emit { src_port: ports.0, dst_port: ports.1, flags, ..tcp::Emit::default() };
    let mut segment = vec![0; emit.header_len()];
    emit.write(&mut segment, pseudo_header(src, dst, TCP, 20));
    packet(src, dst, TCP, &segment)
}

/// An ICMP message of the addresses' family: type, code, the next four bytes, and the rest.
pub(crate) fn icmp(src: &str, dst: &str, kind: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (address(src), address(dst));
    let protocol = if src.is_ipv4() { ICMP } else { ICMPV6 };
    let mut message = vec![kind, 0, 0, 0];
    message.extend_from_slice(&rest);
    message.extend_from_slice(payload);
    let mut sum = match protocol {
        ICMP => Sum::new(),
        _ => pseudo_header(src, dst, protocol, message.len() as u32),
    };
    let check = sum.add_bytes(&message).finish();
    message[2..4].copy_from_slice(&check.to_be_bytes());
    packet(src, dst, protocol, &message)
}

pub(crate) fn ping(src: &str, dst: &str, ident: u16) -> Vec<u8> {
    let kind = if address(src).is_ipv4() { icmpv4::kind::ECHO_REQUEST } else { icmpv6::kind::ECHO_REQUEST };
    let [a, b] = ident.to_be_bytes();
    icmp(src, dst, kind, [a, b, 0, 1], b"ping")
}
