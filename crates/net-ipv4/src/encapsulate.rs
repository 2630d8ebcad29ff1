//! The header of an outbound packet, and what changes in one that is forwarded.
//! RFC 791 §3.1, RFC 1122 §3.2.1, RFC 2474, RFC 6864; forwarding: RFC 1812 §5.3.1, RFC 1624.

use crate::Endpoint;
use crate::record::record;
use core::net::{IpAddr, Ipv4Addr};
use stack_core::{DropReason, ErrorKind, Instant, Medium, NetCx, RxPacket, TxPacket};
use stack_wire::ethernet::EtherType;
use stack_wire::ipv4::{Emit, Header, MIN_HEADER_LEN};

impl Endpoint {
    /// Puts the header in front of a segment, from what `packet.ip` says.
    pub(crate) fn write_header(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut TxPacket,
    ) -> Result<(), DropReason> {
        let meta = packet.ip;
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (meta.src, meta.dst) else {
            return Err(DropReason::BadVersion);
        };
        check_loopback(cx, meta.src, meta.dst)?;
        let payload_len = packet.len();
        if payload_len > usize::from(u16::MAX) - MIN_HEADER_LEN {
            return Err(DropReason::PacketTooBig);
        }
        let atomic = meta.dont_fragment;
        let emit = Emit {
            tos: meta.traffic_class,
            ident: if atomic { 0 } else { self.next_ident(cx, src, dst, meta.protocol) },
            dont_fragment: atomic,
            // R1122-3.2.1.7-a: never 0
            ttl: if meta.hop_limit == 0 { self.config.default_ttl.max(1) } else { meta.hop_limit },
            ..Emit::new(src, dst, meta.protocol, payload_len)
        };
        emit.write(packet.prepend(MIN_HEADER_LEN).ok_or(DropReason::PacketTooBig)?);
        packet.ether_type = EtherType::IPV4;
        Ok(())
    }

    /// The identification of a datagram that may be fragmented: a number of the flow's own (R6864-4.2-a). Atomic ones may
    /// hold any value and get 0 (R6864-4.1-a, R6864-4.3-a).
    fn next_ident(&mut self, cx: &mut NetCx<'_>, src: Ipv4Addr, dst: Ipv4Addr, protocol: u8) -> u16 {
        let addresses = u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits());
        self.idents.next(|| cx.host.random(), &[addresses, protocol.into()]) as u16
    }
}

/// 127/8 stays on loopback, or on the interface that was given such an address (R1122-3.2.1.3-c).
fn check_loopback(cx: &NetCx<'_>, src: IpAddr, dst: IpAddr) -> Result<(), DropReason> {
    if !src.is_loopback() && !dst.is_loopback() || cx.nic.capabilities.medium == Medium::Loopback {
        return Ok(());
    }
    match cx.host.check_local_address(Some(cx.nic.id), dst) {
        Some(_) => Ok(()),
        None if dst.is_loopback() => Err(DropReason::MartianDestination),
        None => Err(DropReason::MartianSource),
    }
}

