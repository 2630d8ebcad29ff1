//! Against the kernel: each test has a network namespace of its own with a veth pair, of which we have one end and the
//! kernel the other. Without the right to make one the tests say so and pass; with `USTACK_REQUIRE_DEVICES=1` they fail.
#![cfg(target_os = "linux")]

use bytes::Bytes;
use link_packet::{Packet, PacketConfig, PacketCounters, PacketError};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::BorrowedFd;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use stack_core::{
    Checksum, DropReason, Instant, LinkAddress, LinkDrops, LinkEndpoint, LinkError, LinkReceive,
    LinkTransmit, Medium, RxPacket, TxBatch,
};
use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const STATION: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);
/// For local experiments (IEEE 802).
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];

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
    Command::new("ip").arg("-Version").output().map_err(|error| format!("the command `ip`: {error}"))?;
    // SAFETY: a new network namespace concerns only this thread, and leaves its open files as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("a network namespace of our own: {error}"))
}

fn ip(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A veth pair that is up: `kernel0` with 10.9.0.1, which knows that 10.9.0.2 is at our station, and `ours0`.
fn make_pair() {
    ip(&["link", "add", "kernel0", "type", "veth", "peer", "name", "ours0"]);
    ip(&["address", "add", "10.9.0.1/24", "dev", "kernel0"]);
    for end in ["kernel0", "ours0"] {
        // The kernel talks of IPv6 by itself otherwise.
        let _ = std::fs::write(format!("/proc/sys/net/ipv6/conf/{end}/disable_ipv6"), "1");
        ip(&["link", "set", end, "up"]);
    }
    ip(&["neigh", "add", "10.9.0.2", "lladdr", &STATION.to_string(), "dev", "kernel0"]);
}

fn config() -> PacketConfig {
    PacketConfig::interface("ours0").with_station(STATION)
}

/// Both halves of an interface, with a wait.
struct Wire {
    receive: Box<dyn LinkReceive>,
    transmit: Box<dyn LinkTransmit>,
    counters: Arc<PacketCounters>,
    arrived: std::collections::VecDeque<RxPacket>,
}

impl Wire {
    fn new(config: &PacketConfig) -> Self {
        let link = Packet::open(config).unwrap();
        let counters = link.counters();
        let (receive, transmit) = Box::new(link).split();
        assert!(receive.descriptor().is_some() && receive.descriptor() == transmit.descriptor());
        Self { receive, transmit, counters, arrived: Default::default() }
    }

    /// The next frame of that EtherType; others are passed over.
    fn receive(&mut self, ether_type: [u8; 2]) -> RxPacket {
        for _ in 0..1000 {
            while let Some(frame) = self.arrived.pop_front() {
                if frame.data[12..14] == ether_type {
                    return frame;
                }
            }
            self.wait();
            let mut batch = Vec::new();
            self.receive.receive(Instant::ZERO, &mut batch).unwrap();
            self.arrived.extend(batch);
        }
        panic!("only other frames arrive");
    }

    fn wait(&self) {
        // SAFETY: the descriptor is open as long as the half that named it.
        let fd = unsafe { BorrowedFd::borrow_raw(self.receive.descriptor().unwrap()) };
        let limit = Duration::from_secs(20).try_into().unwrap();
        assert_eq!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)), Ok(1), "nothing arrives");
    }

    fn send(&mut self, batch: &mut TxBatch) {
        self.transmit.transmit(Instant::ZERO, batch).unwrap();
        assert!(batch.is_empty());
    }
}

fn header_of(end: &str) -> LinkAddress {
    let text = ip(&["-brief", "link", "show", end]);
    text.split_whitespace().nth(2).unwrap().parse().unwrap()
}

