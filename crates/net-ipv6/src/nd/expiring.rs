//! A short list of what routers told, each with the time until which it holds. A full list takes nothing new: whoever
//! floods the link can't push out what was there before.

use alloc::vec::Vec;
use stack_core::Instant;

/// Keys with a value, at most `CAP`.
#[derive(Clone, Debug)]
pub(crate) struct Expiring<K, V, const CAP: usize> {
    entries: Vec<Entry<K, V>>,
}

/// What a list holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
    /// `None` for ever.
    pub(crate) until: Option<Instant>,
}

/// What became of something that was to be listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Listed<V> {
    /// It is new.
    New,
    /// It was there with this value.
    Known(V),
    /// There was no room.
    Full,
}

impl<K, V, const CAP: usize> Default for Expiring<K, V, CAP> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Copy + Eq, V: Copy, const CAP: usize> Expiring<K, V, CAP> {
    /// Lists a key, or gives it another value and time.
    pub(crate) fn set(&mut self, key: K, value: V, until: Option<Instant>) -> Listed<V> {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.key == key) {
            entry.until = until;
            return Listed::Known(core::mem::replace(&mut entry.value, value));
        }
        if self.entries.len() >= CAP {
            return Listed::Full;
        }
        self.entries.push(Entry { key, value, until });
        Listed::New
    }

    /// What is listed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry<K, V>> {
        self.entries.iter()
    }

    /// Takes out what `gone` says.
    pub(crate) fn take(&mut self, mut gone: impl FnMut(&Entry<K, V>) -> bool) -> Vec<Entry<K, V>> {
        let taken = self.entries.iter().filter(|entry| gone(entry)).copied().collect();
        self.entries.retain(|entry| !gone(entry));
        taken
    }

    /// Takes out what holds no longer.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<Entry<K, V>> {
        self.take(|entry| entry.until.is_some_and(|until| until <= now))
    }

    /// When the next of them ends.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|entry| entry.until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_list_keeps_what_it_has() {
        let mut list: Expiring<u8, u8, 2> = Expiring::default();
        let at = |seconds| Some(Instant::from_secs(seconds));
        assert_eq!(list.set(1, 10, at(5)), Listed::New);
        assert_eq!(list.set(2, 20, None), Listed::New);
        assert_eq!(list.set(3, 30, None), Listed::Full);
        assert_eq!(list.set(1, 11, at(7)), Listed::Known(10));
        assert_eq!(list.next(), at(7));
        assert_eq!(list.take_expired(Instant::from_secs(6)), []);
        assert_eq!(list.take_expired(Instant::from_secs(7)), [Entry { key: 1, value: 11, until: at(7) }]);
        assert_eq!((list.next(), list.set(3, 30, None)), (None, Listed::New));
    }
}
