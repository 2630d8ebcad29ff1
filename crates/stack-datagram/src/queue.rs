//! Messages in order, each with what it is charged.
//!
//! Buffers count memory: what a queued message pins and its place in the queue. A send queue takes a message whenever it
//! is below its limit, whatever its size, so that "writable" is exact: the limit is overrun by one call's bytes at most
//! (64 KiB), as in Linux. A receive queue always takes the first one, so that a small buffer delays nobody for ever.

use alloc::collections::VecDeque;

/// No buffer is smaller, in bytes: a packet of an ordinary MTU with what it costs to keep it.
pub const MIN_BUFFER: usize = 4096;

/// Messages in order, each with what it is charged.
#[derive(Debug)]
pub struct Queue<T> {
    queue: VecDeque<(T, usize)>,
    charged: usize,
    limit: usize,
}

impl<T> Queue<T> {
    /// An empty queue; the limit is [`MIN_BUFFER`] at least.
    pub fn new(limit: usize) -> Self {
        Self { queue: VecDeque::new(), charged: 0, limit: limit.max(MIN_BUFFER) }
    }

    /// What a message costs that pins `pinned` bytes.
    pub fn charge(pinned: usize) -> usize {
        pinned.saturating_add(size_of::<(T, usize)>())
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Sets the limit, to [`MIN_BUFFER`] at least. What is queued stays.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.max(MIN_BUFFER);
    }

    /// Whether no message waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether a send queue takes a message.
    pub fn is_below_limit(&self) -> bool {
        self.charged < self.limit
    }

    /// Whether a message of that charge fits into a receive queue; the first one always does.
    pub fn has_room(&self, charge: usize) -> bool {
        self.is_empty() || self.charged.saturating_add(charge) <= self.limit
    }

    /// Queues a message.
    pub fn push(&mut self, message: T, charge: usize) {
        self.charged += charge;
        self.queue.push_back((message, charge));
    }

    /// The oldest message, left where it is.
    pub fn front(&self) -> Option<&T> {
        self.queue.front().map(|(message, _)| message)
    }

    /// As [`front`](Self::front), to take a part of it. Its charge stays until it is gone.
    pub fn front_mut(&mut self) -> Option<&mut T> {
        self.queue.front_mut().map(|(message, _)| message)
    }

    /// The oldest message, with the charge that went with it.
    pub fn pop(&mut self) -> Option<(T, usize)> {
        let (message, charge) = self.queue.pop_front()?;
        self.charged -= charge;
        Some((message, charge))
    }

    /// Drops all of it, and the memory behind it; returns what it was charged.
    pub fn clear(&mut self) -> usize {
        self.queue = VecDeque::new();
        core::mem::take(&mut self.charged)
    }

    /// Gives memory back that is not needed for so many messages, or for those that wait.
    pub(crate) fn shrink_to(&mut self, places: usize) {
        self.queue.shrink_to(places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_fits_and_then_the_limit_holds() {
        let mut queue = Queue::new(0);
        assert_eq!(queue.limit(), MIN_BUFFER);
        assert!(queue.has_room(1 << 20));
        queue.push(1, 4000);
        assert!(queue.has_room(96) && !queue.has_room(97) && queue.is_below_limit());
        assert_eq!(queue.pop(), Some((1, 4000)));
        queue.push(2, 5000);
        assert!(!queue.is_below_limit());
        assert_eq!((queue.clear(), queue.is_empty(), queue.pop()), (5000, true, None));
    }

    #[test]
    fn a_message_that_is_taken_in_parts_is_charged_until_the_last() {
        let mut queue = Queue::new(MIN_BUFFER);
        queue.push("two", MIN_BUFFER);
        *queue.front_mut().unwrap() = "one";
        assert!(queue.front() == Some(&"one") && !queue.is_below_limit());
        assert_eq!(queue.pop(), Some(("one", MIN_BUFFER)));
        assert!(queue.is_below_limit());
    }
}
