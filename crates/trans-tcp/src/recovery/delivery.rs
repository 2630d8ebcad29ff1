//! What one ACK shows to have arrived for the first time, and what follows from that for everybody who counts: the
//! scoreboard, RACK, the rate of delivery, round-trip times.

use super::Phase;
use super::flight::Flight;
use super::sack::Report;
use super::scoreboard::{Fate, Run};
use crate::connection::Connection;
use crate::segment::Segment;
use crate::timestamps::Echo;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// The news of one ACK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// When it arrived.
    pub(crate) now: Instant,
    /// Its echo of our timestamps.
    pub(crate) echo: Echo,
    /// Where recovery was before it.
    pub(crate) prior_phase: Phase,
    /// Octets in flight before it.
    pub(crate) prior_flight: u32,
    /// Sequence numbers that it acknowledges for the first time.
    pub(crate) acked: u32,
    /// Octets that are known to have arrived since it, cumulatively or by SACK.
    pub(crate) delivered: u32,
    /// Of these, octets that SACK blocks report.
    pub(crate) sacked: u32,
    /// Octets that count as lost since it.
    pub(crate) lost: u32,
    /// Octets of the longest stretch that was sent together and is delivered.
    pub(crate) longest: u32,
    /// Of those delivered, octets that the peer reports as marked.
    pub(crate) marked: u32,
    /// Something was delivered that was sent once, and before the recovery at hand.
    pub(crate) sent_once: bool,
    /// Something is acknowledged that was sent more than once.
    pub(crate) was_resent: bool,
    /// Something is acknowledged that counted as lost and was not sent again.
    pub(crate) was_lost: bool,
    /// When the oldest and the newest of what was sent once were sent; `FAR_FUTURE` and `ZERO` if there is none.
    oldest: Instant,
    newest: Instant,
}

impl Delivery {
    /// No ACK came; it is `now` all the same.
    pub(super) fn nothing(now: Instant, prior_phase: Phase, prior_flight: u32) -> Self {
        Self::new(now, Echo::default(), prior_phase, prior_flight)
    }

    fn new(now: Instant, echo: Echo, prior_phase: Phase, prior_flight: u32) -> Self {
        Self {
            now,
            echo,
            prior_phase,
            prior_flight,
            acked: 0,
            delivered: 0,
            sacked: 0,
            lost: 0,
            longest: 0,
            marked: 0,
            sent_once: false,
            was_resent: false,
            was_lost: false,
            oldest: Instant::FAR_FUTURE,
            newest: Instant::ZERO,
        }
    }

    fn add(&mut self, run: &Run, recovery_point: SeqNum) {
        self.delivered += run.len();
        self.longest = self.longest.max(run.len());
        self.was_resent |= run.again;
        self.was_lost |= run.fate == Fate::Lost && !run.again;
        self.sent_once |= !run.again && run.end.before_eq(recovery_point);
        if !run.again {
            self.oldest = self.oldest.min(run.since);
            self.newest = self.newest.max(run.since);
        }
    }

    /// The round trip of what was sent first, and of what was sent last, as far as it is not ambiguous (Karn:
    /// R9293-MUST-18).
    pub(crate) fn round_trips(&self) -> Option<(Duration, Duration)> {
        let is_timed = self.oldest != Instant::FAR_FUTURE;
        is_timed.then(|| (self.now.saturating_since(self.oldest), self.now.saturating_since(self.newest)))
    }
}

impl Connection {
    /// Takes an ACK into the scoreboard. SND.UNA is still as it was.
    pub(crate) fn take_delivery(&mut self, seg: &Segment, report: &Report) -> Delivery {
        let mut news =
            Delivery::new(seg.received_at, self.ts.echo(seg.timestamps), self.recovery.phase, self.pipe());
        let ack = seg.ack.max(self.snd.una);
        news.acked = ack.distance_from(self.snd.una);
        let (mss, min_rtt, sack) = (self.mss(), self.min_rtt(), self.sack);
        let recovery = &mut self.recovery;
        let (point, reordering) = (recovery.recovery_point, &mut recovery.reordering);
        let Some(flight) = &mut recovery.flight else { return news };
        let Flight { board, rack, rate, .. } = &mut **flight;
        let mut take = |run: &Run| {
            rate.on_delivered(run.len(), run.sent_at, &run.sent, news.now);
            if sack {
                reordering.seen |= rack.delivered(run, news.now, min_rtt, news.echo);
            }
            news.add(run, point);
        };
        board.acknowledge(ack, &mut take);
        let sacked = board.sacked();
        for &(left, right) in report.blocks() {
            if right.after(ack) {
                board.sack(left.max(ack), right, mss, &mut take);
            }
        }
        news.sacked = board.sacked() - sacked;
        news
    }
}
