//! One host and its way out, shared by all threads: the lock, and what happens after it.
//!
//! Every call of an application has the same shape ([`Shared::with`]): lock, do it, let the host make packets, queue
//! them at the gates, unlock, write them, wake tasks. Nothing waits for a device or for another task while the host is
//! locked. On the driver's own thread, between receive and transmit, the last four steps are left to the driver's turn.

use crate::driver::gate::{APPLICATION_TURN, DRIVER_TURN, Gate, Written};
use crate::driver::notify::Notifier;
use crate::driver::{ClaimState, Driver, Port};
use crate::link_drops::Ledger;
use crate::lock::lock;
use crate::net::blocks::Blocks;
use crate::stack::Driving;
use stack_core::{Clock, Instant, LinkError, NicId};
use stack_host::Host;
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

/// Packets that the host makes under one lock.
const TRANSMIT_BUDGET: usize = 32;
/// How often an application's call goes on making packets before the driver takes over.
const CALL_ROUNDS: usize = 4;

/// What all handles of a stack share.
pub(crate) struct Shared {
    pub(crate) core: Mutex<Core>,
    pub(crate) clock: Box<dyn Clock + Sync>,
    pub(crate) notifier: Arc<Notifier>,
    /// The notifier as a waker, for links.
    pub(crate) waker: Waker,
    /// Who holds it drives.
    pub(crate) driver: Mutex<Driver>,
    /// Interfaces that the driver does not know yet.
    pub(crate) new_ports: Mutex<Vec<Port>>,
    /// Who drives when no future runs inline.
    pub(crate) driving: Driving,
    /// Who drives in the thread's place, if anybody does.
    pub(crate) claim: ClaimState,
    pub(crate) stopping: AtomicBool,
    /// Memory for copies of what applications write.
    pub(crate) blocks: Blocks,
}

/// What the lock guards.
pub(crate) struct Core {
    pub(crate) host: Host,
    pub(crate) outlets: Vec<Outlet>,
    pub(crate) ledger: Ledger,
    /// When the driver will look at the clock by itself.
    pub(crate) driver_deadline: Instant,
}

/// An interface's way out.
pub(crate) struct Outlet {
    pub(crate) nic: NicId,
    pub(crate) gate: Arc<Gate>,
    pub(crate) enabled: Arc<AtomicBool>,
    /// Calls the thread that reads it, if it has one of its own.
    pub(crate) reader: Option<Arc<Notifier>>,
}

thread_local! {
    /// The stack that this thread drives right now, between receive and transmit; 0 for none.
    static DRIVEN: Cell<usize> = const { Cell::new(0) };
    /// The stack that this thread was started for; 0 for none.
    static SERVED: Cell<usize> = const { Cell::new(0) };
    static SCRATCH: RefCell<Vec<Afterwards>> = const { RefCell::new(Vec::new()) };
}

impl Shared {
    pub(crate) fn new(host: Host, clock: Box<dyn Clock + Sync>, driving: Driving) -> std::io::Result<Self> {
        let notifier = Arc::new(Notifier::new()?);
        Ok(Self {
            core: Mutex::new(Core {
                host,
                outlets: Vec::new(),
                ledger: Ledger::default(),
                driver_deadline: Instant::FAR_FUTURE,
            }),
            clock,
            waker: Waker::from(Arc::clone(&notifier)),
            notifier,
            driver: Mutex::new(Driver::default()),
            new_ports: Mutex::new(Vec::new()),
            driving,
            claim: ClaimState::default(),
            stopping: AtomicBool::new(false),
            blocks: Blocks::default(),
        })
    }

    /// Locks the host for a call that makes no packets and wakes nobody.
    pub(crate) fn peek<R>(&self, call: impl FnOnce(&mut Core) -> R) -> R {
        call(&mut lock(&self.core))
    }

    /// Locks the host for a call, and then does what the call caused.
    pub(crate) fn with<R>(&self, call: impl FnOnce(&mut Host, Instant) -> R) -> R {
        self.with_core(|core, now| call(&mut core.host, now))
    }

    /// The same with what lies around the host.
    pub(crate) fn with_core<R>(&self, call: impl FnOnce(&mut Core, Instant) -> R) -> R {
        let now = self.clock.now();
        if DRIVEN.get() == self.identity() {
            return call(&mut lock(&self.core), now);
        }
        let mut after = Afterwards::take();
        let result = {
            let mut core = lock(&self.core);
            let result = call(&mut core, now);
            core.flush(now, &mut after);
            result
        };
        after.settle(self, now);
        result
    }

    /// Runs `call` as a part of the driver's turn: what it makes the host do waits for the turn's end.
    pub(crate) fn as_driver<R>(&self, call: impl FnOnce() -> R) -> R {
        struct Restore(usize);
        impl Drop for Restore {
            fn drop(&mut self) {
                DRIVEN.set(self.0);
            }
        }
        let _restore = Restore(DRIVEN.replace(self.identity()));
        call()
    }

