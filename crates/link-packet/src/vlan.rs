//! The VLAN tag of a frame: the kernel takes it off before a packet socket sees the frame, and tells of it beside the
//! bytes. It is put back, so that no frame of a VLAN looks like one of the untagged network (IEEE 802.1Q).

use bytes::{BufMut, Bytes, BytesMut};
use stack_core::{Checksum, RxPacket};

/// Both addresses: the tag follows them.
const ADDRESSES: usize = 12;
/// Bytes of a tag.
pub(crate) const TAG: u16 = 4;

/// A tag: its EtherType and what it says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tag {
    pub(crate) protocol: u16,
    pub(crate) control: u16,
}

impl Tag {
    /// Puts the tag back into a frame.
    pub(crate) fn insert(self, packet: &mut RxPacket) {
        let Some((addresses, rest)) = packet.data.split_at_checked(ADDRESSES) else { return };
        let mut tagged = BytesMut::with_capacity(packet.data.len() + usize::from(TAG));
        tagged.put_slice(addresses);
        tagged.put_u16(self.protocol);
        tagged.put_u16(self.control);
        tagged.put_slice(rest);
        packet.data = Bytes::from(tagged);
        if let Checksum::Partial { start, .. } = &mut packet.meta.checksum {
            *start += TAG;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::Instant;

    #[test]
    fn a_tag_stands_behind_the_addresses_and_the_checksum_moves() {
        let tag = Tag { protocol: 0x8100, control: 0x2007 };
        let mut frame = RxPacket::new(Bytes::from_static(b"ddddddssssss\x08\x00rest"), 0, Instant::ZERO);
        frame.meta.checksum = Checksum::Partial { start: 34, offset: 16 };
        tag.insert(&mut frame);
        assert_eq!(frame.data, &b"ddddddssssss\x81\x00\x20\x07\x08\x00rest"[..]);
        assert_eq!(frame.meta.checksum, Checksum::Partial { start: 38, offset: 16 });
        let mut stump = RxPacket::new(Bytes::from_static(b"short"), 0, Instant::ZERO);
        tag.insert(&mut stump);
        assert_eq!(stump.data, &b"short"[..]);
    }
}
