//! Super-packets out of ordinary ones (GRO): what a link that delivers no super-packets is spared further up.
//!
//! ```text
//! conductor  stack-host
//! protocols  link-*  net-*  trans-*
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro      you are here
//! ```
//!
//! Consecutive TCP segments of a flow become one packet if a sender could have handed them to its link as one: text
//! without a gap, all but the last of one size, everything else in the headers equal. The whole way up is then walked
//! once. Checksums are verified first, so that a bad segment stays alone and is found where it always is.
//! RFC 9293 §3.8.6.2.2 lets a receiver look at several segments before it answers.
//!
//! | question | file |
//! | --- | --- |
//! | what does a packet look like from here? | `segment.rs` |
//! | which segment goes on where another ended? | `run.rs`, `pattern.rs` |
//! | what of a batch that has been read belongs together? | `batch.rs` |
//!
//! There are two users. A link that reads packet by packet asks [`Run`] while it reads, and puts the text of a segment
//! right behind that of the one before, or where a reader waits for it ([`Segment::is_at`]); the host gathers with
//! [`coalesce`] what links have not.
//!
//! ECN fields and flags are equal, too: a mark or a count that changes begins a new super-packet, and so does CWR, which
//! stands on one segment (RFC 3168 §6.1.2, RFC 9768 §3.2.2).
//!
//! Left out: packets with IP options or extension headers, fragments, segments with SYN, FIN, RST or URG, UDP; nothing
//! passes the former. Who may be given super-packets is not asked here.
//!
//! Invariants: the packets of a flow keep their order; a super-packet holds at most 65,535 bytes.
//!
//! ```
//! use stack_gro::{Look, Run, look};
//! # let frames: [&[u8]; 2] = [&[0; 40], &[0; 40]];
//!
//! if let Look::Text(segment) = look(frames[0], frames[0].len(), 0, 0x0800) {
//!     let run = Run::of(frames[0], segment);
//!     println!("the second goes on: {}", run.follower(frames[1]).is_some());
//! }
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

mod batch;
mod pattern;
mod run;
mod segment;
#[cfg(test)]
mod tests;

pub use batch::coalesce;
pub use run::Run;
pub use segment::{Look, MAX_HEADERS, Segment, look};
