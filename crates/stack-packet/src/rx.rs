//! An inbound packet: parsed once, annotated in place, never copied on its way up.

use crate::meta::{Cast, Checksum, IpMeta, LinkAddress, NicId, Token};
use crate::{Instant, Rope};
use bytes::{Buf, Bytes, BytesMut};

/// What the link says of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RxMeta {
    /// When it entered the stack; stamped at ingress, never at processing.
    pub received_at: Instant,
    /// The interface it came in by; set by the host.
    pub nic: NicId,
    /// EtherType of the first byte of [`RxPacket::data`]; set by the link.
    pub ether_type: u16,
    /// To how many the frame was addressed.
    pub cast: Cast,
    /// Who sent the frame, on links with addresses.
    pub link_src: LinkAddress,
    /// Whom the frame was addressed to, on links with addresses.
    pub link_dst: LinkAddress,
    /// It never left this host: turned around on its way out. Set by the host; such a packet may carry
    /// source addresses that no wire may bring, our own above all.
    pub loopback: bool,
    /// Whether the transport checksum is vouched for.
    pub checksum: Checksum,
    /// Payload bytes of each segment that this super-packet stands for; 0 if it is an ordinary packet.
    pub gso_size: u16,
    /// Octets of payload between [`data`](RxPacket::data) and [`more`](RxPacket::more) that are with their reader
    /// already ([`Placement`](crate::Placement)); nearly always none. If there are, `data` is nothing but headers,
    /// and the link vouches for the checksum.
    pub placed: u32,
    /// Memory that the packet pins, in bytes; sockets are charged this.
    pub truesize: u32,
    /// Hash of the flow; 0 where nobody computed it.
    pub hash: u32,
    /// Free mark for policies (`SO_MARK`).
    pub mark: u32,
    /// What a policy found out about the packet, for its next place; 0 is nothing. It means something to the policy
    /// that wrote it and within this host only.
    pub policy: u64,
    /// The link's number for it, handed back with the packet's outcome.
    pub token: Token,
}

/// One inbound packet. Layers annotate it and trim it; whoever keeps it takes it with [`core::mem::take`].
#[derive(Clone, Debug, Default)]
pub struct RxPacket {
    /// The packet from its network header on. All headers lie in here, contiguous.
    pub data: Bytes,
    /// Payload beyond `data`: packets that never touched a device come in pieces. Usually empty.
    pub more: Rope,
    /// What the link says.
    pub meta: RxMeta,
    /// What the network layer says; meaningful after its `receive`.
    pub ip: IpMeta,
    /// Where the transport header starts in `data`; set by the network layer.
    pub transport: u16,
}

impl RxPacket {
    /// A packet of one contiguous buffer, as a link makes it.
    pub fn new(data: Bytes, ether_type: u16, received_at: Instant) -> Self {
        let truesize = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let meta = RxMeta { received_at, ether_type, truesize, ..RxMeta::default() };
        Self { data, meta, ..Self::default() }
    }

