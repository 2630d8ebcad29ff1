//! A bottleneck with a queue, and flows through it: enough of a network and of a sender to see what an algorithm does.
//!
//! Deterministic: time is virtual, chance has a seed. Segments are of one size, data never runs out unless said, a lost
//! segment is as good as any later one. Losses show by three segments sent later and delivered (no reordering), recovery
//! sets the window to the threshold at once (instead of PRR), a timeout is a second without progress.

use crate::congestion::pacing::Pacer;
use crate::congestion::rate_sample::{RateTracker, Snapshot};
use crate::congestion::{AckSample, CongestionControl, LossSample, Phase, Restart, Window};
use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

pub(crate) const MSS: u32 = 1448;
const INITIAL_WINDOW: u32 = 10 * MSS;
const TIMEOUT: Duration = Duration::from_secs(1);
const DUP_THRESH: u64 = 3;

/// Bytes a second of so many megabits.
pub(crate) fn mbit(mbit: u64) -> u64 {
    mbit * 1_000_000 / 8
}

/// The path that all flows share.
pub(crate) struct Path {
    /// Bytes a second.
    pub(crate) rate: u64,
    /// Round trip without a queue.
    pub(crate) rtt: Duration,
    /// Bytes that the queue holds.
    pub(crate) buffer: u64,
    /// Segments of a million that are lost without a reason.
    pub(crate) loss: u64,
    /// ACKs are held back and come in lumps, so far apart.
    pub(crate) ack_lumps: Duration,
    busy_until: Instant,
    random: u64,
}

impl Path {
    /// A path with a queue of one bandwidth-delay product.
    pub(crate) fn new(rate: u64, rtt: Duration) -> Self {
        Self::seeded(rate, rtt, 1)
    }

    /// The same, with a seed for what is lost.
    pub(crate) fn seeded(rate: u64, rtt: Duration, random: u64) -> Self {
        let buffer = (u128::from(rate) * rtt.as_nanos() / 1_000_000_000) as u64;
        let (busy_until, ack_lumps) = (Instant::ZERO, Duration::ZERO);
        Self { rate, rtt, buffer, loss: 0, ack_lumps, busy_until, random }
    }

    pub(crate) fn queue(&self, now: Instant) -> u64 {
        let wait = self.busy_until.saturating_since(now);
        (u128::from(self.rate) * wait.as_nanos() / 1_000_000_000) as u64
    }

    /// What is queued now takes another time from now on.
    pub(crate) fn set_rate(&mut self, now: Instant, rate: u64) {
        let queue = self.queue(now);
        self.rate = rate;
        self.busy_until = now + Duration::from_nanos(queue * 1_000_000_000 / rate);
    }

    /// When the ACK of a segment that is sent now arrives; `None` if the segment is lost.
    fn send(&mut self, now: Instant, bytes: u32) -> Option<Instant> {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let is_unlucky = (self.random >> 33) % 1_000_000 < self.loss;
        if self.queue(now) + u64::from(bytes) > self.buffer.max(u64::from(2 * MSS)) {
            return None;
        }
        let takes = Duration::from_nanos(u64::from(bytes) * 1_000_000_000 / self.rate);
        self.busy_until = self.busy_until.max(now) + takes;
        let arrives = self.busy_until + self.rtt;
        let lump = self.ack_lumps.as_nanos() as u64;
        let arrives = match arrives.as_nanos().checked_div(lump) {
            Some(lumps) => Instant::from_nanos((lumps + 1) * lump),
            None => arrives,
        };
        (!is_unlucky).then_some(arrives)
    }
}

struct Segment {
    sent_at: Instant,
    sent: Snapshot,
    is_delivered: bool,
}

/// One sender.
pub(crate) struct Flow<A> {
    pub(crate) algorithm: A,
    pub(crate) window: Window,
    pub(crate) tracker: RateTracker,
    /// Segments a second that the application has; as many as fit, if `None`.
    pub(crate) application: Option<u64>,
    pub(crate) flight: u32,
    pub(crate) timeouts: u32,
    pub(crate) lost: u64,
    pacer: Pacer,
    /// What was sent and is not known to be delivered or lost, from segment number `first` on.
    outstanding: VecDeque<Segment>,
    first: u64,
    largest_delivered: u64,
    phase: Phase,
    recovery_point: u64,
    /// The window was the limit when the segment before this one was sent.
    limited_until: u64,
    srtt: Option<Duration>,
    min_rtt: Option<Duration>,
    last_progress: Instant,
    started: Option<Instant>,
    /// When it is looked at next, if nothing happens before.
    wakes_at: Instant,
}

