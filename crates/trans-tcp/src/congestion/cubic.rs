//! CUBIC: RFC 9438, with HyStart++ in the first slow start.
//!
//! After a loss the window returns along a cubic curve (`curve.rs`): fast towards the size at which the loss was, flat
//! around it, then faster and faster in search of more. Where Reno would be ahead, it goes as Reno would (§4.3).
//!
//! A reduction starts from the window, not from what is in flight (§4.6 allows it where the window grows only while it
//! is used, as here), unless it was not validated (RFC 7661). Marks of routers count as losses, with the same β.

use super::curve::{Curve, scale};
use super::hystart::{HyStart, SlowStart};
use super::reno::slow_start;
use super::validation::Validation;
use super::{AckSample, CongestionControl, Restart, Window, pacing};
use stack_core::Instant;

/// β: what is left of the window, in tenths (§4.6).
const BETA_TENTHS: u32 = 7;
/// The CUBIC algorithm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cubic {
    pub(super) curve: Curve,
    hystart: HyStart,
    validation: Validation,
    /// When the last ACK arrived: what passed since does not count if the application was the limit.
    last_ack: Instant,
    /// Bytes of a full-sized segment, when it was told last.
    mss: u32,
    undo: Option<(Window, Curve)>,
}

impl Cubic {
    pub(super) const NAME: &'static str = "cubic";

    /// R9438-4.6-a
    fn reduced(bytes: u32, mss: u32) -> u32 {
        scale(bytes, BETA_TENTHS, 10).max(mss.saturating_mul(2))
    }

    /// Slow start (R9438-4.10-a): returns the bytes that are left for congestion avoidance.
    fn slow_start(&mut self, window: &mut Window, ack: &AckSample, bytes: u32) -> u32 {
        if window.ssthresh < u32::MAX {
            return slow_start(window, bytes);
        }
        let is_paced = pacing::window_rate(window, ack.srtt).is_some();
        match self.hystart.on_ack(ack, bytes, is_paced) {
            SlowStart::Grow(bytes) => slow_start(window, bytes),
            SlowStart::Exit(bytes) => {
                slow_start(window, bytes);
                window.ssthresh = window.cwnd;
                0
            }
        }
    }

    /// Congestion avoidance: §4.2 to §4.5.
    fn avoid(&mut self, window: &mut Window, ack: &AckSample, bytes: u32) {
        let (cwnd, mss) = (window.cwnd, ack.mss);
        let mut epoch = self.curve.epoch.unwrap_or_else(|| self.curve.begin(ack.now, cwnd, mss));
        let w_est = epoch.grow_as_reno(self.curve.cwnd_prior, bytes, cwnd, mss);
        self.curve.epoch = Some(epoch);
        let t = ack.now.saturating_since(epoch.start);
        if self.curve.w_cubic(epoch.k, t, mss) < w_est {
            window.cwnd = cwnd.max(w_est);
            return;
        }
        let ahead = self.curve.w_cubic(epoch.k, t + ack.srtt.unwrap_or_default(), mss);
        let target = ahead.clamp(cwnd, cwnd.saturating_add(cwnd / 2));
        let step = u64::from(target - cwnd) * u64::from(bytes) / u64::from(cwnd.max(1));
        window.cwnd = cwnd.saturating_add(step.min(u64::from(target - cwnd)) as u32);
    }

    /// Takes time out of the curve in which the flow did not use its window (§5.8).
    fn skip_time(&mut self, now: Instant) {
        let unused = now.saturating_since(self.last_ack);
        if let Some(epoch) = &mut self.curve.epoch {
            epoch.start += unused;
        }
    }
}