    /// Says that this thread was started for this stack, and ends with it.
    pub(crate) fn be_served_by_this_thread(&self) {
        SERVED.set(self.identity());
    }

    /// Whether it was.
    pub(crate) fn is_served_by_this_thread(&self) -> bool {
        SERVED.get() == self.identity()
    }

    /// The device of an interface is gone: the interface goes down, its routes with it. An interface that was removed
    /// is left alone; its number may be another's by now.
    pub(crate) fn link_gone(&self, now: Instant, nic: NicId, gate: &Arc<Gate>, error: LinkError) {
        let was_up = self.peek(|core| {
            let is_ours = core.has_outlet(gate);
            core.outlets.retain(|outlet| !Arc::ptr_eq(&outlet.gate, gate));
            is_ours && core.host.disable_nic(now, nic).is_ok()
        });
        if was_up {
            tracing::warn!(%nic, %error, "the link is gone; its interface is down");
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl Core {
    /// The host with counters that are up to date.
    pub(crate) fn counted(&mut self) -> &mut Host {
        self.ledger.enter(&mut self.host);
        &mut self.host
    }

    /// Whether the interface of this gate is still there.
    pub(crate) fn has_outlet(&self, gate: &Arc<Gate>) -> bool {
        self.outlets.iter().any(|outlet| Arc::ptr_eq(&outlet.gate, gate))
    }

    /// Lets the host make packets, queues them at the gates, and notes what is left to do without the lock.
    pub(crate) fn flush(&mut self, now: Instant, after: &mut Afterwards) {
        after.more = self.host.transmit(now, TRANSMIT_BUDGET);
        // What a congested gate does not take stays with the host, which then makes its transports wait.
        for outlet in self.outlets.iter().filter(|outlet| !outlet.gate.is_congested()) {
            if self.host.out(outlet.nic).is_some_and(|out| outlet.gate.enter(out)) {
                after.writers.push(Arc::clone(&outlet.gate));
            }
        }
        self.host.take_wakes(&mut after.wakes);
        let deadline = self.host.next_deadline().unwrap_or(Instant::FAR_FUTURE);
        if deadline < self.driver_deadline {
            self.driver_deadline = deadline;
            after.call_driver = true;
        }
    }
}

/// What a call leaves to be done once the host is unlocked.
#[derive(Default)]
pub(crate) struct Afterwards {
    /// Gates whose writer we are.
    writers: Vec<Arc<Gate>>,
    pub(crate) wakes: Vec<Waker>,
    /// The host has more packets to make.
    pub(crate) more: bool,
    /// A deadline is earlier than the driver knows.
    call_driver: bool,
    /// The driver is to go on as writer.
    handed_over: bool,
}

impl Afterwards {
    /// An empty one; its memory is used again and again by the same thread.
    pub(crate) fn take() -> Self {
        SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    /// Writes, goes on while there is more, and wakes.
    fn settle(mut self, shared: &Shared, now: Instant) {
        for _ in 0..CALL_ROUNDS {
            let relieved = self.write(now, APPLICATION_TURN);
            if !self.more && !relieved {
                break;
            }
            lock(&shared.core).flush(now, &mut self);
        }
        let relieved = self.write(now, APPLICATION_TURN);
        self.wake();
        if self.call_driver || self.handed_over || self.more || relieved {
            shared.notifier.notify();
        }
        self.give_back();
    }

    /// The end of the driver's turn: writes, and wakes or hands over whom to wake. Returns whether there is more to do
    /// at once.
    pub(crate) fn finish(mut self, now: Instant, wakes: Option<&mut Vec<Waker>>) -> bool {
        let relieved = self.write(now, DRIVER_TURN);
        match wakes {
            Some(wakes) => wakes.append(&mut self.wakes),
            None => self.wake(),
        }
        let more = self.more || relieved || self.handed_over;
        self.give_back();
        more
    }

    /// Writes what is queued at the gates whose writer we are; returns whether a congestion ended.
    fn write(&mut self, now: Instant, rounds: usize) -> bool {
        let mut relieved = false;
        for gate in self.writers.drain(..) {
            let turn = gate.write(now, rounds);
            relieved |= turn.relieved;
            self.handed_over |= turn.written != Written::All;
        }
        relieved
    }

    /// Wakes each task once.
    pub(crate) fn wake(&mut self) {
        let mut wakes = self.wakes.drain(..);
        let Some(mut last) = wakes.next() else { return };
        for waker in wakes {
            if !waker.will_wake(&last) {
                last.wake();
                last = waker;
            }
        }
        last.wake();
    }

    fn give_back(mut self) {
        (self.more, self.call_driver, self.handed_over) = (false, false, false);
        SCRATCH.with_borrow_mut(|spare| spare.push(self));
    }
}
