//! Congestion control: how the window grows, and what is left of it after a loss. RFC 5681
//! (R9293-MUST-19); others may be plugged in (R9293-MAY-18).
//!
//! The connection owns the [`Window`]; an algorithm is a strategy that changes it. What happens to the window *during*
//! a recovery (inflation, deflation) is the recovery's business, not the algorithm's. All sizes are bytes.
//! Growth never happens when the application, not the window, was the limit (RFC 7661 §4).

mod reno;

pub use reno::Reno;

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;
use stack_core::Instant;

/// The congestion window of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Bytes that may be in the network.
    pub cwnd: u32,
    /// Below it, slow start; from it on, congestion avoidance.
    pub ssthresh: u32,
}

impl Window {
    /// A window before the first loss: slow start has no bound (RFC 5681 §3.1).
    pub fn new(cwnd: u32) -> Self {
        Self { cwnd, ssthresh: u32::MAX }
    }

    /// Whether it grows exponentially.
    pub fn in_slow_start(&self) -> bool {
        self.cwnd < self.ssthresh
    }
}

/// What an ACK of new data tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AckSample {
    /// When it arrived.
    pub now: Instant,
    /// Bytes that it newly acknowledges.
    pub acked: u32,
    /// Bytes in flight before it.
    pub prior_flight: u32,
    /// Bytes of a full-sized segment.
    pub mss: u32,
    /// Round-trip time that it measured, if it did.
    pub rtt: Option<Duration>,
    /// The flow had less to send than the window allowed.
    pub app_limited: bool,
}

/// A congestion control algorithm, one instance for each connection.
pub trait CongestionControl: Send + fmt::Debug {
    /// Name as in `ss -i`: `reno`.
    fn name(&self) -> &'static str;

    /// New data was acknowledged outside of a fast recovery: grow the window.
    fn on_ack(&mut self, window: &mut Window, ack: &AckSample);

    /// A loss was found with `flight` bytes outstanding: the threshold to continue with.
    fn ssthresh(&mut self, window: &Window, flight: u32, mss: u32) -> u32;

    /// The retransmission timer went off, or the flow starts again after a pause: forget what depended on the
    /// ACK clock.
    fn on_restart(&mut self) {}
}

/// Which congestion control a new connection gets.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Algorithm {
    /// [`Reno`].
    #[default]
    Reno,
    /// Somebody else's.
    Custom(fn() -> Box<dyn CongestionControl>),
}

/// The congestion control of one connection: inline where it is small.
#[derive(Debug)]
pub(crate) enum Controller {
    Reno(Reno),
    Custom(Box<dyn CongestionControl>),
}

impl Controller {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Reno => Self::Reno(Reno::default()),
            Algorithm::Custom(make) => Self::Custom(make()),
        }
    }

    pub(crate) fn get(&self) -> &dyn CongestionControl {
        match self {
            Self::Reno(reno) => reno,
            Self::Custom(custom) => &**custom,
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut dyn CongestionControl {
        match self {
            Self::Reno(reno) => reno,
            Self::Custom(custom) => &mut **custom,
        }
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

    #[test]
    fn initial_windows_of_rfc_6928() {
        for (mss, lost, window) in
            [(1460, false, 14_600), (536, false, 5_360), (9_000, false, 18_000), (1460, true, 1460)]
        {
            assert_eq!(initial_window(10, mss, lost), window, "{mss}");
        }
    }
}
