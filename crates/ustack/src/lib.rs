//! A TCP/IP stack in user space: `ping`, `curl` and `iperf3` talk to it over a TUN device, and the same sockets work
//! without device and without root, between two stacks in one process.
//!
#![cfg_attr(all(feature = "ipv4", feature = "tcp", feature = "channel"), doc = "```")]
#![cfg_attr(not(all(feature = "ipv4", feature = "tcp", feature = "channel")), doc = "```ignore")]
//! use std::io::{Read, Write};
//! use ustack::link::channel::{ChannelConfig, pair};
//! use ustack::net::{TcpListener, TcpStream};
//! use ustack::{NicConfig, Stack};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (left, right) = pair(ChannelConfig::default());
//! let server = Stack::builder()
//!     .default_protocols()
//!     .nic(NicConfig::new(left).address("10.0.0.1/24".parse()?))
//!     .build()?;
//! let client = Stack::builder()
//!     .default_protocols()
//!     .nic(NicConfig::new(right).address("10.0.0.2/24".parse()?))
//!     .build()?;
//!
//! let listener = TcpListener::bind(&server, "10.0.0.1:7")?;
//! let thread = std::thread::spawn(move || -> std::io::Result<()> {
//!     let (mut stream, _) = listener.accept()?;
//!     stream.write_all(b"hello")
//! });
//! let mut answer = String::new();
//! TcpStream::connect(&client, "10.0.0.1:7")?.read_to_string(&mut answer)?;
//! assert_eq!(answer, "hello");
//! # thread.join().expect("the server does not panic")?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | | |
//! | --- | --- |
//! | [`Stack`], [`StackBuilder`], [`NicConfig`] | making a stack; interfaces, addresses, routes |
//! | [`net`] | blocking sockets, shaped like `std::net` |
//! | `tokio` (feature) | async sockets, shaped like `tokio::net` |
//! | [`link`] | what interfaces stand on: TUN and TAP, in-memory channels, decorators |
//! | `filter` (feature) | packet filter, connection tracking, NAT |
//! | [`host`] | the single-owner object behind a stack, for a loop of your own |
//! | [`contract`] | the traits to implement for a protocol or a link of your own |
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack                              you are here
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*
//! parts      stack-datagram
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! # Three ways to run an application
//!
//! - **With threads of its own**, blocking or on tokio, while the stack's driver thread moves packets. Nothing to
//!   think about; a request pays for a hop between threads, about 10 µs. A thread that is the only one to come and go,
//!   because it asks and waits for the answer, or reads a stream, moves the packets itself and spares the hop.
//! - **Inline**: [`Stack::run_inline`] runs futures on the driver's turn, between receive and transmit. The fastest for
//!   requests and answers.
//! - **In a loop of your own** around a [`host::Host`], without any thread.
//!
//! # Features
//!
//! Features select crates and nothing else: `ipv4`, `ipv6`, `arp`, `tcp`, `udp`, `icmp`, `loopback`, `channel` (the
//! default), and `raw`, `filter`, `tun`, `packet`, `xdp`, `ethernet`, `pcap`, `impair`, `qdisc`, `switch`, `tokio`. A
//! stack of some of them:
//! `ustack = { version = "0.1", default-features = false, features = ["ipv4", "udp", "loopback"] }`.
//!
//! # What it lacks
//!
//! Systems other than Linux: the driver sleeps in `poll(2)` with an eventfd. Names are looked up by `svc-dns`, a crate of
//! its own above this one.
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "tcp", feature = "udp", feature = "icmp", feature = "tokio")),
    allow(
        dead_code,
        unused_imports,
        reason = "a selection of features uses a part of what all sockets share"
    )
)]

/// The README's example is run with the examples of this documentation.
#[cfg(all(doctest, feature = "ipv4", feature = "tcp", feature = "channel"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub mod api_map;
mod builder;
mod driver;
mod error;
#[cfg(any(feature = "tcp", feature = "udp"))]
mod forward;
mod interfaces;
pub mod link;
mod link_drops;
mod lock;
mod multicast;
pub mod net;
mod nic;
mod registry;
mod shared;
mod source;
mod stack;
mod sys;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use builder::StackBuilder;
pub use driver::inline::{NotInline, spawn_inline};
pub use error::{AcceptError, AddressError, BindError, BuildError, ConnectError, NicError, SocketError};
pub use nic::NicConfig;
pub use registry::{SharedPathMtus, SharedPorts};
pub use source::{RandomError, SystemClock, SystemRng};
pub use stack::Stack;

/// The traits to implement for a protocol or a link of your own, and the words that they need.
pub use stack_core as contract;
pub use stack_core::{
    AddressState, Clock, DropReason, EcnFeedback, EcnPolicy, Error, Instant, IpNet, LinkAddress, MtuProbing,
    NetworkEvent, NicId, OptionName, Rng, RoutePreference, RouteQuery, SocketOption,
};
/// What can be chosen about IGMP and MLD, in `Ipv4Config::igmp` and `Ipv6Config::mld`.
pub use stack_group::{GroupConfig, Version as GroupVersion};
/// The single-owner object behind a stack: no link, no clock, no lock, no thread.
pub use stack_host as host;
pub use stack_host::{
    Counters, HostConfig, MulticastOutput, MulticastRoute, MulticastRouteInfo, Neighbor, NicCounters,
    NicInfo, Policies, Policy, Route, RouteEntry, RouteOrder,
};

#[cfg(feature = "arp")]
pub use net_arp::{Arp, ArpConfig, ConflictPolicy};
/// Rules, connection tracking and address translation: a hook for [`Stack::add_hook`].
#[cfg(feature = "filter")]
pub use net_filter as filter;
#[cfg(feature = "ipv4")]
pub use net_ipv4::{Ipv4, Ipv4Config};
#[cfg(feature = "ipv6")]
pub use net_ipv6::{
    AdvertisedPrefix, AdvertisedRoute, Identifiers, Ipv6, Ipv6Config, NdConfig, RouterConfig, SlaacConfig,
};
#[cfg(feature = "icmp")]
pub use trans_icmp::{EchoReply, EchoReport, Icmp, IcmpConfig, IcmpCounters};
#[cfg(feature = "raw")]
pub use trans_raw::{
    EtherTypes, Frame, IPPROTO_RAW, IcmpFilter, PacketMode, PacketType, Raw, RawConfig, RawCounters,
    RawMessage, SendFrame,
};
#[cfg(feature = "tcp")]
pub use trans_tcp::congestion::{Algorithm as Congestion, UnknownAlgorithm};
#[cfg(feature = "tcp")]
pub use trans_tcp::{
    AccurateEcnInfo, CloseReason, FastOpen, ForwarderConfig as TcpForwarderConfig, MemoryLimits,
    State as TcpState, SynCookies, Tcp, TcpConfig, TcpCounters, TcpEntry, TcpInfo,
};
#[cfg(feature = "udp")]
pub use trans_udp::{ForwarderConfig as UdpForwarderConfig, Udp, UdpConfig, UdpCounters};
