//! UDP headers: RFC 768, RFC 1122 §4.1.3.4, RFC 8200 §8.1.
//!
//! The length field decides how far a datagram reaches: more than the IP payload
//! is an error, less is cut off. A length of zero (jumbograms, RFC 2675) is an
//! error. Whether a missing checksum is acceptable depends on the IP version,
//! so [`Udp::checksum`] answers with three values and the caller decides.

use core::ops::Deref;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Sum;
use crate::error::WireError;

/// Octets of a header.
pub const HEADER_LEN: usize = 8;
/// Where in the header the checksum lies: what a device wants to know that completes it.
pub const CHECKSUM_OFFSET: usize = 6;

/// A header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Source port; 0 when no answer is expected.
    pub src_port: U16,
    /// Destination port.
    pub dst_port: U16,
    /// Octets of header and payload.
    pub length: U16,
    /// Checksum of pseudo-header, header and payload; 0 when the sender made none.
    pub checksum: U16,
}

impl Header {
    /// The header at the front of `datagram`, for changes in place; nothing is checked but the size.
    #[inline]
    pub fn from_bytes_mut(datagram: &mut [u8]) -> Option<&mut Self> {
        Self::mut_from_prefix(datagram).ok().map(|(header, _)| header)
    }

    /// Source port.
    #[inline]
    pub const fn src_port(&self) -> u16 {
        self.src_port.get()
    }

    /// Destination port.
    #[inline]
    pub const fn dst_port(&self) -> u16 {
        self.dst_port.get()
    }

    /// Octets of header and payload, as the header tells.
    #[inline]
    pub const fn length(&self) -> u16 {
        self.length.get()
    }
}

/// What the checksum field of a datagram is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It matches.
    Correct,
    /// The sender made none: accepted on IPv4 (R1122-4.1.3.4-a), refused on IPv6 (R8200-8.1-a).
    Absent,
    /// It does not match: the datagram is dropped in silence.
    Wrong,
}

/// A datagram whose length was found right. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Udp<'a> {
    /// Reads a datagram: the whole payload of an IP packet (R768-a).
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) below eight octets,
    /// [`BadTotalLength`](WireError::BadTotalLength) when the length is below eight or above what
    /// arrived.
    #[inline]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, WireError> {
        let Ok((header, rest)) = Header::ref_from_prefix(datagram) else { return Err(WireError::Truncated) };
        let len = usize::from(header.length()).checked_sub(HEADER_LEN);
        let payload = len.and_then(|len| rest.get(..len)).ok_or(WireError::BadTotalLength)?;
        Ok(Self { header, payload })
    }

    /// The header, borrowed from the datagram.
    #[inline]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// The payload, up to the length.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// What the checksum is worth; `pseudo` is the sum of a pseudo-header made with
    /// [`length`](Header::length).
    #[inline]
    pub fn checksum(&self, pseudo: Sum) -> Checksum {
        if self.header.checksum.get() == 0 {
            return Checksum::Absent;
        }
        let mut sum = pseudo;
        let valid = sum.add_bytes(self.header.as_bytes()).add_bytes(self.payload).is_valid();
        if valid { Checksum::Correct } else { Checksum::Wrong }
    }
}

impl Deref for Udp<'_> {
    type Target = Header;
    #[inline]
    fn deref(&self) -> &Header {
        self.header
    }
}

/// Source and destination port at the front of a UDP or TCP header; `None` below four octets.
#[inline]
pub fn parse_ports(transport: &[u8]) -> Option<(u16, u16)> {
    let (&[s0, s1, d0, d1], _) = transport.split_first_chunk()?;
    Some((u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])))
}

/// The values of a header to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Emit {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Octets that follow the header.
    pub payload_len: usize,
}

impl Emit {
    /// Writes the header with its checksum to the front of `out` and returns its length (8).
    ///
    /// `covered` is the sum of all else that the checksum covers: pseudo-header, then payload.
    /// Returns 0 and writes nothing when `out` is too short or the datagram exceeds 65535 octets.
    #[inline]
    pub fn write(&self, out: &mut [u8], covered: Sum) -> usize {
        self.write_with(out, |header| match Sum::new().add_bytes(header).add_sum(covered).finish() {
            0 => 0xffff, // R768-b: zero would mean that there is none
            sum => sum,
        })
    }

    /// As [`write`](Self::write), for a device that completes the checksum: the field holds the
    /// sum of the pseudo-header, not complemented.
    #[inline]
    pub fn write_partial(&self, out: &mut [u8], pseudo: Sum) -> usize {
        self.write_with(out, |_| pseudo.folded())
    }

    /// As [`write`](Self::write), without a checksum: only for IPv4, and when the user asks for it.
    #[inline]
    pub fn write_without_checksum(&self, out: &mut [u8]) -> usize {
        self.write_with(out, |_| 0)
    }

    #[inline]
    fn write_with(&self, out: &mut [u8], checksum: impl FnOnce(&[u8]) -> u16) -> usize {
        let length = self.payload_len.checked_add(HEADER_LEN).and_then(|len| u16::try_from(len).ok());
        let (Some(length), Ok((header, _))) = (length, Header::mut_from_prefix(out)) else { return 0 };
        *header = Header {
            src_port: U16::new(self.src_port),
            dst_port: U16::new(self.dst_port),
            length: U16::new(length),
            checksum: U16::ZERO,
        };
        header.checksum.set(checksum(header.as_bytes()));
        HEADER_LEN
    }
}
