//! Congestion-window validation: RFC 7661. How much of the window a flow that is limited by its application really
//! uses ("pipeACK"), what a loss then leaves, and for how long an unused window is believed.
//!
//! The window of such a flow does not grow: [`AckSample::growth`] sees to that, more strictly than RFC 7661 §4.4.1
//! asks. After an idle time longer than a timeout the window begins anew (RFC 5681 §4.1) instead of being kept.

use super::round::Round;
use super::{AckSample, Phase, Window, initial_window};
use core::time::Duration;
use stack_core::Instant;

/// How long a window may stay without being used: RFC 7661 §4.4.3.
const NON_VALIDATED_PERIOD: Duration = Duration::from_secs(5 * 60);
/// Shortest period over which pipeACK is the maximum: RFC 7661 §4.2.
const MIN_SAMPLING_PERIOD: Duration = Duration::from_secs(1);

/// How much of its window a flow uses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Validation {
    round: Round,
    /// Bytes acknowledged in this round.
    round_acked: u32,
    /// The largest round in this half of the sampling period, and in the one before; 0 before the first.
    peaks: [u32; 2],
    half_began: Instant,
    /// When the window was used last.
    validated_at: Instant,
    /// The window was the limit, as far as the last ACK tells: it is used, even if in slow start it is so only since a
    /// moment ago and pipeACK lags behind.
    is_limit: bool,
    /// What the window was reduced from while it was not validated, in this recovery; else 0.
    loss_flight: u32,
    /// Bytes lost in this recovery: what had to be sent again.
    lost: u32,
}

impl Validation {
    /// An ACK arrived. Takes half of a window away that was not used for five minutes (RFC 7661 §4.4.3).
    pub(super) fn on_ack(&mut self, window: &mut Window, ack: &AckSample) {
        self.measure(ack);
        match ack.phase {
            Phase::Open => self.is_limit = ack.cwnd_limited,
            Phase::Cwr | Phase::Recovery => self.lost = self.lost.saturating_add(ack.lost),
            Phase::Loss => {}
        }
        let is_first = self.validated_at == Instant::ZERO;
        if is_first || self.is_validated(window.cwnd) || ack.phase != Phase::Open {
            self.validated_at = ack.now;
        } else if ack.now.saturating_since(self.validated_at) > NON_VALIDATED_PERIOD {
            window.remember_for_slow_start();
            let initial = initial_window(10, ack.mss, false);
            window.cwnd = window.cwnd.min(initial).max(window.cwnd / 2);
            self.validated_at = ack.now;
        }
    }

    /// What a reduction starts from: `used` of a window that is used, else what was really in flight, now or in a round of
    /// the last second (RFC 7661 §4.4.2).
    pub(super) fn used(&mut self, used: u32, cwnd: u32, flight: u32) -> u32 {
        (self.lost, self.loss_flight) = (0, 0);
        if self.pipe_ack() == 0 && !self.is_limit {
            return flight;
        }
        if self.is_validated(cwnd) {
            return used;
        }
        self.loss_flight = self.pipe_ack().max(flight);
        self.loss_flight
    }

    /// The recovery is over. Where the window was not validated, what was lost was too much for the path: `reduce`
    /// starts from the rest (RFC 7661 §4.4.2), and measuring begins anew.
    pub(super) fn on_recovery_end(&mut self, window: &mut Window, reduce: impl Fn(u32) -> u32) {
        if self.loss_flight > 0 {
            let safe = reduce(self.loss_flight.saturating_sub(self.lost));
            window.cwnd = window.cwnd.min(safe);
            self.peaks = [0; 2];
        }
        self.on_spurious();
    }

    /// There was no loss.
    pub(super) fn on_spurious(&mut self) {
        (self.loss_flight, self.lost) = (0, 0);
    }

    /// Whether at least half of the window is used, or nothing is known yet (RFC 7661 §4.3).
    fn is_validated(&self, cwnd: u32) -> bool {
        self.is_limit || self.pipe_ack() == 0 || self.pipe_ack() >= cwnd / 2
    }

    fn pipe_ack(&self) -> u32 {
        self.peaks[0].max(self.peaks[1])
    }

