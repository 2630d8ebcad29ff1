//! An outbound packet: headers grow downward in inline headroom, payload follows as a few shared pieces.

use crate::meta::{Checksum, Hop, IpMeta, LinkAddress, NicId};
use crate::{Instant, RxMeta, RxPacket};
use bytes::{Buf, Bytes, BytesMut};

/// Inline bytes for headers: Ethernet with two VLAN tags (22), IPv4 with all options (60), TCP with all options (60), and spare.
pub const HEADROOM: usize = 160;
/// Payload pieces that a packet holds; with its headers it stays within the eight vectors that a system call takes without allocating.
pub const MAX_PIECES: usize = 6;

/// One outbound packet, built in a slot of a [`TxBatch`](crate::TxBatch) from the transport header downward.
#[derive(Clone, Debug)]
pub struct TxPacket {
    head: [u8; HEADROOM],
    start: u8,
    count: u8,
    payload_len: u32,
    pieces: [Bytes; MAX_PIECES],
    /// Addresses, protocol, hop limit, traffic class: what `encapsulate` writes.
    pub ip: IpMeta,
    /// Where it goes next, if the sender has a cached answer.
    pub hop: Hop,
    /// The only interface it may leave by, if the sender is bound to one.
    pub bound_nic: Option<NicId>,
    /// Link address of the next hop; filled by the host before the link sees the packet.
    pub link_dst: LinkAddress,
    /// EtherType of the outermost network header; set by `encapsulate`.
    pub ether_type: u16,
    /// Bytes of network header in front of the transport header; set by the host. 0 where there is none (yet), and
    /// in fragments without a transport header.
    pub network_len: u16,
    /// State of the transport checksum.
    pub checksum: Checksum,
    /// Payload bytes of each segment that this super-packet is to be cut into; 0 if it is an ordinary packet.
    pub gso_size: u16,
    /// The CWR flag of a TCP super-packet belongs to each of its segments (RFC 9768 §3.2.2), and not to the first only
    /// (RFC 3168 §6.1.2). Links don't know of this.
    pub gso_keeps_cwr: bool,
    /// Hash of the flow; 0 where nobody computed it.
    pub hash: u32,
    /// Free mark for policies (`SO_MARK`).
    pub mark: u32,
    /// What a policy found out about the packet, for its next place; 0 is nothing.
    pub policy: u64,
    /// Whether our own members of the destination group hear it too (`IP_MULTICAST_LOOP`); true unless the sender objects.
    pub multicast_loop: bool,
}

impl TxPacket {
    /// An empty packet with all its headroom free.
    pub fn new() -> Self {
        Self {
            head: [0; HEADROOM],
            start: HEADROOM as u8,
            count: 0,
            payload_len: 0,
            pieces: [const { Bytes::new() }; MAX_PIECES],
            ip: IpMeta::default(),
            hop: Hop::UNRESOLVED,
            bound_nic: None,
            link_dst: LinkAddress::UNSPECIFIED,
            ether_type: 0,
            network_len: 0,
            checksum: Checksum::Unverified,
            gso_size: 0,
            gso_keeps_cwr: false,
            hash: 0,
            mark: 0,
            policy: 0,
            multicast_loop: true,
        }
    }

    /// Makes the slot empty again and lets go of its pieces. Headroom is not cleared.
    pub fn reset(&mut self) {
        self.clear_bytes();
        self.ip = IpMeta::default();
        self.hop = Hop::UNRESOLVED;
        self.bound_nic = None;
        self.link_dst = LinkAddress::UNSPECIFIED;
        self.ether_type = 0;
        self.network_len = 0;
        self.checksum = Checksum::Unverified;
        self.gso_size = 0;
        self.gso_keeps_cwr = false;
        self.hash = 0;
        self.mark = 0;
        self.policy = 0;
        self.multicast_loop = true;
    }

    /// Drops headers and payload and keeps what is said about the packet.
    pub fn clear_bytes(&mut self) {
        for piece in &mut self.pieces[..usize::from(self.count)] {
            *piece = Bytes::new();
        }
        self.start = HEADROOM as u8;
        self.count = 0;
        self.payload_len = 0;
    }

