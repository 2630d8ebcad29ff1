//! With the text that was placed put back, what comes out is what went in; and the text lies where it was wanted.

use crate::Mode;
use crate::testing::{Device, SIZE, Sent, bytes, nth, stands_for, stream};
use proptest::prelude::*;
use stack_core::{Checksum, Instant, LinkReceive, Placement, RxBatch, RxPacket, StreamPosition};
use stack_packet::vnet::VnetHeader;
use stack_wire::tcp::Flags;

const MODES: [(Mode, bool); 4] =
    [(Mode::Tun, false), (Mode::Tun, true), (Mode::Tap, false), (Mode::Tap, true)];
/// What memory holds before.
const BLANK: u8 = 0xee;

impl Device {
    /// Reads a batch with this memory for the text from there on; returns how much was placed.
    fn place(&mut self, next: StreamPosition, memory: &mut [u8], batch: &mut RxBatch) -> usize {
        let mut placement = Placement::new(next, memory);
        self.receive.receive_placing(Instant::from_secs(1), batch, &mut placement).unwrap();
        placement.placed()
    }

    /// Sees a segment of the stream that follows.
    fn learn(&mut self, sent: &Sent) {
        self.write(&self.frame(sent));
        let mut batch = RxBatch::new();
        assert_eq!(self.place(sent.position(), &mut [BLANK; 10_000], &mut batch), 0);
        assert_eq!(bytes(&batch[0]), self.frame(sent));
    }
}

/// The packets as they would be if nothing had been placed.
fn restored(batch: RxBatch, memory: &[u8]) -> Vec<RxPacket> {
    let mut at = 0;
    let restore = |mut packet: RxPacket| {
        let len = std::mem::take(&mut packet.meta.placed);
        let behind = std::mem::take(&mut packet.more);
        packet.more.push(memory[at..at + len as usize].to_vec().into());
        packet.more.append(behind);
        packet.meta.truesize += len;
        at += len as usize;
        packet
    };
    batch.into_iter().map(restore).collect()
}

fn numbers(batch: &RxBatch) -> Vec<(u32, usize)> {
    batch.iter().map(|packet| (packet.meta.placed, packet.more.len())).collect()
}

#[test]
fn once_a_stream_is_known_its_text_lies_where_it_is_wanted() {
    for (mode, vnet) in MODES {
        for (v6, len) in [(false, SIZE), (true, SIZE), (false, 20 * SIZE), (true, 20 * SIZE)] {
            if len > SIZE && !vnet {
                continue;
            }
            let mut device = Device::new(mode, vnet, false);
            device.learn(&Sent { v6, ..nth(0) });
            let first = nth(1).seq;
            let sent: Vec<Sent> = (0..8)
                .map(|n| Sent { v6, len, seq: first.wrapping_add((n * len) as u32), ..nth(0) })
                .collect();
            let frames: Vec<Vec<u8>> = sent.iter().map(|sent| device.frame(sent)).collect();
            frames.iter().for_each(|frame| device.write(frame));
            let (mut memory, mut batch) = (vec![BLANK; 300_000], RxBatch::new());
            assert_eq!(device.place(sent[0].position(), &mut memory, &mut batch), 8 * len);
            let text: Vec<u8> = sent.iter().flat_map(Sent::text).collect();
            assert!(memory.starts_with(&text) && memory[text.len()..].iter().all(|byte| *byte == BLANK));
            let expected = if len == SIZE { vec![(8 * SIZE as u32, 0)] } else { vec![(len as u32, 0); 8] };
            assert_eq!(numbers(&batch), expected, "{mode:?} {vnet} {v6} {len}");
            let mut left = &frames[..];
            for packet in restored(batch, &memory) {
                assert_eq!((packet.meta.gso_size, packet.meta.checksum), (SIZE as u16, Checksum::Verified));
                assert_eq!(packet.meta.truesize as usize, packet.len());
                assert!(stands_for(&packet, &sent, &mut left, mode));
            }
            assert!(left.is_empty());
        }
    }
}

#[test]
fn what_there_is_no_room_for_comes_with_the_packet_or_in_the_next_batch() {
    let mut device = Device::new(Mode::Tun, true, false);
    device.learn(&nth(0));
    let mut sent = Sent { len: 20_000, ..nth(1) };
    let mut memory = vec![BLANK; 30_000];
    for _ in 0..2 {
        let batches: [&[(u32, usize)]; 2] = [&[(20_000, 0), (10_000, 10_000)], &[(20_000, 0)]];
        let frames: Vec<Sent> =
            (0..3).map(|n| Sent { seq: sent.seq.wrapping_add(n * 20_000), ..sent }).collect();
        frames.iter().for_each(|frame| device.write(&frame.packet()));
        let mut left = &frames[..];
        for expected in batches {
            let mut batch = RxBatch::new();
            device.place(left[0].position(), &mut memory, &mut batch);
            assert_eq!(numbers(&batch), expected);
            let (here, rest) = left.split_at(expected.len());
            let here: Vec<_> = here.iter().map(Sent::packet).collect();
            assert_eq!(restored(batch, &memory).iter().map(bytes).collect::<Vec<_>>(), here);
            left = rest;
        }
        sent.seq = sent.seq.wrapping_add(60_000);
    }
    let mut little = [BLANK; 2047];
    device.write(&sent.packet());
    assert_eq!(device.place(sent.position(), &mut little, &mut RxBatch::new()), 0);
    assert_eq!(little, [BLANK; 2047], "little memory is left alone");
}

