//! Two protocols made on the contract alone: [`Courier`] carries packets between hosts under EtherType 0x88B5, which
//! IEEE 802 keeps for local experiments, and [`Parcel`] carries messages between ports under number 253, which RFC 3692
//! keeps for the same. A stack takes them through its builder like its own.
#![forbid(unsafe_code)]

mod courier;
mod parcel;

pub use courier::Courier;
pub use parcel::Parcel;
