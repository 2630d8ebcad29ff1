//! Proof that ground, contract, parts, protocols and conductor need no std.
//!
//! `cargo xtask deps` builds this crate as a static library under the profile
//! `nostd`, which sets `panic = "abort"`. That turns on a panic handler and a
//! global allocator of our own. If a crate below links std, std's handler
//! collides with this one and the build fails with E0152.
//!
//! In every other build, where panics unwind, this is an ordinary small
//! library without handler or allocator, so that `cargo build --workspace`,
//! tests and clippy treat it like its neighbours.
//!
//! Left out: `link-tun`, `link-packet` and `link-xdp`, which need an
//! operating system, and
//! `link-pcap`, which writes files.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

#[cfg(panic = "abort")]
mod freestanding;

use alloc::boxed::Box;
use core::mem::size_of_val;

use link_channel as _;
use link_ethernet as _;
use link_impair as _;
use link_loopback as _;
use link_qdisc as _;
use link_switch as _;
use net_arp as _;
use net_filter as _;
use net_ipv4 as _;
use net_ipv6 as _;
use stack_core as _;
use stack_datagram as _;
use stack_group as _;
use stack_host as _;
use stack_packet as _;
use stack_wire as _;
use trans_icmp as _;
use trans_raw as _;
use trans_tcp as _;
use trans_udp as _;

/// Links every crate into the library; returns a figure that depends on them.
#[cfg_attr(panic = "abort", expect(unsafe_code, reason = "an exported symbol"), unsafe(no_mangle))]
pub extern "C" fn ustack_nostd_proof() -> usize {
    let boxed = Box::new(0_u64);
    size_of_val(&*boxed)
}
