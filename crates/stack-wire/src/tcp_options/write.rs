//! Writing TCP options in one fixed layout.

use super::{TcpOptions, kind};
use crate::tcp::MAX_OPTIONS_LEN;

impl TcpOptions {
    /// Writes the option area, padded with zeros to a multiple of four (R9293-MUST-69), and returns
    /// its length.
    ///
    /// The layout is fixed: MSS; SACK-permitted and timestamps packed into twelve octets when both
    /// are there, else each behind two NOPs; NOP and window scale; Fast Open; two NOPs and SACK; AccECN.
    /// All options but SACK and AccECN always fit together, and AccECN is left out where it does not fit beside
    /// them. SACK takes the room that is left: blocks that do not fit are left out, the oldest first (RFC 2018 §3).
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
        if let Some(option) = self.accurate_ecn {
            area.put(option.to_bytes().get(..option.len()).unwrap_or_default());
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
    pub(super) fn fixed_len(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let timestamps = match (self.sack_permitted, self.timestamps.is_some()) {
            (_, true) => 12,
            (true, false) => 4,
            (false, false) => 0,
        };
        let scale = if self.window_scale.is_some() { 4 } else { 0 };
        let cookie = self.fast_open.map_or(0, |cookie| 2 + cookie.as_bytes().len());
        let others = mss + timestamps + scale + cookie;
        let accurate_ecn = self.accurate_ecn.map_or(0, |option| option.len());
        if others + accurate_ecn <= MAX_OPTIONS_LEN { others + accurate_ecn } else { others }
    }

    #[inline]
    fn sack_blocks_that_fit(&self, used: usize) -> usize {
        (MAX_OPTIONS_LEN.saturating_sub(used + 4) / 8).min(self.sack.len())
    }
}

/// An option area being filled from the front.
struct Area<'a> {
    out: &'a mut [u8; MAX_OPTIONS_LEN],
    len: usize,
}

impl Area<'_> {
    /// What would not fit is left out.
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
