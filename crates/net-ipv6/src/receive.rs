//! The life of an inbound packet: fixed header, addresses, extension headers, fragments, then ICMPv6 or a transport protocol.
//! RFC 8200 §3, §4.
//!
//! Invariant: a packet that is delivered or forwarded has its network headers and the first bytes of its transport
//! header contiguous in `data`, ends at its payload length, and has `ip` and `transport` filled. The extension headers
//! of what is forwarded are not looked at (§4).

use crate::extension::{self, Refusal, Upper};
use crate::{Endpoint, addresses, send_error};
use alloc::boxed::Box;
use stack_core::{Cast, Destination, DropReason, Effect, ErrorKind, IpMeta, NetCx, RxPacket, Verdict};
use stack_wire::WireError;
use stack_wire::ip::protocol;
use stack_wire::ipv6::{HEADER_LEN, Header, Ipv6};

/// Shortest transport header that is worth having contiguous: UDP's and ICMP's. Our own links split packets
/// only between headers, so one that shows these has all.
const MIN_TRANSPORT: usize = 8;
/// Longest transport header: TCP with all its options.
const MAX_TRANSPORT: usize = 60;

impl Endpoint {
    /// What becomes of a packet from the link.
    pub(crate) fn inbound(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
    ) -> Result<Verdict, DropReason> {
        let header = read_header(packet)?;
        let destination = addresses::check(cx, &packet.meta, &header)?;
        annotate(packet, &header, destination);
        if addresses::goes_on_too(cx, packet, destination) {
            cx.emit(Effect::ForwardGroup(Box::new(packet.clone())));
        }
        match destination {
            Destination::Remote => Ok(Verdict::Forward),
            Destination::Local(cast) => self.local(cx, packet, &header, cast),
        }
    }

    /// A packet for us.
    fn local(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        header: &Header,
        cast: Cast,
    ) -> Result<Verdict, DropReason> {
        if !extension::is_extension(header.next_header()) {
            return self.deliver(cx, packet, false);
        }
        let upper = self.obey(cx, packet, header, cast)?;
        if upper.protocol == protocol::IPV6_FRAGMENT {
            return self.collect(cx, packet, header, cast, upper.offset);
        }
        self.deliver(cx, packet, upper.fragmented)
    }

    /// Does what the extension headers want, and notes where they end.
    fn obey(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        header: &Header,
        cast: Cast,
    ) -> Result<Upper, DropReason> {
        packet.pull_up(usize::MAX);
        let rules = extension::Rules {
            to_group: cast != Cast::Unicast,
            max_options: self.config.max_options,
            max_padding: self.config.max_padding,
        };
        let walked = extension::walk(&packet.data, header.next_header(), &rules);
        let upper = walked.map_err(|refusal| refuse(cx, packet, refusal))?;
        packet.ip.protocol = upper.protocol;
        packet.transport = u16::try_from(upper.offset).map_err(|_| DropReason::BadHeaderLength)?;
        Ok(upper)
    }

    /// A fragment of a packet for us, whose fragment header is at `at`: kept, or the last that was missing.
    fn collect(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        header: &Header,
        cast: Cast,
        at: usize,
    ) -> Result<Verdict, DropReason> {
        let taken = self.reassemble(cx, packet, header, at);
        let Some(whole) = taken.map_err(|refusal| refuse(cx, packet, refusal))? else {
            return Ok(Verdict::Held);
        };
        packet.reassembled(whole);
        let header = read_header(packet)?;
        annotate(packet, &header, Destination::Local(cast));
        if extension::is_extension(header.next_header()) {
            let upper = self.obey(cx, packet, &header, cast)?;
            // Fragments of fragments are nobody's traffic.
            if upper.protocol == protocol::IPV6_FRAGMENT {
                return Err(DropReason::FragmentInvalid);
            }
        }
        self.deliver(cx, packet, true)
    }

    /// A whole packet for us; `fragmented` says that it came behind a fragment header.
    fn deliver(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        fragmented: bool,
    ) -> Result<Verdict, DropReason> {
        pull_up_transport(packet);
        match packet.ip.protocol {
            protocol::ICMPV6 => {
                let copy = cx.for_taps(packet);
                let verdict = self.receive_icmp(cx, packet, fragmented);
                cx.show(copy, verdict);
                Ok(verdict)
            }
            protocol::IPV6_NO_NEXT => Err(DropReason::UnknownProtocol), // R8200-4.7-a
            _ => Ok(Verdict::Deliver),
        }
    }
}