impl<A: CongestionControl> Flow<A> {
    fn new(algorithm: A) -> Self {
        Self {
            algorithm,
            window: Window::new(INITIAL_WINDOW),
            tracker: RateTracker::default(),
            application: None,
            flight: 0,
            timeouts: 0,
            lost: 0,
            pacer: Pacer::default(),
            outstanding: VecDeque::new(),
            first: 0,
            largest_delivered: 0,
            phase: Phase::Open,
            recovery_point: 0,
            limited_until: 0,
            srtt: None,
            min_rtt: None,
            last_progress: Instant::ZERO,
            started: None,
            wakes_at: Instant::FAR_FUTURE,
        }
    }

    fn next(&self) -> u64 {
        self.first + self.outstanding.len() as u64
    }

    fn seq(segment: u64) -> SeqNum {
        SeqNum(segment.wrapping_mul(u64::from(MSS)) as u32)
    }

    /// Whether the application has another segment.
    fn has_data(&self, now: Instant) -> bool {
        let started = self.started.unwrap_or(now);
        self.application.is_none_or(|rate| {
            let offered = u128::from(rate) * now.saturating_since(started).as_nanos() / 1_000_000_000;
            u128::from(self.next()) <= offered
        })
    }

    fn on_ack(&mut self, now: Instant, number: u64) {
        let Some(index) = number.checked_sub(self.first) else { return }; // it counted as lost
        let prior_flight = self.flight;
        let segment = &mut self.outstanding[index as usize];
        segment.is_delivered = true;
        let (sent_at, sent) = (segment.sent_at, segment.sent);
        self.tracker.on_delivered(MSS, sent_at, &sent, now);
        self.flight -= MSS;
        self.largest_delivered = self.largest_delivered.max(number);
        let rtt = now.saturating_since(sent_at);
        self.min_rtt = Some(self.min_rtt.map_or(rtt, |min| min.min(rtt)));
        self.srtt = Some(self.srtt.map_or(rtt, |srtt| (srtt * 7 + rtt) / 8));
        self.last_progress = now;
        let lost = self.detect_losses(now, prior_flight);
        if self.phase != Phase::Open && self.first >= self.recovery_point {
            self.phase = Phase::Open;
            self.algorithm.on_recovery_end(&mut self.window);
        }
        let ack = self.ack(now, MSS, lost, prior_flight, Some(rtt));
        self.algorithm.on_ack(&mut self.window, &ack);
        if self.algorithm.holds_back() {
            self.tracker.on_app_limited(self.flight);
        }
    }

    fn ack(
        &mut self,
        now: Instant,
        delivered: u32,
        lost: u32,
        prior_flight: u32,
        rtt: Option<Duration>,
    ) -> AckSample {
        AckSample {
            now,
            acked: delivered,
            delivered,
            lost,
            prior_flight,
            flight: self.flight,
            mss: MSS,
            rtt,
            min_rtt: self.min_rtt,
            srtt: self.srtt,
            cwnd_limited: self.largest_delivered <= self.limited_until,
            phase: self.phase,
            has_sack: true,
            snd_una: Self::seq(self.first),
            snd_nxt: Self::seq(self.next()),
            marked: 0,
            rate: self.tracker.take_sample(self.min_rtt),
        }
    }

    /// Drops what is done from the front; returns the bytes that count as lost now.
    fn detect_losses(&mut self, now: Instant, prior_flight: u32) -> u32 {
        let mut lost = 0;
        while let Some(segment) = self.outstanding.front() {
            if segment.is_delivered {
                self.outstanding.pop_front();
                self.first += 1;
                continue;
            }
            if self.largest_delivered < self.first + DUP_THRESH {
                break;
            }
            lost += self.lose_first(now);
        }
        if lost > 0 && self.phase == Phase::Open {
            self.phase = Phase::Recovery;
            self.recovery_point = self.next();
            self.window.ssthresh = self.algorithm.ssthresh(&self.window, prior_flight, MSS);
            if !self.algorithm.owns_window_in_recovery() {
                self.window.cwnd = self.window.ssthresh;
            }
        }
        lost
    }

    fn lose_first(&mut self, now: Instant) -> u32 {
        let Some(segment) = self.outstanding.pop_front() else { return 0 };
        let seq = Self::seq(self.first);
        self.first += 1;
        self.flight -= MSS;
        self.lost += u64::from(MSS);
        self.tracker.on_lost(MSS);
        let sample = LossSample {
            now,
            seq,
            bytes: MSS,
            mss: MSS,
            sent: segment.sent,
            total_lost: self.tracker.lost,
            total_delivered: self.tracker.delivered,
            has_sack: true,
        };
        self.algorithm.on_lost(&self.window, &sample);
        MSS
    }

    fn on_timeout(&mut self, now: Instant) {
        self.timeouts += 1;
        let flight = self.flight;
        while !self.outstanding.is_empty() {
            if self.outstanding[0].is_delivered {
                self.outstanding.pop_front();
                self.first += 1;
            } else {
                self.lose_first(now);
            }
        }
        self.window.ssthresh = self.algorithm.ssthresh(&self.window, flight, MSS);
        self.algorithm.on_timeout(&mut self.window, flight, MSS);
        (self.phase, self.recovery_point, self.last_progress) = (Phase::Loss, self.next() + 1, now);
    }
}

