//! Which runs are lost: RACK, RFC 8985 §6. Time is the judge: what was sent a reordering window before something that
//! has arrived should have arrived, too. Retransmissions are judged like everything else, and three segments reported
//! beyond a hole make the window zero, which is the old rule of three duplicates (R8985-6.2-b).
//!
//! Transmissions are logged in the order of time, so that detection looks at the oldest ones only and each entry is
//! taken off once: an ACK costs what it changes. Entries are checked against the scoreboard when their turn comes.
//! Stamps are those of transmission and of the ACK's *arrival* at the host; segments with the same stamp are ordered
//! by their sequence numbers, and the clock's resolution is added to the window. Leaves out the loss probe (`tlp.rs`).

use super::scoreboard::{Fate, Run, Scoreboard};
use crate::config::TcpConfig;
use crate::timestamps::Echo;
use alloc::collections::VecDeque;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// Segments beyond a hole that make it a loss while no reordering was ever seen: `RACK.dup_thresh`.
pub(super) const DUP_THRESH: u32 = 3;
/// Recoveries without a DSACK after which the window is a quarter of the round trip again: `RACK.reo_wnd_persist`.
const PERSIST: u8 = 16;
/// Entries of the log for each run that there may be; beyond that it is made anew from the scoreboard.
const LOG_PER_RUN: usize = 4;

/// What a connection has learned about reordering on its path; stays while it is idle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reordering {
    /// `RACK.reordering_seen`.
    pub(crate) seen: bool,
    /// `RACK.reo_wnd_mult`: quarters of the smallest round-trip time.
    pub(crate) quarters: u8,
    persist: u8,
}

impl Default for Reordering {
    fn default() -> Self {
        Self { seen: false, quarters: 1, persist: PERSIST }
    }
}

impl Reordering {
    /// A duplicate was reported, for the first time in this round trip: the window was too small.
    fn widen(&mut self) {
        self.quarters = self.quarters.saturating_add(1);
        self.persist = PERSIST;
    }

    /// A recovery ends: after many without a duplicate the window shrinks again.
    pub(super) fn recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            (self.quarters, self.persist) = (1, PERSIST);
        }
    }
}

/// A transmission.
#[derive(Clone, Copy, Debug)]
struct Sent {
    start: SeqNum,
    end: SeqNum,
    at: Instant,
}

/// What decides on the reordering window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) reordering: Reordering,
    pub(crate) in_recovery: bool,
    pub(crate) min_rtt: Duration,
    pub(crate) srtt: Duration,
}

impl Circumstances {
    /// `RACK_update_reo_wnd` (R8985-6.2-b).
    fn window(&self, board: &Scoreboard, config: &TcpConfig) -> Duration {
        let in_order = !self.reordering.seen;
        if in_order && (self.in_recovery || board.sacked_segments() >= DUP_THRESH) {
            return Duration::ZERO;
        }
        let window = self.min_rtt * u32::from(self.reordering.quarters) / 4;
        window.min(self.srtt) + config.clock_resolution
    }
}

/// The state of RACK while data is in flight.
#[derive(Debug, Default)]
pub(crate) struct Rack {
    /// Of what has arrived, the most recently sent: `RACK.xmit_ts`, `RACK.end_seq`; `None` before anything has.
    latest: Option<(Instant, SeqNum)>,
    /// The round-trip time of that: `RACK.rtt`.
    rtt: Duration,
    /// The highest sequence number that has arrived: `RACK.fack`.
    fack: SeqNum,
    /// Until that is acknowledged, further duplicates say nothing new: `RACK.dsack_round`.
    dsack_round: Option<SeqNum>,
    log: VecDeque<Sent>,
}

impl Rack {
    /// A flight that begins at `una`.
    pub(crate) fn begin(&mut self, una: SeqNum) {
        self.fack = una;
    }

    /// Drops everything but the memory, and most of that if it is much.
    pub(crate) fn clear(&mut self, keep: usize) {
        self.log.clear();
        self.log.shrink_to(keep);
        *self = Self { log: core::mem::take(&mut self.log), ..Self::default() };
    }

