//! Chance and time for tests: a seeded generator and a clock that stands still until it is moved.

use core::sync::atomic::{AtomicU64, Ordering};
use stack_core::{Clock, Instant, Rng};
use std::sync::Arc;

/// SplitMix64's step: 2^64 divided by the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A generator whose numbers are a function of its seed (SplitMix64). Not for secrets.
#[derive(Clone, Debug)]
pub struct SeededRng(u64);

impl SeededRng {
    /// The generator of that seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// The number at position `n` of a seed, from 0.
    pub const fn nth(seed: u64, n: u64) -> u64 {
        mix(seed.wrapping_add(n.wrapping_add(1).wrapping_mul(GAMMA)))
    }

    /// A number below `bound`; 0 if there is none.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// A generator of its own for a part of the test, so that what happens in one part does not shift another.
    pub const fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    /// Fills a buffer.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

impl Rng for SeededRng {
    fn next_u64(&mut self) -> u64 {
        self.next()
    }
}

/// A clock that shows what it was set to; clones show the same.
#[derive(Clone, Debug, Default)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time. It never goes back: an earlier time changes nothing.
    pub fn set(&self, now: Instant) {
        self.0.fetch_max(now.as_nanos(), Ordering::AcqRel);
    }

    /// Moves it forward.
    pub fn advance(&self, by: core::time::Duration) {
        self.set(self.now() + by);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_bounds_hold() {
        let (mut a, mut b) = (SeededRng::new(7), SeededRng::new(7));
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            assert_eq!(a.clone().next(), SeededRng::nth(a.0, 0));
            assert_eq!(a.next(), b.next());
            counts[a.below(10) as usize] += 1;
            b.below(10);
        }
        assert!(counts.iter().all(|count| (800..1200).contains(count)), "{counts:?}");
        assert_eq!(a.below(0), 0);
    }

    #[test]
    fn a_clock_only_goes_forward() {
        let clock = VirtualClock::new();
        let other = clock.clone();
        clock.advance(Duration::from_secs(2));
        other.set(Instant::from_secs(1));
        assert_eq!(other.now(), Instant::from_secs(2));
    }
}
