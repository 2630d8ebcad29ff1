//! A piece of an outbound packet as a packet of its own: what both families do when they cut one into fragments, and the
//! host when it cuts a super-packet into segments.

use crate::{Checksum, TxPacket};
use core::ops::Range;

impl TxPacket {
    /// Makes `to`, an empty slot, carry the bytes `range` of this packet, counted from `header_len`; its header is yet to
    /// be written. What is said about the packet is true of its fragments; its checksum was completed before.
    /// `None` if pieces or headroom of `to` run out.
    pub fn fragment_to(&self, header_len: usize, range: Range<usize>, to: &mut Self) -> Option<()> {
        self.describe(to);
        to.bound_nic = self.bound_nic;
        to.checksum = Checksum::Unverified;
        self.copy_range(header_len, range, to)
    }

    /// Says of `to`, a part of this packet, what is true of the whole: addresses, way and flow.
    pub fn describe(&self, to: &mut Self) {
        to.ip = self.ip;
        to.hop = self.hop;
        to.link_dst = self.link_dst;
        to.ether_type = self.ether_type;
        to.hash = self.hash;
        to.mark = self.mark;
        to.policy = self.policy;
    }

    /// First what other headers lie behind the network header, then the pieces.
    fn copy_range(&self, header_len: usize, range: Range<usize>, to: &mut Self) -> Option<()> {
        let inner = self.header().get(header_len..)?;
        let from = range.start.saturating_sub(inner.len());
        let until = range.end.saturating_sub(inner.len());
        if self.slice_payload_to(from, until - from, to) < until - from {
            return None;
        }
        let inner = inner.get(range.start.min(inner.len())..range.end.min(inner.len()))?;
        to.prepend(inner.len())?.copy_from_slice(inner);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_range_may_lie_in_headers_and_pieces() {
        let mut packet = TxPacket::new();
        packet.push(Bytes::from_static(b"defg")).unwrap();
        packet.push(Bytes::from_static(b"hi")).unwrap();
        packet.prepend(5).unwrap().copy_from_slice(b"NNabc");
        packet.mark = 7;
        for (range, want) in [(0..2, "ab"), (1..5, "bcde"), (3..9, "defghi"), (8..9, "i")] {
            let mut to = TxPacket::new();
            packet.fragment_to(2, range, &mut to).unwrap();
            assert_eq!((to.to_bytes(), to.mark), (Bytes::from(want), 7));
        }
        assert!(packet.fragment_to(6, 0..1, &mut TxPacket::new()).is_none());
        assert!(packet.fragment_to(2, 0..10, &mut TxPacket::new()).is_none());
    }
}
