//! ICMP echo sockets: ping, and the way to somewhere.

mod common;

use common::two_stacks;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;
use ustack::link::channel::ChannelConfig;
use ustack::net::{Echo, IcmpSocket};

fn ping(address: &str, any: &str) {
    let (a, _b) = two_stacks(ChannelConfig::default());
    let socket = IcmpSocket::bind(&a, any.parse().unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let to: IpAddr = address.parse().unwrap();
    for (sequence, len) in [(1, 0), (2, 56), (3, 1400), (4, 4000)] {
        let payload = common::noise(sequence, len);
        socket.send_to(sequence as u16, &payload, to).unwrap();
        let Echo::Reply(reply) = socket.recv().unwrap() else { panic!("no reply to {sequence}") };
        assert_eq!((reply.from.ip(), reply.sequence), (to, sequence as u16));
        assert_eq!(reply.payload, payload);
    }
}

#[test]
fn ping_over_ipv4() {
    ping("10.0.0.2", "0.0.0.0");
}

#[test]
fn ping_over_ipv6() {
    ping("fd00::2", "::");
}

#[test]
fn a_socket_without_an_answer_times_out() {
    let (a, _b) = two_stacks(ChannelConfig::default());
    let socket = IcmpSocket::bind(&a, "0.0.0.0".parse().unwrap()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(30))).unwrap();
    socket.send_to(1, b"", "10.0.0.99".parse().unwrap()).unwrap();
    assert_eq!(socket.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(socket.send_to(1, b"", "192.0.2.1".parse().unwrap()).is_err(), "there is no route");
}
