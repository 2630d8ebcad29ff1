//! The timestamps option: RFC 7323 §3 (negotiation), §4.3 (what to echo), §5 (PAWS).
//!
//! The clock ticks in milliseconds (R7323-5.4-a) with an offset of its own for each tuple. Leaves out RTT
//! measurement, which `rtt.rs` does with finer stamps where it can.

use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// How long a remembered timestamp is worth something: R7323-5.5-a.
const VALID_SECS: u32 = 24 * 24 * 3600;

/// The clock of the option.
pub(crate) fn clock(now: Instant, offset: u32) -> u32 {
    (now.as_millis() as u32).wrapping_add(offset)
}

/// What a connection knows of the option.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Timestamps {
    /// Negotiated: in every segment but resets from now on (R7323-3.2-a).
    pub(crate) on: bool,
    offset: u32,
    /// TS.Recent.
    recent: u32,
    /// When it was stored, in seconds of the clock's origin.
    recent_at: u32,
}

impl Timestamps {
    /// A connection that offers the option with this offset.
    pub(crate) fn new(on: bool, offset: u32) -> Self {
        Self { on, offset, recent: 0, recent_at: 0 }
    }

    /// TSval and TSecr of a segment that is sent now; TSecr is 0 as long as nothing was received.
    pub(crate) fn option(&self, now: Instant) -> Option<(u32, u32)> {
        self.on.then(|| (clock(now, self.offset), self.recent))
    }

    /// TS.Recent.
    pub(crate) fn recent(&self) -> u32 {
        self.recent
    }

    /// The peer's SYN: the first timestamp.
    pub(crate) fn start(&mut self, tsval: u32, now: Instant) {
        self.recent = tsval;
        self.recent_at = secs(now);
    }

    /// Whether PAWS rejects a segment with this timestamp (R7323-5.3-a).
    pub(crate) fn is_old(&self, tsval: u32, now: Instant) -> bool {
        let fresh = secs(now).wrapping_sub(self.recent_at) < VALID_SECS;
        fresh && (tsval.wrapping_sub(self.recent) as i32) < 0
    }

    /// How much older than the latest timestamp this one is, if the peer's clock ticks in milliseconds.
    pub(crate) fn age(&self, tsval: u32) -> Duration {
        Duration::from_millis(u64::from(self.recent.wrapping_sub(tsval)))
    }

    /// An acceptable segment that begins at `seq`: its timestamp is echoed if the segment is the first of those
    /// that the next ACK is for (R7323-4.3-a).
    pub(crate) fn update(&mut self, tsval: u32, seq: SeqNum, last_ack_sent: SeqNum, now: Instant) {
        if seq.before_eq(last_ack_sent) && !self.is_old(tsval, now) {
            self.start(tsval, now);
        }
    }

    /// The echo in a segment with these timestamps, to be compared with times of ours.
    pub(crate) fn echo(&self, timestamps: Option<(u32, u32)>) -> Echo {
        let tsecr = timestamps.filter(|_| self.on).map_or(0, |(_, tsecr)| tsecr);
        Echo { tsecr, offset: self.offset }
    }

    /// Round-trip time that an echoed timestamp tells, at least one tick; `None` for an echo of nothing that we
    /// can have sent lately.
    pub(crate) fn rtt(&self, tsecr: u32, at: Instant) -> Option<Duration> {
        let ticks = clock(at, self.offset).wrapping_sub(tsecr);
        (self.on && tsecr != 0 && ticks < VALID_SECS).then(|| Duration::from_millis(u64::from(ticks.max(1))))
    }
}

/// What a segment echoes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Echo {
    /// 0 for nothing.
    tsecr: u32,
    offset: u32,
}

impl Echo {
    /// Whether it echoes something that was sent before `at`, by a tick at least.
    pub(crate) fn predates(&self, at: Instant) -> bool {
        self.tsecr != 0 && (self.tsecr.wrapping_sub(clock(at, self.offset)) as i32) < 0
    }
}

fn secs(now: Instant) -> u32 {
    (now.as_millis() / 1000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    #[test]
    fn old_timestamps_are_old_across_the_wrap_until_24_days_have_passed() {
        let mut ts = Timestamps::new(true, 0);
        ts.start(5, at(10));
        assert!(ts.is_old(4, at(11)) && ts.is_old(u32::MAX, at(11)));
        assert!(!ts.is_old(5, at(11)) && !ts.is_old(6, at(11)));
        assert!(!ts.is_old(4, at(11 + 24 * 24 * 3600)));
    }

    #[test]
    fn the_echo_is_that_of_the_first_segment_not_yet_acknowledged() {
        let mut ts = Timestamps::new(true, 0);
        ts.start(100, at(0));
        ts.update(110, SeqNum(50), SeqNum(50), at(1));
        ts.update(120, SeqNum(60), SeqNum(50), at(2));
        ts.update(105, SeqNum(50), SeqNum(50), at(3));
        assert_eq!(ts.recent(), 110);
    }

    #[test]
    fn samples_are_at_least_a_tick_and_never_from_an_empty_echo() {
        let ts = Timestamps::new(true, 7);
        let sent = clock(at(1), 7);
        assert_eq!(ts.rtt(sent, at(1)), Some(Duration::from_millis(1)));
        assert_eq!(ts.rtt(sent, at(3)), Some(Duration::from_secs(2)));
        assert_eq!(ts.rtt(0, at(3)), None);
        assert_eq!(ts.rtt(sent.wrapping_add(1), at(1)), None, "an echo from the future");
    }

    #[test]
    fn an_echo_predates_what_was_sent_a_tick_later() {
        let ts = Timestamps::new(true, u32::MAX - 999);
        let echo = ts.echo(Some((0, clock(at(1), u32::MAX - 999).wrapping_add(1))));
        let ms = |ms| at(1) + Duration::from_millis(ms);
        assert!(!echo.predates(ms(1)) && echo.predates(ms(2)));
        assert!(!ts.echo(None).predates(ms(9)) && !Timestamps::default().echo(Some((0, 5))).predates(ms(9)));
    }
}
