//! The identification of outbound datagrams: RFC 791 §3.2, RFC 6864 §4.
//!
//! An atomic datagram (DF set, not a fragment) needs none and gets 0 (R6864-4.1-a). All others get the next number of
//! a counter that their source, destination and protocol pick by a keyed hash: no number comes twice for the same
//! three before 65,536 others went by (R6864-4.2-a), and nobody outside can tell the next one or count what we send
//! to others.

use alloc::vec::Vec;
use core::hash::Hasher;
use core::net::Ipv4Addr;
use siphasher::sip::SipHasher13;
use stack_core::NetServices;

/// Counters; flows that share one only use it up faster. 512 bytes for each interface.
const COUNTERS: u64 = 256;

/// The counters of one interface. Empty until the first datagram that may be fragmented.
#[derive(Clone, Debug, Default)]
pub(crate) struct Idents {
    key: (u64, u64),
    counters: Vec<u16>,
}

impl Idents {
    /// The identification of a datagram that may be fragmented.
    pub(crate) fn next(
        &mut self,
        host: &mut dyn NetServices,
        src: Ipv4Addr,
        dst: Ipv4Addr,
        protocol: u8,
    ) -> u16 {
        if self.counters.is_empty() {
            self.key = (host.random(), host.random());
            self.counters = alloc::vec![0; COUNTERS as usize];
        }
        let hash = self.hash(src, dst, protocol);
        let Some(counter) = self.counters.get_mut((hash >> 16) as usize % COUNTERS as usize) else {
            return 0;
        };
        *counter = counter.wrapping_add(1);
        (hash as u16).wrapping_add(*counter)
    }

    fn hash(&self, src: Ipv4Addr, dst: Ipv4Addr, protocol: u8) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write_u64(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits()));
        hasher.write_u8(protocol);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeHost;
    use alloc::collections::BTreeSet;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

    // R6864-4.2-a
    #[test]
    fn no_number_comes_twice_before_all_have_come() {
        let (mut idents, mut host) = (Idents::default(), FakeHost::default());
        let seen: BTreeSet<u16> = (0..=u16::MAX).map(|_| idents.next(&mut host, A, B, 17)).collect();
        assert_eq!(seen.len(), 65_536);
    }

    #[test]
    fn flows_and_hosts_start_anywhere() {
        let mut host = FakeHost::default();
        let mut first = |dst, protocol| Idents::default().next(&mut host, A, dst, protocol);
        let starts = BTreeSet::from([first(B, 17), first(B, 17), first(B, 6), first(A, 17)]);
        assert_eq!(starts.len(), 4);
    }
}
