//! How fast the network delivers: the delivery-rate estimation of draft-ietf-ccwg-bbr §4.1.
//!
//! A [`Snapshot`] travels with each run of bytes that is sent; when the run is delivered, it tells how much the
//! connection delivered meanwhile and how long that took. The slower of the rates of sending and of acknowledging
//! counts, so that bunched ACKs don't look like bandwidth. Bytes sent while the application had nothing more to say
//! are marked: their rate says little about the network.

use core::time::Duration;
use stack_core::Instant;

/// Counts what one connection delivers and loses.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateTracker {
    /// Bytes delivered so far: `C.delivered`.
    pub delivered: u64,
    /// When the last of them were: `C.delivered_time`.
    pub delivered_at: Instant,
    /// When the newest of what is delivered, or the first of a new flight, was sent: `C.first_send_time`.
    pub first_sent_at: Instant,
    /// Bytes that counted as lost so far, modulo 2^32: `C.lost`.
    pub lost: u32,
    /// Once that many bytes are delivered, the application's pause is out of the samples; 0 if there was none.
    pub app_limited_until: u64,
    pending: Option<Pending>,
}

/// What was known when a run of bytes was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Snapshot {
    /// [`RateTracker::delivered`] then.
    pub delivered: u64,
    /// [`RateTracker::delivered_at`] then.
    pub delivered_at: Instant,
    /// [`RateTracker::first_sent_at`] then.
    pub first_sent_at: Instant,
    /// Bytes in flight, the run included.
    pub tx_in_flight: u32,
    /// [`RateTracker::lost`] then.
    pub lost: u32,
    /// The application was the limit then.
    pub is_app_limited: bool,
}

/// The newest run that the ACK at hand delivers.
#[derive(Clone, Copy, Debug)]
struct Pending {
    sent_at: Instant,
    sent: Snapshot,
    send_elapsed: Duration,
}

/// The delivery rate that one ACK shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateSample {
    /// Bytes that the connection has delivered in all.
    pub delivered: u64,
    /// The same when the newest of the bytes was sent.
    pub prior_delivered: u64,
    /// Time in which the difference was delivered; zero if it is too short to mean anything.
    pub interval: Duration,
    /// Bytes in flight when the newest of the bytes was sent, itself included.
    pub tx_in_flight: u32,
    /// Bytes that counted as lost since then.
    pub lost: u32,
    /// The application was the limit when it was sent.
    pub is_app_limited: bool,
}

impl RateSample {
    /// Bytes delivered in the interval.
    pub fn interval_bytes(&self) -> u64 {
        self.delivered.saturating_sub(self.prior_delivered)
    }

    /// Bytes a second; `None` if the interval is too short to tell.
    pub fn rate(&self) -> Option<u64> {
        let nanos = self.interval.as_nanos();
        let bytes = u128::from(self.interval_bytes()) * 1_000_000_000;
        bytes.checked_div(nanos).map(|rate| u64::try_from(rate).unwrap_or(u64::MAX))
    }
}

impl RateTracker {
    /// `bytes` are sent while `in_flight_before` are in the network; what it returns is kept with them.
    pub fn on_send(&mut self, now: Instant, in_flight_before: u32, bytes: u32) -> Snapshot {
        if in_flight_before == 0 {
            (self.first_sent_at, self.delivered_at) = (now, now);
        }
        Snapshot {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            tx_in_flight: in_flight_before.saturating_add(bytes),
            lost: self.lost,
            is_app_limited: self.app_limited_until != 0,
        }
    }

    /// Of a run sent at `sent_at`, `bytes` are delivered, as the ACK that arrived at `now` shows.
    pub fn on_delivered(&mut self, bytes: u32, sent_at: Instant, sent: &Snapshot, now: Instant) {
        self.delivered += u64::from(bytes);
        self.delivered_at = now;
        if self.pending.is_none_or(|newest| is_newer(sent_at, sent, &newest)) {
            let send_elapsed = sent_at.saturating_since(sent.first_sent_at);
            self.pending = Some(Pending { sent_at, sent: *sent, send_elapsed });
            self.first_sent_at = self.first_sent_at.max(sent_at);
        }
    }

    /// Bytes count as lost. If they arrive after all, they are delivered like others.
    pub fn on_lost(&mut self, bytes: u32) {
        self.lost = self.lost.wrapping_add(bytes);
    }

    /// The application has nothing more to send, and neither the window nor a retransmission is what we wait for.
    pub fn on_app_limited(&mut self, in_flight: u32) {
        self.app_limited_until = (self.delivered + u64::from(in_flight)).max(1);
    }

    /// The sample of the ACK whose deliveries were told; `None` if it delivered nothing.
    pub fn take_sample(&mut self, min_rtt: Option<Duration>) -> Option<RateSample> {
        if self.app_limited_until != 0 && self.delivered > self.app_limited_until {
            self.app_limited_until = 0;
        }
        let Pending { sent, send_elapsed, .. } = self.pending.take()?;
        let ack_elapsed = self.delivered_at.saturating_since(sent.delivered_at);
        let interval = send_elapsed.max(ack_elapsed);
        let is_short = min_rtt.is_some_and(|min_rtt| interval < min_rtt);
        Some(RateSample {
            delivered: self.delivered,
            prior_delivered: sent.delivered,
            interval: if is_short { Duration::ZERO } else { interval },
            tx_in_flight: sent.tx_in_flight,
            lost: self.lost.wrapping_sub(sent.lost),
            is_app_limited: sent.is_app_limited,
        })
    }
}

