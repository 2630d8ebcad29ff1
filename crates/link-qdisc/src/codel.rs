//! Controlled delay: packets that have waited too long, for too long, are dropped or marked (RFC 8289 §5).
//!
//! The queue itself is the caller's: this is the state of one, and the decision for each packet that leaves it.

use core::time::Duration;
use stack_core::Instant;

/// When a queue is too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodelConfig {
    /// A packet may wait so long. Default: 5 ms (RFC 8289 §4.3).
    pub target: Duration,
    /// If all packets have waited longer than that for so long, something is done; about a round trip. Default: 100 ms
    /// (RFC 8289 §4.3).
    pub interval: Duration,
    /// Bytes that are never too many: one packet of the link. Default: 1514 (RFC 8289 §5.3, an Ethernet frame).
    pub mtu: usize,
}

impl Default for CodelConfig {
    fn default() -> Self {
        Self { target: Duration::from_millis(5), interval: Duration::from_millis(100), mtu: 1514 }
    }
}

/// What is known of one queue; names of RFC 8289 §5.
#[derive(Debug, Default)]
pub(crate) struct Codel {
    first_above_time: Option<Instant>,
    drop_next: Instant,
    count: u32,
    lastcount: u32,
    dropping: bool,
}

impl Codel {
    /// Whether the packet that leaves the queue now is to be dropped, after `sojourn` in it and with `left` bytes behind it.
    /// Called again for each packet until one may go: so a queue that is far too long loses several.
    pub(crate) fn drops(
        &mut self,
        now: Instant,
        sojourn: Duration,
        left: usize,
        config: &CodelConfig,
    ) -> bool {
        let ok_to_drop = self.should_drop(now, sojourn, left, config);
        if !self.dropping {
            return ok_to_drop && self.enter(now, config);
        }
        if !ok_to_drop {
            self.dropping = false;
            return false;
        }
        if now < self.drop_next {
            return false;
        }
        self.count = self.count.saturating_add(1);
        self.drop_next = control_law(self.drop_next, config.interval, self.count);
        true
    }

    /// The queue is empty: nothing is too long any more.
    pub(crate) fn empty(&mut self) {
        self.first_above_time = None;
        self.dropping = false;
    }

    /// RFC 8289 §5.4: above the target for an interval.
    fn should_drop(&mut self, now: Instant, sojourn: Duration, left: usize, config: &CodelConfig) -> bool {
        if sojourn < config.target || left <= config.mtu {
            self.first_above_time = None;
            return false;
        }
        let since = *self.first_above_time.get_or_insert(now + config.interval);
        now >= since
    }

    /// RFC 8289 §5.5: begins to drop, about as often as it did if that is not long ago.
    fn enter(&mut self, now: Instant, config: &CodelConfig) -> bool {
        let delta = self.count.saturating_sub(self.lastcount);
        let recent = now - self.drop_next < 16 * config.interval;
        self.count = if delta > 1 && recent { delta } else { 1 };
        self.drop_next = control_law(now, config.interval, self.count);
        self.lastcount = self.count;
        self.dropping = true;
        true
    }
}

/// RFC 8289 §5.1: `t + interval / sqrt(count)`.
fn control_law(t: Instant, interval: Duration, count: u32) -> Instant {
    // The root in 16.16 fixed point.
    let root = (u64::from(count.max(1)) << 32).isqrt();
    let nanos = (interval.as_nanos() << 16) / u128::from(root);
    t + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const LONG: Duration = Duration::from_millis(20);

    /// Milliseconds at which a packet is dropped, one leaving each millisecond.
    fn dropped(codel: &mut Codel, from: u64, to: u64, sojourn: Duration) -> Vec<u64> {
        let config = CodelConfig::default();
        let drops = |at: &u64| codel.drops(Instant::from_millis(*at), sojourn, 9999, &config);
        (from..to).filter(drops).collect()
    }

    #[test]
    fn drops_come_closer_with_the_root_of_their_count() {
        let mut codel = Codel::default();
        // 100 / sqrt(1, 2, 3, ...) after the first, which is an interval after the queue was too long.
        assert_eq!(dropped(&mut codel, 0, 460, LONG), [100, 200, 271, 329, 379, 424]);
    }

    #[test]
    fn a_short_wait_ends_it_and_a_new_one_begins_where_it_was() {
        let mut codel = Codel::default();
        dropped(&mut codel, 0, 460, LONG);
        assert_eq!(dropped(&mut codel, 460, 470, Duration::from_millis(4)), []);
        let again = dropped(&mut codel, 470, 700, LONG);
        assert_eq!((again[0], again[1]), (570, 570 + 45), "100 / sqrt(5) after the first");
        assert_eq!(dropped(&mut codel, 700, 701, Duration::ZERO), []);
        let much_later = dropped(&mut codel, 10_000, 10_201, LONG);
        assert_eq!(much_later, [10_100, 10_200]);
    }

    #[test]
    fn one_packet_is_never_too_many() {
        let (mut codel, config) = (Codel::default(), CodelConfig::default());
        for at in 0..1000 {
            assert!(!codel.drops(Instant::from_millis(at), LONG, config.mtu, &config));
        }
    }
}
