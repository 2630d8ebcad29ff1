//! Pacing: when the next packet may leave, and how large it should be.
//!
//! A flow that sends as fast as ACKs let it fills short queues with bursts. A [`Pacer`] spreads the packets: each one
//! puts the earliest departure of the next off by its size over the rate. Rates for algorithms without one of their own
//! are those of Linux (`tcp_update_pacing_rate`): twice the window a round trip while it grows fast, 1.2 times it after.
//! Below a millisecond of round-trip time timers are too coarse and bursts too short for it to matter: no pacing.
//!
//! A flow that only has a window is held up by its ACKs, not by its pace, which is faster; what it could not send in the
//! meantime it may make up for, as far as a new connection's first burst goes. So a window of few segments, as loss leaves
//! it, is not paced at all: each wait would make the round trip longer that decides how much such a flow sends.

use super::Window;
use core::time::Duration;
use stack_core::Instant;

/// Round-trip time below which window-driven flows are not paced.
const MIN_RTT: Duration = Duration::from_millis(1);
/// How long a burst may take at the rate: a packet may be this large, and a late timer may catch up on this much.
const BURST: Duration = Duration::from_millis(1);
/// Segments that a flow may make up for when it was not the pace that held it up: an initial window (RFC 6928), which paths
/// take at once.
const WINDOW_BURST_SEGMENTS: u32 = 10;
/// Largest burst, in bytes: a super-packet.
const MAX_BURST: u32 = 64 * 1024;
/// Smallest burst, in segments, so that delayed ACKs come at once.
pub(crate) const MIN_BURST_SEGMENTS: u32 = 2;

/// The rate of a flow that only has a window, in bytes a second.
pub fn window_rate(window: &Window, srtt: Option<Duration>) -> Option<u64> {
    let srtt = srtt.filter(|&srtt| srtt >= MIN_RTT)?;
    // Only up to half of the threshold: beyond it this round may be the last of slow start.
    let percent = if window.cwnd < window.ssthresh / 2 { 200 } else { 120 };
    Some(bytes_in(u64::from(window.cwnd) * percent / 100, srtt, Duration::from_secs(1)).max(1))
}

/// Bytes to send in one burst at a rate: as many as a millisecond carries, in whole segments, two at least, no more
/// than a super-packet (draft-ietf-ccwg-bbr §5.6.3).
pub fn burst_bytes(rate: u64, mss: u32) -> u32 {
    let mss = mss.max(1);
    let carried = bytes_in(rate, Duration::from_secs(1), BURST).min(u64::from(MAX_BURST)) as u32;
    (carried / mss).max(MIN_BURST_SEGMENTS) * mss
}

/// What a flow that only has a window may make up for, as time at its rate.
pub fn window_slack(rate: u64, mss: u32) -> Duration {
    time_of(WINDOW_BURST_SEGMENTS.saturating_mul(mss), rate).max(BURST)
}

/// What a flow that knows its rate may make up for: what a late timer costs.
pub fn rate_slack() -> Duration {
    BURST
}

/// How long `bytes` take at a rate in bytes a second.
fn time_of(bytes: u32, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// `bytes` a `per`, for `time`.
fn bytes_in(bytes: u64, per: Duration, time: Duration) -> u64 {
    let product = u128::from(bytes) * time.as_nanos();
    u64::try_from(product / per.as_nanos().max(1)).unwrap_or(u64::MAX)
}

/// When the next packet of one flow may leave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pacer {
    departs_at: Instant,
}

impl Pacer {
    /// The earliest departure of the next packet; `now` or before it if it may go at once.
    pub fn departs_at(&self) -> Instant {
        self.departs_at
    }

    /// Whether a packet may go now.
    pub fn is_open(&self, now: Instant) -> bool {
        self.departs_at <= now
    }

