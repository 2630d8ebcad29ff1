//! May we use an address, and what if somebody else does too: RFC 5227.
//!
//! ```text
//! Tentative → probing: wait 0–1 s, three probes 1–2 s apart, wait 2 s ─→ ready → announcing: two, 2 s apart → quiet
//!                 └─ anybody who has it, or probes for it too ─→ conflict
//! Preferred ──────────────────────────────────────────────────────────────────→ announcing
//! in use, and somebody else claims it → defended (§2.4), or given up
//! ```
//!
//! An address is remembered here only as long as there is something to do for it: the list is short, and never longer
//! than the interface has addresses.

use crate::receive::{is_in_use, link_address};
use crate::{ConflictPolicy, Endpoint, send};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;
use stack_core::{AddressState, Effect, Instant, LinkAddress, Medium, NetCx};
use stack_wire::arp::Packet;
use stack_wire::ethernet::MacAddr;

// RFC 5227 §1.1, under the names that it has there.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const PROBE_NUM: u8 = 3;
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(2);
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_NUM: u8 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const MAX_CONFLICTS: u32 = 10;
const RATE_LIMIT_INTERVAL: Duration = Duration::from_secs(60);
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// So many probes are out.
    Probing(u8),
    /// So many announcements are out.
    Announcing(u8),
    /// Nothing to send; a conflict is remembered until the deadline.
    Quiet,
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    address: Ipv4Addr,
    stage: Stage,
    deadline: Instant,
    last_conflict: Option<Instant>,
}

/// The addresses of one interface for which there is something to do.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    list: Vec<Claim>,
    /// Probed addresses that others had (§2.1.1).
    conflicts: u32,
}

impl Claims {
    /// When the next of them has to send or may be forgotten.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.list.iter().map(|claim| claim.deadline).min()
    }

    /// The address is no longer the interface's.
    pub(crate) fn remove(&mut self, address: Ipv4Addr) {
        self.list.retain(|claim| claim.address != address);
    }

    fn find(&mut self, address: Ipv4Addr) -> Option<&mut Claim> {
        self.list.iter_mut().find(|claim| claim.address == address)
    }

    fn is_probing(&self, address: Ipv4Addr) -> bool {
        let probing = |claim: &Claim| matches!(claim.stage, Stage::Probing(_));
        self.list.iter().any(|claim| claim.address == address && probing(claim))
    }

    /// Puts a claim at its next stage.
    fn set(&mut self, address: Ipv4Addr, stage: Stage, deadline: Instant) {
        match self.find(address) {
            Some(claim) => (claim.stage, claim.deadline) = (stage, deadline),
            None => self.list.push(Claim { address, stage, deadline, last_conflict: None }),
        }
    }
}

impl Endpoint {
    /// The interface was given an address.
    pub(crate) fn claim(&mut self, cx: &mut NetCx<'_>, address: Ipv4Addr, state: AddressState) {
        let can_ask = cx.nic.link_address.is_some() && cx.nic.capabilities.medium == Medium::Ethernet;
        match state {
            AddressState::Tentative if !can_ask => ready(cx, address),
            AddressState::Tentative => self.start_probing(cx, address),
            AddressState::Preferred if can_ask && self.config.announce => {
                // The host may say of an address that came through probing that it is in use now.
                if self.claims.find(address).is_none() {
                    self.announce(cx, address, 0);
                }
            }
            AddressState::Preferred | AddressState::Deprecated | AddressState::Duplicate => {}
        }
    }

    // R5227-2.1.1-a
    fn start_probing(&mut self, cx: &mut NetCx<'_>, address: Ipv4Addr) {
        let slow = self.claims.conflicts >= MAX_CONFLICTS;
        let first = if slow { RATE_LIMIT_INTERVAL } else { Duration::ZERO };
        let wait = random_between(cx, first, first + PROBE_WAIT);
        self.claims.set(address, Stage::Probing(0), cx.now + wait);
    }

