//! Stacks on Ethernet in one process: a veth pair, a switch, VLANs, and a queueing discipline between.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use ustack::link::LinkEndpoint;
use ustack::link::channel::{ChannelConfig, pair};
use ustack::link::ethernet::{Ethernet, Vlan};
use ustack::link::qdisc::{FqCodel, FqCodelConfig, Queued, TokenBucket};
use ustack::link::switch::{Switch, SwitchConfig};
use ustack::net::{Echo, IcmpSocket, TcpListener, TcpStream, UdpSocket};
use ustack::{DropReason, LinkAddress, NicConfig, Stack};

const WAIT: Duration = Duration::from_secs(20);

fn station(last: u8) -> LinkAddress {
    LinkAddress([2, 0, 0, 0, 0, last])
}

fn stack(link: impl LinkEndpoint + 'static, last: u8) -> Stack {
    let nic = NicConfig::new(link)
        .address(format!("10.0.0.{last}/24").parse().unwrap())
        .address(format!("fd00::{last}/64").parse().unwrap());
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

/// Sends bytes from one stack to another and back over TCP.
fn transfer(from: &Stack, to: &Stack, at: &str, len: usize) {
    let at: SocketAddr = at.parse().unwrap();
    let listener = TcpListener::bind(to, at).unwrap();
    let server = std::thread::spawn(move || common::echo(listener.accept().unwrap().0));
    let stream = TcpStream::connect_timeout(from, &at, WAIT).unwrap();
    let sent = common::noise(len as u64, len);
    assert_eq!(common::hash(&common::exchange(&stream, &sent)), common::hash(&sent));
    server.join().unwrap();
}

#[test]
fn a_pair_with_ethernet_framing_is_a_veth_pair() {
    for offload in [false, true] {
        let config = ChannelConfig::ethernet(station(1), station(2));
        let (a, b) = pair(if offload { config.with_offload() } else { config });
        let a = stack(Ethernet::with_link_address_of(a).unwrap(), 1);
        let b = stack(Ethernet::with_link_address_of(b).unwrap(), 2);
        transfer(&a, &b, "10.0.0.2:7", 2 << 20);
        transfer(&b, &a, "[fd00::1]:7", 100_000);
        let packets = a.counters().transmitted.packets;
        // 2 MiB in segments of 1448 bytes are 1448 packets; whole super-packets are far fewer.
        assert_eq!(packets < 1000, offload, "{packets}");
    }
}

#[test]
fn three_stacks_meet_at_a_switch() {
    for offload in [false, true] {
        let switch = Switch::new(SwitchConfig { offload, ..SwitchConfig::default() }, 7);
        let [a, b, c] =
            [1, 2, 3].map(|last| stack(Ethernet::new(switch.port(), station(last)).unwrap(), last));
        transfer(&a, &b, "10.0.0.2:7", 1 << 20);
        transfer(&c, &a, "[fd00::1]:7", 1 << 20);
        let heard = c.counters().drops.of(DropReason::NotForThisStation);
        assert!(heard < 20, "c hears what is for b only until the switch knows b: {heard}");
    }
}

#[test]
fn stations_of_two_vlans_do_not_hear_each_other() {
    let switch = Switch::new(SwitchConfig::default(), 7);
    let join = |last, vlan| {
        let link = Ethernet::new(switch.port(), station(last)).unwrap();
        stack(link.with_vlan(Vlan::new(vlan).unwrap()), last)
    };
    let [a, b, c] = [join(1, 5), join(2, 5), join(3, 6)];
    transfer(&a, &b, "10.0.0.2:7", 100_000);
    let socket = UdpSocket::bind(&a, "10.0.0.1:0").unwrap();
    let _ = socket.send_to(b"hello", "10.0.0.3:9");
    let start = Instant::now();
    while c.counters().drops.of(DropReason::OtherVlan) == 0 {
        assert!(start.elapsed() < WAIT, "c sees at least the question for its address");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(c.counters().delivered, 0);
}

#[test]
fn a_ping_does_not_wait_behind_a_transfer_on_a_slow_line() {
    let (a, b) = pair(ChannelConfig::default().with_offload());
    // 8 Mbit/s towards b: without the discipline a full window of the transfer would stand before the ping.
    let line = TokenBucket::new(1_000_000, 3000, FqCodel::new(FqCodelConfig::default(), 7));
    let queued = Queued::new(a, line);
    let counters = queued.counters();
    let (a, b) = (stack(queued, 1), stack(b, 2));
    std::thread::scope(|scope| {
        scope.spawn(|| transfer(&a, &b, "10.0.0.2:7", 2 << 20));
        std::thread::sleep(Duration::from_millis(500));
        let socket = IcmpSocket::bind(&a, "0.0.0.0".parse().unwrap()).unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        let mut trips: Vec<Duration> = (0..10)
            .map(|sequence| {
                let start = Instant::now();
                socket.send_to(sequence, b"ping", "10.0.0.2".parse().unwrap()).unwrap();
                assert!(matches!(socket.recv().unwrap(), Echo::Reply(_)));
                std::thread::sleep(Duration::from_millis(20));
                start.elapsed() - Duration::from_millis(20)
            })
            .collect();
        trips.sort();
        assert!(trips[5] < Duration::from_millis(25), "{trips:?}");
    });
    assert!(counters.statistics().sent > 1400);
}
