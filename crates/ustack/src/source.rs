//! Where time and chance enter: the system's monotonic clock, and random numbers that a peer can't guess.
//!
//! Everything below the shell is handed both as arguments. Tests put a virtual clock and a seeded generator in
//! their place.

use siphasher::sip::SipHasher24;
use stack_core::{Clock, Instant, Rng};
use std::hash::Hasher;
use thiserror::Error;

/// The system's monotonic clock, counted from the moment that this value was made.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock that starts at zero now.
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }
}

/// The operating system gave no random numbers, so no connection could be made safe against guessing.
#[derive(Debug, Error)]
#[error("the operating system gave no random numbers ({0}); a stack needs 16 bytes of them once")]
pub struct RandomError(String);

/// Random numbers for initial sequence numbers, ports, and identifiers: SipHash-2-4 of a counter under a 128-bit
/// key from the operating system.
///
/// Without the key, outputs tell nothing about each other (RFC 6528 §3 and RFC 6056 §3.3 ask for no more). There is
/// no system call after the first, and nothing that can fail. Not for long-term secrets: whoever reads this
/// process's memory knows what was and will be handed out.
#[derive(Clone)]
pub struct SystemRng {
    key: [u8; 16],
    counter: u64,
}

impl SystemRng {
    /// A generator with a fresh key.
    ///
    /// # Errors
    /// The operating system has no source of randomness.
    pub fn new() -> Result<Self, RandomError> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|error| RandomError(error.to_string()))?;
        Ok(Self { key, counter: 0 })
    }
}

impl Rng for SystemRng {
    fn next_u64(&mut self) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u64(self.counter);
        self.counter = self.counter.wrapping_add(1);
        hasher.finish()
    }
}

impl std::fmt::Debug for SystemRng {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemRng").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_clock_starts_at_zero_and_never_goes_back() {
        let clock = SystemClock::new();
        let first = clock.now();
        assert!(first < Instant::from_secs(60));
        assert!(clock.now() >= first);
    }

    #[test]
    fn two_generators_share_no_number() {
        let (mut a, mut b) = (SystemRng::new().unwrap(), SystemRng::new().unwrap());
        let numbers: HashSet<u64> = (0..1000).flat_map(|_| [a.next_u64(), b.next_u64()]).collect();
        assert_eq!(numbers.len(), 2000);
    }

    #[test]
    fn bits_are_balanced() {
        let mut rng = SystemRng::new().unwrap();
        let ones: u32 = (0..10_000).map(|_| rng.next_u64().count_ones()).sum();
        assert!((310_000..330_000).contains(&ones), "{ones} of 640,000");
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", SystemRng::new().unwrap()), "SystemRng { .. }");
    }
}
