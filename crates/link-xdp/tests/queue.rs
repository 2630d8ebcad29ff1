//! Against the kernel: each test has a network namespace of its own with a veth pair, of which we have the queue of one
//! end and the kernel the other. Without the right to make one the tests say so and pass; with
//! `USTACK_REQUIRE_DEVICES=1` they fail.
#![cfg(target_os = "linux")]

use bytes::Bytes;
use link_xdp::{Xdp, XdpConfig, XdpError};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use stack_core::{
    DropReason, Instant, LinkAddress, LinkDrops, LinkEndpoint, LinkError, LinkReceive, LinkTransmit, Medium,
    RxPacket, TxBatch,
};
use std::collections::VecDeque;
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const STATION: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);
const KERNEL: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);

/// Runs a test on a thread of its own in a network namespace of its own, where that is possible.
#[expect(clippy::print_stderr, reason = "a test that can not run says so")]
fn in_namespace(test: impl FnOnce() + Send + 'static) {
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
    for program in ["ip", "ethtool"] {
        Command::new(program)
            .arg("--version")
            .output()
            .map_err(|error| format!("the command `{program}`: {error}"))?;
    }
    // SAFETY: a new network namespace concerns only this thread, and leaves its open files as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("a network namespace of our own: {error}"))?;
    socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .map(|_| ())
        .map_err(|error| format!("an XDP socket: {error}"))
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {why}");
}

/// A veth pair that is up: `kernel0` with 10.9.0.1, which knows that 10.9.0.2 is at our station, and `ours0`.
fn make_pair() {
    run("ip", &["link", "add", "kernel0", "type", "veth", "peer", "name", "ours0"]);
    run("ip", &["link", "set", "kernel0", "address", &KERNEL.to_string()]);
    run("ethtool", &["-K", "kernel0", "tx", "off"]);
    run("ip", &["address", "add", "10.9.0.1/24", "dev", "kernel0"]);
    for end in ["kernel0", "ours0"] {
        // The kernel talks of IPv6 by itself otherwise.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6"), "1");
        run("ip", &["link", "set", end, "up"]);
    }
    run("ip", &["neigh", "add", "10.9.0.2", "lladdr", &STATION.to_string(), "dev", "kernel0"]);
}

/// Both halves of a queue, with a wait.
struct Wire {
    receive: Box<dyn LinkReceive>,
    transmit: Box<dyn LinkTransmit>,
    drops: Vec<Arc<dyn LinkDrops>>,
    arrived: VecDeque<RxPacket>,
}

impl Wire {
    fn new() -> Self {
        let link = Xdp::open(&XdpConfig::new("ours0", STATION)).unwrap();
        let drops = link.drops();
        let (receive, transmit) = Box::new(link).split();
        assert!(receive.descriptor().is_some() && receive.descriptor() == transmit.descriptor());
        Self { receive, transmit, drops, arrived: VecDeque::new() }
    }

    fn receive(&mut self) -> RxPacket {
        while self.arrived.is_empty() {
            self.wait(PollFlags::IN);
            let mut batch = Vec::new();
            self.receive.receive(Instant::from_secs(1), &mut batch).unwrap();
            self.arrived.extend(batch);
        }
        self.arrived.pop_front().unwrap()
    }

    fn wait(&self, events: PollFlags) {
        // SAFETY: the descriptor is open as long as the half that named it.
        let fd = unsafe { BorrowedFd::borrow_raw(self.receive.descriptor().unwrap()) };
        let limit = Duration::from_secs(20).try_into().unwrap();
        assert_eq!(poll(&mut [PollFd::new(&fd, events)], Some(&limit)), Ok(1), "nothing happens");
    }
}

/// A frame with a UDP datagram from 10.9.0.2:8080 to 10.9.0.1:8081, without a UDP checksum (RFC 768).
fn datagram(payload: &[u8]) -> Bytes {
    let len = payload.len() as u16;
    let mut ip = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1];
    ip[2..4].copy_from_slice(&(len + 28).to_be_bytes());
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    ip[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    let udp = [[0x1f, 0x90], [0x1f, 0x91], (len + 8).to_be_bytes(), [0, 0]].concat();
    [&KERNEL.0[..], &STATION.0, &[8, 0], &ip, &udp, payload].concat().into()
}

#[test]
fn datagrams_pass_in_both_directions() {
    in_namespace(|| {
        make_pair();
        let mut wire = Wire::new();
        let socket = UdpSocket::bind("10.9.0.1:8081").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for round in 0..3u8 {
            let sent = vec![round; 1472];
            socket.send_to(&sent, "10.9.0.2:8080").unwrap();
            let frame = wire.receive();
            assert_eq!((&frame.data[..6], frame.data.len()), (&STATION.0[..], 1514));
            assert_eq!((&frame.data[42..], frame.meta.received_at), (&sent[..], Instant::from_secs(1)));
            let mut batch = TxBatch::new();
            let packet = batch.slot();
            let answer = datagram(&[round; 700]);
            packet.push(answer.slice(42..)).unwrap();
            packet.prepend(42).unwrap().copy_from_slice(&answer[..42]);
            wire.transmit.transmit(Instant::ZERO, &mut batch).unwrap();
            assert!(batch.is_empty());
            let mut got = [0; 2000];
            assert_eq!(socket.recv(&mut got).unwrap(), 700);
            assert!(got[..700].iter().all(|byte| *byte == round));
        }
    });
}

