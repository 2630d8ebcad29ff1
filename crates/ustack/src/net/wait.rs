//! Waiting for a socket: threads that park, and several waiters on one interest.
//!
//! An endpoint keeps one waker for each interest. Threads and tasks may share a socket (several that accept from one
//! listener), so what stands there for them is, from the second waiter on, a [`Crowd`] that wakes all of them; each
//! looks again for itself.

use crate::driver::notify::Notifier;
use crate::lock::lock;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

/// Parks its thread until it is woken.
struct Parker {
    thread: Thread,
    woken: AtomicBool,
    /// The driver's call, while the thread drives instead of parking.
    leads: Mutex<Option<Arc<Notifier>>>,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, Ordering::SeqCst) || self.thread.id() == std::thread::current().id() {
            return;
        }
        self.thread.unpark();
        if let Some(notifier) = &*lock(&self.leads) {
            notifier.notify();
        }
    }
}

thread_local! {
    static PARKER: RefCell<Option<(Arc<Parker>, Waker)>> = const { RefCell::new(None) };
}

/// A thread's own waker, made once a thread, and the means to wait for it.
pub(crate) struct ThisThread {
    parker: Arc<Parker>,
    pub(crate) waker: Waker,
}

impl ThisThread {
    pub(crate) fn new() -> Self {
        let (parker, waker) = PARKER.with_borrow_mut(|slot| {
            slot.get_or_insert_with(|| {
                let thread = std::thread::current();
                let parker =
                    Arc::new(Parker { thread, woken: AtomicBool::new(false), leads: Mutex::new(None) });
                (Arc::clone(&parker), Waker::from(parker))
            })
            .clone()
        });
        Self { parker, waker }
    }

    /// Whether the waker was woken since it was last asked.
    pub(crate) fn take_woken(&self) -> bool {
        self.parker.woken.swap(false, Ordering::SeqCst)
    }

    /// Whether the waker was woken, which [`take_woken`](Self::take_woken) will tell as well.
    pub(crate) fn is_woken(&self) -> bool {
        self.parker.woken.load(Ordering::SeqCst)
    }

    /// From now on the waker calls the driver, whose place this thread has, until the guard is dropped.
    pub(crate) fn lead(&self, notifier: &Arc<Notifier>) -> Leading<'_> {
        *lock(&self.parker.leads) = Some(Arc::clone(notifier));
        Leading(&self.parker)
    }

    /// Waits until the waker is woken; false if the deadline came first.
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> bool {
        while !self.take_woken() {
            match deadline {
                None => std::thread::park(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    std::thread::park_timeout(left);
                }
            }
        }
        true
    }
}

/// See [`ThisThread::lead`].
pub(crate) struct Leading<'a>(&'a Parker);

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        *lock(&self.0.leads) = None;
    }
}

/// Who waits for one interest of a socket.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<Waiting>);

#[derive(Default)]
enum Waiting {
    #[default]
    Nobody,
    One(Waker, Manner),
    Several(Arc<Crowd>),
}

/// How somebody waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// Beside others.
    Shared,
    /// In the place of who waited like this before: the `poll_` functions of async I/O, which keep the last task only.
    Exclusive,
}

impl Waiters {
    /// The waker to give to the endpoint so that `waker` is woken, as well as whoever else waits already; and the one
    /// that waits no more, which may be the last of its task, to be dropped where that may do anything.
    pub(crate) fn join(&self, waker: &Waker, manner: Manner) -> (Waker, Option<Waker>) {
        let mut waiting = lock(&self.0);
        let crowd = match &*waiting {
            Waiting::Nobody => None,
            Waiting::One(first, _) if first.will_wake(waker) => None,
            Waiting::One(_, Manner::Exclusive) if manner == Manner::Exclusive => None,
            Waiting::One(first, _) => Some(Arc::new(Crowd(Mutex::new(vec![first.clone()])))),
            Waiting::Several(crowd) if crowd.is_empty() => None,
            Waiting::Several(crowd) => Some(Arc::clone(crowd)),
        };
        let Some(crowd) = crowd else {
            let before = std::mem::replace(&mut *waiting, Waiting::One(waker.clone(), manner));
            return match before {
                Waiting::One(displaced, _) => (waker.clone(), Some(displaced)),
                Waiting::Nobody | Waiting::Several(_) => (waker.clone(), None),
            };
        };
        crowd.add(waker);
        *waiting = Waiting::Several(Arc::clone(&crowd));
        (Waker::from(crowd), None)
    }

    /// `waker` waits no more. Its entry in a crowd stays until that is woken.
    pub(crate) fn leave(&self, waker: &Waker) {
        let mut waiting = lock(&self.0);
        if matches!(&*waiting, Waiting::One(one, _) if one.will_wake(waker)) {
            *waiting = Waiting::Nobody;
        }
    }
}

/// Several waiters behind one waker.
struct Crowd(Mutex<Vec<Waker>>);

impl Crowd {
    fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    fn add(&self, waker: &Waker) {
        let mut wakers = lock(&self.0);
        if !wakers.iter().any(|other| other.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Wake for Crowd {
    fn wake(self: Arc<Self>) {
        let wakers = std::mem::take(&mut *lock(&self.0));
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn counter() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn woken(count: &Count) -> usize {
        count.0.load(Ordering::SeqCst)
    }

    #[test]
    fn a_thread_wakes_by_its_waker_or_by_the_deadline() {
        let here = ThisThread::new();
        assert!(!here.wait(Some(Instant::now() + Duration::from_millis(5))));
        here.waker.wake_by_ref();
        assert!(here.wait(None), "a wake before the wait counts");
        let waker = here.waker.clone();
        let other = std::thread::spawn(move || waker.wake());
        assert!(here.wait(Some(Instant::now() + Duration::from_secs(20))));
        other.join().unwrap();
    }

    #[test]
    fn all_who_wait_are_woken() {
        let waiters = Waiters::default();
        let ((a, a_waker), (b, b_waker)) = (counter(), counter());
        waiters.join(&a_waker, Manner::Shared);
        waiters.join(&b_waker, Manner::Shared).0.wake();
        assert_eq!((woken(&a), woken(&b)), (1, 1));
        let (alone, _) = waiters.join(&b_waker, Manner::Shared);
        assert!(alone.will_wake(&b_waker), "the crowd is gone");
        alone.wake();
        assert_eq!((woken(&a), woken(&b)), (1, 2));
    }

    #[test]
    fn a_single_waiter_is_registered_as_it_is() {
        let waiters = Waiters::default();
        let ((_, a), (_, b)) = (counter(), counter());
        assert!(waiters.join(&a, Manner::Shared).0.will_wake(&a));
        assert!(waiters.join(&a, Manner::Shared).0.will_wake(&a), "twice is once");
        waiters.leave(&a);
        assert!(waiters.join(&b, Manner::Shared).0.will_wake(&b));
    }

    #[test]
    fn polling_tasks_replace_each_other_but_not_a_thread() {
        let waiters = Waiters::default();
        let ((a, a_waker), (b, b_waker), (c, c_waker)) = (counter(), counter(), counter());
        waiters.join(&a_waker, Manner::Exclusive);
        let (waker, displaced) = waiters.join(&b_waker, Manner::Exclusive);
        assert!(waker.will_wake(&b_waker) && displaced.unwrap().will_wake(&a_waker));
        waiters.join(&c_waker, Manner::Shared).0.wake();
        assert_eq!((woken(&a), woken(&b), woken(&c)), (0, 1, 1));
    }
}