/// An IPv4 and a UDP header of ours in front of a frame's payload; the checksum is left to others.
fn udp(batch: &mut TxBatch, payload: Vec<u8>, gso_size: u16) {
    let len = payload.len() as u16;
    let packet = batch.slot();
    packet.push(Bytes::from(payload)).unwrap();
    let udp = packet.prepend(8).unwrap();
    udp[..6].copy_from_slice(&[0x1f, 0x90, 0x1f, 0x91, ((len + 8) >> 8) as u8, (len + 8) as u8]);
    // The pseudo-header: 10.9.0.2, 10.9.0.1, protocol 17, length.
    let sum: u32 = 0x0a09 + 2 + 0x0a09 + 1 + 17 + u32::from(len + 8);
    udp[6..8].copy_from_slice(&((sum & 0xffff) as u16 + (sum >> 16) as u16).to_be_bytes());
    packet.checksum = Checksum::Partial { start: 0, offset: 6 };
    let ip = packet.prepend(20).unwrap();
    ip.copy_from_slice(&[0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 9, 0, 2, 10, 9, 0, 1]);
    ip[2..4].copy_from_slice(&(len + 28).to_be_bytes());
    let sum: u32 = ip.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    ip[10..12].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
    packet.gso_size = gso_size;
    packet.ip.protocol = 17;
    let frame = packet.prepend(14).unwrap();
    frame[..6].copy_from_slice(&header_of("kernel0").0);
    frame[6..12].copy_from_slice(&STATION.0);
    frame[12..].copy_from_slice(&[8, 0]);
}

#[test]
fn an_interface_is_found_by_name_and_by_index_and_says_what_it_can() {
    in_namespace(|| {
        make_pair();
        ip(&["link", "set", "ours0", "mtu", "9000"]);
        let by_name = Packet::open(&PacketConfig::interface("ours0")).unwrap();
        assert_eq!(by_name.link_address(), Some(header_of("ours0")));
        let claims = by_name.capabilities();
        assert_eq!((claims.medium, claims.mtu, claims.batch), (Medium::Ethernet, 9000, 32));
        assert!(by_name.has_offload() && claims.tso4 && claims.tso6 && claims.tx_checksum);
        assert!(claims.queue_packets.unwrap() > 10);
        let by_index = PacketConfig::index(by_name.index()).with_offload(false).with_station(STATION);
        let by_index = Packet::open(&by_index).unwrap();
        assert_eq!((by_index.name(), by_index.link_address()), ("ours0", Some(STATION)));
        let claims = by_index.capabilities();
        assert!(!claims.tso4 && !claims.uso && !claims.rx_checksum && claims.max_gso == 0);
        assert!(ip(&["-d", "link", "show", "ours0"]).contains("promiscuity 1"), "for the other station");
        drop(by_index);
        assert!(ip(&["-d", "link", "show", "ours0"]).contains("promiscuity 0"));
    });
}

#[test]
fn what_is_no_ethernet_interface_is_refused_with_the_reason() {
    in_namespace(|| {
        ip(&["link", "set", "lo", "up"]);
        let open = |config| Packet::open(&config).unwrap_err();
        assert!(matches!(
            open(PacketConfig::interface("lo")),
            PacketError::NotEthernet { hardware: 772, .. }
        ));
        assert!(matches!(open(PacketConfig::interface("none0")), PacketError::NoInterface { .. }));
        assert!(matches!(open(PacketConfig::index(99)), PacketError::NoInterface { .. }));
    });
}

#[test]
fn a_datagram_of_the_kernel_arrives_with_its_checksum_left_out_and_ours_is_completed() {
    in_namespace(|| {
        make_pair();
        let mut wire = Wire::new(&config());
        let socket = UdpSocket::bind("10.9.0.1:8081").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.send_to(b"hello", "10.9.0.2:8080").unwrap();
        let frame = wire.receive([8, 0]);
        assert_eq!(frame.data[..6], STATION.0);
        assert_eq!(&frame.data[42..47], b"hello");
        assert_eq!(frame.meta.checksum, Checksum::Partial { start: 34, offset: 6 });
        let mut batch = TxBatch::new();
        udp(&mut batch, b"answer".to_vec(), 0);
        wire.send(&mut batch);
        let mut got = [0; 100];
        let (len, from) = socket.recv_from(&mut got).unwrap();
        assert_eq!((&got[..len], from), (&b"answer"[..], "10.9.0.2:8080".parse().unwrap()));
        assert!(wire.arrived.is_empty(), "our own frame does not come back");
    });
}

