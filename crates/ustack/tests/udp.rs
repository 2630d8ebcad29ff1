//! UDP through blocking sockets, between two stacks and within one.

use std::time::{Duration, Instant};
use ustack::link::channel::{ChannelConfig, pair};
use ustack::net::UdpSocket;
use ustack::{NicConfig, Stack};

fn two_stacks() -> (Stack, Stack) {
    let (a, b) = pair(ChannelConfig::default());
    (stack(a, "10.0.0.1/24"), stack(b, "10.0.0.2/24"))
}

fn stack(link: ustack::link::channel::ChannelLink, address: &str) -> Stack {
    let nic = NicConfig::new(link).address(address.parse().unwrap());
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

#[test]
fn datagrams_cross_between_two_stacks() {
    let (a, b) = two_stacks();
    let server = UdpSocket::bind(&b, "10.0.0.2:7").unwrap();
    let echo = std::thread::spawn(move || {
        for _ in 0..100 {
            let (datagram, from) = server.recv_bytes().unwrap();
            server.send_to(&datagram, from).unwrap();
        }
    });
    let client = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
    client.connect("10.0.0.2:7").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    for n in 0..100_usize {
        let question = vec![n as u8; n * 14];
        client.send(&question).unwrap();
        let mut answer = [0; 2000];
        let len = client.recv(&mut answer).unwrap();
        assert_eq!(&answer[..len], question);
    }
    echo.join().unwrap();
}

#[test]
fn a_receive_ends_after_its_timeout() {
    let (a, _b) = two_stacks();
    let socket = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let start = Instant::now();
    let error = socket.recv(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_closed_port_is_told_to_a_connected_socket() {
    let (a, _b) = two_stacks();
    let socket = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
    socket.connect("10.0.0.2:9").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send(b"anybody there?").unwrap();
    let error = socket.recv(&mut [0; 10]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{error}");
}
