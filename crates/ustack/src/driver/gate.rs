//! The gate of an interface: packets leave in the order in which the host made them, and nobody waits for another
//! thread's system call.
//!
//! Packets [enter](Gate::enter) a queue while the host is locked. Who finds no writer there becomes it, and
//! [writes](Gate::write) after unlocking the host until the queue is empty; the others go home. A turn as writer is
//! bounded: what is left then, or when the device takes no more, is the driver's.
//!
//! Invariants:
//! - `writing` is set exactly while somebody has the role: a thread in `write`, or the driver once it was handed over.
//! - The role is given up under the lock that guards the queue, and only when that is empty: no packet is left behind.
//! - Only who has the role touches the link.

use crate::lock::lock;
use stack_core::{DropReason, Instant, LinkDrops, LinkTransmit, TxBatch};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

/// Rounds of "take the queue, write it" that an application's thread does for others before the driver takes over.
pub(crate) const APPLICATION_TURN: usize = 4;
/// The same for the driver, before it looks at its receivers again.
pub(crate) const DRIVER_TURN: usize = 16;
/// Packets in the queue above which it takes no more from the host for now.
const HIGH_WATER: usize = 256;

/// What a turn as writer did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Turn {
    /// How it ended.
    pub(crate) written: Written,
    /// The queue was congested and is no more: the host may make packets again.
    pub(crate) relieved: bool,
}

/// How a turn as writer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Written {
    /// The queue is empty and the role given up.
    All,
    /// The turn is over; the driver has the role now and must be told.
    HandedOver,
    /// The device takes no more; the driver has the role now and waits for room.
    Blocked,
    /// The device is gone; so is what was queued, and whatever comes.
    Closed,
}

/// The way out of one interface.
pub(crate) struct Gate {
    state: Mutex<State>,
    writer: Mutex<Writer>,
    congested: AtomicBool,
    /// Packets that the device did not live to take.
    lost: AtomicU64,
}

impl LinkDrops for Gate {
    fn of(&self, reason: DropReason) -> u64 {
        if reason == DropReason::LinkClosed { self.lost.load(Ordering::Relaxed) } else { 0 }
    }
}

struct State {
    queue: TxBatch,
    writing: bool,
    /// The role is the driver's.
    handed_over: bool,
    closed: bool,
    timeout: Option<Instant>,
}

struct Writer {
    link: Box<dyn LinkTransmit>,
    /// Taken from the queue and not yet taken by the device.
    batch: TxBatch,
}

impl Gate {
    pub(crate) fn new(link: Box<dyn LinkTransmit>) -> Self {
        let timeout = link.poll_timeout();
        let state =
            State { queue: TxBatch::new(), writing: false, handed_over: false, closed: false, timeout };
        Self {
            state: Mutex::new(state),
            writer: Mutex::new(Writer { link, batch: TxBatch::new() }),
            congested: AtomicBool::new(false),
            lost: AtomicU64::new(0),
        }
    }

    /// Queues what the host made; to be called while the host is locked. True: the caller is the writer now, and
    /// must call [`Gate::write`] after unlocking.
    pub(crate) fn enter(&self, out: &mut TxBatch) -> bool {
        if out.is_empty() {
            return false;
        }
        let mut state = lock(&self.state);
        if state.closed {
            self.lose(out);
            return false;
        }
        state.queue.append(out);
        if state.queue.len() >= HIGH_WATER {
            self.congested.store(true, Ordering::Relaxed);
        }
        !std::mem::replace(&mut state.writing, true)
    }

    /// Whether so much waits that the host is to keep what it makes, and its transports to wait.
    pub(crate) fn is_congested(&self) -> bool {
        self.congested.load(Ordering::Relaxed)
    }

    /// Writes what is queued, for `rounds` rounds; only for who has the role.
    pub(crate) fn write(&self, now: Instant, rounds: usize) -> Turn {
        let mut writer = lock(&self.writer);
        let Writer { link, batch } = &mut *writer;
        let mut relieved = false;
        for _ in 0..rounds {
            if batch.is_empty() && !self.refill(batch, link.poll_timeout(), &mut relieved) {
                return Turn { written: Written::All, relieved };
            }
            if link.transmit(now, batch).is_err() {
                self.lose(batch);
                self.close();
                return Turn { written: Written::Closed, relieved };
            }
            if !batch.is_empty() {
                self.hand_over(link.poll_timeout());
                return Turn { written: Written::Blocked, relieved };
            }
        }
        if !self.refill(batch, link.poll_timeout(), &mut relieved) {
            return Turn { written: Written::All, relieved };
        }
        self.hand_over(link.poll_timeout());
        Turn { written: Written::HandedOver, relieved }
    }

