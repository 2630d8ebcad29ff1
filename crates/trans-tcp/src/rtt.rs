//! Round-trip times and the retransmission timeout: RFC 6298, with Karn's rule and the correction of RFC 7323 appendix G.
//!
//! [`Rto`] is a witness: a value of that type lies between the configured bounds. Every ACK of something that was sent
//! once gives a sample, from its transmission to the *arrival* of the ACK (ingress stamp); where only timestamps can
//! tell which copy is answered, they give it (R9293-MUST-18, RFC 7323 §4.1). So that many samples in a round trip weigh
//! as much as RFC 6298's one, each counts in proportion to what it acknowledges of the flight.

use crate::config::TcpConfig;
use core::time::Duration;

/// Granularity of the clock, G of RFC 6298: what a variance of zero still leaves as margin.
const GRANULARITY_US: f32 = 1_000.0;

/// A retransmission timeout within bounds, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rto(u32);

impl Rto {
    fn new(micros: u64, config: &TcpConfig) -> Self {
        let (min, max) = (micros_of(config.min_rto), micros_of(config.max_rto));
        Self(micros.clamp(u64::from(min), u64::from(max.max(min))) as u32)
    }

    /// The timeout, doubled `backoff` times, but not beyond the upper bound (R6298-5.5-a).
    pub(crate) fn backed_off(self, backoff: u8, config: &TcpConfig) -> Duration {
        let micros = u64::from(self.0) << backoff.min(31);
        Duration::from_micros(micros.min(u64::from(micros_of(config.max_rto)).max(u64::from(self.0))))
    }
}

fn sample_us(rtt: Duration) -> u32 {
    micros_of(rtt).clamp(1, 1 << 28)
}

fn micros_of(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The timeout for data after the SYN timed out: R6298-5.7-a.
const AFTER_LOST_SYN_US: u64 = 3_000_000;
/// Most samples that a round trip is reckoned to have.
const MAX_SAMPLES: u32 = 1 << 16;

/// The estimator of RFC 6298 §2. Floating point, for with a thousand samples a round trip each moves the mean by less
/// than a microsecond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimator {
    /// SRTT in microseconds; 0 before the first sample.
    srtt_us: f32,
    /// RTTVAR in microseconds.
    rttvar_us: f32,
    /// The smallest sample, in microseconds; `u32::MAX` before the first.
    min_us: u32,
    /// Timeouts since the last valid sample: Karn's second half.
    pub(crate) backoff: u8,
    /// The SYN timed out: R6298-5.7-a.
    syn_was_lost: bool,
}

impl Estimator {
    /// Knows nothing yet.
    pub(crate) fn new() -> Self {
        Self { srtt_us: 0.0, rttvar_us: 0.0, min_us: u32::MAX, backoff: 0, syn_was_lost: false }
    }

    /// Takes in a sample that acknowledges `acked` of `flight` octets: with the weight of one of `flight / acked` samples
    /// of the round trip. RFC 7323 appendix G reckons with an ACK for every second segment instead; peers of ours
    /// acknowledge whole batches.
    pub(crate) fn sample(&mut self, rtt: Duration, acked: u32, flight: u32) {
        self.observe(rtt);
        let r = sample_us(rtt) as f32;
        if self.srtt_us == 0.0 {
            self.srtt_us = r; // R6298-2.2-a
            self.rttvar_us = r / 2.0;
        } else {
            let samples = flight.div_ceil(acked.max(1)).clamp(1, MAX_SAMPLES) as f32;
            let error = (self.srtt_us - r).abs();
            self.rttvar_us += (error - self.rttvar_us) / (4.0 * samples); // R6298-2.3-a: RTTVAR first
            self.srtt_us += (r - self.srtt_us) / (8.0 * samples);
        }
        self.backoff = 0;
    }

    /// A round trip that counts for the smallest only.
    pub(crate) fn observe(&mut self, rtt: Duration) {
        self.min_us = self.min_us.min(sample_us(rtt));
    }

