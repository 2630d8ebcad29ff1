//! One direction of a line: what goes in at a time comes out at another, or not at all.
//!
//! It is what [`Impair`](crate::Impair) puts before a link, and of use by itself to those who carry packets from hand to
//! hand: a simulator, or a program between two devices.
//!
//! Invariants: chance is drawn as often whatever it decides (`fate.rs`); packets that are not reordered come out in the
//! order in which they went in; no more than [`MAX_IN_FLIGHT`] bytes are on the line.

use crate::counters::{ImpairCounters, count};
use crate::fate::{Bursts, Fate};
use crate::packet::Carried;
use crate::rng::SplitMix;
use crate::{ImpairConfig, Policer};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;
use stack_core::{DropReason, Instant};

/// What makes another seed of the line's for losses in bursts.
const BURST_SEED: u64 = 0x6275_7273_7473_0000;

/// Bytes that are on the line at most, however long it is: more than 1 Gbit/s for two seconds.
const MAX_IN_FLIGHT: usize = 256 << 20;

/// One direction of a line: a queue, a rate, chance and a delay, in this order.
///
/// Whoever owns it sends packets into it, asks [`next_due`](Self::next_due) for when one comes out, and takes it with
/// [`arrive`](Self::arrive) then.
pub struct Line<T> {
    config: ImpairConfig,
    rng: SplitMix,
    bursts: Option<Bursts>,
    counters: Arc<ImpairCounters>,
    /// When each packet that waits for the line has been sent, and its length; oldest first.
    waiting: VecDeque<(Instant, usize)>,
    waiting_bytes: usize,
    /// Packets by the time at which they come out, then by the order in which they went in.
    in_flight: BTreeMap<(Instant, u64), T>,
    in_flight_bytes: usize,
    sequence: u64,
    /// When the line has sent what it took.
    free_at: Instant,
    /// When the last packet that was not reordered comes out.
    last_due: Instant,
    /// When the policer's bucket is full again.
    bucket_full_at: Instant,
}

impl<T: Carried> Line<T> {
    /// An idle line. All chance comes from `seed`.
    pub fn new(config: ImpairConfig, seed: u64, counters: Arc<ImpairCounters>) -> Self {
        Self {
            config,
            rng: SplitMix::new(seed),
            bursts: config.burst_loss.map(|model| Bursts::new(model, seed ^ BURST_SEED)),
            counters,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            in_flight: BTreeMap::new(),
            in_flight_bytes: 0,
            sequence: 0,
            free_at: Instant::ZERO,
            last_due: Instant::ZERO,
            bucket_full_at: Instant::ZERO,
        }
    }

    /// Sends a packet into the line.
    ///
    /// # Errors
    /// The packet, with the reason, if it will not come out.
    pub fn send(&mut self, now: Instant, mut packet: T) -> Result<(), (T, DropReason)> {
        let len = packet.wire_len();
        let mut fate = Fate::draw(&mut self.rng, &self.config, len);
        fate.lost |= self.bursts.as_mut().is_some_and(Bursts::lose);
        fate.lost |= self.config.max_packet.is_some_and(|most| len > most);
        if !self.conforms(now, len) {
            count(&self.counters.policed);
            return Err((packet, DropReason::Impaired));
        }
        if !self.has_room(now, len) {
            count(&self.counters.overflowed);
            return Err((packet, DropReason::LinkQueueFull));
        }
        if self.waiting_bytes > self.config.mark_above && packet.mark() {
            count(&self.counters.marked);
        }
        let sent = self.occupy(now, len);
        if fate.lost {
            count(&self.counters.lost);
            return Err((packet, DropReason::Impaired));
        }
        let due = self.due(sent, &fate);
        let second = fate.duplicated.then(|| packet.clone());
        if fate.corrupted {
            count(&self.counters.corrupted);
            packet.flip(fate.bit);
        }
        self.launch(due, packet);
        if let Some(second) = second {
            count(&self.counters.duplicated);
            self.launch(due, second);
        }
        Ok(())
    }

