//! The maximum over a window of time, in constant space: Kathleen Nichols' algorithm (§5.5.5).
//!
//! It keeps the best, the second best and the third best value, each later than the one before; the best falls out of
//! the window when it is too old, and the second is there for it.

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MaxFilter {
    /// Time and value, best first.
    best: [(u32, u32); 3],
}

impl MaxFilter {
    /// The maximum.
    pub(crate) fn get(&self) -> u32 {
        self.best[0].1
    }

    /// Takes a value in; times only increase, and wrap.
    pub(crate) fn update(&mut self, time: u32, value: u32, window: u32) {
        let age = |(then, _): (u32, u32)| time.wrapping_sub(then);
        let new = (time, value);
        if value >= self.get() || age(self.best[2]) > window {
            self.best = [new; 3];
            return;
        }
        if value >= self.best[1].1 {
            (self.best[1], self.best[2]) = (new, new);
        } else if value >= self.best[2].1 {
            self.best[2] = new;
        }
        if age(self.best[0]) > window {
            self.best = [self.best[1], self.best[2], new];
            if age(self.best[0]) > window {
                self.best = [self.best[1], self.best[2], new];
            }
        } else if self.best[1].0 == self.best[0].0 && age(self.best[1]) > window / 4 {
            (self.best[1], self.best[2]) = (new, new); // a quarter without a second best
        } else if self.best[2].0 == self.best[1].0 && age(self.best[2]) > window / 2 {
            self.best[2] = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_maximum_falls_out_of_the_window() {
        let mut filter = MaxFilter::default();
        let mut at = |time: u32, value| {
            filter.update(time, value, 10);
            filter.get()
        };
        let start = u32::MAX - 3; // the time wraps
        assert_eq!(at(start, 100), 100);
        for (later, value, max) in [
            (1, 50, 100),
            (4, 70, 100),
            (8, 20, 100),
            (10, 30, 100),
            (11, 10, 70),
            (15, 5, 30),
            (40, 1, 1),
            (41, 9, 9),
        ] {
            assert_eq!(at(start.wrapping_add(later), value), max, "after {later}");
        }
    }

    #[test]
    fn it_is_never_below_the_true_maximum_of_the_newest_values() {
        let mut filter = MaxFilter::default();
        let values: [u32; 200] = core::array::from_fn(|i| (i as u32 * 7919) % 101);
        for (i, &value) in values.iter().enumerate() {
            filter.update(i as u32, value, 10);
            let newest = values[i.saturating_sub(2)..=i].iter().max().unwrap();
            let oldest = values[i.saturating_sub(11)..=i].iter().max().unwrap();
            assert!((newest..=oldest).contains(&&filter.get()), "{i}: {}", filter.get());
        }
    }
}
