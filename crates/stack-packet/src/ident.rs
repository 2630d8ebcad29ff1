//! The identification that the fragments of a packet share: RFC 6864 §4, RFC 8200 §4.5, RFC 7739 §5.
//!
//! Each gets the next number of a counter that its flow picks by a keyed hash: no number comes twice for the same flow
//! before all others went by, and nobody outside can tell the next one or count what we send to others.

use alloc::vec::Vec;
use core::hash::Hasher;
use siphasher::sip::SipHasher13;

/// Counters; flows that share one only use it up faster. 1 KiB for each interface.
const COUNTERS: u64 = 256;

/// The counters of one interface. Empty until the first packet that needs one.
#[derive(Clone, Debug, Default)]
pub struct Idents {
    key: (u64, u64),
    counters: Vec<u32>,
}

impl Idents {
    /// The next identification for a flow; IPv4, which has half the room, takes the low 16 bits. `random` is asked for a
    /// key once.
    pub fn next(&mut self, mut random: impl FnMut() -> u64, flow: &[u64]) -> u32 {
        if self.counters.is_empty() {
            self.key = (random(), random());
            self.counters = alloc::vec![0; COUNTERS as usize];
        }
        let hash = self.hash(flow);
        let Some(counter) = self.counters.get_mut((hash >> 32) as usize % COUNTERS as usize) else {
            return 0;
        };
        *counter = counter.wrapping_add(1);
        (hash as u32).wrapping_add(*counter)
    }

    fn hash(&self, flow: &[u64]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        flow.iter().for_each(|word| hasher.write_u64(*word));
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    // R6864-4.2-a, R8200-4.5-g
    #[test]
    fn no_number_comes_twice_before_all_have_come() {
        let mut idents = Idents::default();
        let seen: BTreeSet<u16> = (0..=u16::MAX).map(|_| idents.next(|| 4, &[1, 2]) as u16).collect();
        assert_eq!(seen.len(), 65_536);
    }

    #[test]
    fn flows_start_anywhere() {
        let first = |flow: &[u64]| Idents::default().next(|| 4, flow);
        assert_eq!(BTreeSet::from([first(&[1, 2]), first(&[1, 2]), first(&[2, 1]), first(&[1])]).len(), 3);
    }

    #[test]
    fn hosts_start_anywhere() {
        assert_ne!(Idents::default().next(|| 4, &[1]), Idents::default().next(|| 5, &[1]));
    }
}
