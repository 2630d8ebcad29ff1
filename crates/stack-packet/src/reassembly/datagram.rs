//! One datagram of which fragments have come, and one fragment of it.
//!
//! Invariants: pieces never overlap, `have` is the sum of their lengths, `cost` is what the store is charged for them,
//! and a condemned datagram has none.

use super::FragmentLoss;
use crate::{Instant, IpMeta, RxMeta, RxPacket};
use alloc::collections::BTreeMap;
use bytes::{Bytes, BytesMut};

/// Pieces of one datagram: 64 KiB over the smallest MTU of RFC 791, 68 octets, come in 1,366.
pub const MAX_FRAGMENTS: usize = 1536;
/// What a datagram without pieces is charged, in bytes.
pub const DATAGRAM_COST: usize = 512;
/// What a piece is charged beyond its bytes.
pub const PIECE_COST: usize = 96;
/// The ECN codepoint of a packet whose transport does not speak ECN, and of one that met congestion (RFC 3168 §5).
const NOT_ECT: u8 = 0b00;
const CE: u8 = 0b11;

/// A fragment whose lengths its protocol has found right.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// The packet; `ip` is filled, and all its headers lie in `data`.
    pub packet: &'a RxPacket,
    /// Bytes of it in front of what is reassembled.
    pub header_len: usize,
    /// Where its bytes lie in the whole.
    pub start: u16,
    /// Whether more of the whole lies behind them.
    pub more: bool,
}

impl Fragment<'_> {
    fn len(&self) -> u32 {
        u32::try_from(self.packet.len().saturating_sub(self.header_len)).unwrap_or(u32::MAX)
    }

    fn start(&self) -> u32 {
        self.start.into()
    }

    fn end(&self) -> u32 {
        self.start().saturating_add(self.len())
    }

    pub(super) fn cost(&self) -> usize {
        self.len() as usize + PIECE_COST
    }

    fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let first = self.packet.data.get(self.header_len..).unwrap_or_default();
        core::iter::once(first).chain(self.packet.more.pieces())
    }

    fn copy(&self) -> Bytes {
        let mut flat = BytesMut::with_capacity(self.len() as usize);
        self.bytes().for_each(|bytes| flat.extend_from_slice(bytes));
        flat.freeze()
    }

    fn is(&self, had: &Bytes) -> bool {
        had.len() == self.len() as usize && self.bytes().flatten().eq(had.iter())
    }

    fn as_first(&self) -> First {
        let header = self.packet.data.get(..self.header_len).unwrap_or_default();
        First { header: Bytes::copy_from_slice(header), meta: self.packet.meta, ip: self.packet.ip }
    }
}

/// What is kept of the first fragment beyond its payload.
#[derive(Debug)]
struct First {
    header: Bytes,
    meta: RxMeta,
    ip: IpMeta,
}

/// A datagram of which fragments have come.
#[derive(Debug)]
pub(super) struct Datagram {
    age: u64,
    deadline: Instant,
    first: Option<First>,
    /// By offset; none overlaps another.
    pieces: BTreeMap<u32, Bytes>,
    have: u32,
    /// Payload bytes of the whole, once the last fragment has come.
    total: Option<u32>,
    /// A bit for each ECN codepoint that was seen.
    ecn_seen: u8,
    /// Takes no more fragments, and never becomes whole.
    condemned: Option<FragmentLoss>,
    cost: usize,
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

