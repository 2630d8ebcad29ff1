//! TCP options: RFC 9293 §3.2 (MSS), RFC 7323 (window scale, timestamps),
//! RFC 2018 (SACK), RFC 7413 (Fast Open), RFC 9768 (AccECN).
//!
//! [`TcpOptions::parse`] is total. Unknown options are skipped by their length
//! (R9293-MUST-6), a length that is illegal ends the walk and keeps what was read
//! before it (R9293-MUST-7), and any alignment will do (R9293-MUST-64). An option
//! that is known but has the wrong length is skipped like an unknown one. When an
//! option comes twice, the last one counts.
//!
//! Whether an option may stand in a given segment (MSS and window scale only with
//! SYN) is for the state machine to say, not for this file.

mod accurate_ecn;
mod fast_open;
mod sack;
mod walk;
mod write;

pub use accurate_ecn::{AccEcnOption, AccEcnOrder};
pub use fast_open::FastOpenCookie;
pub use sack::{SackBlock, SackBlocks};
pub use walk::Options;

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
    /// AccECN with the count of ECT(0) first.
    pub const ACC_ECN_0: u8 = 172;
    /// AccECN with the count of ECT(1) first.
    pub const ACC_ECN_1: u8 = 174;
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
    /// Bytes received by their ECN field.
    pub accurate_ecn: Option<AccEcnOption>,
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
        accurate_ecn: None,
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
            (kind::SACK, blocks) if blocks.len() % 8 == 0 => self.sack = SackBlocks::parse(blocks),
            (kind::FAST_OPEN, cookie) => self.fast_open = FastOpenCookie::new(cookie).or(self.fast_open),
            (kind::ACC_ECN_0 | kind::ACC_ECN_1, counts) => {
                self.accurate_ecn = AccEcnOption::parse(kind, counts);
            }
            _ => {} // R9293-MUST-6
        }
    }
}

#[cfg(test)]
mod tests;
