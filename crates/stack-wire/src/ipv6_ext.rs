//! IPv6 extension headers: RFC 8200 §4.
//!
//! [`upper_layer`] answers where the transport header lies, for whoever only
//! wants to look (demultiplexing a quoted packet, printing). A receiver that must
//! obey the headers walks them itself with [`Extension`], [`Fragment`] and
//! [`Options`], one at a time and in order. Authentication and encapsulation
//! headers (RFC 4302, RFC 4303) are protocols like any other here.

use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::WireError;
use crate::ip::protocol;
use crate::ipv6::HEADER_LEN;

/// The most extension headers that [`upper_layer`] walks. RFC 8200 §4.1 names seven in its order;
/// a packet with more than twice that is no traffic of ours.
pub const MAX_EXTENSIONS: usize = 16;

/// Octets of a fragment header.
pub const FRAGMENT_LEN: usize = 8;

/// The protocol behind the extension headers of `packet` (fixed header included), and the offset in
/// `packet` at which it begins.
///
/// `None` when a header is cut off, when there are more than [`MAX_EXTENSIONS`], or when this is a
/// fragment other than the first, whose payload begins in the middle of something. The offset is at
/// most `packet.len()`.
pub fn upper_layer(packet: &[u8]) -> Option<(u8, usize)> {
    let chain = Chain::walk(packet)?;
    let later_fragment = chain.fragment.is_some_and(|fragment| fragment.offset() != 0);
    if later_fragment { None } else { Some((chain.protocol, chain.offset)) }
}

/// What the extension headers of a packet lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain<'a> {
    /// Protocol of the payload; behind a later fragment's header, that of the whole packet.
    pub protocol: u8,
    /// Where the payload begins, in octets from the fixed header's first; at most the packet's length.
    pub offset: usize,
    /// The fragment header on the way.
    pub fragment: Option<&'a Fragment>,
}

impl<'a> Chain<'a> {
    /// Walks the extension headers of `packet` (fixed header included), not beyond the header of a
    /// later fragment. `None` when a header is cut off or there are more than [`MAX_EXTENSIONS`].
    pub fn walk(packet: &'a [u8]) -> Option<Self> {
        let mut chain = Self { protocol: *packet.get(6)?, offset: HEADER_LEN, fragment: None };
        let mut rest = packet.get(HEADER_LEN..)?;
        for _ in 0..=MAX_EXTENSIONS {
            match chain.protocol {
                protocol::HOP_BY_HOP | protocol::IPV6_ROUTE | protocol::IPV6_DESTINATION => {
                    let extension = Extension::parse(rest).ok()?;
                    chain.protocol = extension.next_header;
                    chain.offset += extension.len;
                    rest = extension.rest;
                }
                protocol::IPV6_FRAGMENT => {
                    let (fragment, behind) = Fragment::parse(rest).ok()?;
                    chain.protocol = fragment.next_header;
                    chain.offset += FRAGMENT_LEN;
                    chain.fragment = Some(fragment);
                    rest = behind;
                    if fragment.offset() != 0 {
                        return Some(chain);
                    }
                }
                _ => return Some(chain),
            }
        }
        None
    }
}

/// A hop-by-hop, routing or destination header: next header, length, data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Type of what follows.
    pub next_header: u8,
    /// Octets of this header, a multiple of eight.
    pub len: usize,
    /// What stands behind the two octets of next header and length.
    pub data: &'a [u8],
    /// What follows this header.
    pub rest: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Reads the header at the front of `payload`.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when the bytes end inside the header.
    pub fn parse(payload: &'a [u8]) -> Result<Self, WireError> {
        let [next_header, units, behind @ ..] = payload else { return Err(WireError::Truncated) };
        let len = (usize::from(*units) + 1) * 8;
        let (data, rest) = behind.split_at_checked(len - 2).ok_or(WireError::Truncated)?;
        Ok(Self { next_header: *next_header, len, data, rest })
    }

    /// The data of a hop-by-hop or destination header as options.
    pub const fn options(&self) -> Options<'a> {
        Options { all: self.data, rest: self.data, malformed: false, padding: 0, longest_padding: 0 }
    }
}

/// A fragment header, as it lies on the wire: RFC 8200 §4.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Fragment {
    /// Type of what was fragmented.
    pub next_header: u8,
    /// Zero when sent, ignored when received.
    pub reserved: u8,
    /// Offset in units of eight octets (high 13 bits), two reserved bits, more-fragments flag.
    pub offset_more: U16,
    /// Shared by the fragments of a packet.
    pub ident: U32,
}

