//! What a connection keeps while something is in flight, and only then: one box, from a pool, so that an idle
//! connection is small and a busy one allocates nothing.

use super::frto::Frto;
use super::prr::Prr;
use super::rack::Rack;
use super::scoreboard::{Run, Scoreboard};
use crate::bulk::bulk_of;
use crate::congestion::LossSample;
use crate::congestion::rate_sample::RateTracker;
use crate::connection::Connection;
use crate::env::Env;
use crate::paced::Pacing;
use crate::timers::Timer;
use crate::transmit::{Outgoing, Sending};
use alloc::boxed::Box;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// Runs and log entries whose memory a pooled box keeps.
const KEEP: usize = 256;

/// Transmissions that follow each other within this part of the round trip, and within [`MAX_TICK`], count as one: far
/// below what a reordering window or a round trip is measured to.
const TICKS_PER_RTT: u32 = 128;
/// See [`TICKS_PER_RTT`].
const MAX_TICK: Duration = Duration::from_millis(1);

/// Everything about the octets between SND.UNA and SND.NXT.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) board: Scoreboard,
    pub(crate) rack: Rack,
    pub(crate) prr: Prr,
    pub(crate) frto: Frto,
    pub(crate) rate: RateTracker,
    pub(crate) pacing: Pacing,
    pub(crate) deadlines: Deadlines,
    /// SND.NXT when the congestion window was the limit last.
    pub(crate) limited_until: Option<SeqNum>,
    /// When something was sent again for the first time in the recovery at hand: `FAR_FUTURE` if nothing was.
    pub(crate) first_resent: Instant,
    /// SND.NXT before limited transmit added to it; without SACK.
    pub(crate) before_limited: SeqNum,
    /// A loss probe has to go.
    pub(crate) probe_due: bool,
    /// The first run has to go again, whatever the window says: after a timeout.
    pub(crate) resend_first: bool,
}

/// When something has to be done if no ACK comes before; `FAR_FUTURE` for never.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// The retransmission timeout (RFC 6298).
    pub(crate) timeout: Instant,
    /// RACK looks again (RFC 8985 §6.2 step 5).
    pub(crate) reordering: Instant,
    /// A loss probe is due (RFC 8985 §7.2).
    pub(crate) probe: Instant,
    /// The next packet may leave.
    pub(crate) pace: Instant,
}

impl Default for Deadlines {
    fn default() -> Self {
        let off = Instant::FAR_FUTURE;
        Self { timeout: off, reordering: off, probe: off, pace: off }
    }
}

impl Deadlines {
    /// The one timer that runs (RFC 8985 §8), or the pace before it. A probe goes in the place of a timeout that is
    /// nearer.
    pub(crate) fn next(&self) -> (Timer, Instant) {
        let (timer, at) = self.next_of_recovery();
        if self.pace < at { (Timer::Pace, self.pace) } else { (timer, at) }
    }

    fn next_of_recovery(&self) -> (Timer, Instant) {
        let never = Instant::FAR_FUTURE;
        if self.reordering < self.timeout {
            (Timer::Reordering, self.reordering)
        } else if self.probe != never {
            (Timer::LossProbe, self.probe.min(self.timeout))
        } else {
            (Timer::Retransmit, self.timeout)
        }
    }
}

impl Flight {
    /// Makes a pooled box ready for a connection with `una` and these totals.
    pub(crate) fn begin(&mut self, una: SeqNum, delivered: u64, lost: u32) {
        self.rack.begin(una);
        self.rate = RateTracker::default();
        (self.rate.delivered, self.rate.lost) = (delivered, lost);
        self.first_resent = Instant::FAR_FUTURE;
    }

    /// Forgets everything but its memory.
    pub(crate) fn clear(&mut self) {
        self.board.clear(KEEP);
        self.rack.clear(KEEP);
        let (board, rack) = (core::mem::take(&mut self.board), core::mem::take(&mut self.rack));
        *self = Self { board, rack, ..Self::default() };
    }

    /// Nothing is lost after all.
    pub(super) fn revive(&mut self) {
        self.board.revive_lost();
        self.rack.rebuild(&self.board);
        self.frto = Frto::Off;
        self.first_resent = Instant::FAR_FUTURE;
        self.resend_first = false;
    }
}

impl Connection {
    /// Octets in the network, as far as is known: "pipe" of RFC 6675 §2.
    pub(crate) fn pipe(&self) -> u32 {
        let not_there = self.recovery.flight.as_ref().map_or(0, |f| f.board.sacked() + f.board.lost());
        self.snd.outstanding().saturating_sub(not_there)
    }

    /// Octets in the network that were sent more than once.
    pub(crate) fn retransmitted(&self) -> u32 {
        self.recovery.flight.as_ref().map_or(0, |flight| flight.board.retransmitted())
    }

    /// Something is about to be in flight.
    pub(crate) fn open_flight(&mut self, env: &mut Env<'_, '_>) {
        if self.recovery.flight.is_none() {
            let mut flight = env.shared.flight();
            flight.begin(self.snd.text_start(), self.stats.bytes_acked, self.losses().total_lost);
            let tick = self.min_rtt().map_or(Duration::ZERO, |rtt| (rtt / TICKS_PER_RTT).min(MAX_TICK));
            flight.board.tick = tick.max(env.config().clock_resolution);
            if core::mem::take(&mut self.was_idle) {
                flight.rate.on_app_limited(0);
            }
            self.recovery.flight = Some(flight);
            self.update_pace(env);
        }
    }