    /// Grows the headers downward by `len` bytes and hands them out to be written (they hold old bytes).
    /// `None` if the headroom is used up: then nothing changed.
    pub fn prepend(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = usize::from(self.start).checked_sub(len)?;
        if let Checksum::Partial { start: from, .. } = &mut self.checksum {
            *from += len as u16;
        }
        self.start = start as u8;
        self.head.get_mut(start..start + len)
    }

    /// Appends a payload piece by reference. An empty piece is ignored.
    /// Hands it back if all [`MAX_PIECES`] are taken.
    pub fn push(&mut self, piece: Bytes) -> Result<(), Bytes> {
        if piece.is_empty() {
            return Ok(());
        }
        let Some(slot) = self.pieces.get_mut(usize::from(self.count)) else { return Err(piece) };
        self.payload_len += piece.len() as u32;
        *slot = piece;
        self.count += 1;
        Ok(())
    }

    /// Appends pieces by reference, or as one copy if they are too many for the room that is left.
    /// Returns whether they fitted at all; if not, nothing changed.
    pub fn push_all(&mut self, pieces: impl Iterator<Item = Bytes>) -> bool {
        let mut rope = crate::Rope::new();
        pieces.for_each(|piece| rope.push(piece));
        let room = MAX_PIECES - usize::from(self.count);
        if rope.piece_count() > room {
            rope.compact();
        }
        let fits = rope.piece_count() <= room;
        if fits {
            rope.into_pieces().for_each(|piece| {
                let _ = self.push(piece); // there is room: see above
            });
        }
        fits
    }

    /// Whether no further piece fits.
    pub fn is_full(&self) -> bool {
        usize::from(self.count) == MAX_PIECES
    }

    /// Free headroom, in bytes.
    pub fn headroom(&self) -> usize {
        usize::from(self.start)
    }

    /// The headers written so far, outermost first.
    pub fn header(&self) -> &[u8] {
        &self.head[usize::from(self.start)..]
    }

    /// The headers written so far, to be patched in place.
    pub fn header_mut(&mut self) -> &mut [u8] {
        &mut self.head[usize::from(self.start)..]
    }

    /// The payload pieces, in order.
    pub fn payload(&self) -> &[Bytes] {
        &self.pieces[..usize::from(self.count)]
    }

    /// Payload bytes.
    pub fn payload_len(&self) -> usize {
        self.payload_len as usize
    }

