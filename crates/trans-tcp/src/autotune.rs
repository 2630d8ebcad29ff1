//! Buffers that tune themselves, in both directions.
//!
//! **Receiving**: dynamic right-sizing (Fisk and Feng, 2001) as Linux has it. In each round trip, what the application
//! takes is measured, inside `read` or as it is placed; the buffer becomes twice that, and more while it still grows,
//! because a peer in slow start sends twice as much in the next round. A slow application makes no larger window.
//!
//! **Sending**: twice the congestion window (Linux: `tcp_sndbuf_expand`), so that the next round can be written while
//! this one is acknowledged. A pure function: nothing is kept.
//!
//! Buffers never shrink by themselves, grow to the configured maximum at most, and neither grow under memory pressure nor
//! where the application has set a size.

use crate::bulk::{Bulk, bulk_of};
use crate::config::MIN_BUFFER;
use crate::connection::Connection;
use crate::env::Env;
use crate::memory::Level;
use core::time::Duration;
use stack_core::Instant;

/// Segments of headroom in a right-sized buffer, as Linux.
const HEADROOM: u32 = 16;

/// How fast the application takes what arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RightSizing {
    /// The round-trip time as the receiver sees it; `None` before the first sample.
    rtt: Option<Duration>,
    /// Octets that the application took in the busiest round.
    space: u32,
    /// Octets of the stream that it had taken when this round began.
    taken: u64,
    began: Instant,
    /// Without timestamps: a window's worth has arrived when this much of the stream has.
    window_end: u64,
    window_began: Instant,
}

impl RightSizing {
    /// Begins to measure; `taken` octets of the stream have been read before.
    pub(crate) fn new(now: Instant, taken: u64, space: u32) -> Self {
        Self { rtt: None, space, taken, began: now, window_end: 0, window_began: now }
    }

    /// Octets in the busiest round.
    pub(crate) fn space(&self) -> u32 {
        self.space
    }

    /// The round-trip time as the receiver sees it.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// A timestamp came back with text: smoothed, as it carries delays of the sender's application.
    fn sample(&mut self, rtt: Duration) {
        self.rtt = Some(self.rtt.map_or(rtt, |old| old - old / 8 + rtt / 8));
    }

    /// `received` octets of the stream have come. The time in which a window arrives is no shorter than a round trip.
    fn sample_window(&mut self, now: Instant, received: u64, wnd: u32) {
        if received < self.window_end {
            return;
        }
        if self.window_end > 0 {
            let time = now.saturating_since(self.window_began).max(Duration::from_micros(1));
            self.rtt = Some(self.rtt.map_or(time, |old| old.min(time)));
        }
        self.window_end = received + u64::from(wnd.max(1));
        self.window_began = now;
    }

    /// The application has taken `taken` octets of the stream. At the end of a round that was busier than all before:
    /// what the buffer should be.
    fn on_read(&mut self, now: Instant, taken: u64, mss: u32) -> Option<u32> {
        let round = self.rtt?;
        if now.saturating_since(self.began) < round {
            return None;
        }
        let copied = u32::try_from(taken - self.taken).unwrap_or(u32::MAX);
        (self.taken, self.began) = (taken, now);
        if copied <= self.space {
            return None;
        }
        let growth = u64::from(copied - self.space);
        let before = u64::from(self.space.max(1));
        self.space = copied;
        let base = 2 * u64::from(copied) + u64::from(HEADROOM * mss);
        let size = base + 2 * (base * growth / before).min(base);
        Some(u32::try_from(size).unwrap_or(u32::MAX))
    }
}

impl Connection {
    /// Text came; `echo` is the round-trip time that its timestamp tells.
    pub(crate) fn measure_arrival(&mut self, now: Instant, echo: Option<Duration>) {
        let (received, wnd) = (self.rcv.received, self.rcv.wnd());
        let Some(bulk) = self.bulk_of_text(now) else { return };
        match echo {
            Some(rtt) => bulk.sizing.sample(rtt),
            None => bulk.sizing.sample_window(now, received, wnd),
        }
    }

    fn bulk_of_text(&mut self, now: Instant) -> Option<&mut Bulk> {
        if self.bulk().is_none() && self.rcv.received < Bulk::FROM {
            return None;
        }
        Some(self.bulk_mut(now))
    }

    /// The application has read.
    pub(crate) fn right_size(&mut self, now: Instant) {
        let taken = self.rcv.received - self.rcv.readable() as u64;
        let mss = self.receive_mss();
        let Some(bulk) = bulk_of(&mut self.more) else { return };
        let Some(size) = bulk.sizing.on_read(now, taken, mss) else { return };
        if self.level == Level::Plenty && !self.settings.receive_buffer_fixed {
            self.rcv.buffer = self.rcv.buffer.max(size.min(self.settings.receive_buffer_max));
        }
    }

    /// Most that may be written and not acknowledged.
    pub(crate) fn send_limit(&self) -> u32 {
        let set = self.settings.send_buffer;
        match self.level {
            Level::Full => MIN_BUFFER as u32,
            Level::Pressure => set,
            Level::Plenty if self.settings.send_buffer_fixed => set,
            Level::Plenty => set.max(self.window.cwnd.saturating_mul(2).min(self.settings.send_buffer_max)),
        }
    }

    /// Notes what limits the sender, for [`TcpInfo`](crate::TcpInfo).
    pub(crate) fn observe_limits(&mut self, env: &Env<'_, '_>) {
        let sent = self.stats.bytes_acked + u64::from(self.snd.buffered());
        if self.bulk().is_none() && sent < Bulk::FROM {
            return;
        }
        let limit = self.limit();
        self.bulk_mut(env.now).limits.observe(env.now, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    fn at(ms: u64) -> Instant {
        Instant::from_millis(ms)
    }

    #[test]
    fn a_buffer_keeps_ahead_of_a_sender_in_slow_start() {
        let mut sizing = RightSizing::new(at(0), 0, 10 * MSS);
        sizing.sample(Duration::from_millis(100));
        let (mut taken, mut sends) = (0, 20 * MSS);
        for round in 1..10 {
            taken += u64::from(sends);
            let size = sizing.on_read(at(100 * round), taken, MSS).expect("it grows");
            sends *= 2;
            assert!(size >= 2 * sends, "round {round}: {size} for {sends}");
        }
    }

    #[test]
    fn a_slow_application_gets_no_larger_buffer() {
        let mut sizing = RightSizing::new(at(0), 0, 10 * MSS);
        sizing.sample(Duration::from_millis(100));
        for round in 1..10 {
            assert_eq!(sizing.on_read(at(100 * round), round * u64::from(10 * MSS), MSS), None);
        }
        assert_eq!(sizing.on_read(at(950), 1_000_000, MSS), None, "the round is not over");
    }

    #[test]
    fn without_timestamps_a_window_is_a_round() {
        let mut sizing = RightSizing::new(at(0), 0, 10 * MSS);
        sizing.sample_window(at(0), 1000, 50_000);
        sizing.sample_window(at(10), 30_000, 50_000);
        assert_eq!(sizing.rtt(), None);
        sizing.sample_window(at(80), 51_000, 50_000);
        assert_eq!(sizing.rtt(), Some(Duration::from_millis(80)));
        sizing.sample_window(at(200), 101_000, 50_000);
        assert_eq!(sizing.rtt(), Some(Duration::from_millis(80)), "the shortest");
    }
}
