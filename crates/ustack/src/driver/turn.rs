//! One turn of the driver, and its sleep.
//!
//! What a turn costs when packets come: one look at the clock, one lock, the devices' system calls. What it never
//! does: wait, or call a device while the host is locked.

use super::gate::Written;
use super::notify::Watch;
use super::placing::WaitingReader;
use super::{Driver, Port};
use crate::lock::lock;
use crate::shared::{Afterwards, Core, Shared};
use stack_core::{Instant, LinkError};
use std::task::Waker;
use std::time::Duration;

/// Who drives, and what happens to whom a turn wakes.
pub(crate) enum Role<'a, 'r> {
    /// The stack's own thread; they are woken after the devices were written.
    Thread,
    /// A caller that runs this between receive and transmit; they are woken before it.
    Inline(&'a mut dyn FnMut()),
    /// A caller that waits, perhaps to read; it wakes them itself, once it does not drive any more.
    Caller(&'a mut Vec<Waker>, Option<&'a mut (dyn WaitingReader + 'r)>),
}

impl<'r> Role<'_, 'r> {
    fn reader(&mut self) -> Option<&mut (dyn WaitingReader + 'r)> {
        match self {
            Role::Caller(_, reader) => reader.as_deref_mut(),
            Role::Thread | Role::Inline(_) => None,
        }
    }
}

impl Driver {
    /// Does what there is to do now. Returns whether there may be more.
    pub(crate) fn turn(&mut self, shared: &Shared, mut role: Role<'_, '_>) -> bool {
        self.ports.append(&mut lock(&shared.new_ports));
        let now = shared.clock.now();
        let mut after = Afterwards::take();
        let mut busy = self.read(shared, now, role.reader());
        {
            let mut core = lock(&shared.core);
            self.deliver(now, &mut core);
            if let Some(reader) = role.reader() {
                reader.settle(&mut core.host, now);
            }
            match role {
                Role::Thread | Role::Caller(..) => core.flush(now, &mut after),
                Role::Inline(_) => core.host.take_wakes(&mut after.wakes),
            }
        }
        let mut wakes = None;
        match role {
            Role::Thread => {}
            Role::Caller(theirs, _) => wakes = Some(theirs),
            Role::Inline(application) => {
                shared.as_driver(|| {
                    after.wake();
                    application();
                });
                lock(&shared.core).flush(now, &mut after);
            }
        }
        self.report_outcomes();
        busy |= self.resume(shared, now);
        busy |= after.finish(now, wakes);
        busy |= self.remove_gone(shared, now);
        busy
    }

    /// Takes what the devices have; what a reader waits for, to its place.
    fn read(&mut self, shared: &Shared, now: Instant, reader: Option<&mut (dyn WaitingReader + '_)>) -> bool {
        let mut placement = reader.and_then(|reader| shared.peek(|core| reader.offer(&mut core.host, now)));
        let mut busy = false;
        for port in &mut self.ports {
            if !port.is_to_be_read() {
                continue;
            }
            // One interface after the other: what is in the buffer is in the order of the stream.
            let placement = placement.as_mut().filter(|it| port.coalesces && it.placed() == 0);
            let received = match placement {
                Some(placement) => port.link.receive_placing(now, &mut port.batch, placement),
                None => port.link.receive(now, &mut port.batch),
            };
            match received {
                Ok(count) => busy |= count > 0,
                Err(error) => port.gone = Some(error),
            }
        }
        busy
    }

    /// Hands the host what was read, and the time.
    fn deliver(&mut self, now: Instant, core: &mut Core) {
        for port in self.ports.iter_mut().filter(|port| !port.batch.is_empty()) {
            // What was read from a removed interface is not for the one that has its number now.
            if core.has_outlet(&port.gate) {
                core.host.receive(now, port.nic, &mut port.batch);
                port.coalesces = core.host.coalesces(port.nic);
                port.link.coalesce(port.coalesces);
            }
            port.batch.clear();
        }
        if core.host.next_deadline().is_some_and(|deadline| deadline <= now) {
            core.host.poll(now);
        }
        if self.ports.iter().any(|port| port.wants_outcomes) {
            self.outcomes.extend(core.host.drops());
        }
    }

    /// Tells links what became of their packets.
    fn report_outcomes(&mut self) {
        for (nic, token, reason) in self.outcomes.drain(..) {
            let port = self.ports.iter_mut().find(|port| port.nic == nic && port.wants_outcomes);
            if let Some(port) = port {
                port.link.outcome(token, reason);
            }
        }
    }

    /// Goes on where writers handed over to us.
    fn resume(&mut self, shared: &Shared, now: Instant) -> bool {
        let (mut busy, mut relieved) = (false, false);
        for port in &mut self.ports {
            port.blocked &= port.gate.is_handed_over();
            let Some(turn) = port.gate.resume(now, &shared.waker) else { continue };
            relieved |= turn.relieved;
            busy |= turn.written == Written::HandedOver;
            port.blocked = turn.written == Written::Blocked;
        }
        busy || relieved
    }

    /// Takes interfaces down whose device is gone, and forgets those that were removed.
    fn remove_gone(&mut self, shared: &Shared, now: Instant) -> bool {
        let before = self.ports.len();
        self.ports.retain(|port| {
            let removed = port.gate.is_closed();
            if let Some(error) = port.gone.or(removed.then_some(LinkError::Closed)) {
                port.gate.close();
                shared.link_gone(now, port.nic, &port.gate, error);
                return false;
            }
            true
        });
        self.ports.len() != before
    }

    /// Sleeps until a device is ready, a timer is due, somebody calls, or `limit`; not at all if somebody has called, or
    /// if there is a reason to stay awake, which is asked for once the sleep is announced.
    pub(crate) fn sleep(
        &mut self,
        shared: &Shared,
        limit: Option<Instant>,
        stay_awake: impl FnOnce() -> bool,
    ) {
        if !shared.notifier.prepare() {
            return;
        }
        if stay_awake() {
            shared.notifier.awake();
            return;
        }
        let now = shared.clock.now();
        // Links without a descriptor: ask to be called, then look again, as something may have come in between.
        let mut ready = !lock(&shared.new_ports).is_empty();
        for port in self.ports.iter_mut().filter(|port| port.descriptor.is_none() && port.is_enabled()) {
            port.link.register(&shared.waker);
            match port.link.receive(now, &mut port.batch) {
                Ok(count) => ready |= count > 0,
                Err(error) => port.gone = Some(error),
            }
            ready |= port.gone.is_some();
        }
        let deadline = self.deadline(shared).min(limit.unwrap_or(Instant::FAR_FUTURE));
        if ready || deadline <= now {
            shared.notifier.awake();
            return;
        }
        self.watch();
        shared.notifier.sleep(&mut self.watches, timeout(now, deadline));
        self.note_ready();
    }

    /// The next time at which something is due; from now on, whoever makes it earlier calls.
    fn deadline(&self, shared: &Shared) -> Instant {
        let links = self.ports.iter().filter(|port| port.is_enabled());
        let links = links.flat_map(|port| [port.link.poll_timeout(), port.gate.timeout()]).flatten().min();
        let mut core = lock(&shared.core);
        let host = core.host.next_deadline();
        let deadline = links.into_iter().chain(host).min().unwrap_or(Instant::FAR_FUTURE);
        core.driver_deadline = deadline;
        deadline
    }

    fn watch(&mut self) {
        self.watches.clear();
        for port in &self.ports {
            if port.is_enabled() {
                self.watches.extend(port.descriptor.map(|descriptor| Watch::readable(descriptor, port.nic)));
            }
            if port.blocked {
                self.watches
                    .extend(port.write_descriptor.map(|descriptor| Watch::writable(descriptor, port.nic)));
            }
        }
    }

    /// Spares the next turn a system call for each device that is not readable.
    fn note_ready(&mut self) {
        for watch in self.watches.iter().filter(|watch| !watch.writable) {
            let port = self.ports.iter_mut().find(|port| port.nic == watch.nic);
            if let Some(port) = port {
                port.skip_once = !watch.ready;
            }
        }
    }
}

impl Port {
    fn is_to_be_read(&mut self) -> bool {
        !std::mem::take(&mut self.skip_once) && self.gone.is_none() && self.is_enabled()
    }
}

fn timeout(now: Instant, deadline: Instant) -> Option<Duration> {
    (deadline != Instant::FAR_FUTURE).then(|| deadline.saturating_since(now))
}
