//! TUN and TAP devices of Linux as links: the kernel is the neighbour.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-tun is here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! A TUN device carries IP packets, a TAP device whole Ethernet frames (wrap it in `link-ethernet`). With the virtio-net
//! header, up to 64 KiB of TCP or UDP pass in one system call as one packet, and neither side computes checksums;
//! [`Tun::offload`] says how much of that the kernel granted. Devices are read and written without blocking; the
//! descriptor polls for both.
//!
//! | file | answers |
//! | --- | --- |
//! | `config.rs` | what can be asked for |
//! | `device.rs` | how a device is opened, adopted and configured |
//! | `offload.rs` | which offloads the kernel grants, and what is tried next if not |
//! | `receive.rs`, `transmit.rs` | the two halves |
//! | `joining.rs` | how segments of a stream become super-packets while they are read |
//! | `placing.rs` | how their text is read to where a reader waits for it |
//! | `sys.rs` | system calls that need `unsafe` |
//!
//! Addresses and routes of the kernel's side are the caller's: `ip address add 10.77.0.1/24 dev ustack0`.
//! What it deliberately lacks: other operating systems, more than one queue per `Tun`, and persistent devices of its own
//! making (it attaches to those that `ip tuntap add` made).
//!
//! ```no_run
//! use link_tun::{Tun, TunConfig};
//! use stack_core::{Instant, LinkEndpoint};
//!
//! let mut tun = Tun::create(TunConfig::tun().with_name("ustack0"))?;
//! tun.set_up()?;
//! println!("{} with {}", tun.name(), tun.offload());
//! let (mut receive, _transmit) = Box::new(tun).split();
//! let mut batch = Vec::new();
//! let packets = receive.receive(Instant::ZERO, &mut batch)?;
//! println!("{packets} packets from the kernel");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod config;
mod device;
mod error;
mod joining;
mod offload;
mod placing;
mod receive;
#[allow(unsafe_code, reason = "system calls whose memory the compiler can't see into")]
mod sys;
#[cfg(test)]
mod testing;
mod transmit;

pub use config::{Mode, TunConfig};
pub use device::Tun;
pub use error::TunError;
pub use offload::Offload;
pub use transmit::TunCounters;
