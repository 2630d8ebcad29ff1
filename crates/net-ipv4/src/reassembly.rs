//! Fragments become datagrams: RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2, with the overlap rule of RFC 5722 and the
//! tiny-fragment rules of RFC 1858 and RFC 3128; ECN: RFC 3168 §5.3.
//!
//! - A datagram is known by source, destination, protocol and identification (R791-3.2-b), on one interface.
//! - It is whole when its pieces add up to its length: they never overlap, so that there is no other way. The same
//!   piece once more changes nothing; a different piece at a place that is taken condemns the datagram, and the rest
//!   of its fragments with it until its time is over.
//! - Pieces are copied: a fragment that waits a minute must not pin the receive block it came in.
//! - Memory is bounded ([`Ipv4Config::reassembly_high`]): the oldest datagrams make room. So is the number of pieces.
//! - The clock runs from the first fragment that came and is never wound up again (R1122-3.3.2-b).

use crate::{Endpoint, Ipv4Config};
use alloc::collections::BTreeMap;
use bytes::{Bytes, BytesMut};
use core::net::Ipv4Addr;
use stack_core::{DropReason, ErrorKind, Instant, IpMeta, NetCx, RxMeta, RxPacket};
use stack_wire::checksum;
use stack_wire::ip::{ecn, protocol};
use stack_wire::ipv4::Header;

/// Pieces of one datagram: 64 KiB over the smallest MTU of RFC 791, 68 octets, come in 1,366.
const MAX_PIECES: usize = 1536;
/// What a datagram without pieces is charged.
const DATAGRAM_COST: usize = 512;
/// What a piece is charged beyond its bytes.
const PIECE_COST: usize = 96;
/// The ports and, for TCP, all up to the flags: no first fragment of TCP is shorter (RFC 3128 §4, R815-x-c).
const MIN_TCP_FIRST: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    ident: u16,
}

impl Key {
    fn of(header: &Header) -> Self {
        Self { src: header.src(), dst: header.dst(), protocol: header.protocol(), ident: header.ident() }
    }
}

/// The first fragment, as far as an error message needs it.
#[derive(Debug)]
struct First {
    header: Bytes,
    meta: RxMeta,
    ip: IpMeta,
}

/// A datagram of which fragments have come.
#[derive(Debug)]
struct Datagram {
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
    condemned: Option<DropReason>,
    cost: usize,
}

