//! Who has which link address: neighbour solicitations and advertisements, RFC 4861 §7.
//!
//! The neighbour cache and its clock are the host's: what is learned leaves as [`NeighborUpdate`], and the host says
//! when to ask. Answers go straight to the wire, to the link address that the question came from: no route and no
//! cache entry is needed to answer whoever is on the link. What concerns an address that is being probed goes to `dad.rs`.

use super::message::{ALL_NODES, Message};
use super::{Envelope, dad};
use crate::{Endpoint, icmp};
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use stack_core::{DropReason, Effect, Instant, LinkAddress, LinkAddressResolver, NeighborUpdate, NetCx};
use stack_wire::ethernet::MacAddr;
use stack_wire::icmpv6::kind;
use stack_wire::ndp::{Neighbor, option, solicited_node};

/// How often neighbours are told of another link address: RFC 4861 §10, `MAX_NEIGHBOR_ADVERTISEMENT`.
const MAX_NEIGHBOR_ADVERTISEMENT: u8 = 3;

/// Bits of an advertisement: RFC 4861 §4.4.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

impl Endpoint {
    /// A solicitation or advertisement.
    pub(super) fn neighbor_message(
        &mut self,
        cx: &mut NetCx<'_>,
        envelope: Envelope,
        message: &[u8],
    ) -> Result<(), DropReason> {
        // R4861-7.1.1-a, R4861-7.1.2-a: the parser judges code, length, target and options.
        let message = Neighbor::parse(message).map_err(|_| DropReason::NdpInvalid)?;
        if message.is_solicit() {
            self.solicited(cx, envelope, &message)
        } else {
            self.advertised(cx, envelope, &message)
        }
    }

    /// Somebody asks for a link address.
    fn solicited(
        &mut self,
        cx: &mut NetCx<'_>,
        Envelope { src, dst, link_src }: Envelope,
        message: &Neighbor<'_>,
    ) -> Result<(), DropReason> {
        let (target, source_link) = (message.target(), source_link(message));
        // R4861-7.1.1-b
        if src.is_unspecified() && (dst != solicited_node(target) || message.source_link_address().is_some())
        {
            return Err(DropReason::NdpInvalid);
        }
        if dad::is_tentative(cx, target) {
            let nonce = message.options().first(option::NONCE);
            return Err(self.tentative_solicited(cx, target, src, nonce)); // R4861-7.2.3-a
        }
        if !is_in_use(cx, target) {
            return Err(DropReason::NotLocal); // R4861-7.2.3-a
        }
        if src.is_unspecified() {
            // Somebody wants the address for itself: all shall know that it is taken.
            let everyone = LinkAddress::of_multicast_group(ALL_NODES.into());
            advertise(cx, target, ALL_NODES, everyone, OVERRIDE);
            return Ok(());
        }
        if let Some(link) = source_link {
            learn(cx, Learned { address: src, link: Some(link), create: true, ..Learned::default() }); // R4861-7.2.3-b
        }
        advertise(cx, target, src, source_link.unwrap_or(link_src), SOLICITED | OVERRIDE);
        Ok(())
    }

    /// Somebody tells its link address.
    fn advertised(
        &mut self,
        cx: &mut NetCx<'_>,
        Envelope { dst, .. }: Envelope,
        message: &Neighbor<'_>,
    ) -> Result<(), DropReason> {
        let (flags, target) = (message.flags(), message.target());
        // R4861-7.1.2-a
        if dst.is_multicast() && flags.solicited {
            return Err(DropReason::NdpInvalid);
        }
        if dad::is_tentative(cx, target) {
            self.duplicate(cx, target); // R4862-5.4.4-a
            return Err(DropReason::AddressConflict);
        }
        let link = usable(message.target_link_address());
        if is_in_use(cx, target) {
            // RFC 4862 §5.4.4 leaves open what to do about an address in use: keep it.
            return Err(DropReason::AddressConflict);
        }
        // R4861-7.2.5-a: no entry is made; what happens to one that is there, the cache knows (R4861-7.2.5-b to -d).
        learn(
            cx,
            Learned {
                address: target,
                link,
                solicited: flags.solicited,
                overrides: flags.override_cached,
                router: Some(flags.router),
                create: false,
            },
        );
        Ok(())
    }
}

