//! The store's accounts; how fragments become packets is tested where each family makes them.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

fn insert(
    store: &mut Reassembly<u16>,
    now: Instant,
    limits: &ReassemblyLimits,
    key: u16,
    at: u16,
    more: bool,
    len: usize,
) {
    let packet = RxPacket::new(Bytes::from(alloc::vec![key as u8; len + 1]), 0, now);
    let fragment = Fragment { packet: &packet, header_len: 1, start: at * 8, more };
    // What is refused is charged to nobody: that is what is looked at.
    let _ = store.insert(now, limits, key, &fragment);
}

proptest! {
    #[test]
    fn no_sequence_of_fragments_breaks_the_accounts(
        fragments in proptest::collection::vec((0..3u16, 0..12u16, any::<bool>(), 0..40usize), 0..200),
    ) {
        let limits = ReassemblyLimits { high: 6000, low: 4000, ..ReassemblyLimits::default() };
        let (mut store, mut now) = (Reassembly::default(), Instant::ZERO);
        for (key, at, more, len) in fragments {
            now += Duration::from_millis(500);
            insert(&mut store, now, &limits, key, at, more, len);
            while store.pop_expired(now).is_some() {}
            prop_assert_eq!(store.cost, store.datagrams.values().map(Datagram::cost).sum::<usize>());
            prop_assert!(store.cost <= limits.high);
            prop_assert_eq!(store.by_age.len(), store.datagrams.len());
        }
        now += Duration::from_secs(60);
        while store.pop_expired(now).is_some() {}
        prop_assert_eq!((store.cost, store.next_deadline()), (0, None));
    }
}

#[test]
fn what_ended_in_vain_is_told_once() {
    let mut store = Reassembly::default();
    let limits = ReassemblyLimits::default();
    insert(&mut store, Instant::ZERO, &limits, 1, 1, true, 8);
    insert(&mut store, Instant::ZERO, &limits, 1, 2, true, 8);
    assert_eq!(store.pop_lost(), None);
    assert!(matches!(store.pop_expired(Instant::from_secs(60)), Some(None)));
    assert_eq!(store.pop_lost(), Some((FragmentLoss::Timeout, 2)));
    assert_eq!(store.pop_lost(), None);
}