#[test]
fn a_udp_super_packet_is_cut_by_the_kernel() {
    in_namespace(|| {
        make_pair();
        if !Packet::open(&config()).unwrap().capabilities().uso {
            return;
        }
        let mut wire = Wire::new(&config());
        let socket = UdpSocket::bind("10.9.0.1:8081").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut batch = TxBatch::new();
        udp(&mut batch, (0..3500).map(|i| (i / 1000) as u8).collect(), 1000);
        wire.send(&mut batch);
        let mut got = [0; 3000];
        for (index, len) in [1000, 1000, 1000, 500].into_iter().enumerate() {
            assert_eq!(socket.recv(&mut got).unwrap(), len);
            assert!(got[..len].iter().all(|byte| usize::from(*byte) == index));
        }
    });
}

#[test]
fn a_tag_of_a_vlan_stays_on_its_frames() {
    in_namespace(|| {
        make_pair();
        let (mut ours, mut theirs) = (Wire::new(&config()), Wire::new(&PacketConfig::interface("kernel0")));
        let tagged =
            [&STATION.0[..], &[2, 0, 0, 0, 0, 9], &[0x81, 0, 0x20, 7], &EXPERIMENT, &[1; 46]].concat();
        let mut batch = TxBatch::new();
        batch.slot().push(Bytes::from(tagged.clone())).unwrap();
        theirs.send(&mut batch);
        assert_eq!(ours.receive([0x81, 0]).data, tagged);
    });
}

#[test]
fn batches_keep_their_order_both_ways() {
    in_namespace(|| {
        make_pair();
        let (mut ours, mut theirs) = (Wire::new(&config()), Wire::new(&PacketConfig::interface("kernel0")));
        let mut batch = TxBatch::new();
        for i in 0..200u8 {
            let frame = [&[0xff; 6][..], &STATION.0, &EXPERIMENT, &[i; 46]].concat();
            batch.slot().push(Bytes::from(frame)).unwrap();
        }
        ours.send(&mut batch);
        for i in 0..200u8 {
            assert_eq!(theirs.receive(EXPERIMENT).data[14..], [i; 46]);
        }
    });
}

#[test]
fn an_interface_that_is_down_drops_and_counts_until_it_is_up_again_and_one_that_is_gone_closes() {
    in_namespace(|| {
        make_pair();
        let mut wire = Wire::new(&config());
        ip(&["link", "set", "ours0", "down"]);
        assert_eq!(wire.receive.receive(Instant::ZERO, &mut Vec::new()), Ok(0), "it says so once");
        let mut batch = TxBatch::new();
        udp(&mut batch, b"lost".to_vec(), 0);
        wire.send(&mut batch);
        assert_eq!((wire.counters.dropped_down(), wire.counters.of(DropReason::LinkDown)), (1, 1));
        ip(&["link", "set", "ours0", "up"]);
        // The neighbour was forgotten with the carrier.
        ip(&["neigh", "replace", "10.9.0.2", "lladdr", &STATION.to_string(), "dev", "kernel0"]);
        let socket = UdpSocket::bind("10.9.0.1:0").unwrap();
        socket.send_to(b"again", "10.9.0.2:8080").unwrap();
        wire.receive([8, 0]);
        ip(&["link", "del", "ours0"]);
        batch.slot().push(Bytes::from_static(&[0xff; 60])).unwrap();
        assert_eq!(wire.transmit.transmit(Instant::ZERO, &mut batch), Err(LinkError::Closed));
        let mut result = Ok(0);
        for _ in 0..10 {
            result = result.and(wire.receive.receive(Instant::ZERO, &mut Vec::new()));
        }
        assert_eq!(result, Err(LinkError::Closed));
    });
}