    /// Does what is due.
    pub(crate) fn advance_claims(&mut self, cx: &mut NetCx<'_>) {
        let now = cx.now;
        let due: Vec<Claim> =
            self.claims.list.iter().filter(|claim| claim.deadline <= now).copied().collect();
        for claim in due {
            match claim.stage {
                Stage::Probing(PROBE_NUM..) => {
                    self.claims.remove(claim.address);
                    ready(cx, claim.address);
                    self.announce(cx, claim.address, 0); // R5227-2.3-a
                }
                Stage::Probing(sent) => self.probe(cx, claim.address, sent),
                Stage::Announcing(sent) => self.announce(cx, claim.address, sent),
                Stage::Quiet => self.claims.remove(claim.address),
            }
        }
    }

    // R5227-2.1.1-a
    fn probe(&mut self, cx: &mut NetCx<'_>, address: Ipv4Addr, sent: u8) {
        send_request(cx, Ipv4Addr::UNSPECIFIED, address);
        let last = sent + 1 >= PROBE_NUM;
        let wait = if last { ANNOUNCE_WAIT } else { random_between(cx, PROBE_MIN, PROBE_MAX) };
        self.claims.set(address, Stage::Probing(sent + 1), cx.now + wait);
    }

    // R5227-2.3-a
    fn announce(&mut self, cx: &mut NetCx<'_>, address: Ipv4Addr, sent: u8) {
        send_request(cx, address, address);
        let last = sent + 1 >= ANNOUNCE_NUM;
        let remembered = self.claims.find(address).and_then(|claim| claim.last_conflict);
        match (last, remembered) {
            (false, _) => {
                self.claims.set(address, Stage::Announcing(sent + 1), cx.now + ANNOUNCE_INTERVAL);
            }
            (true, Some(conflict)) => self.claims.set(address, Stage::Quiet, conflict + DEFEND_INTERVAL),
            (true, None) => self.claims.remove(address),
        }
    }

    /// Whether the sender lays claim to an address that we want or have; then it has been dealt with.
    pub(crate) fn detect_conflict(&mut self, cx: &mut NetCx<'_>, arp: &Packet) -> bool {
        let (sender, target, link) = (arp.sender_ip(), arp.target_ip(), link_address(arp));
        // R5227-2.1.1-b, R5227-2.1.1-c
        let wanted = [Some(sender), arp.is_probe().then_some(target)];
        if let Some(address) = wanted.into_iter().flatten().find(|address| self.claims.is_probing(*address)) {
            self.claims.conflicts = self.claims.conflicts.saturating_add(1);
            self.give_up(cx, address, link);
            return true;
        }
        let conflict = !sender.is_unspecified() && is_in_use(cx, sender);
        if conflict {
            self.defend(cx, sender, link);
        }
        conflict
    }

    // R5227-2.4-a
    fn defend(&mut self, cx: &mut NetCx<'_>, address: Ipv4Addr, link: LinkAddress) {
        let now = cx.now;
        let last = self.claims.find(address).and_then(|claim| claim.last_conflict);
        let recent = last.is_some_and(|last| now < last + DEFEND_INTERVAL);
        match (self.config.conflict, recent) {
            (ConflictPolicy::GiveUp, _) | (ConflictPolicy::Defend, true) => self.give_up(cx, address, link),
            (ConflictPolicy::DefendAlways, true) => {}
            (ConflictPolicy::Defend | ConflictPolicy::DefendAlways, false) => {
                send_request(cx, address, address);
                if self.claims.find(address).is_none_or(|claim| claim.stage == Stage::Quiet) {
                    self.claims.set(address, Stage::Quiet, now + DEFEND_INTERVAL);
                }
                if let Some(claim) = self.claims.find(address) {
                    claim.last_conflict = Some(now);
                }
            }
        }
    }

