//! Why bytes are not the header that a parser was asked for.
//!
//! One closed enum for all protocols. Every variant means "drop this packet";
//! which one it is only selects the counter. A checksum is never looked at by
//! a parser (the device may vouch for it), so `BadChecksum` comes only from the
//! functions whose name says that they verify.

use thiserror::Error;

/// The reason for which a parser refuses a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum WireError {
    /// The bytes end before the header does.
    #[error("the bytes end inside the header")]
    Truncated,
    /// The IP version field is not that of the protocol asked for.
    #[error("wrong version field")]
    BadVersion,
    /// A header-length field is below the protocol's minimum.
    #[error("header length below the minimum of the protocol")]
    BadHeaderLength,
    /// A length field covers less than the header or more than the bytes that arrived.
    #[error("length field disagrees with the bytes that arrived")]
    BadTotalLength,
    /// The checksum does not match.
    #[error("checksum mismatch")]
    BadChecksum,
    /// A type field names something that the protocol allows and this crate does not read
    /// (ARP for hardware other than Ethernet or protocols other than IPv4).
    #[error("unsupported hardware or protocol type")]
    Unsupported,
}
