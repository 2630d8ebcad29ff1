//! What is known of each octet between SND.UNA and SND.NXT: the scoreboard of RFC 6675 §4, as runs.
//!
//! A run is a stretch of octets that were sent together and share a fate: in the network, reported to have arrived,
//! or lost. A super-packet is one run, and a SACK that names a part of it splits it, on a border of segments or not; a
//! retransmission takes any stretch of lost runs and makes them one. Nothing here knows a segment size, so another
//! path MTU changes nothing. Sums are kept as runs change, so that `pipe` costs a subtraction (RFC 6675's SetPipe
//! walks).
//!
//! Text that is sent within a tick of its neighbour joins its run, which then counts as sent at the later time: the
//! number of runs follows time and holes, not segments.
//!
//! Invariants: the runs lie end to end from SND.UNA to SND.NXT, none is empty, no two neighbours are both sacked, and
//! the sums are those of the runs. How many there may be follows the window ([`Scoreboard::max_runs`]), twice that when
//! retransmissions split lost ones: at the cap, new text joins the last run whenever it is sent, and a SACK block that
//! would split a run is not taken in: the peer repeats it, or we send twice.

#[cfg(test)]
mod model;
mod splice;

use crate::congestion::rate_sample::Snapshot;
use alloc::collections::VecDeque;
use core::time::Duration;
use splice::share;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// Runs that any connection may have: what a window of 2 MiB may.
const MIN_RUNS: usize = 4096;
/// Octets in flight for each run beyond these: with them, the smallest segments that nobody asked for (536 octets, less
/// options) have a run each, and runs weigh less than a fifth of the text that the send buffer was granted for.
const OCTETS_PER_RUN: usize = 512;
/// Longest run that several transmissions make: a super-packet's text.
const MAX_LEN: u32 = 64 * 1024;

/// What became of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// On its way, as far as is known.
    InFlight,
    /// It has arrived; the peer may still change its mind (RFC 2018 §8).
    Sacked,
    /// It is not in the network any more and has to be sent again.
    Lost,
}

/// Octets that were sent together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    pub(crate) start: SeqNum,
    pub(crate) end: SeqNum,
    /// When they were sent last, the last of them.
    pub(crate) sent_at: Instant,
    /// The same of the first of them, at most a tick earlier: what is timed is timed from here, so that no round trip
    /// seems shorter than the path's.
    pub(crate) since: Instant,
    /// What the connection had delivered then.
    pub(crate) sent: Snapshot,
    /// Of a sacked run: segments that it came in, at least.
    segments: u32,
    pub(crate) fate: Fate,
    /// They were sent more than once.
    pub(crate) again: bool,
}

impl Run {
    pub(crate) fn len(&self) -> u32 {
        self.end.distance_from(self.start)
    }

    /// More was sent behind it, which makes all of it as recent.
    fn grow(&mut self, end: SeqNum, now: Instant, sent: Snapshot, is_same_tick: bool) {
        (self.end, self.sent_at, self.sent) = (end, now, sent);
        self.since = if is_same_tick { self.since } else { now };
    }

    fn is_in_flight(&self, again: bool) -> bool {
        self.fate == Fate::InFlight && self.again == again
    }
}

/// The runs of a connection, and their sums.
#[derive(Debug, Default)]
pub(crate) struct Scoreboard {
    runs: VecDeque<Run>,
    sacked: u32,
    lost: u32,
    retransmitted: u32,
    sacked_segments: u32,
    /// No run before it is lost.
    lost_from: SeqNum,
    /// Where the last transmission ended.
    sent_to: SeqNum,
    /// Neighbours whose times of sending lie in the same tick are one run, if nothing else was sent between them; zero:
    /// whose times are the same.
    pub(crate) tick: Duration,
}

impl Scoreboard {
    /// Octets that the peer holds beyond SND.UNA.
    pub(crate) fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Segments that these came in, at least.
    pub(crate) fn sacked_segments(&self) -> u32 {
        self.sacked_segments
    }

    /// Octets that wait to be sent again.
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// Octets of `[start, end)` that wait to be sent again.
    pub(crate) fn lost_within(&self, start: SeqNum, end: SeqNum) -> u32 {
        let runs = self.runs.range(self.index_of(start).min(self.runs.len())..);
        let lost = runs.take_while(|run| run.start.before(end)).filter(|run| run.fate == Fate::Lost);
        lost.map(|run| run.end.min(end).distance_from(run.start.max(start))).sum()
    }

    /// Octets in the network that were sent more than once.
    pub(crate) fn retransmitted(&self) -> u32 {
        self.retransmitted
    }

    /// The run at SND.UNA.
    pub(crate) fn first(&self) -> Option<&Run> {
        self.runs.front()
    }

