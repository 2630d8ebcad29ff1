//! The curve of CUBIC, and the window that Reno would have: RFC 9438 §4.2, §4.3, §4.7.
//!
//! `W_cubic(t) = C (t − K)³ + W_max`, in integers: times are microseconds, sizes bytes, and the Reno estimate has 32
//! binary places, so that no byte of a window of gigabytes gets lost.

use core::time::Duration;
use stack_core::Instant;

/// The same for W_max with fast convergence, (1 + β) / 2, in twentieths (§4.7).
const FAST_CONVERGENCE_TWENTIETHS: u32 = 17;
/// C, 0.4 segments a cubic second, as segments × 10^19 a cubic microsecond (§5).
const C: u128 = 4;
const C_SCALE: u128 = 10_000_000_000_000_000_000;
/// α before the Reno estimate has made up for β being larger than a half: 3 (1 − β) / (1 + β) (§4.3).
const ALPHA: (u64, u64) = (9, 17);

/// The curve from one congestion event to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Curve {
    /// The window around which the curve is flat; 0 if nothing is known, and it begins where it is.
    pub(super) w_max: u32,
    /// The window before the last reduction: from it on, α is 1.
    pub(super) cwnd_prior: u32,
    /// Its time since congestion avoidance began; none before.
    pub(super) epoch: Option<Epoch>,
}

/// One stage of congestion avoidance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Epoch {
    /// When it began: `t_epoch`.
    pub(super) start: Instant,
    /// Microseconds from there to the flat part: K.
    pub(super) k: u32,
    /// What Reno would have, with 32 binary places: W_est.
    w_est: u64,
}

impl Curve {
    /// Congestion avoidance begins with a window of `cwnd`.
    pub(super) fn begin(&mut self, now: Instant, cwnd: u32, mss: u32) -> Epoch {
        self.w_max = self.w_max.max(cwnd);
        Epoch { start: now, k: time_to_rise(self.w_max - cwnd, mss), w_est: u64::from(cwnd) << 32 }
    }

    /// W_cubic(t) of §4.2 (R9438-4.1-a), t being the time since the epoch began.
    pub(super) fn w_cubic(&self, k: u32, t: Duration, mss: u32) -> u32 {
        let t = t.as_micros().min(u128::from(u32::MAX));
        let distance = t.abs_diff(u128::from(k));
        let height = (C * u128::from(mss)).saturating_mul(distance.pow(3)) / C_SCALE;
        let height = u32::try_from(height).unwrap_or(u32::MAX);
        if t < u128::from(k) { self.w_max.saturating_sub(height) } else { self.w_max.saturating_add(height) }
    }

    /// What a congestion event at a window of `cwnd` makes of it; fast convergence (R9438-4.7-a) leaves room for others when
    /// the flow did not get as far as the last time.
    pub(super) fn reduce(&mut self, cwnd: u32) {
        let has_shrunk = cwnd < self.w_max;
        self.w_max = if has_shrunk { scale(cwnd, FAST_CONVERGENCE_TWENTIETHS, 20) } else { cwnd };
        (self.cwnd_prior, self.epoch) = (cwnd, None);
    }
}

impl Epoch {
    /// `bytes` of a window of `cwnd` were acknowledged: what Reno would have now (R9438-4.3-a). After a reduction Reno is slower until
    /// it has the window back from which it was reduced.
    pub(super) fn grow_as_reno(&mut self, cwnd_prior: u32, bytes: u32, cwnd: u32, mss: u32) -> u32 {
        let alpha = if self.w_est >> 32 < u64::from(cwnd_prior) { ALPHA } else { (1, 1) };
        self.w_est = self.w_est.saturating_add(reno_growth(alpha, bytes, cwnd, mss));
        u32::try_from(self.w_est >> 32).unwrap_or(u32::MAX)
    }
}

/// What Reno's window grows by, with 32 binary places: α segments a window (§4.3).
fn reno_growth((numerator, denominator): (u64, u64), bytes: u32, cwnd: u32, mss: u32) -> u64 {
    let bytes = bytes.min(cwnd); // an ACK of more than a window is a round trip's worth all the same
    let growth = (u128::from(bytes) * u128::from(mss) * u128::from(numerator)) << 32;
    (growth / (u128::from(cwnd.max(1)) * u128::from(denominator))) as u64
}

