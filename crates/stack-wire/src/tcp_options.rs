//! TCP options: RFC 9293 §3.2 (MSS), RFC 7323 (window scale, timestamps),
//! RFC 2018 (SACK), RFC 7413 (Fast Open).
//!
//! [`TcpOptions::parse`] is total. Unknown options are skipped by their length
//! (R9293-MUST-6), a length that is illegal ends the walk and keeps what was read
//! before it (R9293-MUST-7), and any alignment will do (R9293-MUST-64). An option
//! that is known but has the wrong length is skipped like an unknown one. When an
//! option comes twice, the last one counts.
//!
//! Whether an option may stand in a given segment (MSS and window scale only with
//! SYN) is for the state machine to say, not for this file.

use crate::seq::SeqNum;
use crate::tcp::MAX_OPTIONS_LEN;

/// Option kinds, from the IANA registry.
pub mod kind {
    /// End of the option list.
    pub const END: u8 = 0;
    /// No operation.
    pub const NOP: u8 = 1;
    /// Maximum segment size.
    pub const MSS: u8 = 2;
    /// Window scale.
    pub const WINDOW_SCALE: u8 = 3;
    /// SACK permitted.
    pub const SACK_PERMITTED: u8 = 4;
    /// SACK blocks.
    pub const SACK: u8 = 5;
    /// Timestamps.
    pub const TIMESTAMPS: u8 = 8;
    /// User timeout (RFC 5482): advice that this stack does not follow.
    pub const USER_TIMEOUT: u8 = 28;
    /// Fast Open cookie.
    pub const FAST_OPEN: u8 = 34;
}

/// One run of octets that arrived: `left` is its first, `right` the one behind its last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlock {
    /// First sequence number of the run.
    pub left: SeqNum,
    /// The sequence number behind the run.
    pub right: SeqNum,
}

/// The blocks of a SACK option: at most four fit into a header (RFC 2018 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlocks {
    blocks: [SackBlock; Self::MAX],
    len: u8,
}

impl SackBlocks {
    /// How many blocks fit into a header without other options.
    pub const MAX: usize = 4;

    /// No blocks.
    pub const fn new() -> Self {
        Self { blocks: [SackBlock { left: SeqNum(0), right: SeqNum(0) }; Self::MAX], len: 0 }
    }

    /// Adds a block at the end; `false` when there are four already.
    #[inline]
    pub fn push(&mut self, left: SeqNum, right: SeqNum) -> bool {
        let Some(slot) = self.blocks.get_mut(usize::from(self.len)) else { return false };
        *slot = SackBlock { left, right };
        self.len += 1;
        true
    }

    /// The blocks in the order of the option: the most recent first.
    #[inline]
    pub fn as_slice(&self) -> &[SackBlock] {
        self.blocks.get(..self.len()).unwrap_or(&[])
    }

    /// The blocks, one by one.
    #[inline]
    pub fn iter(&self) -> core::slice::Iter<'_, SackBlock> {
        self.as_slice().iter()
    }

    /// How many blocks there are.
    #[inline]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<'a> IntoIterator for &'a SackBlocks {
    type Item = &'a SackBlock;
    type IntoIter = core::slice::Iter<'a, SackBlock>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Keeps the first four.
impl FromIterator<SackBlock> for SackBlocks {
    fn from_iter<I: IntoIterator<Item = SackBlock>>(blocks: I) -> Self {
        let mut all = Self::new();
        for block in blocks.into_iter().take(Self::MAX) {
            all.push(block.left, block.right);
        }
        all
    }
}

/// A Fast Open cookie: empty (a request for one) or 4 to 16 octets, an even number (RFC 7413 §4.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FastOpenCookie {
    bytes: [u8; Self::MAX],
    len: u8,
}

impl FastOpenCookie {
    /// Octets of the longest cookie.
    pub const MAX: usize = 16;
    /// The request for a cookie.
    pub const REQUEST: Self = Self { bytes: [0; Self::MAX], len: 0 };

