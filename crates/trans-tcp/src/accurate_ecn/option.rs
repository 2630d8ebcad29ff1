//! Which counts our AccECN options carry: RFC 9768 §3.2.3.3. The option itself is `stack_wire`'s.

use super::ByteCounts;
use stack_wire::tcp_options::{AccEcnOption, AccEcnOrder};

impl ByteCounts {
    /// An option with all counts, as far as they fit.
    pub(crate) fn all(&self, room: usize) -> Option<AccEcnOption> {
        Some(AccEcnOption::of_first(self.in_order(), AccEcnOrder::Zero, room.checked_sub(2)? / 3))
    }

    /// An option with the counts that ever changed, if some have changed since they were `told`; if there is not so much
    /// room, with those that have changed since. `None` if nothing has changed, or even these don't fit.
    pub(super) fn changes_since(&self, told: &Self, room: usize) -> Option<AccEcnOption> {
        if self == told {
            return None;
        }
        let fits = (room.checked_sub(2)? / 3).min(3);
        let ever = self.changes(&Self::INITIAL);
        // ECT(1) first where ECT(0) never came.
        let order = if ever[0] || !ever[2] { AccEcnOrder::Zero } else { AccEcnOrder::One };
        let needed =
            |changes: [bool; 3]| order.of(changes).iter().rposition(|&changed| changed).map_or(0, |i| i + 1);
        if fits < needed(self.changes(told)) {
            return None;
        }
        Some(AccEcnOption::of_first(self.in_order(), order, needed(ever).min(fits)))
    }

    fn in_order(&self) -> [u32; 3] {
        [self.ect0, self.ce, self.ect1]
    }

    /// Which of them differ, in order 0.
    fn changes(&self, then: &Self) -> [bool; 3] {
        [self.ect0 != then.ect0, self.ce != then.ce, self.ect1 != then.ect1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: ByteCounts = ByteCounts::INITIAL;

    // R9768-3.2.3.3-a, R9768-3.2.3.3-c
    #[test]
    fn what_never_changed_is_left_off() {
        let lengths = |bytes: ByteCounts, told: ByteCounts, room| {
            bytes.changes_since(&told, room).map(|option| (option.kind(), option.len()))
        };
        assert_eq!(lengths(INITIAL, INITIAL, 40), None, "nothing new");
        assert_eq!(lengths(ByteCounts { ect0: 9, ..INITIAL }, INITIAL, 40), Some((172, 5)));
        let marked = ByteCounts { ect0: 9, ce: 3, ect1: 1 };
        assert_eq!(lengths(marked, INITIAL, 40), Some((172, 8)));
        assert_eq!(
            lengths(ByteCounts { ect0: 10, ..marked }, marked, 40),
            Some((172, 8)),
            "a count that once changed"
        );
        assert_eq!(lengths(ByteCounts { ect1: 9, ce: 3, ..INITIAL }, INITIAL, 40), Some((174, 8)));
        assert_eq!(lengths(ByteCounts { ect0: 2, ce: 3, ect1: 9 }, INITIAL, 40), Some((172, 11)));
        assert_eq!(lengths(ByteCounts { ect0: 10, ..marked }, marked, 7), Some((172, 5)), "little room");
        assert_eq!(
            lengths(ByteCounts { ce: 4, ..marked }, marked, 7),
            None,
            "the count that changed must not be missing"
        );
        assert_eq!(lengths(marked, INITIAL, 1), None);
    }

    // R9768-3.2.3.2.1-b
    #[test]
    fn all_counts_as_far_as_they_fit() {
        let lengths = |room| INITIAL.all(room).map(|option| option.len());
        assert_eq!([11, 10, 7, 4, 2, 1].map(lengths), [Some(11), Some(8), Some(5), Some(2), Some(2), None]);
    }
}
