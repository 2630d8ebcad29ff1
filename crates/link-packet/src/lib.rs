//! An interface that the kernel has (a network card, one end of a veth pair) as a link, through a packet socket
//! (`AF_PACKET`, packet(7)).
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-packet is here
//! contract   stack-core
//! ground     stack-packet  stack-wire
//! ```
//!
//! The socket sees each frame of the interface beside the kernel, and sends frames past it. With the virtio-net header
//! (`PACKET_VNET_HDR`) super-packets of up to 64 KiB pass in both directions, and nobody computes a checksum that a device
//! or the other end does not need. Frames are read and written a batch at a time (`recvmmsg`, `sendmmsg`). It takes
//! `CAP_NET_RAW` in the network namespace of the interface: an unprivileged user namespace has it.
//!
//! | file | answers |
//! | --- | --- |
//! | `config.rs`, `error.rs` | what can be asked for |
//! | `device.rs` | how an interface is found and attached to |
//! | `receive.rs`, `transmit.rs` | the two halves |
//! | `pool.rs` | the memory that a batch is read into |
//! | `vlan.rs` | the tag that the kernel has taken off a frame |
//! | `sys.rs` | system calls that need `unsafe` |
//!
//! The kernel goes on to use the interface. An interface without addresses leaves our packets alone; give the station an
//! address of its own ([`PacketConfig::station`]) where the kernel must not take our frames for its own.
//!
//! What it deliberately lacks: other operating systems; the filter of frames, which is `link-ethernet`'s; rings that are
//! shared with the kernel (`PACKET_RX_RING`), which would cost the copy that they spare as soon as packets outlive their
//! slot; several sockets on one interface (`PACKET_FANOUT`).
//!
//! ```no_run
//! use link_packet::{Packet, PacketConfig};
//! use stack_core::{Instant, LinkEndpoint};
//!
//! let link = Packet::open(&PacketConfig::interface("veth0"))?;
//! println!("{} has an MTU of {}", link.name(), link.capabilities().mtu);
//! let (mut receive, _transmit) = Box::new(link).split();
//! let mut batch = Vec::new();
//! let frames = receive.receive(Instant::ZERO, &mut batch)?;
//! println!("{frames} frames");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod config;
mod device;
mod error;
mod pool;
mod receive;
#[allow(unsafe_code, reason = "system calls whose memory the compiler can't see into")]
mod sys;
mod transmit;
mod vlan;

pub use config::{Interface, PacketConfig};
pub use device::Packet;
pub use error::PacketError;
pub use transmit::PacketCounters;