    /// A cookie of these octets; `None` when a cookie cannot have this length.
    pub fn new(cookie: &[u8]) -> Option<Self> {
        if !matches!(cookie.len(), 0 | 4 | 6 | 8 | 10 | 12 | 14 | 16) {
            return None;
        }
        let mut bytes = [0; Self::MAX];
        bytes.get_mut(..cookie.len())?.copy_from_slice(cookie);
        Some(Self { bytes, len: cookie.len() as u8 })
    }

    /// The octets of the cookie.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Whether this is the request for a cookie.
    pub const fn is_request(&self) -> bool {
        self.len == 0
    }
}

/// The options of one segment that this stack understands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Largest segment that the sender can receive, in octets of text (RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// Shift of the sender's window as it came; the receiver of it clamps to 14 (RFC 7323 §2.3).
    pub window_scale: Option<u8>,
    /// The sender understands SACK.
    pub sack_permitted: bool,
    /// What arrived beyond the acknowledgment number.
    pub sack: SackBlocks,
    /// TSval and TSecr.
    pub timestamps: Option<(u32, u32)>,
    /// Fast Open cookie or request.
    pub fast_open: Option<FastOpenCookie>,
}

impl TcpOptions {
    /// No options.
    pub const NONE: Self = Self {
        mss: None,
        window_scale: None,
        sack_permitted: false,
        sack: SackBlocks::new(),
        timestamps: None,
        fast_open: None,
    };

    /// Reads an option area.
    #[inline]
    pub fn parse(area: &[u8]) -> Self {
        let mut options = Self::NONE;
        // What almost every segment of an established connection carries (RFC 7323 appendix A).
        if let [kind::NOP, kind::NOP, kind::TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3] = *area {
            let val = u32::from_be_bytes([v0, v1, v2, v3]);
            options.timestamps = Some((val, u32::from_be_bytes([e0, e1, e2, e3])));
        } else if !area.is_empty() {
            options.parse_all(area);
        }
        options
    }

    fn parse_all(&mut self, area: &[u8]) {
        for (kind, data) in Options::new(area) {
            self.parse_one(kind, data);
        }
    }

    fn parse_one(&mut self, kind: u8, data: &[u8]) {
        match (kind, data) {
            (kind::MSS, &[a, b]) => self.mss = Some(u16::from_be_bytes([a, b])),
            (kind::WINDOW_SCALE, &[shift]) => self.window_scale = Some(shift),
            (kind::SACK_PERMITTED, []) => self.sack_permitted = true,
            (kind::TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
                let val = u32::from_be_bytes([v0, v1, v2, v3]);
                self.timestamps = Some((val, u32::from_be_bytes([e0, e1, e2, e3])));
            }
            (kind::SACK, blocks) if blocks.len() % 8 == 0 => self.sack = parse_sack(blocks),
            (kind::FAST_OPEN, cookie) => self.fast_open = FastOpenCookie::new(cookie).or(self.fast_open),
            _ => {} // R9293-MUST-6
        }
    }

    /// Writes the option area, padded with zeros to a multiple of four (R9293-MUST-69), and returns
    /// its length.
    ///
    /// The layout is fixed: MSS; SACK-permitted and timestamps packed into twelve octets when both
    /// are there, else each behind two NOPs; NOP and window scale; Fast Open; two NOPs and SACK.
    /// All options but SACK always fit together. SACK takes the room that is left: blocks that do
    /// not fit are left out, the oldest first (RFC 2018 §3).
    pub fn write(&self, out: &mut [u8; MAX_OPTIONS_LEN]) -> usize {
        let mut area = Area { out, len: 0 };
        self.write_syn_and_timestamps(&mut area);
        if let Some(cookie) = &self.fast_open {
            let cookie = cookie.as_bytes();
            area.put(&[kind::FAST_OPEN, cookie.len() as u8 + 2]);
            area.put(cookie);
        }
        let blocks = self.sack_blocks_that_fit(area.len);
        if blocks > 0 {
            area.put(&[kind::NOP, kind::NOP, kind::SACK, (blocks * 8 + 2) as u8]);
            for block in self.sack.iter().take(blocks) {
                area.put(&block.left.0.to_be_bytes());
                area.put(&block.right.0.to_be_bytes());
            }
        }
        area.pad()
    }

