//! A thread that reads one interface, beside the driver.
//!
//! It hands the host what it reads as an application's call would ([`Shared::with`]), and so writes what that causes. All
//! else stays with the driver: time, devices that take no more, interfaces that go. For the driver the interface is one
//! where nothing ever comes in ([`Rest`]).

use super::notify::{Notifier, Watch};
use crate::driver::gate::Gate;
use crate::lock::lock;
use crate::shared::Shared;
use stack_core::{Instant, LinkError, LinkReceive, NicId, RxBatch};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::thread::{JoinHandle, current};

/// What the thread and the driver have to tell each other.
struct Word {
    notifier: Arc<Notifier>,
    stopping: AtomicBool,
    /// Why the thread ended by itself.
    error: Mutex<Option<LinkError>>,
    /// The driver's.
    waker: Waker,
}

/// The receiving half of the link that is left for the driver. The thread ends with it.
struct Rest {
    word: Arc<Word>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread reads.
struct Reader {
    nic: NicId,
    link: Box<dyn LinkReceive>,
    gate: Arc<Gate>,
    enabled: Arc<AtomicBool>,
    /// The descriptor of a link that has one; others call.
    watch: Option<Watch>,
    batch: RxBatch,
}

/// Starts the thread. Returns what the driver reads instead of `link`, and what wakes the thread.
pub(crate) fn start(
    shared: &Arc<Shared>,
    nic: NicId,
    link: Box<dyn LinkReceive>,
    gate: &Arc<Gate>,
    enabled: &Arc<AtomicBool>,
) -> io::Result<(Box<dyn LinkReceive>, Arc<Notifier>)> {
    let notifier = Arc::new(Notifier::new()?);
    let word = Arc::new(Word {
        notifier: Arc::clone(&notifier),
        stopping: AtomicBool::new(false),
        error: Mutex::new(None),
        waker: shared.waker.clone(),
    });
    let watch = link.descriptor().filter(|descriptor| *descriptor >= 0);
    let watch = watch.map(|descriptor| Watch::readable(descriptor, nic));
    let (gate, enabled) = (Arc::clone(gate), Arc::clone(enabled));
    let reader = Reader { nic, link, gate, enabled, watch, batch: RxBatch::new() };
    let (shared, theirs) = (Arc::clone(shared), Arc::clone(&word));
    let run = move || reader.run(&shared, &theirs);
    let thread = std::thread::Builder::new().name(format!("ustack-{nic}")).spawn(run)?;
    Ok((Box::new(Rest { word, thread: Some(thread) }), notifier))
}

impl Reader {
    fn run(mut self, shared: &Shared, word: &Word) {
        shared.be_served_by_this_thread();
        while !word.stopping.load(Ordering::Acquire) {
            if let Err(error) = self.turn(shared, &word.notifier) {
                *lock(&word.error) = Some(error);
                word.waker.wake_by_ref();
                return;
            }
        }
    }

    /// Reads and hands on, or else sleeps.
    fn turn(&mut self, shared: &Shared, notifier: &Arc<Notifier>) -> Result<(), LinkError> {
        let now = shared.clock.now();
        if self.is_enabled() && self.link.receive(now, &mut self.batch)? > 0 {
            self.deliver(shared);
            return Ok(());
        }
        if !notifier.prepare() {
            return Ok(());
        }
        // Disabled since we looked, or enabled: whoever did that has called.
        let enabled = self.is_enabled();
        if enabled && self.watch.is_none() {
            self.link.register(&Waker::from(Arc::clone(notifier)));
            if self.link.receive(now, &mut self.batch)? > 0 {
                notifier.awake();
                self.deliver(shared);
                return Ok(());
            }
        }
        let due = self.link.poll_timeout().filter(|_| enabled);
        let timeout = due.map(|due| due.saturating_since(now));
        let watches = self.watch.as_mut_slice();
        notifier.sleep(if enabled { watches } else { &mut [] }, timeout);
        Ok(())
    }

    /// What was read from a removed interface is not for the one that has its number now.
    fn deliver(&mut self, shared: &Shared) {
        shared.with_core(|core, now| {
            if core.has_outlet(&self.gate) {
                core.host.receive(now, self.nic, &mut self.batch);
                self.link.coalesce(core.host.coalesces(self.nic));
            }
        });
        self.batch.clear();
    }

    fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::SeqCst)
    }
}

impl LinkReceive for Rest {
    fn receive(&mut self, _: Instant, _: &mut RxBatch) -> Result<usize, LinkError> {
        lock(&self.word.error).map_or(Ok(0), Err)
    }

    /// Nothing: the driver's waker is known since the start.
    fn register(&mut self, _: &Waker) {}
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.word.stopping.store(true, Ordering::Release);
        self.word.notifier.notify();
        // The last handle of the stack may go on this thread, with a task that it wakes.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != current().id()) {
            // The thread has no panic of its own to tell.
            let _ = thread.join();
        }
    }
}
