//! The fixed part of a TCP header: RFC 9293 §3.1.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Flags;
use crate::seq::SeqNum;

/// The fixed part of a header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Source port.
    pub src_port: U16,
    /// Destination port.
    pub dst_port: U16,
    /// Sequence number of the first octet, or of SYN.
    pub seq: U32,
    /// Next sequence number that the sender expects.
    pub ack: U32,
    /// Data offset in 32-bit words (high four bits), reserved bits, flags (low nine bits).
    pub offset_flags: U16,
    /// Window, not scaled.
    pub window: U16,
    /// Checksum of pseudo-header, header and payload.
    pub checksum: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

impl Header {
    /// The header at the front of `segment`, for changes in place; nothing is checked but the size.
    #[inline]
    pub fn from_bytes_mut(segment: &mut [u8]) -> Option<&mut Self> {
        Self::mut_from_prefix(segment).ok().map(|(header, _)| header)
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

    /// SEG.SEQ.
    #[inline]
    pub const fn seq(&self) -> SeqNum {
        SeqNum(self.seq.get())
    }

    /// SEG.ACK; means something only with the ACK flag.
    #[inline]
    pub const fn ack(&self) -> SeqNum {
        SeqNum(self.ack.get())
    }

    /// Octets of the header with its options, as the data offset tells.
    #[inline]
    pub const fn header_len(&self) -> usize {
        (self.offset_flags.get() >> 12) as usize * 4
    }

    /// The control bits.
    #[inline]
    pub const fn flags(&self) -> Flags {
        Flags::from_bits(self.offset_flags.get())
    }

    /// Replaces the control bits; the checksum stays as it is.
    #[inline]
    pub fn set_flags(&mut self, flags: Flags) {
        self.offset_flags.set(self.offset_flags.get() & !Flags::ALL | flags.bits());
    }

    /// SEG.WND before scaling, an unsigned number (R9293-MUST-1).
    #[inline]
    pub const fn window(&self) -> u16 {
        self.window.get()
    }

    /// The urgent pointer; means something only with the URG flag.
    #[inline]
    pub const fn urgent(&self) -> u16 {
        self.urgent.get()
    }
}