    /// The run before SND.NXT.
    pub(crate) fn last(&self) -> Option<&Run> {
        self.runs.back()
    }

    /// All runs, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    /// Runs that there may be while so much is in flight.
    pub(super) fn max_runs(&self) -> usize {
        let octets =
            self.first().zip(self.last()).map_or(0, |(first, last)| last.end.distance_from(first.start));
        (octets as usize / OCTETS_PER_RUN).max(MIN_RUNS)
    }

    /// Whether what is sent at these times counts as sent together.
    fn is_same_tick(&self, earlier: Instant, now: Instant) -> bool {
        let tick = self.tick.as_nanos().max(1) as u64;
        earlier.as_nanos() / tick == now.as_nanos() / tick
    }

    /// Runs that there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Drops everything but the memory, and most of that if it is much.
    pub(crate) fn clear(&mut self, keep: usize) {
        self.runs.clear();
        self.runs.shrink_to(keep);
        *self = Self { runs: core::mem::take(&mut self.runs), ..Self::default() };
    }

    /// `[start, end)` was sent for the first time, behind everything else. Returns where the run that it is in now
    /// begins to be as recent as this.
    pub(crate) fn sent(&mut self, start: SeqNum, end: SeqNum, now: Instant, sent: Snapshot) -> SeqNum {
        if let Some(last) = self.last().copied().filter(|last| last.is_in_flight(false)) {
            let together = self.is_together(&last, end, now);
            self.sent_to = end;
            if together || self.runs.len() >= self.max_runs() {
                self.change(self.runs.len() - 1, |last| last.grow(end, now, sent, together));
                return if last.sent_at == now { start } else { last.start };
            }
        }
        self.sent_to = end;
        let fate = Fate::InFlight;
        self.runs.push_back(Run {
            start,
            end,
            sent_at: now,
            since: now,
            sent,
            segments: 0,
            fate,
            again: false,
        });
        start
    }

    /// `[start, end)` was sent again; what of it the peer holds stays as it is. Returns where the run that it is in
    /// now begins to be as recent as this.
    pub(crate) fn resent(&mut self, start: SeqNum, end: SeqNum, now: Instant, sent: Snapshot) -> SeqNum {
        let first = self.border(start);
        let behind = self.border(end);
        let mut recent = start;
        let mut at = first;
        let mut left = behind.saturating_sub(first);
        while left > 0 {
            left -= 1;
            let Some(run) = self.runs.get(at).copied() else { break };
            if run.fate == Fate::Sacked {
                at += 1;
                continue;
            }
            self.account(&run, false);
            let again = Run { sent_at: now, since: now, sent, fate: Fate::InFlight, again: true, ..run };
            self.account(&again, true);
            if self.joins_previous(at, &again) {
                let is_same_tick =
                    self.runs.get(at - 1).is_some_and(|run| self.is_same_tick(run.sent_at, now));
                if let Some(previous) = self.runs.get_mut(at - 1) {
                    if previous.sent_at != now {
                        recent = recent.min(previous.start);
                    }
                    previous.grow(again.end, now, sent, is_same_tick);
                }
                self.runs.remove(at);
            } else if let Some(slot) = self.runs.get_mut(at) {
                *slot = again;
                at += 1;
            }
        }
        self.sent_to = end;
        recent
    }

    /// Whether a retransmitted run at `index` becomes part of the one before it.
    fn joins_previous(&self, index: usize, run: &Run) -> bool {
        let Some(previous) = index.checked_sub(1).and_then(|before| self.runs.get(before)) else {
            return false;
        };
        let together = self.is_together(previous, run.end, run.sent_at);
        previous.is_in_flight(true) && (together || self.runs.len() > self.max_runs())
    }

    /// Whether what is sent now, behind `run` and up to `end`, becomes a part of it. What was sent between two parts
    /// would seem older than the first of them, and RACK would take it for lost.
    fn is_together(&self, run: &Run, end: SeqNum, now: Instant) -> bool {
        let follows = self.sent_to == run.end && self.is_same_tick(run.sent_at, now);
        (follows || run.sent_at == now) && end.distance_from(run.start) <= MAX_LEN
    }

    /// Everything before `una` is acknowledged. Tells of each run, or part of one, that was not known to have arrived.
    pub(crate) fn acknowledge(&mut self, una: SeqNum, mut delivered: impl FnMut(&Run)) {
        while let Some(first) = self.runs.front().copied().filter(|first| first.start.before(una)) {
            let gone = if first.end.before_eq(una) { first } else { Run { end: una, ..first } };
            self.account(&first, false);
            self.runs.pop_front();
            if gone.end != first.end {
                let rest = Run { start: una, segments: share(&first, first.end.distance_from(una)), ..first };
                self.account(&rest, true);
                self.runs.push_front(rest);
            }
            if gone.fate != Fate::Sacked {
                delivered(&gone);
            }
        }
        self.lost_from = self.lost_from.max(una);
    }