#[test]
fn frames_are_used_again_and_again_and_what_finds_none_stays() {
    in_namespace(|| {
        make_pair();
        let mut wire = Wire::new();
        let socket = UdpSocket::bind("10.9.0.1:8081").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut sent = 0;
        while sent < 10_000u32 {
            let mut batch = TxBatch::new();
            for _ in 0..20 {
                batch.slot().push(datagram(&sent.to_be_bytes())).unwrap();
                sent += 1;
            }
            while !batch.is_empty() {
                wire.transmit.transmit(Instant::ZERO, &mut batch).unwrap();
                if !batch.is_empty() {
                    wire.wait(PollFlags::OUT);
                }
            }
            // The kernel sends while it is called or polled.
            for expected in sent - 20..sent {
                let mut got = [0; 4];
                while socket.recv(&mut got).is_err() {
                    wire.transmit.transmit(Instant::ZERO, &mut batch).unwrap();
                }
                assert_eq!(u32::from_be_bytes(got), expected);
            }
        }
        for i in 0..5000u32 {
            socket.send_to(&i.to_be_bytes(), "10.9.0.2:8080").unwrap();
            assert_eq!(wire.receive().data[42..46], i.to_be_bytes());
        }
        assert_eq!(wire.drops[0].of(DropReason::LinkQueueFull), 0);
    });
}

#[test]
fn what_we_are_too_late_for_is_counted_and_the_rest_arrives_in_order() {
    in_namespace(|| {
        make_pair();
        let mut wire = Wire::new();
        let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
        for i in 0..3000u32 {
            socket.send_to(&i.to_be_bytes(), "10.9.0.2:8080").unwrap();
        }
        for i in 0..2048u32 {
            assert_eq!(wire.receive().data[42..46], i.to_be_bytes());
        }
        assert!(wire.drops[0].of(DropReason::LinkQueueFull) >= 3000 - 2048);
    });
}

#[test]
fn a_frame_larger_than_its_memory_is_refused_and_holds_up_nobody() {
    in_namespace(|| {
        make_pair();
        let mut wire = Wire::new();
        let socket = UdpSocket::bind("10.9.0.1:8081").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut batch = TxBatch::new();
        batch.slot().push(Bytes::from_static(&[0; 2049])).unwrap();
        batch.slot().push(datagram(b"next")).unwrap();
        wire.transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!((batch.len(), wire.drops[0].of(DropReason::LinkRefused)), (0, 1));
        assert_eq!(socket.recv(&mut [0; 9]).unwrap(), 4);
    });
}

#[test]
fn the_program_goes_with_the_link_and_only_one_can_have_the_queue() {
    in_namespace(|| {
        make_pair();
        let open = || Xdp::open(&XdpConfig::new("ours0", STATION));
        let first = open().unwrap();
        let claims = first.capabilities();
        assert_eq!((claims.medium, claims.mtu, claims.tx_checksum), (Medium::Ethernet, 1500, false));
        assert_eq!(first.link_address(), Some(STATION));
        let refused = open().unwrap_err();
        assert!(matches!(refused, XdpError::Step { what: "attach to the queue", .. }), "{refused}");
        drop(first);
        let soon = Duration::from_millis(10).try_into().unwrap();
        let free = (0..2000).any(|_| open().is_ok() || poll(&mut [], Some(&soon)).is_err());
        assert!(free, "the queue is still taken");
        let none = Xdp::open(&XdpConfig::new("none0", STATION)).unwrap_err();
        assert!(matches!(none, XdpError::NoInterface { .. }), "{none}");
    });
}

#[test]
fn an_interface_that_is_gone_closes_both_halves() {
    in_namespace(|| {
        make_pair();
        let mut wire = Wire::new();
        assert_eq!(wire.receive.receive(Instant::ZERO, &mut Vec::new()), Ok(0));
        run("ip", &["link", "set", "ours0", "down"]);
        assert_eq!(wire.receive.receive(Instant::ZERO, &mut Vec::new()), Ok(0), "down is not gone");
        run("ip", &["link", "del", "ours0"]);
        assert_eq!(wire.receive.receive(Instant::ZERO, &mut Vec::new()), Err(LinkError::Closed));
        let mut batch = TxBatch::new();
        batch.slot().push(datagram(b"lost")).unwrap();
        assert_eq!(wire.transmit.transmit(Instant::ZERO, &mut batch), Err(LinkError::Closed));
    });
}