    /// Bytes from the outermost header to the end.
    pub fn len(&self) -> usize {
        self.header().len() + self.payload_len()
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Headers and payload piece by piece, in order.
    pub fn all_pieces(&self) -> impl Iterator<Item = &[u8]> {
        core::iter::once(self.header()).chain(self.payload().iter().map(|piece| &piece[..]))
    }

    /// Removes `len` bytes of header from the front, up to all of it: undoes a `prepend`.
    pub fn unprepend(&mut self, len: usize) {
        let len = len.min(self.header().len());
        if let Checksum::Partial { start: from, .. } = &mut self.checksum {
            *from = from.saturating_sub(len as u16);
        }
        self.start += len as u8;
    }

    /// Makes the first `len` bytes of the packet lie in the headers, where they can be changed, by copying them
    /// out of the payload. `None`, with nothing changed, if the packet is shorter or the headroom does not suffice.
    pub fn pull_up(&mut self, len: usize) -> Option<()> {
        let have = self.header().len();
        let Some(need) = len.checked_sub(have).filter(|need| *need > 0) else { return Some(()) };
        let start = usize::from(self.start).checked_sub(need)?;
        if need > self.payload_len() {
            return None;
        }
        self.head.copy_within(usize::from(self.start).., start);
        self.start = start as u8;
        let (mut at, mut left) = (HEADROOM - need, need);
        for piece in &mut self.pieces[..usize::from(self.count)] {
            let take = left.min(piece.len());
            self.head[at..at + take].copy_from_slice(&piece[..take]);
            piece.advance(take);
            (at, left) = (at + take, left - take);
        }
        self.payload_len -= need as u32;
        let count = usize::from(self.count);
        let gone = self.pieces[..count].iter().take_while(|piece| piece.is_empty()).count();
        self.pieces[..count].rotate_left(gone);
        self.count -= gone as u8;
        Some(())
    }

    /// All bytes in one new buffer: for captures and for links that need it contiguous.
    pub fn to_bytes(&self) -> Bytes {
        let mut flat = BytesMut::with_capacity(self.len());
        self.all_pieces().for_each(|piece| flat.extend_from_slice(piece));
        flat.freeze()
    }

    /// The payload bytes `[offset, offset + len)` as pieces pushed onto `to`, by reference; for fragments and segments.
    /// Returns how many bytes fitted (`to` may run out of pieces).
    pub fn slice_payload_to(&self, offset: usize, len: usize, to: &mut Self) -> usize {
        let (mut skip, mut left) = (offset, len);
        for piece in self.payload() {
            if left == 0 {
                break;
            }
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            let take = left.min(piece.len() - skip);
            if to.push(piece.slice(skip..skip + take)).is_err() {
                break;
            }
            (skip, left) = (0, left - take);
        }
        len - left
    }

    /// Turns the packet around: what a link would have received. Headers are copied, payload moves by reference.
    /// The slot is left empty. `ether_type` and checksum state go along.
    pub fn to_rx(&mut self, now: Instant) -> RxPacket {
        let mut packet = RxPacket::new(Bytes::copy_from_slice(self.header()), self.ether_type, now);
        for piece in &mut self.pieces[..usize::from(self.count)] {
            packet.more.push(core::mem::take(piece));
        }
        let truesize = (self.len() + size_of::<RxPacket>()) as u32;
        packet.meta = RxMeta {
            checksum: self.checksum,
            gso_size: self.gso_size,
            hash: self.hash,
            mark: self.mark,
            policy: self.policy,
            truesize,
            ..packet.meta
        };
        self.reset();
        packet
    }

    /// Takes over an inbound packet to send it on: the first `header_len` bytes of it are copied into the
    /// headroom, where they can be changed, the rest follows by reference. Offload metadata go along.
    /// `None` if the packet is shorter than `header_len` or the headroom does not suffice.
    pub fn from_rx(&mut self, packet: &mut RxPacket, header_len: usize) -> Option<()> {
        self.reset();
        let header = packet.data.get(..header_len)?;
        self.prepend(header_len)?.copy_from_slice(header);
        self.ip = packet.ip;
        self.ether_type = packet.meta.ether_type;
        self.checksum = packet.meta.checksum;
        self.gso_size = packet.meta.gso_size;
        self.hash = packet.meta.hash;
        self.mark = packet.meta.mark;
        self.policy = packet.meta.policy;
        let data = core::mem::take(&mut packet.data);
        let mut rest = core::mem::take(&mut packet.more);
        let first = data.slice(header_len..);
        if rest.piece_count() >= MAX_PIECES {
            rest = crate::Rope::from(rest.to_bytes());
        }
        for piece in core::iter::once(first).chain(rest.into_pieces()) {
            // At most MAX_PIECES: one of `data`, and fewer than MAX_PIECES of `more`.
            let _ = self.push(piece);
        }
        Some(())
    }
}

impl Default for TxPacket {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_grow_downward_and_the_partial_checksum_follows() {
        let mut p = TxPacket::new();
        p.push(Bytes::from_static(b"data")).unwrap();
        p.prepend(8).unwrap().copy_from_slice(b"UUUUUUUU");
        p.checksum = Checksum::Partial { start: 0, offset: 6 };
        p.prepend(20).unwrap().fill(b'I');
        assert_eq!(p.checksum, Checksum::Partial { start: 20, offset: 6 });
        assert_eq!(p.to_bytes(), &b"IIIIIIIIIIIIIIIIIIIIUUUUUUUUdata"[..]);
        p.unprepend(20);
        assert_eq!(p.checksum, Checksum::Partial { start: 0, offset: 6 });
        assert_eq!(p.header(), b"UUUUUUUU");
    }

