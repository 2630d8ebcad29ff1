//! Packets as links bring them, with right lengths and checksums.

use crate::counting;
use crate::hosts::{LOCAL, LOCAL_V6, REMOTE, REMOTE_V6};
use stack_core::{Checksum, Instant, RxPacket};
use stack_packet::RxArena;
use stack_wire::checksum::{Sum, pseudo_header};
use stack_wire::ethernet::EtherType;
use stack_wire::ip::protocol;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{self, Flags};
use stack_wire::tcp_options::TcpOptions;
use stack_wire::{ipv4, ipv6, udp};
use std::net::{IpAddr, Ipv4Addr};

/// A TCP segment in the middle of a transfer, with timestamps and this much payload, over IPv4.
pub fn tcp_over_ipv4(payload_len: usize) -> Vec<u8> {
    over_ipv4(REMOTE, protocol::TCP, &tcp_segment(REMOTE.into(), LOCAL.into(), payload_len))
}

/// The same over IPv6.
pub fn tcp_over_ipv6(payload_len: usize) -> Vec<u8> {
    let segment = tcp_segment(REMOTE_V6.into(), LOCAL_V6.into(), payload_len);
    let mut packet = vec![0; ipv6::HEADER_LEN + segment.len()];
    let at = ipv6::Emit::new(REMOTE_V6, LOCAL_V6, protocol::TCP, segment.len()).write(&mut packet);
    packet[at..].copy_from_slice(&segment);
    packet
}

/// A datagram of this much payload over IPv4.
pub fn udp_over_ipv4(payload_len: usize) -> Vec<u8> {
    let mut datagram = vec![0x5a; udp::HEADER_LEN + payload_len];
    let (header, payload) = datagram.split_at_mut(udp::HEADER_LEN);
    let covered = covered(REMOTE.into(), LOCAL.into(), protocol::UDP, udp::HEADER_LEN, payload);
    udp::Emit { src_port: 40_000, dst_port: 5004, payload_len }.write(header, covered);
    over_ipv4(REMOTE, protocol::UDP, &datagram)
}

/// A small packet of the counting transport, cut from `arena` as a link would, from the `flow`th peer.
pub fn counted(arena: &mut RxArena, flow: u32) -> RxPacket {
    let (remote, remote_port) = peer(flow);
    let mut segment = [0; counting::HEADER_LEN];
    segment[..2].copy_from_slice(&remote_port.to_be_bytes());
    segment[2..4].copy_from_slice(&LOCAL_PORT.to_be_bytes());
    let bytes = over_ipv4(remote, counting::NUMBER, &segment);
    let mut packet = RxPacket::new(arena.copy(&bytes), EtherType::IPV4, Instant::ZERO);
    packet.meta.checksum = Checksum::Verified;
    packet
}

/// Our port in the packets of the counting transport.
pub const LOCAL_PORT: u16 = 80;

/// Address and port of the `flow`th peer: as many ports as there are, then the next address.
pub fn peer(flow: u32) -> (Ipv4Addr, u16) {
    const PORTS: u32 = 50_000;
    let address = u32::from(Ipv4Addr::new(10, 20, 0, 1)) + flow / PORTS;
    (Ipv4Addr::from(address), 1024 + (flow % PORTS) as u16)
}

fn tcp_segment(src: IpAddr, dst: IpAddr, payload_len: usize) -> Vec<u8> {
    let mut options = [0; tcp::MAX_OPTIONS_LEN];
    let len = TcpOptions { timestamps: Some((1, 2)), ..TcpOptions::NONE }.write(&mut options);
    let emit = tcp::Emit {
        src_port: 40_000,
        dst_port: 5001,
        seq: SeqNum(1),
        ack: SeqNum(1),
        flags: Flags::ACK,
        window: 512,
        options: &options[..len],
        ..tcp::Emit::default()
    };
    let mut segment = vec![0x5a; emit.header_len() + payload_len];
    let (header, payload) = segment.split_at_mut(emit.header_len());
    emit.write(header, covered(src, dst, protocol::TCP, header.len(), payload));
    segment
}

/// The sum of what a checksum covers besides the header of `header_len` bytes.
fn covered(src: IpAddr, dst: IpAddr, protocol: u8, header_len: usize, payload: &[u8]) -> Sum {
    let mut sum = pseudo_header(src, dst, protocol, (header_len + payload.len()) as u32);
    *sum.add_bytes(payload)
}

fn over_ipv4(src: Ipv4Addr, protocol: u8, segment: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; ipv4::MIN_HEADER_LEN + segment.len()];
    let header = ipv4::Emit { dont_fragment: true, ..ipv4::Emit::new(src, LOCAL, protocol, segment.len()) };
    let at = header.write(&mut packet);
    packet[at..].copy_from_slice(segment);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_wire::ipv4::Ipv4;
    use stack_wire::tcp::Tcp;

    #[test]
    fn packets_are_what_a_receiver_accepts() {
        let packet = tcp_over_ipv4(1448);
        assert_eq!(packet.len(), 1500);
        let ip = Ipv4::parse(&packet).unwrap();
        assert!(ip.verify_checksum());
        let segment = Tcp::parse(ip.payload()).unwrap();
        let len = ip.payload().len() as u32;
        assert!(segment.verify_checksum(pseudo_header(REMOTE.into(), LOCAL.into(), protocol::TCP, len)));
    }

    #[test]
    fn peers_are_different() {
        let peers: std::collections::HashSet<_> = (0..200_000).map(peer).collect();
        assert_eq!(peers.len(), 200_000);
    }
}
