//! The neighbour cache: entries, and the packets that wait for them.
//!
//! Bounds: [`MAX_ENTRIES`] neighbours (the least recently used makes room; static ones stay), [`MAX_HELD`] packets for
//! each and [`MAX_HELD_TOTAL`] in all (the oldest of the same neighbour makes room, RFC 4861 §7.2.2).

use super::entry::{Entry, Tick};
use super::{Neighbor, NeighborState, NeighborTimers};
use crate::hash::{Map, map};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;
use stack_core::{Instant, LinkAddress, NeighborUpdate, NicId, Rng, TxPacket};

/// gVisor's and the BSDs' order of magnitude for one link's dynamic neighbours.
const MAX_ENTRIES: usize = 512;
const MAX_HELD: usize = 64;
const MAX_HELD_TOTAL: usize = 1024;
/// Confirmations by forward progress come with every acknowledgement; more of them than this tell nothing new.
const CONFIRM_INTERVAL: Duration = Duration::from_secs(1);

/// Packets that waited, oldest first.
pub(crate) type Held = VecDeque<Box<TxPacket>>;
type Key = (NicId, IpAddr);

/// What the host is to do about a neighbour.
#[derive(Debug)]
pub(crate) enum Action {
    /// Ask for its link address: all, or it alone; in the name of `source`, if that is ours.
    Solicit { nic: NicId, target: IpAddr, unicast: Option<LinkAddress>, source: Option<IpAddr> },
    /// It answered: these packets can be sent.
    Release { nic: NicId, packets: Held, link: LinkAddress },
    /// It does not answer: these packets can't be sent, and who goes on needs another neighbour.
    Failed { nic: NicId, target: IpAddr, packets: Held },
    /// It was a router and says that it is none.
    NoRouter { nic: NicId, target: IpAddr },
}

/// Where a packet goes.
#[derive(Debug)]
pub(crate) enum Resolution {
    /// To this link address, now.
    Send(Box<TxPacket>, LinkAddress),
    /// It waits; an older packet may have had to go.
    Held { evicted: Option<Box<TxPacket>> },
}

/// All neighbours of a host.
#[derive(Debug)]
pub(crate) struct NeighborCache {
    entries: Map<Key, (Entry, Held)>,
    /// Of IPv6 neighbours, where a router has said other than usual.
    timers: Vec<(NicId, NeighborTimers)>,
    actions: Vec<Action>,
    next: Option<Instant>,
    held_total: usize,
}

impl NeighborCache {
    pub(crate) fn new(seed: u64) -> Self {
        Self { entries: map(seed), timers: Vec::new(), actions: Vec::new(), next: None, held_total: 0 }
    }

    /// Finds the link address for a packet, or keeps it until it is known.
    pub(crate) fn resolve(
        &mut self,
        now: Instant,
        nic: NicId,
        address: IpAddr,
        packet: Box<TxPacket>,
    ) -> Resolution {
        if !self.entries.contains_key(&(nic, address)) {
            self.insert((nic, address), Entry::incomplete(now, self.timers(nic, address)));
            let source = Some(packet.ip.src);
            self.actions.push(Action::Solicit { nic, target: address, unicast: None, source });
        }
        let Some((entry, held)) = self.entries.get_mut(&(nic, address)) else {
            return Resolution::Held { evicted: Some(packet) };
        };
        let link = entry.send(now);
        self.next = earlier(self.next, entry.deadline);
        match link {
            Some(link) => Resolution::Send(packet, link),
            None => {
                let full = held.len() >= MAX_HELD || self.held_total >= MAX_HELD_TOTAL;
                let evicted = if full { held.pop_front() } else { None };
                if full && evicted.is_none() {
                    return Resolution::Held { evicted: Some(packet) };
                }
                held.push_back(packet);
                self.held_total += usize::from(evicted.is_none());
                Resolution::Held { evicted }
            }
        }
    }

    /// A neighbour spoke.
    pub(crate) fn update(&mut self, now: Instant, update: &NeighborUpdate, rng: &mut dyn Rng) {
        let key = (update.nic, update.address);
        if !self.entries.contains_key(&key) {
            let Some(link) = update.link.filter(|_| update.create) else { return };
            self.insert(key, Entry::learned(now, link, self.timers(key.0, key.1)));
        }
        let Some((entry, held)) = self.entries.get_mut(&key) else { return };
        let was_router = entry.router;
        entry.update(now, update, rng.next_u64());
        if was_router && !entry.router {
            self.actions.push(Action::NoRouter { nic: key.0, target: key.1 });
        }
        self.next = earlier(self.next, entry.deadline);
        if let Some(link) = entry.link.filter(|_| !held.is_empty()) {
            let packets = core::mem::take(held);
            self.held_total -= packets.len();
            self.actions.push(Action::Release { nic: key.0, packets, link });
        }
    }

