//! A device for tests, and segments that come from it.

use crate::Mode;
use crate::receive::TunReceive;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use stack_core::{Checksum, Instant, LinkReceive, RxBatch, RxPacket, StreamPosition};
use stack_packet::vnet::VnetHeader;
use stack_wire::checksum::pseudo_header;
use stack_wire::ip::protocol;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{self, Flags};
use stack_wire::{ipv4, ipv6};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

/// Addresses of no meaning, and the EtherType of the family.
const ETHERNET: [u8; 12] = [2; 12];
pub(crate) const SIZE: usize = 1000;

/// What a frame differs in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) v6: bool,
    pub(crate) port: u16,
    pub(crate) seq: u32,
    pub(crate) len: usize,
    pub(crate) flags: Flags,
    pub(crate) corrupt: bool,
}

/// The `n`th segment of a stream.
pub(crate) fn nth(n: usize) -> Sent {
    let seq = (u32::MAX - 2500).wrapping_add((n * SIZE) as u32);
    Sent { v6: false, port: 1000, seq, len: SIZE, flags: Flags::ACK, corrupt: false }
}

impl Sent {
    pub(crate) fn packet(&self) -> Vec<u8> {
        let (src, dst) = self.addresses();
        let emit = tcp::Emit {
            src_port: self.port,
            dst_port: 80,
            seq: SeqNum(self.seq),
            ack: SeqNum(7),
            flags: self.flags,
            window: 500,
            ..tcp::Emit::default()
        };
        let text = self.text();
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

    pub(crate) fn text(&self) -> Vec<u8> {
        (0..self.len).map(|at| self.seq.wrapping_add(at as u32) as u8).collect()
    }

    fn addresses(&self) -> (IpAddr, IpAddr) {
        if self.v6 {
            (Ipv6Addr::LOCALHOST.into(), Ipv6Addr::UNSPECIFIED.into())
        } else {
            (Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(10, 0, 0, 2).into())
        }
    }

    /// Where its text is.
    pub(crate) fn position(&self) -> StreamPosition {
        let (src, dst) = self.addresses();
        let (remote, local) = (SocketAddr::new(src, self.port), SocketAddr::new(dst, 80));
        StreamPosition { remote, local, seq: self.seq }
    }

    pub(crate) fn header_len(&self) -> usize {
        if self.v6 { 60 } else { 40 }
    }
}

/// A stream, and what is strange in it: the number of a change for each segment, and a length for those that need one.
pub(crate) fn stream(changes: &[(u8, usize)]) -> Vec<Sent> {
    let mut next = nth(0);
    let segments = changes.iter().map(|&(change, len)| {
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
    });
    segments.collect()
}

/// A device whose other end we are.
pub(crate) struct Device {
    pub(crate) kernel: OwnedFd,
    pub(crate) receive: TunReceive,
}

impl Device {
    pub(crate) fn new(mode: Mode, vnet: bool, joins: bool) -> Self {
        let (ours, kernel) =
            socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::NONBLOCK, None).unwrap();
        let mut receive = TunReceive::new(Arc::new(ours), mode, if vnet { 12 } else { 0 });
        receive.coalesce(joins);
        Self { kernel, receive }
    }

    /// A frame as it is on this device, without the virtio-net header.
    pub(crate) fn frame(&self, sent: &Sent) -> Vec<u8> {
        let packet = sent.packet();
        match self.receive.mode {
            Mode::Tun => packet,
            Mode::Tap => [&ETHERNET[..], if sent.v6 { &[0x86, 0xdd] } else { &[8, 0] }, &packet].concat(),
        }
    }

    /// Hands a frame in; with the virtio-net header, one of more text than a segment has is a super-packet, and verified.
    pub(crate) fn write(&self, frame: &[u8]) {
        // VIRTIO_NET_HDR_GSO_TCPV4 or TCPV6, and VIRTIO_NET_HDR_F_DATA_VALID.
        let gso_type = match frame.get(if self.receive.mode == Mode::Tap { 14 } else { 0 }) {
            Some(0x45) if frame.len() > 2 * SIZE => 1,
            Some(0x60) if frame.len() > 2 * SIZE => 4,
            _ => 0,
        };
        let (flags, gso_size) = if gso_type > 0 { (2, SIZE as u16) } else { (0, 0) };
        self.write_with(VnetHeader { flags, gso_type, gso_size, ..VnetHeader::default() }, frame);
    }

    /// The same with this header, where there is one.
    pub(crate) fn write_with(&self, header: VnetHeader, frame: &[u8]) {
        let header = [&header.encode()[..], &[0; 2]].concat();
        let sent = [&header[..self.receive.vnet_len], frame].concat();
        rustix::io::write(&self.kernel, &sent).unwrap();
    }

    /// Writes frames, as many as fit at a time, and reads them all, batch by batch.
    pub(crate) fn pass(&mut self, frames: &[Vec<u8>]) -> Vec<RxPacket> {
        let mut all = Vec::new();
        for some in frames.chunks(8) {
            for frame in some {
                self.write(frame);
            }
            let mut batch = RxBatch::new();
            while self.receive.receive(Instant::from_secs(1), &mut batch).unwrap() > 0 {}
            all.append(&mut batch);
        }
        all
    }
}

pub(crate) fn bytes(packet: &RxPacket) -> Vec<u8> {
    packet.data.iter().chain(packet.more.pieces().flatten()).copied().collect()
}

/// Takes the frames that a packet stands for off the front; false if they are not what the packet says.
pub(crate) fn stands_for(packet: &RxPacket, sent: &[Sent], frames: &mut &[Vec<u8>], mode: Mode) -> bool {
    let at = sent.len() - frames.len();
    let size = usize::from(packet.meta.gso_size);
    let whole = bytes(packet);
    let truesize = packet.meta.truesize as usize >= whole.len();
    let Some((first, rest)) = frames.split_first() else { return false };
    *frames = rest;
    // One packet as it came, perhaps a super-packet of the device's.
    if whole == *first {
        return truesize && (size == 0 || whole.len() > 2 * SIZE);
    }
    let headers = if mode == Mode::Tap { 14 } else { 0 } + sent[at].header_len();
    let may_join = |sent: &Sent| !sent.corrupt && !sent.flags.fin() && (1..=SIZE).contains(&sent.len);
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
