//! The only sources of time and chance.

use stack_packet::Instant;

/// A monotonic clock.
pub trait Clock: Send {
    /// The time.
    fn now(&self) -> Instant;
}

/// A source of random numbers; cryptographic in the shell, seeded in tests.
pub trait Rng: Send {
    /// Sixty-four random bits.
    fn next_u64(&mut self) -> u64;
}
