//! Text that is read from the device to the buffer of the thread that waits for it: nothing is lost, doubled or moved,
//! whoever else uses the socket, and the kernel's text comes so.
#![cfg(target_os = "linux")]

mod common;

use bytes::Bytes;
use common::{hash, noise, run};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as KernelStream};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use ustack::contract::{
    Checksum, Instant, LinkAddress, LinkCapabilities, LinkEndpoint, LinkError, LinkReceive, LinkTransmit,
    Placement, RxBatch, RxPacket,
};
use ustack::link::channel::{ChannelConfig, pair};
use ustack::link::ethernet::Ethernet;
use ustack::link::impair::{Impair, ImpairConfig};
use ustack::link::tun::{Tun, TunConfig};
use ustack::net::{TcpListener, TcpStream};
use ustack::{NicConfig, Stack, Tcp};

/// A link that places what it has received: it copies, but to the right place.
struct Placing<L>(L);

impl<L: LinkEndpoint + 'static> LinkEndpoint for Placing<L> {
    fn capabilities(&self) -> LinkCapabilities {
        self.0.capabilities()
    }

    fn link_address(&self) -> Option<LinkAddress> {
        self.0.link_address()
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let (receive, transmit) = Box::new(self.0).split();
        (Box::new(Placing(receive)), transmit)
    }
}

impl LinkReceive for Placing<Box<dyn LinkReceive>> {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.0.receive(now, batch)
    }

    fn receive_placing(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
    ) -> Result<usize, LinkError> {
        let before = batch.len();
        let count = self.0.receive(now, batch)?;
        batch[before..].iter_mut().for_each(|packet| place(packet, placement));
        Ok(count)
    }

    fn register(&mut self, waker: &Waker) {
        self.0.register(waker);
    }
}

/// Puts the text of an IPv4 packet to where it is wanted, if it is.
fn place(packet: &mut RxPacket, placement: &mut Placement<'_>) {
    let whole = packet.front(packet.len());
    let next = *placement.next();
    let SocketAddr::V4(remote) = next.remote else { return };
    let field = |at: usize| u32::from_be_bytes(whole[at..at + 4].try_into().unwrap());
    let is_plain = whole.len() >= 40 && whole[0] == 0x45 && whole[9] == 6 && whole[33] & !8 == 16;
    let ports = u32::from(remote.port()) << 16 | u32::from(next.local.port());
    let is_next =
        is_plain && field(12) == remote.ip().to_bits() && field(20) == ports && field(24) == next.seq;
    if !is_next || !is_right(&whole) {
        return;
    }
    let headers = 20 + usize::from(whole[32] >> 4) * 4;
    let len = (whole.len() - headers).min(placement.room());
    placement.memory(0)[..len].copy_from_slice(&whole[headers..headers + len]);
    placement.place(len);
    packet.data = whole.slice(..headers);
    packet.more.clear();
    packet.more.push(whole.slice(headers + len..));
    packet.meta.placed = len as u32;
    packet.meta.checksum = Checksum::Verified;
}

/// Whether the checksum of a TCP segment is right.
fn is_right(packet: &[u8]) -> bool {
    let words =
        packet[12..].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0)));
    let sum = words.sum::<u32>() + 6 + packet.len() as u32 - 20;
    sum % 0xffff == 0
}

/// A sender at 10.0.0.1, and a stack at 10.0.0.2 whose link places.
fn two_stacks(threads: bool) -> (Stack, Stack) {
    impaired(threads, ImpairConfig::default(), 0)
}

/// The same over a bad line.
fn impaired(threads: bool, line: ImpairConfig, seed: u64) -> (Stack, Stack) {
    let (a, b) = pair(ChannelConfig::default());
    let build = |nic: NicConfig, address: &str, threads: bool| {
        let builder = Stack::builder().default_protocols().nic(nic.address(address.parse().unwrap()));
        if threads { builder.build() } else { builder.without_thread().build() }.unwrap()
    };
    let (a, b) = (Impair::new(a, line, seed), Placing(b));
    (build(NicConfig::new(a), "10.0.0.1/24", true), build(NicConfig::new(b), "10.0.0.2/24", threads))
}

/// A connection on which the other end sends all of `sent`.
fn stream(a: &Stack, b: &Stack, sent: Bytes) -> (TcpStream, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind(b, "10.0.0.2:9000").unwrap();
    let client = a.clone();
    let sender = std::thread::spawn(move || {
        TcpStream::connect(&client, "10.0.0.2:9000").unwrap().write_all(&sent).unwrap();
    });
    (listener.accept().unwrap().0, sender)
}

