//! The Internet checksum: RFC 1071, incremental update by RFC 1624, and the
//! pseudo-headers of RFC 9293 §3.1 and RFC 8200 §8.1.
//!
//! [`Sum`] adds the pieces of a packet in the order in which they lie on the
//! wire. Pieces may have any length: the accumulator remembers whether an odd
//! number of bytes went in and swaps the sum of the next piece (RFC 1071 §2(B)).
//!
//! Inside, words are summed in the byte order of the machine and turned round
//! once at the end: the ones' complement sum does not care (same section).

use core::net::IpAddr;
use core::slice::ChunksExact;

/// Bytes that one turn of the wide loop takes: eight sums of 32-bit words in lanes of 64 bits,
/// which compilers turn into vector additions.
const BLOCK: usize = 32;

/// A running Internet checksum.
///
/// ```
/// use stack_wire::checksum::Sum;
/// let mut rope = Sum::new();
/// rope.add_bytes(b"a").add_bytes(b"bc").add_bytes(b"d");
/// assert_eq!(rope.finish(), Sum::new().add_bytes(b"abcd").finish());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Sum of 16-bit words in the machine's byte order, with carries not yet folded; below 2^40.
    words: u64,
    /// An odd number of bytes went in, so the next byte is the low half of a word.
    odd: bool,
}

impl Sum {
    /// The sum of nothing.
    #[inline]
    pub const fn new() -> Self {
        Self { words: 0, odd: false }
    }

    /// Appends bytes, at whatever position the sum has reached.
    #[inline]
    pub fn add_bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let piece = sum_native(bytes);
        let piece = if self.odd { u64::from(fold(piece).swap_bytes()) } else { piece };
        self.words = carry(self.words + piece);
        self.odd ^= bytes.len() % 2 == 1;
        self
    }

    /// Appends a 16-bit number, as it stands in a header (big-endian).
    #[inline]
    pub fn add_u16(&mut self, word: u16) -> &mut Self {
        self.add_bytes(&word.to_be_bytes())
    }

    /// Appends a 32-bit number, as it stands in a header (big-endian).
    #[inline]
    pub fn add_u32(&mut self, word: u32) -> &mut Self {
        self.add_bytes(&word.to_be_bytes())
    }

    /// Adds a sum that was taken apart from this one and begins at an even offset, such as a
    /// header in front of a payload that is already summed. The position stays where it was.
    #[inline]
    pub fn add_sum(&mut self, other: Sum) -> &mut Self {
        self.words = carry(self.words + other.words);
        self
    }

    /// The value of the checksum field: the complement of the sum.
    #[inline]
    #[must_use]
    pub fn finish(self) -> u16 {
        !self.folded()
    }

    /// The sum itself, not complemented: what a device wants in the checksum field when it is to
    /// complete the checksum, and `0xffff` for a packet whose checksum is right.
    #[inline]
    #[must_use]
    pub fn folded(self) -> u16 {
        u16::from_be(fold(self.words))
    }

    /// Whether what was summed, checksum field included, carries a right checksum.
    #[inline]
    #[must_use]
    pub fn is_valid(self) -> bool {
        fold(self.words) == 0xffff
    }
}

/// The pseudo-header in front of a TCP, UDP or ICMPv6 message of `len` bytes (header and payload).
///
/// RFC 9293 §3.1 for two IPv4 addresses, RFC 8200 §8.1 for two IPv6 addresses. Addresses of
/// different families never meet in one packet; the result is then the sum of what was given.
#[inline]
#[must_use]
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: u32) -> Sum {
    let mut sum = Sum::new();
    for address in [src, dst] {
        match address {
            IpAddr::V4(v4) => sum.add_bytes(&v4.octets()),
            IpAddr::V6(v6) => sum.add_bytes(&v6.octets()),
        };
    }
    // The 16-bit length of IPv4 is the low half of the 32-bit length of IPv6: one sum serves both.
    sum.add_u32(len).add_u32(u32::from(protocol));
    sum
}

/// The checksum after one 16-bit word under it went from `old` to `new`: RFC 1624 §3, equation 3.
#[inline]
#[must_use]
pub fn update_u16(check: u16, old: u16, new: u16) -> u16 {
    !fold(u64::from(!check) + u64::from(!old) + u64::from(new))
}

/// The checksum after one aligned 32-bit word under it went from `old` to `new`.
#[inline]
#[must_use]
pub fn update_u32(check: u16, old: u32, new: u32) -> u16 {
    !fold(u64::from(!check) + u64::from(!old) + u64::from(new))
}

/// The checksum field of an IPv4 header whose checksum field is zero; `0` over a header that
/// carries the right one. RFC 791 §3.1.
#[inline]
#[must_use]
pub fn ipv4_header(header: &[u8]) -> u16 {
    Sum::new().add_bytes(header).finish()
}

/// One end-around carry from the upper into the lower 32 bits.
#[inline]
const fn carry(words: u64) -> u64 {
    (words & 0xffff_ffff) + (words >> 32)
}

/// All carries: a sum of words to one word.
#[inline]
const fn fold(words: u64) -> u16 {
    let words = carry(carry(words)) as u32;
    let words = (words & 0xffff) + (words >> 16);
    ((words & 0xffff) + (words >> 16)) as u16
}

