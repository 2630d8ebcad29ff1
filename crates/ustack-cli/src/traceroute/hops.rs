//! Which probe is next, what came back, and when a hop is complete: the bookkeeping of a traceroute, without time or sockets.

use std::net::IpAddr;
use std::time::Duration;

/// Probes that are under way at a time, as traceroute has it.
const AT_ONCE: usize = 16;

/// What came of a probe.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Answer {
    /// Somebody answered, after so long.
    From { address: IpAddr, time: Duration, verdict: Verdict },
    /// Nobody did in time.
    Silence,
}

/// What an answer says of the way.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Verdict {
    /// It leads on.
    OnTheWay,
    /// It ends at the destination.
    Arrived,
    /// It ends before, with traceroute's mark.
    Blocked(String),
}

/// All probes, hop by hop.
pub(super) struct Hops {
    per_hop: usize,
    most: usize,
    answers: Vec<Option<Answer>>,
    in_flight: usize,
    told: usize,
}

impl Hops {
    pub(super) fn new(per_hop: usize, most: usize) -> Self {
        Self { per_hop, most, answers: Vec::new(), in_flight: 0, told: 0 }
    }

    /// The hop limit of a probe.
    pub(super) fn ttl(&self, probe: usize) -> u8 {
        (probe / self.per_hop + 1) as u8
    }

    /// The number of the next probe, if one may go now; it is under way from then on.
    pub(super) fn next(&mut self) -> Option<usize> {
        let probe = self.answers.len();
        if self.in_flight >= AT_ONCE || probe >= self.last_hop() * self.per_hop {
            return None;
        }
        self.answers.push(None);
        self.in_flight += 1;
        Some(probe)
    }

    /// Whether a probe still waits for its answer.
    pub(super) fn waits(&self, probe: usize) -> bool {
        self.answers.get(probe).is_some_and(Option::is_none)
    }

    /// Notes an answer; only the first one counts.
    pub(super) fn answer(&mut self, probe: usize, answer: Answer) {
        if let Some(slot) = self.answers.get_mut(probe).filter(|slot| slot.is_none()) {
            *slot = Some(answer);
            self.in_flight -= 1;
        }
    }

    /// The next hop whose probes are all decided, with its number.
    pub(super) fn complete(&mut self) -> Option<(usize, Vec<Answer>)> {
        if self.told >= self.last_hop() {
            return None;
        }
        let answers: Option<Vec<Answer>> = self.of_hop(self.told)?.iter().cloned().collect();
        let answers = answers?;
        self.told += 1;
        Some((self.told, answers))
    }

    /// Whether every hop up to the last one has been told.
    pub(super) fn is_done(&self) -> bool {
        self.told >= self.last_hop()
    }

    /// Whether an answer came from the destination.
    pub(super) fn has_arrived(&self) -> bool {
        self.verdicts().any(|(_, verdict)| *verdict == Verdict::Arrived)
    }

    fn of_hop(&self, hop: usize) -> Option<&[Option<Answer>]> {
        self.answers.get(hop * self.per_hop..(hop + 1) * self.per_hop)
    }

    /// Hops up to the first at which the way ends.
    fn last_hop(&self) -> usize {
        let ends = self.verdicts().filter(|(_, verdict)| **verdict != Verdict::OnTheWay);
        ends.map(|(probe, _)| probe / self.per_hop + 1).min().unwrap_or(self.most)
    }

    fn verdicts(&self) -> impl Iterator<Item = (usize, &Verdict)> {
        self.answers.iter().enumerate().filter_map(|(probe, answer)| match answer {
            Some(Answer::From { verdict, .. }) => Some((probe, verdict)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8, verdict: Verdict) -> Answer {
        Answer::From { address: IpAddr::from([10, 0, 0, last]), time: Duration::from_millis(1), verdict }
    }

    #[test]
    fn hops_are_told_in_order_and_end_at_the_destination() {
        let mut hops = Hops::new(2, 30);
        let sent: Vec<usize> = std::iter::from_fn(|| hops.next()).collect();
        assert_eq!(sent.len(), AT_ONCE);
        assert_eq!((hops.ttl(0), hops.ttl(1), hops.ttl(2)), (1, 1, 2));
        hops.answer(2, from(9, Verdict::Arrived));
        hops.answer(4, from(9, Verdict::Arrived));
        assert_eq!(hops.next(), None, "nothing goes beyond the destination");
        assert_eq!(hops.complete(), None);
        hops.answer(0, from(1, Verdict::OnTheWay));
        hops.answer(1, Answer::Silence);
        assert_eq!(hops.complete(), Some((1, vec![from(1, Verdict::OnTheWay), Answer::Silence])));
        assert!(!hops.is_done());
        hops.answer(3, from(9, Verdict::Arrived));
        hops.answer(3, Answer::Silence);
        assert_eq!(hops.complete(), Some((2, vec![from(9, Verdict::Arrived); 2])));
        assert!(hops.is_done() && hops.has_arrived());
        assert_eq!(hops.complete(), None);
    }

    #[test]
    fn without_answers_it_ends_at_the_last_hop() {
        let mut hops = Hops::new(3, 2);
        while let Some(probe) = hops.next() {
            hops.answer(probe, Answer::Silence);
        }
        assert_eq!(hops.complete().map(|(hop, _)| hop), Some(1));
        assert_eq!(hops.complete().map(|(hop, _)| hop), Some(2));
        assert!(hops.is_done() && !hops.has_arrived());
    }

    #[test]
    fn a_way_that_is_blocked_ends_there() {
        let mut hops = Hops::new(1, 30);
        hops.next();
        hops.answer(0, from(1, Verdict::Blocked("!X".into())));
        assert!(hops.complete().is_some() && hops.is_done() && !hops.has_arrived());
    }
}