/// Makes an outbound packet of one that is not for us: one hop less, in its options what routers write there, all else
/// as it came.
///
/// # Errors
/// It has no hop left (R1812-5.3.1-a), or options that can't be written into.
pub(crate) fn forward(now: Instant, packet: &mut RxPacket, out: &mut TxPacket) -> Result<(), ErrorKind> {
    if packet.ip.hop_limit <= 1 {
        return Err(ErrorKind::HopLimitExceeded);
    }
    let header_len = usize::from(packet.transport);
    let ours = out.ip.src;
    out.from_rx(packet, header_len).ok_or(ErrorKind::NetUnreachable)?;
    match ours {
        IpAddr::V4(ours) if header_len > MIN_HEADER_LEN => record(out.header_mut(), ours, now)?,
        _ => {}
    }
    let header = Header::from_bytes_mut(out.header_mut()).ok_or(ErrorKind::NetUnreachable)?;
    out.ip.hop_limit = header.decrement_ttl(); // R1812-4.2.2-b: mends the checksum
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, datagram, fix_checksum, with_options};
    use bytes::Bytes;
    use etherparse::Ipv4HeaderSlice;
    use proptest::prelude::*;
    use stack_core::{Checksum, IpMeta, LinkCapabilities, Verdict};

    fn meta(src: &str, dst: &str) -> IpMeta {
        IpMeta { src: src.parse().unwrap(), dst: dst.parse().unwrap(), protocol: 17, ..IpMeta::default() }
    }

    fn segment(ip: IpMeta, len: usize) -> TxPacket {
        let mut packet = TxPacket::new();
        packet.ip = ip;
        packet.push(Bytes::from(alloc::vec![5; len])).unwrap();
        packet
    }

    proptest! {
        // R6864-4.3-a
        #[test]
        fn headers_are_what_others_read(
            src: [u8; 4], dst: [u8; 4], protocol: u8, hop_limit: u8, traffic_class: u8,
            dont_fragment: bool, len in 0..3000usize,
        ) {
            prop_assume!(src[0] != 127 && dst[0] != 127);
            let (src, dst) = (IpAddr::from(src), IpAddr::from(dst));
            let ip = IpMeta { src, dst, protocol, hop_limit, traffic_class, dont_fragment, ..IpMeta::default() };
            let mut packet = segment(ip, len);
            packet.checksum = Checksum::Partial { start: 0, offset: 6 };
            Net::new().encapsulate(&mut packet).unwrap();
            prop_assert_eq!(packet.ether_type, 0x0800);
            prop_assert_eq!(packet.checksum, Checksum::Partial { start: 20, offset: 6 });
            let bytes = packet.to_bytes();
            let theirs = Ipv4HeaderSlice::from_slice(&bytes).unwrap().to_header();
            prop_assert_eq!(theirs.calc_header_checksum(), theirs.header_checksum);
            prop_assert_eq!((IpAddr::from(theirs.source), IpAddr::from(theirs.destination)), (src, dst));
            prop_assert_eq!(usize::from(theirs.total_len), len + 20);
            prop_assert_eq!(theirs.protocol.0, protocol);
            prop_assert_eq!(theirs.dscp.value() << 2 | theirs.ecn.value(), traffic_class);
            prop_assert_eq!(theirs.time_to_live, if hop_limit == 0 { 64 } else { hop_limit });
            prop_assert_eq!((theirs.dont_fragment, theirs.more_fragments), (dont_fragment, false));
            prop_assert!(!dont_fragment || theirs.identification == 0);
        }
    }

    #[test]
    fn what_can_not_be_carried() {
        let mut net = Net::new();
        let v6 = IpMeta { dst: "::1".parse().unwrap(), ..meta("10.0.0.1", "10.0.0.9") };
        for (situation, ip, len, want) in [
            ("largest", meta("10.0.0.1", "10.0.0.9"), 65_515, Ok(())),
            ("too large", meta("10.0.0.1", "10.0.0.9"), 65_516, Err(DropReason::PacketTooBig)),
            ("another family", v6, 1, Err(DropReason::BadVersion)),
            (
                "R1122-3.2.1.3-c: to loopback",
                meta("10.0.0.1", "127.0.0.1"),
                1,
                Err(DropReason::MartianDestination),
            ),
            (
                "R1122-3.2.1.3-c: from loopback",
                meta("127.0.0.1", "10.0.0.9"),
                1,
                Err(DropReason::MartianSource),
            ),
            ("from loopback to the interface itself", meta("127.0.0.1", "10.0.0.1"), 1, Ok(())),
        ] {
            let mut packet = segment(ip, len);
            assert_eq!(net.encapsulate(&mut packet), want, "{situation}");
            assert_eq!(packet.len() - len, if want.is_ok() { 20 } else { 0 }, "{situation}");
        }
        net.capabilities = LinkCapabilities::plain(Medium::Loopback, 65_535);
        assert_eq!(net.encapsulate(&mut segment(meta("127.0.0.1", "127.0.0.1"), 1)), Ok(()));
    }

    // R1122-3.2.1.7-c, R1122-3.2.1.7-a
    #[test]
    fn the_default_ttl_is_configurable_and_never_zero() {
        for (default_ttl, want) in [(33, 33), (0, 1)] {
            let mut net = Net::with(crate::Ipv4Config { default_ttl, ..Default::default() });
            let mut packet = segment(meta("10.0.0.1", "10.0.0.9"), 1);
            net.encapsulate(&mut packet).unwrap();
            assert_eq!(packet.header()[8], want);
        }
    }

    // R1812-5.3.1-a, R1812-4.2.2-b
    #[test]
    fn forwarding_takes_one_hop_and_keeps_the_rest() {
        let mut before = with_options("10.0.0.9", "192.0.2.1", 17, &[7, 7, 4, 0, 0, 0, 0], &[1; 30]);
        (before[1], before[8]) = (0xfe, 2);
        fix_checksum(&mut before);
        let mut net = Net::new();
        net.forwarding = true;
        let mut packet = net.packet(&before);
        assert_eq!(net.receive_packet(&mut packet), Verdict::Forward);
        let mut out = TxPacket::new();
        out.ip.src = "192.0.2.7".parse().unwrap();
        net.forward(&mut packet, &mut out).unwrap();
        let after = out.to_bytes();
        (before[8], before[22]) = (1, 8);
        before[23..27].copy_from_slice(&[192, 0, 2, 7]);
        fix_checksum(&mut before);
        assert_eq!(after, before);
        assert_eq!((out.ip.hop_limit, out.ether_type, out.header().len()), (1, 0x0800, 28));
    }

    #[test]
    fn the_last_hop_is_not_forwarded_and_the_packet_is_left_for_the_error() {
        for ttl in [0, 1] {
            let mut bytes = datagram("10.0.0.9", "192.0.2.1", 17, &[1; 30]);
            bytes[8] = ttl;
            fix_checksum(&mut bytes);
            let mut net = Net::new();
            let mut packet = net.packet(&bytes);
            assert_eq!(net.receive_packet(&mut packet), Verdict::Forward);
            assert_eq!(net.forward(&mut packet, &mut TxPacket::new()), Err(ErrorKind::HopLimitExceeded));
            net.send_error(&packet, ErrorKind::HopLimitExceeded);
            let error = net.out.pop().unwrap();
            assert_eq!((&error.header()[..2], &error.payload()[0]), (&[11, 0][..], &Bytes::from(bytes)));
        }
    }
}
