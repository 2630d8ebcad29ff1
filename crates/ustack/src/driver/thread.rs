//! The stack's own driver thread.
//!
//! It drives unless a caller does. It ends when the last handle of the stack is gone.

use super::Role;
use crate::lock::lock;
use crate::shared::Shared;
use std::sync::Arc;
use std::thread::JoinHandle;

/// Starts the thread.
pub(crate) fn start(shared: Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("ustack-driver".into()).spawn(move || run(&shared))
}

fn run(shared: &Shared) {
    shared.be_served_by_this_thread();
    while !shared.is_stopping() {
        drive(shared);
        shared.claim.stand_by(shared);
    }
    lock(&shared.driver).close(shared);
}

fn drive(shared: &Shared) {
    let mut driver = lock(&shared.driver);
    while !shared.is_stopping() && !shared.claim.is_claimed() {
        if !driver.turn(shared, Role::Thread) {
            driver.sleep(shared, None, || shared.claim.is_claimed());
        }
    }
}