    fn measure(&mut self, ack: &AckSample) {
        let half = (3 * ack.srtt.unwrap_or_default()).max(MIN_SAMPLING_PERIOD) / 2;
        if ack.now.saturating_since(self.half_began) > half {
            self.peaks = [0, self.peaks[0]];
            self.half_began = ack.now;
        }
        self.round_acked = self.round_acked.saturating_add(ack.delivered);
        if self.round.begins(ack) {
            self.peaks[0] = self.peaks[0].max(self.round_acked);
            self.round_acked = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_wire::seq::SeqNum;

    const MSS: u32 = 1000;

    /// Rounds of 100 ms, in each of which `acked` bytes are acknowledged with one ACK.
    struct Flow {
        validation: Validation,
        window: Window,
        now: Instant,
        una: SeqNum,
    }

    impl Flow {
        fn new(cwnd: u32) -> Self {
            let window = Window { cwnd, ssthresh: cwnd };
            Self { validation: Validation::default(), window, now: Instant::ZERO, una: SeqNum(0) }
        }

        fn rounds(&mut self, rounds: u32, acked: u32) {
            for _ in 0..rounds {
                self.ack(AckSample { cwnd_limited: false, ..AckSample::of(self.now, acked) });
            }
        }

        fn ack(&mut self, ack: AckSample) {
            self.now += Duration::from_millis(100);
            self.una += ack.acked;
            let (now, snd_una, snd_nxt) = (self.now, self.una, self.una);
            let srtt = Some(Duration::from_millis(100));
            self.validation.on_ack(&mut self.window, &AckSample { now, srtt, snd_una, snd_nxt, ..ack });
        }
    }

    #[test]
    fn a_clock_that_has_run_for_long_takes_nothing_from_a_new_flow() {
        let mut flow = Flow::new(100 * MSS);
        flow.now = Instant::from_secs(1000);
        flow.rounds(3, 10 * MSS);
        assert_eq!(flow.window.cwnd, 100 * MSS);
    }

    // R7661-4.2-a, R7661-4.3-a
    #[test]
    fn pipe_ack_is_the_largest_round_of_the_last_second() {
        let mut flow = Flow::new(100 * MSS);
        assert!(flow.validation.is_validated(100 * MSS), "while nothing is known");
        flow.rounds(3, 60 * MSS);
        assert_eq!(flow.validation.pipe_ack(), 60 * MSS);
        flow.rounds(3, 10 * MSS);
        assert!(flow.validation.is_validated(100 * MSS));
        flow.rounds(8, 10 * MSS);
        assert_eq!(flow.validation.pipe_ack(), 10 * MSS);
        assert!(!flow.validation.is_validated(100 * MSS) && flow.validation.is_validated(20 * MSS));
    }

    // R7661-4.4.1-a
    #[test]
    fn a_loss_in_an_unused_window_starts_from_what_was_used() {
        let mut flow = Flow::new(100 * MSS);
        flow.rounds(12, 70 * MSS);
        assert_eq!(flow.validation.used(100 * MSS, 100 * MSS, 80 * MSS), 100 * MSS);
        flow.rounds(12, 20 * MSS);
        assert_eq!(flow.validation.used(100 * MSS, 100 * MSS, 5 * MSS), 20 * MSS, "pipeACK");
        assert_eq!(flow.validation.used(100 * MSS, 100 * MSS, 30 * MSS), 30 * MSS, "LossFlightSize");
        let lost = AckSample { phase: Phase::Recovery, lost: 4 * MSS, ..AckSample::of(flow.now, 1) };
        flow.ack(lost);
        flow.validation.on_recovery_end(&mut flow.window, |bytes| bytes / 2);
        assert_eq!(flow.window.cwnd, 13 * MSS, "half of 30 without the 4 that did not get through");
        assert_eq!(flow.validation.pipe_ack(), 0);
    }

    #[test]
    fn a_recovery_of_a_used_window_ends_with_the_window_that_it_has() {
        let mut flow = Flow::new(100 * MSS);
        flow.rounds(12, 90 * MSS);
        flow.validation.used(100 * MSS, 100 * MSS, 90 * MSS);
        flow.validation.on_recovery_end(&mut flow.window, |_| 0);
        assert_eq!(flow.window.cwnd, 100 * MSS);
    }

    // R7661-4.4.3-a
    #[test]
    fn five_minutes_unused_cost_half_of_the_window() {
        let mut flow = Flow::new(100 * MSS);
        flow.rounds(2990, 20 * MSS);
        assert_eq!(flow.window, Window { cwnd: 100 * MSS, ssthresh: 100 * MSS });
        flow.rounds(30, 20 * MSS);
        assert_eq!(flow.window, Window { cwnd: 50 * MSS, ssthresh: 100 * MSS });
        flow.rounds(6100, 20 * MSS);
        assert_eq!(flow.window.cwnd, 25 * MSS, "again, but then half of it is used");
    }

    #[test]
    fn a_window_that_is_the_limit_is_used_however_little_was_acknowledged() {
        let mut flow = Flow::new(100 * MSS);
        flow.rounds(12, 20 * MSS);
        flow.ack(AckSample::of(flow.now, 20 * MSS));
        assert_eq!(flow.validation.used(100 * MSS, 100 * MSS, 99 * MSS), 100 * MSS);
        flow.validation.on_recovery_end(&mut flow.window, |_| 0);
        assert_eq!(flow.window.cwnd, 100 * MSS);
    }

    // R7661-4.4.3-a
    #[test]
    fn the_initial_window_is_never_taken_away() {
        let mut flow = Flow::new(12 * MSS);
        flow.rounds(3100, 2 * MSS);
        assert_eq!(flow.window.cwnd, 10 * MSS);
    }
}