    /// A packet of `bytes` leaves at a rate in bytes a second. A flow that is late makes up for no more than `slack`.
    pub fn on_sent(&mut self, now: Instant, bytes: u32, rate: u64, slack: Duration) {
        self.departs_at = self.departs_at.max(now - slack) + time_of(bytes, rate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rates_of_linux() {
        let rate = |cwnd, ssthresh, rtt| window_rate(&Window { cwnd, ssthresh }, rtt);
        assert_eq!(rate(100_000, u32::MAX, Some(100 * MS)), Some(2_000_000));
        assert_eq!(rate(100_000, 200_002, Some(100 * MS)), Some(2_000_000));
        assert_eq!(rate(100_000, 200_000, Some(100 * MS)), Some(1_200_000));
        assert_eq!(rate(100_000, 50_000, Some(100 * MS)), Some(1_200_000));
        assert_eq!(rate(100_000, 50_000, Some(MS - Duration::from_nanos(1))), None);
        assert_eq!(rate(100_000, 50_000, None), None);
        assert_eq!(rate(0, 0, Some(MS)), Some(1));
        assert_eq!(rate(u32::MAX, 0, Some(MS)), Some(5_153_960_754_000));
    }

    #[test]
    fn a_burst_is_a_millisecond_within_bounds() {
        for (rate, mss, bytes) in [
            (0, 1460, 2_920),
            (12_500_000, 1460, 11_680), // 100 Mbit/s: eight segments of 12 500 bytes
            (125_000_000, 1460, 64_240), // 1 Gbit/s: 44 segments in 64 KiB
            (12_500_000_000, 8960, 62_720), // 100 Gbit/s
            (u64::MAX, 40_000, 80_000), // two segments, however large
            (1, 0, 2),
        ] {
            assert_eq!(burst_bytes(rate, mss), bytes, "{rate} {mss}");
        }
    }

    #[test]
    fn packets_leave_at_the_rate() {
        let (mut pacer, mut now) = (Pacer::default(), Instant::from_secs(1));
        let begin = now;
        for _ in 0..100 {
            assert!(pacer.is_open(now));
            pacer.on_sent(now, 10_000, 1_000_000, MS); // 10 ms
            assert!(!pacer.is_open(now));
            now = pacer.departs_at();
        }
        assert_eq!(now - begin, 999 * MS, "a second, but for the burst at the start");
    }

    #[test]
    fn lateness_is_made_up_for_within_a_burst() {
        let mut pacer = Pacer::default();
        let now = Instant::from_secs(1);
        pacer.on_sent(now, 1000, 1_000_000, MS);
        assert_eq!(pacer.departs_at(), now, "after a pause a millisecond goes at once");
        pacer.on_sent(now, 1000, 1_000_000, MS);
        let late = pacer.departs_at() + MS / 2;
        pacer.on_sent(late, 1000, 1_000_000, MS);
        assert_eq!(pacer.departs_at(), now + 2 * MS, "no time is lost");
        let very_late = pacer.departs_at() + 50 * MS;
        pacer.on_sent(very_late, 1000, 1_000_000, MS);
        assert_eq!(pacer.departs_at(), very_late);
    }

    #[test]
    fn a_small_window_is_sent_as_its_acks_come() {
        let (mut pacer, now) = (Pacer::default(), Instant::from_secs(1));
        let slack = window_slack(100_000, 1000);
        assert_eq!((slack, window_slack(u64::MAX, 1000), rate_slack()), (100 * MS, MS, MS));
        for _ in 0..10 {
            pacer.on_sent(now, 1000, 100_000, slack);
            assert!(pacer.is_open(now));
        }
        pacer.on_sent(now, 1000, 100_000, slack);
        assert_eq!(pacer.departs_at(), now + 10 * MS, "the eleventh segment made the twelfth wait");
    }

    #[test]
    fn a_rate_of_nothing_waits_for_ever() {
        let mut pacer = Pacer::default();
        pacer.on_sent(Instant::from_secs(1), u32::MAX, 0, MS);
        assert!(pacer.departs_at() > Instant::from_secs(4_000_000_000));
    }
}