    #[test]
    fn headroom_and_pieces_run_out_without_harm() {
        let mut p = TxPacket::new();
        assert!(p.prepend(HEADROOM).is_some());
        assert!(p.prepend(1).is_none());
        assert_eq!(p.len(), HEADROOM);
        for _ in 0..MAX_PIECES {
            p.push(Bytes::from_static(b"x")).unwrap();
        }
        assert!(p.is_full());
        assert_eq!(p.push(Bytes::from_static(b"y")), Err(Bytes::from_static(b"y")));
        p.reset();
        assert!(p.is_empty() && p.payload().is_empty());
    }

    #[test]
    fn any_number_of_pieces_fits_into_one_place() {
        for (had, pieces, count) in
            [(0, 0, Some(0)), (0, 6, Some(6)), (0, 7, Some(1)), (5, 9, Some(6)), (6, 1, None)]
        {
            let mut p = TxPacket::new();
            (0..had).for_each(|_| p.push(Bytes::from_static(b"x")).unwrap());
            let fits = p.push_all((0..pieces).map(|_| Bytes::from_static(b"yz")));
            assert_eq!(fits.then_some(p.payload().len()), count, "{had} + {pieces}");
            assert_eq!(p.len(), if fits { had + 2 * pieces } else { had });
        }
    }

    #[test]
    fn slices_of_payload_cross_pieces() {
        let mut p = TxPacket::new();
        for piece in [&b"abc"[..], b"defg", b"h"] {
            p.push(Bytes::copy_from_slice(piece)).unwrap();
        }
        let mut q = TxPacket::new();
        assert_eq!(p.slice_payload_to(2, 4, &mut q), 4);
        assert_eq!(q.to_bytes(), &b"cdef"[..]);
        let mut q = TxPacket::new();
        assert_eq!(p.slice_payload_to(7, 9, &mut q), 1);
        assert_eq!(p.slice_payload_to(9, 1, &mut TxPacket::new()), 0);
    }

    #[test]
    fn pulling_up_keeps_the_bytes() {
        for len in 0..=9 {
            let mut p = TxPacket::new();
            p.push(Bytes::from_static(b"ab")).unwrap();
            p.push(Bytes::from_static(b"cdefg")).unwrap();
            p.prepend(2).unwrap().copy_from_slice(b"HH");
            p.pull_up(len).unwrap();
            assert_eq!(p.header().len(), len.max(2));
            assert_eq!(p.to_bytes(), &b"HHabcdefg"[..]);
            assert!(p.payload().iter().all(|piece| !piece.is_empty()));
            assert!(p.pull_up(10).is_none());
        }
    }

    #[test]
    fn turned_around_twice_it_is_the_same_packet() {
        let mut p = TxPacket::new();
        p.push(Bytes::from_static(b"payload")).unwrap();
        p.prepend(4).unwrap().copy_from_slice(b"HEAD");
        p.gso_size = 3;
        let mut rx = p.to_rx(Instant::ZERO);
        assert!(p.is_empty());
        assert_eq!((rx.len(), rx.meta.gso_size), (11, 3));
        let mut back = TxPacket::new();
        back.from_rx(&mut rx, 2).unwrap();
        assert_eq!(back.to_bytes(), &b"HEADpayload"[..]);
        assert_eq!((back.header(), back.gso_size), (&b"HE"[..], 3));
        assert!(TxPacket::new().from_rx(&mut rx, 1).is_none());
    }

    #[test]
    fn an_inbound_packet_in_many_pieces_still_fits() {
        let mut rx = RxPacket::new(Bytes::from_static(b"Hp"), 0x0800, Instant::ZERO);
        for _ in 0..20 {
            rx.more.push(Bytes::from_static(b"z"));
        }
        let mut p = TxPacket::new();
        p.from_rx(&mut rx, 1).unwrap();
        assert_eq!(p.len(), 22);
    }
}
