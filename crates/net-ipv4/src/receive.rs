//! The life of an inbound packet: header, addresses, options, fragments, then ICMP or a transport protocol.
//! RFC 791 §3, RFC 1122 §3.2.1, RFC 1812 §5.2.
//!
//! Invariant: a packet that is delivered or forwarded has its whole IP header and the first bytes of its transport
//! header contiguous in `data`, ends at its total length, and has `ip` and `transport` filled.

use crate::{Endpoint, addresses, options};
use alloc::boxed::Box;
use stack_core::{Cast, Destination, DropReason, Effect, ErrorKind, IpMeta, NetCx, RxPacket, Verdict};
use stack_wire::WireError;
use stack_wire::ip::protocol;
use stack_wire::ipv4::{Header, Ipv4, MAX_HEADER_LEN, MIN_HEADER_LEN};

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
        if destination == Destination::Remote && !cx.nic.forwarding {
            return Ok(Verdict::Forward);
        }
        if header.header_len() > MIN_HEADER_LEN {
            self.check_options(cx, packet)?;
        }
        if addresses::goes_on_too(cx, packet, destination) {
            cx.emit(Effect::ForwardGroup(Box::new(packet.clone())));
        }
        match destination {
            Destination::Remote => Ok(Verdict::Forward),
            Destination::Local(_) if header.is_fragment() => self.collect(cx, packet, &header),
            Destination::Local(_) => Ok(self.deliver(cx, packet)),
        }
    }

    /// A whole datagram for us.
    fn deliver(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        pull_up_transport(packet);
        let receive = match packet.ip.protocol {
            protocol::ICMP => Self::receive_icmp,
            protocol::IGMP => Self::receive_igmp,
            _ => return Verdict::Deliver,
        };
        let copy = cx.for_taps(packet);
        let verdict = receive(self, cx, packet);
        cx.show(copy, verdict);
        verdict
    }

    /// A fragment of a datagram for us: kept, or the last that was missing.
    fn collect(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        header: &Header,
    ) -> Result<Verdict, DropReason> {
        let Some(whole) = self.reassemble(cx, packet, header)? else {
            return Ok(Verdict::Held);
        };
        let cast = packet.ip.cast;
        packet.reassembled(whole);
        let header = read_header(packet)?;
        annotate(packet, &header, Destination::Local(cast));
        Ok(self.deliver(cx, packet))
    }

    fn check_options(&mut self, cx: &mut NetCx<'_>, packet: &RxPacket) -> Result<(), DropReason> {
        let view = Ipv4::parse_quoted(&packet.data).map_err(drop_reason)?;
        options::check(&view).map_err(|kind| {
            crate::send_error::send_error(cx, packet, kind); // R1122-3.2.2.5-a
            if kind == ErrorKind::SourceRouteFailed { DropReason::SourceRoute } else { DropReason::BadOption }
        })
    }
}

/// Makes the header contiguous, checks it, and cuts what the link put behind the packet.
fn read_header(packet: &mut RxPacket) -> Result<Header, DropReason> {
    let header_len = packet.data.first().map_or(MIN_HEADER_LEN, |octet| usize::from(octet & 15) * 4);
    if packet.data.len() < header_len {
        packet.pull_up(MAX_HEADER_LEN + MAX_TRANSPORT);
    }
    let view = Ipv4::parse_quoted(&packet.data).map_err(drop_reason)?;
    let total_len = usize::from(view.total_len());
    if total_len > packet.len() {
        return Err(DropReason::BadTotalLength); // R791-3.1-a
    }
    if !view.verify_checksum() {
        return Err(DropReason::BadHeaderChecksum); // R1122-3.2.1.2-a
    }
    let header = *view.header();
    packet.truncate(total_len);
    Ok(header)
}

/// Writes down what the layers above want to know.
fn annotate(packet: &mut RxPacket, header: &Header, destination: Destination) {
    packet.transport = header.header_len() as u16;
    packet.ip = IpMeta {
        src: header.src().into(),
        dst: header.dst().into(),
        protocol: header.protocol(),
        hop_limit: header.ttl(),
        traffic_class: header.tos(), // R1122-3.2.1.6-a
        dont_fragment: header.dont_fragment(),
        flow_label: None,
        cast: if let Destination::Local(cast) = destination { cast } else { Cast::Unicast },
    };
}

