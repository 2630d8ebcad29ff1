//! Packets of ours become fragments: RFC 8200 §4.5, §5.
//!
//! Only here, at the source, and only where the sender of the packet allows it: packets that are forwarded never do
//! (R8200-4.5-g). Packets of ours have no extension headers of their own, so the fixed header alone is in each fragment.
//! Payload goes along by reference; headers are written anew. The transport header is always in the first fragment, which
//! has room for more than 1,200 octets (R7112-5-a).

use crate::Endpoint;
use core::net::Ipv6Addr;
use core::ops::Range;
use stack_core::{ErrorKind, NetCx, TxBatch, TxPacket};
use stack_wire::ip::protocol;
use stack_wire::ipv6::{Emit, HEADER_LEN, Ipv6};
use stack_wire::ipv6_ext::{FRAGMENT_LEN, Fragment};

impl Endpoint {
    /// Cuts a packet with its header into packets of at most `mtu` bytes.
    ///
    /// # Errors
    /// Its sender forbade it, or it is on its way from somebody else.
    pub(crate) fn cut(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &TxPacket,
        mtu: usize,
        out: &mut TxBatch,
    ) -> Result<(), ErrorKind> {
        let too_big = ErrorKind::PacketTooBig { mtu: u32::try_from(mtu).unwrap_or(u32::MAX) };
        let whole = Ipv6::parse_quoted(packet.header()).map_err(|_| too_big)?;
        let step = mtu.saturating_sub(HEADER_LEN + FRAGMENT_LEN) & !7;
        if packet.ip.dont_fragment || step == 0 {
            return Err(too_big);
        }
        let ident = self.next_ident(cx, whole.src(), whole.dst());
        let payload_len = packet.len() - HEADER_LEN;
        for start in (0..payload_len).step_by(step) {
            let range = start..payload_len.min(start + step);
            emit(packet, &whole, ident, range, out).ok_or(too_big)?;
        }
        Ok(())
    }

    // R8200-4.5-g
    fn next_ident(&mut self, cx: &mut NetCx<'_>, src: Ipv6Addr, dst: Ipv6Addr) -> u32 {
        let halves = |address: Ipv6Addr| [(address.to_bits() >> 64) as u64, address.to_bits() as u64];
        let ([s0, s1], [d0, d1]) = (halves(src), halves(dst));
        self.idents.next(|| cx.host.random(), &[s0, s1, d0, d1])
    }
}

/// Appends the fragment that carries `range` of the payload.
fn emit(
    packet: &TxPacket,
    whole: &Ipv6<'_>,
    ident: u32,
    range: Range<usize>,
    out: &mut TxBatch,
) -> Option<()> {
    let more = HEADER_LEN + range.end < packet.len();
    let fragment = Fragment::new(whole.next_header(), range.start as u16, more, ident);
    let header = Emit {
        traffic_class: whole.traffic_class(), // with its ECN bits: RFC 3168 §5.3
        flow_label: whole.flow_label(),
        hop_limit: whole.hop_limit(),
        ..Emit::new(whole.src(), whole.dst(), protocol::IPV6_FRAGMENT, FRAGMENT_LEN + range.len())
    };
    let slot = out.slot();
    if range.start == 0 && packet.network_len > 0 {
        slot.network_len = packet.network_len + FRAGMENT_LEN as u16;
    }
    packet.fragment_to(HEADER_LEN, range, slot)?;
    fragment.write(slot.prepend(FRAGMENT_LEN)?);
    header.write(slot.prepend(HEADER_LEN)?);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, packet};
    use alloc::vec::Vec;
    use bytes::Bytes;
    use etherparse::Ipv6Slice;
    use proptest::prelude::*;
    use stack_core::Verdict;

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

    fn cut(net: &mut Net, packet: &TxPacket, mtu: usize) -> Result<Vec<Vec<u8>>, ErrorKind> {
        let mut out = TxBatch::new();
        net.call(|ipv6, cx| ipv6.cut(cx, packet, mtu, &mut out))?;
        Ok(core::iter::from_fn(|| out.pop()).map(|fragment| fragment.to_bytes().to_vec()).collect())
    }

    proptest! {
        // R8200-4.5-a, R8200-5-a, R7112-5-a
        #[test]
        fn fragments_fit_and_become_the_packet_again(
            payload in proptest::collection::vec(any::<u8>(), 1600..5000),
            mtu in 1280..1600usize, inner in 0..60usize, pieces in 1..6usize,
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut net = Net::new();
            let bytes = packet("fd00::9", "fd00::1", 17, &payload);
            let whole = tx(&bytes, 40 + inner.min(payload.len()), pieces);
            let mut fragments = cut(&mut net, &whole, mtu).unwrap();
            prop_assert_eq!(fragments.len(), payload.len().div_ceil((mtu - 48) & !7));
            for fragment in &fragments {
                prop_assert!(fragment.len() <= mtu);
                let theirs = Ipv6Slice::from_slice(fragment).unwrap();
                prop_assert_eq!(theirs.header().payload_length() as usize, fragment.len() - 40);
            }
            for index in order {
                let index = index.index(fragments.len());
                fragments.swap(0, index);
            }
            for (index, fragment) in fragments.iter().enumerate() {
                let mut received = net.packet(fragment);
                let verdict = net.receive_packet(&mut received);
                if index + 1 < fragments.len() {
                    prop_assert_eq!(verdict, Verdict::Held);
                } else {
                    prop_assert_eq!(verdict, Verdict::Deliver);
                    prop_assert_eq!(&received.data[..], &bytes[..]);
                }
            }
        }
    }

    // R8200-4.5-g
    #[test]
    fn fragments_of_one_packet_share_what_no_other_packet_has() {
        let mut net = Net::new();
        let whole = tx(&packet("fd00::1", "fd00::9", 17, &[7; 3000]), 48, 1);
        let mut idents = Vec::new();
        for _ in 0..2 {
            let fragments = cut(&mut net, &whole, 1280).unwrap();
            let ident = fragments[0][44..48].to_vec();
            assert!(fragments.iter().all(|fragment| fragment[44..48] == ident[..]));
            idents.push(ident);
        }
        assert_ne!(idents[0], idents[1]);
    }

    #[test]
    fn what_must_stay_whole_is_not_cut() {
        let mut whole = tx(&packet("fd00::1", "fd00::9", 17, &[7; 3000]), 48, 1);
        whole.ip.dont_fragment = true;
        let too_big = |mtu| Err(ErrorKind::PacketTooBig { mtu });
        assert_eq!(cut(&mut Net::new(), &whole, 1280), too_big(1280));
        whole.ip.dont_fragment = false;
        assert_eq!(cut(&mut Net::new(), &whole, 55), too_big(55));
    }

    #[test]
    fn the_first_fragment_says_where_the_transport_header_is() {
        let mut whole = tx(&packet("fd00::1", "fd00::9", 17, &[7; 3000]), 48, 1);
        whole.network_len = 40;
        let mut out = TxBatch::new();
        Net::new().call(|ipv6, cx| ipv6.cut(cx, &whole, 1280, &mut out)).unwrap();
        let lengths: Vec<u16> =
            core::iter::from_fn(|| out.pop()).map(|fragment| fragment.network_len).collect();
        assert_eq!(lengths, [48, 0, 0]);
    }
}
