//! One queue of an interface as a link, through an AF_XDP socket: frames come and go by rings that are shared with the
//! kernel, past its network stack.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-xdp is here
//! contract   stack-core
//! ground     stack-packet  stack-wire
//! ```
//!
//! A program of six instructions on the interface hands each frame of the queue to the socket, and with it takes it away
//! from the kernel; it goes with the link. Frames lie in memory of a fixed size (UMEM): the kernel copies them there, and
//! we copy them out, so that no packet that an application holds can keep a frame from the interface. Where nothing has
//! to be woken, a batch costs one system call or none.
//!
//! | file | answers |
//! | --- | --- |
//! | `config.rs`, `error.rs` | what can be asked for |
//! | `device.rs` | how a socket is made and the program attached |
//! | `program.rs` | the program, instruction by instruction |
//! | `receive.rs`, `transmit.rs` | the two halves |
//! | `sys/` | shared memory, rings and `bpf(2)`: what needs `unsafe` |
//!
//! It takes `CAP_NET_RAW`, `CAP_NET_ADMIN` and `CAP_BPF`. A veth pair passes frames with incomplete checksums and
//! super-packets between its ends, neither of which an AF_XDP socket knows: `ethtool -K PEER tx off` at the other end.
//!
//! What it deliberately lacks: zero copy and programs in the driver (native mode), which need drivers that could not be
//! tested with, as real network cards could not at all; frames in several buffers; several queues; checksum offload.
//!
//! ```no_run
//! use link_xdp::{Xdp, XdpConfig};
//! use stack_core::{Instant, LinkEndpoint};
//!
//! let link = Xdp::open(&XdpConfig::new("veth0", "02:00:00:00:00:02".parse()?))?;
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
mod program;
mod receive;
#[allow(unsafe_code, reason = "memory that is shared with the kernel, and a system call without a wrapper")]
mod sys;
mod transmit;

pub use config::XdpConfig;
pub use device::{Xdp, XdpCounters};
pub use error::XdpError;
