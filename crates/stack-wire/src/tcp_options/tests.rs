//! Tests of the TCP options: each kind, their order, and malformed lists.

use super::*;
use crate::seq::SeqNum;
use crate::tcp::MAX_OPTIONS_LEN;
use proptest::prelude::*;
use std::vec::Vec;

const NONE: TcpOptions = TcpOptions::NONE;

#[test]
fn areas_by_situation() {
    let ts = TcpOptions { timestamps: Some((1, 2)), ..NONE };
    let mss = TcpOptions { mss: Some(1460), ..NONE };
    let scale = TcpOptions { window_scale: Some(20), ..NONE };
    for (situation, area, want) in [
        ("empty", &[][..], NONE),
        ("canonical timestamps", &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], ts),
        ("timestamps first, END behind", &[8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0], ts),
        ("odd alignment", &[1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1], ts),
        ("unknown option before", &[99, 3, 7, 2, 4, 5, 180, 1], mss),
        ("user timeout before", &[28, 4, 0, 9, 2, 4, 5, 180], mss),
        ("unknown option of two octets", &[254, 2, 2, 4, 5, 180], mss),
        ("behind END nothing counts", &[2, 4, 5, 180, 0, 4, 2, 0], mss),
        ("length 0 ends", &[2, 4, 5, 180, 3, 0, 4, 2], mss),
        ("length 1 ends", &[2, 4, 5, 180, 99, 1, 4, 2], mss),
        ("length beyond the end", &[2, 4, 5, 180, 8, 10, 0, 0], mss),
        ("kind without length", &[2, 4, 5, 180, 1, 1, 1, 3], mss),
        ("MSS of the wrong length is skipped", &[2, 3, 5, 3, 3, 20, 1, 1], scale),
        ("SACK of half a block is skipped", &[5, 6, 0, 0, 0, 0, 3, 3, 20, 0], scale),
        ("window scale above 14 comes as it is", &[3, 3, 20, 0], scale),
        ("the last of two counts", &[2, 4, 1, 1, 2, 4, 5, 180], mss),
    ] {
        assert_eq!(TcpOptions::parse(area), want, "{situation}");
    }
}

