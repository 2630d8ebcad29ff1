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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::pseudo_header;
    use crate::ip::protocol;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn lengths() {
        let mut datagram = [0u8; 20];
        for (situation, length, arrived, want) in [
            ("exact", 20, 20, Ok(12)),
            ("padding behind", 12, 20, Ok(4)),
            ("header only", 8, 20, Ok(0)),
            ("below the header", 7, 20, Err(WireError::BadTotalLength)),
            ("zero", 0, 20, Err(WireError::BadTotalLength)),
            ("above what arrived", 21, 20, Err(WireError::BadTotalLength)),
            ("cut header", 8, 7, Err(WireError::Truncated)),
        ] {
            datagram[5] = length;
            assert_eq!(Udp::parse(&datagram[..arrived]).map(|udp| udp.payload().len()), want, "{situation}");
        }
    }

    // R768-b
    #[test]
    fn a_computed_zero_is_sent_as_ones() {
        let mut datagram = [0; 8];
        let mut covered = Sum::new();
        covered.add_u16(0xffff - 8); // with the length field the sum is 0xffff
        assert_eq!(Emit::default().write(&mut datagram, covered), HEADER_LEN);
        let udp = Udp::parse(&datagram).unwrap();
        assert_eq!(udp.header().checksum.get(), 0xffff);
        assert_eq!(udp.checksum(covered), Checksum::Correct);
        Emit::default().write_without_checksum(&mut datagram);
        assert_eq!(Udp::parse(&datagram).unwrap().checksum(covered), Checksum::Absent);
    }

    #[test]
    fn what_cannot_be_written() {
        assert_eq!(Emit::default().write(&mut [0; 7], Sum::new()), 0);
        for payload_len in [65528, usize::MAX] {
            assert_eq!(Emit { payload_len, ..Emit::default() }.write(&mut [0; 8], Sum::new()), 0);
        }
        assert_eq!(parse_ports(&[0; 3]), None);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes: Vec<u8>) {
            if let Ok(udp) = Udp::parse(&bytes) {
                prop_assert_eq!(udp.payload().len() + HEADER_LEN, usize::from(udp.length()));
            }
        }

        #[test]
        fn written_is_what_others_read(
            (src_port, dst_port) in any::<(u16, u16)>(), payload: Vec<u8>, (src, dst) in any::<([u8; 16], [u8; 16])>(), flip in 0usize..32,
        ) {
            let emit = Emit { src_port, dst_port, payload_len: payload.len() };
            let len = (HEADER_LEN + payload.len()) as u32;
            let pseudo = pseudo_header(src.into(), dst.into(), protocol::UDP, len);
            let mut covered = pseudo;
            covered.add_bytes(&payload);
            let mut datagram = std::vec![0; HEADER_LEN];
            prop_assert_eq!(emit.write(&mut datagram, covered), HEADER_LEN);
            datagram.extend_from_slice(&payload);

            let ours = Udp::parse(&datagram).unwrap();
            let theirs = etherparse::UdpSlice::from_slice(&datagram).unwrap();
            prop_assert_eq!(ours.checksum(pseudo), Checksum::Correct);
            prop_assert_eq!(theirs.to_header().calc_checksum_ipv6_raw(src, dst, &payload), Ok(theirs.checksum()));
            prop_assert_eq!((ours.src_port(), ours.dst_port()), (theirs.source_port(), theirs.destination_port()));
            prop_assert_eq!(parse_ports(&datagram), Some((src_port, dst_port)));
            prop_assert_eq!((ours.length(), ours.payload()), (theirs.length(), theirs.payload()));

            datagram[flip / 8] ^= 1 << (flip % 8);
            prop_assert_eq!(Udp::parse(&datagram).unwrap().checksum(pseudo), Checksum::Wrong);
            emit.write_partial(&mut datagram, pseudo);
            prop_assert_eq!(Udp::parse(&datagram).unwrap().header().checksum.get(), pseudo.folded());
        }
    }
}
