//! The budget that the receive queues of all sockets share: many sockets with small queues must not hold more than a few
//! with large ones may.

/// Bytes that the receive queues of all sockets pin, and may pin.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    used: usize,
    limit: usize,
}

impl Memory {
    /// A budget of `limit` bytes of which nothing is used.
    pub fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    /// Bytes that are pinned now.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Whether the budget has room for so many bytes.
    pub fn fits(&self, charge: usize) -> bool {
        self.used.saturating_add(charge) <= self.limit
    }

    /// So many bytes are pinned from now on; their room was checked.
    pub fn take(&mut self, charge: usize) {
        self.used += charge;
    }

    /// So many bytes are pinned no longer.
    pub fn give_back(&mut self, charge: usize) {
        self.used -= charge;
    }
}
