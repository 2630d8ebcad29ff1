//! Which station is behind which port (the filtering database of IEEE 802.1D §7.9).
//!
//! Invariants: never more than the cap. At the cap the longest known that has aged gives way; if none of those that are
//! looked at has, a new station is not learned, and frames to it go to all ports.

use alloc::collections::VecDeque;
use core::time::Duration;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stack_core::{Instant, LinkAddress};

/// Stations that are looked at for one that has aged.
const REACH: usize = 8;

#[derive(Debug)]
pub(crate) struct Stations {
    known: HashMap<LinkAddress, (usize, Instant), FixedState>,
    /// In the order in which they were learned, or last looked at for their age.
    order: VecDeque<LinkAddress>,
    capacity: usize,
    ageing: Duration,
}

impl Stations {
    pub(crate) fn new(capacity: usize, ageing: Duration, seed: u64) -> Self {
        let known = HashMap::with_hasher(FixedState::with_seed(seed));
        Self { known, order: VecDeque::new(), capacity, ageing }
    }

    /// A frame of the station came in by a port.
    pub(crate) fn learn(&mut self, now: Instant, station: LinkAddress, port: usize) {
        if let Some(known) = self.known.get_mut(&station) {
            *known = (port, now);
        } else if self.known.len() < self.capacity || self.make_room(now) {
            self.known.insert(station, (port, now));
            self.order.push_back(station);
        }
    }

    /// The port behind which the station was heard, not too long ago.
    pub(crate) fn port_of(&self, now: Instant, station: LinkAddress) -> Option<usize> {
        let (port, heard) = *self.known.get(&station)?;
        (now - heard < self.ageing).then_some(port)
    }

    pub(crate) fn forget_port(&mut self, port: usize) {
        self.known.retain(|_, (behind, _)| *behind != port);
        let known = &self.known;
        self.order.retain(|station| known.contains_key(station));
    }

    fn make_room(&mut self, now: Instant) -> bool {
        for _ in 0..REACH.min(self.order.len()) {
            let Some(station) = self.order.pop_front() else { break };
            if self.port_of(now, station).is_none() {
                self.known.remove(&station);
                return true;
            }
            self.order.push_back(station);
        }
        false
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        assert_eq!(self.known.len(), self.order.len());
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn station(number: u16) -> LinkAddress {
        let [a, b] = number.to_be_bytes();
        LinkAddress([2, 0, 0, 0, a, b])
    }

    fn stations() -> Stations {
        Stations::new(16, Duration::from_secs(300), 1)
    }

    #[test]
    fn a_station_that_moves_is_found_and_one_that_is_silent_ages() {
        let mut stations = stations();
        stations.learn(Instant::ZERO, station(1), 0);
        stations.learn(Instant::from_secs(10), station(1), 2);
        let found = |at| stations.port_of(Instant::from_secs(at), station(1));
        assert_eq!((found(309), found(310)), (Some(2), None));
    }

    #[test]
    fn at_the_cap_the_aged_give_way_and_the_others_stay() {
        let mut stations = stations();
        for number in 0..100 {
            stations.learn(Instant::ZERO, station(number), 0);
        }
        assert_eq!(stations.len(), 16);
        assert_eq!(stations.port_of(Instant::ZERO, station(15)), Some(0));
        assert_eq!(stations.port_of(Instant::ZERO, station(16)), None);
        let later = Instant::from_secs(300);
        stations.learn(later, station(0), 0);
        for number in 200..300 {
            stations.learn(later, station(number), 1);
        }
        assert_eq!(stations.len(), 16);
        assert_eq!(stations.port_of(later, station(0)), Some(0));
        assert_eq!(stations.port_of(later, station(214)), Some(1));
        stations.forget_port(1);
        assert_eq!(stations.len(), 1);
    }
}
