//! Datagrams become fragments: RFC 791 §3.2.
//!
//! Also fragments become smaller ones, when a router has to: offset and more-fragments flag of the given packet count
//! on. Payload goes along by reference; headers are written anew.

use core::ops::Range;
use stack_core::{ErrorKind, TxBatch, TxPacket};
use stack_wire::ipv4::{Emit, Ipv4, MAX_HEADER_LEN, MIN_HEADER_LEN, option};

/// Cuts a packet with its header into packets of at most `mtu` bytes.
///
/// # Errors
/// Its sender forbade it (R791-3.2-d), or no link has such an MTU (RFC 791 §3.2 wants 68).
pub(crate) fn fragment(packet: &TxPacket, mtu: usize, out: &mut TxBatch) -> Result<(), ErrorKind> {
    let too_big = ErrorKind::PacketTooBig { mtu: u32::try_from(mtu).unwrap_or(u32::MAX) };
    let view = Ipv4::parse_quoted(packet.header()).map_err(|_| too_big)?;
    if view.dont_fragment() {
        return Err(too_big);
    }
    let step = mtu.saturating_sub(view.header_len()) & !7; // R791-3.2-a
    if step == 0 {
        return Err(too_big);
    }
    let (area, len) = copied_options(view.options_bytes());
    let copied = area.get(..len).unwrap_or_default();
    let payload_len = packet.len() - view.header_len();
    for start in (0..payload_len).step_by(step) {
        let range = start..payload_len.min(start + step);
        let options = if start == 0 { view.options_bytes() } else { copied };
        emit(packet, &view, options, range, out).ok_or(too_big)?;
    }
    Ok(())
}

/// Appends the fragment that carries `range` of the payload.
fn emit(
    packet: &TxPacket,
    whole: &Ipv4<'_>,
    options: &[u8],
    range: Range<usize>,
    out: &mut TxBatch,
) -> Option<()> {
    let last = whole.header_len() + range.end == packet.len();
    let header = Emit {
        tos: whole.tos(), // with its ECN bits: RFC 3168 §5.3
        ident: whole.ident(),
        dont_fragment: false,
        more_fragments: !last || whole.more_fragments(),
        fragment_offset: whole.fragment_offset().checked_add(range.start as u16)?,
        ttl: whole.ttl(),
        protocol: whole.protocol(),
        src: whole.src(),
        dst: whole.dst(),
        options,
        payload_len: range.len(),
    };
    let slot = out.slot();
    slot.network_len = if range.start == 0 { packet.network_len } else { 0 };
    packet.fragment_to(whole.header_len(), range, slot)?;
    (header.write(slot.prepend(header.header_len())?) > 0).then_some(())
}

