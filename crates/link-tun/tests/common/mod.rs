//! A namespace to test in, packets made by hand, and a TCP peer that is just good enough to be sent to.

use bytes::Bytes;
use link_tun::Tun;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use stack_core::{
    Checksum, Instant, LinkEndpoint, LinkError, LinkReceive, LinkTransmit, RxPacket, TxBatch, TxPacket,
};
use std::collections::VecDeque;
use std::process::Command;

/// Runs a test on a thread of its own in a network namespace of its own, where that is possible.
#[expect(clippy::print_stderr, reason = "a test that can not run says so")]
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let required = std::env::var_os("USTACK_REQUIRE_DEVICES").is_some_and(|value| value == "1");
    let result = std::thread::spawn(move || match enter() {
        Ok(()) => test(),
        Err(why) if required => panic!("{why}"),
        Err(why) => eprintln!("skipped: {why}"),
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn enter() -> Result<(), String> {
    std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
        .map_err(|error| format!("/dev/net/tun: {error}"))?;
    Command::new("ip").arg("-Version").output().map_err(|error| format!("the command `ip`: {error}"))?;
    // SAFETY: a new network namespace concerns only this thread, and leaves its open files as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("a network namespace of our own: {error}"))
}

/// Runs `ip` in this thread's namespace.
pub(crate) fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether `ip` agrees.
pub(crate) fn ip_succeeds(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).output().unwrap().status.success()
}

/// Both halves of a device, with a wait.
pub(crate) struct Wire {
    receive: Box<dyn LinkReceive>,
    transmit: Box<dyn LinkTransmit>,
    arrived: VecDeque<RxPacket>,
}

impl Wire {
    pub(crate) fn new(tun: Tun) -> Self {
        let (receive, transmit) = Box::new(tun).split();
        assert!(receive.descriptor().is_some() && receive.descriptor() == transmit.descriptor());
        Self { receive, transmit, arrived: VecDeque::new() }
    }

    /// The next packet of that kind; others (the kernel talks of IPv6 by itself) are passed over.
    pub(crate) fn receive(&mut self, wanted: impl Fn(&RxPacket) -> bool) -> RxPacket {
        for _ in 0..1000 {
            while let Some(packet) = self.arrived.pop_front() {
                if wanted(&packet) {
                    return packet;
                }
            }
            self.wait();
            let mut batch = Vec::new();
            self.receive.receive(Instant::ZERO, &mut batch).unwrap();
            self.arrived.extend(batch);
        }
        panic!("only other packets arrive");
    }

    fn wait(&self) {
        // SAFETY: the descriptor belongs to `self.receive`, which outlives this call.
        let fd = unsafe { BorrowedFd::borrow_raw(self.receive.descriptor().unwrap()) };
        let timeout = rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap();
        assert_eq!(ready, 1, "the descriptor polls readable when packets are there");
    }

    pub(crate) fn try_receive(&mut self) -> Result<usize, LinkError> {
        loop {
            match self.receive.receive(Instant::ZERO, &mut Vec::new()) {
                Ok(count) if count > 0 => {}
                end => return end,
            }
        }
    }

    pub(crate) fn transmit(&mut self, batch: &mut TxBatch) {
        self.try_transmit(batch).unwrap();
        assert!(batch.is_empty());
    }

    pub(crate) fn try_transmit(&mut self, batch: &mut TxBatch) -> Result<(), LinkError> {
        self.transmit.transmit(Instant::ZERO, batch)
    }
}

/// The Internet checksum of `bytes` on top of `start`.
pub(crate) fn checksum(start: u32, bytes: &[u8]) -> u16 {
    !fold(bytes.chunks(2).fold(start, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
    }))
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The sum of a pseudo-header.
pub(crate) fn pseudo_header(src: [u8; 4], dst: [u8; 4], protocol: u8, len: usize) -> u32 {
    [src, dst].concat().chunks(2).fold(u32::from(protocol) + len as u32, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], pair[1]]))
    })
}

