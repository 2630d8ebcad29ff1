//! When a transport uses explicit congestion notification: what sockets can be set to.

use core::fmt;
use core::str::FromStr;

/// How the two ends of a connection tell each other of packets that routers have marked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum EcnFeedback {
    /// Not at all: nothing is sent as ECN-capable.
    #[default]
    None,
    /// That there were some, once a round trip (RFC 3168).
    Classic,
    /// How many (RFC 9768). Who can do that also speaks the classic one, with peers that know no better.
    Accurate,
}

/// Which feedback a connection asks its peer for when it connects, and which it agrees to when it is asked.
/// A peer that asks is accepted in any case; what is not agreed to is left unused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EcnPolicy {
    /// What to ask for.
    pub requests: EcnFeedback,
    /// The most to agree to.
    pub accepts: EcnFeedback,
}

impl EcnPolicy {
    /// Neither asked for nor agreed to (Linux: `tcp_ecn=0`).
    pub const OFF: Self = Self { requests: EcnFeedback::None, accepts: EcnFeedback::None };
    /// Agreed to when the peer asks (Linux: `tcp_ecn=2`).
    pub const PASSIVE: Self = Self { requests: EcnFeedback::None, accepts: EcnFeedback::Classic };
    /// Asked for and agreed to (Linux: `tcp_ecn=1`).
    pub const ON: Self = Self { requests: EcnFeedback::Classic, accepts: EcnFeedback::Classic };
    /// The same with accurate feedback (Linux from 6.18 on: `tcp_ecn=3`).
    pub const ACCURATE: Self = Self { requests: EcnFeedback::Accurate, accepts: EcnFeedback::Accurate };

    /// By its number in Linux's `tcp_ecn`: 0 to 5.
    pub fn of_number(number: u8) -> Option<Self> {
        use EcnFeedback::{Accurate, Classic, None};
        let policy = |requests, accepts| Some(Self { requests, accepts });
        match number {
            0 => policy(None, None),
            1 => policy(Classic, Classic),
            2 => policy(None, Classic),
            3 => policy(Accurate, Accurate),
            4 => policy(Classic, Accurate),
            5 => policy(None, Accurate),
            _ => Option::None,
        }
    }
}

impl Default for EcnPolicy {
    /// [`PASSIVE`](Self::PASSIVE), as Linux: peers choose, and paths that lose such SYNs do no harm.
    fn default() -> Self {
        Self::PASSIVE
    }
}

/// Not a policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownEcnPolicy;

impl fmt::Display for UnknownEcnPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ECN is off, passive, on or accurate, or a number from 0 to 5 as for Linux's tcp_ecn")
    }
}

impl core::error::Error for UnknownEcnPolicy {}

impl FromStr for EcnPolicy {
    type Err = UnknownEcnPolicy;

    /// `off`, `passive`, `on`, `accurate`, or the number of Linux's `tcp_ecn`.
    fn from_str(text: &str) -> Result<Self, UnknownEcnPolicy> {
        match text {
            "off" => Ok(Self::OFF),
            "passive" => Ok(Self::PASSIVE),
            "on" => Ok(Self::ON),
            "accurate" => Ok(Self::ACCURATE),
            number => number.parse().ok().and_then(Self::of_number).ok_or(UnknownEcnPolicy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_of_linux() {
        for (number, word) in [(0, "off"), (1, "on"), (2, "passive"), (3, "accurate")] {
            assert_eq!(word.parse(), Ok(EcnPolicy::of_number(number).unwrap()));
        }
        let mixed = EcnPolicy { requests: EcnFeedback::Classic, accepts: EcnFeedback::Accurate };
        assert_eq!("4".parse(), Ok(mixed));
        assert_eq!("5".parse(), Ok(EcnPolicy { requests: EcnFeedback::None, ..mixed }));
        assert_eq!(["6", "", "ON"].map(|text| text.parse::<EcnPolicy>()), [Err(UnknownEcnPolicy); 3]);
    }
}