    /// The next packet that has come out by `now`.
    pub fn arrive(&mut self, now: Instant) -> Option<T> {
        let entry = self.in_flight.first_entry().filter(|entry| entry.key().0 <= now)?;
        let packet = entry.remove();
        self.in_flight_bytes -= packet.wire_len();
        count(&self.counters.arrived);
        Some(packet)
    }

    /// When the next packet comes out.
    pub fn next_due(&self) -> Option<Instant> {
        self.in_flight.keys().next().map(|(due, _)| *due)
    }

    /// Bytes of the packets that wait for the line, the one being sent included.
    pub fn queued_bytes(&mut self, now: Instant) -> usize {
        while let Some((_, gone)) = self.waiting.front().copied().filter(|(sent, _)| *sent <= now) {
            self.waiting.pop_front();
            self.waiting_bytes -= gone;
        }
        self.waiting_bytes
    }

    /// What it has done so far.
    pub fn counters(&self) -> &Arc<ImpairCounters> {
        &self.counters
    }

    fn conforms(&mut self, now: Instant, len: usize) -> bool {
        let Some(Policer { rate, burst }) = self.config.policer else { return true };
        let full_at = self.bucket_full_at.max(now) + sending_time(len, rate);
        let conforms = full_at.saturating_since(now) <= sending_time(burst, rate);
        if conforms {
            self.bucket_full_at = full_at;
        }
        conforms
    }

    fn has_room(&mut self, now: Instant, len: usize) -> bool {
        self.queued_bytes(now);
        self.waiting.len() < self.config.queue_packets
            && self.waiting_bytes.saturating_add(len) <= self.config.queue_bytes
            && self.in_flight_bytes + len <= MAX_IN_FLIGHT
    }

    /// Puts a packet on the line and returns when it has been sent.
    fn occupy(&mut self, now: Instant, len: usize) -> Instant {
        let Some(rate) = self.config.rate else { return now };
        let sent = self.free_at.max(now) + sending_time(len, rate);
        self.free_at = sent;
        self.waiting.push_back((sent, len));
        self.waiting_bytes += len;
        sent
    }

    fn due(&mut self, sent: Instant, fate: &Fate) -> Instant {
        let due = collected(sent + fate.delay, self.config.aggregation).max(self.last_due);
        if fate.reordered {
            count(&self.counters.reordered);
            return due + self.config.reorder_delay;
        }
        self.last_due = due;
        due
    }

    fn launch(&mut self, due: Instant, packet: T) {
        self.in_flight_bytes += packet.wire_len();
        self.in_flight.insert((due, self.sequence), packet);
        self.sequence += 1;
    }
}

