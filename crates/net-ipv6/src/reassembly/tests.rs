//! Reassembly as a peer sees it: fragments in, packets, errors or silence out. `fragment.rs` has the round trip.

use crate::Ipv6Config;
use crate::testing::{NIC, Net, fragment_of, icmp, packet};
use DropReason::{FragmentInvalid, FragmentMemory, FragmentOverlap};
use alloc::vec::Vec;
use proptest::prelude::*;
use stack_core::{Checksum, DropReason, Effect, Instant, Verdict};
use stack_packet::{DATAGRAM_COST, MAX_FRAGMENTS, PIECE_COST};
use stack_wire::icmpv6::Emit;

const HELD: Verdict = Verdict::Held;
const WHOLE: Verdict = Verdict::Deliver;

fn dropped(reason: DropReason) -> Verdict {
    Verdict::Drop(reason)
}

fn fragment(offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    fragment_of(17, 7, offset, more, payload)
}

/// What was said of fragments that had been kept.
fn lost(net: &mut Net) -> Vec<(DropReason, u32)> {
    let lost = |effect| match effect {
        Effect::Dropped { nic: NIC, reason, packets } => (reason, packets),
        other => panic!("{other:?}"),
    };
    net.effects.drain(..).map(lost).collect()
}

/// Type, code and pointer of the only message that was sent, which must quote this.
fn reported(net: &mut Net, quoted: &[u8]) -> Option<(u8, u8, u32)> {
    let message = net.out.pop()?.to_bytes();
    assert!(net.out.is_empty());
    assert_eq!(message[8..], quoted[..quoted.len().min(1232)]);
    Some((message[0], message[1], u32::from_be_bytes(message[4..8].try_into().unwrap())))
}

// R8200-4.5-a, R8200-4.5-e, R5722-4-a
#[test]
fn sequences_of_fragments() {
    let (a, b, c) = ([1; 8], [2; 8], [3; 3]);
    let x = [9; 8];
    let long = [5; 16];
    for (situation, fragments, want) in [
        ("in order", alloc::vec![(0, true, &a[..]), (8, true, &b), (16, false, &c)], WHOLE),
        ("last first", alloc::vec![(16, false, &c[..]), (8, true, &b), (0, true, &a)], WHOLE),
        ("the same again", alloc::vec![(0, true, &a[..]), (0, true, &a), (8, false, &c)], WHOLE),
        ("other bytes", alloc::vec![(0, true, &a[..]), (0, true, &x)], dropped(FragmentOverlap)),
        ("a longer piece", alloc::vec![(8, true, &b[..]), (0, true, &long)], dropped(FragmentOverlap)),
        ("a piece inside", alloc::vec![(0, true, &long[..]), (8, true, &[5; 8])], dropped(FragmentOverlap)),
        (
            "R5722-4-a: the rest of a packet with an overlap",
            alloc::vec![(0, true, &a[..]), (0, true, &x), (8, false, &c)],
            dropped(FragmentOverlap),
        ),
        ("a second end", alloc::vec![(8, false, &c[..]), (8, false, &b)], dropped(FragmentInvalid)),
        (
            "a piece behind the end",
            alloc::vec![(8, false, &c[..]), (16, true, &long)],
            dropped(FragmentInvalid),
        ),
        ("empty", alloc::vec![(8, false, &[][..])], dropped(FragmentInvalid)),
    ] {
        let mut net = Net::new();
        let last = fragments.iter().map(|&(at, more, bytes)| net.receive(&fragment(at, more, bytes))).last();
        assert_eq!(last, Some(want), "{situation}");
        assert!(net.out.is_empty(), "{situation}: silence");
    }
}

#[test]
fn impossible_fragments_are_reported_where_they_are_wrong() {
    let behind_options = |fragment: &[u8]| {
        let bytes = [&[44, 0, 1, 4, 0, 0, 0, 0][..], &fragment[40..]].concat();
        packet("fd00::9", "fd00::1", 60, &bytes)
    };
    let odd = fragment(0, true, &[1; 12]);
    let beyond = fragment(65_528, false, &[1; 8]);
    let upto = fragment(65_528, false, &[1; 7]);
    for (situation, sent, want) in [
        ("R8200-4.5-c", odd.clone(), Some((4, 0, 4))),
        ("R8200-4.5-c: behind options", behind_options(&odd), Some((4, 0, 4))),
        ("R8200-4.5-d", beyond.clone(), Some((4, 0, 42))),
        ("R8200-4.5-d: behind options", behind_options(&beyond), Some((4, 0, 50))),
        ("as long as a packet can be", upto.clone(), None),
        ("R8200-4.5-d: the options make it too long", behind_options(&upto), Some((4, 0, 50))),
    ] {
        let mut net = Net::new();
        let verdict = net.receive(&sent);
        assert_eq!(verdict, if want.is_some() { dropped(FragmentInvalid) } else { HELD }, "{situation}");
        assert_eq!(reported(&mut net, &sent), want, "{situation}");
    }
}

