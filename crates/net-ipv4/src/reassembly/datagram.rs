//! One datagram of which fragments have come, and one fragment of it.
//!
//! Invariants: pieces never overlap, `have` is the sum of their lengths, `cost` is what the store is charged for them,
//! and a condemned datagram has none.

use alloc::collections::BTreeMap;
use bytes::{Bytes, BytesMut};
use stack_core::{DropReason, Instant, IpMeta, RxMeta, RxPacket};
use stack_wire::checksum;
use stack_wire::ip::{ecn, protocol};
use stack_wire::ipv4::Header;

/// Pieces of one datagram: 64 KiB over the smallest MTU of RFC 791, 68 octets, come in 1,366.
pub(super) const MAX_PIECES: usize = 1536;
/// What a datagram without pieces is charged.
pub(super) const DATAGRAM_COST: usize = 512;
/// What a piece is charged beyond its bytes.
pub(super) const PIECE_COST: usize = 96;
/// The ports and, for TCP, all up to the flags: no first fragment of TCP is shorter (RFC 3128 §4, R815-x-c).
const MIN_TCP_FIRST: usize = 16;

/// The first fragment, as far as an error message needs it.
#[derive(Debug)]
pub(super) struct First {
    pub(super) header: Bytes,
    pub(super) meta: RxMeta,
    pub(super) ip: IpMeta,
}

/// A datagram of which fragments have come.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) age: u64,
    pub(super) deadline: Instant,
    pub(super) first: Option<First>,
    /// By offset; none overlaps another.
    pub(super) pieces: BTreeMap<u32, Bytes>,
    have: u32,
    /// Payload bytes of the whole, once the last fragment has come.
    total: Option<u32>,
    /// A bit for each ECN codepoint that was seen.
    ecn_seen: u8,
    /// Takes no more fragments, and never becomes whole.
    condemned: Option<DropReason>,
    pub(super) cost: usize,
}

impl Datagram {
    pub(super) fn new(age: u64, deadline: Instant) -> Self {
        Self {
            age,
            deadline,
            first: None,
            pieces: BTreeMap::new(),
            have: 0,
            total: None,
            ecn_seen: 0,
            condemned: None,
            cost: DATAGRAM_COST,
        }
    }

    fn condemn(&mut self, reason: DropReason) -> DropReason {
        self.condemned = Some(reason);
        self.pieces.clear();
        (self.first, self.cost) = (None, DATAGRAM_COST);
        reason
    }

    /// Takes a piece; `Ok(false)` if it was there already.
    pub(super) fn add(&mut self, piece: &Piece<'_>) -> Result<bool, DropReason> {
        if let Some(reason) = self.condemned {
            return Err(reason);
        }
        if self.contradicts_length(piece) {
            return Err(self.condemn(DropReason::FragmentInvalid));
        }
        if self.pieces.get(&piece.start).is_some_and(|had| piece.is(had)) {
            return Ok(false);
        }
        if self.overlaps(piece) {
            return Err(self.condemn(DropReason::FragmentOverlap)); // R815-3-a
        }
        if self.pieces.len() >= MAX_PIECES {
            return Err(self.condemn(DropReason::FragmentMemory));
        }
        self.have += piece.len;
        self.total = self.total.or((!piece.more).then_some(piece.end()));
        self.ecn_seen |= 1 << piece.packet.ip.ecn();
        self.cost += piece.cost();
        self.pieces.insert(piece.start, piece.copy());
        if piece.start == 0 {
            self.first = Some(piece.as_first());
        }
        Ok(true)
    }

    /// A second end, or a piece behind the end.
    fn contradicts_length(&self, piece: &Piece<'_>) -> bool {
        let end = piece.end();
        let last = self.pieces.last_key_value().map_or(0, |(start, bytes)| start + bytes.len() as u32);
        match self.total {
            Some(total) if piece.more => end > total,
            Some(total) => end != total,
            None => !piece.more && last > end,
        }
    }

