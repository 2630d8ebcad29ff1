//! Slots with generations: where connections, half-open peers and TIME-WAIT records live.
//!
//! Each slab marks the indices that it hands out with its [`Kind`] in the two upper bits, so that one look at an
//! [`EndpointId`] says which slab has it. A stale handle (old generation) finds nothing. A slab never grows beyond
//! its cap: [`Slab::insert`] hands the value back instead.

use alloc::vec::Vec;
use stack_core::EndpointId;

/// Bits of an index that number the slot.
const SLOT_BITS: u32 = 30;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;

/// What an endpoint id stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// A socket: fresh, listening or connected.
    Socket = 0,
    /// A half-open peer of a listener.
    HalfOpen = 1,
    /// What is left of a connection in TIME-WAIT.
    TimeWait = 2,
}

impl Kind {
    /// The kind that an id carries; `None` for ids that this crate never made.
    pub(crate) fn of(id: EndpointId) -> Option<Self> {
        match id.index >> SLOT_BITS {
            0 => Some(Self::Socket),
            1 => Some(Self::HalfOpen),
            2 => Some(Self::TimeWait),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// A table of values with stable, generation-checked names.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
    cap: usize,
    kind: Kind,
}

impl<T> Slab<T> {
    /// Memory of a slot, in bytes.
    #[cfg(test)]
    pub(crate) const SLOT: usize = size_of::<Slot<T>>();

    /// An empty slab for at most `cap` values.
    pub(crate) fn new(kind: Kind, cap: usize) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), len: 0, cap: cap.min(SLOT_MASK as usize), kind }
    }

    /// Stores a value, or hands it back when the slab is full.
    pub(crate) fn insert(&mut self, value: T) -> Result<EndpointId, T> {
        if self.len >= self.cap {
            return Err(value);
        }
        self.len += 1;
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot { generation: 0, value: None });
                self.slots.len() as u32 - 1
            }
        };
        let mut generation = 0;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            slot.value = Some(value);
            generation = slot.generation;
        }
        Ok(EndpointId { index: index | (self.kind as u32) << SLOT_BITS, generation })
    }

    /// The value of an id.
    #[inline]
    pub(crate) fn get(&self, id: EndpointId) -> Option<&T> {
        let slot = self.slots.get((id.index & SLOT_MASK) as usize)?;
        if slot.generation == id.generation && self.is_mine(id) { slot.value.as_ref() } else { None }
    }

    /// The value of an id, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: EndpointId) -> Option<&mut T> {
        let mine = self.is_mine(id);
        let slot = self.slots.get_mut((id.index & SLOT_MASK) as usize)?;
        if slot.generation == id.generation && mine { slot.value.as_mut() } else { None }
    }

    /// Takes a value out; its id is stale from now on.
    pub(crate) fn remove(&mut self, id: EndpointId) -> Option<T> {
        let mine = self.is_mine(id);
        let index = id.index & SLOT_MASK;
        let slot = self.slots.get_mut(index as usize)?;
        if slot.generation != id.generation || !mine {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        self.len -= 1;
        Some(value)
    }

    /// Whether no more values fit.
    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.cap
    }

    /// Values in the slab.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All values with their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (EndpointId, &T)> {
        let tag = (self.kind as u32) << SLOT_BITS;
        self.slots.iter().enumerate().filter_map(move |(index, slot)| {
            let id = EndpointId { index: index as u32 | tag, generation: slot.generation };
            slot.value.as_ref().map(|value| (id, value))
        })
    }

    fn is_mine(&self, id: EndpointId) -> bool {
        id.index >> SLOT_BITS == self.kind as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_or_foreign_id_finds_nothing() {
        let mut slab = Slab::new(Kind::HalfOpen, 10);
        let old = slab.insert('a').unwrap();
        assert_eq!(Kind::of(old), Some(Kind::HalfOpen));
        assert_eq!(slab.remove(old), Some('a'));
        let new = slab.insert('b').unwrap();
        assert_eq!(old.index, new.index);
        assert_eq!((slab.get(old), slab.get(new)), (None, Some(&'b')));
        let foreign = EndpointId { index: new.index & SLOT_MASK, ..new };
        assert_eq!(slab.get(foreign), None);
        assert_eq!((slab.remove(foreign), slab.remove(old)), (None, None));
    }

    #[test]
    fn the_cap_holds_and_slots_are_used_again() {
        let mut slab = Slab::new(Kind::Socket, 2);
        let first = slab.insert(1).unwrap();
        slab.insert(2).unwrap();
        assert_eq!(slab.insert(3), Err(3));
        slab.remove(first);
        assert!(slab.insert(3).is_ok());
        assert_eq!((slab.len(), slab.iter().map(|(_, v)| *v).collect::<Vec<_>>()), (2, [3, 2].into()));
    }
}
