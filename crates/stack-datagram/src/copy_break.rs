//! Whether a payload is copied out of its packet. By reference it costs no copy, but pins all of the packet's memory;
//! where that is much more than the payload holds, the copy is what costs less.

use bytes::{Bytes, BytesMut};
use stack_core::RxPacket;

/// Payloads up to this many bytes are copied out of their packet: what network drivers use as `rx_copybreak`.
const COPY_BREAK: usize = 256;
/// A payload is copied out if its packet pins more than this many times its size.
const MAX_WASTE: usize = 4;

/// Whether a payload is to be copied out of a packet that pins `truesize` bytes.
fn should_copy(len: usize, truesize: usize) -> bool {
    len <= COPY_BREAK || truesize / MAX_WASTE > len
}

/// How many bytes a payload pins, copied or not.
pub fn pinned(len: usize, truesize: usize) -> usize {
    if should_copy(len, truesize) { len } else { len.max(truesize) }
}

/// Takes the `len` bytes behind the transport header out of a packet, in one piece: by reference where they are contiguous
/// and the copy would not cost less.
pub fn take_payload(packet: &mut RxPacket, header_len: usize, len: usize) -> Bytes {
    let copy = should_copy(len, packet.meta.truesize as usize);
    let mut pieces = packet.take_payload(header_len);
    let Some(first) = pieces.next() else { return Bytes::new() };
    let second = pieces.next();
    if second.is_none() && !copy {
        return first;
    }
    let mut flat = BytesMut::with_capacity(len);
    for piece in core::iter::once(first).chain(second).chain(pieces) {
        flat.extend_from_slice(&piece);
    }
    flat.freeze()
}

/// The bytes of a packet that others get too, from `skip` on in one piece, and how many bytes they pin.
pub fn keep(packet: &RxPacket, skip: usize) -> (Bytes, usize) {
    let len = packet.len().saturating_sub(skip);
    let truesize = packet.meta.truesize as usize;
    let whole = packet.front(packet.len());
    let rest = whole.slice(skip.min(whole.len())..);
    let kept = if should_copy(len, truesize) { Bytes::copy_from_slice(&rest) } else { rest };
    (kept, pinned(len, truesize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::Instant;

    #[test]
    fn what_pins_much_more_than_it_holds_is_copied() {
        for (len, truesize, copied) in
            [(0, 0, true), (256, 300, true), (257, 300, false), (1472, 1500, false), (1472, 32_768, true)]
        {
            assert_eq!(should_copy(len, truesize), copied, "{len} of {truesize}");
            assert_eq!(pinned(len, truesize), if copied { len } else { truesize }, "{len} of {truesize}");
        }
        assert_eq!(pinned(1472, 0), 1472, "a packet never pins less than it holds");
    }

    #[test]
    fn a_kept_packet_is_shared_unless_it_is_copied() {
        for (len, truesize, skip, copied) in
            [(256, 300, 0, true), (1500, 1500, 40, false), (1500, 65_536, 40, true), (10, 10, 40, true)]
        {
            let bytes: Bytes = (0..len).map(|i| i as u8).collect();
            let mut packet = RxPacket::new(bytes.clone(), 0x0800, Instant::ZERO);
            packet.meta.truesize = truesize;
            let (kept, pinned) = keep(&packet, skip);
            let skip = skip.min(len);
            assert_eq!(kept, bytes.slice(skip..));
            let shared = kept.as_ptr() == bytes.slice(skip..).as_ptr();
            assert_eq!(shared, !copied, "{len} of {truesize}");
            assert_eq!(pinned, if copied { len - skip } else { truesize as usize });
        }
    }

    #[test]
    fn pieces_are_put_together() {
        let mut packet = RxPacket::new(Bytes::from_static(b"head"), 0, Instant::ZERO);
        packet.more.push(Bytes::from_static(b"tail"));
        assert_eq!(keep(&packet, 2).0, &b"adtail"[..]);
        assert_eq!(take_payload(&mut packet, 2, 6), &b"adtail"[..]);
    }
}
