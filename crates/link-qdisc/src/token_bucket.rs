//! A rate with a burst, for whatever waits behind it: the token bucket of RFC 3290 §5.1.3 (after Turner, 1986), as a shaper.
//!
//! The bucket is kept as one time, that at which it will be full again: a packet takes it `len / rate` further away, and may
//! go if it then is no further than `burst / rate` (the virtual scheduling form of the generic cell rate algorithm, ITU-T
//! I.371). So nothing drifts and nothing ticks.

use crate::counters::count;
use crate::{Discipline, QdiscCounters};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;
use stack_core::{Instant, TxPacket};

/// Lets a discipline's packets go at a rate.
#[derive(Debug)]
pub struct TokenBucket<D> {
    inner: D,
    /// The packet that goes next: the inner discipline has chosen it.
    head: Option<Box<TxPacket>>,
    bytes_per_second: u64,
    burst: usize,
    full_at: Instant,
    counters: Arc<QdiscCounters>,
}

impl<D: Discipline> TokenBucket<D> {
    /// `bytes_per_second` on average (0 counts as 1), and `burst` bytes at once after a pause. A packet larger than `burst`
    /// would never go: it is dropped. Network headers count, link headers don't.
    pub fn new(bytes_per_second: u64, burst: usize, inner: D) -> Self {
        let counters = inner.counters();
        let bytes_per_second = bytes_per_second.max(1);
        Self { inner, head: None, bytes_per_second, burst, full_at: Instant::ZERO, counters }
    }

    fn cost(&self, bytes: usize) -> Duration {
        let nanos = (bytes as u128 * 1_000_000_000).div_ceil(self.bytes_per_second.into());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When a packet may go.
    fn due(&self, packet: &TxPacket) -> Instant {
        // Subtracting first would be cut off at the clock's origin.
        self.full_at + self.cost(packet.len()) - self.cost(self.burst)
    }
}

impl<D: Discipline> Discipline for TokenBucket<D> {
    fn enqueue(&mut self, now: Instant, packet: Box<TxPacket>) {
        if packet.len() > self.burst {
            return count(&self.counters.oversized);
        }
        self.inner.enqueue(now, packet);
    }

    fn dequeue(&mut self, now: Instant) -> Option<Box<TxPacket>> {
        let packet = self.head.take().or_else(|| self.inner.dequeue(now))?;
        if self.due(&packet) > now {
            self.head = Some(packet);
            return None;
        }
        self.full_at = self.full_at.max(now) + self.cost(packet.len());
        Some(packet)
    }

    fn next_due(&self) -> Option<Instant> {
        match &self.head {
            Some(packet) => Some(self.due(packet)),
            None => self.inner.next_due(),
        }
    }

    fn len(&self) -> usize {
        self.inner.len() + usize::from(self.head.is_some())
    }

    fn counters(&self) -> Arc<QdiscCounters> {
        Arc::clone(&self.counters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fifo;
    use alloc::vec::Vec;
    use bytes::Bytes;

    fn bucket(packets: usize) -> TokenBucket<Fifo> {
        let mut bucket = TokenBucket::new(1000, 500, Fifo::default());
        for _ in 0..packets {
            let mut packet = Box::new(TxPacket::new());
            packet.push(Bytes::from(alloc::vec![0; 100])).unwrap();
            bucket.enqueue(Instant::ZERO, packet);
        }
        bucket
    }

    /// The milliseconds at which packets leave.
    fn departures(bucket: &mut TokenBucket<Fifo>, mut now: Instant) -> Vec<u64> {
        let mut times = Vec::new();
        while let Some(due) = bucket.next_due() {
            now = now.max(due);
            while bucket.dequeue(now).is_some() {
                times.push(now.as_millis());
            }
        }
        times
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let mut bucket = bucket(8);
        assert_eq!(
            departures(&mut bucket, Instant::from_secs(9)),
            [9000, 9000, 9000, 9000, 9000, 9100, 9200, 9300]
        );
    }

    #[test]
    fn tokens_are_saved_up_to_the_burst_and_no_further() {
        let mut bucket = bucket(5);
        departures(&mut bucket, Instant::ZERO);
        for later in [1, 1000] {
            (0..7).for_each(|_| {
                let mut packet = Box::new(TxPacket::new());
                packet.push(Bytes::from(alloc::vec![0; 100])).unwrap();
                bucket.enqueue(Instant::from_secs(later), packet);
            });
            let at = later * 1000;
            let expected = [at, at, at, at, at, at + 100, at + 200];
            assert_eq!(departures(&mut bucket, Instant::from_secs(later)), expected);
        }
    }

    #[test]
    fn what_would_never_go_is_dropped() {
        let mut bucket = bucket(0);
        let mut packet = Box::new(TxPacket::new());
        packet.push(Bytes::from(alloc::vec![0; 501])).unwrap();
        bucket.enqueue(Instant::ZERO, packet);
        assert_eq!((bucket.len(), bucket.counters().statistics().oversized), (0, 1));
    }
}
