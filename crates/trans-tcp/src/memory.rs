//! What all connections of a stack may hold together, and what gives when it gets scarce. The three thresholds are
//! those of Linux's `tcp_mem`, in bytes.
//!
//! | | below `pressure` | above, until below `low` | above `high` |
//! | --- | --- | --- | --- |
//! | buffers | tune themselves | don't grow | a sender has 4 KiB |
//! | window offered | what the buffer has free | four segments ahead, never back | the same |
//! | text ahead of its time | kept | copied together | refused |
//! | text in order | kept | kept | 4 KiB for each connection, for which it drops what it holds ahead of its time |
//! | writes | as buffers allow | as buffers allow | refused, but for the first 4 KiB |
//!
//! So every connection makes progress at any time, and the sum stays below `high` and 8 KiB for each connection, but
//! for what one call brings. Each call to a connection begins with what the budget says and ends with what it used.

use crate::config::{MIN_BUFFER, TcpConfig};
use crate::connection::Connection;
use crate::env::Env;

/// Thresholds of the memory behind all buffers of a stack, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryLimits {
    /// Below this, pressure ends.
    pub low: usize,
    /// Above this, it begins.
    pub pressure: usize,
    /// Above this, new data is refused.
    pub high: usize,
}

impl Default for MemoryLimits {
    /// 384, 512 and 768 MiB: what Linux takes of 8 GiB.
    fn default() -> Self {
        Self { low: 384 << 20, pressure: 512 << 20, high: 768 << 20 }
    }
}

/// How scarce memory is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Level {
    #[default]
    Plenty,
    Pressure,
    Full,
}

/// The memory behind all buffers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Budget {
    used: usize,
    level: Level,
}

impl Budget {
    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// How scarce it is.
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// One connection uses `after` bytes instead of `before`. Returns whether pressure begins.
    pub(crate) fn settle(&mut self, before: u32, after: u32, limits: &MemoryLimits) -> bool {
        self.used = (self.used + after as usize).saturating_sub(before as usize);
        let was = self.level;
        self.level = match self.used {
            used if used > limits.high => Level::Full,
            used if used > limits.pressure => Level::Pressure,
            used if used > limits.low && was != Level::Plenty => Level::Pressure,
            _ => Level::Plenty,
        };
        was == Level::Plenty && self.level != Level::Plenty
    }
}

/// Segments that the window may run ahead under pressure. Linux: 4.
const SEGMENTS_AHEAD: u32 = 4;

impl Connection {
    /// Memory behind its buffers.
    pub(crate) fn memory(&self) -> u32 {
        self.rcv.memory() + self.snd.buffered()
    }

    /// Tells the budget what a call has changed: before it, the connection held `before` bytes.
    pub(crate) fn settle_memory(&self, env: &mut Env<'_, '_>, before: u32) {
        let after = self.memory();
        if after != before {
            let shared = &mut *env.shared;
            let begins = shared.memory.settle(before, after, &shared.config.memory);
            shared.counters.memory_pressures += u64::from(begins);
        }
    }

    /// Pressure may have ended with this call: then the peer should hear of the window that opens again.
    pub(crate) fn relax(&mut self, env: &mut Env<'_, '_>) {
        let was = core::mem::replace(&mut self.level, env.shared.memory.level());
        let ends = was != Level::Plenty && self.level == Level::Plenty;
        if ends
            && self.state.receives_data()
            && self.rcv.update_is_due(self.window_limit(), self.receive_mss())
        {
            self.acks.at_once();
            self.mark_ready(env);
        }
    }

    /// The connection is no more.
    pub(crate) fn return_memory(&self, budget: &mut Budget, config: &TcpConfig) {
        budget.settle(self.memory(), 0, &config.memory);
    }

    /// The window that memory allows.
    pub(crate) fn window_of_level(&self) -> u32 {
        match self.level {
            Level::Plenty => u32::MAX,
            Level::Pressure | Level::Full => (SEGMENTS_AHEAD * self.receive_mss()).max(MIN_BUFFER as u32),
        }
    }

    /// Makes room for text that came in order. Returns whether there is some.
    pub(crate) fn admit(&mut self, env: &mut Env<'_, '_>) -> bool {
        if self.level != Level::Full || self.rcv.memory() < MIN_BUFFER as u32 {
            return true;
        }
        if self.rcv.prune() {
            env.counters().ofo_pruned += 1;
        }
        let fits = self.rcv.memory() < MIN_BUFFER as u32;
        env.counters().rcv_q_drop += u64::from(!fits);
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_ends_below_where_it_began() {
        let limits = MemoryLimits { low: 100, pressure: 200, high: 300 };
        let mut budget = Budget::default();
        let mut held = 0;
        let mut use_all = |bytes| {
            let begins = budget.settle(held, bytes, &limits);
            held = bytes;
            (budget.level(), begins, budget.used())
        };
        assert_eq!(use_all(200), (Level::Plenty, false, 200));
        assert_eq!(use_all(201), (Level::Pressure, true, 201));
        assert_eq!(use_all(301), (Level::Full, false, 301));
        assert_eq!(use_all(150), (Level::Pressure, false, 150));
        assert_eq!(use_all(100), (Level::Plenty, false, 100));
        assert_eq!(use_all(150), (Level::Plenty, false, 150));
    }
}
