//! What every discipline can do.

use crate::QdiscCounters;
use alloc::boxed::Box;
use alloc::sync::Arc;
use stack_core::{Instant, TxPacket};

/// A queue with an opinion. Packets begin with their network header.
pub trait Discipline: Send {
    /// Takes a packet, or drops it or another one and counts that.
    fn enqueue(&mut self, now: Instant, packet: Box<TxPacket>);

    /// The packet that goes next; `None` if none may go now.
    fn dequeue(&mut self, now: Instant) -> Option<Box<TxPacket>>;

    /// When the next packet may go, if one waits; a time that has passed means at once.
    fn next_due(&self) -> Option<Instant>;

    /// Packets that wait.
    fn len(&self) -> usize;

    /// Whether no packet waits.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it counts; shared with disciplines inside.
    fn counters(&self) -> Arc<QdiscCounters>;
}