/// How long so many bytes take at a rate.
fn sending_time(len: usize, rate: u64) -> Duration {
    let nanos = (len as u128 * 8 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The first multiple of `interval` at or after a time.
fn collected(due: Instant, interval: Duration) -> Instant {
    match u64::try_from(interval.as_nanos()) {
        Ok(nanos @ 1..) => Instant::from_nanos(due.as_nanos().div_ceil(nanos).saturating_mul(nanos)),
        _ => due,
    }
}

impl<T> core::fmt::Debug for Line<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Line")
            .field("config", &self.config)
            .field("waiting_bytes", &self.waiting_bytes)
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GilbertElliott;
    use alloc::vec::Vec;

    /// A packet of so many bytes with a number.
    #[derive(Clone, PartialEq, Eq, Debug)]
    struct Numbered(usize, u32, bool);

    impl Carried for Numbered {
        fn wire_len(&self) -> usize {
            self.0
        }

        fn flip(&mut self, bit: u64) {
            assert!(bit < self.0 as u64 * 8);
            self.2 = true;
        }

        fn mark(&mut self) -> bool {
            let is_capable = self.1 % 2 == 0;
            self.2 |= is_capable;
            is_capable
        }
    }

    fn line(config: ImpairConfig, seed: u64) -> Line<Numbered> {
        Line::new(config, seed, Arc::default())
    }

    /// Sends `count` packets of 1250 bytes, one each `interval`, and returns when each came out.
    fn run(line: &mut Line<Numbered>, count: u32, interval: Duration) -> Vec<(Instant, u32)> {
        let mut now = Instant::ZERO;
        for number in 0..count {
            let _ = line.send(now, Numbered(1250, number, false));
            now += interval;
        }
        drain(line)
    }

    fn drain(line: &mut Line<Numbered>) -> Vec<(Instant, u32)> {
        let mut arrivals = Vec::new();
        while let Some(due) = line.next_due() {
            let before = due - Duration::from_nanos(1);
            assert!(before == due || line.arrive(before).is_none());
            arrivals.push((due, line.arrive(due).unwrap().1));
        }
        arrivals
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_perfect_line_hands_everything_on_at_once() {
        let mut line = line(ImpairConfig::default(), 1);
        for number in 0..5000 {
            line.send(Instant::ZERO, Numbered(1500, number, false)).unwrap();
        }
        let out: Vec<u32> = core::iter::from_fn(|| line.arrive(Instant::ZERO)).map(|p| p.1).collect();
        assert!(out.iter().copied().eq(0..5000));
    }

    #[test]
    fn beyond_the_threshold_capable_packets_are_marked_and_none_is_dropped() {
        // Two packets wait for 1 ms each; the third and those after it find 2500 bytes in front of them.
        let config = ImpairConfig { rate: Some(10_000_000), mark_above: 2000, ..ImpairConfig::default() };
        let mut line = line(config, 1);
        for number in 0..6 {
            line.send(Instant::ZERO, Numbered(1250, number, false)).unwrap();
        }
        let end = Instant::from_secs(1);
        let marked: Vec<bool> = core::iter::from_fn(|| line.arrive(end)).map(|p| p.2).collect();
        assert_eq!(marked, [false, false, true, false, true, false]);
        assert_eq!(line.counters().statistics().marked, 2);
        line.send(end, Numbered(1250, 8, false)).unwrap();
        assert!(!line.arrive(end + MS).unwrap().2, "the queue is empty again");
    }

    #[test]
    fn the_delay_is_added() {
        let mut line = line(ImpairConfig { delay: 20 * MS, ..ImpairConfig::default() }, 1);
        let arrivals = run(&mut line, 3, MS);
        assert_eq!(arrivals, [20, 21, 22].map(Instant::from_millis).into_iter().zip(0..).collect::<Vec<_>>());
    }

    #[test]
    fn the_rate_spaces_packets_that_come_together() {
        // 1250 bytes at 10 Mbit/s take one millisecond.
        let mut line =
            line(ImpairConfig { rate: Some(10_000_000), delay: 5 * MS, ..ImpairConfig::default() }, 1);
        let arrivals = run(&mut line, 4, Duration::ZERO);
        assert_eq!(
            arrivals.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
            [6, 7, 8, 9].map(Instant::from_millis)
        );
        // The line was idle since: no credit is saved up.
        line.send(Instant::from_millis(100), Numbered(2500, 9, false)).unwrap();
        assert_eq!(line.next_due(), Some(Instant::from_millis(107)));
    }

    #[test]
    fn the_queue_is_bounded_in_packets_and_in_bytes() {
        let slow = ImpairConfig { rate: Some(10_000_000), ..ImpairConfig::default() };
        for config in
            [ImpairConfig { queue_packets: 3, ..slow }, ImpairConfig { queue_bytes: 3 * 1250 + 1249, ..slow }]
        {
            let mut line = line(config, 1);
            let results: Vec<bool> =
                (0..5).map(|n| line.send(Instant::ZERO, Numbered(1250, n, false)).is_ok()).collect();
            assert_eq!(results, [true, true, true, false, false]);
            assert_eq!(line.counters.statistics().overflowed, 2);
            // After a millisecond one has been sent, and there is room for one.
            let later = Instant::from_millis(1);
            assert!(line.send(later, Numbered(1250, 5, false)).is_ok());
            let refused = line.send(later, Numbered(1250, 6, false));
            assert_eq!(refused, Err((Numbered(1250, 6, false), DropReason::LinkQueueFull)));
        }
    }

    #[test]
    fn the_queue_empties_as_the_line_sends() {
        let mut line = line(ImpairConfig { rate: Some(10_000_000), ..ImpairConfig::default() }, 1);
        for number in 0..3 {
            line.send(Instant::ZERO, Numbered(1250, number, false)).unwrap();
        }
        let queued = [0, 1, 2, 3, 4].map(|ms| line.queued_bytes(Instant::from_millis(ms)));
        assert_eq!(queued, [3750, 2500, 1250, 0, 0]);
    }

    #[test]
    fn a_policer_passes_a_burst_and_then_its_rate_without_delay() {
        let policer = Some(Policer { rate: 10_000_000, burst: 2500 });
        let mut line = line(ImpairConfig { policer, ..ImpairConfig::default() }, 1);
        let mut sent = |at: u64| line.send(Instant::from_millis(at), Numbered(1250, 0, false)).is_ok();
        // Two at once, then one a millisecond; a pause fills the bucket, and no more than that.
        assert_eq!(
            [0, 0, 0, 1, 1, 9, 9, 9].map(&mut sent),
            [true, true, false, true, false, true, true, false]
        );
        assert_eq!(line.counters.statistics().policed, 3);
        assert!(line.next_due().is_some_and(|due| due == Instant::ZERO));
    }

    #[test]
    fn longer_packets_vanish_in_a_black_hole() {
        let mut line = line(ImpairConfig { max_packet: Some(1200), ..ImpairConfig::default() }, 1);
        let arrives = [1200, 1201, 40].map(|len| line.send(Instant::ZERO, Numbered(len, 0, false)).is_ok());
        assert_eq!((arrives, line.counters.statistics().lost), ([true, false, true], 1));
    }

    #[test]
    fn what_is_collected_comes_out_together() {
        let config = ImpairConfig { delay: MS, aggregation: 8 * MS, ..ImpairConfig::default() };
        let arrivals = run(&mut line(config, 1), 20, MS);
        let times: Vec<u64> = arrivals.iter().map(|(at, _)| at.as_millis()).collect();
        let expected: Vec<u64> = (1_u64..=20).map(|due| due.div_ceil(8) * 8).collect();
        assert_eq!(times, expected);
        assert!(arrivals.iter().map(|(_, number)| *number).eq(0..20));
    }

    #[test]
    fn losses_in_bursts_leave_what_else_is_decided() {
        let model = GilbertElliott { enter: 0.02, leave: 0.3, loss_bad: 1.0, loss_good: 0.0 };
        let run = |burst_loss| {
            let config = ImpairConfig { corrupt: 0.3, burst_loss, ..ImpairConfig::default() };
            let mut line = line(config, 5);
            let damaged = |number| {
                line.send(Instant::ZERO, Numbered(100, number, false)).ok()?;
                line.arrive(Instant::ZERO).map(|packet| packet.2)
            };
            (0..500).map(damaged).collect::<Vec<_>>()
        };
        let (all, some) = (run(None), run(Some(model)));
        assert!(some.contains(&None));
        assert!(all.iter().zip(&some).all(|(all, some)| some.is_none() || all == some));
    }

    #[test]
    fn a_long_line_is_bounded_too() {
        let mut line = line(ImpairConfig { delay: Duration::from_secs(1000), ..ImpairConfig::default() }, 1);
        let fits = MAX_IN_FLIGHT / 65_536;
        for number in 0..fits as u32 {
            line.send(Instant::ZERO, Numbered(65_536, number, false)).unwrap();
        }
        assert!(line.send(Instant::ZERO, Numbered(1, 0, false)).is_err());
        line.arrive(Instant::from_secs(1000)).unwrap();
        assert!(line.send(Instant::ZERO, Numbered(1, 0, false)).is_ok());
    }

    #[test]
    fn chance_keeps_to_its_probabilities() {
        const PACKETS: u32 = 20_000;
        for seed in [1, 42, 0xdead_beef] {
            let config = ImpairConfig {
                loss: 0.1,
                reorder: 0.05,
                duplicate: 0.02,
                corrupt: 0.01,
                reorder_delay: MS,
                ..ImpairConfig::default()
            };
            let mut line = line(config, seed);
            let arrivals = run(&mut line, PACKETS, Duration::from_micros(10)).len();
            let seen = line.counters.statistics();
            // Five standard deviations of a binomial distribution.
            let near = |count: usize, of: usize, p: f64| {
                let (mean, variance) = (of as f64 * p, of as f64 * p * (1.0 - p));
                (count as f64 - mean).powi(2) < 25.0 * variance
            };
            let survivors = PACKETS as usize - seen.lost;
            assert!(near(seen.lost, PACKETS as usize, 0.1), "{seen:?}");
            assert!(near(seen.reordered, survivors, 0.05), "{seen:?}");
            assert!(near(seen.duplicated, survivors, 0.02), "{seen:?}");
            assert!(near(seen.corrupted, survivors, 0.01), "{seen:?}");
            assert_eq!((arrivals, seen.arrived), (survivors + seen.duplicated, arrivals));
        }
    }

    #[test]
    fn jitter_stays_within_its_bounds_and_keeps_the_order() {
        let config = ImpairConfig { delay: 20 * MS, jitter: 8 * MS, ..ImpairConfig::default() };
        let arrivals = run(&mut line(config, 7), 1000, 100 * MS);
        let delays: Vec<Duration> =
            arrivals.iter().map(|(at, n)| *at - (Instant::ZERO + 100 * MS * *n)).collect();
        assert!(delays.iter().all(|delay| (12 * MS..=28 * MS).contains(delay)));
        assert!(delays.iter().any(|d| *d < 13 * MS) && delays.iter().any(|d| *d > 27 * MS));
        let crowded = run(&mut line(config, 7), 1000, MS / 10);
        assert!(crowded.iter().map(|(_, number)| *number).eq(0..1000), "nobody overtakes");
    }

    #[test]
    fn reordered_packets_are_overtaken_and_nobody_else_is() {
        let config =
            ImpairConfig { delay: 5 * MS, reorder: 0.1, reorder_delay: 3 * MS, ..ImpairConfig::default() };
        let mut line = line(config, 3);
        let arrivals = run(&mut line, 1000, MS);
        let late: Vec<u32> =
            arrivals.iter().filter(|(at, n)| *at != Instant::ZERO + MS * (*n + 5)).map(|(_, n)| *n).collect();
        assert_eq!(late.len(), line.counters.statistics().reordered);
        assert!(!late.is_empty());
        let punctual = arrivals.iter().map(|(_, n)| *n).filter(|n| !late.contains(n));
        assert!(punctual.clone().zip(punctual.skip(1)).all(|(a, b)| a < b));
        assert!(!arrivals.iter().map(|(_, n)| *n).eq(0..1000));
    }

    #[test]
    fn the_same_seed_is_the_same_fate_and_another_is_another() {
        let config = ImpairConfig {
            delay: 5 * MS,
            jitter: 2 * MS,
            loss: 0.2,
            reorder: 0.2,
            duplicate: 0.2,
            corrupt: 0.2,
            reorder_delay: MS,
            ..ImpairConfig::default()
        };
        let fates = |seed| run(&mut line(config, seed), 500, MS);
        assert_eq!(fates(9), fates(9));
        assert_ne!(fates(9), fates(10));
    }

    #[test]
    fn one_probability_does_not_change_what_the_others_decide() {
        let lossy = |corrupt| {
            let config = ImpairConfig { loss: 0.2, corrupt, ..ImpairConfig::default() };
            run(&mut line(config, 5), 500, MS)
        };
        assert_eq!(lossy(0.0), lossy(0.9));
    }

    #[test]
    fn of_two_copies_the_second_is_undamaged() {
        let config = ImpairConfig { duplicate: 1.0, corrupt: 1.0, ..ImpairConfig::default() };
        let mut line = line(config, 1);
        line.send(Instant::ZERO, Numbered(10, 1, false)).unwrap();
        let copies: Vec<bool> = core::iter::from_fn(|| line.arrive(Instant::ZERO)).map(|p| p.2).collect();
        assert_eq!(copies, [true, false]);
    }
}
