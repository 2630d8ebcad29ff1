//! What arrived twice and the peer has not been told of: RFC 2883 §4.
//!
//! Each ACK tells of one duplicate, and each duplicate is told once (R2883-4-a), oldest first; those that follow each other
//! in the stream are one. They lie with what waits beyond gaps (`reassembly.rs`), which is there only while there is
//! something of either. At the cap the oldest is forgotten.

use stack_wire::seq::SeqNum;

/// Most that wait to be told.
const MAX: usize = 8;

/// Stretches of sequence numbers, oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Duplicates {
    stretches: [(SeqNum, SeqNum); MAX],
    len: u8,
}

impl Duplicates {
    /// How many there are: so many ACKs tell of them.
    pub(crate) fn len(&self) -> u8 {
        self.len
    }

    /// The octets `[start, end)` came and were there already.
    pub(crate) fn push(&mut self, start: SeqNum, end: SeqNum) {
        if let Some(last) = self.last().filter(|last| last.1 == start) {
            last.1 = end;
            return;
        }
        if usize::from(self.len) == MAX {
            self.pop();
        }
        self.len += 1;
        if let Some(last) = self.last() {
            *last = (start, end);
        }
    }

    /// The oldest.
    pub(crate) fn pop(&mut self) -> Option<(SeqNum, SeqNum)> {
        self.len = self.len.checked_sub(1)?;
        let oldest = self.stretches.first().copied();
        self.stretches.rotate_left(1);
        oldest
    }

    fn last(&mut self) -> Option<&mut (SeqNum, SeqNum)> {
        self.stretches.get_mut(usize::from(self.len).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_comes_first_and_what_follows_is_joined() {
        let mut duplicates = Duplicates::default();
        for (start, end) in [(10, 20), (20, 30), (50, 60)] {
            duplicates.push(SeqNum(start), SeqNum(end));
        }
        assert_eq!(duplicates.len(), 2);
        assert_eq!(duplicates.pop(), Some((SeqNum(10), SeqNum(30))));
        assert_eq!(duplicates.pop(), Some((SeqNum(50), SeqNum(60))));
        assert_eq!((duplicates.pop(), duplicates.len()), (None, 0));
    }

    #[test]
    fn at_the_cap_the_oldest_is_forgotten() {
        let mut duplicates = Duplicates::default();
        (0..20).for_each(|n| duplicates.push(SeqNum(10 * n), SeqNum(10 * n + 1)));
        assert_eq!(usize::from(duplicates.len()), MAX);
        assert_eq!(duplicates.pop(), Some((SeqNum(120), SeqNum(121))));
    }
}