    /// The driver's turn: goes on with what was handed over, and lets the link do what is due. `None` if another
    /// thread has the role, or nothing is to be done.
    pub(crate) fn resume(&self, now: Instant, waker: &Waker) -> Option<Turn> {
        let due = {
            let mut state = lock(&self.state);
            let due = state.timeout.is_some_and(|timeout| timeout <= now);
            if state.closed || !(std::mem::take(&mut state.handed_over) || (due && !state.writing)) {
                return None;
            }
            state.writing = true;
            due
        };
        let mut writer = lock(&self.writer);
        let Writer { link, batch } = &mut *writer;
        if !batch.is_empty() {
            link.register(waker);
        } else if due && link.transmit(now, batch).is_err() {
            self.close();
            return Some(Turn { written: Written::Closed, relieved: false });
        }
        drop(writer);
        Some(self.write(now, DRIVER_TURN))
    }

    /// Whether the driver has the role.
    pub(crate) fn is_handed_over(&self) -> bool {
        lock(&self.state).handed_over
    }

    /// When the link wants to be called although nothing is queued.
    pub(crate) fn timeout(&self) -> Option<Instant> {
        lock(&self.state).timeout
    }

    /// The descriptor that polls writable, if the link has one.
    pub(crate) fn descriptor(&self) -> Option<i32> {
        lock(&self.writer).link.descriptor()
    }

