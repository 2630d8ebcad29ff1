//! Callers that drive: a thread that waits for a socket moves the packets itself, if nobody else does.
//!
//! In a stack with a thread, a caller leads if it is the only one that comes and goes ([`Habit`](super::habit::Habit)):
//! it reads the device until what it waits for has come, and no thread had to be woken for it. When its turn wakes
//! somebody else, it gives the claim up, and the stack's thread drives again. While it computes, the stack's thread
//! stands in after a moment.
//!
//! In a stack without a thread, whoever waits first leads, the others follow: they park, and the leader wakes one of
//! them when it leaves.

use super::placing::WaitingReader;
use super::{Claim, Role};
use crate::lock::lock;
use crate::net::wait::ThisThread;
use crate::shared::Shared;
use crate::stack::Driving;
use std::task::Waker;

/// How leading ended.
enum Ended {
    Woken,
    TimedOut,
    /// Others were woken, and may lead now.
    Yielded,
}

/// Waits until `here` is woken, or the reader served; false if the deadline came first. Drives meanwhile, if nobody else
/// does.
pub(crate) fn wait(
    shared: &Shared,
    here: &ThisThread,
    deadline: Option<std::time::Instant>,
    reader: Option<&mut dyn WaitingReader>,
) -> bool {
    match shared.driving {
        Driving::Thread => {
            let (habit, thread) = (&shared.claim.habit, std::thread::current().id());
            let leads = habit.comes(thread, std::time::Instant::now());
            let claim = if leads { Claim::of_caller(shared) } else { None };
            let woken = match claim.map(|claim| lead(claim, shared, here, deadline, reader)) {
                Some(Ended::Woken) => true,
                Some(Ended::TimedOut) => false,
                Some(Ended::Yielded) | None => here.wait(deadline),
            };
            habit.leaves(thread, std::time::Instant::now());
            woken
        }
        Driving::Nobody => {
            match Claim::of_caller(shared).map(|claim| lead(claim, shared, here, deadline, reader)) {
                Some(ended) => matches!(ended, Ended::Woken),
                None => follow(shared, here, deadline),
            }
        }
    }
}

/// Waits while somebody else drives; being asked to drive is being woken.
fn follow(shared: &Shared, here: &ThisThread, deadline: Option<std::time::Instant>) -> bool {
    shared.claim.follow(&here.waker);
    // Who gave the claim back before we were on the list did not see us.
    let woken = !shared.claim.is_claimed() || here.wait(deadline);
    shared.claim.unfollow(&here.waker);
    woken
}

fn lead(
    claim: Claim<'_>,
    shared: &Shared,
    here: &ThisThread,
    deadline: Option<std::time::Instant>,
    mut reader: Option<&mut dyn WaitingReader>,
) -> Ended {
    let leading = here.lead(&shared.notifier);
    let mut driver = lock(&shared.driver);
    let mut wakes = Vec::new();
    let mut woken = here.take_woken();
    while !woken {
        let limit = match deadline.map(|deadline| deadline.checked_duration_since(std::time::Instant::now()))
        {
            None => None,
            Some(None) => return Ended::TimedOut,
            Some(Some(left)) => Some(shared.clock.now() + left),
        };
        let busy = driver.turn(shared, Role::Caller(&mut wakes, reader.as_deref_mut()));
        woken |= reader.as_ref().is_some_and(|reader| reader.is_served());
        wakes.retain(|waker: &Waker| {
            let ours = waker.will_wake(&here.waker);
            woken |= ours;
            !ours
        });
        woken |= here.take_woken();
        let yields = !wakes.is_empty() || shared.claim.is_asked_for();
        if yields && shared.driving == Driving::Thread {
            break;
        }
        wakes.drain(..).for_each(Waker::wake);
        if !woken && !busy {
            driver.sleep(shared, limit, || here.is_woken());
            woken = here.take_woken();
        }
    }
    drop((driver, leading, claim));
    if shared.driving == Driving::Thread && !(woken && wakes.is_empty()) {
        shared.claim.habit.forget();
        shared.claim.want_thread();
    }
    wakes.into_iter().for_each(Waker::wake);
    if woken { Ended::Woken } else { Ended::Yielded }
}
