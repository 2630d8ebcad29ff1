//! The front of a packet as bytes to be read and changed, whatever pieces it lies in.
//!
//! Invariant: of an outbound packet no byte behind the transport header is moved into the headers, which each segment of a
//! super-packet repeats.

use crate::layout::FRONT;
use bytes::BytesMut;
use stack_core::{Checksum, RxPacket, TxPacket};
use stack_packet::Rope;
use stack_wire::ip::protocol;
use stack_wire::ipv6;

/// Headroom that links may still need: Ethernet with two tags (22), and spare.
const LINK_HEADROOM: usize = 32;
/// Inbound packets up to this length are copied whole when they are changed.
const SMALL: usize = 512;
/// What is looked at of an ICMP error: more than errors hold (RFC 1812 §4.3.2.3, RFC 4443 §2.4 c).
const ERROR: usize = 1280;

/// A packet whose front can be read and changed.
pub(crate) trait Edit {
    /// Bytes from the first header to the end.
    fn total(&self) -> usize;

    fn checksum(&self) -> Checksum;

    /// Shows the front, long enough for headers and the quotes of ICMP errors.
    fn look<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> R;

    /// Hands out at least the first `len` bytes, if there are so many, to be changed.
    fn edit(&mut self, len: usize, change: impl FnOnce(&mut [u8]));
}

impl Edit for RxPacket {
    fn total(&self) -> usize {
        self.len()
    }

    fn checksum(&self) -> Checksum {
        self.meta.checksum
    }

    fn look<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> R {
        self.pull_up(if may_be_icmp(&self.data) { ERROR } else { FRONT });
        look(&self.data)
    }

    fn edit(&mut self, len: usize, change: impl FnOnce(&mut [u8])) {
        self.pull_up(len);
        let len = if self.data.len() <= SMALL { self.data.len() } else { len.min(self.data.len()) };
        let mut front = BytesMut::from(&self.data[..len]);
        change(&mut front);
        let rest = self.data.split_off(len);
        self.data = front.freeze();
        if !rest.is_empty() {
            let mut more = Rope::new();
            more.push(rest);
            more.append(core::mem::take(&mut self.more));
            self.more = more;
        }
    }
}

impl Edit for TxPacket {
    fn total(&self) -> usize {
        self.len()
    }

    fn checksum(&self) -> Checksum {
        self.checksum
    }

    fn look<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> R {
        if matches!(self.ip.protocol, protocol::ICMP | protocol::ICMPV6) {
            return look(&self.to_bytes());
        }
        let mut front = [0; FRONT];
        let mut len = 0;
        for piece in self.all_pieces() {
            let take = piece.len().min(FRONT - len);
            front[len..len + take].copy_from_slice(&piece[..take]);
            len += take;
        }
        look(&front[..len])
    }

    fn edit(&mut self, len: usize, change: impl FnOnce(&mut [u8])) {
        let len = len.min(self.len());
        let need = len.saturating_sub(self.header().len());
        if self.headroom() >= need + LINK_HEADROOM && self.pull_up(len).is_some() {
            return change(self.header_mut());
        }
        let (header_len, checksum) = (self.header().len(), self.checksum);
        let mut flat = BytesMut::from(&self.to_bytes()[..]);
        change(&mut flat);
        let payload = flat.split_off(header_len).freeze();
        self.clear_bytes();
        if let Some(header) = self.prepend(header_len) {
            header.copy_from_slice(&flat);
        }
        // The packet has no piece, so there is room for one.
        let _ = self.push(payload);
        self.checksum = checksum;
    }
}

/// Whether a packet may be an ICMP error, which is looked at beyond its headers.
fn may_be_icmp(packet: &[u8]) -> bool {
    match packet.first().map(|first| first >> 4) {
        Some(4) => packet.get(9) == Some(&protocol::ICMP),
        Some(6) if packet.len() >= ipv6::HEADER_LEN => {
            !matches!(packet.get(6), Some(&(protocol::TCP | protocol::UDP)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stack_core::Instant;

    fn flip(bytes: &mut [u8]) {
        bytes[..3].fill(b'!');
    }

    #[test]
    fn an_inbound_packet_keeps_its_rest_by_reference() {
        let payload = Bytes::from(alloc::vec![7; 2000]);
        let mut packet = RxPacket::new(payload.clone(), 0x0800, Instant::ZERO);
        packet.more.push(Bytes::from_static(b"end"));
        packet.edit(40, flip);
        assert_eq!((packet.data.len(), packet.len()), (40, 2003));
        assert_eq!(&packet.data[..4], b"!!!\x07");
        let pieces: alloc::vec::Vec<_> = packet.more.pieces().collect();
        assert_eq!((pieces[0].as_ptr(), pieces[1]), (payload[40..].as_ptr(), &b"end"[..]));
    }

    #[test]
    fn an_outbound_packet_is_changed_in_its_headers_or_flattened() {
        for (len, header) in [(10, 10), (150, 4)] {
            let mut packet = TxPacket::new();
            packet.push(Bytes::from(alloc::vec![7; 300])).unwrap();
            packet.prepend(4).unwrap().copy_from_slice(b"HEAD");
            packet.checksum = Checksum::Partial { start: 4, offset: 16 };
            packet.edit(len, flip);
            assert_eq!((packet.header().len(), packet.len()), (header, 304));
            assert_eq!(&packet.to_bytes()[..5], b"!!!D\x07");
            assert_eq!(packet.checksum, Checksum::Partial { start: 4, offset: 16 });
        }
    }

    #[test]
    fn the_front_crosses_pieces() {
        let mut packet = TxPacket::new();
        packet.push(Bytes::from_static(b"payload")).unwrap();
        packet.prepend(4).unwrap().copy_from_slice(b"HEAD");
        assert!(packet.look(|front| front == b"HEADpayload"));
    }
}
