//! Datagrams whose first fragment has passed, so that the later ones go the same way.
//!
//! Invariants: never more than the cap, the oldest gives way; what is too old is not found.

use crate::layout::Datagram;
use crate::table::Way;
use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;
use stack_core::Instant;

#[derive(Debug)]
pub(crate) struct Datagrams {
    ways: BTreeMap<Datagram, (Way, Instant)>,
    /// Oldest first, each with the time at which it is forgotten.
    order: VecDeque<(Datagram, Instant)>,
    capacity: usize,
    lifetime: Duration,
}

impl Datagrams {
    pub(crate) fn new(capacity: usize, lifetime: Duration) -> Self {
        Self { ways: BTreeMap::new(), order: VecDeque::new(), capacity: capacity.max(1), lifetime }
    }

    /// A first fragment went this way.
    pub(crate) fn remember(&mut self, now: Instant, datagram: Datagram, way: Way) {
        while self.order.len() >= self.capacity || self.order.front().is_some_and(|(_, end)| *end <= now) {
            let Some((oldest, end)) = self.order.pop_front() else { break };
            // A datagram that came again has a younger record.
            if self.ways.get(&oldest).is_some_and(|(_, known)| *known == end) {
                self.ways.remove(&oldest);
            }
        }
        let end = now + self.lifetime;
        self.ways.insert(datagram, (way, end));
        self.order.push_back((datagram, end));
    }

    /// The way of a later fragment.
    pub(crate) fn find(&self, now: Instant, datagram: &Datagram) -> Option<Way> {
        self.ways.get(datagram).filter(|(_, end)| now < *end).map(|(way, _)| *way)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Direction;

    fn datagram(ident: u32) -> Datagram {
        let (src, dst) = ("10.0.0.1".parse().unwrap(), "192.0.2.1".parse().unwrap());
        Datagram { src, dst, protocol: 17, ident }
    }

    fn way(index: u32) -> Way {
        Way { index, generation: 0, direction: Direction::Original }
    }

    #[test]
    fn the_oldest_gives_way_and_time_forgets() {
        let mut datagrams = Datagrams::new(3, Duration::from_secs(30));
        for ident in 0..5 {
            datagrams.remember(Instant::from_secs(ident.into()), datagram(ident), way(ident));
        }
        let found = |at, ident| datagrams.find(Instant::from_secs(at), &datagram(ident));
        assert_eq!((found(5, 1), found(5, 2), found(5, 4)), (None, Some(way(2)), Some(way(4))));
        assert_eq!((found(32, 2), found(32, 3)), (None, Some(way(3))));
        assert!(datagrams.ways.len() == 3 && datagrams.order.len() == 3);
    }

    #[test]
    fn a_datagram_that_comes_again_lives_on() {
        let mut datagrams = Datagrams::new(2, Duration::from_secs(30));
        datagrams.remember(Instant::ZERO, datagram(1), way(1));
        datagrams.remember(Instant::from_secs(20), datagram(1), way(2));
        datagrams.remember(Instant::from_secs(31), datagram(2), way(3));
        assert_eq!(datagrams.find(Instant::from_secs(32), &datagram(1)), Some(way(2)));
    }
}