    /// A segment with sequence numbers up to `end` goes out; SND.NXT is still as it was.
    pub(crate) fn record_sent(&mut self, env: &mut Env<'_, '_>, segment: &Outgoing, end: SeqNum) {
        let (una, nxt, pipe) = (self.snd.una, self.snd.nxt, self.pipe());
        self.open_flight(env);
        let Some(flight) = &mut self.recovery.flight else { return };
        let Flight { board, rack, rate, prr, pacing, .. } = &mut **flight;
        let octets = end.distance_from(segment.seq);
        let sent = rate.on_send(env.now, pipe, octets);
        prr.sent(octets);
        pacing.sent(env.now, octets);
        let (again, new) = (end.min(nxt), segment.seq.max(nxt));
        if segment.seq.before(again) {
            if let Some(bulk) = bulk_of(&mut self.more) {
                bulk.search.sent_again(segment.seq, again);
            }
            let recent = board.resent(segment.seq, again, env.now, sent);
            rack.sent(recent, again, env.now, board);
            self.recovery.undo.resent(again.distance_from(segment.seq));
            flight.first_resent = flight.first_resent.min(env.now);
            if self.sack && segment.seq == una {
                flight.deadlines.timeout = Instant::FAR_FUTURE; // to be restarted
            }
            flight.resend_first &= segment.seq != una;
        }
        if new.before(end) {
            let Flight { board, rack, .. } = &mut **flight;
            let recent = board.sent(new, end, env.now, sent);
            rack.sent(recent, end, env.now, board);
        }
        if segment.kind == Sending::LossProbe {
            flight.probe_due = false;
            flight.deadlines.timeout = Instant::FAR_FUTURE; // R8985-7-a: it is restarted with the probe
            self.recovery.probe.sent(end.max(nxt), !new.before(end));
        }
    }

    /// Looks after the timer for the next probe, once new text was sent or acknowledged.
    pub(crate) fn schedule_probe(&mut self, env: &Env<'_, '_>) {
        let probe = self.probe_timeout(env);
        if let Some(flight) = &mut self.recovery.flight {
            flight.deadlines.probe = probe;
        }
    }

    /// Nothing is in flight any more: others can have the memory.
    pub(crate) fn release_flight(&mut self, env: &mut Env<'_, '_>) {
        if let Some(flight) = self.recovery.flight.take_if(|_| self.snd.outstanding() == 0) {
            env.shared.give_flight(flight);
        }
    }

    /// Drops it with everything in flight: the connection has ended.
    pub(crate) fn abandon_flight(&mut self, env: &mut Env<'_, '_>) {
        if let Some(flight) = self.recovery.flight.take() {
            env.shared.give_flight(flight);
        }
    }
}

/// Who wants to know of each run that counts as lost, and what the tracker of the rate knows then.
pub(super) type OnLost<'a> = dyn FnMut(&mut RateTracker, &Run) + 'a;

/// Takes note of a run that counts as lost now.
pub(super) fn note_lost(rate: &mut RateTracker, sample: &mut LossSample, run: &Run) {
    rate.on_lost(run.len());
    (sample.seq, sample.bytes, sample.sent) = (run.start, run.len(), run.sent);
    (sample.total_lost, sample.total_delivered) = (rate.lost, rate.delivered);
}

/// Boxes that wait for the next connection that sends something.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    #[expect(clippy::vec_box, reason = "the boxes are what is kept")]
    spare: alloc::vec::Vec<Box<Flight>>,
}

impl Pool {
    /// Boxes kept: connections that come and go within a batch, or have something in flight at the same time.
    const MAX: usize = 64;

    pub(crate) fn take(&mut self) -> Box<Flight> {
        self.spare.pop().unwrap_or_default()
    }

    pub(crate) fn give(&mut self, mut flight: Box<Flight>) {
        if self.spare.len() < Self::MAX {
            flight.clear();
            self.spare.push(flight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_timer_runs() {
        let at = Instant::from_millis;
        let timeout = Deadlines { timeout: at(200), ..Deadlines::default() };
        assert_eq!(timeout.next(), (Timer::Retransmit, at(200)));
        let probed = Deadlines { probe: at(100), ..timeout };
        assert_eq!(probed.next(), (Timer::LossProbe, at(100)));
        assert_eq!(
            Deadlines { probe: at(300), ..timeout }.next(),
            (Timer::LossProbe, at(200)),
            "in its place"
        );
        assert_eq!(Deadlines { reordering: at(50), ..probed }.next(), (Timer::Reordering, at(50)));
        assert_eq!(Deadlines { reordering: at(250), ..timeout }.next(), (Timer::Retransmit, at(200)));
        assert_eq!(Deadlines { pace: at(10), ..probed }.next(), (Timer::Pace, at(10)));
        assert_eq!(Deadlines::default().next(), (Timer::Retransmit, Instant::FAR_FUTURE));
    }

    #[test]
    fn boxes_are_used_again_empty_and_not_kept_without_bound() {
        let mut pool = Pool::default();
        let mut flight = pool.take();
        flight.board.sent(SeqNum(0), SeqNum(10), Instant::ZERO, Default::default());
        (flight.probe_due, flight.frto) = (true, Frto::Probing);
        let place: *const Flight = &*flight;
        pool.give(flight);
        let again = pool.take();
        assert_eq!(place, &*again as *const Flight);
        assert!(again.board.first().is_none() && !again.probe_due && again.frto == Frto::Off);
        (0..2 * Pool::MAX).for_each(|_| pool.give(Box::default()));
        assert_eq!(pool.spare.len(), Pool::MAX);
    }
}