/// Of runs sent at the same time, the one with more in flight was the later.
fn is_newer(sent_at: Instant, sent: &Snapshot, newest: &Pending) -> bool {
    (sent_at, sent.tx_in_flight) > (newest.sent_at, newest.sent.tx_in_flight)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn a_steady_flow_is_measured_at_its_rate() {
        let mut tracker = RateTracker::default();
        // A segment of 1000 bytes every 10 ms, each delivered after 50 ms.
        let runs: [Snapshot; 5] =
            core::array::from_fn(|i| tracker.on_send(at(10 * i as u64), 1000 * i as u32, 1000));
        for i in 0..5 {
            tracker.on_delivered(1000, at(10 * i), &runs[i as usize], at(50 + 10 * i));
            let sample = tracker.take_sample(Some(50 * MS)).unwrap();
            assert_eq!((sample.delivered, sample.prior_delivered), (1000 * (i + 1), 0));
            // From the first transmission to this delivery.
            assert_eq!(sample.interval, Duration::from_millis(50 + 10 * i));
        }
        let run = tracker.on_send(at(90), 0, 1000);
        tracker.on_delivered(1000, at(90), &run, at(140));
        assert_eq!(tracker.take_sample(None).unwrap().rate(), Some(20_000));
    }

    #[test]
    fn bunched_acks_are_no_bandwidth() {
        let mut tracker = RateTracker::default();
        let runs: [Snapshot; 10] =
            core::array::from_fn(|i| tracker.on_send(at(10 * i as u64), 1000 * i as u32, 1000));
        for (i, run) in runs.iter().enumerate() {
            tracker.on_delivered(1000, at(10 * i as u64), run, at(100));
        }
        let first = tracker.take_sample(None).unwrap();
        assert_eq!((first.interval, first.rate()), (100 * MS, Some(100_000)));
        // Sent over 90 ms, acknowledged within 1 ms: the sending counts.
        let sends: [Snapshot; 10] =
            core::array::from_fn(|i| tracker.on_send(at(110 + 10 * i as u64), 1000 * i as u32 + 1, 1000));
        for (i, run) in sends.iter().enumerate() {
            tracker.on_delivered(1000, at(110 + 10 * i as u64), run, at(101));
        }
        let sample = tracker.take_sample(None).unwrap();
        assert_eq!(
            (sample.interval, sample.interval_bytes()),
            (110 * MS, 10_000),
            "from the last sent before"
        );
    }

    #[test]
    fn an_interval_shorter_than_the_round_trip_tells_nothing() {
        let mut tracker = RateTracker::default();
        let run = tracker.on_send(at(0), 0, 1000);
        tracker.on_delivered(1000, at(0), &run, at(4));
        let sample = tracker.take_sample(Some(5 * MS)).unwrap();
        assert_eq!((sample.interval, sample.rate(), sample.delivered), (Duration::ZERO, None, 1000));
        assert_eq!(tracker.take_sample(None), None, "nothing delivered, no sample");
    }

    #[test]
    fn samples_are_marked_until_the_pause_of_the_application_is_through() {
        let mut tracker = RateTracker::default();
        let before = tracker.on_send(at(0), 0, 1000);
        tracker.on_app_limited(1000);
        let within = tracker.on_send(at(1), 1000, 1000);
        for (run, sent, is_app_limited) in [(before, 0, false), (within, 1, true)] {
            tracker.on_delivered(1000, at(sent), &run, at(50));
            assert_eq!(tracker.take_sample(None).unwrap().is_app_limited, is_app_limited);
        }
        assert!(
            !tracker.on_send(at(60), 0, 1000).is_app_limited,
            "more is delivered than was in flight then"
        );
    }

    #[test]
    fn losses_since_the_transmission_are_counted_across_the_wrap() {
        let mut tracker = RateTracker { lost: u32::MAX - 499, ..RateTracker::default() };
        let run = tracker.on_send(at(0), 4000, 1000);
        tracker.on_lost(3000);
        tracker.on_delivered(1000, at(0), &run, at(50));
        let sample = tracker.take_sample(None).unwrap();
        assert_eq!((sample.lost, sample.tx_in_flight), (3000, 5000));
    }

    #[test]
    fn the_fastest_rates_do_not_overflow() {
        let bytes = u64::from(u32::MAX);
        let sample = RateSample {
            delivered: u64::MAX,
            prior_delivered: u64::MAX - bytes,
            interval: Duration::from_nanos(1),
            tx_in_flight: 0,
            lost: 0,
            is_app_limited: false,
        };
        assert_eq!(sample.rate(), Some(bytes * 1_000_000_000));
    }
}
