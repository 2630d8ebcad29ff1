//! TCP segments: RFC 9293 §3.1, with the ECN flags of RFC 3168 and the AE flag of RFC 9768.
//!
//! [`Tcp::parse`] checks the data offset; the option area is handed out as bytes
//! for [`TcpOptions::parse`](crate::tcp_options::TcpOptions::parse). It does not
//! look at the checksum: [`Tcp::verify_checksum`] does, when the device has not.

use core::ops::Deref;

use zerocopy::{FromBytes, IntoBytes};

use crate::checksum::Sum;
use crate::error::WireError;
use crate::seq::SeqNum;

mod emit;
mod flags;
mod header;

pub use emit::Emit;
pub use flags::Flags;
pub use header::Header;

/// Octets of a header without options.
pub const MIN_HEADER_LEN: usize = 20;
/// Octets of a header with all the options that its length field can tell.
pub const MAX_HEADER_LEN: usize = 60;
/// Octets of the largest option area.
pub const MAX_OPTIONS_LEN: usize = MAX_HEADER_LEN - MIN_HEADER_LEN;
/// Where in the header the checksum lies: what a device wants to know that completes it.
pub const CHECKSUM_OFFSET: usize = 16;

/// A segment whose data offset was found right. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Tcp<'a> {
    header: &'a Header,
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Tcp<'a> {
    /// Reads a segment: the whole payload of an IP packet.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when the bytes end inside the header or its options,
    /// [`BadHeaderLength`](WireError::BadHeaderLength) for a data offset below five words.
    #[inline]
    pub fn parse(segment: &'a [u8]) -> Result<Self, WireError> {
        let Ok((header, rest)) = Header::ref_from_prefix(segment) else { return Err(WireError::Truncated) };
        let options_len = header.header_len().checked_sub(MIN_HEADER_LEN);
        let options_len = options_len.ok_or(WireError::BadHeaderLength)?;
        let (options, payload) = rest.split_at_checked(options_len).ok_or(WireError::Truncated)?;
        Ok(Self { header, options, payload })
    }

    /// The fixed part of the header, borrowed from the segment.
    #[inline]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// The option area as it came, padding included.
    #[inline]
    pub const fn options_bytes(&self) -> &'a [u8] {
        self.options
    }

    /// The text of the segment.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// SEG.LEN: octets of text, plus one for SYN and one for FIN (RFC 9293 §3.4).
    #[inline]
    pub const fn segment_len(&self) -> u32 {
        self.payload.len() as u32 + self.header.flags().sequence_len()
    }

    /// Whether the checksum is right (R9293-MUST-3); `pseudo` is the sum of the pseudo-header.
    #[inline]
    pub fn verify_checksum(&self, pseudo: Sum) -> bool {
        let mut sum = pseudo;
        sum.add_bytes(self.header.as_bytes()).add_bytes(self.options).add_bytes(self.payload).is_valid()
    }
}

impl Deref for Tcp<'_> {
    type Target = Header;
    #[inline]
    fn deref(&self) -> &Header {
        self.header
    }
}

/// The first eight octets of a header: all that an ICMP error is bound to quote (RFC 792).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Source port of the quoted segment.
    pub src_port: u16,
    /// Destination port of the quoted segment.
    pub dst_port: u16,
    /// Sequence number of the quoted segment.
    pub seq: SeqNum,
}

impl Quoted {
    /// Reads what an ICMP error quotes of a segment; `None` below eight octets.
    pub fn parse(quoted: &[u8]) -> Option<Self> {
        let ([s0, s1, d0, d1, seq @ ..], _) = quoted.split_first_chunk::<8>()?;
        Some(Self {
            src_port: u16::from_be_bytes([*s0, *s1]),
            dst_port: u16::from_be_bytes([*d0, *d1]),
            seq: SeqNum(u32::from_be_bytes(*seq)),
        })
    }
}

#[cfg(test)]
mod tests;
