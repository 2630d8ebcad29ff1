//! Links: what interfaces stand on, and what can stand between.
//!
//! | module | feature | |
//! | --- | --- | --- |
//! | `channel` | `channel` | in memory: two ends, or one end and a port that the program drives |
//! | `loopback` | `loopback` | what is sent is received |
//! | `tun` | `tun` | Linux TUN and TAP devices |
//! | `ethernet` | `ethernet` | a decorator: Ethernet frames around IP packets |
//! | `pcap` | `pcap` | a decorator: writes what passes to a capture, with why packets were dropped |
//! | `impair` | `impair` | a decorator: delay, rate, loss, reordering, duplication, corruption |
//! | `qdisc` | `qdisc` | a decorator: queueing disciplines (fifo, token bucket, fq_codel) |
//! | `switch` | `switch` | in memory: a learning Ethernet bridge between many stacks |
//!
//! Two stacks in one process, joined by what Linux calls a veth pair, are the two ends of `channel::pair` with
//! `ChannelConfig::ethernet(..).with_offload()`, each in an `ethernet::Ethernet`. More than two meet at a `switch`.
//!
//! A link of your own implements [`LinkEndpoint`].

#[cfg(feature = "channel")]
pub use link_channel as channel;
#[cfg(feature = "ethernet")]
pub use link_ethernet as ethernet;
#[cfg(feature = "impair")]
pub use link_impair as impair;
#[cfg(feature = "loopback")]
pub use link_loopback as loopback;
#[cfg(feature = "pcap")]
pub use link_pcap as pcap;
#[cfg(feature = "qdisc")]
pub use link_qdisc as qdisc;
#[cfg(feature = "switch")]
pub use link_switch as switch;
#[cfg(feature = "tun")]
pub use link_tun as tun;

pub use stack_core::{LinkCapabilities, LinkEndpoint, LinkError, LinkReceive, LinkTransmit, Medium};
