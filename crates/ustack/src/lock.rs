//! Locking without poisoning.
//!
//! A panic in an application's thread says nothing about the stack, whose own code keeps its invariants before
//! it calls out; so the other threads go on.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, whoever panicked before.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