impl CongestionControl for Cubic {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn on_ack(&mut self, window: &mut Window, ack: &AckSample) {
        self.mss = ack.mss;
        self.validation.on_ack(window, ack);
        let mut bytes = ack.growth();
        if bytes == 0 {
            self.skip_time(ack.now);
        }
        self.last_ack = ack.now;
        if window.in_slow_start() {
            bytes = self.slow_start(window, ack, bytes);
        }
        if bytes > 0 && !window.in_slow_start() {
            self.avoid(window, ack, bytes);
        }
    }

    fn ssthresh(&mut self, window: &Window, flight: u32, mss: u32) -> u32 {
        self.mss = mss;
        self.undo = Some((*window, self.curve));
        let used = self.validation.used(window.cwnd, window.cwnd, flight);
        self.curve.reduce(used);
        Self::reduced(used, mss)
    }

    /// §4.8: the curve is flat where congestion avoidance begins next.
    fn on_timeout(&mut self, window: &mut Window, _flight: u32, mss: u32) {
        (self.curve.w_max, self.curve.epoch) = (0, None);
        window.cwnd = mss;
    }

    fn on_recovery_end(&mut self, window: &mut Window) {
        let mss = self.mss;
        self.validation.on_recovery_end(window, |bytes| Self::reduced(bytes, mss));
    }

    /// §4.9
    fn on_spurious(&mut self, window: &mut Window) {
        self.validation.on_spurious();
        if let Some((prior, curve)) = self.undo.take() {
            *window = Window { cwnd: window.cwnd.max(prior.cwnd), ssthresh: prior.ssthresh };
            self.curve = curve;
        }
    }

