//! What happens next: one deadline for each of those who act, the earliest first.
//!
//! Invariant: `order` holds exactly the pairs of `deadlines` that are some.

use stack_core::Instant;
use std::collections::BTreeSet;

/// Deadlines of actors; at one instant, those with smaller numbers come first.
pub(super) struct Agenda {
    deadlines: Vec<Option<Instant>>,
    order: BTreeSet<(Instant, usize)>,
}

impl Agenda {
    /// So many actors, none with anything to do.
    pub(super) fn new(actors: usize) -> Self {
        Self { deadlines: vec![None; actors], order: BTreeSet::new() }
    }

    /// Sets when an actor acts next.
    pub(super) fn set(&mut self, actor: usize, deadline: Option<Instant>) {
        let before = core::mem::replace(&mut self.deadlines[actor], deadline);
        if before == deadline {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, actor));
        }
        if let Some(deadline) = deadline {
            self.order.insert((deadline, actor));
        }
    }

    /// Who acts next, and when; it is off the agenda then.
    pub(super) fn pop(&mut self) -> Option<(Instant, usize)> {
        let (at, actor) = self.order.pop_first()?;
        self.deadlines[actor] = None;
        Some((at, actor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_ties_go_by_number() {
        let mut agenda = Agenda::new(4);
        let ms = Instant::from_millis;
        agenda.set(3, Some(ms(5)));
        agenda.set(1, Some(ms(5)));
        agenda.set(2, Some(ms(9)));
        agenda.set(0, Some(ms(7)));
        agenda.set(2, Some(ms(1)));
        agenda.set(0, None);
        let order: Vec<_> = core::iter::from_fn(|| agenda.pop()).collect();
        assert_eq!(order, [(ms(1), 2), (ms(5), 1), (ms(5), 3)]);
        agenda.set(1, Some(ms(5)));
        assert_eq!(agenda.pop(), Some((ms(5), 1)));
    }
}
