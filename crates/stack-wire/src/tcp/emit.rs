//! Writing TCP headers: RFC 9293 §3.1.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, IntoBytes};

use super::{Flags, Header, MAX_HEADER_LEN, MIN_HEADER_LEN};
use crate::checksum::Sum;
use crate::seq::SeqNum;

/// The values of a header to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Emit<'a> {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: SeqNum,
    /// Acknowledgment number.
    pub ack: SeqNum,
    /// Control bits.
    pub flags: Flags,
    /// Window, already shifted right by the scale.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
    /// Option area, at most 40 octets; padded with zeros to a multiple of four (R9293-MUST-69).
    pub options: &'a [u8],
}

impl Emit<'_> {
    /// Octets that [`write`](Self::write) fills.
    #[inline]
    pub const fn header_len(&self) -> usize {
        MIN_HEADER_LEN + self.options.len().next_multiple_of(4)
    }

    /// Writes the header with its checksum to the front of `out` and returns its length
    /// (R9293-MUST-2).
    ///
    /// `covered` is the sum of all else that the checksum covers: pseudo-header, then payload.
    /// Returns 0 and writes nothing when `out` is too short or the options exceed 40 octets.
    #[inline]
    pub fn write(&self, out: &mut [u8], covered: Sum) -> usize {
        self.write_with(out, |header, options| {
            Sum::new().add_bytes(header).add_bytes(options).add_sum(covered).finish()
        })
    }

    /// As [`write`](Self::write), for a device that completes the checksum: the field holds the
    /// sum of the pseudo-header, not complemented.
    #[inline]
    pub fn write_partial(&self, out: &mut [u8], pseudo: Sum) -> usize {
        self.write_with(out, |_, _| pseudo.folded())
    }

    #[inline]
    fn write_with(&self, out: &mut [u8], checksum: impl FnOnce(&[u8], &[u8]) -> u16) -> usize {
        let len = self.header_len();
        if len > MAX_HEADER_LEN || out.len() < len {
            return 0;
        }
        let Ok((fixed, rest)) = Header::mut_from_prefix(out) else { return 0 };
        let Some(area) = rest.get_mut(..len - MIN_HEADER_LEN) else { return 0 };
        *fixed = self.fixed(len);
        match area.split_at_mut_checked(self.options.len()) {
            Some((options, padding)) => {
                options.copy_from_slice(self.options);
                padding.fill(0);
            }
            None => return 0,
        }
        fixed.checksum.set(checksum(fixed.as_bytes(), area));
        len
    }

    /// The fixed part with a checksum of zero.
    #[inline]
    fn fixed(&self, header_len: usize) -> Header {
        Header {
            src_port: U16::new(self.src_port),
            dst_port: U16::new(self.dst_port),
            seq: U32::new(self.seq.0),
            ack: U32::new(self.ack.0),
            offset_flags: U16::new((header_len as u16 / 4) << 12 | self.flags.bits()),
            window: U16::new(self.window),
            checksum: U16::ZERO,
            urgent: U16::new(self.urgent),
        }
    }
}
