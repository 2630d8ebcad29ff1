//! What is counted of a stream while it runs, and the pace of a sender with a rate.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Counters of one stream; one task writes, the session reads.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) bytes: AtomicU64,
    /// Datagrams: sent, or by the highest number received.
    pub(super) packets: AtomicU64,
    /// Datagrams that never came.
    pub(super) lost: AtomicI64,
    /// Nanoseconds.
    pub(super) jitter: AtomicU64,
    /// Segments sent again, plus one; 0 if not known.
    pub(super) retransmits: AtomicU64,
}

/// Counters at one moment.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Figures {
    pub(super) bytes: u64,
    pub(super) packets: u64,
    pub(super) lost: i64,
    pub(super) jitter: Duration,
    pub(super) retransmits: Option<u64>,
}

impl Counters {
    pub(super) fn add_bytes(&self, count: usize) {
        self.bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn set_retransmits(&self, count: Option<u64>) {
        self.retransmits.store(count.map_or(0, |count| count + 1), Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            bytes: self.bytes.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            jitter: Duration::from_nanos(self.jitter.load(Ordering::Relaxed)),
            retransmits: self.retransmits.load(Ordering::Relaxed).checked_sub(1),
        }
    }
}

impl Figures {
    /// What was added since `base`; jitter is a state, not a count.
    pub(super) fn since(self, base: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(base.bytes),
            packets: self.packets.saturating_sub(base.packets),
            lost: self.lost - base.lost,
            jitter: self.jitter,
            retransmits: self
                .retransmits
                .map(|count| count.saturating_sub(base.retransmits.unwrap_or_default())),
        }
    }
}

/// When the next bytes of a sender with a rate are due.
///
/// A sender that was held up catches up, but not all at once: a burst would overflow the receiver's buffer.
pub(super) struct Pace {
    bits_per_second: u64,
    start: Instant,
    /// What had been sent when we last slept, and how much may follow until we sleep again.
    slept_at: u64,
    burst: u64,
}

/// The shortest sleep of tokio's timers.
const TICK: Duration = Duration::from_millis(1);
/// Bytes that may follow each other whatever the rate is.
const LEAST_BURST: u64 = 8 * 1024;

impl Pace {
    /// From now on; 0 for no limit.
    pub(super) fn new(bits_per_second: u64) -> Self {
        // Sleeps last up to two ticks: four ticks' worth keeps the rate and catches up.
        let burst = (bits_per_second / 8 / 1000 * 4).max(LEAST_BURST);
        Self { bits_per_second, start: Instant::now(), slept_at: 0, burst }
    }

    /// Waits until as many bytes may have been sent.
    pub(super) async fn wait(&mut self, sent: u64) {
        if self.bits_per_second == 0 {
            // A sender that never waits would starve the other tasks of this thread.
            return tokio::task::consume_budget().await;
        }
        let seconds = sent as f64 * 8.0 / self.bits_per_second as f64;
        let due = self.start + Duration::try_from_secs_f64(seconds).unwrap_or(Duration::from_secs(1));
        let now = Instant::now();
        if due > now {
            tokio::time::sleep_until(due).await;
        } else if sent - self.slept_at > self.burst {
            tokio::time::sleep_until(now + TICK).await;
        } else {
            return tokio::task::consume_budget().await;
        }
        self.slept_at = sent;
    }
}

/// Share of one core that this process has used since `new`, in percent.
pub(super) struct CpuUse {
    start: Instant,
    ticks: (u64, u64),
}

/// Ticks of `/proc/PID/stat` a second: `USER_HZ`, 100 on every Linux.
const TICKS: f64 = 100.0;

impl CpuUse {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), ticks: ticks().unwrap_or_default() }
    }

    /// User, system.
    pub(super) fn percent(&self) -> (f64, f64) {
        let (user, system) = ticks().unwrap_or(self.ticks);
        let seconds = self.start.elapsed().as_secs_f64().max(1e-3);
        let share = |now: u64, then: u64| now.saturating_sub(then) as f64 / TICKS / seconds * 100.0;
        (share(user, self.ticks.0), share(system, self.ticks.1))
    }
}

/// Fields 14 and 15 of `/proc/self/stat`, counted after the name in parentheses.
fn ticks() -> Option<(u64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_counted_part() {
        let counters = Counters::default();
        counters.add_bytes(1000);
        counters.set_retransmits(Some(2));
        let base = counters.figures();
        counters.add_bytes(500);
        counters.set_retransmits(Some(5));
        let counted = counters.figures().since(base);
        assert_eq!((counted.bytes, counted.retransmits), (500, Some(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept() {
        let mut pace = Pace::new(8_000_000);
        let start = Instant::now();
        pace.wait(1_000_000).await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        // What is already due does not wait ...
        pace.wait(1_000_000).await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        // ... but what has piled up goes in bursts.
        tokio::time::advance(Duration::from_secs(1)).await;
        for sent in (1_001_000..2_000_000).step_by(1000) {
            pace.wait(sent).await;
        }
        let bursts = start.elapsed().as_millis() - 2000;
        assert!((100..140).contains(&bursts), "{bursts} ms");
    }

    #[test]
    fn this_process_uses_the_processor() {
        let ticks = ticks();
        assert!(ticks.is_some(), "/proc/self/stat was not understood");
    }
}