/// K: microseconds in which the curve rises by `bytes`, the cube root of bytes / (C mss) (§4.2).
fn time_to_rise(bytes: u32, mss: u32) -> u32 {
    cube_root(u128::from(bytes) * C_SCALE / (C * u128::from(mss.max(1))))
}

/// The largest number whose cube is not larger, bit by bit; below 2^32 for what there is here.
fn cube_root(n: u128) -> u32 {
    (0..32).rev().fold(0, |root, bit| {
        let next = root | 1 << bit;
        if u128::from(next).pow(3) <= n { next } else { root }
    })
}

/// A part of a whole of bytes.
pub(super) fn scale(bytes: u32, part: u32, whole: u32) -> u32 {
    (u64::from(bytes) * u64::from(part) / u64::from(whole)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn cube_roots() {
        for (n, root) in [(0, 0), (1, 1), (7, 1), (8, 2), (26, 2), (27, 3), (10u128.pow(27), 10u32.pow(9))] {
            assert_eq!(cube_root(n), root, "{n}");
        }
        assert_eq!(cube_root(u128::from(u32::MAX).pow(3)), u32::MAX);
        assert_eq!(cube_root(u128::from(u32::MAX).pow(3) - 1), u32::MAX - 1);
    }

    // R9438-4.1-a, R9438-5.1-a
    #[test]
    fn the_curve_of_rfc_9438() {
        // A loss at 100 segments: it begins at 70, K = (30 / 0.4)^(1/3) = 4.217163 s.
        let mut curve = Curve { w_max: 100 * MSS, ..Curve::default() };
        let epoch = curve.begin(Instant::ZERO, 70 * MSS, MSS);
        assert_eq!(epoch.k, 4_217_163);
        let k = Duration::from_micros(u64::from(epoch.k));
        let w = |t| curve.w_cubic(epoch.k, t, MSS);
        assert_eq!(w(Duration::ZERO), 70_001, "to a byte");
        assert_eq!(w(k - SECOND), 99_600); // 0.4 below
        assert_eq!(w(k), 100_000);
        assert_eq!(w(k + SECOND), 100_400);
        assert_eq!(w(k + 2 * SECOND), 103_200); // 0.4 × 8
        assert_eq!(w(2 * k), 129_999);
        assert_eq!(w(k + 10_000 * SECOND), u32::MAX);
        assert_eq!(curve.w_cubic(u32::MAX, Duration::ZERO, u32::MAX), 0);
    }

    // R9438-4.10-c
    #[test]
    fn a_curve_that_begins_at_its_top_only_rises() {
        let mut curve = Curve { w_max: 50 * MSS, ..Curve::default() };
        assert_eq!(curve.begin(Instant::ZERO, 80 * MSS, MSS).k, 0);
        assert_eq!(curve.w_max, 80 * MSS);
    }

    // R9438-4.7-a
    #[test]
    fn fast_convergence_leaves_room_when_the_window_shrinks() {
        let mut curve = Curve::default();
        let w_max_after = |cwnd: u32| {
            curve.reduce(cwnd * MSS);
            curve.w_max / MSS
        };
        // Less than the last time counts as 0.85 of it.
        assert_eq!([100, 80, 90, 70].map(w_max_after), [100, 68, 90, 59]);
    }

    // R9438-4.3-a, R9438-4.3-c
    #[test]
    fn reno_gains_nine_seventeenths_of_a_segment_a_round_then_a_whole_one() {
        let growth = |alpha| reno_growth(alpha, 70 * MSS, 70 * MSS, MSS) as f64 / 2f64.powi(32);
        assert!((growth(ALPHA) - 529.412).abs() < 0.001);
        assert_eq!(growth((1, 1)), 1000.0);
        let tiny = reno_growth(ALPHA, 1, 1 << 30, MSS);
        assert!(tiny > 2000, "a byte of a gigabyte is not lost: {tiny}");
    }
}
