//! How runs are found, split, joined and counted. A change in the middle moves the runs on its shorter side; what happens
//! with each ACK of a recovery, a sacked run that grows, only moves a border.

use super::{Fate, Run, Scoreboard};
use stack_wire::seq::SeqNum;

impl Scoreboard {
    /// The run that holds `seq`, or else the first one behind it.
    pub(super) fn index_of(&self, seq: SeqNum) -> usize {
        match self.runs.front() {
            Some(first) if first.end.after(seq) => 0, // nearly always, in order
            _ => self.runs.partition_point(|run| run.end.before_eq(seq)),
        }
    }

    /// The index of the run that begins at `seq`, after splitting one there if need be; sacked ones stay whole.
    pub(super) fn border(&mut self, seq: SeqNum) -> usize {
        let at = self.index_of(seq);
        let inside = self.runs.get(at).filter(|run| run.start.before(seq) && run.fate != Fate::Sacked);
        let Some(run) = inside.copied() else { return at };
        self.change(at, |front| front.end = seq);
        self.runs.insert(at + 1, Run { start: seq, ..run });
        at + 1
    }

    /// Puts `new` in the place of a part of the run at `index`, or of the whole. Returns the index of the run that it is
    /// in now: a sacked one joins its neighbours, so that a block that grows only moves a border.
    pub(super) fn replace(&mut self, index: usize, old: &Run, new: Run) -> usize {
        let front = rest(Run { end: new.start, ..*old });
        let back = rest(Run { start: new.end, ..*old });
        self.account(old, false);
        [front, Some(new), back].iter().flatten().for_each(|run| self.account(run, true));
        match index.checked_sub(1) {
            Some(before) if front.is_none() && self.joins(before, &new) => self.grow_end(before, &new, back),
            _ if back.is_none() && self.joins(index + 1, &new) => self.grow_start(index, &new, front),
            _ => {
                self.put(index, new);
                back.into_iter().for_each(|back| self.runs.insert(index + 1, back));
                front.into_iter().for_each(|front| self.runs.insert(index, front));
                index + usize::from(front.is_some())
            }
        }
    }

    /// Whether `run` is sacked and so is the run at `index`.
    fn joins(&self, index: usize, run: &Run) -> bool {
        run.fate == Fate::Sacked && self.runs.get(index).is_some_and(|other| other.fate == Fate::Sacked)
    }

    /// The sacked run at `index` takes the beginning of the next one; `back` is what remains of that.
    fn grow_end(&mut self, index: usize, new: &Run, back: Option<Run>) -> usize {
        self.change(index, |run| (run.end, run.segments) = (new.end, run.segments + new.segments));
        if let Some(back) = back {
            self.put(index + 1, back);
            return index;
        }
        self.runs.remove(index + 1);
        if self.joins(index + 1, new) {
            if let Some(next) = self.runs.remove(index + 1) {
                self.change(index, |run| (run.end, run.segments) = (next.end, run.segments + next.segments));
            }
        }
        index
    }

    /// The sacked run behind `index` takes the end of the run at `index`; `front` is what remains of that.
    fn grow_start(&mut self, index: usize, new: &Run, front: Option<Run>) -> usize {
        self.change(index + 1, |run| (run.start, run.segments) = (new.start, run.segments + new.segments));
        match front {
            Some(front) => self.put(index, front),
            None => drop(self.runs.remove(index)),
        }
        index + usize::from(front.is_some())
    }

    fn put(&mut self, index: usize, run: Run) {
        self.change(index, |slot| *slot = run);
    }

    pub(super) fn change(&mut self, index: usize, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.runs.get_mut(index) {
            change(run);
        }
    }

    /// How many runs more there would be if `piece` of the run at `index` were sacked.
    pub(super) fn growth(&self, index: usize, run: &Run, piece: &Run) -> usize {
        let sacked = |at: Option<usize>| {
            at.and_then(|at| self.runs.get(at)).is_some_and(|run| run.fate == Fate::Sacked)
        };
        match (run.start == piece.start, run.end == piece.end) {
            (true, true) => 0,
            (true, false) => usize::from(!sacked(index.checked_sub(1))),
            (false, true) => usize::from(!sacked(Some(index + 1))),
            (false, false) => 2,
        }
    }

    /// Adds a run to the sums, or takes it out of them.
    pub(super) fn account(&mut self, run: &Run, add: bool) {
        let sum = match run.fate {
            Fate::Sacked => &mut self.sacked,
            Fate::Lost => &mut self.lost,
            Fate::InFlight if run.again => &mut self.retransmitted,
            Fate::InFlight => return,
        };
        let segments = if run.fate == Fate::Sacked { run.segments } else { 0 };
        if add {
            *sum += run.len();
            self.sacked_segments += segments;
        } else {
            *sum -= run.len();
            self.sacked_segments -= segments;
        }
    }
}

fn rest(run: Run) -> Option<Run> {
    (run.len() > 0).then_some(run)
}

/// Segments of the last `part` octets of a sacked run, in proportion; at least one.
pub(super) fn share(run: &Run, part: u32) -> u32 {
    let segments = u64::from(run.segments) * u64::from(part) / u64::from(run.len().max(1));
    (segments as u32).max(run.segments.min(1))
}