    /// Octets that [`write`](Self::write) fills, padding included: a multiple of four, at most 40.
    #[inline]
    pub fn len(&self) -> usize {
        let fixed = self.fixed_len();
        let sack = match self.sack_blocks_that_fit(fixed) {
            0 => 0,
            blocks => 4 + blocks * 8,
        };
        (fixed + sack).next_multiple_of(4)
    }

    /// Whether there are no options.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn write_syn_and_timestamps(&self, area: &mut Area<'_>) {
        if let Some(mss) = self.mss {
            let [a, b] = mss.to_be_bytes();
            area.put(&[kind::MSS, 4, a, b]);
        }
        match (self.sack_permitted, self.timestamps.is_some()) {
            (true, true) => area.put(&[kind::SACK_PERMITTED, 2]),
            (true, false) => area.put(&[kind::NOP, kind::NOP, kind::SACK_PERMITTED, 2]),
            (false, true) => area.put(&[kind::NOP, kind::NOP]),
            (false, false) => {}
        }
        if let Some((val, ecr)) = self.timestamps {
            area.put(&[kind::TIMESTAMPS, 10]);
            area.put(&val.to_be_bytes());
            area.put(&ecr.to_be_bytes());
        }
        if let Some(shift) = self.window_scale {
            area.put(&[kind::NOP, kind::WINDOW_SCALE, 3, shift]);
        }
    }

    /// Octets of all options but SACK.
    #[inline]
    fn fixed_len(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let timestamps = match (self.sack_permitted, self.timestamps.is_some()) {
            (_, true) => 12,
            (true, false) => 4,
            (false, false) => 0,
        };
        let scale = if self.window_scale.is_some() { 4 } else { 0 };
        let cookie = self.fast_open.map_or(0, |cookie| 2 + usize::from(cookie.len));
        mss + timestamps + scale + cookie
    }

    #[inline]
    fn sack_blocks_that_fit(&self, used: usize) -> usize {
        (MAX_OPTIONS_LEN.saturating_sub(used + 4) / 8).min(self.sack.len())
    }
}

/// Walks an option area as (kind, data), NOPs included, known or not; ends at END, at the end of the
/// area or at the first illegal length.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
    malformed: bool,
}

impl<'a> Options<'a> {
    /// The options in this area.
    #[inline]
    pub const fn new(area: &'a [u8]) -> Self {
        Self { rest: area, malformed: false }
    }

    /// Whether the walk ended at a length below 2 or beyond the area (R9293-MUST-7).
    pub const fn malformed(&self) -> bool {
        self.malformed
    }

    /// What lies behind the place that the walk has reached.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (kind, len, behind) = match self.rest {
            [] | [kind::END, ..] => return None,
            [kind::NOP, rest @ ..] => {
                self.rest = rest;
                return Some((kind::NOP, &[]));
            }
            [kind, len, behind @ ..] => (*kind, *len, behind),
            [_] => (0, 0, [].as_slice()),
        };
        let data = usize::from(len).checked_sub(2).and_then(|len| behind.split_at_checked(len));
        let Some((data, rest)) = data else {
            self.malformed = true; // R9293-MUST-7
            return None;
        };
        self.rest = rest;
        Some((kind, data))
    }
}

fn parse_sack(blocks: &[u8]) -> SackBlocks {
    let mut sack = SackBlocks::new();
    for block in blocks.chunks_exact(8) {
        if let &[l0, l1, l2, l3, r0, r1, r2, r3] = block {
            let left = SeqNum(u32::from_be_bytes([l0, l1, l2, l3]));
            sack.push(left, SeqNum(u32::from_be_bytes([r0, r1, r2, r3])));
        }
    }
    sack
}

/// An option area being filled from the front.
struct Area<'a> {
    out: &'a mut [u8; MAX_OPTIONS_LEN],
    len: usize,
}

