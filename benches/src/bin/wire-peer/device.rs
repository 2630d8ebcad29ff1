//! What the stack is attached to: a TUN or TAP device, or an interface of the kernel's through a packet socket.

use link_ethernet::Ethernet;
use link_packet::{Packet, PacketConfig};
use link_tun::{Tun, TunConfig};
use rustix::fd::{AsFd, OwnedFd};
use stack_core::{LinkAddress, LinkEndpoint};
use std::error::Error;

/// Our station on Ethernets.
const STATION: LinkAddress = LinkAddress([2, 0, 0, 9, 0, 2]);

/// How to attach.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Attach {
    /// A TUN device: IP packets
    Tun,
    /// A TAP device: Ethernet frames
    Tap,
    /// An interface of the kernel's, such as one end of a veth pair
    Packet,
}

/// A link, and a descriptor to wait for.
pub(crate) struct Device {
    pub(crate) link: Box<dyn LinkEndpoint>,
    pub(crate) name: String,
    pub(crate) descriptor: OwnedFd,
}

impl Device {
    pub(crate) fn open(
        name: &str,
        attach: Attach,
        batch: usize,
        offload: bool,
    ) -> Result<Self, Box<dyn Error>> {
        let (link, descriptor): (Box<dyn LinkEndpoint>, _) = match attach {
            Attach::Tun => {
                let tun = Tun::create(TunConfig::tun().with_name(name).with_offload(offload))?;
                let descriptor = tun.as_fd().try_clone_to_owned()?;
                (Box::new(tun), descriptor)
            }
            Attach::Tap => {
                let tap = Tun::create(TunConfig::tap().with_name(name).with_offload(offload))?;
                let descriptor = tap.as_fd().try_clone_to_owned()?;
                (Box::new(Ethernet::new(tap, STATION)?), descriptor)
            }
            Attach::Packet => {
                let config = PacketConfig::interface(name)
                    .with_station(STATION)
                    .with_offload(offload)
                    .with_batch(batch);
                let packet = Packet::open(&config)?;
                let descriptor = packet.as_fd().try_clone_to_owned()?;
                (Box::new(Ethernet::new(packet, STATION)?), descriptor)
            }
        };
        Ok(Self { link, name: name.to_owned(), descriptor })
    }
}