impl Fragment {
    /// A header of these values; the low three bits of `offset` (in octets) are dropped.
    pub const fn new(next_header: u8, offset: u16, more: bool, ident: u32) -> Self {
        let offset_more = U16::new(offset & !7 | more as u16);
        Self { next_header, reserved: 0, offset_more, ident: U32::new(ident) }
    }

    /// Reads the header at the front of `payload`; also returns what follows it.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) below eight octets.
    pub fn parse(payload: &[u8]) -> Result<(&Self, &[u8]), WireError> {
        Self::ref_from_prefix(payload).map_err(|_| WireError::Truncated)
    }

    /// Where this fragment's payload lies in the packet's, in octets.
    pub const fn offset(&self) -> u16 {
        self.offset_more.get() & !7
    }

    /// The more-fragments flag.
    pub const fn more_fragments(&self) -> bool {
        self.offset_more.get() & 1 != 0
    }

    /// The identification shared by the fragments of a packet.
    pub const fn ident(&self) -> u32 {
        self.ident.get()
    }

    /// Writes the header to the front of `out` and returns its length (8), or 0 when `out` is too
    /// short.
    pub fn write(&self, out: &mut [u8]) -> usize {
        self.write_to_prefix(out).map_or(0, |()| FRAGMENT_LEN)
    }
}

/// What a receiver does with an option that it does not know: the high two bits of the type
/// (RFC 8200 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownAction {
    /// Go on with the next option (R8200-4.2-a).
    Skip,
    /// Drop the packet (R8200-4.2-b).
    Discard,
    /// Drop the packet and report a parameter problem (R8200-4.2-c).
    DiscardAndReport,
    /// Drop the packet and report, unless it was sent to a group (R8200-4.2-d).
    DiscardAndReportUnicast,
}

impl UnknownAction {
    /// The action that an option type asks for.
    pub const fn of(option_type: u8) -> Self {
        match option_type >> 6 {
            0 => Self::Skip,
            1 => Self::Discard,
            2 => Self::DiscardAndReport,
            _ => Self::DiscardAndReportUnicast,
        }
    }
}

/// Walks the options of a header as (type, data), without Pad1 and PadN; ends at the first option
/// that overruns the header (R8200-4.2-e).
#[derive(Clone, Debug)]
pub struct Options<'a> {
    all: &'a [u8],
    rest: &'a [u8],
    malformed: bool,
    padding: usize,
    longest_padding: usize,
}