fn refuse(cx: &mut NetCx<'_>, packet: &RxPacket, refusal: Refusal) -> DropReason {
    if let Some((code, pointer)) = refusal.report {
        let pointer = u32::try_from(pointer).unwrap_or(u32::MAX);
        send_error::send_error(cx, packet, ErrorKind::ParameterProblem { pointer, code });
    }
    refusal.reason
}

/// Makes the fixed header contiguous, checks it, and cuts what the link put behind the packet.
fn read_header(packet: &mut RxPacket) -> Result<Header, DropReason> {
    if packet.data.len() < HEADER_LEN {
        packet.pull_up(HEADER_LEN + MAX_TRANSPORT);
    }
    let header = *Ipv6::parse_quoted(&packet.data).map_err(drop_reason)?.header();
    let len = HEADER_LEN + usize::from(header.payload_len());
    if len > packet.len() {
        return Err(DropReason::BadTotalLength); // R8200-3-a
    }
    packet.truncate(len);
    Ok(header)
}

/// Writes down what the layers above want to know. The hop limit is theirs to judge (R8200-3-b).
fn annotate(packet: &mut RxPacket, header: &Header, destination: Destination) {
    packet.transport = HEADER_LEN as u16;
    packet.ip = IpMeta {
        src: header.src().into(),
        dst: header.dst().into(),
        protocol: header.next_header(),
        hop_limit: header.hop_limit(),
        traffic_class: header.traffic_class(),
        dont_fragment: true,
        flow_label: Some(header.flow_label()),
        cast: if let Destination::Local(cast) = destination { cast } else { Cast::Unicast },
    };
}

/// Packets that never touched a device come in pieces; their transport header must not.
fn pull_up_transport(packet: &mut RxPacket) {
    if packet.transport().len() < MIN_TRANSPORT {
        packet.pull_up(usize::from(packet.transport) + MAX_TRANSPORT);
    }
}

