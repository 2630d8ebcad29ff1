//! How often a message is sent: RFC 8415 §15, with the parameters of §7.6.

use crate::retry::around;
use stack_core::Instant;
use std::time::Duration;
use ustack::Rng;

/// The parameters of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Parameters {
    /// IRT.
    pub(super) first: Duration,
    /// MRT; zero for none.
    pub(super) longest: Duration,
    /// MRC: tries; zero for no limit.
    pub(super) tries: u32,
    /// The random wait before the first one.
    pub(super) delay: Duration,
}

const fn parameters(first: u64, longest: u64, tries: u32, delay: u64) -> Parameters {
    let secs = Duration::from_secs;
    Parameters { first: secs(first), longest: secs(longest), tries, delay: secs(delay) }
}

pub(super) const SOLICIT: Parameters = parameters(1, 3600, 0, 1);
pub(super) const REQUEST: Parameters = parameters(1, 30, 10, 0);
pub(super) const RENEW: Parameters = parameters(10, 600, 0, 0);
pub(super) const REBIND: Parameters = parameters(10, 600, 0, 0);
pub(super) const INFORM: Parameters = parameters(1, 3600, 0, 1);

/// The retransmissions of one exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retransmit {
    parameters: Parameters,
    sent: u32,
    last: Duration,
    /// When it is sent next.
    pub(super) at: Instant,
    /// When it was sent first.
    pub(super) began: Option<Instant>,
}

impl Retransmit {
    pub(super) fn new(now: Instant, parameters: Parameters, rng: &mut dyn Rng) -> Self {
        let delay = match parameters.delay {
            Duration::ZERO => Duration::ZERO,
            most => around(most / 2, 1.0, rng),
        };
        Self { parameters, sent: 0, last: Duration::ZERO, at: now + delay, began: None }
    }

    /// The message goes now: when it goes next. `None` if it has gone often enough.
    pub(super) fn send(&mut self, now: Instant, rng: &mut dyn Rng) -> Option<()> {
        let Parameters { first, longest, tries, .. } = self.parameters;
        if tries != 0 && self.sent >= tries {
            return None;
        }
        let doubled = if self.sent == 0 { first } else { self.last * 2 };
        let capped = if longest.is_zero() { doubled } else { doubled.min(longest) };
        // §18.2.1: the first wait for advertisements is not shorter than a second.
        let wait = around(capped, 0.1, rng);
        self.last = if self.sent == 0 { wait.max(first) } else { wait };
        self.sent += 1;
        self.began.get_or_insert(now);
        self.at = now + self.last;
        Some(())
    }

    /// Whether the first wait is not over: all who answer are heard.
    pub(super) fn is_first(&self) -> bool {
        self.sent <= 1
    }

    /// Hundredths of a second since the first message (§21.9).
    pub(super) fn elapsed(&self, now: Instant) -> u16 {
        let since = self.began.map_or(Duration::ZERO, |began| now.saturating_since(began));
        u16::try_from(since.as_millis() / 10).unwrap_or(u16::MAX)
    }

    /// A server asks for more patience (SOL_MAX_RT, INF_MAX_RT).
    pub(super) fn set_longest(&mut self, longest: Duration) {
        self.parameters.longest = longest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::testing::Seeded;

    // R8415-15-a
    #[test]
    fn waits_double_up_to_the_longest_and_end_where_tries_are_counted() {
        let mut rng = Seeded(7);
        let mut now = Instant::ZERO;
        let mut request = Retransmit::new(now, REQUEST, &mut rng);
        assert_eq!(request.at, now, "a request is not delayed");
        let mut waits = Vec::new();
        while request.send(now, &mut rng).is_some() {
            waits.push(request.at.saturating_since(now).as_secs_f64());
            now = request.at;
        }
        assert_eq!(waits.len(), 10);
        for (wait, wanted) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]) {
            assert!((wait / wanted - 1.0).abs() < 0.45, "{waits:?}");
        }
        assert!(waits.iter().all(|wait| *wait <= 33.0));
    }

    #[test]
    fn the_first_message_waits_up_to_a_second() {
        for seed in 0..100 {
            let solicit = Retransmit::new(Instant::ZERO, SOLICIT, &mut Seeded(seed));
            assert!(solicit.at <= Instant::from_secs(1));
        }
    }
}
