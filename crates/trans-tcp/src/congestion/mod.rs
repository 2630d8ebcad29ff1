//! Congestion control: how the window grows, and what is left of it after a loss. RFC 5681
//! (R9293-MUST-19); others may be plugged in (R9293-MAY-18).
//!
//! The connection owns the [`Window`]; an algorithm is a strategy that changes it. What happens to the window *during*
//! a recovery is the recovery's business (PRR), unless the algorithm says that it owns it. All sizes are bytes.
//! Growth never happens when the application, not the window, was the limit (RFC 7661 §4).

mod algorithm;
mod bbr;
mod cubic;
mod curve;
mod hystart;
pub mod pacing;
pub mod rate_sample;
mod reno;
mod round;
mod sample;
#[cfg(test)]
mod scenarios;
mod validation;

pub(crate) use algorithm::Controller;
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use bbr::Bbr;
pub(crate) use bbr::MaxFilter;
pub use cubic::Cubic;
pub use rate_sample::RateSample;
pub use reno::Reno;
pub use sample::{AckSample, LossSample, Phase, Restart, Window};

use core::fmt;
use core::time::Duration;

/// A congestion control algorithm, one instance for each connection.
///
/// The order of calls for an ACK that shows a loss: [`on_lost`](Self::on_lost) for each run of bytes,
/// [`ssthresh`](Self::ssthresh) if an episode begins with it, then [`on_ack`](Self::on_ack). For a timeout:
/// [`on_lost`](Self::on_lost), [`ssthresh`](Self::ssthresh) if it is the first of its data,
/// [`on_timeout`](Self::on_timeout).
pub trait CongestionControl: Send + fmt::Debug {
    /// Name as in `ss -i`: `reno`.
    fn name(&self) -> &'static str;

    /// An ACK delivered data or showed a loss, in whatever phase. Where the window is not the algorithm's
    /// ([`Phase::Cwr`], [`Phase::Recovery`]), it only takes notice.
    fn on_ack(&mut self, window: &mut Window, ack: &AckSample);

    /// A loss episode begins, with `flight` bytes in the network before the ACK or timeout that shows it: the threshold
    /// to continue with. What it returns is put into [`Window::ssthresh`]; `window` is still as it was, and is what
    /// [`on_spurious`](Self::on_spurious) goes back to.
    fn ssthresh(&mut self, window: &Window, flight: u32, mss: u32) -> u32;

    /// Routers marked packets, for the first time in this window of data (RFC 3168 §6.1.2): the threshold to continue
    /// with, as for a loss.
    fn on_congestion_experienced(&mut self, window: &Window, flight: u32, mss: u32) -> u32 {
        self.ssthresh(window, flight, mss)
    }

    /// A run of bytes counts as lost.
    fn on_lost(&mut self, window: &Window, lost: &LossSample) {
        let _ = (window, lost);
    }

    /// The retransmission timer went off: forget what depended on the ACK clock. The window is one segment
    /// (RFC 5681 §3.1, equation 4).
    fn on_timeout(&mut self, window: &mut Window, flight: u32, mss: u32) {
        let _ = flight;
        window.cwnd = mss;
    }

    /// A recovery, or what followed a timeout, is over.
    fn on_recovery_end(&mut self, window: &mut Window) {
        let _ = window;
    }

    /// The loss for which [`ssthresh`](Self::ssthresh) was called last was none: restore what it changed, the window
    /// included (RFC 4015, RFC 3708).
    fn on_spurious(&mut self, window: &mut Window);

    /// The flow sends again after a time with nothing in flight. R5681-4.1-a: after a long one the window tells nothing
    /// any more.
    fn on_restart(&mut self, window: &mut Window, restart: &Restart) {
        if restart.is_long {
            window.remember_for_slow_start();
            window.cwnd = window.cwnd.min(restart.restart_window);
        }
    }

    /// Whether it sets the window in [`Phase::Recovery`] itself, and after marks; else the window is reduced
    /// proportionally.
    fn owns_window_in_recovery(&self) -> bool {
        false
    }

    /// Bytes a second at which to send; `None` to send as the window allows. As the window and the round-trip time have
    /// it, where the algorithm has no rate of its own.
    fn pacing_rate(&self, window: &Window, srtt: Option<Duration>, mss: u32) -> Option<u64> {
        let _ = mss;
        pacing::window_rate(window, srtt)
    }

    /// How late the flow may be behind this pace, in bytes a second, and still make up for it.
    fn pacing_slack(&self, rate: u64, mss: u32) -> Duration {
        pacing::window_slack(rate, mss)
    }

    /// Whether it sends less than it could, to measure something else: what is sent meanwhile then counts as
    /// limited by the application ([`RateTracker::on_app_limited`](rate_sample::RateTracker::on_app_limited)). Asked
    /// after each [`on_ack`](Self::on_ack).
    fn holds_back(&self) -> bool {
        false
    }

    /// Whether it needs [`AckSample::rate`] and [`on_lost`](Self::on_lost), which cost a record for each run of bytes
    /// in flight.
    fn wants_rate_samples(&self) -> bool {
        false
    }
}

/// The initial window, in bytes (RFC 6928 §2): `segments` of them, but of large ones no more than fit the sum of
/// ten Ethernet packets, and always two. R5681-3.1-a, R5681-3.1-b: one, if the SYN had to be sent again.
pub(crate) fn initial_window(segments: u32, mss: u32, syn_was_lost: bool) -> u32 {
    if syn_was_lost {
        return mss;
    }
    segments.saturating_mul(mss).min(segments.saturating_mul(1460).max(mss.saturating_mul(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6928-2-a, R5681-3.1-b
    #[test]
    fn initial_windows_of_rfc_6928() {
        for (mss, lost, window) in
            [(1460, false, 14_600), (536, false, 5_360), (9_000, false, 18_000), (1460, true, 1460)]
        {
            assert_eq!(initial_window(10, mss, lost), window, "{mss}");
        }
    }
}
