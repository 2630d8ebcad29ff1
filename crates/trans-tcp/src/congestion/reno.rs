//! Reno: slow start and congestion avoidance of RFC 5681 §3.1, counted in bytes (RFC 3465), with the window validated
//! (RFC 7661).
//!
//! An ACK counts as all that it acknowledges, however many segments that are: with super-packets and one ACK a
//! batch, an increment of one segment an ACK would starve the flow. Splitting ACKs gains a peer nothing.

use super::validation::Validation;
use super::{AckSample, CongestionControl, Window};

/// The Reno algorithm.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reno {
    /// Bytes acknowledged in congestion avoidance since the last step.
    acked: u32,
    validation: Validation,
    /// Bytes of a full-sized segment, when it was told last.
    mss: u32,
    /// The window before the last loss.
    prior: Option<Window>,
}

impl Reno {
    pub(super) const NAME: &'static str = "reno";

    /// What is left of `bytes` in flight: RFC 5681 §3.1, equation 4. In whole segments: half a one can't be used, but would
    /// have to be acknowledged before the window grows.
    fn reduced(bytes: u32, mss: u32) -> u32 {
        let half = bytes / 2;
        (half - half % mss.max(1)).max(mss.saturating_mul(2))
    }
}

impl CongestionControl for Reno {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn on_ack(&mut self, window: &mut Window, ack: &AckSample) {
        self.mss = ack.mss;
        self.validation.on_ack(window, ack);
        let rest = slow_start(window, ack.growth()); // R5681-3.1-c, byte for byte
        if rest > 0 && !window.in_slow_start() {
            self.acked = self.acked.saturating_add(rest);
            if self.acked >= window.cwnd {
                self.acked -= window.cwnd;
                window.cwnd = window.cwnd.saturating_add(ack.mss); // R5681-3.1-d
            }
            self.acked = self.acked.min(window.cwnd);
        }
    }

    fn ssthresh(&mut self, window: &Window, flight: u32, mss: u32) -> u32 {
        self.acked = 0;
        self.mss = mss;
        self.prior = Some(*window);
        Self::reduced(self.validation.used(flight, window.cwnd, flight), mss)
    }

    fn on_recovery_end(&mut self, window: &mut Window) {
        let mss = self.mss;
        self.validation.on_recovery_end(window, |bytes| Self::reduced(bytes, mss));
    }

    fn on_spurious(&mut self, window: &mut Window) {
        self.validation.on_spurious();
        if let Some(prior) = self.prior.take() {
            *window = Window { cwnd: window.cwnd.max(prior.cwnd), ssthresh: prior.ssthresh };
        }
    }
}

/// Grows the window by `bytes`, up to the threshold; returns those beyond it.
pub(super) fn slow_start(window: &mut Window, bytes: u32) -> u32 {
    let step = bytes.min(window.ssthresh.saturating_sub(window.cwnd));
    window.cwnd += step;
    bytes - step
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::Instant;

    fn ack(bytes: u32) -> AckSample {
        AckSample::of(Instant::ZERO, bytes)
    }

    #[test]
    fn slow_start_doubles_in_a_round_trip_and_stops_at_the_threshold() {
        let mut reno = Reno::default();
        let mut window = Window { cwnd: 10_000, ssthresh: 15_000 };
        (0..10).for_each(|_| reno.on_ack(&mut window, &ack(1000)));
        assert_eq!(window.cwnd, 15_000);
    }

    // R5681-3.1-d
    #[test]
    fn congestion_avoidance_adds_one_segment_in_a_round_trip_however_acks_are_split() {
        for pieces in [1, 10, 1000] {
            let mut reno = Reno::default();
            let mut window = Window { cwnd: 10_000, ssthresh: 10_000 };
            (0..pieces).for_each(|_| reno.on_ack(&mut window, &ack(10_000 / pieces)));
            assert_eq!(window.cwnd, 11_000, "{pieces} ACKs");
        }
    }

    #[test]
    fn what_slow_start_leaves_counts_for_avoidance() {
        let mut reno = Reno::default();
        let mut window = Window { cwnd: 1_000, ssthresh: 5_000 };
        reno.on_ack(&mut window, &ack(10_000));
        assert_eq!(window.cwnd, 6_000);
    }

    // R7661-4.4-a
    #[test]
    fn an_application_that_does_not_fill_the_window_does_not_open_it() {
        let mut window = Window::new(10_000);
        Reno::default().on_ack(&mut window, &AckSample { cwnd_limited: false, ..ack(1000) });
        assert_eq!(window.cwnd, 10_000);
    }

    // R5681-3.1-e
    #[test]
    fn half_the_flight_but_two_segments() {
        let window = Window::new(100_000);
        assert_eq!(Reno::default().ssthresh(&window, 40_000, 1000), 20_000);
        assert_eq!(Reno::default().ssthresh(&window, 1_000, 1000), 2_000);
    }

    #[test]
    fn a_loss_that_was_none_leaves_the_window_as_it_was() {
        let (mut reno, mut window) = (Reno::default(), Window { cwnd: 40_000, ssthresh: 90_000 });
        window.ssthresh = reno.ssthresh(&window, 40_000, 1000);
        reno.on_timeout(&mut window, 40_000, 1000);
        assert_eq!(window, Window { cwnd: 1_000, ssthresh: 20_000 });
        reno.on_spurious(&mut window);
        assert_eq!(window, Window { cwnd: 40_000, ssthresh: 90_000 });
        window.cwnd = 5_000;
        reno.on_spurious(&mut window);
        assert_eq!(window.cwnd, 5_000, "once");
    }

    // R5681-4.1-a, R6928-2-c
    #[test]
    fn after_a_long_pause_the_restart_window_and_a_slow_start_to_three_quarters() {
        let restart = |is_long| super::super::Restart { now: Instant::ZERO, is_long, restart_window: 10_000 };
        let mut window = Window { cwnd: 80_000, ssthresh: 50_000 };
        Reno::default().on_restart(&mut window, &restart(false));
        assert_eq!(window.cwnd, 80_000);
        Reno::default().on_restart(&mut window, &restart(true));
        assert_eq!(window, Window { cwnd: 10_000, ssthresh: 60_000 });
        Reno::default().on_restart(&mut window, &restart(true));
        assert_eq!(window, Window { cwnd: 10_000, ssthresh: 60_000 }, "and no less");
    }

    #[test]
    fn windows_of_4_gib_do_not_overflow() {
        let mut reno = Reno::default();
        let mut window = Window { cwnd: u32::MAX - 10, ssthresh: u32::MAX };
        (0..3).for_each(|_| reno.on_ack(&mut window, &ack(u32::MAX)));
        assert_eq!(window.cwnd, u32::MAX);
        assert_eq!(reno.ssthresh(&window, u32::MAX, u32::MAX), u32::MAX);
    }
}