    /// Forward progress through a neighbour; once a second is enough.
    pub(crate) fn confirm(&mut self, now: Instant, nic: NicId, address: IpAddr, rng: &mut dyn Rng) {
        let Some((entry, _)) = self.entries.get_mut(&(nic, address)) else { return };
        if entry.confirmed_at.is_none_or(|then| now.saturating_since(then) >= CONFIRM_INTERVAL) {
            entry.confirm(now, rng.next_u64());
            self.next = earlier(self.next, entry.deadline);
        }
    }

    /// Sets an entry by hand; it stays until it is removed.
    pub(crate) fn set_static(&mut self, now: Instant, nic: NicId, address: IpAddr, link: LinkAddress) {
        self.insert((nic, address), Entry::fixed(now, link));
    }

    /// A router has said how long things take among the IPv6 neighbours of an interface (R4861-6.3.4-c).
    pub(crate) fn set_timers(&mut self, nic: NicId, reachable: Option<Duration>, retrans: Option<Duration>) {
        let known = self.timers.iter().position(|(of, _)| *of == nic).unwrap_or_else(|| {
            self.timers.push((nic, NeighborTimers::default()));
            self.timers.len() - 1
        });
        let timers = &mut self.timers[known].1;
        timers.reachable = reachable.unwrap_or(timers.reachable);
        timers.retrans = retrans.unwrap_or(timers.retrans);
        for ((of, address), (entry, _)) in &mut self.entries {
            if *of == nic && address.is_ipv6() {
                entry.timers = *timers;
            }
        }
    }

    fn timers(&self, nic: NicId, address: IpAddr) -> NeighborTimers {
        let known = self.timers.iter().find(|(of, _)| *of == nic && address.is_ipv6());
        known.map(|(_, timers)| *timers).unwrap_or_default()
    }

    /// The link address of a neighbour, if it is known.
    pub(crate) fn link_of(&self, nic: NicId, address: IpAddr) -> Option<LinkAddress> {
        self.entries.get(&(nic, address)).and_then(|(entry, _)| entry.link)
    }

    /// Whether a neighbour is reachable or probably is: its entry is there and not INCOMPLETE (RFC 4861 §6.3.6).
    pub(crate) fn is_probably_reachable(&self, nic: NicId, address: IpAddr) -> bool {
        self.entries.get(&(nic, address)).is_some_and(|(entry, _)| entry.state != NeighborState::Incomplete)
    }

    /// Forgets the neighbours of an interface; returns the packets that waited.
    pub(crate) fn clear(&mut self, nic: NicId) -> Held {
        let mut lost = Held::new();
        self.entries.retain(|key, (_, held)| {
            if key.0 == nic {
                lost.append(held);
            }
            key.0 != nic
        });
        self.timers.retain(|(of, _)| *of != nic);
        self.held_total -= lost.len();
        lost
    }

