//! What the benches share: a host, packets as links bring them, and a transport that only counts, a connection.
//!
//! The benches are in `benches/`, one file a subject; `wire-peer` in `src/bin/` is what the yardstick loads.
#![forbid(unsafe_code)]

pub mod connected;
pub mod counting;
pub mod hosts;
pub mod packets;
