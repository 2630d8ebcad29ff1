//! Who drives in the place of the stack's thread: at most one caller at a time.
//!
//! While a caller has the claim, the thread stands by. When it is given back, the thread drives again at once, or, where
//! callers drive (they come and go with every read), once none has for [`PATIENCE`]. It looks often only while claims
//! change: beside a caller that waits for long, it sleeps until it is called.

use crate::lock::lock;
use crate::shared::Shared;
use crate::stack::Driving;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// How long nobody drives at most, where callers do.
const PATIENCE: Duration = Duration::from_millis(1);
/// So many looks in a row at the same claim, and the thread waits to be called.
const QUIET_LOOKS: u32 = 10;

/// The state that claims share with the thread.
#[derive(Default)]
pub(crate) struct ClaimState {
    claimed: AtomicBool,
    /// Claims given back so far.
    given_back: AtomicU64,
    /// The thread waits to be called.
    asleep: AtomicBool,
    mutex: Mutex<()>,
    changed: Condvar,
    /// Callers that wait for somebody else to drive; only where there is no thread that would.
    followers: Mutex<Vec<Waker>>,
}

impl ClaimState {
    /// Whether a caller drives, or is about to.
    pub(crate) fn is_claimed(&self) -> bool {
        self.claimed.load(Ordering::SeqCst)
    }

    /// Remembers a caller that waits for somebody else to drive.
    pub(crate) fn follow(&self, waker: &Waker) {
        lock(&self.followers).push(waker.clone());
    }

    /// The caller waits no more. If nobody drives, somebody else is asked to.
    pub(crate) fn unfollow(&self, waker: &Waker) {
        lock(&self.followers).retain(|follower| !follower.will_wake(waker));
        if !self.is_claimed() {
            self.ask_follower();
        }
    }

    /// Wakes a caller that could drive. It waits again, and drives then.
    fn ask_follower(&self) {
        let follower = lock(&self.followers).first().cloned();
        if let Some(follower) = follower {
            follower.wake();
        }
    }

    /// Calls the thread.
    pub(crate) fn call(&self) {
        drop(lock(&self.mutex));
        self.changed.notify_all();
    }

    /// Where the thread is while others drive. Returns when it is its turn.
    pub(crate) fn stand_by(&self, shared: &Shared) {
        let mut quiet = 0;
        while !shared.is_stopping() {
            let before = self.given_back.load(Ordering::SeqCst);
            if shared.driving == Driving::Thread || quiet >= QUIET_LOOKS {
                self.wait_until_unclaimed(shared);
                quiet = 0;
            }
            if shared.driving == Driving::Thread {
                return;
            }
            std::thread::park_timeout(PATIENCE);
            let changed = self.given_back.load(Ordering::SeqCst) != before;
            match (self.is_claimed(), changed) {
                (false, false) => return,
                (true, false) => quiet += 1,
                (_, true) => quiet = 0,
            }
        }
    }

    fn wait_until_unclaimed(&self, shared: &Shared) {
        self.asleep.store(true, Ordering::SeqCst);
        let claimed = |(): &mut ()| self.is_claimed() && !shared.is_stopping();
        drop(self.changed.wait_while(lock(&self.mutex), claimed).unwrap_or_else(PoisonError::into_inner));
        self.asleep.store(false, Ordering::SeqCst);
    }
}

/// The right to drive in the place of the stack's thread.
pub(crate) struct Claim<'a>(&'a Shared);

impl<'a> Claim<'a> {
    /// `None` if another caller has it.
    pub(crate) fn new(shared: &'a Shared) -> Option<Self> {
        if shared.claim.claimed.swap(true, Ordering::SeqCst) {
            return None;
        }
        // The thread may be asleep in the driver's place.
        shared.notifier.notify_sleeper();
        Some(Self(shared))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let state = &self.0.claim;
        state.claimed.store(false, Ordering::SeqCst);
        state.given_back.fetch_add(1, Ordering::SeqCst);
        if state.asleep.load(Ordering::SeqCst) {
            state.call();
        }
        state.ask_follower();
    }
}
