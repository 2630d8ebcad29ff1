//! The smallest round-trip time of the last five minutes, for what asks how long the path is now (RFC 8985 §6.2 step 1):
//! Linux's `tcp_min_rtt_wlen`. Only connections that move much keep the window; of others, whose round trips are few,
//! the smallest of all counts (`rtt.rs`).

use crate::congestion::MaxFilter;
use crate::connection::Connection;
use crate::info::millis_of;
use core::time::Duration;
use stack_core::Instant;

/// Milliseconds for which a sample counts.
const WINDOW: u32 = 300_000;

/// The minimum over a window: the maximum of what samples lack to the largest number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MinRtt(MaxFilter);

impl MinRtt {
    /// Takes a sample in; times only increase, as those of calls do and those of arrivals may not.
    pub(crate) fn observe(&mut self, now: Instant, rtt: Duration) {
        let micros = u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).clamp(1, u32::MAX - 1);
        self.0.update(millis_of(now), !micros, WINDOW);
    }

    /// The smallest; `None` before the first.
    fn get(&self) -> Option<Duration> {
        let lacks = self.0.get();
        (lacks > 0).then(|| Duration::from_micros(u64::from(!lacks)))
    }
}

impl Connection {
    /// The smallest round-trip time that counts now; `None` before the first sample.
    pub(crate) fn min_rtt(&self) -> Option<Duration> {
        let of_window = self.bulk().and_then(|bulk| bulk.min_rtt.get());
        of_window.or_else(|| self.rtt.min_rtt())
    }

    /// A round trip was measured.
    pub(crate) fn observe_rtt(&mut self, now: Instant, rtt: Duration) {
        self.rtt.observe(rtt);
        if let Some(bulk) = self.known_bulk() {
            bulk.min_rtt.observe(now, rtt);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_is_forgotten_after_five_minutes() {
        let mut min = MinRtt::default();
        assert_eq!(min.get(), None);
        let mut at = |seconds: u64, millis: u64| {
            min.observe(Instant::from_secs(seconds), Duration::from_millis(millis));
            min.get().map(|rtt| rtt.as_millis())
        };
        assert_eq!(
            (at(0, 10), at(100, 30), at(200, 20), at(300, 40)),
            (Some(10), Some(10), Some(10), Some(10))
        );
        assert_eq!((at(301, 40), at(501, 40)), (Some(20), Some(40)));
    }
}
