//! Who drives in the place of the stack's thread: at most one caller at a time.
//!
//! While a caller has the claim, the thread stands by. A future that runs inline keeps the claim until it ends; then
//! the thread drives at once. A caller that waits for a socket has it for one wait and will be back soon, so the thread
//! drives only once nobody has for [`PATIENCE`], or when the caller says that it should. It looks often only while
//! claims change: beside a caller that waits for long, it sleeps until it is called.

use super::habit::Habit;
use crate::lock::lock;
use crate::shared::Shared;
use crate::stack::Driving;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

/// How long nobody drives at most, where callers do.
const PATIENCE: Duration = Duration::from_millis(1);
/// So many looks in a row at the same claim, and the thread waits to be called.
const QUIET_LOOKS: u32 = 10;

const NOBODY: u8 = 0;
const CALLER: u8 = 1;
const INLINE: u8 = 2;

/// The state that claims share with the thread.
#[derive(Default)]
pub(crate) struct ClaimState {
    holder: AtomicU8,
    /// Claims given back so far.
    given_back: AtomicU64,
    /// Whoever would run inline, and waits for a caller to give the claim back.
    inline_waiting: AtomicUsize,
    /// The thread waits to be called.
    asleep: AtomicBool,
    /// The thread is to drive without patience.
    wanted: AtomicBool,
    mutex: Mutex<()>,
    changed: Condvar,
    /// Whether it pays to let the thread that waits now drive.
    pub(crate) habit: Habit,
    /// Callers that wait for somebody else to drive; only where there is no thread that would.
    followers: Mutex<Vec<Waker>>,
}

impl ClaimState {
    /// Whether a caller drives, or is about to.
    pub(crate) fn is_claimed(&self) -> bool {
        self.holder.load(Ordering::SeqCst) != NOBODY
    }

    /// Whether the caller that drives is to give the claim back.
    pub(crate) fn is_asked_for(&self) -> bool {
        self.inline_waiting.load(Ordering::SeqCst) > 0
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

    /// Calls whoever waits for a claim to change hands.
    pub(crate) fn call(&self) {
        drop(lock(&self.mutex));
        self.changed.notify_all();
    }

    /// The thread is to drive at once.
    pub(crate) fn want_thread(&self) {
        self.wanted.store(true, Ordering::SeqCst);
        self.call();
    }

    /// Where the thread is while others drive. Returns when it is its turn.
    pub(crate) fn stand_by(&self, shared: &Shared) {
        let mut quiet = 0;
        while !shared.is_stopping() {
            let before = self.given_back.load(Ordering::SeqCst);
            if quiet >= QUIET_LOOKS || self.holder.load(Ordering::SeqCst) == INLINE {
                self.wait_until_unclaimed(shared);
                quiet = 0;
            }
            let wanted = self.be_patient(shared);
            let changed = self.given_back.load(Ordering::SeqCst) != before;
            match (self.is_claimed(), changed && !wanted) {
                (false, false) => return,
                (true, false) => quiet += 1,
                (_, true) => quiet = 0,
            }
        }
    }

    /// Waits until the thread is wanted, or has waited long enough; returns whether it is wanted.
    fn be_patient(&self, shared: &Shared) -> bool {
        let idle = |(): &mut ()| !self.wanted.load(Ordering::SeqCst) && !shared.is_stopping();
        let waited = self.changed.wait_timeout_while(lock(&self.mutex), PATIENCE, idle);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.wanted.swap(false, Ordering::SeqCst)
    }

    fn wait_until_unclaimed(&self, shared: &Shared) {
        self.asleep.store(true, Ordering::SeqCst);
        let claimed = |(): &mut ()| self.is_claimed() && !shared.is_stopping();
        drop(self.changed.wait_while(lock(&self.mutex), claimed).unwrap_or_else(PoisonError::into_inner));
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn take(&self, holder: u8) -> Result<u8, u8> {
        self.holder.compare_exchange(NOBODY, holder, Ordering::SeqCst, Ordering::SeqCst)
    }
}

/// The right to drive in the place of the stack's thread.
pub(crate) struct Claim<'a>(&'a Shared);

impl<'a> Claim<'a> {
    /// For one wait of a caller; `None` if somebody else has it, or would have it for longer.
    pub(crate) fn of_caller(shared: &'a Shared) -> Option<Self> {
        let free = !shared.claim.is_asked_for() && shared.claim.take(CALLER).is_ok();
        free.then(|| Self::taken(shared))
    }

    /// For a future that runs inline. A caller that has it gives it back; `None` if another future has it.
    pub(crate) fn of_inline(shared: &'a Shared) -> Option<Self> {
        let state = &shared.claim;
        state.inline_waiting.fetch_add(1, Ordering::SeqCst);
        let taken = loop {
            match state.take(INLINE) {
                Err(CALLER) => {
                    shared.notifier.notify();
                    let led = |(): &mut ()| state.holder.load(Ordering::SeqCst) == CALLER;
                    let waited = state.changed.wait_timeout_while(lock(&state.mutex), PATIENCE, led);
                    drop(waited.unwrap_or_else(PoisonError::into_inner));
                }
                taken => break taken.is_ok(),
            }
        };
        state.inline_waiting.fetch_sub(1, Ordering::SeqCst);
        taken.then(|| Self::taken(shared))
    }

    fn taken(shared: &'a Shared) -> Self {
        // The thread may be asleep in the driver's place.
        shared.notifier.notify_sleeper();
        Self(shared)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let state = &self.0.claim;
        let was_inline = state.holder.swap(NOBODY, Ordering::SeqCst) == INLINE;
        state.given_back.fetch_add(1, Ordering::SeqCst);
        if was_inline {
            state.want_thread();
        } else if state.asleep.load(Ordering::SeqCst) || state.is_asked_for() {
            state.call();
        }
        if self.0.driving == Driving::Nobody {
            state.ask_follower();
        }
    }
}
