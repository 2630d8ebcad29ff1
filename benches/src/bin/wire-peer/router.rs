//! Our stack as a router between two TUN devices, the second one in another namespace: no sockets, only packets that are
//! not for us.

use link_tun::{Tun, TunConfig};
use rustix::fs::{Mode, OFlags, open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use stack_core::IpNet;
use stack_host::RouteEntry;
use std::error::Error;
use std::os::fd::AsFd;
use ustack::{NicConfig, NicId, Stack};

/// The client's side, and the server's, behind the second device.
const CLIENTS: &str = "10.9.0.0/8";
const SERVER: &str = "10.9.0.2/32";
/// Ours, for errors.
const OURS: [&str; 2] = ["10.8.0.1/32", "10.8.0.2/32"];

/// Routes until it is killed.
pub(crate) fn run(here: Tun, device: &str, namespace: &str, offload: bool) -> Result<(), Box<dyn Error>> {
    let path = format!("/run/netns/{namespace}");
    let other = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    move_into_link_name_space(other.as_fd(), Some(LinkNameSpaceType::Network))?;
    let there = Tun::create(TunConfig::tun().with_name(device).with_offload(offload))?;
    let nic = |link, id, address: &str| -> Result<NicConfig, Box<dyn Error>> {
        Ok(NicConfig::new(link).id(NicId(id)).address(address.parse()?).forwarding(true).own_thread(true))
    };
    let stack = Stack::builder()
        .default_protocols()
        .nic(nic(here, 1, OURS[0])?)
        .nic(nic(there, 2, OURS[1])?)
        .build()?;
    for (destination, id) in [(CLIENTS, 1), (SERVER, 2)] {
        stack.add_route(RouteEntry::new(destination.parse::<IpNet>()?.trunc(), NicId(id)))?;
    }
    println!("ready");
    loop {
        std::thread::park();
    }
}