    /// The SYN timed out and no sample was taken: R6298-5.7-a.
    pub(crate) fn after_lost_syn(&mut self) {
        self.backoff = 0;
        self.syn_was_lost = true;
    }

    /// The timeout that counts now.
    pub(crate) fn rto(&self, config: &TcpConfig) -> Duration {
        self.rto_backed_off(self.backoff, config)
    }

    /// The timeout, doubled `backoff` times instead.
    pub(crate) fn rto_backed_off(&self, backoff: u8, config: &TcpConfig) -> Duration {
        let micros = if self.srtt_us > 0.0 {
            (self.srtt_us + (4.0 * self.rttvar_us).max(GRANULARITY_US)) as u64
        } else {
            let initial = u64::from(micros_of(config.initial_rto)); // R6298-2.1-a
            if self.syn_was_lost { initial.max(AFTER_LOST_SYN_US) } else { initial }
        };
        Rto::new(micros, config).backed_off(backoff, config)
    }

    /// Smoothed round-trip time; `None` before the first sample.
    pub(crate) fn srtt(&self) -> Option<Duration> {
        (self.srtt_us > 0.0).then(|| Duration::from_micros(self.srtt_us as u64))
    }

    /// Its variation.
    pub(crate) fn rttvar(&self) -> Duration {
        Duration::from_micros(self.rttvar_us as u64)
    }

    /// The smallest sample; `None` before the first.
    pub(crate) fn min_rtt(&self) -> Option<Duration> {
        (self.min_us != u32::MAX).then(|| Duration::from_micros(u64::from(self.min_us)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_worked_example_of_rfc_6298() {
        let config = TcpConfig::default();
        let mut e = Estimator::new();
        assert_eq!(e.rto(&config), 1000 * MS);
        e.sample(100 * MS, 1, 1); // SRTT 100, RTTVAR 50, RTO 100 + 4 × 50
        assert_eq!((e.srtt(), e.rttvar(), e.rto(&config)), (Some(100 * MS), 50 * MS, 300 * MS));
        e.sample(200 * MS, 1, 1); // RTTVAR 3/4 × 50 + 1/4 × 100 = 62.5, SRTT 112.5, RTO 362.5
        assert_eq!((e.srtt(), e.rto(&config)), (Some(112_500 * MS / 1000), 362_500 * MS / 1000));
        assert_eq!(e.min_rtt(), Some(100 * MS));
    }

    #[test]
    fn the_timeout_stays_within_its_bounds() {
        let config = TcpConfig::default();
        let mut e = Estimator::new();
        (0..100).for_each(|_| e.sample(Duration::from_micros(20), 1, 1));
        assert_eq!(e.rto(&config), 200 * MS);
        e.backoff = 200;
        assert_eq!(e.rto(&config), config.max_rto);
        e.sample(Duration::from_secs(100_000), 1, 1);
        assert_eq!((e.backoff, e.rto(&config)), (0, config.max_rto));
    }

    #[test]
    fn a_lost_syn_without_a_sample_means_three_seconds() {
        let config = TcpConfig::default();
        let mut e = Estimator::new();
        e.backoff = 3;
        e.after_lost_syn();
        assert_eq!(e.rto(&config), 3000 * MS);
        let mut e = Estimator::new();
        e.sample(MS, 1, 1);
        e.after_lost_syn();
        assert_eq!(e.rto(&config), 200 * MS);
    }

    #[test]
    fn many_samples_in_a_round_trip_weigh_as_much_as_one() {
        let estimate = |acks: u32| {
            let mut e = Estimator::new();
            e.sample(100 * MS, 1, 1);
            (0..acks).for_each(|_| e.sample(200 * MS, 1000, 1000 * acks));
            e.srtt().unwrap().as_millis()
        };
        assert_eq!(estimate(1), 112);
        assert!((111..=113).contains(&estimate(10)) && (111..=113).contains(&estimate(10_000)));
    }
}
