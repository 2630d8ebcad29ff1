//! The loads, one file each, and what they share.

pub mod bulk;
pub mod connect;
pub mod datagram;
pub mod idle;
pub mod request;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::thread;
use std::time::Duration;

use crate::sys;

/// Attempts of a load's first connect; the peer may just have come up.
const ATTEMPTS: usize = 3;

/// The local addresses that connections come from, in turn: one address has
/// too few ports for many connections to one port of the peer.
#[derive(Clone)]
pub struct Sources(Vec<Ipv4Addr>);

impl Sources {
    pub fn any() -> Self {
        Self(Vec::new())
    }

    pub fn new(addresses: Vec<Ipv4Addr>) -> Self {
        Self(addresses)
    }

    fn nth(&self, number: usize) -> Option<Ipv4Addr> {
        self.0.get(number.checked_rem(self.0.len())?).copied()
    }
}

fn connect(address: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let to = SocketAddrV4::new(address, port);
    for _ in 1..ATTEMPTS {
        if let Ok(stream) = sys::connect(to, None) {
            return Ok(stream);
        }
        thread::sleep(Duration::from_millis(20));
    }
    sys::connect(to, None)
}
