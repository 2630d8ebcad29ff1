//! Times between tries, with chance in them, so that hosts that woke up together do not ask together.

use std::time::Duration;
use ustack::Rng;

/// `time`, more or less by up to `share` of it.
pub(crate) fn around(time: Duration, share: f64, rng: &mut dyn Rng) -> Duration {
    // A number from -1 to 1, from 53 random bits.
    let unit = (rng.next_u64() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    time.mul_f64(1.0 + share * unit)
}

#[cfg(test)]
pub(crate) mod testing {
    /// Chance that repeats itself.
    pub(crate) struct Seeded(pub(crate) u64);

    impl ustack::Rng for Seeded {
        fn next_u64(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0 ^ (self.0 >> 31)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Seeded;
    use super::*;

    #[test]
    fn times_stay_within_their_share() {
        let mut rng = Seeded(1);
        let times: Vec<f64> =
            (0..1000).map(|_| around(Duration::from_secs(10), 0.1, &mut rng).as_secs_f64()).collect();
        assert!(times.iter().all(|time| (9.0..=11.0).contains(time)));
        assert!(times.iter().any(|time| *time < 9.2) && times.iter().any(|time| *time > 10.8));
    }
}
