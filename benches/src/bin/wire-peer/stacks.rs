//! The stack of the modes that have sockets.

use crate::device::Device;
use crate::services::{ADDRESS, PREFIX, UDP_BUFFER};
use net_arp::Arp;
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::IpNet;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use trans_tcp::{Tcp, TcpConfig};
use trans_udp::{Udp, UdpConfig};
use ustack::{NicConfig, Stack};

/// A stack on the device, with its own thread.
pub(crate) fn stack(device: Device) -> Result<Stack, Box<dyn Error>> {
    let address = IpNet::new(ADDRESS.into(), PREFIX)?;
    let builder = Stack::builder()
        .network(Ipv4::new(Ipv4Config::default()))
        .network(Arp::default())
        .transport(Tcp::new(TcpConfig { no_delay: true, ..TcpConfig::default() }))
        .transport(Udp::new(UdpConfig { receive_buffer: UDP_BUFFER, ..UdpConfig::default() }))
        .nic(NicConfig::new(device.link).address(address));
    Ok(builder.build()?)
}

/// A port of ours, on any address.
pub(crate) fn any(port: u16) -> SocketAddr {
    (Ipv4Addr::UNSPECIFIED, port).into()
}