/// Reads to the end with a buffer of that size.
fn read_all(stream: &mut TcpStream, size: usize) -> Vec<u8> {
    let (mut got, mut buffer) = (Vec::new(), vec![0xee; size]);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return got,
            len => got.extend_from_slice(&buffer[..len]),
        }
    }
}

/// Octets that were placed.
fn placed(stack: &Stack) -> u64 {
    stack.with_transport::<Tcp, _>(|tcp, _| tcp.counters().direct_copy).unwrap()
}

#[test]
fn buffers_of_all_sizes_get_what_was_sent() {
    for threads in [true, false] {
        let (a, b) = two_stacks(threads);
        let sent = noise(1, 5_000_000);
        let (mut stream, sender) = stream(&a, &b, sent.clone().into());
        let mut got = Vec::new();
        let mut sizes = [1, 4096, 4097, 65_536, 131_071, 131_072, 300_000].into_iter().cycle();
        loop {
            let mut buffer = vec![0xee; sizes.next().unwrap()];
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                len => got.extend_from_slice(&buffer[..len]),
            }
        }
        sender.join().unwrap();
        assert_eq!(hash(&got), hash(&sent));
        // A thread of the stack's may read the device, too.
        assert!(threads || placed(&b) > 500_000, "{} of {} placed", placed(&b), sent.len());
    }
}

#[test]
fn a_bad_line_changes_nothing() {
    let line = ImpairConfig {
        loss: 0.02,
        reorder: 0.02,
        reorder_delay: Duration::from_millis(1),
        duplicate: 0.02,
        corrupt: 0.02,
        ..ImpairConfig::default()
    };
    for seed in 1..6 {
        let (a, b) = impaired(false, line, seed);
        let sent = noise(seed, 700_000);
        let (mut stream, sender) = stream(&a, &b, sent.clone().into());
        let got = read_all(&mut stream, 150_000);
        sender.join().unwrap();
        assert!(hash(&got) == hash(&sent), "seed {seed}: {} bytes", got.len());
        assert!(placed(&b) > 50_000, "seed {seed}: {} placed", placed(&b));
    }
}

#[test]
fn two_readers_of_a_stream_get_every_octet_once() {
    const COUNT: u32 = 3_000_000;
    for threads in [true, false] {
        let (a, b) = two_stacks(threads);
        let sent: Vec<u8> = (0..COUNT).flat_map(u32::to_le_bytes).collect();
        let (stream, sender) = stream(&a, &b, sent.into());
        // All lengths are multiples of four, so each read begins with a number of its own.
        let read = |mut stream: TcpStream, size: usize| {
            let (mut buffer, mut ranges) = (vec![0; size], Vec::new());
            loop {
                let len = stream.read(&mut buffer).unwrap();
                if len == 0 {
                    return ranges;
                }
                let numbers =
                    || buffer[..len].chunks(4).map(|four| u32::from_le_bytes(four.try_into().unwrap()));
                let first = numbers().next().unwrap();
                assert!(numbers().eq(first..first + len as u32 / 4));
                ranges.push((first, len as u32 / 4));
            }
        };
        let mut ranges = std::thread::scope(|scope| {
            let other = stream.try_clone().unwrap();
            let other = scope.spawn(move || read(other, 200_000));
            let mut ranges = read(stream, 140_000);
            ranges.append(&mut other.join().unwrap());
            ranges
        });
        sender.join().unwrap();
        ranges.sort_unstable();
        let end = ranges.iter().try_fold(0, |end, (first, len)| (*first == end).then_some(end + len));
        assert_eq!(end, Some(COUNT));
    }
}

#[test]
fn several_streams_at_a_time_stay_apart() {
    for threads in [true, false] {
        let (a, b) = two_stacks(threads);
        let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
        let stack = b.clone();
        let server = std::thread::spawn(move || {
            let echoes: Vec<_> = (0..8)
                .map(|_| listener.accept().unwrap().0)
                .map(|stream| std::thread::spawn(move || common::echo_by(200_000, stream)))
                .collect();
            echoes.into_iter().for_each(|echo| echo.join().unwrap());
            assert!(stack.shutdown(Duration::from_secs(20)));
        });
        std::thread::scope(|scope| {
            for seed in 0..8 {
                let a = &a;
                scope.spawn(move || {
                    let sent = noise(seed, 1_000_000);
                    let client = TcpStream::connect(a, "10.0.0.2:7").unwrap();
                    assert_eq!(hash(&common::exchange(&client, &sent)), hash(&sent));
                });
            }
        });
        server.join().unwrap();
    }
}

