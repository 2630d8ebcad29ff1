//! Whether it pays that a thread which is about to wait drives the stack itself.
//!
//! It does if that thread is the only one that comes and goes, and is always back soon: one that asks and waits for the
//! answer, or that reads a stream. Then a packet that arrives needs no hop between threads. It does not where several
//! threads take turns, since each would have to wake the next, nor where a thread computes for long, since nobody would
//! drive meanwhile. Threads that wait all the time, as those that accept do, don't count.

use crate::lock::lock;
use std::sync::Mutex;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// Waits in a row of the same thread after which it drives.
const STREAK: u32 = 8;
/// Longest time between two waits.
const SOON: Duration = Duration::from_micros(500);

/// What was seen of the threads that wait.
#[derive(Default)]
pub(crate) struct Habit(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// Who came last, and when it left.
    last: Option<(ThreadId, Instant)>,
    /// How often it came back in time, and nobody else came.
    streak: u32,
}

impl Habit {
    /// A thread is about to wait; returns whether it is to drive.
    pub(crate) fn comes(&self, thread: ThreadId, now: Instant) -> bool {
        let mut seen = lock(&self.0);
        let again = seen.last.is_some_and(|(last, left)| last == thread && now.duration_since(left) <= SOON);
        seen.streak = if again { (seen.streak + 1).min(STREAK) } else { 0 };
        // Until it leaves, the time does not count.
        seen.last = Some((thread, now));
        seen.streak == STREAK
    }

    /// It has what it waited for.
    pub(crate) fn leaves(&self, thread: ThreadId, now: Instant) {
        let mut seen = lock(&self.0);
        if let Some((_, left)) = seen.last.as_mut().filter(|(last, _)| *last == thread) {
            *left = now;
        }
    }

    /// Others were woken: from now on several take turns.
    pub(crate) fn forget(&self) {
        *lock(&self.0) = Seen::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other_thread() -> ThreadId {
        std::thread::spawn(|| std::thread::current().id()).join().unwrap()
    }

    /// Waits for a millisecond each time, then computes for `away`.
    fn come_and_go(habit: &Habit, thread: ThreadId, now: &mut Instant, away: Duration) -> bool {
        let drives = habit.comes(thread, *now);
        *now += Duration::from_millis(1);
        habit.leaves(thread, *now);
        *now += away;
        drives
    }

    #[test]
    fn a_thread_that_always_comes_back_soon_drives() {
        let (habit, here, mut now) = (Habit::default(), std::thread::current().id(), Instant::now());
        let drives: Vec<bool> =
            (0..10).map(|_| come_and_go(&habit, here, &mut now, Duration::from_micros(10))).collect();
        assert_eq!(drives, [false, false, false, false, false, false, false, false, true, true]);
        assert!(!come_and_go(&habit, other_thread(), &mut now, Duration::ZERO));
        assert!(!come_and_go(&habit, here, &mut now, Duration::ZERO), "two take turns");
    }

    #[test]
    fn a_thread_that_computes_does_not() {
        let (habit, here, mut now) = (Habit::default(), std::thread::current().id(), Instant::now());
        assert!(!(0..50).any(|_| come_and_go(&habit, here, &mut now, 2 * SOON)));
    }

    #[test]
    fn a_thread_that_had_to_wake_others_begins_anew() {
        let (habit, here, mut now) = (Habit::default(), std::thread::current().id(), Instant::now());
        assert!((0..20).any(|_| come_and_go(&habit, here, &mut now, Duration::ZERO)));
        habit.forget();
        assert!(!come_and_go(&habit, here, &mut now, Duration::ZERO));
    }
}