/// What a message says of its sender.
pub(super) struct Learned {
    pub(super) address: Ipv6Addr,
    pub(super) link: Option<LinkAddress>,
    pub(super) solicited: bool,
    pub(super) overrides: bool,
    pub(super) router: Option<bool>,
    pub(super) create: bool,
}

impl Default for Learned {
    fn default() -> Self {
        let address = Ipv6Addr::UNSPECIFIED;
        Self { address, link: None, solicited: false, overrides: true, router: None, create: false }
    }
}

pub(super) fn learn(cx: &mut NetCx<'_>, learned: Learned) {
    let Learned { address, link, solicited, overrides, router, create } = learned;
    let (nic, address) = (cx.nic.id, address.into());
    cx.emit(Effect::Neighbor(NeighborUpdate { nic, address, link, solicited, overrides, router, create }));
}

/// The link address of a solicitation's sender, if it is one that a station can have.
fn source_link(message: &Neighbor<'_>) -> Option<LinkAddress> {
    usable(message.source_link_address())
}

pub(super) fn usable(mac: Option<MacAddr>) -> Option<LinkAddress> {
    mac.map(|mac| LinkAddress(mac.0)).filter(|link| link.is_unicast())
}

/// Whether the address is one of this interface, and not merely wished for.
fn is_in_use(cx: &NetCx<'_>, address: Ipv6Addr) -> bool {
    let address = IpAddr::V6(address);
    cx.host.check_local_address(Some(cx.nic.id), address).is_some()
        && !cx.nic.addresses.iter().any(|own| own.address() == address && !own.state.is_usable())
}

/// R4861-7.2.4-a, R4861-7.2.4-b
fn advertise(cx: &mut NetCx<'_>, target: Ipv6Addr, to: Ipv6Addr, link: LinkAddress, flags: u8) {
    let router = if cx.nic.forwarding { ROUTER } else { 0 };
    let fixed = [&[flags | router, 0, 0, 0][..], &target.octets()].concat();
    Message::new(kind::NEIGHBOR_ADVERT, &fixed)
        .link_address(option::TARGET_LINK_ADDRESS, cx.nic.link_address)
        .send(cx, target, to, link);
}

/// Advertisements that nobody asked for, after our link address has changed (R4861-7.2.6-a).
#[derive(Debug, Default)]
pub(super) struct Announcements {
    left: u8,
    deadline: Option<Instant>,
}

impl Announcements {
    pub(super) fn start(&mut self, now: Instant) {
        *self = Self { left: MAX_NEIGHBOR_ADVERTISEMENT, deadline: Some(now) };
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn continue_announcing(&mut self, cx: &mut NetCx<'_>, retrans_timer: Duration) {
        if self.deadline.is_none_or(|deadline| deadline > cx.now) {
            return;
        }
        self.left = self.left.saturating_sub(1);
        self.deadline = (self.left > 0).then_some(cx.now + retrans_timer);
        let everyone = LinkAddress::of_multicast_group(ALL_NODES.into());
        for own in cx.nic.addresses {
            if let (IpAddr::V6(address), true) = (own.address(), own.state.is_usable()) {
                advertise(cx, address, ALL_NODES, everyone, OVERRIDE);
            }
        }
    }
}

impl LinkAddressResolver for Endpoint {
    fn resolves(&self, address: IpAddr) -> bool {
        address.is_ipv6()
    }

