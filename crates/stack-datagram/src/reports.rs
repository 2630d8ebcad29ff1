//! What became of messages that did not arrive, for applications that want to be told of each (`IP_RECVERR`).

use alloc::collections::VecDeque;
use stack_core::Error;

/// Reports in order. While nobody reads them newer ones are lost.
#[derive(Debug)]
pub struct Reports<R> {
    queue: VecDeque<R>,
    wanted: bool,
}

impl<R> Reports<R> {
    /// None so far; whether some are wanted.
    pub fn new(wanted: bool) -> Self {
        Self { queue: VecDeque::new(), wanted }
    }

    /// Whether some are wanted.
    pub fn are_wanted(&self) -> bool {
        self.wanted
    }

    /// Sets whether some are wanted; if none are, those that wait go.
    pub fn want(&mut self, wanted: bool) {
        self.wanted = wanted;
        if !wanted {
            self.queue.clear();
        }
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Adds a report, if it is wanted and fewer than `limit` wait.
    pub fn add(&mut self, limit: usize, report: impl FnOnce() -> R) {
        if self.wanted && self.queue.len() < limit {
            self.queue.push_back(report());
        }
    }

    /// Takes the oldest.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none.
    pub fn take(&mut self) -> Result<R, Error> {
        self.queue.pop_front().ok_or(Error::WouldBlock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_kept_if_they_are_wanted_and_the_first_ones() {
        let mut reports = Reports::new(false);
        reports.add(2, || 0);
        assert!(!reports.are_wanted() && reports.is_empty());
        reports.want(true);
        for report in [1, 2, 3] {
            reports.add(2, || report);
        }
        assert_eq!((reports.take(), reports.is_empty()), (Ok(1), false));
        reports.want(false);
        assert_eq!(reports.take(), Err(Error::WouldBlock));
    }
}
