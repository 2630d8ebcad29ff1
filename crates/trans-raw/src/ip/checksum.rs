//! Checksums of raw IPv6 sockets: the kernel's work, since it alone knows the source address (RFC 3542 §3.1).

use core::net::IpAddr;
use stack_core::{Checksum, RxPacket};
use stack_wire::checksum::pseudo_header;

/// Writes the checksum of a segment at `offset`; `None` if the segment ends before.
pub(crate) fn write(
    segment: &mut [u8],
    offset: u16,
    (src, dst): (IpAddr, IpAddr),
    protocol: u8,
) -> Option<()> {
    let at = usize::from(offset);
    segment.get_mut(at..at + 2)?.fill(0);
    let len = u32::try_from(segment.len()).ok()?;
    let sum = pseudo_header(src, dst, protocol, len).add_bytes(segment).finish();
    segment.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// Whether the checksum of a packet, which lies at `offset` of its segment, is right, or vouched for.
pub(crate) fn is_right(packet: &RxPacket, offset: u16) -> bool {
    let len = packet.transport_len();
    if len < usize::from(offset) + 2 {
        return false;
    }
    if packet.meta.checksum != Checksum::Unverified {
        return true;
    }
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    let mut sum = pseudo_header(packet.ip.src, packet.ip.dst, packet.ip.protocol, len);
    packet.transport_pieces().for_each(|piece| {
        sum.add_bytes(piece);
    });
    sum.is_valid()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use bytes::Bytes;
    use proptest::prelude::*;
    use stack_core::{Instant, IpMeta};

    fn packet(segment: Vec<u8>, (src, dst): (IpAddr, IpAddr)) -> RxPacket {
        let mut packet = RxPacket::new(Bytes::from(segment), 0x86dd, Instant::ZERO);
        packet.ip = IpMeta { src, dst, protocol: 89, ..IpMeta::default() };
        packet
    }

    proptest! {
        #[test]
        fn what_is_written_is_right_and_any_flipped_bit_makes_it_wrong(
            mut segment in proptest::collection::vec(any::<u8>(), 2..80),
            offset in 0..80u16,
            flip: proptest::sample::Index,
        ) {
            let ends: (IpAddr, IpAddr) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
            let offset = offset & !1;
            let fits = usize::from(offset) + 2 <= segment.len();
            prop_assert_eq!(write(&mut segment, offset, ends, 89).is_some(), fits);
            let mut received = packet(segment.clone(), ends);
            prop_assert_eq!(is_right(&received, offset), fits);
            let bit = flip.index(segment.len() * 8);
            segment[bit / 8] ^= 1 << (bit % 8);
            received.data = Bytes::from(segment);
            prop_assert!(!is_right(&received, offset));
            received.meta.checksum = Checksum::Verified;
            prop_assert_eq!(is_right(&received, offset), fits, "a device vouches for it");
        }
    }
}