    fn overlaps(&self, piece: &Piece<'_>) -> bool {
        let before = self.pieces.range(..=piece.start).next_back();
        let after = self.pieces.range(piece.start..).next();
        before.is_some_and(|(start, bytes)| start + bytes.len() as u32 > piece.start)
            || after.is_some_and(|(start, _)| *start < piece.end())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.total == Some(self.have)
    }

    /// One packet of all pieces, with the header of the first.
    pub(super) fn assemble(&self) -> Result<Bytes, DropReason> {
        let first = self.first.as_ref().ok_or(DropReason::FragmentInvalid)?;
        let len = first.header.len() + self.have as usize;
        let total_len = u16::try_from(len).map_err(|_| DropReason::FragmentInvalid)?; // R815-x-b
        let tos = self.tos(first.ip.traffic_class)?;
        let mut whole = BytesMut::with_capacity(len);
        whole.extend_from_slice(&first.header);
        if let Some(header) = Header::from_bytes_mut(&mut whole) {
            header.total_len.set(total_len);
            header.flags_fragment.set(0);
            header.checksum.set(0);
            header.tos = tos;
        }
        let sum = checksum::ipv4_header(&whole);
        if let Some(header) = Header::from_bytes_mut(&mut whole) {
            header.checksum.set(sum);
        }
        self.pieces.values().for_each(|bytes| whole.extend_from_slice(bytes));
        Ok(whole.freeze())
    }

    /// Congestion that one fragment met, the whole met; unless another can't say so (R3168-5-a).
    fn tos(&self, first: u8) -> Result<u8, DropReason> {
        let seen = |codepoint: u8| self.ecn_seen & 1 << codepoint != 0;
        match (seen(ecn::CE), seen(ecn::NOT_ECT)) {
            (true, true) => Err(DropReason::FragmentInvalid),
            (true, false) => Ok(first | ecn::CE),
            (false, _) => Ok(first),
        }
    }
}

/// One fragment whose lengths were found right.
pub(super) struct Piece<'a> {
    packet: &'a RxPacket,
    header_len: usize,
    start: u32,
    len: u32,
    more: bool,
}

impl<'a> Piece<'a> {
    pub(super) fn new(packet: &'a RxPacket, header: &Header) -> Result<Self, DropReason> {
        let header_len = header.header_len();
        let len = packet.len().saturating_sub(header_len);
        let start = usize::from(header.fragment_offset());
        let more = header.more_fragments();
        let tcp = header.protocol() == protocol::TCP;
        let impossible = len == 0
            || more && len % 8 != 0 // R791-3.2-a
            || start + len + header_len > usize::from(u16::MAX) // R815-x-b
            || tcp && start == 0 && len < MIN_TCP_FIRST
            || tcp && start == 8; // R815-x-c
        if impossible {
            return Err(DropReason::FragmentInvalid);
        }
        Ok(Self { packet, header_len, start: start as u32, len: len as u32, more })
    }

    fn end(&self) -> u32 {
        self.start + self.len
    }

    pub(super) fn cost(&self) -> usize {
        self.len as usize + PIECE_COST
    }

    fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let first = self.packet.data.get(self.header_len..).unwrap_or_default();
        core::iter::once(first).chain(self.packet.more.pieces())
    }

    fn copy(&self) -> Bytes {
        let mut flat = BytesMut::with_capacity(self.len as usize);
        self.bytes().for_each(|bytes| flat.extend_from_slice(bytes));
        flat.freeze()
    }

    fn is(&self, had: &Bytes) -> bool {
        had.len() == self.len as usize && self.bytes().flatten().eq(had.iter())
    }

    fn as_first(&self) -> First {
        let header = self.packet.data.get(..self.header_len).unwrap_or_default();
        First { header: Bytes::copy_from_slice(header), meta: self.packet.meta, ip: self.packet.ip }
    }
}
