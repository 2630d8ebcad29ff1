//! TCP headers: RFC 9293 §3.1, with the ECN flags of RFC 3168 and the AE flag of RFC 9768.
//!
//! [`Tcp::parse`] checks the data offset; the option area is handed out as bytes
//! for [`TcpOptions::parse`](crate::tcp_options::TcpOptions::parse). It does not
//! look at the checksum: [`Tcp::verify_checksum`] does, when the device has not.

use core::fmt::{self, Write};
use core::ops::{BitAnd, BitOr, BitOrAssign, Deref, Not};

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Sum;
use crate::error::WireError;
use crate::seq::SeqNum;

/// Octets of a header without options.
pub const MIN_HEADER_LEN: usize = 20;
/// Octets of a header with all the options that its length field can tell.
pub const MAX_HEADER_LEN: usize = 60;
/// Octets of the largest option area.
pub const MAX_OPTIONS_LEN: usize = MAX_HEADER_LEN - MIN_HEADER_LEN;
/// Where in the header the checksum lies: what a device wants to know that completes it.
pub const CHECKSUM_OFFSET: usize = 16;

/// The control bits of a segment. Shown as tcpdump shows them: `[S.]`, `[none]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// No more data from the sender.
    pub const FIN: Self = Self(0x001);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x002);
    /// Reset the connection.
    pub const RST: Self = Self(0x004);
    /// Push function.
    pub const PSH: Self = Self(0x008);
    /// The acknowledgment field means something.
    pub const ACK: Self = Self(0x010);
    /// The urgent pointer means something.
    pub const URG: Self = Self(0x020);
    /// ECN echo, RFC 3168 §6.1; with AccECN the middle bit of the counter.
    pub const ECE: Self = Self(0x040);
    /// Congestion window reduced, RFC 3168 §6.1; with AccECN the upper bit but one of the counter.
    pub const CWR: Self = Self(0x080);
    /// Accurate ECN, RFC 9768 §3.1; in older documents NS.
    pub const AE: Self = Self(0x100);
    /// Every bit above.
    const ALL: u16 = 0x1ff;

    /// The flags in the low nine bits; the rest is dropped.
    #[inline]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits & Self::ALL)
    }

    /// The flags as the low nine bits of a number.
    #[inline]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every flag of `other` is set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether some flag of `other` is set.
    #[inline]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether no flag is set.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether SYN is set.
    #[inline]
    pub const fn syn(self) -> bool {
        self.contains(Self::SYN)
    }

    /// Whether ACK is set.
    #[inline]
    pub const fn ack(self) -> bool {
        self.contains(Self::ACK)
    }

    /// Whether FIN is set.
    #[inline]
    pub const fn fin(self) -> bool {
        self.contains(Self::FIN)
    }

    /// Whether RST is set.
    #[inline]
    pub const fn rst(self) -> bool {
        self.contains(Self::RST)
    }

    /// Whether PSH is set.
    #[inline]
    pub const fn psh(self) -> bool {
        self.contains(Self::PSH)
    }

    /// Whether URG is set.
    #[inline]
    pub const fn urg(self) -> bool {
        self.contains(Self::URG)
    }

    /// The sequence numbers that the flags take: one for SYN and one for FIN.
    #[inline]
    pub const fn sequence_len(self) -> u32 {
        self.syn() as u32 + self.fin() as u32
    }
}

impl BitOr for Flags {
    type Output = Self;
    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Flags {
    type Output = Self;
    #[inline]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Self;
    #[inline]
    fn not(self) -> Self {
        Self(!self.0 & Self::ALL)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, char); 9] = [
            (Flags::FIN, 'F'),
            (Flags::SYN, 'S'),
            (Flags::RST, 'R'),
            (Flags::PSH, 'P'),
            (Flags::ACK, '.'),
            (Flags::URG, 'U'),
            (Flags::ECE, 'E'),
            (Flags::CWR, 'W'),
            (Flags::AE, 'e'),
        ];
        if self.is_empty() {
            return f.write_str("[none]");
        }
        f.write_char('[')?;
        for (_, letter) in LETTERS.iter().filter(|(flag, _)| self.contains(*flag)) {
            f.write_char(*letter)?;
        }
        f.write_char(']')
    }
}

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