fn drop_reason(error: WireError) -> DropReason {
    match error {
        WireError::BadVersion => DropReason::BadVersion,
        _ => DropReason::Truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, packet};
    use alloc::vec::Vec;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Verdict {
        let mut bytes = packet("fd00::9", "fd00::1", 17, &[7; 12]);
        change(&mut bytes);
        Net::new().receive(&bytes)
    }

    #[test]
    fn malformed_headers() {
        use DropReason::{BadTotalLength, BadVersion, Truncated};
        for (situation, got, want) in [
            ("empty", changed(Vec::clear), Truncated),
            ("one octet short of a header", changed(|p| p.truncate(39)), Truncated),
            ("R8200-3-a: version 4", changed(|p| p[0] = 0x45), BadVersion),
            ("R8200-3-a: payload length above the packet", changed(|p| p[5] = 13), BadTotalLength),
        ] {
            assert_eq!(got, Verdict::Drop(want), "{situation}");
        }
        assert_eq!(changed(|p| p[7] = 0), Verdict::Deliver, "R8200-3-b: no hops left, but for us");
    }

    // R8200-3-a
    #[test]
    fn padding_of_the_link_is_cut() {
        let mut net = Net::new();
        let mut bytes = packet("fd00::9", "fd00::1", 17, &[7; 12]);
        bytes.resize(90, 0xee);
        let mut packet = net.packet(&bytes);
        assert_eq!(net.receive_packet(&mut packet), Verdict::Deliver);
        assert_eq!((packet.len(), packet.transport()), (52, &[7; 12][..]));
    }

    // R8200-7-a
    #[test]
    fn a_delivered_packet_is_annotated() {
        let mut net = Net::new();
        let mut bytes = packet("fd00::9", "ff02::1", 60, &[17, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend_from_slice(b"payload!");
        (bytes[0], bytes[1], bytes[5], bytes[7]) = (0x6b, 0xa5, 16, 3);
        let mut packet = net.packet(&bytes);
        assert_eq!(net.receive_packet(&mut packet), Verdict::Deliver);
        assert_eq!(packet.transport(), b"payload!");
        let want = IpMeta {
            src: "fd00::9".parse().unwrap(),
            dst: "ff02::1".parse().unwrap(),
            protocol: 17,
            hop_limit: 3,
            traffic_class: 0xba,
            dont_fragment: true,
            flow_label: Some(0x5_0000),
            cast: Cast::Multicast,
        };
        assert_eq!(packet.ip, want);
    }

    #[test]
    fn headers_in_pieces_become_contiguous() {
        let mut bytes = packet("fd00::9", "fd00::1", 60, &[6, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend_from_slice(&[9; 200]);
        bytes[5] = 208;
        let plain = packet("fd00::9", "fd00::1", 6, &[9; 200]);
        for (bytes, cut) in
            (0..=bytes.len()).map(|cut| (&bytes, cut)).chain((0..=240).map(|cut| (&plain, cut)))
        {
            let mut net = Net::new();
            let mut packet = net.packet(&bytes[..cut]);
            packet.more.push(Bytes::copy_from_slice(&bytes[cut..]));
            assert_eq!(net.receive_packet(&mut packet), Verdict::Deliver, "cut at {cut}");
            assert_eq!(packet.transport_len(), 200);
            let whole = if cut <= 40 { 60 } else { 8 };
            assert!(packet.transport().len() >= whole, "cut at {cut}");
        }
    }

    #[test]
    fn refused_extension_headers_are_reported() {
        let routed = packet("fd00::9", "fd00::1", 43, &[17, 0, 0, 1, 0, 0, 0, 0]);
        let to_group = packet("fd00::9", "ff02::1", 0, &[17, 0, 0x9e, 0, 0, 0, 0, 0]);
        let silent = packet("fd00::9", "fd00::1", 0, &[17, 0, 0x5e, 0, 0, 0, 0, 0]);
        for (situation, bytes, reason, answer) in [
            ("R8200-4.4-b", routed, DropReason::SourceRoute, Some([4, 0, 42])),
            ("R8200-4.2-c", to_group, DropReason::BadOption, Some([4, 2, 42])),
            ("R8200-4.2-b", silent, DropReason::BadOption, None),
        ] {
            let mut net = Net::new();
            assert_eq!(net.receive(&bytes), Verdict::Drop(reason), "{situation}");
            let got = net.out.pop().map(|error| {
                let error = error.to_bytes();
                assert_eq!(error[8..], bytes[..], "{situation}");
                [error[0], error[1], error[7]]
            });
            assert_eq!(got, answer, "{situation}");
        }
    }

    // R8200-4.7-a
    #[test]
    fn nothing_follows_and_nobody_is_told() {
        let mut net = Net::new();
        let verdict = net.receive(&packet("fd00::9", "fd00::1", 59, &[1, 2, 3]));
        assert_eq!(verdict, Verdict::Drop(DropReason::UnknownProtocol));
        assert!(net.out.is_empty());
    }

    #[test]
    fn extension_headers_of_foreign_packets_are_not_ours() {
        let bytes = packet("fd00::9", "2001:db8::1", 43, &[17, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(Net::new().receive(&bytes), Verdict::Forward);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
            let mut net = Net::new();
            let cut = cut.min(bytes.len());
            let mut packet = net.packet(&bytes[..cut]);
            packet.more.push(Bytes::copy_from_slice(&bytes[cut..]));
            let _ = net.receive_packet(&mut packet);
        }

        #[test]
        fn no_bytes_behind_a_good_header_panic(
            payload in proptest::collection::vec(any::<u8>(), 0..150),
            next in prop_oneof![Just(58u8), Just(0), Just(44), Just(60), any::<u8>()],
            dst in prop_oneof![Just("fd00::1"), Just("ff02::1"), Just("ff02::1:ff00:1"), Just("2001:db8::1")],
            good_checksum: bool,
        ) {
            let mut net = Net::new();
            let mut bytes = packet("fd00::9", dst, next, &payload);
            if good_checksum && next == 58 {
                crate::testing::fix_checksum(&mut bytes);
            }
            let mut packet = net.packet(&bytes);
            let verdict = net.receive_packet(&mut packet);
            if matches!(verdict, Verdict::Deliver | Verdict::Forward) {
                net.send_error(&packet, ErrorKind::ProtocolUnreachable);
            }
        }
    }
}