/// All that happens.
pub(crate) struct Simulation<A> {
    pub(crate) path: Path,
    pub(crate) flows: Vec<Flow<A>>,
    pub(crate) now: Instant,
    /// Time, flow, segment whose ACK arrives; no segment for a look at the timers.
    events: BinaryHeap<Reverse<(Instant, usize, Option<u64>)>>,
}

impl<A: CongestionControl> Simulation<A> {
    /// Flows that begin so many milliseconds after the start.
    pub(crate) fn new(path: Path, flows: impl IntoIterator<Item = (u64, A)>) -> Self {
        let mut simulation = Self { path, flows: Vec::new(), now: Instant::ZERO, events: BinaryHeap::new() };
        for (i, (start, algorithm)) in flows.into_iter().enumerate() {
            let starts_at = Instant::from_millis(start + 1);
            simulation.flows.push(Flow { wakes_at: starts_at, ..Flow::new(algorithm) });
            simulation.events.push(Reverse((starts_at, i, None)));
        }
        simulation
    }

    /// Lets time pass; `look` sees every event.
    pub(crate) fn run(&mut self, time: Duration, mut look: impl FnMut(&Self)) {
        let end = self.now + time;
        while let Some(&Reverse((at, i, segment))) = self.events.peek().filter(|event| event.0.0 <= end) {
            self.events.pop();
            self.now = at;
            match segment {
                Some(number) => self.flows[i].on_ack(at, number),
                None if self.flows[i].wakes_at != at => continue, // it was put forward
                None => self.on_wake(i),
            }
            self.send(i);
            look(self);
        }
        self.now = end;
    }

    fn on_wake(&mut self, i: usize) {
        let (now, flow) = (self.now, &mut self.flows[i]);
        flow.wakes_at = Instant::FAR_FUTURE;
        let is_late = now.saturating_since(flow.last_progress) >= TIMEOUT;
        if flow.flight > 0 && is_late {
            flow.on_timeout(now);
        }
    }

    fn send(&mut self, i: usize) {
        let (now, flow) = (self.now, &mut self.flows[i]);
        flow.started.get_or_insert(now);
        loop {
            if flow.flight + MSS > flow.window.cwnd {
                flow.limited_until = flow.next();
                break;
            }
            if !flow.has_data(now) {
                flow.tracker.on_app_limited(flow.flight);
                break;
            }
            if !flow.pacer.is_open(now) {
                break;
            }
            if flow.flight == 0 {
                let is_long = now.saturating_since(flow.last_progress) > TIMEOUT;
                let restart = Restart { now, is_long, restart_window: INITIAL_WINDOW };
                flow.algorithm.on_restart(&mut flow.window, &restart);
                flow.last_progress = now;
            }
            let sent = flow.tracker.on_send(now, flow.flight, MSS);
            if let Some(arrives) = self.path.send(now, MSS) {
                self.events.push(Reverse((arrives, i, Some(flow.next()))));
            }
            flow.outstanding.push_back(Segment { sent_at: now, sent, is_delivered: false });
            flow.flight += MSS;
            if let Some(rate) = flow.algorithm.pacing_rate(&flow.window, flow.srtt, MSS) {
                flow.pacer.on_sent(now, MSS, rate, flow.algorithm.pacing_slack(rate, MSS));
            }
        }
        self.wake_later(i);
    }

    /// When the pacer opens, when the application has more, when the timer goes off.
    fn wake_later(&mut self, i: usize) {
        let (now, flow) = (self.now, &mut self.flows[i]);
        let timeout = if flow.flight > 0 { flow.last_progress + TIMEOUT } else { now + TIMEOUT };
        let waits = if !flow.pacer.is_open(now) {
            flow.pacer.departs_at()
        } else if flow.application.is_some() {
            now + Duration::from_millis(1)
        } else {
            timeout
        };
        let at = waits.min(timeout).max(now + Duration::from_nanos(1));
        if at < flow.wakes_at {
            flow.wakes_at = at;
            self.events.push(Reverse((at, i, None)));
        }
    }

    /// Megabits a second that each flow delivers in a time.
    pub(crate) fn goodput(&mut self, time: Duration) -> Vec<f64> {
        let before: Vec<u64> = self.flows.iter().map(|flow| flow.tracker.delivered).collect();
        self.run(time, |_| {});
        let megabits = |bytes: u64| bytes as f64 * 8.0 / 1e6 / time.as_secs_f64();
        self.flows
            .iter()
            .zip(before)
            .map(|(flow, before)| megabits(flow.tracker.delivered - before))
            .collect()
    }
}

/// Jain's index of fairness: 1 if all have the same, 1/n if one has all.
pub(crate) fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    sum * sum / (squares * shares.len() as f64)
}
