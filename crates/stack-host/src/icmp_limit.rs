//! How many ICMP messages of our own making go out (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f).
//!
//! Two token buckets: one for the host, 1,000 a second with bursts of 50 (Linux's `icmp_msgs_per_sec` and
//! `icmp_msgs_burst`), and one for each destination, 10 a second with bursts of 20, in a table of fixed size where
//! destinations that fall into the same place share a bucket.

use crate::hash::{Map, map};
use core::hash::BuildHasher;
use core::net::IpAddr;
use stack_core::Instant;

const HOST: Rate = Rate { per_second: 1_000, burst: 50 };
const DESTINATION: Rate = Rate { per_second: 10, burst: 20 };
const PLACES: u64 = 256;

#[derive(Clone, Copy)]
struct Rate {
    per_second: u64,
    burst: u64,
}

/// Tokens in billionths.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    nano_tokens: u64,
    filled_at: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { nano_tokens: rate.burst * 1_000_000_000, filled_at: now }
    }

    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let elapsed = now.saturating_since(self.filled_at).as_nanos().min(60_000_000_000) as u64;
        self.nano_tokens = (self.nano_tokens + elapsed * rate.per_second).min(rate.burst * 1_000_000_000);
        self.filled_at = now;
        let taken = self.nano_tokens.checked_sub(1_000_000_000);
        self.nano_tokens = taken.unwrap_or(self.nano_tokens);
        taken.is_some()
    }
}

/// The limits of one host.
#[derive(Debug)]
pub(crate) struct IcmpLimit {
    host: Bucket,
    destinations: Map<u64, Bucket>,
}

impl IcmpLimit {
    pub(crate) fn new(seed: u64) -> Self {
        Self { host: Bucket::full(HOST, Instant::ZERO), destinations: map(seed) }
    }

    /// Takes a token for a message to `to`, if both buckets have one.
    pub(crate) fn allow(&mut self, now: Instant, to: IpAddr) -> bool {
        let place = self.destinations.hasher().hash_one(to) % PLACES;
        let bucket = self.destinations.entry(place).or_insert_with(|| Bucket::full(DESTINATION, now));
        bucket.take(DESTINATION, now) && self.host.take(HOST, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    // R1812-4.3.2.8-a, R4443-2.4-f
    #[test]
    fn a_destination_has_its_burst_and_then_its_rate() {
        let (mut limit, to) = (IcmpLimit::new(1), "10.0.0.1".parse().unwrap());
        let allowed = |limit: &mut IcmpLimit, now| (0..100).filter(|_| limit.allow(now, to)).count();
        assert_eq!(allowed(&mut limit, Instant::ZERO), 20);
        assert_eq!(allowed(&mut limit, Instant::from_millis(100)), 1);
        assert_eq!(allowed(&mut limit, Instant::ZERO + Duration::from_secs(3600)), 20);
    }

    // R1812-4.3.2.8-a, R4443-2.4-f
    #[test]
    fn the_host_has_a_limit_over_all_destinations() {
        let mut limit = IcmpLimit::new(1);
        let allowed = (0..10_000u32).filter(|n| limit.allow(Instant::ZERO, IpAddr::V4((*n).into()))).count();
        assert_eq!(allowed, 50);
        assert!(limit.destinations.len() <= PLACES as usize);
    }
}