#[test]
fn a_reader_that_does_not_wait_long_loses_nothing() {
    let (a, b) = two_stacks(false);
    let listener = TcpListener::bind(&b, "10.0.0.2:9000").unwrap();
    let sent = noise(3, 400_000);
    let text = sent.clone();
    let sender = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(&a, "10.0.0.2:9000").unwrap();
        for piece in text.chunks(10_000) {
            stream.write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let (mut got, mut waits) = (Vec::new(), 0);
    let mut buffer = vec![0; 150_000];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => got.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock || error.kind() == ErrorKind::TimedOut => {
                waits += 1
            }
            Err(error) => panic!("{error}"),
        }
    }
    sender.join().unwrap();
    assert_eq!(hash(&got), hash(&sent));
    assert!(waits > 0 && placed(&b) > 0, "{waits} waits, {} placed", placed(&b));
}

#[test]
fn a_tap_sees_everything() {
    let (a, b) = two_stacks(false);
    let sent = noise(4, 1_000_000);
    let (mut stream, sender) = stream(&a, &b, sent.clone().into());
    let mut got = vec![0; 300_000];
    stream.read_exact(&mut got).unwrap();
    let tap = ustack::net::RawSocket::v4(&b, 6).unwrap();
    let before = placed(&b);
    stream.read_to_end(&mut got).unwrap();
    sender.join().unwrap();
    drop(tap);
    assert_eq!(hash(&got), hash(&sent));
    // The driver hears of the tap with the batch after the one that it is reading.
    assert!(placed(&b) - before < 200_000, "{} placed", placed(&b) - before);
}

/// Reads what the kernel sends.
fn from_the_kernel(stack: &Stack, address: &str, bytes: usize) {
    let listener = TcpListener::bind(stack, address).unwrap();
    let sent = Arc::new(noise(bytes as u64, bytes));
    let text = Arc::clone(&sent);
    let to: SocketAddr = address.parse().unwrap();
    let sender = std::thread::spawn(move || KernelStream::connect(to).unwrap().write_all(&text).unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let got = read_all(&mut stream, 256 * 1024);
    sender.join().unwrap();
    assert!(hash(&got) == hash(&sent), "{address}: {} bytes came", got.len());
}

#[test]
fn what_the_kernel_sends_is_placed() {
    let required = std::env::var_os("USTACK_REQUIRE_DEVICES").is_some_and(|value| value == "1");
    let test = move || {
        // SAFETY: a new network namespace concerns only this thread, and leaves its open files as they are.
        let alone = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
        match alone.map_err(|error| format!("a network namespace of our own: {error}")) {
            Err(why) if required => panic!("{why}"),
            Err(why) => return eprintln!("skipped: {why}"),
            Ok(()) => {}
        }
        for (tap, offload) in [(false, true), (false, false), (true, true), (true, false)] {
            let config = if tap { TunConfig::tap() } else { TunConfig::tun() };
            let tun = Tun::create(config.with_name("ours0").with_offload(offload)).unwrap();
            run("ip", &["address", "add", "10.9.0.1/24", "dev", "ours0"]).unwrap();
            run("ip", &["-6", "address", "add", "fd09::1/64", "dev", "ours0", "nodad"]).unwrap();
            run("ip", &["link", "set", "ours0", "up"]).unwrap();
            let nic = if tap {
                NicConfig::new(Ethernet::new(tun, LinkAddress([2, 0, 0, 0, 0, 2])).unwrap())
            } else {
                NicConfig::new(tun)
            };
            let nic = nic.address("10.9.0.2/24".parse().unwrap()).address("fd09::2/64".parse().unwrap());
            let stack = Stack::builder().default_protocols().without_thread().nic(nic).build().unwrap();
            for address in ["10.9.0.2:7000", "[fd09::2]:7000"] {
                let before = placed(&stack);
                from_the_kernel(&stack, address, 40_000_000);
                let placed = placed(&stack) - before;
                assert!(placed > 20_000_000, "{address}, {tap}, {offload}: {placed} placed");
            }
            std::thread::scope(|scope| {
                for address in ["10.9.0.2:7001", "10.9.0.2:7002", "[fd09::2]:7003"] {
                    let stack = &stack;
                    scope.spawn(move || from_the_kernel(stack, address, 15_000_000));
                }
            });
        }
    };
    if let Err(panic) = std::thread::spawn(test).join() {
        std::panic::resume_unwind(panic);
    }
}
