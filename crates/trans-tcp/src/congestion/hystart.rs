//! HyStart++: leaving slow start before it overshoots. RFC 9406 (R9406-4-a).
//!
//! When the round-trip times of a round are clearly longer than those of the round before, a queue is building up. Then
//! the window grows four times more slowly for up to five rounds ("conservative slow start"); if the times fall again
//! meanwhile it was jitter and slow start goes on, else congestion avoidance begins.
//! For the first slow start of a connection only, as RFC 9406 §4.2 recommends.
//!
//! A round is judged by the smallest of its times, which is that of its first packets; these left before the queue that
//! the round itself builds. So what is seen is the queue of the round before, and in front of a buffer of one
//! bandwidth-delay product the window would have doubled once more by then. Hence a second sign, as the older HyStart has
//! one in the length of trains of ACKs: *within* a round, the times rise and stay risen from one group of samples to the
//! next. Jitter comes and goes, and a burst of collected ACKs has falling times; what rises is a queue behind packets that
//! are sent faster than the path carries them. The path is full, and slow start ends there.

use super::AckSample;
use super::round::Round;
use core::time::Duration;

/// Round-trip samples that a round must have to be judged.
const N_RTT_SAMPLE: u8 = 8;
/// Smallest and largest rise of the round-trip time that means a queue, in microseconds.
const RTT_THRESH: core::ops::RangeInclusive<u32> = 4_000..=16_000;
/// The rise is that part of the round-trip time.
const MIN_RTT_DIVISOR: u32 = 8;
/// How much more slowly the window grows in conservative slow start.
const CSS_GROWTH_DIVISOR: u32 = 4;
/// Rounds of conservative slow start.
const CSS_ROUNDS: u8 = 5;
/// Segments for which an ACK lets an unpaced flow grow at most: L.
const BURST_SEGMENTS: u32 = 8;
/// Groups of samples in a row, each above the first of the round and none below the one before, that mean a full path.
const RISING_GROUPS: u8 = 2;
/// No time is known.
const UNKNOWN: u32 = u32::MAX;

/// The state of the first slow start; times are microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    round: Round,
    last_round_min: u32,
    this_round_min: u32,
    /// Smallest of the last group of [`N_RTT_SAMPLE`] samples, and of those since.
    last_group_min: u32,
    group_min: u32,
    rising_groups: u8,
    /// What the times were when conservative slow start began; [`UNKNOWN`] outside of it.
    css_baseline: u32,
    samples: u8,
    css_rounds: u8,
}

/// What an ACK makes of slow start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SlowStart {
    /// It goes on; the window grows by so many bytes.
    Grow(u32),
    /// The window has grown by so many bytes, and is the threshold now.
    Exit(u32),
}

impl Default for HyStart {
    fn default() -> Self {
        Self {
            round: Round::default(),
            last_round_min: UNKNOWN,
            this_round_min: UNKNOWN,
            last_group_min: 0,
            group_min: UNKNOWN,
            rising_groups: 0,
            css_baseline: UNKNOWN,
            samples: 0,
            css_rounds: 0,
        }
    }
}

impl HyStart {
    /// An ACK arrived in the first slow start, and the window may grow for `bytes`.
    pub(super) fn on_ack(&mut self, ack: &AckSample, bytes: u32, is_paced: bool) -> SlowStart {
        let ended = self.begin_round(ack);
        if let Some(rtt) = ack.rtt {
            self.sample(rtt);
        }
        let limit = if is_paced { u32::MAX } else { BURST_SEGMENTS.saturating_mul(ack.mss) };
        let growth = bytes.min(limit);
        match self.in_css() {
            _ if self.rising_groups >= RISING_GROUPS => SlowStart::Exit(0),
            _ if ended => SlowStart::Exit(growth / CSS_GROWTH_DIVISOR),
            true => SlowStart::Grow(growth / CSS_GROWTH_DIVISOR),
            false => SlowStart::Grow(growth),
        }
    }

    fn in_css(&self) -> bool {
        self.css_baseline != UNKNOWN
    }

    /// Begins a round if one does; returns whether conservative slow start has had its rounds. The one in which it began
    /// counts (RFC 9406 §4.2).
    fn begin_round(&mut self, ack: &AckSample) -> bool {
        if !self.round.begins(ack) {
            return false;
        }
        self.last_round_min = core::mem::replace(&mut self.this_round_min, UNKNOWN);
        (self.last_group_min, self.group_min) = (0, UNKNOWN);
        (self.rising_groups, self.samples) = (0, 0);
        self.css_rounds += u8::from(self.in_css());
        self.in_css() && self.css_rounds >= CSS_ROUNDS
    }

    fn sample(&mut self, rtt: Duration) {
        let rtt = micros(rtt);
        self.this_round_min = self.this_round_min.min(rtt);
        self.group_min = self.group_min.min(rtt);
        self.samples += 1;
        if self.samples == N_RTT_SAMPLE {
            self.samples = 0;
            self.judge_group();
            self.judge_delay();
        }
    }

    fn judge_group(&mut self) {
        let group = core::mem::replace(&mut self.group_min, UNKNOWN);
        let rises = group >= self.last_group_min && is_queue(self.this_round_min, group);
        self.rising_groups = if rises { self.rising_groups + 1 } else { 0 };
        self.last_group_min = group;
    }

