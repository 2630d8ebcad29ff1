//! What a line must be able to do with a packet, the same for both directions.

use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use stack_core::{Checksum, RxPacket, TxPacket};
use stack_wire::checksum::Sum;

/// A packet that a [`Line`](crate::Line) carries.
pub trait Carried: Clone {
    /// Bytes that it takes on the line.
    fn wire_len(&self) -> usize;

    /// Flips one bit, chosen by a number below eight times its length. Nobody vouches for its checksum after that.
    fn flip(&mut self, bit: u64);
}

impl Carried for Box<TxPacket> {
    fn wire_len(&self) -> usize {
        self.len()
    }

    fn flip(&mut self, bit: u64) {
        let damaged = damaged(self.to_bytes().into(), self.checksum, bit);
        let header_len = self.header().len();
        self.clear_bytes();
        self.checksum = Checksum::Unverified;
        if let Some(header) = self.prepend(header_len) {
            header.copy_from_slice(&damaged[..header_len]);
        }
        // The packet has no piece, so there is room for one.
        let _ = self.push(damaged.slice(header_len..));
    }
}

impl Carried for RxPacket {
    fn wire_len(&self) -> usize {
        self.len()
    }

    fn flip(&mut self, bit: u64) {
        let mut flat = Vec::with_capacity(self.len());
        flat.extend_from_slice(&self.data);
        self.more.pieces().for_each(|piece| flat.extend_from_slice(piece));
        self.data = damaged(flat, self.meta.checksum, bit);
        self.more.clear();
        self.meta.checksum = Checksum::Unverified;
    }
}

/// The packet with its checksum completed, so that the damage can be noticed, and with one bit flipped.
fn damaged(mut packet: Vec<u8>, checksum: Checksum, bit: u64) -> Bytes {
    if let Checksum::Partial { start, offset } = checksum {
        complete(&mut packet, usize::from(start), usize::from(offset));
    }
    if let Some(byte) = packet.get_mut((bit / 8) as usize) {
        *byte ^= 1 << (bit % 8);
    }
    packet.into()
}

fn complete(packet: &mut [u8], start: usize, offset: usize) {
    let Some(transport) = packet.get_mut(start..) else { return };
    let sum = Sum::new().add_bytes(transport).finish();
    let Some(field) = transport.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) else { return };
    // RFC 768: a computed sum of zero is sent as all ones; elsewhere the two mean the same.
    *field = if sum == 0 { [0xff; 2] } else { sum.to_be_bytes() };
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::Instant;
    use stack_wire::checksum::pseudo_header;

    fn sent() -> Box<TxPacket> {
        let mut packet = Box::new(TxPacket::new());
        packet.push(Bytes::from_static(b"pay")).unwrap();
        packet.push(Bytes::from_static(b"load")).unwrap();
        packet.prepend(3).unwrap().copy_from_slice(b"IPv");
        packet.link_dst = stack_core::LinkAddress::BROADCAST;
        packet
    }

    #[test]
    fn exactly_one_bit_changes_wherever_it_lies() {
        let whole = sent().to_bytes();
        for bit in 0..whole.len() as u64 * 8 {
            let mut packet = sent();
            packet.checksum = Checksum::Verified;
            packet.flip(bit);
            let flipped: u32 = packet.to_bytes().iter().zip(&whole).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!((flipped, packet.len(), packet.header().len()), (1, 10, 3));
            assert_eq!(packet.checksum, Checksum::Unverified);
            assert_eq!(packet.link_dst, stack_core::LinkAddress::BROADCAST);
        }
    }

    #[test]
    fn inbound_packets_are_damaged_in_all_their_pieces() {
        let whole = sent().to_bytes();
        for bit in [0, 23, 24, 79] {
            let mut packet = sent().to_rx(Instant::ZERO);
            packet.flip(bit);
            let flipped: u32 = packet.data.iter().zip(&whole).map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!((flipped, packet.len(), packet.more.len()), (1, 10, 0));
        }
    }

    #[test]
    fn damage_to_an_incomplete_checksum_can_be_noticed() {
        let pseudo = pseudo_header([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), 17, 12);
        let mut datagram = alloc::vec![0, 1, 0, 2, 0, 12, 0, 0, b'd', b'a', b't', b'a'];
        datagram[6..8].copy_from_slice(&pseudo.folded().to_be_bytes());
        let is_valid = |bytes: &[u8]| pseudo.clone().add_bytes(bytes).is_valid();
        let checksum = Checksum::Partial { start: 0, offset: 6 };
        assert!(is_valid(&damaged(datagram.clone(), checksum, u64::MAX)), "a bit outside of the packet");
        for bit in 0..96 {
            assert!(!is_valid(&damaged(datagram.clone(), checksum, bit)), "{bit}");
        }
    }
}
