//! Which octets wait beyond a gap, as ranges, whatever pieces they lie in: what SACK blocks report (RFC 2018 §3).
//!
//! Ranges neither overlap nor touch, and their sum is kept. Each holds a piece of the queue at least, so that the memory
//! that pieces are charged bounds how many there are. A step costs the logarithm of that, and a range that is swallowed
//! was paid for by the step that made it.

use alloc::collections::BTreeMap;
use stack_packet::Range;

/// The ranges of one connection.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The start of each, by its end: the first range that ends behind a place is the one to look at.
    starts: BTreeMap<u64, u64>,
    total: u64,
}

impl Held {
    /// Octets in all ranges.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Ranges that there are.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Adds `range`, which joins those that it overlaps or touches.
    pub(super) fn insert(&mut self, range: Range) {
        let mut joined = range;
        while let Some((&end, &start)) = self.starts.range(range.start..).next() {
            if start > range.end {
                break;
            }
            self.starts.remove(&end);
            self.total -= end - start;
            joined = Range::new(joined.start.min(start), joined.end.max(end));
        }
        self.starts.insert(joined.end, joined.start);
        self.total += joined.len();
    }

    /// The range that holds `place`, or else the first one behind it.
    pub(super) fn at_or_after(&self, place: u64) -> Option<Range> {
        self.starts.range(place + 1..).next().map(|(&end, &start)| Range::new(start, end))
    }

    /// Drops everything before `bound`.
    pub(super) fn remove_below(&mut self, bound: u64) {
        while let Some(mut first) = self.starts.first_entry() {
            let (start, end) = (*first.get(), *first.key());
            if start >= bound {
                break;
            }
            self.total -= end.min(bound) - start;
            if end > bound {
                first.insert(bound);
            } else {
                first.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use stack_packet::RangeSet;

    proptest! {
        #[test]
        fn ranges_are_those_of_a_set(steps in proptest::collection::vec((0..3u8, 0..80u64, 1..20u64), 0..60)) {
            let (mut held, mut set) = (Held::default(), RangeSet::new());
            for (step, start, len) in steps {
                if step == 0 {
                    held.remove_below(start);
                    set.remove_below(start);
                } else {
                    held.insert(Range::new(start, start + len));
                    set.insert(Range::new(start, start + len), usize::MAX);
                }
                let ranges: Vec<Range> = held.starts.iter().map(|(&end, &start)| Range::new(start, end)).collect();
                prop_assert_eq!(ranges, set.iter().collect::<Vec<_>>());
                prop_assert_eq!((held.total(), held.len()), (set.total(), set.len()));
                prop_assert_eq!(held.at_or_after(start), set.at_or_after(start));
            }
        }
    }
}
