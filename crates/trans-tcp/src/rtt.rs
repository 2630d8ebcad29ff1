//! Round-trip times and the retransmission timeout: RFC 6298, with Karn's rule.
//!
//! [`Rto`] is a witness: a value of that type lies between the configured bounds. [`Sampler`] times one segment at a
//! time from its transmission to the *arrival* of its acknowledgment (ingress stamp); a retransmission cancels it
//! (R9293-MUST-18), and then timestamps, if negotiated, give the sample (RFC 7323 §4.1).

use crate::config::TcpConfig;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// Granularity of the clock, G of RFC 6298: what a variance of zero still leaves as margin.
const GRANULARITY_US: u32 = 1_000;

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

fn micros_of(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The estimator of RFC 6298 §2, in fixed point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Estimator {
    /// SRTT in eighths of a microsecond; 0 before the first sample.
    srtt_8: u32,
    /// RTTVAR in quarters of a microsecond.
    rttvar_4: u32,
    /// The smallest sample, in microseconds; `u32::MAX` before the first.
    min_us: u32,
    rto: Rto,
    /// Timeouts since the last valid sample: Karn's second half.
    pub(crate) backoff: u8,
}

impl Estimator {
    /// Knows nothing yet.
    pub(crate) fn new(config: &TcpConfig) -> Self {
        let rto = Rto::new(u64::from(micros_of(config.initial_rto)), config); // R6298-2.1-a
        Self { srtt_8: 0, rttvar_4: 0, min_us: u32::MAX, rto, backoff: 0 }
    }

    /// Takes a sample in.
    pub(crate) fn sample(&mut self, rtt: Duration, config: &TcpConfig) {
        let r = micros_of(rtt).clamp(1, 1 << 28);
        self.min_us = self.min_us.min(r);
        if self.srtt_8 == 0 {
            self.srtt_8 = r << 3; // R6298-2.2-a
            self.rttvar_4 = r << 1;
        } else {
            let error = (self.srtt_8 >> 3).abs_diff(r);
            self.rttvar_4 = self.rttvar_4 - (self.rttvar_4 >> 2) + error; // R6298-2.3-a: RTTVAR first
            self.srtt_8 = self.srtt_8 - (self.srtt_8 >> 3) + r;
        }
        let margin = GRANULARITY_US.max(self.rttvar_4);
        self.rto = Rto::new(u64::from(self.srtt_8 >> 3) + u64::from(margin), config);
        self.backoff = 0;
    }

    /// The SYN timed out and no sample was taken: R6298-5.7-a.
    pub(crate) fn after_lost_syn(&mut self, config: &TcpConfig) {
        self.backoff = 0;
        if self.srtt_8 == 0 {
            self.rto = Rto::new(u64::from(self.rto.0).max(3_000_000), config);
        }
    }

    /// The timeout that counts now.
    pub(crate) fn rto(&self, config: &TcpConfig) -> Duration {
        self.rto.backed_off(self.backoff, config)
    }

    /// The timeout, doubled `backoff` times instead.
    pub(crate) fn rto_backed_off(&self, backoff: u8, config: &TcpConfig) -> Duration {
        self.rto.backed_off(backoff, config)
    }

    /// Smoothed round-trip time; `None` before the first sample.
    pub(crate) fn srtt(&self) -> Option<Duration> {
        (self.srtt_8 > 0).then(|| Duration::from_micros(u64::from(self.srtt_8 >> 3)))
    }

    /// Its variation.
    pub(crate) fn rttvar(&self) -> Duration {
        Duration::from_micros(u64::from(self.rttvar_4 >> 2))
    }

    /// The smallest sample; `None` before the first.
    pub(crate) fn min_rtt(&self) -> Option<Duration> {
        (self.min_us != u32::MAX).then(|| Duration::from_micros(u64::from(self.min_us)))
    }
}

/// Times one segment a round trip (R6298-3-a).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampler {
    end: SeqNum,
    /// [`Instant::FAR_FUTURE`] while nothing is timed.
    sent: Instant,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { end: SeqNum(0), sent: Instant::FAR_FUTURE }
    }
}

impl Sampler {
    /// New data up to `end` was sent; timed if nothing else is.
    pub(crate) fn sent(&mut self, end: SeqNum, now: Instant) {
        if self.sent == Instant::FAR_FUTURE {
            *self = Self { end, sent: now };
        }
    }

    /// Something was sent again: an ACK could be for either copy (Karn).
    pub(crate) fn retransmitted(&mut self) {
        self.sent = Instant::FAR_FUTURE;
    }

    /// The sample, if `ack`, which arrived at `at`, covers what was timed.
    pub(crate) fn acked(&mut self, ack: SeqNum, at: Instant) -> Option<Duration> {
        if self.sent == Instant::FAR_FUTURE || ack.before(self.end) {
            return None;
        }
        let sent = core::mem::replace(&mut self.sent, Instant::FAR_FUTURE);
        Some(at.saturating_since(sent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_worked_example_of_rfc_6298() {
        let config = TcpConfig::default();
        let mut e = Estimator::new(&config);
        assert_eq!(e.rto(&config), 1000 * MS);
        e.sample(100 * MS, &config); // SRTT 100, RTTVAR 50, RTO 100 + 4 × 50
        assert_eq!((e.srtt(), e.rttvar(), e.rto(&config)), (Some(100 * MS), 50 * MS, 300 * MS));
        e.sample(200 * MS, &config); // RTTVAR 3/4 × 50 + 1/4 × 100 = 62.5, SRTT 112.5, RTO 362.5
        assert_eq!((e.srtt(), e.rto(&config)), (Some(112_500 * MS / 1000), 362_500 * MS / 1000));
        assert_eq!(e.min_rtt(), Some(100 * MS));
    }

    #[test]
    fn the_timeout_stays_within_its_bounds() {
        let config = TcpConfig::default();
        let mut e = Estimator::new(&config);
        (0..100).for_each(|_| e.sample(Duration::from_micros(20), &config));
        assert_eq!(e.rto(&config), 200 * MS);
        e.backoff = 200;
        assert_eq!(e.rto(&config), config.max_rto);
        e.sample(Duration::from_secs(100_000), &config);
        assert_eq!((e.backoff, e.rto(&config)), (0, config.max_rto));
    }

    #[test]
    fn a_lost_syn_without_a_sample_means_three_seconds() {
        let config = TcpConfig::default();
        let mut e = Estimator::new(&config);
        e.backoff = 3;
        e.after_lost_syn(&config);
        assert_eq!(e.rto(&config), 3000 * MS);
        let mut e = Estimator::new(&config);
        e.sample(MS, &config);
        e.after_lost_syn(&config);
        assert_eq!(e.rto(&config), 200 * MS);
    }

    #[test]
    fn karn_takes_no_sample_from_what_was_sent_twice() {
        let mut sampler = Sampler::default();
        let at = Instant::from_millis;
        sampler.sent(SeqNum(100), at(0));
        sampler.sent(SeqNum(200), at(1));
        assert_eq!(sampler.acked(SeqNum(99), at(5)), None);
        assert_eq!(sampler.acked(SeqNum(100), at(7)), Some(7 * MS));
        assert_eq!(sampler.acked(SeqNum(200), at(8)), None);
        sampler.sent(SeqNum(300), at(9));
        sampler.retransmitted();
        assert_eq!(sampler.acked(SeqNum(300), at(10)), None);
    }
}