    /// R4861-7.2.2-a. Without an address of our own there is nothing to ask from.
    fn request(
        &mut self,
        cx: &mut NetCx<'_>,
        target: IpAddr,
        source: Option<IpAddr>,
        unicast: Option<LinkAddress>,
    ) {
        let source = match source {
            Some(IpAddr::V6(source)) => Some(source),
            _ => icmp::source_near(&cx.nic, target),
        };
        let (IpAddr::V6(target), Some(source)) = (target, source) else { return };
        let (dst, link) = match unicast {
            Some(link) => (target, link),
            None => {
                let group = solicited_node(target);
                (group, LinkAddress::of_multicast_group(group.into()))
            }
        };
        let fixed = [&[0; 4][..], &target.octets()].concat();
        Message::new(kind::NEIGHBOR_SOLICIT, &fixed)
            .link_address(option::SOURCE_LINK_ADDRESS, cx.nic.link_address)
            .send(cx, source, dst, link);
    }

    // R4861-7.2.5-d
    fn router_is_host(&mut self, cx: &mut NetCx<'_>, address: IpAddr) {
        if let IpAddr::V6(address) = address {
            self.forget_router(cx, address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NIC, Net, OURS, THEIRS, packet};
    use alloc::vec::Vec;
    use etherparse::{Icmpv6Slice, Icmpv6Type, Ipv6Slice};
    use stack_core::{AddressState, Verdict};
    use stack_wire::checksum::pseudo_header;
    use stack_wire::ndp::{AdvertFlags, Emit};

    const US: &str = "fe80::1";
    const PEER: &str = "fe80::9";
    const GROUP: &str = "ff02::1:ff00:1";
    const INVALID: Verdict = Verdict::Drop(DropReason::NdpInvalid);

    fn address(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    /// A message with hop limit 255 and a right checksum.
    fn neighbor(src: &str, dst: &str, emit: &Emit) -> Vec<u8> {
        let len = emit.message_len();
        let mut message = alloc::vec![0; len];
        emit.write(&mut message, pseudo_header(address(src).into(), address(dst).into(), 58, len as u32));
        let mut packet = packet(src, dst, 58, &message);
        packet[7] = 255;
        packet
    }

    fn solicit(src: &str, dst: &str, target: &str, link: Option<LinkAddress>) -> Vec<u8> {
        neighbor(src, dst, &Emit::solicit(address(target), link.map(|link| MacAddr(link.0))))
    }

    fn advert(dst: &str, flags: AdvertFlags, link: Option<LinkAddress>) -> Vec<u8> {
        neighbor(PEER, dst, &Emit::advert(address(PEER), flags, link.map(|link| MacAddr(link.0))))
    }

    fn learned(net: &mut Net) -> Option<NeighborUpdate> {
        assert!(net.effects.len() <= 1);
        match net.effects.pop() {
            Some(Effect::Neighbor(update)) => Some(update),
            other => {
                assert!(other.is_none(), "{other:?}");
                None
            }
        }
    }

    /// What was put on the wire: to whom on the link, IP source and destination, and the message.
    fn sent(net: &mut Net) -> Option<(LinkAddress, Ipv6Addr, Ipv6Addr, Vec<u8>)> {
        let packet = net.wire.pop()?;
        assert_eq!(packet.ether_type, 0x86dd);
        let bytes = packet.to_bytes();
        let theirs = Ipv6Slice::from_slice(&bytes).unwrap();
        let header = theirs.header();
        let payload = theirs.payload().payload;
        assert_eq!(header.hop_limit(), 255);
        let icmp = Icmpv6Slice::from_slice(payload).unwrap();
        assert!(icmp.is_checksum_valid(header.source(), header.destination()));
        Some((packet.link_dst, header.source_addr(), header.destination_addr(), payload.to_vec()))
    }

    // R4861-7.2.4-a, R4861-7.2.3-b
    #[test]
    fn a_solicitation_is_answered_to_its_sender() {
        let mut net = Net::new();
        assert_eq!(net.receive(&solicit(PEER, GROUP, US, Some(THEIRS))), Verdict::Held);
        let update = learned(&mut net).unwrap();
        assert_eq!((update.nic, update.address, update.link), (NIC, PEER.parse().unwrap(), Some(THEIRS)));
        assert!(update.create && update.overrides && !update.solicited && update.router.is_none());
        let (link, src, dst, message) = sent(&mut net).unwrap();
        assert_eq!((link, src, dst), (THEIRS, address(US), address(PEER)));
        let Icmpv6Type::NeighborAdvertisement(flags) = Icmpv6Slice::from_slice(&message).unwrap().icmp_type()
        else {
            panic!()
        };
        assert!(flags.solicited && flags.r#override && !flags.router);
        let ours = Neighbor::parse(&message).unwrap();
        assert_eq!((ours.target(), ours.target_link_address()), (address(US), Some(MacAddr(OURS.0))));
    }

    // R4861-7.2.4-b
    #[test]
    fn a_router_says_that_it_is_one() {
        let mut net = Net::new();
        net.forwarding = true;
        net.receive(&solicit(PEER, GROUP, US, Some(THEIRS)));
        let (.., message) = sent(&mut net).unwrap();
        assert!(Neighbor::parse(&message).unwrap().flags().router);
    }

    #[test]
    fn a_probe_without_an_option_is_answered_to_where_it_came_from() {
        let mut net = Net::new();
        let mut packet = net.packet(&solicit(PEER, US, US, None));
        packet.meta.link_src = THEIRS;
        assert_eq!(net.receive_packet(&mut packet), Verdict::Held);
        assert!(learned(&mut net).is_none());
        assert_eq!(sent(&mut net).unwrap().0, THEIRS);
    }

    // R4861-7.2.4-a
    #[test]
    fn whoever_wants_our_address_is_told_with_all_others() {
        let mut net = Net::new();
        assert_eq!(net.receive(&solicit("::", GROUP, US, None)), Verdict::Held);
        assert!(learned(&mut net).is_none());
        let (link, src, dst, message) = sent(&mut net).unwrap();
        assert_eq!((src, dst), (address(US), ALL_NODES));
        assert_eq!(link, "33:33:00:00:00:01".parse().unwrap());
        assert!(!Neighbor::parse(&message).unwrap().flags().solicited);
    }

    #[test]
    fn solicitations_that_are_not_answered() {
        let good = solicit(PEER, GROUP, US, Some(THEIRS));
        let with = |at: usize, byte| {
            let mut packet = good.clone();
            packet[at] = byte;
            if at > 40 {
                crate::testing::fix_checksum(&mut packet);
            }
            packet
        };
        let mut fragmented = good.clone();
        fragmented[6] = 44;
        fragmented[5] += 8;
        fragmented.splice(40..40, [58, 0, 0, 0, 0, 0, 0, 1]);
        let not_ours = Verdict::Drop(DropReason::NotLocal);
        let bad_sum = Verdict::Drop(DropReason::IcmpInvalid);
        for (situation, packet, want) in [
            ("R4861-7.1.1-a: came through a router", with(7, 254), INVALID),
            (
                "R4861-7.1.1-a: checksum",
                {
                    let mut packet = good.clone();
                    packet[60] ^= 1;
                    packet
                },
                bad_sum,
            ),
            ("R4861-7.1.1-a: code", with(41, 1), INVALID),
            ("R4861-7.1.1-a: multicast target", with(48, 0xff), INVALID),
            ("R4861-7.1.1-a: option of length 0", with(65, 0), INVALID),
            ("R4861-7.1.1-b: no source, but a link address", solicit("::", GROUP, US, Some(THEIRS)), INVALID),
            ("R4861-7.1.1-b: no source, to all", solicit("::", "ff02::1", US, None), INVALID),
            ("R6980-a: behind a fragment header", fragmented, INVALID),
            ("R4861-7.2.3-a: not our address", solicit(PEER, GROUP, "fe80::77", Some(THEIRS)), not_ours),
            ("R4861-7.2.3-a: a tentative address", solicit(PEER, GROUP, "fe80::50", Some(THEIRS)), not_ours),
        ] {
            let mut net = Net::new();
            net.add("fe80::50/64", AddressState::Tentative);
            net.host.own("fe80::50");
            assert_eq!(net.receive(&packet), want, "{situation}");
            assert!(learned(&mut net).is_none() && sent(&mut net).is_none(), "{situation}");
        }
    }

    #[test]
    fn nobody_has_a_group_as_link_address() {
        let mut net = Net::new();
        let group = LinkAddress([1, 0, 0x5e, 0, 0, 1]);
        assert_eq!(net.receive(&solicit(PEER, GROUP, US, Some(group))), Verdict::Held);
        assert!(learned(&mut net).is_none());
        net.receive(&advert(US, AdvertFlags { solicited: true, ..AdvertFlags::default() }, Some(group)));
        assert_eq!(learned(&mut net).unwrap().link, None);
    }

    #[test]
    fn what_advertisements_teach() {
        let flags = |router, solicited, override_cached| AdvertFlags { router, solicited, override_cached };
        for (situation, packet, want) in [
            ("answer", advert(US, flags(false, true, true), Some(THEIRS)), (true, true, false, Some(THEIRS))),
            ("router", advert(US, flags(true, true, false), Some(THEIRS)), (true, false, true, Some(THEIRS))),
            ("without the option", advert(US, flags(false, true, false), None), (true, false, false, None)),
            (
                "unasked",
                advert("ff02::1", flags(false, false, true), Some(THEIRS)),
                (false, true, false, Some(THEIRS)),
            ),
        ] {
            let mut net = Net::new();
            assert_eq!(net.receive(&packet), Verdict::Held, "{situation}");
            let update = learned(&mut net).unwrap();
            assert_eq!(update.address, PEER.parse::<IpAddr>().unwrap());
            let got = (update.solicited, update.overrides, update.router == Some(true), update.link);
            assert_eq!(got, want, "{situation}");
            assert!(!update.create, "R4861-7.2.5-a: {situation}");
        }
    }

    #[test]
    fn advertisements_that_are_not_believed() {
        let solicited = AdvertFlags { solicited: true, ..AdvertFlags::default() };
        let ours = neighbor(PEER, "ff02::1", &Emit::advert(address(US), AdvertFlags::default(), None));
        let mut routed = advert(US, solicited, Some(THEIRS));
        routed[7] = 64;
        for (situation, packet, want) in [
            ("R4861-7.1.2-a: solicited, to a group", advert("ff02::1", solicited, Some(THEIRS)), INVALID),
            ("R4861-7.1.2-a: came through a router", routed, INVALID),
            ("for our own address", ours, Verdict::Drop(DropReason::AddressConflict)),
        ] {
            let mut net = Net::new();
            assert_eq!(net.receive(&packet), want, "{situation}");
            assert!(learned(&mut net).is_none() && sent(&mut net).is_none(), "{situation}");
        }
    }

    // R4861-7.2.2-a
    #[test]
    fn questions_go_to_the_group_or_to_one() {
        let target = "fe80::1234:5678".parse().unwrap();
        let group = "ff02::1:ff34:5678".parse().unwrap();
        let group_link = "33:33:ff:34:56:78".parse().unwrap();
        for (unicast, source, want) in [
            (None, Some(US), (group_link, address(US), group)),
            (None, None, (group_link, address(US), group)),
            (Some(THEIRS), Some(US), (THEIRS, address(US), address("fe80::1234:5678"))),
        ] {
            let mut net = Net::new();
            let source = source.map(|source| source.parse().unwrap());
            net.call(|endpoint, cx| endpoint.request(cx, target, source, unicast));
            let (link, src, dst, message) = sent(&mut net).unwrap();
            assert_eq!((link, src, dst), want);
            let ours = Neighbor::parse(&message).unwrap();
            assert_eq!(message[0], kind::NEIGHBOR_SOLICIT);
            assert_eq!(
                (IpAddr::from(ours.target()), ours.source_link_address()),
                (target, Some(MacAddr(OURS.0)))
            );
        }
        let mut net = Net::new();
        net.addresses.clear();
        net.call(|endpoint, cx| endpoint.request(cx, target, None, None));
        net.call(|endpoint, cx| endpoint.request(cx, "10.0.0.1".parse().unwrap(), None, None));
        assert!(net.wire.is_empty());
    }
}
