//! Reassembly as a peer sees it: fragments in, datagrams or silence out.

use crate::Ipv4Config;
use crate::testing::{NIC, Net, datagram, fix_checksum, icmp, with_options};
use DropReason::{FragmentInvalid, FragmentMemory, FragmentOverlap};
use alloc::vec::Vec;
use proptest::prelude::*;
use stack_core::{Cast, Checksum, DropReason, Effect, Instant, Verdict};
use stack_packet::{DATAGRAM_COST, MAX_FRAGMENTS, PIECE_COST};
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
    (proptest::collection::vec(any::<u8>(), 9..3000), proptest::collection::vec(1..40usize, 1..60)).prop_map(
        |(payload, sizes)| {
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
        },
    )
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
        let whole = |start, len| cuts.contains(&(start, len)) || start + len >= payload.len();
        let mut net = Net::new();
        let intruder = (at.index(payload.len() / 8 + 1) * 8).min((payload.len() - 1) / 8 * 8);
        let len = len * 8;
        if cuts.len() < 2 || whole(intruder, len) {
            return Ok(());
        }
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
}

#[test]
fn sequences_of_fragments() {
    let (a, b, c) = ([1; 8], [2; 8], [3; 3]);
    let x = [9; 8];
    let long = [5; 16];
    for (situation, fragments, want) in [
        ("in order", alloc::vec![(0, true, &a[..]), (8, true, &b), (16, false, &c)], WHOLE),
        ("last first", alloc::vec![(16, false, &c[..]), (8, true, &b), (0, true, &a)], WHOLE),
        ("R815-3-a: the same again", alloc::vec![(0, true, &a[..]), (0, true, &a), (8, false, &c)], WHOLE),
        ("the last one again", alloc::vec![(8, false, &c[..]), (8, false, &c), (0, true, &a)], WHOLE),
        (
            "the same place, other bytes",
            alloc::vec![(0, true, &a[..]), (0, true, &x)],
            dropped(FragmentOverlap),
        ),
        ("a longer piece", alloc::vec![(8, true, &b[..]), (0, true, &long)], dropped(FragmentOverlap)),
        ("a piece inside", alloc::vec![(0, true, &long[..]), (8, true, &[5; 8])], dropped(FragmentOverlap)),
        (
            "the rest of a condemned datagram",
            alloc::vec![(0, true, &a[..]), (0, true, &x), (8, false, &c)],
            dropped(FragmentOverlap),
        ),
        ("a second end", alloc::vec![(8, false, &c[..]), (8, false, &b)], dropped(FragmentInvalid)),
        ("an end before the end", alloc::vec![(16, false, &c[..]), (8, false, &b)], dropped(FragmentInvalid)),
        (
            "an end before a piece",
            alloc::vec![(24, true, &long[..]), (8, false, &c)],
            dropped(FragmentInvalid),
        ),
        (
            "a piece behind the end",
            alloc::vec![(8, false, &c[..]), (16, true, &long)],
            dropped(FragmentInvalid),
        ),
        ("R791-3.2-a: not a multiple of eight", alloc::vec![(0, true, &c[..])], dropped(FragmentInvalid)),
        ("empty", alloc::vec![(8, false, &[][..])], dropped(FragmentInvalid)),
    ] {
        let mut net = Net::new();
        let last = fragments.iter().map(|&(at, more, bytes)| net.receive(&fragment(at, more, bytes))).last();
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
    assert_eq!(lost(&mut net), [(FragmentInvalid, 2)]);
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

// R1122-3.3.2-b, R1122-3.3.2-c, R792-11-b
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

/// What was said of fragments that had been kept.
fn lost(net: &mut Net) -> Vec<(DropReason, u32)> {
    let lost = |effect| match effect {
        Effect::Dropped { nic: NIC, reason, packets } => (reason, packets),
        other => panic!("{other:?}"),
    };
    net.effects.drain(..).map(lost).collect()
}

#[test]
fn fragments_that_were_kept_in_vain_are_counted() {
    let mut net = Net::new();
    for offset in [0, 8, 16] {
        net.receive(&fragment(offset, true, &[1; 8]));
    }
    net.now = Instant::from_secs(60);
    net.handle_timeout();
    assert_eq!(lost(&mut net), [(DropReason::FragmentTimeout, 3)]);

    for offset in [0, 8] {
        net.receive(&fragment(offset, true, &[1; 8]));
    }
    assert_eq!(net.receive(&fragment(8, true, &[2; 8])), dropped(FragmentOverlap));
    assert_eq!(lost(&mut net), [(FragmentOverlap, 2)]);
    assert_eq!(net.receive(&fragment(16, true, &[1; 8])), dropped(FragmentOverlap));
    assert_eq!(lost(&mut net), [], "the rest counts by its verdict");

    let config = Ipv4Config { reassembly_high: 1500, reassembly_low: 1000, ..Default::default() };
    let mut net = Net::with(config);
    net.receive(&fragment_of(17, 1, 0, true, &[1; 8]));
    net.receive(&fragment_of(17, 1, 8, true, &[1; 8]));
    assert_eq!(net.receive(&fragment_of(17, 2, 0, true, &[1; 200])), HELD);
    assert_eq!(lost(&mut net), [(FragmentMemory, 2)]);
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
    for index in 0..MAX_FRAGMENTS {
        assert_eq!(net.receive(&fragment(index * 8, true, &[1; 8])), HELD);
    }
    let verdict = net.receive(&fragment(MAX_FRAGMENTS * 8, true, &[1; 8]));
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
