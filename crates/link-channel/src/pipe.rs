//! One direction of a channel: a bounded queue with a writer, a reader, and a waker for each.
//!
//! Invariants: never more than `capacity` items; wakers are called after the lock is released; a waker that was
//! registered is called at most once; items that were queued before the writer went can still be read.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::task::Waker;
use spin::Mutex;

struct State<T> {
    items: VecDeque<T>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    reader_gone: bool,
    writer_gone: bool,
}

struct Shared<T> {
    capacity: usize,
    state: Mutex<State<T>>,
}

/// The end that items are written to; one per pipe, so that room found stays.
pub(crate) struct Writer<T>(Arc<Shared<T>>);

/// The end that items are read from.
pub(crate) struct Reader<T>(Arc<Shared<T>>);

/// A pipe with room for `capacity` items, at least one.
pub(crate) fn pipe<T>(capacity: usize) -> (Writer<T>, Reader<T>) {
    let state =
        State { items: VecDeque::new(), reader: None, writer: None, reader_gone: false, writer_gone: false };
    let shared = Arc::new(Shared { capacity: capacity.max(1), state: Mutex::new(state) });
    (Writer(Arc::clone(&shared)), Reader(shared))
}

impl<T> Writer<T> {
    /// Items that fit; `None` if nobody will read them.
    pub(crate) fn room(&self) -> Option<usize> {
        let state = self.0.state.lock();
        (!state.reader_gone).then(|| self.0.capacity.saturating_sub(state.items.len()))
    }

    /// Queues items from the front of `items` while there is room and wakes the reader. What stays did not fit.
    pub(crate) fn push(&self, items: &mut VecDeque<T>) {
        let mut state = self.0.state.lock();
        let fits = self.0.capacity.saturating_sub(state.items.len()).min(items.len());
        if fits == 0 {
            return;
        }
        state.items.extend(items.drain(..fits));
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }

    /// Wakes this waker once when there is room again or the reader is gone.
    pub(crate) fn register(&self, waker: &Waker) {
        store(&mut self.0.state.lock().writer, waker);
    }
}

impl<T> Reader<T> {
    /// Moves up to `max` items to `into` and wakes the writer; returns how many.
    /// `None` if there are none and never will be.
    pub(crate) fn pop(&self, max: usize, into: &mut impl Extend<T>) -> Option<usize> {
        let mut state = self.0.state.lock();
        let count = state.items.len().min(max);
        if count == 0 {
            return (!state.writer_gone || !state.items.is_empty()).then_some(0);
        }
        into.extend(state.items.drain(..count));
        let writer = state.writer.take();
        drop(state);
        wake(writer);
        Some(count)
    }

    /// Items that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.state.lock().items.len()
    }

    /// Wakes this waker once when an item arrives or the writer is gone.
    pub(crate) fn register(&self, waker: &Waker) {
        store(&mut self.0.state.lock().reader, waker);
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.writer_gone = true;
        let reader = state.reader.take();
        drop(state);
        wake(reader);
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.reader_gone = true;
        let unread = core::mem::take(&mut state.items);
        let writer = state.writer.take();
        drop(state);
        drop(unread);
        wake(writer);
    }
}

fn store(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(old) => old.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn no_more_than_the_capacity_gets_in() {
        let (writer, reader) = pipe(3);
        let mut items: VecDeque<u32> = (0..5).collect();
        writer.push(&mut items);
        assert_eq!((items.len(), writer.room(), reader.len()), (2, Some(0), 3));
        let mut out = Vec::new();
        assert_eq!(reader.pop(2, &mut out), Some(2));
        writer.push(&mut items);
        assert_eq!(reader.pop(9, &mut out), Some(3));
        assert_eq!(out, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_was_queued_outlives_the_writer_but_not_the_reader() {
        let (writer, reader) = pipe(3);
        writer.push(&mut [1u32].into_iter().collect());
        drop(writer);
        let mut out = Vec::new();
        assert_eq!(reader.pop(0, &mut out), Some(0));
        assert_eq!(reader.pop(9, &mut out), Some(1));
        assert_eq!(reader.pop(9, &mut out), None);

        let item = Arc::new(());
        let (writer, reader) = pipe(3);
        writer.push(&mut [Arc::clone(&item)].into_iter().collect());
        drop(reader);
        assert_eq!((writer.room(), Arc::strong_count(&item)), (None, 1));
    }
}
