//! What the headers of all segments of a run have in common, compared a word at a time.

use crate::segment::{MAX_HEADERS, Segment};
use core::ops::Range;

/// Whole words of the longest headers.
const WORDS: usize = MAX_HEADERS / 8;
/// Fields of the IPv4 header (RFC 791 §3.1), the IPv6 header (RFC 8200 §3) and the TCP header (RFC 9293 §3.1).
pub(crate) const V4_LENGTH: Range<usize> = 2..4;
const V4_IDENTIFICATION: Range<usize> = 4..6;
pub(crate) const V4_CHECKSUM: Range<usize> = 10..12;
pub(crate) const V6_LENGTH: Range<usize> = 4..6;
pub(crate) const TCP_SEQ: Range<usize> = 4..8;
pub(crate) const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: Range<usize> = 16..18;
/// Stands on the last segment.
pub(crate) const PSH: u8 = 0x08;

/// Headers, and which of their bits matter.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    words: [Word; WORDS],
    /// The last eight bytes, which overlap the words where the headers are no multiple of eight.
    last: Word,
}

impl Pattern {
    /// The headers of this frame; lengths, identification, sequence number, checksums and PSH may differ in others.
    pub(crate) fn of(frame: &[u8], layout: &Segment) -> Self {
        let mut mask = [u8::MAX; MAX_HEADERS];
        let free: &[Range<usize>] = if layout.is_v4() {
            &[
                layout.in_network(V4_LENGTH),
                layout.in_network(V4_IDENTIFICATION),
                layout.in_network(V4_CHECKSUM),
                layout.in_transport(TCP_SEQ),
                layout.in_transport(TCP_CHECKSUM),
            ]
        } else {
            &[layout.in_network(V6_LENGTH), layout.in_transport(TCP_SEQ), layout.in_transport(TCP_CHECKSUM)]
        };
        for range in free {
            mask.get_mut(range.clone()).unwrap_or_default().fill(0);
        }
        if let Some(flags) = mask.get_mut(layout.transport + TCP_FLAGS) {
            *flags = !PSH;
        }
        let headers = frame.get(..layout.header_len).unwrap_or_default();
        let mask = mask.get(..layout.header_len).unwrap_or_default();
        let mut words = [Word::default(); WORDS];
        let all = whole(headers).zip(whole(mask)).map(Word::of);
        words.iter_mut().zip(all).for_each(|(slot, word)| *slot = word);
        let last = headers.last_chunk().copied().zip(mask.last_chunk().copied());
        Self { words, last: last.map(Word::of).unwrap_or_default() }
    }

    /// Whether these headers, as long as those of the pattern, are the same but for what may differ.
    pub(crate) fn matches(&self, headers: &[u8]) -> bool {
        let words = whole(headers).zip(&self.words);
        let other = words.fold(0, |other, (bytes, word)| other | word.difference(bytes));
        headers.last_chunk().is_some_and(|bytes| other | self.last.difference(*bytes) == 0)
    }
}

/// The whole words of some bytes.
fn whole(bytes: &[u8]) -> impl Iterator<Item = [u8; 8]> {
    bytes.chunks_exact(8).map(|word| word.first_chunk().copied().unwrap_or_default())
}

/// Eight bytes, and which of their bits matter.
#[derive(Clone, Copy, Debug, Default)]
struct Word {
    bits: u64,
    mask: u64,
}

impl Word {
    fn of((bits, mask): ([u8; 8], [u8; 8])) -> Self {
        Self { bits: u64::from_ne_bytes(bits), mask: u64::from_ne_bytes(mask) }
    }

    fn difference(self, bytes: [u8; 8]) -> u64 {
        (u64::from_ne_bytes(bytes) ^ self.bits) & self.mask
    }
}
