//! What comes out, cut at its segment size, is what went in, in its order.

use crate::Mode;
use crate::device::BATCH;
use crate::testing::{Device, SIZE, Sent, bytes, nth, stands_for, stream};
use proptest::prelude::*;
use stack_core::{Instant, LinkReceive, RxBatch};

#[test]
fn a_stream_becomes_super_packets_from_its_second_segment_on() {
    for (mode, vnet) in [(Mode::Tun, false), (Mode::Tun, true), (Mode::Tap, false), (Mode::Tap, true)] {
        for v6 in [false, true] {
            let mut device = Device::new(mode, vnet, true);
            let sent: Vec<Sent> = (0..24).map(|n| Sent { v6, ..nth(n) }).collect();
            let frames: Vec<Vec<u8>> = sent.iter().map(|sent| device.frame(sent)).collect();
            let got = device.pass(&frames);
            let sizes: Vec<usize> =
                got.iter().map(|packet| (packet.len() - (frames[0].len() - SIZE)) / SIZE).collect();
            assert_eq!(sizes, [1, 7, 8, 8], "{mode:?} {vnet} {v6}");
            let mut left = &frames[..];
            assert!(got.iter().all(|packet| stands_for(packet, &sent, &mut left, mode)));
            assert!(left.is_empty());
        }
    }
}

#[test]
fn nothing_is_joined_unless_it_was_asked_for() {
    let mut device = Device::new(Mode::Tun, false, false);
    let frames: Vec<Vec<u8>> = (0..16).map(|n| nth(n).packet()).collect();
    assert_eq!(device.pass(&frames).iter().map(bytes).collect::<Vec<_>>(), frames);
    device.receive.coalesce(true);
    assert_eq!(device.pass(&frames).len(), 3);
    device.receive.coalesce(false);
    assert_eq!(device.pass(&frames).len(), 16);
}

#[test]
fn what_does_not_follow_is_found_as_it_came() {
    let mut device = Device::new(Mode::Tun, false, true);
    let mut frames: Vec<Vec<u8>> = (0..8).map(|n| nth(n).packet()).collect();
    device.pass(&frames);
    for stray in [vec![], vec![0x45], vec![0x60; 30], vec![0xff; 2048], vec![0x45; 2049], vec![0; 60_000]] {
        frames[5] = stray;
        let got = device.pass(&frames);
        assert_eq!(
            got.iter().map(|packet| packet.meta.gso_size > 0).collect::<Vec<_>>(),
            [true, false, false, false]
        );
        assert_eq!(bytes(&got[1]), frames[5]);
        assert!(got[1].data.len() <= 2048);
        device.pass(&(0..8).map(|n| nth(n).packet()).collect::<Vec<_>>());
    }
}

#[test]
fn a_batch_is_bounded_in_segments_and_a_super_packet_in_bytes() {
    let mut device = Device::new(Mode::Tun, false, true);
    device.pass(&[nth(0).packet(), nth(1).packet()]);
    let mut sent = 0;
    while rustix::io::write(&device.kernel, &nth(sent).packet()).is_ok() {
        sent += 1;
    }
    let mut batch = RxBatch::new();
    while device.receive.receive(Instant::ZERO, &mut batch).unwrap() > 0 {}
    let segments: Vec<usize> = batch.iter().map(|packet| (packet.len() - 40) / SIZE).collect();
    assert_eq!(segments.iter().sum::<usize>(), sent);
    assert!(segments.iter().all(|&segments| segments <= BATCH.min(65)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn cut_again_it_is_what_was_sent(
        tap: bool,
        vnet: bool,
        changes in proptest::collection::vec((0..12u8, 1..SIZE), 1..60),
    ) {
        let mode = if tap { Mode::Tap } else { Mode::Tun };
        let mut device = Device::new(mode, vnet, true);
        let sent = stream(&changes);
        let frames: Vec<Vec<u8>> = sent.iter().map(|sent| device.frame(sent)).collect();
        let got = device.pass(&frames);
        let mut left = &frames[..];
        for packet in &got {
            prop_assert!(stands_for(packet, &sent, &mut left, mode));
        }
        prop_assert!(left.is_empty());
    }
}
