//! Wakers that put the number of their socket on a list: a loop's way to know which sockets to serve.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Sockets to be served, by number, in the order in which they became ready.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadyList(Arc<Mutex<Vec<usize>>>);

struct Bell {
    socket: usize,
    list: ReadyList,
}

impl ReadyList {
    /// A waker that puts this number on the list.
    pub(crate) fn waker(&self, socket: usize) -> Waker {
        Waker::from(Arc::new(Bell { socket, list: self.clone() }))
    }

    /// Takes one from the list; the newest, since the order does not matter among those of one batch.
    pub(crate) fn pop(&self) -> Option<usize> {
        self.lock().pop()
    }

    /// Whether there is nothing to serve.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Puts a number on the list.
    pub(crate) fn push(&self, socket: usize) {
        self.lock().push(socket);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.list.push(self.socket);
    }
}
