//! Waking the driver: an eventfd beside the devices' descriptors, written only if the driver sleeps.
//!
//! Protocol: the driver announces that it is about to sleep, looks once more at what it waits for, and sleeps only
//! if nobody has called in between. A call while it is awake costs one atomic operation and no system call.

use crate::sys;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec};
use stack_core::NicId;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Wake;
use std::time::Duration;

const AWAKE: u8 = 0;
const SLEEPING: u8 = 1;
const CALLED: u8 = 2;

/// Whoever holds it can wake the driver.
pub(crate) struct Notifier {
    state: AtomicU8,
    event: OwnedFd,
}

/// What a descriptor is polled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Watch {
    descriptor: i32,
    pub(crate) nic: NicId,
    /// Writable, or else readable.
    pub(crate) writable: bool,
    /// Whether it was, or has failed, when the sleep ended.
    pub(crate) ready: bool,
}

impl Watch {
    pub(crate) fn readable(descriptor: i32, nic: NicId) -> Self {
        Self { descriptor, nic, writable: false, ready: false }
    }

    pub(crate) fn writable(descriptor: i32, nic: NicId) -> Self {
        Self { descriptor, nic, writable: true, ready: false }
    }
}

impl Notifier {
    pub(crate) fn new() -> std::io::Result<Self> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { state: AtomicU8::new(AWAKE), event })
    }

    /// Ends the driver's sleep, or keeps it from the next one.
    pub(crate) fn notify(&self) {
        if self.state.swap(CALLED, Ordering::AcqRel) == SLEEPING {
            // Fails only if the counter is full: then the driver is as good as awake.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Announces sleep. False: somebody has called since the last sleep.
    pub(crate) fn prepare(&self) -> bool {
        let called =
            self.state.compare_exchange(AWAKE, SLEEPING, Ordering::AcqRel, Ordering::Acquire).is_err();
        if called {
            self.state.store(AWAKE, Ordering::Release);
        }
        !called
    }

    /// Takes the announcement back.
    pub(crate) fn awake(&self) {
        if self.state.swap(AWAKE, Ordering::AcqRel) == CALLED {
            let _ = rustix::io::read(&self.event, &mut [0; 8]);
        }
    }

    /// Sleeps until a descriptor is ready, somebody calls, or the time is over; after [`Notifier::prepare`].
    pub(crate) fn sleep(&self, watches: &mut [Watch], timeout: Option<Duration>) {
        let mut polled = Vec::with_capacity(watches.len() + 1);
        polled.push(PollFd::from_borrowed_fd(self.event.as_fd(), PollFlags::IN));
        polled.extend(watches.iter().map(|watch| {
            let flags = if watch.writable { PollFlags::OUT } else { PollFlags::IN };
            PollFd::from_borrowed_fd(sys::borrow(watch.descriptor), flags)
        }));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        // An interrupted sleep is a short one.
        let _ = rustix::event::poll(&mut polled, timeout.as_ref());
        let ready: Vec<bool> = polled[1..].iter().map(|polled| !polled.revents().is_empty()).collect();
        watches.iter_mut().zip(ready).for_each(|(watch, ready)| watch.ready = ready);
        self.awake();
    }
}

impl Wake for Notifier {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Option<Duration> = Some(Duration::from_secs(20));

    #[test]
    fn a_call_before_sleep_keeps_from_it() {
        let notifier = Notifier::new().unwrap();
        notifier.notify();
        assert!(!notifier.prepare());
        assert!(notifier.prepare(), "one call, one sleep kept from");
    }

    #[test]
    fn a_call_during_sleep_ends_it_and_leaves_nothing_behind() {
        let notifier = Arc::new(Notifier::new().unwrap());
        let start = Instant::now();
        for _ in 0..100 {
            assert!(notifier.prepare());
            let caller = std::thread::spawn({
                let notifier = Arc::clone(&notifier);
                move || notifier.notify()
            });
            notifier.sleep(&mut [], LONG);
            caller.join().unwrap();
            notifier.awake();
        }
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(notifier.prepare());
        let start = Instant::now();
        notifier.sleep(&mut [], Some(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20), "an old call ended this sleep");
    }

    #[test]
    fn a_ready_descriptor_ends_sleep() {
        use std::os::fd::AsRawFd;
        let notifier = Notifier::new().unwrap();
        let other = rustix::event::eventfd(1, EventfdFlags::CLOEXEC).unwrap();
        let start = Instant::now();
        assert!(notifier.prepare());
        let mut watches = [Watch::readable(other.as_raw_fd(), NicId(1))];
        notifier.sleep(&mut watches, LONG);
        assert!(watches[0].ready);
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
