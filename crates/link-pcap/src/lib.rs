//! Captures the traffic of a link into a pcapng file, with the reason beside each packet that the stack dropped.
//!
//! ```text
//! tools      ustack-cli  stack-testkit  benches  xtask
//! shell      ustack
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*              link-pcap is here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! A [`Capture`] is one file; [`Pcap`] wraps a link and records both directions into it, as one interface; an
//! [`Interface`] is recorded on by hand. Several links may share a file: Wireshark reads any mixture, tcpdump only those in which all carry IP or all carry Ethernet. Stamps
//! are those of the stack's clock in nanoseconds, plus the epoch that the caller gives.
//!
//! What arrives is written when the link is read the next time: by then the host has told what became of it
//! ([`LinkReceive::outcome`](stack_core::LinkReceive::outcome)), and a dropped packet has the comment
//! `dropped: bad-transport-checksum` or whatever the [`DropReason`](stack_core::DropReason) was. What leaves is recorded
//! when the link has taken it. Super-packets are recorded whole; checksums that a device was to complete are complete in
//! the capture.
//!
//! A capture never disturbs the traffic: if writing fails it stops, and counts what it misses ([`Capture::statistics`]).
//! Wrap the link nearest to the wire: `Ethernet::new(Pcap::new(tap, ..)?, ..)` records whole frames.
//! What it deliberately lacks: a filter, rotation of files, and the old pcap format.
//!
//! ```
//! use bytes::Bytes;
//! use core::time::Duration;
//! use link_channel::{ChannelConfig, injector};
//! use link_pcap::{Capture, CaptureConfig, Pcap};
//! use stack_core::{DropReason, Instant, LinkEndpoint};
//!
//! let path = std::env::temp_dir().join(format!("link-pcap-example-{}.pcapng", std::process::id()));
//! let epoch = Duration::from_secs(1_700_000_000);
//! let capture = Capture::create(&path, CaptureConfig::new(epoch))?;
//! let (link, port) = injector(ChannelConfig::default());
//! let (mut receive, _transmit) = Box::new(Pcap::new(link, &capture, "example0")?).split();
//!
//! port.inject_bytes(Bytes::from_static(b"\x45 not much of a packet"))?;
//! let mut batch = Vec::new();
//! receive.receive(Instant::from_millis(5), &mut batch)?;
//! receive.outcome(batch[0].meta.token, DropReason::Truncated);
//! capture.flush();
//!
//! assert_eq!(capture.statistics().packets, 1);
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod capture;
mod format;
mod interface;
mod link;
mod record;

pub use capture::{Capture, CaptureConfig, CaptureStatistics};
pub use interface::Interface;
pub use link::{Pcap, PcapError};