    /// The peer holds `[left, right)`, which lies between SND.UNA and SND.NXT, in segments of up to `mss` octets.
    /// Tells of each run, or part of one, that was not known to have arrived.
    pub(crate) fn sack(&mut self, left: SeqNum, right: SeqNum, mss: u32, mut delivered: impl FnMut(&Run)) {
        let max_runs = self.max_runs();
        let mut at = self.index_of(left);
        while let Some(run) = self.runs.get(at).copied().filter(|run| run.start.before(right)) {
            let piece = Run { start: run.start.max(left), end: run.end.min(right), ..run };
            let is_known = run.fate == Fate::Sacked;
            if is_known || self.runs.len() + self.growth(at, &run, &piece) > max_runs {
                at += 1;
                continue;
            }
            let segments = piece.len().div_ceil(mss.max(1));
            at = self.replace(at, &run, Run { fate: Fate::Sacked, segments, ..piece });
            delivered(&piece);
        }
    }

    /// Runs of `[start, end)` that are in the network and were sent at `not_after` at the latest are lost. Tells of
    /// each.
    pub(crate) fn mark_lost(
        &mut self,
        start: SeqNum,
        end: SeqNum,
        not_after: Instant,
        mut lost: impl FnMut(&Run),
    ) {
        let max_runs = self.max_runs();
        let mut at = self.index_of(start);
        while let Some(run) = self.runs.get(at).copied().filter(|run| run.start.before(end)) {
            at += 1;
            let piece = Run { start: run.start.max(start), end: run.end.min(end), ..run };
            let is_full = self.runs.len() >= 2 * max_runs && piece != run;
            if run.fate != Fate::InFlight || run.sent_at > not_after || is_full {
                continue;
            }
            self.lost_from = if self.lost == 0 { piece.start } else { self.lost_from.min(piece.start) };
            at = self.replace(at - 1, &run, Run { fate: Fate::Lost, ..piece }) + 1;
            lost(&piece);
        }
    }

    /// Where in `[start, end)` the first octets lie that were sent at `at` and are still on their way.
    pub(crate) fn first_in_flight(&self, start: SeqNum, end: SeqNum, at: Instant) -> Option<SeqNum> {
        let runs = self.runs.range(self.index_of(start).min(self.runs.len())..);
        let mut inside = runs.take_while(|run| run.start.before(end) && start.before(end));
        let run = inside.find(|run| run.fate == Fate::InFlight && run.sent_at <= at)?;
        Some(run.start.max(start))
    }

    /// The first run from `from` on that is on its way and has more than `most` octets.
    pub(crate) fn first_longer(&self, from: SeqNum, most: u32) -> Option<&Run> {
        let mut runs = self.runs.range(self.index_of(from).min(self.runs.len())..);
        runs.find(|run| run.fate == Fate::InFlight && run.len() > most)
    }

    /// The peer has dropped what it reported (RFC 2018 §8): all of it is to be sent again. No ACK of it can time it.
    pub(crate) fn forget_sacked(&mut self) {
        for run in self.runs.iter_mut().filter(|run| run.fate == Fate::Sacked) {
            (run.fate, run.again, run.segments) = (Fate::Lost, true, 0);
            self.lost += run.len();
        }
        (self.sacked, self.sacked_segments) = (0, 0);
        self.lost_from = self.runs.front().map_or(self.lost_from, |first| first.start);
    }

    /// What counted as lost was only late: it is on its way.
    pub(crate) fn revive_lost(&mut self) {
        for run in self.runs.iter_mut().filter(|run| run.fate == Fate::Lost) {
            run.fate = Fate::InFlight;
            self.retransmitted += if run.again { run.len() } else { 0 };
        }
        self.lost = 0;
    }

    /// The first stretch that is lost, as far as lost runs lie end to end, but not much beyond `most` octets.
    pub(crate) fn next_lost(&mut self, most: u32) -> Option<(SeqNum, SeqNum)> {
        if self.lost == 0 {
            return None;
        }
        let from = self.index_of(self.lost_from);
        let first = self.runs.range(from..).position(|run| run.fate == Fate::Lost)? + from;
        let start = self.runs.get(first)?.start;
        self.lost_from = start;
        let lost = self.runs.range(first..).take_while(|run| run.fate == Fate::Lost);
        let end = lost.map(|run| run.end).find(|end| end.distance_from(start) >= most);
        let all =
            || self.runs.range(first..).take_while(|run| run.fate == Fate::Lost).last().map(|run| run.end);
        Some((start, end.or_else(all)?))
    }
}
