//! The stack's own driver thread.
//!
//! It drives unless a caller does; then it waits until none does any more. It ends when the last handle of the stack
//! is gone.

use crate::lock::lock;
use crate::shared::Shared;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

/// Starts the thread.
pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("ustack-driver".into()).spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    while !shared.is_stopping() {
        drive(shared);
        wait_until_unclaimed(shared);
    }
}

fn drive(shared: &Shared) {
    let mut driver = lock(&shared.driver);
    while !shared.is_stopping() && !shared.claimed.load(Ordering::Acquire) {
        if !driver.turn(shared, None) {
            driver.sleep(shared);
        }
    }
}

fn wait_until_unclaimed(shared: &Shared) {
    let (mutex, condition) = &shared.unclaimed;
    let claimed = |(): &mut ()| shared.claimed.load(Ordering::Acquire) && !shared.is_stopping();
    drop(condition.wait_while(lock(mutex), claimed).unwrap_or_else(PoisonError::into_inner));
}