impl Options<'_> {
    /// Where in the extension header the next option begins, or, after the walk, where it ended.
    pub const fn offset(&self) -> usize {
        2 + self.all.len() - self.rest.len()
    }

    /// Whether the walk ended at an option that overruns the header: the packet is dropped.
    pub const fn malformed(&self) -> bool {
        self.malformed
    }

    /// The most octets of padding that followed each other so far (RFC 8504 §5.3).
    pub const fn longest_padding(&self) -> usize {
        self.longest_padding
    }

    fn pad(&mut self, len: usize) {
        self.padding += len;
        self.longest_padding = self.longest_padding.max(self.padding);
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (kind, len, behind) = match self.rest {
                [] => return None,
                [0, rest @ ..] => {
                    self.rest = rest; // Pad1
                    self.pad(1);
                    continue;
                }
                [kind, len, behind @ ..] => (*kind, usize::from(*len), behind),
                [_] => (0, 1, [].as_slice()),
            };
            let Some((data, rest)) = behind.split_at_checked(len) else {
                self.malformed = true;
                return None;
            };
            self.rest = rest;
            if kind != 1 {
                self.padding = 0;
                return Some((kind, data));
            }
            self.pad(2 + len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = std::vec![0; HEADER_LEN];
        packet[0] = 0x60;
        packet[6] = next;
        packet.extend_from_slice(payload);
        packet
    }

    #[test]
    fn chains() {
        let hbh_then = |next| [next, 0, 1, 4, 0, 0, 0, 0];
        let fragment = |offset| Fragment::new(17, offset, true, 7);
        for (situation, bytes, want) in [
            ("no extension", packet(6, &[]), Some((6, 40))),
            ("nothing follows", packet(59, &[1, 2]), Some((59, 40))),
            ("hop-by-hop", packet(0, &hbh_then(58)), Some((58, 48))),
            ("routing, then cut", packet(43, &hbh_then(60)), None),
            ("first fragment", packet(44, fragment(0).as_bytes()), Some((17, 48))),
            ("later fragment", packet(44, fragment(8).as_bytes()), None),
            ("fragment, then options", packet(44, &fragment_then(0)), Some((58, 56))),
            ("the same, but later", packet(44, &fragment_then(8)), None),
            ("header of 40 octets", packet(60, &[[6, 4].as_slice(), &[0; 38]].concat()), Some((6, 80))),
            ("cut inside", packet(0, &hbh_then(58)[..7]), None),
            ("length beyond the packet", packet(60, &[6, 1, 0, 0, 0, 0, 0, 0]), None),
            ("cut fixed header", packet(6, &[])[..39].to_vec(), None),
            ("as many as allowed", packet(60, &chain(MAX_EXTENSIONS)), Some((6, 40 + 8 * MAX_EXTENSIONS))),
            ("one too many", packet(60, &chain(MAX_EXTENSIONS + 1)), None),
        ] {
            assert_eq!(upper_layer(&bytes), want, "{situation}");
        }
    }

    fn fragment_then(offset: u16) -> Vec<u8> {
        let mut bytes = Fragment::new(60, offset, true, 7).as_bytes().to_vec();
        bytes.extend([58, 0, 1, 4, 0, 0, 0, 0]);
        bytes
    }

    #[test]
    fn the_walk_stops_at_a_later_fragment() {
        let walk = |offset| {
            let packet = packet(44, &fragment_then(offset));
            Chain::walk(&packet).map(|chain| (chain.protocol, chain.offset))
        };
        assert_eq!(walk(0), Some((58, 56)));
        assert_eq!(walk(8), Some((60, 48)));
    }

    fn chain(count: usize) -> Vec<u8> {
        let mut bytes = [60, 0, 1, 4, 0, 0, 0, 0].repeat(count);
        let last = bytes.len() - 8;
        bytes[last] = 6;
        bytes
    }

    #[test]
    fn options_skip_padding_and_stop_at_an_overrun() {
        let bytes = [59, 1, 0, 1, 1, 9, 0xc2, 2, 7, 8, 5, 0, 1, 0, 3, 4];
        let extension = Extension::parse(&bytes).unwrap();
        let mut options = extension.options();
        assert_eq!(options.next(), Some((0xc2, &[7, 8][..])));
        assert_eq!(options.offset(), 10);
        assert_eq!(options.next(), Some((5, &[][..])));
        assert!(!options.malformed());
        assert_eq!(options.next(), None);
        assert!(options.malformed());
        assert_eq!(options.offset(), 14);
        assert_eq!(UnknownAction::of(0xc2), UnknownAction::DiscardAndReportUnicast);
        assert_eq!(UnknownAction::of(5), UnknownAction::Skip);
    }

    proptest! {
        #[test]
        fn any_bytes(payload: Vec<u8>, first in prop::sample::select(std::vec![0u8, 6, 43, 44, 60])) {
            let packet = packet(first, &payload);
            if let Some((_, offset)) = upper_layer(&packet) {
                prop_assert!(offset <= packet.len());
            }
            if let Ok(extension) = Extension::parse(&payload) {
                prop_assert_eq!(extension.len + extension.rest.len(), payload.len());
                let mut options = extension.options();
                let seen: usize = options.by_ref().map(|(_, data)| data.len() + 2).sum();
                prop_assert!(seen + 2 <= extension.len && options.offset() <= extension.len);
                prop_assert!(options.malformed() || options.offset() == extension.len);
            }
        }

        #[test]
        fn fragments_as_others_read_them(next: u8, offset in 0u16..1 << 13, more: bool, ident: u32) {
            let mut bytes = [0; FRAGMENT_LEN];
            prop_assert_eq!(Fragment::new(next, offset * 8, more, ident).write(&mut bytes), FRAGMENT_LEN);
            let ours = Fragment::parse(&bytes).unwrap().0;
            let theirs = etherparse::Ipv6FragmentHeaderSlice::from_slice(&bytes).unwrap().to_header();
            prop_assert_eq!((ours.next_header, ours.ident()), (theirs.next_header.0, theirs.identification));
            prop_assert_eq!((ours.offset(), ours.more_fragments()), (offset * 8, theirs.more_fragments));
            prop_assert_eq!(theirs.fragment_offset.value(), offset);
        }
    }
}