// R8200-4.5-f, R7112-5-b
#[test]
fn a_first_fragment_has_all_headers() {
    let options = |next| [next, 0, 1, 4, 0, 0, 0, 0];
    for (situation, sent, held) in [
        ("UDP", fragment_of(17, 1, 0, true, &[1; 8]), true),
        ("TCP cut", fragment_of(6, 1, 0, true, &[1; 16]), false),
        ("TCP", fragment_of(6, 1, 0, true, &[1; 24]), true),
        ("ICMPv6", fragment_of(58, 1, 0, true, &[1; 8]), true),
        ("unknown", fragment_of(253, 1, 0, true, &[1; 8]), true),
        ("no byte of UDP", fragment_of(60, 1, 0, true, &options(17)), false),
        ("UDP behind options", fragment_of(60, 1, 0, true, &[options(17), [1; 8]].concat()), true),
        ("options cut", fragment_of(60, 1, 0, true, &[17, 1, 1, 4, 0, 0, 0, 0]), false),
        ("not the first", fragment_of(6, 1, 8, true, &[1; 8]), true),
    ] {
        let mut net = Net::new();
        assert_eq!(net.receive(&sent), if held { HELD } else { dropped(FragmentInvalid) }, "{situation}");
        assert_eq!(reported(&mut net, &sent), (!held).then_some((4, 3, 0)), "{situation}");
    }
}

// R8200-4.5-a
#[test]
fn packets_are_not_mixed() {
    let mut net = Net::new();
    let from = |mut packet: Vec<u8>, last: u8| {
        packet[23] = last;
        packet
    };
    for first in [
        fragment_of(17, 1, 0, true, &[1; 8]),
        fragment_of(17, 2, 0, true, &[2; 8]),
        from(fragment_of(17, 1, 0, true, &[3; 8]), 8),
    ] {
        assert_eq!(net.receive(&first), HELD);
    }
    for (last, want) in [
        (fragment_of(17, 2, 8, false, &[2]), 2),
        (from(fragment_of(17, 1, 8, false, &[3]), 8), 3),
        (fragment_of(17, 1, 8, false, &[1]), 1),
    ] {
        let mut packet = net.packet(&last);
        assert_eq!(net.receive_packet(&mut packet), WHOLE);
        assert_eq!(packet.transport(), [want; 9]);
    }
}

// R6946-a
#[test]
fn an_atomic_fragment_is_a_packet_of_its_own() {
    let mut net = Net::new();
    assert_eq!(net.receive(&fragment(0, true, &[1; 8])), HELD);
    let mut atomic = net.packet(&fragment(0, false, &[2; 8]));
    assert_eq!(net.receive_packet(&mut atomic), WHOLE);
    assert_eq!(atomic.transport(), [2; 8]);
    let mut last = net.packet(&fragment(8, false, &[1; 8]));
    assert_eq!(net.receive_packet(&mut last), WHOLE, "the one that waits is not touched");
    assert_eq!(last.transport(), [1; 16]);
}

// R8200-4.5-a
#[test]
fn the_whole_is_a_packet_like_any_other() {
    let mut net = Net::new();
    let options = [44, 0, 1, 4, 0, 0, 0, 0];
    let behind =
        |fragment: &[u8]| packet("fd00::9", "fd00::1", 60, &[&options[..], &fragment[40..]].concat());
    let last = behind(&fragment_of(99, 7, 16, false, &[2; 5]));
    assert_eq!(net.receive(&last), HELD, "what the last fragment says follows does not count");
    let mut first =
        net.packet(&behind(&fragment_of(60, 7, 0, true, &[[17, 0, 1, 4, 0, 0, 0, 0], [1; 8]].concat())));
    first.meta.checksum = Checksum::Verified;
    assert_eq!(net.receive_packet(&mut first), WHOLE);
    assert_eq!(first.meta.checksum, Checksum::Unverified, "nobody vouches for the whole");
    assert_eq!((first.ip.protocol, first.transport, first.meta.truesize), (17, 56, 69));
    let theirs = etherparse::Ipv6Slice::from_slice(&first.data).unwrap();
    assert_eq!(theirs.header().payload_length(), 29);
    assert_eq!(theirs.payload().payload, [&[1; 8][..], &[2; 5]].concat());
    assert_eq!(theirs.payload().ip_number.0, 17);
    assert!(!theirs.payload().fragmented);
}