    fn on_restart(&mut self, window: &mut Window, restart: &Restart) {
        self.skip_time(restart.now);
        self.last_ack = restart.now;
        if restart.is_long {
            window.remember_for_slow_start();
            window.cwnd = window.cwnd.min(restart.restart_window);
            self.curve.epoch = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;
    use stack_wire::seq::SeqNum;

    const MSS: u32 = 1000;
    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: f64) -> Instant {
        Instant::ZERO + Duration::from_secs_f64(seconds)
    }

    /// A flow after a loss at a window of `cwnd` segments.
    fn after_loss(cwnd: u32) -> (Cubic, Window) {
        let (mut cubic, mut window) = (Cubic::default(), Window::new(cwnd * MSS));
        window.ssthresh = cubic.ssthresh(&window, window.cwnd, MSS);
        window.cwnd = window.ssthresh;
        (cubic, window)
    }

    /// Acknowledges whole windows, ten ACKs each, until `end`.
    fn run(cubic: &mut Cubic, window: &mut Window, from: Instant, end: Instant, rtt: Duration) {
        let mut now = from;
        while now < end {
            let bytes = window.cwnd / 10;
            for _ in 0..10 {
                now += rtt / 10;
                cubic.on_ack(window, &AckSample { srtt: Some(rtt), ..AckSample::of(now, bytes) });
            }
        }
    }

    // R9438-4.6-a
    #[test]
    fn a_loss_leaves_seven_tenths_and_two_segments_at_least() {
        let (_, window) = after_loss(100);
        assert_eq!(window.ssthresh, 70 * MSS);
        assert_eq!(after_loss(2).1.ssthresh, 2 * MSS);
    }

    // R9438-4.3-a, R9438-4.3-b
    #[test]
    fn on_short_paths_it_is_as_fast_as_reno() {
        let (mut cubic, mut window) = after_loss(20); // 14 segments, 6 below, K = 2.47 s
        run(&mut cubic, &mut window, Instant::ZERO, at(1.0), Duration::from_millis(100));
        // Ten rounds of 9/17 segments; the curve itself would be at 20 − 0.4 × 1.47³ = 18.7 after as many seconds.
        let curve = cubic.curve.w_cubic(cubic.curve.epoch.unwrap().k, SECOND, MSS);
        assert!((18_600..18_800).contains(&curve), "{curve}");
        let (mut cubic, mut window) = after_loss(20);
        run(&mut cubic, &mut window, Instant::ZERO, at(1.0), Duration::from_millis(10));
        // 100 rounds: 11.3 of 9/17 up to 20 segments, then one each.
        assert!((105_000..110_000).contains(&window.cwnd), "{}", window.cwnd);
    }

    // R9438-4.4-a, R9438-4.1-a
    #[test]
    fn the_window_follows_the_curve_on_long_paths() {
        let (mut cubic, mut window) = after_loss(1000); // K = (300 / 0.4)^(1/3) = 9.086 s
        let mut table = alloc::vec::Vec::new();
        for second in (0..15).step_by(2) {
            let (from, to) = (at(f64::from(second)), at(f64::from(second + 2)));
            run(&mut cubic, &mut window, from, to, Duration::from_millis(200));
            table.push(window.cwnd / MSS);
        }
        // 1000 + 0.4 (t − 9.086)³ at t = 2, 4, … 16 s; the window is a round trip ahead at most.
        let curve = [857, 947, 988, 999, 1000, 1009, 1047, 1132];
        for (window, curve) in table.iter().zip(curve) {
            assert!(window.abs_diff(curve) <= curve / 50, "{table:?} is not {curve:?}");
        }
    }

    // R9438-4.2-a, R9438-4.6-c
    #[test]
    fn time_in_which_the_application_was_the_limit_does_not_count() {
        let (mut cubic, mut window) = after_loss(1000);
        let rtt = Duration::from_millis(200);
        run(&mut cubic, &mut window, Instant::ZERO, at(4.0), rtt);
        let before = window.cwnd;
        for i in 1..=100 {
            let ack =
                AckSample { cwnd_limited: false, srtt: Some(rtt), ..AckSample::of(at(4.0) + i * rtt, 5000) };
            cubic.on_ack(&mut window, &ack);
        }
        assert_eq!(window.cwnd, before);
        cubic.on_restart(&mut window, &Restart { now: at(34.0), is_long: false, restart_window: 10_000 });
        run(&mut cubic, &mut window, at(34.0), at(36.0), rtt);
        assert!(window.cwnd.abs_diff(988 * MSS) < 10 * MSS, "as after six seconds: {}", window.cwnd);
    }

    // R9438-4.2-b
    #[test]
    fn the_window_grows_by_half_in_a_round_trip_at_most() {
        let (mut cubic, mut window) = after_loss(10);
        let ack = |now| AckSample { srtt: Some(SECOND), ..AckSample::of(now, 7000) };
        cubic.on_ack(&mut window, &ack(at(0.0)));
        let before = window.cwnd;
        cubic.on_ack(&mut window, &AckSample { acked: before, delivered: before, ..ack(at(600.0)) });
        assert_eq!(window.cwnd, before + before / 2);
    }

    // R9438-4.8-a
    #[test]
    fn after_a_timeout_the_curve_is_flat_where_avoidance_begins() {
        let (mut cubic, mut window) = after_loss(100);
        window.ssthresh = cubic.ssthresh(&window, window.cwnd, MSS);
        cubic.on_timeout(&mut window, 70 * MSS, MSS);
        assert_eq!(window, Window { cwnd: MSS, ssthresh: 49 * MSS });
        run(&mut cubic, &mut window, at(0.0), at(2.0), Duration::from_millis(200));
        let epoch = cubic.curve.epoch.unwrap();
        assert_eq!((epoch.k, cubic.curve.w_max), (0, 49 * MSS));
    }

    // R9438-4.9-a
    #[test]
    fn a_spurious_loss_leaves_window_and_curve_as_they_were() {
        let (mut cubic, mut window) = after_loss(100);
        run(&mut cubic, &mut window, at(0.0), at(2.0), Duration::from_millis(200));
        let before = (window, cubic.curve);
        window.ssthresh = cubic.ssthresh(&window, window.cwnd, MSS);
        cubic.on_timeout(&mut window, 70 * MSS, MSS);
        assert!(cubic.curve != before.1);
        cubic.on_spurious(&mut window);
        assert_eq!((window, cubic.curve), before);
        cubic.curve.w_max = 1;
        cubic.on_spurious(&mut window);
        assert_eq!(cubic.curve.w_max, 1, "once");
    }

    // R9406-4.3-a, R9406-4.2-f, R9438-4.10-a, R9438-4.10-b
    #[test]
    fn a_growing_queue_ends_the_first_slow_start_and_only_that() {
        let (mut cubic, mut window) = (Cubic::default(), Window::new(10 * MSS));
        let mut round = |window: &mut Window, rtt: u64, sent: &mut u32| {
            let flight = window.cwnd;
            for _ in 0..10 {
                *sent += flight / 10;
                let ack = AckSample {
                    rtt: Some(Duration::from_millis(rtt)),
                    srtt: Some(Duration::from_millis(rtt)),
                    snd_una: SeqNum(*sent),
                    snd_nxt: SeqNum(*sent + flight),
                    ..AckSample::of(Instant::ZERO, flight / 10)
                };
                cubic.on_ack(window, &ack);
            }
        };
        let mut sent = 0;
        round(&mut window, 50, &mut sent);
        assert_eq!(window.cwnd, 20 * MSS);
        for _ in 0..6 {
            round(&mut window, 70, &mut sent);
        }
        // 20 segments × (1 + 7/10 + 3/40) in the round that shows it, and four rounds of a quarter more.
        assert!((86_000..90_000).contains(&window.ssthresh), "{}", window.ssthresh);
        assert!(!window.in_slow_start());
        window = Window { cwnd: 10 * MSS, ssthresh: 40 * MSS };
        round(&mut window, 500, &mut sent);
        round(&mut window, 900, &mut sent);
        assert_eq!(window.cwnd, 40 * MSS, "a later slow start goes to its threshold");
    }

    // R9406-4.2-g
    #[test]
    fn a_loss_ends_either_phase_of_slow_start() {
        for rounds in [[50, 50], [50, 70]] {
            let (mut cubic, mut window) = (Cubic::default(), Window::new(80 * MSS));
            for (sent, rtt) in (1..).zip(rounds.map(|rtt| [rtt; 10]).concat()) {
                let rtt = Some(Duration::from_millis(rtt));
                let (snd_una, snd_nxt) = (SeqNum(sent * MSS), SeqNum((sent + 10) * MSS));
                let ack = AckSample { rtt, srtt: rtt, snd_una, snd_nxt, ..AckSample::of(at(0.0), MSS) };
                cubic.on_ack(&mut window, &ack);
            }
            window.ssthresh = cubic.ssthresh(&window, window.cwnd, MSS);
            window.cwnd = window.ssthresh;
            let before = window.cwnd;
            run(&mut cubic, &mut window, at(0.0), at(0.1), Duration::from_millis(100));
            assert!((before + 1..before + 2 * MSS).contains(&window.cwnd), "{rounds:?}: {}", window.cwnd);
        }
    }

    #[test]
    fn windows_of_4_gib_do_not_overflow() {
        let (mut cubic, mut window) = (Cubic::default(), Window { cwnd: u32::MAX - 10, ssthresh: 1 });
        for (seconds, mss) in [(1, 1), (100, u32::MAX), (1_000_000, 1000), (10_000_000_000, 1)] {
            let now = Instant::from_secs(seconds);
            let ack = AckSample { mss, srtt: Some(100 * SECOND), ..AckSample::of(now, u32::MAX) };
            cubic.on_ack(&mut window, &ack);
            assert!(window.cwnd >= u32::MAX - 10);
        }
        window.ssthresh = cubic.ssthresh(&window, u32::MAX, u32::MAX);
        assert_eq!(window.ssthresh, u32::MAX);
        assert_eq!(Cubic::reduced(u32::MAX, 1), 3_006_477_106);
    }
}
