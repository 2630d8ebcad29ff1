//! The header of an outbound packet, and what changes in one that is forwarded: RFC 8200 §3, RFC 2474, RFC 6437.

use crate::{Endpoint, addresses};
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{DropReason, ErrorKind, Medium, NetCx, RxPacket, TxPacket};
use stack_wire::ethernet::EtherType;
use stack_wire::ipv6::{Emit, HEADER_LEN, Header};

impl Endpoint {
    /// Puts the header in front of a segment, from what `packet.ip` says.
    pub(crate) fn write_header(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut TxPacket,
    ) -> Result<(), DropReason> {
        let meta = packet.ip;
        let (IpAddr::V6(src), IpAddr::V6(dst)) = (meta.src, meta.dst) else {
            return Err(DropReason::BadVersion);
        };
        check_scope(cx, src, dst)?;
        let payload_len = packet.len();
        if payload_len > usize::from(u16::MAX) {
            return Err(DropReason::PacketTooBig);
        }
        let default = self.default_hop_limit();
        let emit = Emit {
            traffic_class: meta.traffic_class,
            flow_label: self.flow_label(cx, packet, src, dst),
            hop_limit: if meta.hop_limit == 0 { default } else { meta.hop_limit },
            ..Emit::new(src, dst, meta.protocol, payload_len)
        };
        emit.write(packet.prepend(HEADER_LEN).ok_or(DropReason::PacketTooBig)?);
        packet.ether_type = EtherType::IPV6;
        Ok(())
    }
}

impl Endpoint {
    /// What the sender has chosen, or what its flow has (R8200-6-a).
    fn flow_label(&mut self, cx: &mut NetCx<'_>, packet: &TxPacket, src: Ipv6Addr, dst: Ipv6Addr) -> u32 {
        match packet.ip.flow_label {
            Some(label) => label,
            None if self.config.auto_flow_labels => {
                let random = || cx.host.random();
                self.labels.label(random, src, dst, packet.ip.protocol, packet.header())
            }
            None => 0,
        }
    }
}

