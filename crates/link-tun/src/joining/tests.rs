//! What comes out, cut at its segment size, is what went in, in its order.

use crate::Mode;
use crate::device::BATCH;
use crate::receive::TunReceive;
use proptest::prelude::*;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use stack_core::{Checksum, Instant, LinkReceive, RxBatch, RxPacket};
use stack_wire::checksum::pseudo_header;
use stack_wire::ip::protocol;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{self, Flags};
use stack_wire::{ipv4, ipv6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// Addresses of no meaning, and the EtherType of the family.
const ETHERNET: [u8; 12] = [2; 12];
const SIZE: usize = 1000;

/// What a frame differs in.
#[derive(Clone, Copy, Debug)]
struct Sent {
    v6: bool,
    port: u16,
    seq: u32,
    len: usize,
    flags: Flags,
    corrupt: bool,
}

/// The `n`th segment of a stream.
fn nth(n: usize) -> Sent {
    let seq = (u32::MAX - 2500).wrapping_add((n * SIZE) as u32);
    Sent { v6: false, port: 1000, seq, len: SIZE, flags: Flags::ACK, corrupt: false }
}

impl Sent {
    fn packet(&self) -> Vec<u8> {
        let (src, dst): (IpAddr, IpAddr) = if self.v6 {
            (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into())
        } else {
            (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into())
        };
        let emit = tcp::Emit {
            src_port: self.port,
            dst_port: 80,
            seq: SeqNum(self.seq),
            ack: SeqNum(7),
            flags: self.flags,
            window: 500,
            ..tcp::Emit::default()
        };
        let text: Vec<u8> = (0..self.len).map(|at| self.seq.wrapping_add(at as u32) as u8).collect();
        let segment_len = emit.header_len() + text.len();
        let mut bytes = vec![0; 40 + segment_len];
        let at = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                ipv4::Emit::new(src, dst, protocol::TCP, segment_len).write(&mut bytes)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                ipv6::Emit::new(src, dst, protocol::TCP, segment_len).write(&mut bytes)
            }
            _ => unreachable!("both of one family"),
        };
        bytes.truncate(at + segment_len);
        let mut covered = pseudo_header(src, dst, protocol::TCP, segment_len as u32);
        emit.write(&mut bytes[at..], *covered.add_bytes(&text));
        bytes[at + emit.header_len()..].copy_from_slice(&text);
        if self.corrupt {
            *bytes.last_mut().unwrap() ^= 1;
        }
        bytes
    }

    fn header_len(&self) -> usize {
        if self.v6 { 60 } else { 40 }
    }
}

/// A device whose other end we are, and what stands before a packet on it.
struct Device {
    kernel: OwnedFd,
    receive: TunReceive,
    before: Vec<u8>,
}

impl Device {
    fn new(mode: Mode, vnet: bool, joins: bool) -> Self {
        let (ours, kernel) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::NONBLOCK, None).unwrap();
        let before = vec![0; if vnet { 12 } else { 0 }];
        let mut receive = TunReceive::new(Arc::new(ours), mode, before.len());
        receive.coalesce(joins);
        Self { kernel, receive, before }
    }

    /// A frame as it is on this device, without the virtio-net header.
    fn frame(&self, sent: &Sent) -> Vec<u8> {
        let packet = sent.packet();
        match self.receive.mode {
            Mode::Tun => packet,
            Mode::Tap => [&ETHERNET[..], if sent.v6 { &[0x86, 0xdd] } else { &[8, 0] }, &packet].concat(),
        }
    }

    /// Writes frames, as many as fit at a time, and reads them all, batch by batch.
    fn pass(&mut self, frames: &[Vec<u8>]) -> Vec<RxPacket> {
        let mut all = Vec::new();
        for some in frames.chunks(8) {
            for frame in some {
                rustix::io::write(&self.kernel, &[&self.before[..], frame].concat()).unwrap();
            }
            let mut batch = RxBatch::new();
            while self.receive.receive(Instant::from_secs(1), &mut batch).unwrap() > 0 {}
            all.append(&mut batch);
        }
        all
    }
}

fn bytes(packet: &RxPacket) -> Vec<u8> {
    packet.data.iter().chain(packet.more.pieces().flatten()).copied().collect()
}

/// Takes the frames that a packet stands for off the front; false if they are not what the packet says.
fn stands_for(packet: &RxPacket, sent: &[Sent], frames: &mut &[Vec<u8>], link: usize) -> bool {
    let at = sent.len() - frames.len();
    let size = usize::from(packet.meta.gso_size);
    let whole = bytes(packet);
    let truesize = packet.meta.truesize as usize >= whole.len();
    let Some((first, rest)) = frames.split_first() else { return false };
    *frames = rest;
    if size == 0 {
        return whole == *first && truesize;
    }
    let headers = link + sent[at].header_len();
    let may_join = |sent: &Sent| !sent.corrupt && !sent.flags.fin() && sent.len > 0;
    let mut text = &whole[headers..];
    let mut expected = &first[headers..];
    while text.starts_with(expected) && (expected.len() == size || expected.len() == text.len()) {
        text = &text[expected.len()..];
        let here = &sent[at..sent.len() - frames.len()];
        if text.is_empty() {
            return here.iter().all(may_join)
                && truesize
                && packet.meta.checksum == Checksum::Verified
                && packet.data.len() == headers;
        }
        let Some((next, rest)) = frames.split_first() else { return false };
        (*frames, expected) = (rest, &next[headers..]);
    }
    false
}

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
            let (mut left, link) = (&frames[..], if mode == Mode::Tap { 14 } else { 0 });
            assert!(got.iter().all(|packet| stands_for(packet, &sent, &mut left, link)));
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
        let mut next = nth(0);
        let sent: Vec<Sent> = changes
            .into_iter()
            .map(|(change, len)| {
                let mut sent = Sent { len: SIZE, flags: Flags::ACK, corrupt: false, ..next };
                match change {
                    0 => sent.seq = sent.seq.wrapping_add(1),
                    1 => sent.port ^= 1,
                    2 => sent.v6 = !sent.v6,
                    3 => sent.len = len,
                    4 => sent.flags = Flags::ACK | Flags::PSH,
                    5 => sent.corrupt = true,
                    6 => sent.flags = Flags::ACK | Flags::FIN,
                    7 => sent.len = 0,
                    _ => {}
                }
                next = Sent { seq: sent.seq.wrapping_add(sent.len as u32), ..sent };
                sent
            })
            .collect();
        let frames: Vec<Vec<u8>> = sent.iter().map(|sent| device.frame(sent)).collect();
        let got = device.pass(&frames);
        let (mut left, link) = (&frames[..], if tap { 14 } else { 0 });
        for packet in &got {
            prop_assert!(stands_for(packet, &sent, &mut left, link));
        }
        prop_assert!(left.is_empty());
    }
}