impl Datagram {
    fn new(age: u64, deadline: Instant) -> Self {
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
    fn add(&mut self, piece: &Piece<'_>) -> Result<bool, DropReason> {
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

    fn is_whole(&self) -> bool {
        self.total == Some(self.have)
    }

    /// One packet of all pieces, with the header of the first.
    fn assemble(&self) -> Result<Bytes, DropReason> {
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
struct Piece<'a> {
    packet: &'a RxPacket,
    header_len: usize,
    start: u32,
    len: u32,
    more: bool,
}

impl<'a> Piece<'a> {
    fn new(packet: &'a RxPacket, header: &Header) -> Result<Self, DropReason> {
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

    fn cost(&self) -> usize {
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

/// The datagrams of one interface of which fragments are missing.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    datagrams: BTreeMap<Key, Datagram>,
    /// Oldest first; all have the same time to live, so the oldest is also the first to expire.
    by_age: BTreeMap<u64, Key>,
    next_age: u64,
    cost: usize,
}

impl Reassembly {
    /// Takes a fragment. Hands out the datagram if it was the last that was missing.
    ///
    /// # Errors
    /// Why the fragment was not taken.
    pub(crate) fn insert(
        &mut self,
        config: &Ipv4Config,
        now: Instant,
        packet: &RxPacket,
        header: &Header,
    ) -> Result<Option<Bytes>, DropReason> {
        let piece = Piece::new(packet, header)?;
        self.make_room(config, piece.cost() + DATAGRAM_COST)?;
        let key = Key::of(header);
        let datagram = self.find(key, now + config.reassembly_timeout);
        let before = datagram.cost;
        let added = datagram.add(&piece);
        let (whole, after) = (datagram.is_whole(), datagram.cost);
        self.cost = self.cost + after - before;
        if !added? || !whole {
            return Ok(None);
        }
        self.remove(key).map(|datagram| datagram.assemble()).transpose()
    }

    /// When the oldest datagram has waited long enough.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let (_, key) = self.by_age.first_key_value()?;
        self.datagrams.get(key).map(|datagram| datagram.deadline)
    }

    /// Gives up the oldest datagram if its time is over: `Some` of its first fragment, if that came.
    fn pop_expired(&mut self, now: Instant) -> Option<Option<RxPacket>> {
        if self.next_deadline()? > now {
            return None;
        }
        let datagram = self.remove_oldest()?;
        Some(datagram.first.map(|first| {
            let mut packet = RxPacket::new(first.header, first.meta.ether_type, first.meta.received_at);
            packet.transport = packet.data.len() as u16;
            datagram.pieces.get(&0).into_iter().for_each(|piece| packet.more.push(piece.clone()));
            packet.pull_up(usize::MAX);
            RxPacket { meta: first.meta, ip: first.ip, ..packet }
        }))
    }

    fn find(&mut self, key: Key, deadline: Instant) -> &mut Datagram {
        let Self { datagrams, by_age, next_age, cost } = self;
        datagrams.entry(key).or_insert_with(|| {
            *next_age += 1;
            by_age.insert(*next_age, key);
            *cost += DATAGRAM_COST;
            Datagram::new(*next_age, deadline)
        })
    }

    fn make_room(&mut self, config: &Ipv4Config, cost: usize) -> Result<(), DropReason> {
        if cost > config.reassembly_high {
            return Err(DropReason::FragmentMemory);
        }
        if self.cost + cost <= config.reassembly_high {
            return Ok(());
        }
        while self.cost + cost > config.reassembly_low && self.remove_oldest().is_some() {}
        Ok(())
    }

    fn remove_oldest(&mut self) -> Option<Datagram> {
        let (_, key) = self.by_age.first_key_value()?;
        self.remove(*key)
    }

    fn remove(&mut self, key: Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(&key)?;
        self.by_age.remove(&datagram.age);
        self.cost -= datagram.cost;
        Some(datagram)
    }
}

impl Endpoint {
    /// Gives up what has waited too long, and says so where the first fragment is there to quote (R1122-3.3.2-c).
    pub(crate) fn expire_fragments(&mut self, cx: &mut NetCx<'_>) {
        while let Some(first) = self.reassembly.pop_expired(cx.now) {
            if let Some(packet) = first {
                crate::send_error::send_error(cx, &packet, ErrorKind::ReassemblyTimeout);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Net, datagram, fix_checksum, icmp, with_options};
    use DropReason::{FragmentInvalid, FragmentMemory, FragmentOverlap};
    use alloc::vec::Vec;
    use core::time::Duration;
    use proptest::prelude::*;
    use stack_core::{Cast, Checksum, Verdict};
    use stack_wire::icmpv4::Emit;

    fn fragment_of(protocol: u8, ident: u16, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = datagram("10.0.0.9", "10.0.0.1", protocol, payload);
        packet[4..6].copy_from_slice(&ident.to_be_bytes());
        packet[6..8].copy_from_slice(&(offset as u16 / 8 + (u16::from(more) << 13)).to_be_bytes());
        fix_checksum(&mut packet);
        packet
    }

    fn fragment(offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
        fragment_of(17, 7, offset, more, payload)
    }

    const HELD: Verdict = Verdict::Held;
    const WHOLE: Verdict = Verdict::Deliver;

    fn dropped(reason: DropReason) -> Verdict {
        Verdict::Drop(reason)
    }

    /// The payload of a datagram, and how it was cut.
    fn cut_datagram() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
        (proptest::collection::vec(any::<u8>(), 9..3000), proptest::collection::vec(1..40usize, 1..60))
            .prop_map(|(payload, sizes)| {
                let (mut cuts, mut at) = (Vec::new(), 0);
                for size in sizes.into_iter().cycle() {
                    let len = (size * 8).min(payload.len() - at);
                    cuts.push((at, len));
                    at += len;
                    if at == payload.len() {
                        break;
                    }
                }
                (payload, cuts)
            })
    }

    proptest! {
        // R815-3-a
        #[test]
        fn any_order_with_duplicates_gives_the_same_bytes(
            (payload, cuts) in cut_datagram(),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..100),
        ) {
            let mut net = Net::new();
            let mut missing: Vec<usize> = (0..cuts.len()).collect();
            let mut send = |net: &mut Net, index: usize| {
                let (at, len) = cuts[index];
                missing.retain(|i| *i != index);
                let more = at + len < payload.len();
                let mut packet = net.packet(&fragment(at, more, &payload[at..at + len]));
                let verdict = net.receive_packet(&mut packet);
                (missing.is_empty(), verdict, packet)
            };
            let shuffled = order.iter().map(|i| i.index(cuts.len()));
            for index in shuffled.chain(0..cuts.len()).chain((0..cuts.len()).rev()) {
                let (last, verdict, packet) = send(&mut net, index);
                if last {
                    prop_assert_eq!(verdict, WHOLE);
                    prop_assert_eq!(packet.transport(), &payload[..]);
                    prop_assert!(packet.more.is_empty());
                    break;
                }
                prop_assert_eq!(verdict, HELD);
            }
            prop_assert_eq!(net.poll_timeout(), None);
        }

        #[test]
        fn an_overlap_condemns_the_datagram(
            (payload, cuts) in cut_datagram(),
            at in any::<prop::sample::Index>(),
            len in 1..40usize,
        ) {
            prop_assume!(cuts.len() > 1);
            let mut net = Net::new();
            let intruder = (at.index(payload.len() / 8 + 1) * 8).min((payload.len() - 1) / 8 * 8);
            let len = len * 8;
            prop_assume!(!cuts.contains(&(intruder, len)) && intruder + len < payload.len());
            for (index, (at, len)) in cuts.iter().enumerate().skip(1) {
                let more = index + 1 < cuts.len();
                prop_assert_eq!(net.receive(&fragment(*at, more, &payload[*at..at + len])), HELD);
            }
            let hits = intruder + len > cuts[0].1;
            let verdict = net.receive(&fragment(intruder, true, &payload[intruder..intruder + len]));
            prop_assert_eq!(verdict, if hits { dropped(FragmentOverlap) } else { HELD });
            let verdict = net.receive(&fragment(0, true, &payload[..cuts[0].1]));
            prop_assert_eq!(verdict, dropped(FragmentOverlap));
        }

        #[test]
        fn no_sequence_of_fragments_breaks_the_accounts(
            fragments in proptest::collection::vec((0..3u16, 0..12usize, any::<bool>(), 0..40usize), 0..200),
        ) {
            let config = Ipv4Config { reassembly_high: 6000, reassembly_low: 4000, ..Default::default() };
            let mut net = Net::with(config.clone());
            for (ident, offset, more, len) in fragments {
                net.now += Duration::from_millis(500);
                net.receive(&fragment_of(17, ident, offset * 8, more, &alloc::vec![ident as u8; len]));
                net.handle_timeout();
                net.call(|endpoint, _| {
                    let r = &endpoint.reassembly;
                    assert_eq!(r.cost, r.datagrams.values().map(|d| d.cost).sum::<usize>());
                    assert!(r.cost <= config.reassembly_high);
                    assert_eq!(r.by_age.len(), r.datagrams.len());
                });
            }
            net.now += Duration::from_secs(60);
            net.handle_timeout();
            net.call(|endpoint, _| assert_eq!(endpoint.reassembly.cost, 0));
            prop_assert_eq!(net.poll_timeout(), None);
        }
    }

    #[test]
    fn sequences_of_fragments() {
        let (a, b, c) = ([1; 8], [2; 8], [3; 3]);
        let x = [9; 8];
        let long = [5; 16];
        for (situation, fragments, want) in [
            ("in order", alloc::vec![(0, true, &a[..]), (8, true, &b), (16, false, &c)], WHOLE),
            ("last first", alloc::vec![(16, false, &c[..]), (8, true, &b), (0, true, &a)], WHOLE),
            (
                "R815-3-a: the same again",
                alloc::vec![(0, true, &a[..]), (0, true, &a), (8, false, &c)],
                WHOLE,
            ),
            ("the last one again", alloc::vec![(8, false, &c[..]), (8, false, &c), (0, true, &a)], WHOLE),
            (
                "the same place, other bytes",
                alloc::vec![(0, true, &a[..]), (0, true, &x)],
                dropped(FragmentOverlap),
            ),
            ("a longer piece", alloc::vec![(8, true, &b[..]), (0, true, &long)], dropped(FragmentOverlap)),
            (
                "a piece inside",
                alloc::vec![(0, true, &long[..]), (8, true, &[5; 8])],
                dropped(FragmentOverlap),
            ),
            (
                "the rest of a condemned datagram",
                alloc::vec![(0, true, &a[..]), (0, true, &x), (8, false, &c)],
                dropped(FragmentOverlap),
            ),
            ("a second end", alloc::vec![(8, false, &c[..]), (8, false, &b)], dropped(FragmentInvalid)),
            (
                "an end before the end",
                alloc::vec![(16, false, &c[..]), (8, false, &b)],
                dropped(FragmentInvalid),
            ),
            (
                "an end before a piece",
                alloc::vec![(16, true, &b[..]), (8, false, &c)],
                dropped(FragmentInvalid),
            ),
            (
                "a piece behind the end",
                alloc::vec![(8, false, &c[..]), (16, true, &b)],
                dropped(FragmentInvalid),
            ),
            ("R791-3.2-a: not a multiple of eight", alloc::vec![(0, true, &c[..])], dropped(FragmentInvalid)),
            ("empty", alloc::vec![(8, false, &[][..])], dropped(FragmentInvalid)),
        ] {
            let mut net = Net::new();
            let last =
                fragments.iter().map(|&(at, more, bytes)| net.receive(&fragment(at, more, bytes))).last();
            assert_eq!(last, Some(want), "{situation}");
        }
    }

    // R815-x-b
    #[test]
    fn nothing_reaches_beyond_the_largest_datagram() {
        for (situation, offset, len, want) in [
            ("up to the end", 65_512, 3, HELD),
            ("one octet more", 65_512, 4, dropped(FragmentInvalid)),
            ("as far as the field goes", 65_528, 8, dropped(FragmentInvalid)),
        ] {
            let got = Net::new().receive(&fragment(offset, false, &alloc::vec![1; len]));
            assert_eq!(got, want, "{situation}");
        }
        let mut net = Net::new();
        assert_eq!(net.receive(&fragment(65_512, false, &[1; 3])), HELD);
        let mut first = with_options("10.0.0.9", "10.0.0.1", 17, &[1; 4], &alloc::vec![1; 65_504]);
        first[4..8].copy_from_slice(&[0, 7, 0x20, 0]);
        fix_checksum(&mut first);
        assert_eq!(net.receive(&first), HELD);
        let got = net.receive(&fragment(65_504, true, &[1; 8]));
        assert_eq!(got, dropped(FragmentInvalid), "the options of the first make it too long");
        assert_eq!(net.poll_timeout(), None);
    }

    // R815-x-c
    #[test]
    fn tcp_headers_are_not_split() {
        for (situation, fragment, want) in [
            ("tiny first fragment", fragment_of(6, 1, 0, true, &[1; 8]), dropped(FragmentInvalid)),
            ("a piece in the first header", fragment_of(6, 1, 8, true, &[1; 8]), dropped(FragmentInvalid)),
            ("ordinary first fragment", fragment_of(6, 1, 0, true, &[1; 16]), HELD),
            ("UDP", fragment_of(17, 1, 8, true, &[1; 8]), HELD),
        ] {
            assert_eq!(Net::new().receive(&fragment), want, "{situation}");
        }
    }

    // R791-3.2-b
    #[test]
    fn datagrams_are_not_mixed() {
        let mut net = Net::new();
        let other_source = |mut packet: Vec<u8>| {
            packet[15] = 8;
            fix_checksum(&mut packet);
            packet
        };
        for first in [
            fragment_of(17, 1, 0, true, &[1; 8]),
            fragment_of(17, 2, 0, true, &[2; 8]),
            fragment_of(99, 1, 0, true, &[3; 8]),
            other_source(fragment_of(17, 1, 0, true, &[4; 8])),
        ] {
            assert_eq!(net.receive(&first), HELD);
        }
        for (last, want) in [
            (fragment_of(17, 2, 8, false, &[2]), 2),
            (other_source(fragment_of(17, 1, 8, false, &[4])), 4),
            (fragment_of(99, 1, 8, false, &[3]), 3),
            (fragment_of(17, 1, 8, false, &[1]), 1),
        ] {
            let mut packet = net.packet(&last);
            assert_eq!(net.receive_packet(&mut packet), WHOLE);
            assert_eq!(packet.transport(), [want; 9]);
        }
    }

    #[test]
    fn the_whole_is_a_packet_like_any_other() {
        let mut net = Net::new();
        let mut packet = net.packet(&fragment(8, false, &[2; 5]));
        packet.meta.checksum = Checksum::Verified;
        assert_eq!(net.receive_packet(&mut packet), HELD);
        let mut first = with_options("10.0.0.9", "10.0.0.1", 17, &[148, 4, 0, 0], &[1; 8]);
        first[4..8].copy_from_slice(&[0, 7, 0x20, 0]);
        fix_checksum(&mut first);
        let mut packet = net.packet(&first);
        packet.meta.checksum = Checksum::Verified;
        assert_eq!(net.receive_packet(&mut packet), WHOLE);
        assert_eq!(packet.meta.checksum, Checksum::Unverified, "nobody vouches for the whole");
        assert_eq!((packet.transport, packet.meta.truesize), (24, 37));
        let theirs = etherparse::Ipv4Slice::from_slice(&packet.data).unwrap();
        let header = theirs.header().to_header();
        assert_eq!(header.calc_header_checksum(), header.header_checksum);
        assert_eq!((header.total_len, header.is_fragmenting_payload()), (37, false));
        assert_eq!(theirs.payload().payload, [&[1; 8][..], &[2; 5]].concat());
    }

    // R3168-5-a
    #[test]
    fn congestion_is_not_lost() {
        for (situation, first, second, want) in [
            ("none", 0b10, 0b10, Some(0b10)),
            ("on the second", 0b10, 0b11, Some(0b11)),
            ("on the first", 0b11, 0b01, Some(0b11)),
            ("mixed with one that can't say", 0b11, 0b00, None),
            ("no congestion", 0b10, 0b00, Some(0b10)),
        ] {
            let mut net = Net::new();
            let marked = |mut packet: Vec<u8>, ecn: u8| {
                packet[1] = 0xb8 | ecn;
                fix_checksum(&mut packet);
                packet
            };
            net.receive(&marked(fragment(0, true, &[1; 8]), first));
            let mut last = net.packet(&marked(fragment(8, false, &[1; 8]), second));
            let verdict = net.receive_packet(&mut last);
            let got = (verdict == WHOLE).then_some(last.ip.traffic_class & 3);
            assert_eq!(got, want, "{situation}");
        }
    }

    // R1122-3.3.2-b, R1122-3.3.2-c
    #[test]
    fn time_runs_out_from_the_first_fragment_on() {
        for (situation, offset, error) in [("with the first", 0, true), ("without it", 8, false)] {
            let mut net = Net::new();
            net.now = Instant::from_secs(100);
            let sent = fragment(offset, true, &[1; 8]);
            assert_eq!(net.receive(&sent), HELD);
            net.now = Instant::from_secs(150);
            assert_eq!(net.receive(&fragment(16, true, &[1; 8])), HELD);
            assert_eq!(net.poll_timeout(), Some(Instant::from_secs(160)), "{situation}");
            net.now = Instant::from_millis(159_999);
            net.handle_timeout();
            assert!(net.poll_timeout().is_some() && net.out.is_empty(), "{situation}");
            net.now = Instant::from_secs(160);
            net.handle_timeout();
            assert_eq!(net.poll_timeout(), None);
            assert_eq!(net.out.len(), usize::from(error), "{situation}");
            if let Some(message) = net.out.pop() {
                let message = message.to_bytes();
                assert_eq!((&message[..2], &message[8..]), (&[11, 1][..], &sent[..]));
            }
            assert_eq!(net.receive(&fragment(24, false, &[1; 8])), HELD, "a new datagram");
        }
    }

    #[test]
    fn fragments_to_all_expire_in_silence() {
        let mut net = Net::new();
        let mut sent = fragment(0, true, &[1; 8]);
        sent[19] = 255;
        fix_checksum(&mut sent);
        let mut packet = net.packet(&sent);
        packet.meta.cast = Cast::Broadcast;
        assert_eq!(net.receive_packet(&mut packet), HELD);
        net.now = Instant::from_secs(60);
        net.handle_timeout();
        assert!(net.out.is_empty() && net.poll_timeout().is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let cost = DATAGRAM_COST + PIECE_COST + 8;
        let config = Ipv4Config { reassembly_high: 4 * cost, reassembly_low: 3 * cost, ..Default::default() };
        let mut net = Net::with(config);
        for ident in 0..4 {
            assert_eq!(net.receive(&fragment_of(17, ident, 0, true, &[1; 8])), HELD);
        }
        // The fifth drives out the first two.
        assert_eq!(net.receive(&fragment_of(17, 4, 0, true, &[1; 8])), HELD);
        for (ident, want) in [(4, WHOLE), (3, WHOLE), (2, WHOLE), (1, HELD), (0, HELD)] {
            assert_eq!(net.receive(&fragment_of(17, ident, 8, false, &[1])), want, "{ident}");
        }
        let config = Ipv4Config { reassembly_high: 100, ..Default::default() };
        let verdict = Net::with(config).receive(&fragment(0, true, &[1; 8]));
        assert_eq!(verdict, dropped(FragmentMemory));
    }

    #[test]
    fn a_datagram_has_a_limit_of_pieces() {
        let mut net = Net::new();
        for index in 0..MAX_PIECES {
            assert_eq!(net.receive(&fragment(index * 8, true, &[1; 8])), HELD);
        }
        let verdict = net.receive(&fragment(MAX_PIECES * 8, true, &[1; 8]));
        assert_eq!(verdict, dropped(FragmentMemory));
    }

    // R1122-3.2.1.4-a, R1122-3.2.2.6-c, R1122-3.3.2-a
    #[test]
    fn the_largest_ping_comes_back() {
        let data: Vec<u8> = (0..65_507u32).map(|i| (i % 251) as u8).collect();
        let request = icmp(Emit::echo_request(5, 6), &data);
        let mut net = Net::new();
        let mut verdict = None;
        for (index, chunk) in request.chunks(1480).enumerate() {
            let more = (index + 1) * 1480 < request.len();
            verdict = Some(net.receive(&fragment_of(1, 9, index * 1480, more, chunk)));
        }
        assert_eq!(verdict, Some(HELD));
        assert_eq!(net.out.pop().unwrap().to_bytes(), icmp(Emit::echo_reply(5, 6), &data));
    }
}