/// Puts an IPv4 header in front.
pub(crate) fn ipv4(packet: &mut TxPacket, protocol: u8, src: [u8; 4], dst: [u8; 4]) {
    let total = (packet.len() + 20) as u16;
    let header = packet.prepend(20).unwrap();
    header.fill(0);
    header[0] = 0x45;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    (header[8], header[9]) = (64, protocol);
    header[12..16].copy_from_slice(&src);
    header[16..20].copy_from_slice(&dst);
    let sum = checksum(0, header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.ip.protocol = protocol;
}

/// A datagram from port 6000 to port 5000 whose checksum the device is to complete.
pub(crate) fn udp(packet: &mut TxPacket, src: [u8; 4], dst: [u8; 4], payload: &[u8]) {
    let len = payload.len() + 8;
    packet.push(Bytes::copy_from_slice(payload)).unwrap();
    let header = packet.prepend(8).unwrap();
    header[..2].copy_from_slice(&6000u16.to_be_bytes());
    header[2..4].copy_from_slice(&5000u16.to_be_bytes());
    header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    header[6..8].copy_from_slice(&fold(pseudo_header(src, dst, 17, len)).to_be_bytes());
    packet.checksum = Checksum::Partial { start: 0, offset: 6 };
    ipv4(packet, 17, src, dst);
}

/// The same with its checksum complete.
pub(crate) fn udp_complete(packet: &mut TxPacket, src: [u8; 4], dst: [u8; 4], payload: &[u8]) {
    udp(packet, src, dst, payload);
    let sum = checksum(0, &packet.to_bytes()[20..]);
    packet.header_mut()[26..28].copy_from_slice(&sum.to_be_bytes());
    packet.checksum = Checksum::Unverified;
}

/// The other end of a connection of the kernel: acknowledges everything, resends nothing.
pub(crate) struct FakePeer {
    ours: [u8; 4],
    kernel: [u8; 4],
    ports: [u8; 4],
    snd_nxt: u32,
    rcv_nxt: u32,
}

const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

impl FakePeer {
    /// Answers the kernel's SYN: no timestamps, a window scale of 7.
    pub(crate) fn accept(wire: &mut Wire, ours: [u8; 4], kernel: [u8; 4]) -> Self {
        let syn = wire.receive(|packet| packet.data[0] == 0x45 && packet.data[9] == 6);
        assert_eq!(syn.data[33] & SYN, SYN);
        let word = |at: usize| u32::from_be_bytes(syn.data[at..at + 4].try_into().unwrap());
        let [a, b, c, d] = word(20).to_be_bytes();
        let mut peer = Self { ours, kernel, ports: [c, d, a, b], snd_nxt: 1, rcv_nxt: word(24) + 1 };
        peer.segment(wire, SYN | ACK, b"\x02\x04\x05\xb4\x01\x03\x03\x07", &[], 0);
        peer.snd_nxt += 1;
        peer
    }

    /// Sends data as one super-packet.
    pub(crate) fn send(&mut self, wire: &mut Wire, data: &[u8], gso_size: u16) {
        self.segment(wire, ACK | PSH, b"", data, gso_size);
        self.snd_nxt += data.len() as u32;
    }

    /// Acknowledges all of a packet.
    pub(crate) fn acknowledge(&mut self, wire: &mut Wire, packet: &RxPacket) {
        let payload = packet.len() - 20 - usize::from(packet.data[32] >> 4) * 4;
        self.rcv_nxt = self.rcv_nxt.wrapping_add(payload as u32);
        if payload > 0 {
            self.segment(wire, ACK, b"", &[], 0);
        }
    }

    /// Ends the connection.
    pub(crate) fn reset(&mut self, wire: &mut Wire) {
        self.segment(wire, RST | ACK, b"", &[], 0);
    }

    fn segment(&mut self, wire: &mut Wire, flags: u8, options: &[u8], data: &[u8], gso_size: u16) {
        let mut batch = TxBatch::new();
        let packet = batch.slot();
        packet.push(Bytes::copy_from_slice(data)).unwrap();
        let header_len = 20 + options.len();
        let header = packet.prepend(header_len).unwrap();
        header.fill(0);
        header[..4].copy_from_slice(&self.ports);
        header[4..8].copy_from_slice(&self.snd_nxt.to_be_bytes());
        header[8..12].copy_from_slice(&self.rcv_nxt.to_be_bytes());
        (header[12], header[13]) = ((header_len as u8 / 4) << 4, flags);
        header[14..16].copy_from_slice(&[0xff, 0xff]);
        header[20..].copy_from_slice(options);
        let sum = fold(pseudo_header(self.ours, self.kernel, 6, header_len + data.len()));
        header[16..18].copy_from_slice(&sum.to_be_bytes());
        packet.checksum = Checksum::Partial { start: 0, offset: 16 };
        ipv4(packet, 6, self.ours, self.kernel);
        packet.gso_size = gso_size;
        wire.transmit(&mut batch);
    }
}