    /// `[start, end)` was sent.
    pub(crate) fn sent(&mut self, start: SeqNum, end: SeqNum, at: Instant, board: &Scoreboard) {
        if self.log.len() >= LOG_PER_RUN * board.max_runs() {
            return self.rebuild(board);
        }
        match self.log.back_mut() {
            Some(last) if last.at == at && last.end == start => last.end = end,
            Some(last) if last.start == start && last.end.before_eq(end) => (last.end, last.at) = (end, at),
            _ => self.log.push_back(Sent { start, end, at }),
        }
    }

    /// The log as the scoreboard has it: what was lost and is not any more has a place in it again.
    pub(crate) fn rebuild(&mut self, board: &Scoreboard) {
        self.log.clear();
        let in_flight = board.iter().filter(|run| run.fate == Fate::InFlight);
        self.log.extend(in_flight.map(|run| Sent { start: run.start, end: run.end, at: run.sent_at }));
        let first = board.first().map_or(SeqNum(0), |run| run.start);
        self.log.make_contiguous().sort_unstable_by_key(|sent| (sent.at, sent.start.distance_from(first)));
    }

    /// A run has arrived, as an ACK that came at `now` shows: `RACK_update` and `RACK_detect_reordering`. Returns whether
    /// it was overtaken.
    pub(crate) fn delivered(
        &mut self,
        run: &Run,
        now: Instant,
        min_rtt: Option<Duration>,
        echo: Echo,
    ) -> bool {
        let overtaken = run.end.before(self.fack) && !run.again;
        self.fack = self.fack.max(run.end);
        let rtt = now.saturating_since(run.since);
        // R8985-x-c: the ACK may be for what was sent before the retransmission.
        let is_doubtful = run.again && (echo.predates(run.sent_at) || min_rtt.is_some_and(|min| rtt < min));
        if !is_doubtful && self.latest.is_none_or(|latest| sent_after((run.sent_at, run.end), latest)) {
            self.latest = Some((run.sent_at, run.end));
            self.rtt = rtt;
        }
        overtaken
    }

    /// A DSACK came with an ACK that acknowledges up to `una`.
    pub(crate) fn duplicate(&mut self, una: SeqNum, nxt: SeqNum, reordering: &mut Reordering) {
        if self.dsack_round.is_none_or(|round| una.after_eq(round)) {
            self.dsack_round = Some(nxt);
            reordering.widen();
        }
    }

    /// `RACK_detect_loss` (R8985-5-a): marks what is lost at `now`, telling of each run, and returns when to look again.
    pub(crate) fn detect(
        &mut self,
        board: &mut Scoreboard,
        now: Instant,
        circumstances: &Circumstances,
        config: &TcpConfig,
        mut lost: impl FnMut(&Run),
    ) -> Option<Instant> {
        let latest = self.latest?;
        let patience = self.rtt + circumstances.window(board, config);
        let una = board.first()?.start;
        while let Some(first) = self.log.front_mut() {
            let behind = if first.at == latest.0 { first.end.min(latest.1) } else { first.end };
            if first.at > latest.0 || !behind.after(first.start) {
                return None;
            }
            if let Some(start) = board.first_in_flight(first.start.max(una), behind, first.at) {
                first.start = start;
                if first.at + patience > now {
                    return Some(first.at + patience);
                }
                board.mark_lost(start, behind, first.at, &mut lost);
            }
            first.start = behind;
            if first.start == first.end {
                self.log.pop_front();
            }
        }
        None
    }

    /// `RACK_mark_losses_on_RTO` (RFC 8985 §6.3): the first run, and all that were sent long enough ago.
    pub(crate) fn detect_on_timeout(
        &mut self,
        board: &mut Scoreboard,
        now: Instant,
        circumstances: &Circumstances,
        config: &TcpConfig,
        mut lost: impl FnMut(&Run),
    ) {
        let Some((start, end)) = board.first().map(|first| (first.start, first.end)) else { return };
        board.mark_lost(start, end, Instant::FAR_FUTURE, &mut lost);
        let rtt = self.latest.map_or(circumstances.srtt, |_| self.rtt);
        let patience = rtt + circumstances.window(board, config);
        let behind = board.last().map_or(end, |last| last.end);
        board.mark_lost(start, behind, now - patience, &mut lost);
    }
}

/// `RACK_sent_after`: by time, and at the same time by sequence number.
fn sent_after(a: (Instant, SeqNum), b: (Instant, SeqNum)) -> bool {
    a.0 > b.0 || a.0 == b.0 && a.1.after(b.1)
}

#[cfg(test)]
mod tests;
