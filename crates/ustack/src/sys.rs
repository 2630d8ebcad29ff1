//! The one unsafe operation of the shell: a link's descriptor is a number in the contract (which has no operating
//! system), and polling wants a borrowed descriptor.

use std::os::fd::BorrowedFd;

/// Borrows a descriptor that a link half has named.
#[allow(
    unsafe_code,
    reason = "a number has to become a descriptor somewhere; the contract has no operating system"
)]
pub(crate) fn borrow<'a>(descriptor: i32) -> BorrowedFd<'a> {
    // -1 would be no descriptor at all, and everything below it is no descriptor either.
    let descriptor = descriptor.max(0);
    // SAFETY: not -1. The driver owns the link half that named the descriptor (`LinkReceive::descriptor`,
    // `LinkTransmit::descriptor`) and keeps it until the poll has returned, so the descriptor is open meanwhile.
    unsafe { BorrowedFd::borrow_raw(descriptor) }
}