impl Area<'_> {
    /// The callers never put more than 40 octets; what would not fit is left out.
    fn put(&mut self, bytes: &[u8]) {
        if let Some(to) = self.out.get_mut(self.len..self.len + bytes.len()) {
            to.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn pad(self) -> usize {
        let padded = self.len.next_multiple_of(4);
        if let Some(padding) = self.out.get_mut(self.len..padded) {
            padding.fill(kind::END);
        }
        padded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const NONE: TcpOptions = TcpOptions::NONE;

    #[test]
    fn areas_by_situation() {
        let ts = TcpOptions { timestamps: Some((1, 2)), ..NONE };
        let mss = TcpOptions { mss: Some(1460), ..NONE };
        let scale = TcpOptions { window_scale: Some(20), ..NONE };
        for (situation, area, want) in [
            ("empty", &[][..], NONE),
            ("canonical timestamps", &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2], ts),
            ("timestamps first, END behind", &[8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0], ts),
            ("odd alignment", &[1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1], ts),
            ("unknown option before", &[99, 3, 7, 2, 4, 5, 180, 1], mss),
            ("user timeout before", &[28, 4, 0, 9, 2, 4, 5, 180], mss),
            ("unknown option of two octets", &[254, 2, 2, 4, 5, 180], mss),
            ("behind END nothing counts", &[2, 4, 5, 180, 0, 4, 2, 0], mss),
            ("length 0 ends", &[2, 4, 5, 180, 3, 0, 4, 2], mss),
            ("length 1 ends", &[2, 4, 5, 180, 99, 1, 4, 2], mss),
            ("length beyond the end", &[2, 4, 5, 180, 8, 10, 0, 0], mss),
            ("kind without length", &[2, 4, 5, 180, 1, 1, 1, 3], mss),
            ("MSS of the wrong length is skipped", &[2, 3, 5, 3, 3, 20, 1, 1], scale),
            ("SACK of half a block is skipped", &[5, 6, 0, 0, 0, 0, 3, 3, 20, 0], scale),
            ("window scale above 14 comes as it is", &[3, 3, 20, 0], scale),
            ("the last of two counts", &[2, 4, 1, 1, 2, 4, 5, 180], mss),
        ] {
            assert_eq!(TcpOptions::parse(area), want, "{situation}");
        }
    }

    #[test]
    fn layout_of_syn_and_segments() {
        let syn = TcpOptions {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some((1, 0)),
            ..NONE
        };
        let mut out = [0xff; MAX_OPTIONS_LEN];
        assert_eq!(syn.write(&mut out), 20);
        assert_eq!(out[..20], [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]);

        let segment = TcpOptions { timestamps: Some((1, 2)), ..NONE };
        assert_eq!(segment.write(&mut out), 12);
        assert_eq!(out[..12], [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);

        let cookie = TcpOptions { fast_open: Some(FastOpenCookie::REQUEST), ..NONE };
        assert_eq!(cookie.write(&mut out), 4);
        assert_eq!(out[..4], [34, 2, 0, 0]); // R9293-MUST-69
        assert!(NONE.is_empty() && !cookie.is_empty());
    }

    #[test]
    fn sack_takes_the_room_that_is_left() {
        let block = |i: u32| SackBlock { left: SeqNum(i * 10), right: SeqNum(i * 10 + 5) };
        let sack: SackBlocks = (0..9).map(block).collect();
        assert_eq!(sack.len(), SackBlocks::MAX);
        let mut out = [0; MAX_OPTIONS_LEN];
        for (situation, options, blocks, len) in [
            ("alone", TcpOptions { sack, ..NONE }, 4, 36),
            ("with timestamps", TcpOptions { sack, timestamps: Some((1, 2)), ..NONE }, 3, 40),
            ("with all else", full(16, sack), 0, 40),
        ] {
            assert_eq!(options.write(&mut out), len, "{situation}");
            let read = TcpOptions::parse(&out[..len]);
            assert_eq!(read.sack.as_slice(), &sack.as_slice()[..blocks], "{situation}");
            assert_eq!(TcpOptions { sack, ..read }, options, "{situation}");
        }
    }

    fn full(cookie: usize, sack: SackBlocks) -> TcpOptions {
        TcpOptions {
            mss: Some(1),
            window_scale: Some(2),
            sack_permitted: true,
            timestamps: Some((3, 4)),
            fast_open: FastOpenCookie::new(&[9; 16][..cookie]),
            sack,
        }
    }

    #[test]
    fn cookies_of_impossible_length() {
        for len in 0..=17 {
            let possible = len == 0 || ((4..=16).contains(&len) && len % 2 == 0);
            assert_eq!(FastOpenCookie::new(&[1; 17][..len]).is_some(), possible, "{len}");
        }
        let area = [34, 6, 1, 2, 3, 4, 34, 5, 1, 2, 3, 0];
        assert_eq!(TcpOptions::parse(&area).fast_open, FastOpenCookie::new(&[1, 2, 3, 4]));
    }

    fn any_options() -> impl Strategy<Value = TcpOptions> {
        let sack = prop::collection::vec(any::<(u32, u32)>(), 0..=4);
        let cookie = prop::option::of(prop::collection::vec(any::<u8>(), 0..=8));
        (any::<Option<u16>>(), any::<Option<u8>>(), any::<bool>(), any::<Option<(u32, u32)>>(), cookie, sack)
            .prop_map(|(mss, window_scale, sack_permitted, timestamps, cookie, sack)| TcpOptions {
                mss,
                window_scale,
                sack_permitted,
                timestamps,
                fast_open: cookie.and_then(|half| FastOpenCookie::new(&half.repeat(2))),
                sack: sack
                    .into_iter()
                    .map(|(l, r)| SackBlock { left: SeqNum(l), right: SeqNum(r) })
                    .collect(),
            })
    }

    proptest! {
        #[test]
        fn any_bytes(area in prop::collection::vec(any::<u8>(), 0..=60)) {
            prop_assert!(TcpOptions::parse(&area).sack.len() <= SackBlocks::MAX);
        }

        #[test]
        fn areas_that_look_like_options(pieces in prop::collection::vec((0u8..40, 0u8..12, any::<Vec<u8>>()), 0..6)) {
            let mut area = Vec::new();
            for (kind, len, data) in pieces {
                area.extend([kind, len]);
                area.extend(data.into_iter().take(usize::from(len)));
            }
            let read = TcpOptions::parse(&area);
            let mut out = [0; MAX_OPTIONS_LEN];
            let len = read.write(&mut out);
            let again = TcpOptions::parse(&out[..len]);
            prop_assert_eq!(TcpOptions { sack: read.sack, ..again }, read);
        }

        #[test]
        fn round_trip(options in any_options()) {
            let mut out = [0xff; MAX_OPTIONS_LEN];
            let len = options.write(&mut out);
            prop_assert!(len <= MAX_OPTIONS_LEN && len % 4 == 0);
            prop_assert_eq!(len, options.len());
            let read = TcpOptions::parse(&out[..len]);
            let kept = read.sack.len();
            prop_assert_eq!(read.sack.as_slice(), &options.sack.as_slice()[..kept]);
            prop_assert_eq!(TcpOptions { sack: options.sack, ..read }, options);
            let room = MAX_OPTIONS_LEN.saturating_sub(options.fixed_len() + 4) / 8;
            prop_assert_eq!(kept, options.sack.len().min(room));
        }

        #[test]
        fn written_is_what_others_read(mut options in any_options()) {
            use etherparse::TcpOptionElement as Theirs;
            options.fast_open = None; // etherparse stops at options that it does not know
            let mut out = [0; MAX_OPTIONS_LEN];
            let len = options.write(&mut out);
            let mut seen = NONE;
            for element in etherparse::TcpOptionsIterator::from_slice(&out[..len]) {
                match element.unwrap() {
                    Theirs::Noop => {}
                    Theirs::MaximumSegmentSize(mss) => seen.mss = Some(mss),
                    Theirs::WindowScale(shift) => seen.window_scale = Some(shift),
                    Theirs::SelectiveAcknowledgementPermitted => seen.sack_permitted = true,
                    Theirs::Timestamp(val, ecr) => seen.timestamps = Some((val, ecr)),
                    Theirs::SelectiveAcknowledgement(first, more) => {
                        let blocks = core::iter::once(first).chain(more.into_iter().flatten());
                        seen.sack = blocks.map(|(l, r)| SackBlock { left: SeqNum(l), right: SeqNum(r) }).collect();
                    }
                }
            }
            prop_assert_eq!(seen, TcpOptions::parse(&out[..len]));
        }
    }
}