/// What must not be on a wire stays on loopback, or on the interface that was given such an address.
fn check_scope(cx: &NetCx<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> Result<(), DropReason> {
    let inside = addresses::stays_inside(dst);
    if !inside && !src.is_loopback() || cx.nic.capabilities.medium == Medium::Loopback {
        return Ok(());
    }
    match cx.host.check_local_address(Some(cx.nic.id), dst.into()) {
        Some(_) => Ok(()),
        None if inside => Err(DropReason::MartianDestination),
        None => Err(DropReason::MartianSource),
    }
}

/// Makes an outbound packet of one that is not for us: one hop less, all else as it came, the label too
/// (R6437-2-a).
///
/// # Errors
/// It has no hop left (R8200-3-c).
pub(crate) fn forward(packet: &mut RxPacket, out: &mut TxPacket) -> Result<(), ErrorKind> {
    if packet.ip.hop_limit <= 1 {
        return Err(ErrorKind::HopLimitExceeded);
    }
    out.from_rx(packet, HEADER_LEN).ok_or(ErrorKind::NetUnreachable)?;
    let header = Header::from_bytes_mut(out.header_mut()).ok_or(ErrorKind::NetUnreachable)?;
    out.ip.hop_limit = header.decrement_hop_limit();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ipv6Config;
    use crate::testing::{Net, packet};
    use bytes::Bytes;
    use etherparse::Ipv6HeaderSlice;
    use proptest::prelude::*;
    use stack_core::{Checksum, IpMeta, LinkCapabilities, NetworkEndpoint, Verdict};

    fn meta(src: &str, dst: &str) -> IpMeta {
        IpMeta { src: src.parse().unwrap(), dst: dst.parse().unwrap(), protocol: 17, ..IpMeta::default() }
    }

    fn segment(ip: IpMeta, len: usize) -> TxPacket {
        let mut packet = TxPacket::new();
        packet.ip = ip;
        packet.push(Bytes::from(alloc::vec![5; len])).unwrap();
        packet
    }

    fn encapsulate(net: &mut Net, packet: &mut TxPacket) -> Result<(), DropReason> {
        net.call(|endpoint, cx| endpoint.encapsulate(cx, packet))
    }

    proptest! {
        #[test]
        fn headers_are_what_others_read(
            src in any::<[u8; 16]>(), dst in any::<[u8; 16]>(), protocol: u8, hop_limit: u8, traffic_class: u8,
            len in 0..3000usize, label in proptest::option::of(0..1u32 << 20),
        ) {
            let (src, dst) = (IpAddr::from(src), IpAddr::from(dst));
            prop_assume!(!dst.is_multicast());
            let ip = IpMeta { src, dst, protocol, hop_limit, traffic_class, flow_label: label, ..IpMeta::default() };
            let mut packet = segment(ip, len);
            packet.checksum = Checksum::Partial { start: 0, offset: 6 };
            encapsulate(&mut Net::new(), &mut packet).unwrap();
            prop_assert_eq!(packet.ether_type, 0x86dd);
            prop_assert_eq!(packet.checksum, Checksum::Partial { start: 40, offset: 6 });
            let bytes = packet.to_bytes();
            let theirs = Ipv6HeaderSlice::from_slice(&bytes).unwrap().to_header();
            prop_assert_eq!((IpAddr::from(theirs.source), IpAddr::from(theirs.destination)), (src, dst));
            prop_assert_eq!(usize::from(theirs.payload_length), len);
            prop_assert_eq!(theirs.next_header.0, protocol);
            prop_assert_eq!(theirs.traffic_class, traffic_class);
            prop_assert!(label.map_or(theirs.flow_label.value() != 0, |label| theirs.flow_label.value() == label));
            prop_assert_eq!(theirs.hop_limit, if hop_limit == 0 { 64 } else { hop_limit });
        }
    }

    #[test]
    fn what_can_not_be_carried() {
        let mut net = Net::new();
        let v4 = IpMeta { dst: "10.0.0.1".parse().unwrap(), ..meta("fd00::1", "fd00::9") };
        for (situation, ip, len, want) in [
            ("largest", meta("fd00::1", "fd00::9"), 65_535, Ok(())),
            ("too large", meta("fd00::1", "fd00::9"), 65_536, Err(DropReason::PacketTooBig)),
            ("another family", v4, 1, Err(DropReason::BadVersion)),
            ("R4291-2.5.3-a: to loopback", meta("fd00::1", "::1"), 1, Err(DropReason::MartianDestination)),
            ("R4291-2.5.3-a: from loopback", meta("::1", "fd00::9"), 1, Err(DropReason::MartianSource)),
            ("R4291-2.7-b: scope 1", meta("fd00::1", "ff01::1"), 1, Err(DropReason::MartianDestination)),
            ("scope 2", meta("fd00::1", "ff02::1"), 1, Ok(())),
        ] {
            let mut packet = segment(ip, len);
            assert_eq!(encapsulate(&mut net, &mut packet), want, "{situation}");
            assert_eq!(packet.len() - len, if want.is_ok() { 40 } else { 0 }, "{situation}");
        }
        net.capabilities = LinkCapabilities::plain(Medium::Loopback, 65_535);
        assert_eq!(encapsulate(&mut net, &mut segment(meta("::1", "::1"), 1)), Ok(()));
    }

    // R8200-3-c, R8200-6-a, R8200-7-a
    #[test]
    fn forwarding_takes_one_hop_and_keeps_the_rest() {
        let mut before = packet("fd00::9", "2001:db8::1", 0, &[17, 0, 1, 4, 0, 0, 0, 0, 1, 2, 3]);
        (before[1], before[3], before[7]) = (0xa5, 0x77, 2);
        let mut net = Net::new();
        let mut packet = net.packet(&before);
        assert_eq!(net.receive_packet(&mut packet), Verdict::Forward);
        let mut out = TxPacket::new();
        net.call(|endpoint, cx| endpoint.forward(cx, &mut packet, &mut out)).unwrap();
        before[7] = 1;
        assert_eq!(out.to_bytes(), before);
        assert_eq!((out.ip.hop_limit, out.ether_type), (1, 0x86dd));
    }

    // R8200-3-c, R4443-3.3-a
    #[test]
    fn the_last_hop_is_not_forwarded_and_the_packet_is_left_for_the_error() {
        for hops in [0, 1] {
            let mut bytes = packet("fd00::9", "2001:db8::1", 17, &[1; 30]);
            bytes[7] = hops;
            let mut net = Net::new();
            let mut packet = net.packet(&bytes);
            assert_eq!(net.receive_packet(&mut packet), Verdict::Forward);
            let got = net.call(|endpoint, cx| endpoint.forward(cx, &mut packet, &mut TxPacket::new()));
            assert_eq!(got, Err(ErrorKind::HopLimitExceeded));
            net.send_error(&packet, ErrorKind::HopLimitExceeded);
            let error = net.out.pop().unwrap().to_bytes();
            assert_eq!((&error[..2], &error[8..]), (&[3, 0][..], &bytes[..]));
        }
    }

    // R8200-6-a, R6437-3-b
    #[test]
    fn labels_can_be_switched_off() {
        let mut net = Net::with(Ipv6Config { auto_flow_labels: false, ..Ipv6Config::default() });
        let mut packet = segment(meta("fd00::1", "fd00::9"), 8);
        encapsulate(&mut net, &mut packet).unwrap();
        assert_eq!(packet.header()[..4], [0x60, 0, 0, 0]);
    }
}