#[test]
fn what_belongs_elsewhere_comes_whole_and_the_stream_goes_on() {
    let foreign = Sent { port: 1, ..nth(4) };
    let strays = [
        vec![],
        vec![0x45],
        vec![0x45; 30],
        vec![0x60; 2049],
        vec![0; 60_000],
        foreign.packet(),
        Sent { len: 50_000, ..foreign }.packet(),
        Sent { corrupt: true, ..nth(4) }.packet(),
        Sent { len: 0, ..nth(4) }.packet(),
        Sent { flags: Flags::ACK | Flags::FIN, ..nth(4) }.packet(),
        nth(5).packet(),
        nth(3).packet(),
    ];
    for vnet in [false, true] {
        for (index, stray) in strays.iter().enumerate() {
            for place in [0, 1, 3] {
                let mut device = Device::new(Mode::Tun, vnet, false);
                device.learn(&nth(0));
                let mut frames: Vec<Vec<u8>> = (1..7).map(|n| nth(n).packet()).collect();
                frames.insert(place, stray.clone());
                frames.iter().for_each(|frame| device.write(frame));
                let (mut memory, mut batch) = (vec![BLANK; 100_000], RxBatch::new());
                let placed = device.place(nth(1).position(), &mut memory, &mut batch);
                assert_eq!(placed, place * SIZE, "stray {index}, {vnet}");
                let packets = restored(batch, &memory);
                let at = usize::from(place > 0);
                assert_eq!(bytes(&packets[at]), *stray);
                assert!(packets[at].data.len() <= 2048);
                let behind: Vec<Vec<u8>> = packets[at + 1..].iter().map(bytes).collect();
                assert_eq!(behind, frames[place + 1..]);
                let next = nth(7);
                device.write(&next.packet());
                assert_eq!(device.place(next.position(), &mut memory, &mut RxBatch::new()), 0, "not yet");
                device.write(&nth(8).packet());
                assert_eq!(device.place(nth(8).position(), &mut memory, &mut RxBatch::new()), SIZE);
            }
        }
    }
}

#[test]
fn a_stream_with_other_headers_is_learnt_anew() {
    let mut device = Device::new(Mode::Tun, true, false);
    let mut memory = vec![BLANK; 100_000];
    device.learn(&nth(0));
    let other = Sent { v6: true, len: 20_000, ..nth(1) };
    device.write(&other.packet());
    let mut batch = RxBatch::new();
    assert_eq!(device.place(other.position(), &mut memory, &mut batch), 0, "its headers are longer");
    assert_eq!(bytes(&batch[0]), other.packet());
    device.write(&other.packet());
    assert_eq!(device.place(other.position(), &mut memory, &mut RxBatch::new()), 20_000);
}

#[test]
fn super_packets_are_only_placed_verified_and_stay_for_themselves() {
    let mut device = Device::new(Mode::Tun, true, false);
    device.learn(&nth(0));
    let (mut memory, mut batch) = (vec![BLANK; 100_000], RxBatch::new());
    let (tcp4, large) = (1, Sent { len: 20_000, ..nth(1) });
    let header = VnetHeader { gso_type: tcp4, gso_size: SIZE as u16, ..VnetHeader::default() };
    device.write_with(header, &large.packet());
    assert_eq!(device.place(large.position(), &mut memory, &mut batch), 0, "nobody verified it");
    assert_eq!(bytes(&batch[0]), large.packet());
    // A packet of the same size that is none, on a link with a large MTU, begins something else.
    let first = Sent { seq: large.seq.wrapping_sub(SIZE as u32), ..nth(0) };
    let next = Sent { seq: large.seq.wrapping_add(20_000), ..large };
    device.write(&first.packet());
    device.write_with(VnetHeader::default(), &large.packet());
    device.write(&next.packet());
    batch.clear();
    assert_eq!(device.place(first.position(), &mut memory, &mut batch), SIZE + 40_000);
    assert_eq!(numbers(&batch), [(SIZE as u32, 0), (20_000, 0), (20_000, 0)]);
    assert_eq!([batch[1].meta.gso_size, batch[2].meta.gso_size], [0, SIZE as u16]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_is_lost_or_moved(
        tap: bool,
        vnet: bool,
        size in 0..40_000usize,
        misled in proptest::collection::vec(0..8u8, 60),
        changes in proptest::collection::vec((0..20u8, 1..SIZE, 0..40_000usize), 1..60),
    ) {
        let mode = if tap { Mode::Tap } else { Mode::Tun };
        let mut device = Device::new(mode, vnet, true);
        let mut sent = stream(&changes.iter().map(|&(change, len, _)| (change, len)).collect::<Vec<_>>());
        let mut moved = 0u32;
        for (sent, &(change, _, len)) in sent.iter_mut().zip(&changes) {
            sent.seq = sent.seq.wrapping_add(moved);
            if change >= 16 && vnet {
                moved = moved.wrapping_add((2 * SIZE + len - sent.len) as u32);
                sent.len = 2 * SIZE + len;
            }
        }
        let frames: Vec<Vec<u8>> = sent.iter().map(|sent| device.frame(sent)).collect();
        let mut left = &frames[..];
        while !left.is_empty() {
            let start = frames.len() - left.len();
            let chunk = left.len().min(4);
            left[..chunk].iter().for_each(|frame| device.write(frame));
            while frames.len() - left.len() < start + chunk {
                let at = frames.len() - left.len();
                let mut position = sent[at].position();
                if misled[at] == 0 {
                    position.seq = position.seq.wrapping_add(500);
                }
                let (mut memory, mut batch) = (vec![BLANK; size], RxBatch::new());
                let placed = device.place(position, &mut memory, &mut batch);
                prop_assert_eq!(batch.iter().map(|packet| packet.meta.placed as usize).sum::<usize>(), placed);
                for packet in restored(batch, &memory) {
                    prop_assert!(stands_for(&packet, &sent, &mut left, mode));
                }
            }
        }
    }
}