#[test]
fn layout_of_syn_and_segments() {
    let syn = TcpOptions {
        mss: Some(1460),
        window_scale: Some(7),
        sack_permitted: true,
        timestamps: Some((1, 0)),
        ..NONE
    };
    let mut out = [0xff; MAX_OPTIONS_LEN];
    assert_eq!(syn.write(&mut out), 20);
    assert_eq!(out[..20], [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]);

    let segment = TcpOptions { timestamps: Some((1, 2)), ..NONE };
    assert_eq!(segment.write(&mut out), 12);
    assert_eq!(out[..12], [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);

    let cookie = TcpOptions { fast_open: Some(FastOpenCookie::REQUEST), ..NONE };
    assert_eq!(cookie.write(&mut out), 4);
    assert_eq!(out[..4], [34, 2, 0, 0]); // R9293-MUST-69
    assert!(NONE.is_empty() && !cookie.is_empty());
}

#[test]
fn sack_takes_the_room_that_is_left() {
    let block = |i: u32| SackBlock { left: SeqNum(i * 10), right: SeqNum(i * 10 + 5) };
    let sack: SackBlocks = (0..9).map(block).collect();
    assert_eq!(sack.len(), SackBlocks::MAX);
    let mut out = [0; MAX_OPTIONS_LEN];
    for (situation, options, blocks, len) in [
        ("alone", TcpOptions { sack, ..NONE }, 4, 36),
        ("with timestamps", TcpOptions { sack, timestamps: Some((1, 2)), ..NONE }, 3, 40),
        ("with all else", full(16, sack), 0, 40),
    ] {
        assert_eq!(options.write(&mut out), len, "{situation}");
        let read = TcpOptions::parse(&out[..len]);
        assert_eq!(read.sack.as_slice(), &sack.as_slice()[..blocks], "{situation}");
        assert_eq!(TcpOptions { sack, ..read }, options, "{situation}");
    }
}

// R9768-3.2.3.3-b
#[test]
fn accurate_ecn_stands_behind_two_blocks_and_is_left_out_where_it_does_not_fit() {
    let block = |i: u32| SackBlock { left: SeqNum(i * 10), right: SeqNum(i * 10 + 5) };
    let option = |fields| Some(AccEcnOption::of_first([1, 2, 3], AccEcnOrder::Zero, fields));
    let mut out = [0; MAX_OPTIONS_LEN];
    let acked = TcpOptions {
        sack: (0..2).map(block).collect(),
        timestamps: Some((1, 2)),
        accurate_ecn: option(2),
        ..NONE
    };
    assert_eq!((acked.write(&mut out), acked.len()), (40, 40));
    assert_eq!(out[32..], [172, 8, 0, 0, 1, 0, 0, 2]);
    assert_eq!(TcpOptions::parse(&out), acked);
    let syn = TcpOptions { accurate_ecn: option(3), ..full(8, SackBlocks::new()) };
    let len = syn.write(&mut out);
    assert_eq!((len, syn.len()), (32, 32));
    assert_eq!(TcpOptions::parse(&out[..len]), TcpOptions { accurate_ecn: None, ..syn });
}

fn full(cookie: usize, sack: SackBlocks) -> TcpOptions {
    TcpOptions {
        mss: Some(1),
        window_scale: Some(2),
        sack_permitted: true,
        timestamps: Some((3, 4)),
        fast_open: FastOpenCookie::new(&[9; 16][..cookie]),
        sack,
        accurate_ecn: None,
    }
}

// R7413-4.1.1-a
#[test]
fn cookies_of_impossible_length() {
    for len in 0..=17 {
        let possible = len == 0 || ((4..=16).contains(&len) && len % 2 == 0);
        assert_eq!(FastOpenCookie::new(&[1; 17][..len]).is_some(), possible, "{len}");
    }
    let area = [34, 6, 1, 2, 3, 4, 34, 5, 1, 2, 3, 0];
    assert_eq!(TcpOptions::parse(&area).fast_open, FastOpenCookie::new(&[1, 2, 3, 4]));
}

fn any_options() -> impl Strategy<Value = TcpOptions> {
    let sack = prop::collection::vec(any::<(u32, u32)>(), 0..=4);
    let cookie = prop::option::of(prop::collection::vec(any::<u8>(), 0..=8));
    (any::<Option<u16>>(), any::<Option<u8>>(), any::<bool>(), any::<Option<(u32, u32)>>(), cookie, sack)
        .prop_map(|(mss, window_scale, sack_permitted, timestamps, cookie, sack)| TcpOptions {
            mss,
            window_scale,
            sack_permitted,
            timestamps,
            fast_open: cookie.and_then(|half| FastOpenCookie::new(&half.repeat(2))),
            sack: sack.into_iter().map(|(l, r)| SackBlock { left: SeqNum(l), right: SeqNum(r) }).collect(),
            accurate_ecn: None,
        })
}

proptest! {
    #[test]
    fn any_bytes(area in prop::collection::vec(any::<u8>(), 0..=60)) {
        prop_assert!(TcpOptions::parse(&area).sack.len() <= SackBlocks::MAX);
    }

    #[test]
    fn areas_that_look_like_options(pieces in prop::collection::vec((0u8..40, 0u8..12, any::<Vec<u8>>()), 0..6)) {
        let mut area = Vec::new();
        for (kind, len, data) in pieces {
            area.extend([kind, len]);
            area.extend(data.into_iter().take(usize::from(len)));
        }
        let read = TcpOptions::parse(&area);
        let mut out = [0; MAX_OPTIONS_LEN];
        let len = read.write(&mut out);
        let again = TcpOptions::parse(&out[..len]);
        prop_assert_eq!(TcpOptions { sack: read.sack, ..again }, read);
    }

    #[test]
    fn round_trip(options in any_options()) {
        let mut out = [0xff; MAX_OPTIONS_LEN];
        let len = options.write(&mut out);
        prop_assert!(len <= MAX_OPTIONS_LEN && len % 4 == 0);
        prop_assert_eq!(len, options.len());
        let read = TcpOptions::parse(&out[..len]);
        let kept = read.sack.len();
        prop_assert_eq!(read.sack.as_slice(), &options.sack.as_slice()[..kept]);
        prop_assert_eq!(TcpOptions { sack: options.sack, ..read }, options);
        let room = MAX_OPTIONS_LEN.saturating_sub(options.fixed_len() + 4) / 8;
        prop_assert_eq!(kept, options.sack.len().min(room));
    }

    #[test]
    fn written_is_what_others_read(mut options in any_options()) {
        use etherparse::TcpOptionElement as Theirs;
        options.fast_open = None; // etherparse stops at options that it does not know
        let mut out = [0; MAX_OPTIONS_LEN];
        let len = options.write(&mut out);
        let mut seen = NONE;
        for element in etherparse::TcpOptionsIterator::from_slice(&out[..len]) {
            match element.unwrap() {
                Theirs::Noop => {}
                Theirs::MaximumSegmentSize(mss) => seen.mss = Some(mss),
                Theirs::WindowScale(shift) => seen.window_scale = Some(shift),
                Theirs::SelectiveAcknowledgementPermitted => seen.sack_permitted = true,
                Theirs::Timestamp(val, ecr) => seen.timestamps = Some((val, ecr)),
                Theirs::SelectiveAcknowledgement(first, more) => {
                    let blocks = core::iter::once(first).chain(more.into_iter().flatten());
                    seen.sack = blocks.map(|(l, r)| SackBlock { left: SeqNum(l), right: SeqNum(r) }).collect();
                }
            }
        }
        prop_assert_eq!(seen, TcpOptions::parse(&out[..len]));
    }
}
