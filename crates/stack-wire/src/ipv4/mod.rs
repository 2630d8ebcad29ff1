//! IPv4 packets: RFC 791, with the DS field and ECN bits of RFC 2474 and RFC 3168.
//!
//! [`Ipv4::parse`] checks every length once; after that all accessors are plain
//! loads. It does not look at the checksum: [`Ipv4::verify_checksum`] does, when
//! the device has not. Bytes behind the total length (Ethernet padding) are cut
//! off. Whether addresses make sense is the network layer's question.

use core::ops::Deref;

use zerocopy::{FromBytes, IntoBytes};

use crate::checksum::Sum;
use crate::error::WireError;

mod emit;
mod header;
mod options;

pub use emit::Emit;
pub use header::Header;
pub use options::{Options, option};

/// Octets of a header without options.
pub const MIN_HEADER_LEN: usize = 20;
/// Octets of a header with all the options that its length field can tell.
pub const MAX_HEADER_LEN: usize = 60;

/// A packet whose lengths were found right. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    header: &'a Header,
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// Reads a packet that may be followed by padding.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when the bytes end inside the header or its options,
    /// [`BadVersion`](WireError::BadVersion), [`BadHeaderLength`](WireError::BadHeaderLength) for
    /// less than five words, [`BadTotalLength`](WireError::BadTotalLength) when the total length
    /// is below the header's or above what arrived.
    #[inline]
    pub fn parse(packet: &'a [u8]) -> Result<Self, WireError> {
        let (view, behind_header) = Self::parse_header(packet)?;
        let payload = view.payload_len().and_then(|len| behind_header.get(..len));
        let payload = payload.ok_or(WireError::BadTotalLength)?;
        Ok(Self { payload, ..view })
    }

    /// Reads the front of a packet as an ICMP error quotes it: the payload may be shorter than the
    /// total length says (RFC 1122 §3.2.2).
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), except that a total length above what arrived is accepted.
    #[inline]
    pub fn parse_quoted(packet: &'a [u8]) -> Result<Self, WireError> {
        let (view, behind_header) = Self::parse_header(packet)?;
        let len = view.payload_len().ok_or(WireError::BadTotalLength)?;
        Ok(Self { payload: behind_header.get(..len).unwrap_or(behind_header), ..view })
    }

    /// Header and options, with the bytes behind them.
    #[inline]
    fn parse_header(packet: &'a [u8]) -> Result<(Self, &'a [u8]), WireError> {
        let Ok((header, rest)) = Header::ref_from_prefix(packet) else { return Err(WireError::Truncated) };
        if header.version_ihl == 0x45 {
            return Ok((Self { header, options: &[], payload: &[] }, rest));
        }
        if header.version() != 4 {
            return Err(WireError::BadVersion);
        }
        let options_len = header.header_len().checked_sub(MIN_HEADER_LEN);
        let options_len = options_len.ok_or(WireError::BadHeaderLength)?;
        let (options, rest) = rest.split_at_checked(options_len).ok_or(WireError::Truncated)?;
        Ok((Self { header, options, payload: &[] }, rest))
    }

    /// What the total length leaves behind the header.
    #[inline]
    fn payload_len(&self) -> Option<usize> {
        usize::from(self.total_len()).checked_sub(self.header_len())
    }

    /// The fixed part of the header, borrowed from the packet.
    #[inline]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// Whether the header's checksum is right (R1122-3.2.1.2-a).
    #[inline]
    pub fn verify_checksum(&self) -> bool {
        Sum::new().add_bytes(self.header.as_bytes()).add_bytes(self.options).is_valid()
    }

    /// The option area as it came, padding included.
    #[inline]
    pub const fn options_bytes(&self) -> &'a [u8] {
        self.options
    }

    /// The options as (type, data), without END and NOP.
    #[inline]
    pub const fn options(&self) -> Options<'a> {
        Options::new(self.options)
    }

    /// The payload, up to the total length.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl Deref for Ipv4<'_> {
    type Target = Header;
    #[inline]
    fn deref(&self) -> &Header {
        self.header
    }
}

#[cfg(test)]
mod tests;