/// The sum of `bytes` as words of the machine's byte order, the last one padded with zero.
#[inline]
fn sum_native(bytes: &[u8]) -> u64 {
    if bytes.len() < 2 * BLOCK {
        return sum_short(bytes);
    }
    let blocks = bytes.chunks_exact(BLOCK);
    sum_short(blocks.remainder()) + sum_blocks(blocks)
}

/// The wide loop. A half lane grows by less than 2^32 a turn, so no real slice can overflow it.
fn sum_blocks(blocks: ChunksExact<'_, u8>) -> u64 {
    let (mut low, mut high) = ([0u64; BLOCK / 8], [0u64; BLOCK / 8]);
    for block in blocks {
        // An array, so that the compiler knows the size and unrolls the loop over it.
        let block: [u8; BLOCK] = block.try_into().unwrap_or([0; BLOCK]);
        let words: [u64; BLOCK / 8] = zerocopy::transmute!(block);
        for ((low, high), word) in low.iter_mut().zip(&mut high).zip(words) {
            *low += word & 0xffff_ffff;
            *high += word >> 32;
        }
    }
    low.iter().chain(&high).map(|&lane| carry(lane)).sum()
}

/// Four bytes a step: headers, options and what the wide loop leaves.
#[inline]
fn sum_short(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(4);
    let tail = match *words.remainder() {
        [a] => u64::from(u16::from_ne_bytes([a, 0])),
        [a, b] => u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c] => u64::from(u16::from_ne_bytes([a, b])) + u64::from(u16::from_ne_bytes([c, 0])),
        _ => 0,
    };
    tail + words.map(|word| u64::from(word_u32(word))).sum::<u64>()
}

/// Four bytes as a number of the machine's byte order.
#[inline]
fn word_u32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// RFC 1071 §1, read literally: big-endian pairs, end-around carry at every step.
    fn model(bytes: &[u8]) -> u16 {
        bytes.chunks(2).fold(0u16, |sum, pair| {
            let word = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
            let (sum, carried) = sum.overflowing_add(word);
            sum + u16::from(carried)
        })
    }

    #[test]
    fn example_of_rfc_1071() {
        let mut sum = Sum::new();
        sum.add_bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
        assert_eq!(sum.finish(), 0x220d);
    }

    #[test]
    fn every_split_of_every_length() {
        let bytes: Vec<u8> = (0..150u8).map(|i| i.wrapping_mul(37).wrapping_add(201)).collect();
        for len in 0..bytes.len() {
            let whole = model(&bytes[..len]);
            for split in 0..=len {
                let mut sum = Sum::new();
                sum.add_bytes(&bytes[..split]).add_bytes(&bytes[split..len]);
                assert_eq!(sum.folded(), whole, "length {len} split at {split}");
            }
        }
    }

    #[test]
    fn longest_run_of_ones_does_not_overflow() {
        let bytes = std::vec![0xff; 1 << 20];
        let mut sum = Sum::new();
        for _ in 0..64 {
            sum.add_bytes(&bytes);
        }
        assert!(sum.is_valid());
    }

    #[test]
    fn numbers_count_as_big_endian_bytes_at_any_position() {
        let mut numbers = Sum::new();
        numbers.add_bytes(&[9]).add_u16(0x1234).add_u32(0xdead_beef);
        assert_eq!(numbers.folded(), model(&[9, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef]));
    }

    #[test]
    fn a_separate_sum_keeps_the_position() {
        let mut sum = Sum::new();
        sum.add_bytes(&[1, 2, 3]).add_sum(*Sum::new().add_bytes(&[4, 5])).add_bytes(&[6]);
        assert_eq!(sum.folded(), model(&[1, 2, 3, 6, 4, 5]));
    }

    // R8200-8.1-b
    #[test]
    fn pseudo_headers_of_both_families() {
        let v4 = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        let want = model(&[10, 0, 0, 1, 10, 0, 0, 2, 0, 6, 0, 20]);
        assert_eq!(pseudo_header(v4(1), v4(2), 6, 20).folded(), want);

        let v6 = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
        let mut bytes = Vec::new();
        bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].repeat(2));
        bytes.extend([0, 1, 0, 0, 0, 0, 0, 58]);
        assert_eq!(pseudo_header(v6, v6, 58, 65536).folded(), model(&bytes));
    }

    #[test]
    fn update_keeps_the_zero_that_rfc_1141_gets_wrong() {
        // RFC 1624 §4: the header sums to 0xcd7a + 0x5555; the new word makes the sum 0xffff.
        assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    proptest! {
        #[test]
        fn pieces_equal_the_model(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8)) {
            let mut sum = Sum::new();
            for piece in &pieces {
                sum.add_bytes(piece);
            }
            prop_assert_eq!(sum.folded(), model(&pieces.concat()));
        }

        #[test]
        fn update_equals_recomputation(mut bytes in prop::collection::vec(any::<u8>(), 20..60), at in 0usize..4, new: u32) {
            bytes[0] |= 1; // an all-zero header has no checksum that means anything
            bytes.truncate(bytes.len() / 4 * 4);
            let at = at * 4 + 4;
            let old = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            let check = Sum::new().add_bytes(&bytes).finish();
            bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
            let want = Sum::new().add_bytes(&bytes).finish();
            prop_assert_eq!(update_u32(check, old, new), want);
            let halves = update_u16(check, (old >> 16) as u16, (new >> 16) as u16);
            prop_assert_eq!(update_u16(halves, old as u16, new as u16), want);
        }
    }
}
