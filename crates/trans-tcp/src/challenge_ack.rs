//! Limits on ACKs that answer unacceptable segments: RFC 5961 §7.
//!
//! Two limits: each connection answers segments without data at most every half second, which breaks ACK loops between
//! two confused ends; the stack as a whole has a budget for each second that is drawn at random, so that a stranger
//! can't learn from it whether a guess hit a connection (CVE-2016-5696). Segments with data are always answered:
//! they are retransmissions of a peer that misses our ACK.

use crate::config::TcpConfig;
use stack_core::Instant;

/// The budget of the whole stack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChallengeBudget {
    second: u64,
    left: u32,
}

impl ChallengeBudget {
    /// Takes one ACK from this second's budget. `random` gives chance when a new second begins.
    pub(crate) fn take(&mut self, now: Instant, config: &TcpConfig, random: impl FnOnce() -> u64) -> bool {
        let second = now.as_millis() / 1000 + 1;
        if second != self.second {
            let mean = config.challenges_per_second.max(1);
            self.second = second;
            self.left = (mean / 2).max(1) + (random() % u64::from(mean)) as u32;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

/// The limit of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChallengeClock {
    /// Milliseconds of the clock's origin plus one; 0 if there was none.
    last: u32,
}

impl ChallengeClock {
    /// Whether the last one is long enough ago; notes this one if so.
    pub(crate) fn take(&mut self, now: Instant, config: &TcpConfig) -> bool {
        let now = (now.as_millis() as u32).wrapping_add(1).max(1);
        let interval = crate::config::millis(config.challenge_interval);
        let allowed = self.last == 0 || now.wrapping_sub(self.last) >= interval;
        if allowed {
            self.last = now;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_answers_twice_a_second() {
        let (mut clock, config) = (ChallengeClock::default(), TcpConfig::default());
        let answered: usize = (0..2000).filter(|&ms| clock.take(Instant::from_millis(ms), &config)).count();
        assert_eq!(answered, 4);
    }

    #[test]
    fn the_budget_of_a_second_can_not_be_counted_with() {
        let config = TcpConfig { challenges_per_second: 100, ..TcpConfig::default() };
        let mut budget = ChallengeBudget::default();
        let mut spent = |second: u64, random| {
            let at = |ms: u64| Instant::from_millis(second * 1000 + ms);
            (0..1000).filter(|&ms| budget.take(at(ms), &config, || random)).count()
        };
        assert_eq!((spent(1, 0), spent(2, 99), spent(2, 5), spent(3, 40)), (50, 149, 0, 90));
    }
}
