//! A datagram to ourselves: the smallest stack that does anything.

use std::io;
use ustack::link::loopback::Loopback;
use ustack::net::UdpSocket;
use ustack::{NicConfig, Stack};

/// Sends a datagram from one port of a stack to another over its loopback link, and returns what arrives.
///
/// # Errors
/// The stack can't be made, or a socket fails.
pub fn through_loopback(datagram: &[u8]) -> io::Result<Vec<u8>> {
    let address = "10.1.0.1/24".parse().map_err(io::Error::other)?;
    let stack = Stack::builder()
        .default_protocols()
        .nic(NicConfig::new(Loopback::new()).address(address))
        .build()
        .map_err(io::Error::other)?;
    let receiver = UdpSocket::bind(&stack, "10.1.0.1:9000").map_err(io::Error::other)?;
    let sender = UdpSocket::bind(&stack, "10.1.0.1:0").map_err(io::Error::other)?;
    sender.send_to(datagram, "10.1.0.1:9000")?;
    let mut buffer = vec![0; 65_536];
    let (len, from) = receiver.recv_from(&mut buffer)?;
    assert_eq!(from, sender.local_addr()?);
    buffer.truncate(len);
    Ok(buffer)
}