    fn judge_delay(&mut self) {
        if self.in_css() {
            if self.this_round_min < self.css_baseline {
                self.css_baseline = UNKNOWN;
            }
        } else if is_queue(self.last_round_min, self.this_round_min) {
            (self.css_baseline, self.css_rounds) = (self.this_round_min, 0);
        }
    }
}

/// Whether the time has risen enough from `base`, which may be unknown, to mean a queue.
fn is_queue(base: u32, time: u32) -> bool {
    let rise = (base / MIN_RTT_DIVISOR).clamp(*RTT_THRESH.start(), *RTT_THRESH.end());
    base != UNKNOWN && time >= base.saturating_add(rise)
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(UNKNOWN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::Instant;
    use stack_wire::seq::SeqNum;

    /// Rounds of ten ACKs of a segment each.
    #[derive(Default)]
    struct Flow {
        hystart: HyStart,
        sent: u32,
    }

    impl Flow {
        /// A round whose samples are `rtt` milliseconds: what the window grew by, and whether slow start ended.
        fn round(&mut self, rtt: u64) -> (u32, bool) {
            let (mut grown, mut ended) = (0, false);
            for i in 1..=10 {
                let ack = AckSample {
                    rtt: Some(Duration::from_millis(rtt)),
                    snd_una: SeqNum(self.sent + i * 1000),
                    snd_nxt: SeqNum(self.sent + 10_000 + i * 1000),
                    ..AckSample::of(Instant::ZERO, 1000)
                };
                match self.hystart.on_ack(&ack, 1000, true) {
                    SlowStart::Grow(bytes) => grown += bytes,
                    SlowStart::Exit(bytes) => (grown, ended) = (grown + bytes, true),
                }
            }
            self.sent += 10_000;
            (grown, ended)
        }
    }

    // R9406-4.2-d, R9406-4.2-f, R9406-4-a
    #[test]
    fn a_queue_that_stays_ends_slow_start_after_five_slow_rounds() {
        let mut flow = Flow::default();
        assert_eq!(flow.round(50), (10_000, false));
        assert_eq!(flow.round(55), (10_000, false), "less than an eighth");
        // 50 ms / 8 = 6.25 ms: 62 is 7 more than the round before it (55 / 8 = 6.9).
        assert_eq!(flow.round(62), (7 * 1000 + 3 * 250, false), "from the eighth sample of the round on");
        for _ in 0..4 {
            assert_eq!(flow.round(70), (2_500, false));
        }
        let (_, ended) = flow.round(70);
        assert!(ended);
    }

    // R9406-4.2-e
    #[test]
    fn jitter_lets_slow_start_go_on() {
        let mut flow = Flow::default();
        flow.round(50);
        assert_eq!(flow.round(60).0, 7_750);
        assert_eq!(flow.round(60).0, 2_500);
        assert_eq!(flow.round(55).0, 7 * 250 + 3 * 1000, "below what conservative slow start began with");
        assert_eq!(flow.round(55), (10_000, false));
        assert_eq!(flow.round(62).0, 7_750, "and it may begin again");
    }

    // R9406-4.2-c
    #[test]
    fn thresholds_lie_between_4_and_16_ms() {
        for (last, rise, is_queue) in
            [(10, 3, false), (10, 4, true), (400, 15, false), (400, 16, true), (80, 9, false), (80, 10, true)]
        {
            let mut flow = Flow::default();
            flow.round(last);
            assert_eq!(flow.round(last + rise).0 < 10_000, is_queue, "{last} ms, then {rise} more");
        }
    }

    /// What the groups of samples of a round, in milliseconds, after a round of 50, say about slow start.
    fn ends_within_a_round(groups: &[u64]) -> bool {
        let mut hystart = HyStart { last_round_min: 50_000, this_round_min: 50_000, ..HyStart::default() };
        groups.iter().any(|&rtt| {
            (0..N_RTT_SAMPLE).for_each(|_| hystart.sample(Duration::from_millis(rtt)));
            hystart.rising_groups >= RISING_GROUPS
        })
    }

    #[test]
    fn times_that_rise_and_stay_risen_within_a_round_end_slow_start() {
        assert!(ends_within_a_round(&[50, 53, 57, 60]));
        assert!(ends_within_a_round(&[57, 57]));
        assert!(!ends_within_a_round(&[50, 53, 56, 56]), "by less than an eighth");
        assert!(!ends_within_a_round(&[80, 50, 80, 50, 80]), "jitter");
        assert!(!ends_within_a_round(&[90, 80, 70, 60]), "collected ACKs");
    }

    // R9406-4.2-c
    #[test]
    fn seven_samples_say_nothing() {
        let mut hystart = HyStart { last_round_min: 10_000, ..HyStart::default() };
        (0..7).for_each(|_| hystart.sample(Duration::from_millis(100)));
        assert!(!hystart.in_css());
        hystart.sample(Duration::from_millis(100));
        assert!(hystart.in_css());
    }

    // R9406-4.2-a
    #[test]
    fn one_ack_lets_an_unpaced_flow_grow_by_eight_segments() {
        let ack = AckSample::of(Instant::ZERO, 20_000);
        assert_eq!(HyStart::default().on_ack(&ack, 20_000, false), SlowStart::Grow(8_000));
        assert_eq!(HyStart::default().on_ack(&ack, 20_000, true), SlowStart::Grow(20_000));
    }
}
