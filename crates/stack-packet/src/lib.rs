//! Packets and the memory under them: what a link hands up, what it is handed down, and what a byte stream is made of.
//!
//! Ground layer: knows no protocol, no trait of the contract, no clock.
//!
//! - [`RxPacket`] / [`RxBatch`]: an inbound packet, parsed once and annotated in place while it climbs.
//! - [`TxPacket`] / [`TxBatch`]: an outbound packet, built where it will lie: inline headroom, then a few [`Bytes`](bytes::Bytes).
//! - [`RxArena`]: blocks that inbound packets are read into, reclaimed and never zeroed again.
//! - [`Rope`]: an ordered byte sequence of shared pieces, the payload of sockets.
//! - [`Placement`]: memory of a reader's that a link may put text into.
//! - [`RangeSet`]: ordered, non-overlapping ranges, for reassembly and scoreboards.
//! - [`vnet`]: the virtio-net header, in which kernels and we say what an offloaded packet is.
//! - [`Instant`], [`NicId`], [`LinkAddress`], …: the few words that packets carry about themselves.
//!
//! ```
//! use stack_packet::{TxBatch, Rope};
//!
//! let mut payload = Rope::new();
//! payload.write(b"hello");
//! let mut batch = TxBatch::new();
//! let packet = batch.slot();
//! payload.copy_to_packet(0, 5, packet);
//! packet.prepend(8).expect("an empty packet has headroom").copy_from_slice(&[0; 8]);
//! assert_eq!(packet.len(), 13);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod arena;
mod batch;
mod fragment;
mod ident;
mod meta;
mod placement;
mod ranges;
mod reassembly;
mod rope;
mod rx;
mod time;
mod tx;
pub mod vnet;

pub use arena::{BIG_BLOCK, RxArena, SMALL_BLOCK};
pub use batch::{RxBatch, TxBatch};
pub use ident::Idents;
pub use meta::{Cast, Checksum, Hop, IpMeta, Layer, LinkAddress, NicId, ParseLinkAddressError, Token};
pub use placement::{Placement, StreamPosition};
pub use ranges::{Range, RangeSet};
pub use reassembly::{
    DATAGRAM_COST, Fragment, FragmentLoss, MAX_FRAGMENTS, PIECE_COST, Reassembly, ReassemblyLimits, Whole,
};
pub use rope::Rope;
pub use rx::{RxMeta, RxPacket};
pub use time::Instant;
pub use tx::{HEADROOM, MAX_PIECES, TxPacket};
