//! What the headers of all segments of a run have in common, compared a word at a time.

use crate::segment::{MAX_HEADERS, Segment};
use core::ops::Range;

/// Words of the longest headers; the last one may overlap the one before it.
const WORDS: usize = MAX_HEADERS.div_ceil(8) + 1;
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
    bits: [u64; WORDS],
    mask: [u64; WORDS],
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
        let all = |bytes: &[u8]| {
            let mut all = [0; WORDS];
            words(bytes).zip(&mut all).for_each(|(word, slot)| *slot = word);
            all
        };
        let headers = ..layout.header_len;
        Self {
            bits: all(frame.get(headers).unwrap_or_default()),
            mask: all(mask.get(headers).unwrap_or_default()),
        }
    }

    /// Whether these headers, as long as those of the pattern, are the same but for what may differ.
    pub(crate) fn matches(&self, headers: &[u8]) -> bool {
        let pattern = self.bits.iter().zip(&self.mask);
        words(headers).zip(pattern).fold(0, |other, (word, (bits, mask))| other | ((word ^ bits) & mask)) == 0
    }
}

/// Bytes as words; the last word ends where they end.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let last = bytes.rchunks_exact(8).take(1);
    bytes.chunks_exact(8).chain(last).filter_map(|word| word.first_chunk().copied().map(u64::from_ne_bytes))
}
