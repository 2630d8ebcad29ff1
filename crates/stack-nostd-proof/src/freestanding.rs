//! What a program without std has to bring: a panic handler and an allocator.
//!
//! Neither is ever run. The library is built to be linked, not to be called,
//! so the allocator has no memory to give and says so.
#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;
use core::ptr::null_mut;

/// An allocator that is always out of memory.
struct Exhausted;

// SAFETY: `alloc` only ever returns null, which the trait defines as failure,
// so no block exists that `dealloc` could be given.
unsafe impl GlobalAlloc for Exhausted {
    unsafe fn alloc(&self, _layout: Layout) -> *mut u8 {
        null_mut()
    }

    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Exhausted = Exhausted;

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