    fn give_up(&mut self, cx: &mut NetCx<'_>, address: Ipv4Addr, link: LinkAddress) {
        self.claims.remove(address);
        let nic = cx.nic.id;
        cx.emit(Effect::AddressConflict { nic, address: address.into(), link });
    }
}

fn ready(cx: &mut NetCx<'_>, address: Ipv4Addr) {
    let nic = cx.nic.id;
    cx.emit(Effect::AddressReady { nic, address: address.into() });
}

/// A probe without a source, an announcement with the source equal to the target.
fn send_request(cx: &mut NetCx<'_>, source: Ipv4Addr, target: Ipv4Addr) {
    if let Some(ours) = cx.nic.link_address {
        send(cx, &Packet::request(MacAddr(ours.0), source, target), LinkAddress::BROADCAST);
    }
}

fn random_between(cx: &mut NetCx<'_>, min: Duration, max: Duration) -> Duration {
    let span = u64::try_from((max - min).as_nanos()).unwrap_or(u64::MAX);
    min + Duration::from_nanos(cx.host.random() % span.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ArpConfig;
    use crate::testing::{NIC, Net, THEIRS, sent};
    use proptest::prelude::*;
    use stack_core::{DropReason, LinkCapabilities, NetworkEndpoint, Verdict};

    const NEW: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);
    const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const CONFLICT: Verdict = Verdict::Drop(DropReason::AddressConflict);

    /// Adds 10.0.0.50 and tells the endpoint.
    fn added(state: AddressState, config: ArpConfig) -> Net {
        let mut net = Net::with(config);
        net.add("10.0.0.50/24", state);
        let address = *net.addresses.last().unwrap();
        net.call(|arp, cx| arp.address_added(cx, &address));
        net
    }

    /// Runs the clock to the next deadline: the time, and what was sent then.
    fn step(net: &mut Net) -> (Instant, Option<Packet>) {
        net.now = net.poll_timeout().unwrap();
        net.handle_timeout();
        let packet = sent(net).map(|(to, packet)| {
            assert_eq!(to, LinkAddress::BROADCAST);
            packet
        });
        assert!(net.wire.is_empty());
        (net.now, packet)
    }

    fn sources(packet: Option<Packet>) -> (Ipv4Addr, Ipv4Addr) {
        let packet = packet.unwrap();
        assert!(packet.is_request());
        (packet.sender_ip(), packet.target_ip())
    }

    // R5227-2.1.1-a, R5227-2.3-a
    #[test]
    fn three_probes_then_ready_then_two_announcements() {
        let mut net = added(AddressState::Tentative, ArpConfig::default());
        assert!(net.wire.is_empty());
        let mut times = Vec::new();
        for _ in 0..3 {
            let (at, packet) = step(&mut net);
            assert_eq!(sources(packet), (Ipv4Addr::UNSPECIFIED, NEW));
            times.push(at);
            assert!(net.effects.is_empty());
        }
        assert!(times[0] <= Instant::ZERO + PROBE_WAIT);
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            assert!((PROBE_MIN..=PROBE_MAX).contains(&gap), "{gap:?}");
        }
        let (at, packet) = step(&mut net);
        assert_eq!((at - times[2], sources(packet)), (ANNOUNCE_WAIT, (NEW, NEW)));
        let Some(Effect::AddressReady { nic: NIC, address }) = net.effects.pop() else { panic!() };
        assert_eq!(address, NEW);
        // The host makes it preferred and says so: no third announcement.
        net.addresses.last_mut().unwrap().state = AddressState::Preferred;
        let address = *net.addresses.last().unwrap();
        net.call(|arp, cx| arp.address_added(cx, &address));
        let (again, packet) = step(&mut net);
        assert_eq!((again - at, sources(packet)), (ANNOUNCE_INTERVAL, (NEW, NEW)));
        assert_eq!(net.poll_timeout(), None);
    }

    #[test]
    fn addresses_in_use_are_announced_if_wanted() {
        let mut net = added(AddressState::Preferred, ArpConfig::default());
        assert_eq!(sources(sent(&mut net).map(|(_, packet)| packet)), (NEW, NEW));
        assert_eq!(step(&mut net).0, Instant::ZERO + ANNOUNCE_INTERVAL);
        assert_eq!(net.poll_timeout(), None);
        for (state, announce) in [(AddressState::Deprecated, true), (AddressState::Preferred, false)] {
            let net = added(state, ArpConfig { announce, ..ArpConfig::default() });
            assert!(net.wire.is_empty() && net.poll_timeout().is_none());
        }
    }

    #[test]
    fn without_a_link_to_ask_on_an_address_is_ready_at_once() {
        let mut net = Net::new();
        net.capabilities = LinkCapabilities::plain(Medium::Ip, 1500);
        net.add("10.0.0.50/24", AddressState::Tentative);
        let address = *net.addresses.last().unwrap();
        net.call(|arp, cx| arp.address_added(cx, &address));
        assert!(matches!(net.effects[..], [Effect::AddressReady { .. }]));
        assert!(net.wire.is_empty() && net.poll_timeout().is_none());
    }

    #[test]
    fn others_who_want_the_address() {
        let mac = MacAddr(THEIRS.0);
        let peer = Ipv4Addr::new(10, 0, 0, 9);
        for (situation, packet, conflict) in [
            ("R5227-2.1.1-b: in a request", Packet::request(mac, NEW, peer), true),
            ("R5227-2.1.1-b: in a reply", Packet::reply(mac, NEW, mac, peer), true),
            ("R5227-2.1.1-b: announced", Packet::request(mac, NEW, NEW), true),
            ("R5227-2.1.1-c: probed", Packet::request(mac, Ipv4Addr::UNSPECIFIED, NEW), true),
            ("asked for", Packet::request(mac, peer, NEW), false),
        ] {
            let mut net = added(AddressState::Tentative, ArpConfig::default());
            step(&mut net);
            let verdict = net.receive(&packet.to_bytes());
            assert_eq!(verdict == CONFLICT, conflict, "{situation}");
            let told = matches!(
                net.effects[..],
                [Effect::AddressConflict { nic: NIC, address, link: THEIRS }] if address == NEW
            );
            assert_eq!(told, conflict, "{situation}");
            assert_eq!(net.poll_timeout().is_none(), conflict, "{situation}");
        }
    }

    #[test]
    fn our_own_probe_that_comes_back_is_no_conflict() {
        let mut net = added(AddressState::Tentative, ArpConfig::default());
        let (_, probe) = step(&mut net);
        assert_eq!(net.receive(&probe.unwrap().to_bytes()), Verdict::Drop(DropReason::ArpInvalid));
        assert!(net.effects.is_empty() && net.poll_timeout().is_some());
    }

    #[test]
    fn after_ten_conflicts_probing_slows_down() {
        let mut net = added(AddressState::Tentative, ArpConfig::default());
        let claim = Packet::request(MacAddr(THEIRS.0), NEW, NEW).to_bytes();
        let address = *net.addresses.last().unwrap();
        for _ in 0..MAX_CONFLICTS {
            assert!(net.poll_timeout().unwrap() <= net.now + PROBE_WAIT);
            assert_eq!(net.receive(&claim), CONFLICT);
            net.call(|arp, cx| arp.address_added(cx, &address));
        }
        assert!(net.poll_timeout().unwrap() >= net.now + RATE_LIMIT_INTERVAL);
    }

    // R5227-2.4-a
    #[test]
    fn defence_by_policy() {
        use ConflictPolicy::*;
        // (policy, seconds of conflicts, which of them are defended, which makes us give up)
        for (policy, conflicts, defended, given_up) in [
            (GiveUp, &[5][..], &[][..], Some(5)),
            (Defend, &[5, 15, 26], &[5, 15, 26], None),
            (Defend, &[5, 14], &[5], Some(14)),
            (DefendAlways, &[5, 6, 14, 15, 20], &[5, 15], None),
        ] {
            let mut net = Net::with(ArpConfig { conflict: policy, ..ArpConfig::default() });
            let claim = Packet::request(MacAddr(THEIRS.0), US, Ipv4Addr::new(10, 0, 0, 9)).to_bytes();
            for at in conflicts {
                while net.poll_timeout().is_some_and(|deadline| deadline <= Instant::from_secs(*at)) {
                    assert_eq!(step(&mut net).1, None, "nothing is sent by the clock");
                }
                net.now = Instant::from_secs(*at);
                assert_eq!(net.receive(&claim), CONFLICT, "{policy:?}");
                let announced = sent(&mut net).map(|(_, packet)| sources(Some(packet)));
                assert_eq!(announced, defended.contains(at).then_some((US, US)), "{policy:?} at {at}");
                let gone = matches!(net.effects.pop(), Some(Effect::AddressConflict { link: THEIRS, .. }));
                assert_eq!(gone, given_up == Some(*at), "{policy:?} at {at}");
            }
        }
    }

    #[test]
    fn a_conflict_while_announcing_is_remembered() {
        let mut net = added(AddressState::Preferred, ArpConfig::default());
        net.wire.clear();
        let claim = Packet::request(MacAddr(THEIRS.0), NEW, NEW).to_bytes();
        assert_eq!(net.receive(&claim), CONFLICT);
        assert!(sent(&mut net).is_some() && net.effects.is_empty());
        step(&mut net);
        assert_eq!(net.poll_timeout(), Some(Instant::ZERO + DEFEND_INTERVAL));
        net.now = Instant::from_secs(9);
        assert_eq!(net.receive(&claim), CONFLICT);
        assert!(matches!(net.effects[..], [Effect::AddressConflict { .. }]));
        assert_eq!(net.poll_timeout(), None);
    }

    proptest! {
        #[test]
        fn nothing_that_others_send_makes_the_list_grow_or_the_clock_run_back(
            events in proptest::collection::vec((0..6u8, 0..5u8, 0..20_000u64), 0..80), policy in 0..3usize,
        ) {
            let policy = [ConflictPolicy::GiveUp, ConflictPolicy::Defend, ConflictPolicy::DefendAlways][policy];
            let mut net = added(AddressState::Tentative, ArpConfig { conflict: policy, announce: true });
            let addresses = net.addresses.len();
            for (kind, host, wait) in events {
                net.now += Duration::from_millis(wait);
                net.handle_timeout();
                prop_assert!(net.poll_timeout().is_none_or(|deadline| deadline > net.now));
                let them = Ipv4Addr::new(10, 0, 0, [1, 50, 9, 77, 0][usize::from(host)]);
                let packet = match kind {
                    0 => Packet::request(MacAddr(THEIRS.0), them, NEW),
                    1 => Packet::request(MacAddr(THEIRS.0), Ipv4Addr::UNSPECIFIED, them),
                    2 => Packet::reply(MacAddr(THEIRS.0), them, MacAddr(THEIRS.0), US),
                    _ => Packet::request(MacAddr(THEIRS.0), them, them),
                };
                let before = net.wire.len();
                net.receive(&packet.to_bytes());
                prop_assert!(net.wire.len() <= before + 1);
                net.call(|arp, _| assert!(arp.claims.list.len() <= addresses));
            }
        }
    }

    #[test]
    fn a_removed_address_is_forgotten() {
        let mut net = added(AddressState::Tentative, ArpConfig::default());
        let address = net.addresses.pop().unwrap();
        net.call(|arp, cx| arp.address_removed(cx, &address));
        assert_eq!(net.poll_timeout(), None);
    }
}