    pub(super) fn age(&self) -> u64 {
        self.age
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn pieces(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.total == Some(self.have)
    }

    /// Takes a piece; `Ok(false)` if it was there already.
    pub(super) fn add(&mut self, piece: &Fragment<'_>) -> Result<bool, FragmentLoss> {
        if let Some(loss) = self.condemned {
            return Err(loss);
        }
        if self.contradicts_length(piece) {
            return Err(self.condemn(FragmentLoss::Invalid));
        }
        if self.pieces.get(&piece.start()).is_some_and(|had| piece.is(had)) {
            return Ok(false);
        }
        if self.overlaps(piece) {
            return Err(self.condemn(FragmentLoss::Overlap)); // R815-3-a, R8200-4.5-e
        }
        if self.pieces.len() >= MAX_FRAGMENTS {
            return Err(self.condemn(FragmentLoss::Memory));
        }
        self.have += piece.len();
        self.total = self.total.or((!piece.more).then_some(piece.end()));
        self.ecn_seen |= 1 << piece.packet.ip.ecn();
        self.cost += piece.cost();
        self.pieces.insert(piece.start(), piece.copy());
        if piece.start == 0 {
            self.first = Some(piece.as_first());
        }
        Ok(true)
    }

    fn condemn(&mut self, loss: FragmentLoss) -> FragmentLoss {
        self.condemned = Some(loss);
        self.pieces.clear();
        (self.first, self.cost) = (None, DATAGRAM_COST);
        loss
    }

    /// A second end, a piece behind the end, or one without bytes.
    fn contradicts_length(&self, piece: &Fragment<'_>) -> bool {
        let end = piece.end();
        let last = self.pieces.last_key_value().map_or(0, |(start, bytes)| start + bytes.len() as u32);
        piece.len() == 0
            || match self.total {
                Some(total) if piece.more => end > total,
                Some(total) => end != total,
                None => !piece.more && last > end,
            }
    }

    fn overlaps(&self, piece: &Fragment<'_>) -> bool {
        let before = self.pieces.range(..=piece.start()).next_back();
        let after = self.pieces.range(piece.start()..).next();
        before.is_some_and(|(start, bytes)| start + bytes.len() as u32 > piece.start())
            || after.is_some_and(|(start, _)| *start < piece.end())
    }

    /// The first fragment as it came, if it came: for error messages.
    pub(super) fn into_first(self) -> Option<RxPacket> {
        let First { header, meta, ip } = self.first?;
        let mut packet = RxPacket::new(header, meta.ether_type, meta.received_at);
        packet.transport = packet.data.len() as u16;
        self.pieces.get(&0).into_iter().for_each(|piece| packet.more.push(piece.clone()));
        packet.pull_up(usize::MAX);
        Some(RxPacket { meta, ip, ..packet })
    }

    pub(super) fn into_whole(self) -> Option<Whole> {
        let Self { first, pieces, have, ecn_seen, .. } = self;
        first.map(|first| Whole { first, pieces, len: have as usize, ecn_seen })
    }
}

/// A datagram all of whose fragments have come.
#[derive(Debug)]
pub struct Whole {
    first: First,
    pieces: BTreeMap<u32, Bytes>,
    len: usize,
    ecn_seen: u8,
}

impl Whole {
    /// The headers of the first fragment, as they came.
    pub fn header(&self) -> &[u8] {
        &self.first.header
    }

    /// Bytes that were reassembled.
    pub fn payload_len(&self) -> usize {
        self.len
    }

    pub(super) fn fragments(&self) -> usize {
        self.pieces.len()
    }

    /// The traffic class of the first fragment with the congestion that any of them met; `None` if one met congestion
    /// and another can't say so: then the datagram must go (RFC 3168 §5.3, R3168-5-a).
    pub fn traffic_class(&self) -> Option<u8> {
        let first = self.first.ip.traffic_class;
        let seen = |codepoint: u8| self.ecn_seen & 1 << codepoint != 0;
        match (seen(CE), seen(NOT_ECT)) {
            (true, true) => None,
            (true, false) => Some(first | CE),
            (false, _) => Some(first),
        }
    }

    /// One packet of a header and all pieces.
    pub fn assemble(&self, header: &[u8]) -> Bytes {
        let mut whole = BytesMut::with_capacity(header.len() + self.len);
        whole.extend_from_slice(header);
        self.pieces.values().for_each(|bytes| whole.extend_from_slice(bytes));
        whole.freeze()
    }
}