    /// Bytes from the network header to the end, those included that were placed.
    pub fn len(&self) -> usize {
        self.data.len() + self.meta.placed as usize + self.more.len()
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The contiguous bytes from the transport header on; empty if the network layer set no offset inside the packet.
    pub fn transport(&self) -> &[u8] {
        self.data.get(usize::from(self.transport)..).unwrap_or_default()
    }

    /// Bytes from the transport header to the end, pieces included.
    pub fn transport_len(&self) -> usize {
        self.len().saturating_sub(usize::from(self.transport))
    }

    /// The transport bytes piece by piece, in order: for checksums. What was placed is not among them.
    pub fn transport_pieces(&self) -> impl Iterator<Item = &[u8]> {
        core::iter::once(self.transport()).chain(self.more.pieces())
    }

    /// Cuts the packet to `len` bytes from the network header; longer lengths change nothing. For link padding.
    pub fn truncate(&mut self, len: usize) {
        self.data.truncate(len);
        let behind = len - self.data.len();
        self.meta.placed = self.meta.placed.min(u32::try_from(behind).unwrap_or(u32::MAX));
        self.more.truncate(behind - self.meta.placed as usize);
    }

    /// Makes the first `len` bytes contiguous in [`data`](Self::data), or all if there are fewer. Copies only if they
    /// are not, and then what lies in `data` and the part of `more` that is missing. Of a packet whose text was
    /// placed, the headers are contiguous.
    pub fn pull_up(&mut self, len: usize) {
        let want = len.min(self.len());
        if want <= self.data.len() || self.meta.placed > 0 {
            return;
        }
        let mut flat = BytesMut::with_capacity(want);
        flat.extend_from_slice(&self.data);
        while let Some(piece) = self.more.read_bytes(want - flat.len()) {
            flat.extend_from_slice(&piece);
        }
        self.data = flat.freeze();
    }

    /// The first `len` bytes, or all if there are fewer, as one piece: by reference if they lie in
    /// [`data`](Self::data), else a copy. For quotes.
    pub fn front(&self, len: usize) -> Bytes {
        let len = len.min(self.len());
        if len <= self.data.len() {
            return self.data.slice(..len);
        }
        let mut flat = BytesMut::with_capacity(len);
        for piece in core::iter::once(&self.data[..]).chain(self.more.pieces()) {
            flat.extend_from_slice(&piece[..piece.len().min(len - flat.len())]);
        }
        flat.freeze()
    }

    /// Takes the payload that starts `header_len` bytes after the transport header, piece by piece, by reference;
    /// what was placed is not among it. The packet keeps its headers and loses its payload.
    pub fn take_payload(&mut self, header_len: usize) -> impl Iterator<Item = Bytes> + use<> {
        let start = (usize::from(self.transport) + header_len).min(self.data.len());
        let first = self.data.split_off(start);
        let more = core::mem::take(&mut self.more);
        core::iter::once(first).chain(more.into_pieces()).filter(|piece| !piece.is_empty())
    }

    /// Replaces the last fragment by the whole datagram, for which no device vouches.
    pub fn reassembled(&mut self, whole: Bytes) {
        self.meta.truesize = u32::try_from(whole.len()).unwrap_or(u32::MAX);
        (self.meta.checksum, self.meta.gso_size) = (Checksum::Unverified, 0);
        (self.data, self.more) = (whole, Rope::default());
    }

    /// Drops `len` bytes from the front: a link header that has been read.
    pub fn advance(&mut self, len: usize) {
        self.data.advance(len.min(self.data.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn packet() -> RxPacket {
        let mut packet = RxPacket::new(Bytes::from_static(b"IIIITTabc"), 0x0800, Instant::ZERO);
        packet.more.push(Bytes::from_static(b"def"));
        packet.transport = 4;
        packet
    }

    #[test]
    fn payload_is_taken_in_order_and_only_once() {
        let mut packet = packet();
        let pieces: Vec<Bytes> = packet.take_payload(2).collect();
        assert_eq!(pieces, [&b"abc"[..], &b"def"[..]]);
        assert_eq!(packet.take_payload(2).count(), 0);
        assert_eq!(&packet.data[..], b"IIIITT");
    }

    #[test]
    fn truncation_reaches_into_pieces_and_into_data() {
        let mut p = packet();
        p.truncate(10);
        assert_eq!((p.len(), p.more.len()), (10, 1));
        p.truncate(5);
        assert_eq!((p.len(), p.more.len()), (5, 0));
        p.truncate(500);
        assert_eq!(p.len(), 5);
    }

    #[test]
    fn what_was_placed_counts_and_is_cut_off_in_its_turn() {
        let mut packet = packet();
        packet.meta.placed = 100;
        packet.pull_up(10);
        assert_eq!((packet.data.len(), packet.len(), packet.transport_len()), (9, 112, 108));
        for (len, left) in [(111, (9, 100, 2)), (109, (9, 100, 0)), (50, (9, 41, 0)), (5, (5, 0, 0))] {
            packet.truncate(len);
            assert_eq!((packet.data.len(), packet.meta.placed, packet.more.len()), left);
            assert_eq!(packet.len(), len);
        }
    }

    #[test]
    fn pulling_up_moves_bytes_and_loses_none() {
        for (len, in_data) in [(0, 9), (9, 9), (10, 10), (12, 12), (99, 12)] {
            let mut p = packet();
            p.pull_up(len);
            assert_eq!((p.data.len(), p.len()), (in_data, 12), "{len}");
            p.pull_up(99);
            assert_eq!(&p.data[..], b"IIIITTabcdef");
        }
    }

    #[test]
    fn the_front_is_one_piece() {
        let packet = packet();
        for (len, want) in [(0, &b""[..]), (9, b"IIIITTabc"), (10, b"IIIITTabcd"), (99, b"IIIITTabcdef")] {
            assert_eq!(packet.front(len), want);
        }
    }

    #[test]
    fn an_offset_outside_the_packet_is_an_empty_transport() {
        let mut p = packet();
        p.transport = 400;
        assert!(p.transport().is_empty());
        assert_eq!(p.take_payload(10).count(), 1);
    }
}
