//! Flows of different algorithms in one simulation.

use crate::congestion::{AckSample, CongestionControl, LossSample, Restart, Window};
use alloc::boxed::Box;
use core::time::Duration;

/// An algorithm, whichever it is.
pub(crate) type Any = Box<dyn CongestionControl>;

impl CongestionControl for Any {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn on_ack(&mut self, window: &mut Window, ack: &AckSample) {
        (**self).on_ack(window, ack);
    }

    fn ssthresh(&mut self, window: &Window, flight: u32, mss: u32) -> u32 {
        (**self).ssthresh(window, flight, mss)
    }

    fn on_congestion_experienced(&mut self, window: &Window, flight: u32, mss: u32) -> u32 {
        (**self).on_congestion_experienced(window, flight, mss)
    }

    fn on_lost(&mut self, window: &Window, lost: &LossSample) {
        (**self).on_lost(window, lost);
    }

    fn on_timeout(&mut self, window: &mut Window, flight: u32, mss: u32) {
        (**self).on_timeout(window, flight, mss);
    }

    fn on_recovery_end(&mut self, window: &mut Window) {
        (**self).on_recovery_end(window);
    }

    fn on_spurious(&mut self, window: &mut Window) {
        (**self).on_spurious(window);
    }

    fn on_restart(&mut self, window: &mut Window, restart: &Restart) {
        (**self).on_restart(window, restart);
    }

    fn owns_window_in_recovery(&self) -> bool {
        (**self).owns_window_in_recovery()
    }

    fn pacing_rate(&self, window: &Window, srtt: Option<Duration>, mss: u32) -> Option<u64> {
        (**self).pacing_rate(window, srtt, mss)
    }

    fn pacing_slack(&self, rate: u64, mss: u32) -> Duration {
        (**self).pacing_slack(rate, mss)
    }

    fn holds_back(&self) -> bool {
        (**self).holds_back()
    }

    fn wants_rate_samples(&self) -> bool {
        (**self).wants_rate_samples()
    }
}