#[test]
fn fragments_of_fragments_end() {
    let inner = fragment_of(17, 9, 0, true, &[1; 8])[40..].to_vec();
    let mut net = Net::new();
    assert_eq!(net.receive(&fragment_of(44, 7, 0, true, &inner)), HELD);
    assert_eq!(net.receive(&fragment_of(44, 7, 16, false, &[2; 8])), dropped(FragmentInvalid));
}

// R6980-a
#[test]
fn neighbours_are_not_discovered_by_fragments() {
    let mut net = Net::new();
    let message = icmp("fd00::9", "fd00::1", Emit { kind: 135, code: 0, rest: [0; 4] }, &[0; 16]);
    net.receive(&fragment_of(58, 7, 0, true, &message[..16]));
    assert_eq!(net.receive(&fragment_of(58, 7, 16, false, &message[16..])), dropped(DropReason::NdpInvalid));
}

// R3168-5-a
#[test]
fn congestion_is_not_lost() {
    for (first, second, want) in [(0b10, 0b11, Some(0b11)), (0b11, 0b00, None), (0b10, 0b00, Some(0b10))] {
        let mut net = Net::new();
        let marked = |mut packet: Vec<u8>, ecn: u8| {
            packet[1] |= ecn << 4;
            packet
        };
        net.receive(&marked(fragment(0, true, &[1; 8]), first));
        let mut last = net.packet(&marked(fragment(8, false, &[1; 8]), second));
        let verdict = net.receive_packet(&mut last);
        assert_eq!((verdict == WHOLE).then_some(last.ip.traffic_class & 3), want, "{first:02b} {second:02b}");
    }
}

// R8200-4.5-b, R4443-3.3-a
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
        assert_eq!(lost(&mut net), [(DropReason::FragmentTimeout, 2)], "{situation}");
        assert_eq!(reported(&mut net, &sent), error.then_some((3, 1, 0)), "{situation}");
    }
}

#[test]
fn memory_and_pieces_have_a_limit() {
    let cost = DATAGRAM_COST + PIECE_COST + 8;
    let config = Ipv6Config { reassembly_high: 4 * cost, reassembly_low: 3 * cost, ..Ipv6Config::default() };
    let mut net = Net::with(config);
    for ident in 0..5 {
        assert_eq!(net.receive(&fragment_of(17, ident, 0, true, &[1; 8])), HELD);
    }
    assert_eq!(
        lost(&mut net),
        [(FragmentMemory, 1), (FragmentMemory, 1)],
        "the fifth drives out the first two"
    );
    for (ident, want) in [(4, WHOLE), (3, WHOLE), (2, WHOLE), (1, HELD), (0, HELD)] {
        assert_eq!(net.receive(&fragment_of(17, ident, 8, false, &[1])), want, "{ident}");
    }
    let mut net = Net::new();
    for index in 0..MAX_FRAGMENTS {
        assert_eq!(net.receive(&fragment(index * 8, true, &[1; 8])), HELD);
    }
    assert_eq!(net.receive(&fragment(MAX_FRAGMENTS * 8, true, &[1; 8])), dropped(FragmentMemory));
}

// R4443-4.1-a, R8200-5-a
#[test]
fn the_largest_ping_comes_back() {
    let data: Vec<u8> = (0..65_527u32).map(|i| (i % 251) as u8).collect();
    let request = icmp("fd00::9", "fd00::1", Emit::echo_request(5, 6), &data);
    let mut net = Net::new();
    for (index, chunk) in request.chunks(1448).enumerate() {
        let more = (index + 1) * 1448 < request.len();
        assert_eq!(net.receive(&fragment_of(58, 9, index * 1448, more, chunk)), HELD);
    }
    let reply = icmp("fd00::1", "fd00::9", Emit::echo_reply(5, 6), &data);
    assert_eq!(net.out.pop().unwrap().to_bytes(), reply);
}

proptest! {
    #[test]
    fn no_fragments_panic(
        fragments in proptest::collection::vec(
            (0..3u32, 0..20usize, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40),
             prop_oneof![Just(17u8), Just(58), Just(60), Just(44), any::<u8>()]),
            0..30,
        ),
    ) {
        let mut net = Net::new();
        for (ident, offset, more, payload, next) in fragments {
            net.receive(&fragment_of(next, ident, offset * 8, more, &payload));
        }
        net.now = Instant::from_secs(60);
        net.handle_timeout();
        prop_assert_eq!(net.poll_timeout(), None);
    }
}