/// Packets that never touched a device come in pieces; their transport header must not.
fn pull_up_transport(packet: &mut RxPacket) {
    if packet.transport().len() < MIN_TRANSPORT {
        packet.pull_up(usize::from(packet.transport) + MAX_TRANSPORT);
    }
}

/// The counter for a header that can't be read.
pub(crate) fn drop_reason(error: WireError) -> DropReason {
    match error {
        WireError::Truncated => DropReason::Truncated,
        WireError::BadVersion => DropReason::BadVersion,
        WireError::BadTotalLength => DropReason::BadTotalLength,
        WireError::BadChecksum => DropReason::BadHeaderChecksum,
        WireError::BadHeaderLength | WireError::Unsupported => DropReason::BadHeaderLength,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, datagram, fix_checksum, with_options};
    use alloc::vec::Vec;
    use bytes::Bytes;
    use proptest::prelude::*;
    use stack_core::Instant;

    fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Verdict {
        let mut packet = datagram("10.0.0.9", "10.0.0.1", 17, &[7; 12]);
        change(&mut packet);
        Net::new().receive(&packet)
    }

    fn with(at: usize, byte: u8) -> Verdict {
        changed(|packet| {
            packet[at] = byte;
            fix_checksum(packet);
        })
    }

    #[test]
    fn malformed_headers() {
        use DropReason::{BadHeaderChecksum, BadHeaderLength, BadTotalLength, BadVersion, Truncated};
        for (situation, got, want) in [
            ("empty", changed(Vec::clear), Truncated),
            ("R791-3.1-a: one octet short of a header", changed(|p| p.truncate(19)), Truncated),
            ("R1122-3.2.1.1-a: version 6", with(0, 0x65), BadVersion),
            ("R791-3.1-a: four words of header", with(0, 0x44), BadHeaderLength),
            ("R791-3.1-a: header longer than the packet", with(0, 0x4f), Truncated),
            ("R791-3.1-a: total length below the header", with(3, 19), BadTotalLength),
            ("R791-3.1-a: total length above the packet", with(3, 33), BadTotalLength),
            ("R1122-3.2.1.2-a: checksum", changed(|p| p[10] ^= 1), BadHeaderChecksum),
        ] {
            assert_eq!(got, Verdict::Drop(want), "{situation}");
        }
        assert_eq!(with(8, 0), Verdict::Deliver, "R1122-3.2.1.7-b: no hops left, but for us");
        assert_eq!(with(8, 1), Verdict::Deliver, "R1122-3.2.1.7-b: one hop left");
    }

    // R6864-4.1-a
    #[test]
    fn atomic_datagrams_are_no_repetitions_nor_fragments_of_others() {
        let mut net = Net::new();
        let mut atomic = datagram("10.0.0.9", "10.0.0.1", 17, b"payload!");
        (atomic[4], atomic[6]) = (0x77, 0x40);
        fix_checksum(&mut atomic);
        let mut first = datagram("10.0.0.9", "10.0.0.1", 17, b"part one");
        (first[4], first[6]) = (0x77, 0x20);
        fix_checksum(&mut first);
        assert_eq!(net.receive(&first), Verdict::Held);
        for _ in 0..2 {
            let mut packet = net.packet(&atomic);
            assert_eq!(net.receive_packet(&mut packet), Verdict::Deliver);
            assert_eq!(packet.transport(), b"payload!");
        }
    }

    // R791-3.1-a
    #[test]
    fn padding_of_the_link_is_cut() {
        let mut net = Net::new();
        let mut bytes = datagram("10.0.0.9", "10.0.0.1", 17, &[7; 12]);
        bytes.resize(60, 0xee);
        let mut packet = net.packet(&bytes);
        assert_eq!(net.receive_packet(&mut packet), Verdict::Deliver);
        assert_eq!((packet.len(), packet.transport()), (32, &[7; 12][..]));
    }

    // R1122-3.2.1.6-a
    #[test]
    fn a_delivered_packet_is_annotated() {
        let mut net = Net::new();
        let mut bytes = with_options("10.0.0.9", "10.0.0.255", 17, &[148, 4, 0, 0], b"payload!");
        (bytes[1], bytes[6], bytes[8]) = (0xba, 0x40, 3);
        fix_checksum(&mut bytes);
        let mut packet = net.packet(&bytes);
        assert_eq!(net.receive_packet(&mut packet), Verdict::Deliver);
        assert_eq!(packet.transport(), b"payload!");
        let want = IpMeta {
            src: "10.0.0.9".parse().unwrap(),
            dst: "10.0.0.255".parse().unwrap(),
            protocol: 17,
            hop_limit: 3,
            traffic_class: 0xba,
            dont_fragment: true,
            flow_label: None,
            cast: Cast::Broadcast,
        };
        assert_eq!(packet.ip, want);
        assert_eq!(packet.ip.ecn(), 2);
    }

    #[test]
    fn headers_in_pieces_become_contiguous() {
        let bytes = with_options("10.0.0.9", "10.0.0.1", 6, &[148, 4, 0, 0], &[9; 200]);
        for cut in 0..=bytes.len() {
            let mut net = Net::new();
            let mut packet = net.packet(&bytes[..cut]);
            packet.more.push(Bytes::copy_from_slice(&bytes[cut..]));
            assert_eq!(net.receive_packet(&mut packet), Verdict::Deliver, "cut at {cut}");
            assert!(packet.transport().len() >= 8, "cut at {cut}");
            assert_eq!(packet.transport_len(), 200);
            if cut <= 24 {
                assert!(packet.transport().len() >= 60, "cut at {cut}: a whole TCP header");
            }
        }
    }

    #[test]
    fn bad_options_are_answered_and_source_routes_refused() {
        for (options, reason, kind_code) in [
            (&[7, 1, 0, 0][..], DropReason::BadOption, [12, 0]),
            (&[131, 7, 4, 192, 0, 2, 1, 0], DropReason::SourceRoute, [3, 5]),
        ] {
            let mut net = Net::new();
            let packet = with_options("10.0.0.9", "10.0.0.1", 17, options, &[0; 8]);
            assert_eq!(net.receive(&packet), Verdict::Drop(reason));
            let error = net.out.pop().unwrap();
            assert_eq!(error.header()[..2], kind_code);
            assert_eq!(&error.to_bytes()[8..], &packet[..]);
        }
    }

    #[test]
    fn options_of_foreign_packets_matter_to_routers_only() {
        let packet = with_options("10.0.0.9", "192.0.2.1", 17, &[7, 1, 0, 0], &[0; 8]);
        let mut net = Net::new();
        assert_eq!(net.receive(&packet), Verdict::Forward);
        assert!(net.out.is_empty());
        net.forwarding = true;
        assert_eq!(net.receive(&packet), Verdict::Drop(DropReason::BadOption));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
            let mut net = Net::new();
            net.forwarding = bytes.len() % 2 == 0;
            let cut = cut.min(bytes.len());
            let mut packet = net.packet(&bytes[..cut]);
            packet.more.push(Bytes::copy_from_slice(&bytes[cut..]));
            let _ = net.receive_packet(&mut packet);
        }

        #[test]
        fn no_bytes_behind_a_good_header_panic(
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            options in proptest::collection::vec(any::<u8>(), 0..=40),
            protocol in prop_oneof![Just(1u8), any::<u8>()],
            fragment in prop_oneof![Just(0u16), any::<u16>()],
            dst in prop_oneof![Just("10.0.0.1"), Just("10.0.0.255"), Just("192.0.2.1")],
        ) {
            let mut net = Net::new();
            net.forwarding = true;
            let mut bytes = with_options("10.0.0.9", dst, protocol, &options, &payload);
            bytes[6..8].copy_from_slice(&fragment.to_be_bytes());
            fix_checksum(&mut bytes);
            let mut packet = net.packet(&bytes);
            let verdict = net.receive_packet(&mut packet);
            if matches!(verdict, Verdict::Deliver | Verdict::Forward) {
                net.send_error(&packet, ErrorKind::PortUnreachable);
            }
            net.now = Instant::from_secs(100);
            net.handle_timeout();
        }
    }
}