    /// Drops what is queued and takes no more.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.timeout = None;
        self.lose(&mut state.queue);
        self.congested.store(false, Ordering::Relaxed);
    }

    fn lose(&self, packets: &mut TxBatch) {
        self.lost.fetch_add(packets.len() as u64, Ordering::Relaxed);
        packets.clear();
    }

    /// Whether the interface is gone.
    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    /// Takes the queue into `batch`, or gives the role up if it is empty.
    fn refill(&self, batch: &mut TxBatch, timeout: Option<Instant>, relieved: &mut bool) -> bool {
        let mut state = lock(&self.state);
        state.timeout = timeout;
        if state.queue.is_empty() {
            state.writing = false;
            return false;
        }
        batch.append(&mut state.queue);
        *relieved |= self.congested.swap(false, Ordering::Relaxed);
        true
    }

    fn hand_over(&self, timeout: Option<Instant>) {
        let mut state = lock(&self.state);
        state.timeout = timeout;
        state.handed_over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::LinkError;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    /// Remembers marks; takes at most `room` packets in all, and fails once `gone`.
    #[derive(Clone, Default)]
    struct Wire(Arc<WireState>);

    #[derive(Default)]
    struct WireState {
        marks: Mutex<Vec<u32>>,
        room: AtomicUsize,
        gone: AtomicBool,
        registered: AtomicUsize,
    }

    impl Wire {
        fn new(room: usize) -> Self {
            let wire = Self::default();
            wire.0.room.store(room, Ordering::SeqCst);
            wire
        }

        fn marks(&self) -> Vec<u32> {
            lock(&self.0.marks).clone()
        }
    }

    impl LinkTransmit for Wire {
        fn transmit(&mut self, _: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
            if self.0.gone.load(Ordering::SeqCst) {
                return Err(LinkError::Closed);
            }
            let mut marks = lock(&self.0.marks);
            while let Some(packet) = batch.front() {
                if marks.len() == self.0.room.load(Ordering::SeqCst) {
                    break;
                }
                marks.push(packet.mark);
                batch.consume();
            }
            Ok(())
        }

        fn register(&mut self, _: &Waker) {
            self.0.registered.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn packets(from: u32, to: u32) -> TxBatch {
        let mut batch = TxBatch::new();
        (from..to).for_each(|mark| batch.slot().mark = mark);
        batch
    }

    fn enter(gate: &Gate, from: u32, to: u32) -> bool {
        gate.enter(&mut packets(from, to))
    }

    #[test]
    fn the_second_to_enter_is_not_the_writer() {
        let wire = Wire::new(100);
        let gate = Gate::new(Box::new(wire.clone()));
        assert!(enter(&gate, 0, 2));
        assert!(!enter(&gate, 2, 4));
        assert_eq!(gate.write(Instant::ZERO, 4).written, Written::All);
        assert_eq!(wire.marks(), [0, 1, 2, 3]);
        assert!(enter(&gate, 4, 5), "the role is free again");
    }

    #[test]
    fn an_empty_batch_makes_no_writer() {
        let gate = Gate::new(Box::new(Wire::new(100)));
        assert!(!enter(&gate, 0, 0));
        assert!(enter(&gate, 0, 1));
    }

    #[test]
    fn a_full_device_is_the_drivers_business() {
        let wire = Wire::new(3);
        let gate = Gate::new(Box::new(wire.clone()));
        assert!(enter(&gate, 0, 5));
        assert_eq!(gate.write(Instant::ZERO, 4).written, Written::Blocked);
        assert!(!enter(&gate, 5, 6), "the driver has the role");
        assert_eq!(gate.resume(Instant::ZERO, Waker::noop()).unwrap().written, Written::Blocked);
        assert_eq!(wire.0.registered.load(Ordering::SeqCst), 1);
        wire.0.room.store(100, Ordering::SeqCst);
        assert_eq!(gate.resume(Instant::ZERO, Waker::noop()).unwrap().written, Written::All);
        assert_eq!(wire.marks(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(gate.resume(Instant::ZERO, Waker::noop()), None);
    }

    #[test]
    fn a_turn_as_writer_is_bounded() {
        let wire = Wire::new(100);
        let gate = Gate::new(Box::new(wire.clone()));
        assert!(enter(&gate, 0, 1));
        assert!(!enter(&gate, 1, 2));
        // With no round allowed, all of it is left to the driver.
        assert_eq!(gate.write(Instant::ZERO, 0).written, Written::HandedOver);
        assert_eq!(gate.resume(Instant::ZERO, Waker::noop()).unwrap().written, Written::All);
        assert_eq!(wire.marks(), [0, 1]);
    }

    #[test]
    fn congestion_is_told_once_it_is_over() {
        let wire = Wire::new(10_000);
        let gate = Gate::new(Box::new(wire));
        assert!(enter(&gate, 0, HIGH_WATER as u32));
        assert!(gate.is_congested());
        assert_eq!(gate.write(Instant::ZERO, 4), Turn { written: Written::All, relieved: true });
        assert!(!gate.is_congested());
    }

    #[test]
    fn a_device_that_is_gone_swallows_everything() {
        let wire = Wire::new(100);
        let gate = Gate::new(Box::new(wire.clone()));
        wire.0.gone.store(true, Ordering::SeqCst);
        assert!(enter(&gate, 0, 2));
        assert_eq!(gate.write(Instant::ZERO, 4).written, Written::Closed);
        let mut batch = packets(2, 4);
        assert!(!gate.enter(&mut batch));
        assert!(batch.is_empty() && gate.is_closed());
        assert_eq!(gate.of(DropReason::LinkClosed), 4);
    }

    #[test]
    fn several_threads_lose_and_reorder_nothing() {
        for threads in 1..=4 {
            let wire = Wire::new(usize::MAX);
            let gate = Gate::new(Box::new(wire.clone()));
            let host = Mutex::new(0_u32);
            let turn = || {
                let writer = {
                    let mut next = lock(&host);
                    let from = *next;
                    *next += 3;
                    enter(&gate, from, *next)
                };
                let handed_over =
                    writer && gate.write(Instant::ZERO, APPLICATION_TURN).written == Written::HandedOver;
                if handed_over {
                    while gate.resume(Instant::ZERO, Waker::noop()).unwrap().written == Written::HandedOver {}
                }
            };
            std::thread::scope(|scope| {
                for _ in 0..threads {
                    scope.spawn(|| (0..5_000).for_each(|_| turn()));
                }
            });
            let expected: Vec<u32> = (0..threads * 15_000).collect();
            assert!(wire.marks() == expected, "{threads} threads");
        }
    }
}
