//! Ordered, non-overlapping, non-adjacent ranges of a 64-bit space: which bytes of a whole are there.
//!
//! Sequence spaces that wrap are mapped to offsets by their owner before they come here. The number of ranges is
//! capped by whoever inserts ([`RangeSet::insert`] takes the cap), so that a peer can't make a set grow.

use alloc::vec::Vec;

/// A half-open range `[start, end)`; empty if `start >= end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Range {
    /// First element.
    pub start: u64,
    /// One past the last element.
    pub end: u64,
}

impl Range {
    /// The range `[start, end)`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// Elements in the range.
    pub const fn len(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether there is no element.
    pub const fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// A set of elements kept as ranges.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RangeSet {
    ranges: Vec<Range>,
}

impl RangeSet {
    /// The empty set; takes no memory.
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Adds a range and returns how many elements are new, or `None`, with nothing changed,
    /// if that would make more than `cap` ranges.
    pub fn insert(&mut self, range: Range, cap: usize) -> Option<u64> {
        if range.is_empty() {
            return Some(0);
        }
        let first = self.ranges.partition_point(|r| r.end < range.start);
        let last = self.ranges.partition_point(|r| r.start <= range.end);
        let touched = self.ranges.get(first..last).unwrap_or_default();
        if touched.is_empty() {
            if self.ranges.len() >= cap {
                return None;
            }
            self.ranges.insert(first, range);
            return Some(range.len());
        }
        let had: u64 = touched.iter().map(Range::len).sum();
        let start = touched[0].start.min(range.start);
        let end = touched[touched.len() - 1].end.max(range.end);
        self.ranges[first] = Range::new(start, end);
        self.ranges.drain(first + 1..last);
        Some(end - start - had)
    }

    /// Removes all elements below `bound` and returns how many there were.
    pub fn remove_below(&mut self, bound: u64) -> u64 {
        let whole = self.ranges.partition_point(|r| r.end <= bound);
        let mut removed: u64 = self.ranges.drain(..whole).map(|r| r.len()).sum();
        if let Some(first) = self.ranges.first_mut() {
            if first.start < bound {
                removed += bound - first.start;
                first.start = bound;
            }
        }
        removed
    }

    /// Removes the elements of `range` and returns how many there were.
    /// May split one range in two; that is the only way in which a removal adds one.
    pub fn remove(&mut self, range: Range) -> u64 {
        let before = self.total();
        let mut kept = Vec::with_capacity(self.ranges.len() + 1);
        for r in self.ranges.drain(..) {
            let left = Range::new(r.start, r.end.min(range.start));
            let right = Range::new(r.start.max(range.end), r.end);
            kept.extend([left, right].into_iter().filter(|piece| !piece.is_empty() && !range.is_empty()));
            if range.is_empty() {
                kept.push(r);
            }
        }
        self.ranges = kept;
        before - self.total()
    }

    /// Whether every element of `range` is in the set; true for an empty range.
    pub fn contains(&self, range: Range) -> bool {
        range.is_empty()
            || self.at_or_after(range.start).is_some_and(|r| r.start <= range.start && r.end >= range.end)
    }

    /// Whether some element of `range` is in the set.
    pub fn overlaps(&self, range: Range) -> bool {
        !range.is_empty() && self.at_or_after(range.start).is_some_and(|r| r.start < range.end)
    }

    /// The first gap at or after `from` that ends before the set does: `None` beyond the last range.
    pub fn gap_after(&self, from: u64) -> Option<Range> {
        let mut start = from;
        for r in &self.ranges {
            if start < r.start {
                return Some(Range::new(start, r.start));
            }
            start = start.max(r.end);
        }
        None
    }

    /// The range that holds `element`, or else the first one after it.
    pub fn at_or_after(&self, element: u64) -> Option<Range> {
        let index = self.ranges.partition_point(|r| r.end <= element);
        self.ranges.get(index).copied()
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Range> + '_ {
        self.ranges.iter().copied()
    }

    /// Elements in the set.
    pub fn total(&self) -> u64 {
        self.ranges.iter().map(Range::len).sum()
    }

    /// Ranges in the set.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Removes everything and keeps the memory.
    pub fn clear(&mut self) {
        self.ranges.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    fn model_of(set: &RangeSet) -> BTreeSet<u64> {
        set.iter().flat_map(|r| r.start..r.end).collect()
    }

    proptest! {
        #[test]
        fn a_range_set_is_a_set(ops in proptest::collection::vec((0..4u8, 0..60u64, 0..20u64), 0..50)) {
            let (mut set, mut model) = (RangeSet::new(), BTreeSet::new());
            for (op, start, len) in ops {
                let range = Range::new(start, start + len);
                match op {
                    0 | 1 => {
                        let new = range.start..range.end;
                        let fresh = new.clone().filter(|e| !model.contains(e)).count() as u64;
                        prop_assert_eq!(set.insert(range, usize::MAX), Some(fresh));
                        model.extend(new);
                    }
                    2 => {
                        let gone = model.iter().filter(|&&e| e < start).count() as u64;
                        prop_assert_eq!(set.remove_below(start), gone);
                        model.retain(|&e| e >= start);
                    }
                    _ => {
                        let gone = model.iter().filter(|&&e| (range.start..range.end).contains(&e)).count() as u64;
                        prop_assert_eq!(set.remove(range), gone);
                        model.retain(|e| !(range.start..range.end).contains(e));
                    }
                }
                prop_assert_eq!(model_of(&set), model.clone());
                prop_assert_eq!(set.contains(range), (range.start..range.end).all(|e| model.contains(&e)));
                prop_assert_eq!(set.overlaps(range), (range.start..range.end).any(|e| model.contains(&e)));
                let adjacent = set.ranges.windows(2).any(|w| w[0].end >= w[1].start);
                prop_assert!(!adjacent, "not normal: {:?}", set);
                if let Some(gap) = set.gap_after(start) {
                    prop_assert!(!gap.is_empty() && !set.overlaps(gap) && model.contains(&gap.end));
                }
            }
        }
    }

    #[test]
    fn the_cap_refuses_new_ranges_but_not_growth() {
        let mut set = RangeSet::new();
        assert_eq!(set.insert(Range::new(10, 20), 1), Some(10));
        assert_eq!(set.insert(Range::new(30, 40), 1), None);
        assert_eq!(set.insert(Range::new(20, 30), 1), Some(10));
        assert_eq!(set.len(), 1);
    }
}