    /// Lets time pass; what follows from it is in [`take_actions`](Self::take_actions).
    pub(crate) fn poll(&mut self, now: Instant) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        let mut gone = Vec::new();
        self.next = None;
        for (key, (entry, held)) in &mut self.entries {
            if entry.deadline.is_some_and(|deadline| deadline <= now) {
                match entry.handle_timeout(now) {
                    Tick::Quiet => {}
                    Tick::Solicit(unicast) => {
                        let source = held.front().map(|packet| packet.ip.src);
                        self.actions.push(Action::Solicit { nic: key.0, target: key.1, unicast, source });
                    }
                    Tick::Gone => gone.push(*key),
                }
            }
            self.next = earlier(self.next, entry.deadline);
        }
        for key in gone {
            let packets = self.remove(&key);
            self.actions.push(Action::Failed { nic: key.0, target: key.1, packets });
        }
    }

    /// When [`poll`](Self::poll) wants to be called.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// What is to be done, once.
    pub(crate) fn take_actions(&mut self) -> Vec<Action> {
        core::mem::take(&mut self.actions)
    }

    /// Whether something is to be done.
    pub(crate) fn has_actions(&self) -> bool {
        !self.actions.is_empty()
    }

    /// The neighbours of an interface.
    pub(crate) fn list(&self, nic: NicId) -> impl Iterator<Item = Neighbor> + '_ {
        self.entries.iter().filter(move |(key, _)| key.0 == nic).map(|((nic, address), (entry, _))| {
            Neighbor {
                nic: *nic,
                address: *address,
                link: entry.link,
                state: entry.state,
                router: entry.router,
            }
        })
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&key) {
            let candidates = self.entries.iter().filter(|(_, (e, _))| e.state != NeighborState::Static);
            let oldest = candidates.min_by_key(|(_, (entry, _))| entry.used_at).map(|(key, _)| *key);
            if let Some(oldest) = oldest {
                let packets = self.remove(&oldest);
                if !packets.is_empty() {
                    self.actions.push(Action::Failed { nic: oldest.0, target: oldest.1, packets });
                }
            }
        }
        self.next = earlier(self.next, entry.deadline);
        let held = self.entries.remove(&key).map(|(_, held)| held).unwrap_or_default();
        self.entries.insert(key, (entry, held));
    }

    fn remove(&mut self, key: &Key) -> Held {
        let packets = self.entries.remove(key).map(|(_, packets)| packets).unwrap_or_default();
        self.held_total -= packets.len();
        packets
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIC: NicId = NicId(1);
    const LINK: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 9]);

    struct Zero;

    impl Rng for Zero {
        fn next_u64(&mut self) -> u64 {
            0
        }
    }

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    fn packet(mark: u32) -> Box<TxPacket> {
        let mut packet = Box::new(TxPacket::new());
        packet.mark = mark;
        packet
    }

    fn answer(n: u32) -> NeighborUpdate {
        let (address, link) = (address(n), Some(LINK));
        NeighborUpdate {
            nic: NIC,
            address,
            link,
            solicited: true,
            overrides: true,
            router: None,
            create: false,
        }
    }

    // R1122-2.3.2.2-a
    #[test]
    fn packets_wait_in_order_and_leave_with_the_answer() {
        let mut cache = NeighborCache::new(1);
        for mark in 0..3 {
            assert!(matches!(
                cache.resolve(Instant::ZERO, NIC, address(1), packet(mark)),
                Resolution::Held { evicted: None }
            ));
        }
        assert_eq!(cache.take_actions().len(), 1, "one request for three packets");
        cache.update(Instant::ZERO, &answer(1), &mut Zero);
        let [Action::Release { packets, link: LINK, .. }] = &cache.take_actions()[..] else {
            panic!("not released")
        };
        assert_eq!(packets.iter().map(|p| p.mark).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(matches!(
            cache.resolve(Instant::ZERO, NIC, address(1), packet(9)),
            Resolution::Send(_, LINK)
        ));
        assert_eq!(cache.held_total, 0);
    }

    // R4861-7.2.2-a
    #[test]
    fn silence_fails_what_waited_after_three_requests() {
        let mut cache = NeighborCache::new(1);
        cache.resolve(Instant::ZERO, NIC, address(1), packet(5));
        let mut asked = 0;
        while let Some(next) = cache.poll_timeout() {
            asked += cache.take_actions().len();
            cache.poll(next);
            if let Some(Action::Failed { packets, .. }) = cache.actions.first() {
                assert_eq!((next, packets.len(), asked), (Instant::from_secs(3), 1, 3));
                return;
            }
        }
        panic!("never failed");
    }

    // R4861-7.2.2-b, R4861-7.2.5-a
    #[test]
    fn unsolicited_news_makes_no_entry_and_floods_stay_bounded() {
        let mut cache = NeighborCache::new(1);
        cache.update(Instant::ZERO, &answer(1), &mut Zero);
        assert!(cache.entries.is_empty());
        for n in 0..10_000 {
            let update = NeighborUpdate { create: true, solicited: false, ..answer(n) };
            cache.update(Instant::from_secs(u64::from(n)), &update, &mut Zero);
            cache.resolve(Instant::ZERO, NIC, address(n ^ 0x8000_0000), packet(n));
        }
        assert!(cache.entries.len() <= MAX_ENTRIES);
        assert!(cache.held_total <= MAX_HELD_TOTAL);
        for mark in 0..200 {
            cache.resolve(Instant::ZERO, NIC, address(0xffff_0000), packet(mark));
        }
        let held = &cache.entries[&(NIC, address(0xffff_0000))].1;
        let (oldest, newest) = (held.front().unwrap().mark, held.back().unwrap().mark);
        assert_eq!((held.len(), oldest, newest), (MAX_HELD, 200 - MAX_HELD as u32, 199));
    }

    #[test]
    fn static_entries_stay() {
        let mut cache = NeighborCache::new(1);
        cache.set_static(Instant::ZERO, NIC, address(7), LINK);
        for n in 100..2_000 {
            let update = NeighborUpdate { create: true, ..answer(n) };
            cache.update(Instant::from_secs(1), &update, &mut Zero);
        }
        assert!(matches!(
            cache.resolve(Instant::ZERO, NIC, address(7), packet(0)),
            Resolution::Send(_, LINK)
        ));
        cache.clear(NIC);
        assert_eq!(cache.list(NIC).count(), 0);
    }
}