/// The options that go along in every fragment (R791-3.2-c), and how many bytes they take, padding included.
fn copied_options(area: &[u8]) -> ([u8; MAX_HEADER_LEN - MIN_HEADER_LEN], usize) {
    let mut copied = [option::END; MAX_HEADER_LEN - MIN_HEADER_LEN];
    let (mut rest, mut at) = (area, 0);
    loop {
        let len = match *rest {
            [option::NOP, ..] => 1,
            [] | [option::END, ..] | [_] => break,
            [_, len, ..] => usize::from(len).max(2),
        };
        let Some((bytes, behind)) = rest.split_at_checked(len) else { break };
        let kept = bytes.first().is_some_and(|kind| kind & option::COPIED != 0);
        if let (true, Some(room)) = (kept, copied.get_mut(at..at + len)) {
            room.copy_from_slice(bytes);
            at += len;
        }
        rest = behind;
    }
    (copied, at.next_multiple_of(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, datagram, fix_checksum, with_options};
    use alloc::vec::Vec;
    use bytes::Bytes;
    use etherparse::Ipv4Slice;
    use proptest::prelude::*;
    use stack_core::{Hop, NicId, Verdict};

    /// A packet whose first `head` bytes are headers, and whose rest lies in `pieces` pieces.
    fn tx(bytes: &[u8], head: usize, pieces: usize) -> TxPacket {
        let mut packet = TxPacket::new();
        packet.prepend(head).unwrap().copy_from_slice(&bytes[..head]);
        let size = (bytes.len() - head).div_ceil(pieces).max(1);
        for piece in bytes[head..].chunks(size) {
            packet.push(Bytes::copy_from_slice(piece)).unwrap();
        }
        packet
    }

    proptest! {
        // R791-3.2-a, R1122-3.2.1.4-a
        #[test]
        fn fragments_fit_and_become_the_datagram_again(
            payload in proptest::collection::vec(any::<u8>(), 8..5000),
            mtu in 68..1600usize, inner in 0..60usize, pieces in 1..6usize, reversed: bool,
        ) {
            let mut net = Net::new();
            let mut bytes = datagram("10.0.0.9", "10.0.0.1", 17, &payload);
            bytes[4] = 0x77;
            fix_checksum(&mut bytes);
            let packet = tx(&bytes, 20 + inner.min(payload.len()), pieces);
            let mut fragments = net.fragment(&packet, mtu).unwrap();
            let count = fragments.len();
            prop_assert_eq!(count, payload.len().div_ceil((mtu - 20) & !7));
            for fragment in &fragments {
                prop_assert!(fragment.len() <= mtu);
                let theirs = Ipv4Slice::from_slice(fragment).unwrap().header().to_header();
                prop_assert_eq!(theirs.calc_header_checksum(), theirs.header_checksum);
                prop_assert_eq!(theirs.identification, 0x7700);
            }
            if reversed {
                fragments.reverse();
            }
            for (index, fragment) in fragments.iter().enumerate() {
                let mut packet = net.packet(fragment);
                let verdict = net.receive_packet(&mut packet);
                if index + 1 < count {
                    prop_assert_eq!(verdict, Verdict::Held);
                } else {
                    prop_assert_eq!(verdict, Verdict::Deliver);
                    prop_assert_eq!(packet.transport(), &payload[..]);
                }
            }
        }

        #[test]
        fn fragments_of_fragments_are_fragments_of_the_whole(
            payload in proptest::collection::vec(any::<u8>(), 300..3000), outer in 200..1500usize,
        ) {
            let mut net = Net::new();
            let bytes = datagram("10.0.0.9", "10.0.0.1", 17, &payload);
            let direct = net.fragment(&tx(&bytes, 20, 1), 68).unwrap();
            let mut twice = Vec::new();
            for fragment in net.fragment(&tx(&bytes, 20, 1), (outer & !0xf) / 48 * 48 + 20).unwrap() {
                twice.extend(net.fragment(&tx(&fragment, 20, 2), 68).unwrap());
            }
            prop_assert_eq!(twice, direct);
        }
    }

    // R791-3.2-c
    #[test]
    fn options_are_copied_where_their_flag_says_so() {
        let options = [7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 9, 130, 3, 5, 0];
        let bytes = with_options("10.0.0.9", "10.0.0.1", 17, &options, &[1; 100]);
        let fragments = Net::new().fragment(&tx(&bytes, 36, 1), 68).unwrap();
        assert_eq!(fragments.len(), 4);
        assert_eq!((fragments[0][0], &fragments[0][20..36]), (0x49, &options[..]));
        for fragment in &fragments[1..] {
            assert_eq!((fragment[0], &fragment[20..28]), (0x47, &[148, 4, 0, 9, 130, 3, 5, 0][..]));
            assert!(Ipv4Slice::from_slice(fragment).is_ok());
        }
    }

    // R791-3.2-d
    #[test]
    fn what_must_not_be_cut() {
        let mut bytes = datagram("10.0.0.9", "10.0.0.1", 17, &[1; 100]);
        for mtu in [0, 20, 27] {
            let error = Err(ErrorKind::PacketTooBig { mtu: mtu as u32 });
            assert_eq!(Net::new().fragment(&tx(&bytes, 20, 1), mtu), error, "{mtu}");
        }
        bytes[6] = 0x40;
        fix_checksum(&mut bytes);
        let error = Err(ErrorKind::PacketTooBig { mtu: 68 });
        assert_eq!(Net::new().fragment(&tx(&bytes, 20, 1), 68), error);
        assert_eq!(Net::new().fragment(&TxPacket::new(), 68), error, "without a header");
    }

    #[test]
    fn fragments_go_the_way_of_the_packet() {
        let mut packet = tx(&datagram("10.0.0.9", "10.0.0.1", 17, &[1; 100]), 20, 1);
        packet.hop = Hop { nic: NicId(3), generation: 9, ..Hop::UNRESOLVED };
        (packet.ether_type, packet.mark, packet.hash) = (0x0800, 5, 6);
        packet.ip.protocol = 17;
        let mut out = TxBatch::new();
        fragment(&packet, 68, &mut out).unwrap();
        assert_eq!(out.len(), 3);
        for fragment in out.iter() {
            assert_eq!((fragment.hop, fragment.ip), (packet.hop, packet.ip));
            assert_eq!((fragment.ether_type, fragment.mark, fragment.hash), (0x0800, 5, 6));
        }
    }
}
