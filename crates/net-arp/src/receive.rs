//! What an ARP packet teaches, and who is answered: RFC 826 "Packet Reception", RFC 5227 §2.
//!
//! The order is that of RFC 826: what the sender says of itself comes before what it wants. Its algorithm keeps one
//! table; here the table is the host's, and "is it there already?" becomes the `create` flag of the update.

use crate::{Endpoint, send};
use core::net::{IpAddr, Ipv4Addr};
use stack_core::{AddressState, DropReason, Effect, LinkAddress, NeighborUpdate, NetCx, RxPacket};
use stack_wire::arp::{PACKET_LEN, Packet};

impl Endpoint {
    /// Takes a packet from the link.
    pub(crate) fn inbound(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Result<(), DropReason> {
        let ours = cx.nic.link_address.ok_or(DropReason::ArpInvalid)?;
        packet.pull_up(PACKET_LEN);
        let arp = *Packet::parse(&packet.data).map_err(|_| DropReason::ArpInvalid)?; // R826-rx-d
        check_sender(&arp, ours)?;
        if self.detect_conflict(cx, &arp) {
            return Err(DropReason::AddressConflict);
        }
        let for_us = is_in_use(cx, arp.target_ip());
        learn(cx, &arp, for_us);
        if for_us && arp.is_request() {
            reply(cx, &arp, ours);
        }
        if for_us || arp.is_announcement() { Ok(()) } else { Err(DropReason::ArpInvalid) }
    }
}

/// No station has the link address of a group, none, or ours; and no host a group's address.
fn check_sender(arp: &Packet, ours: LinkAddress) -> Result<(), DropReason> {
    let (link, address) = (link_address(arp), arp.sender_ip());
    let [first, ..] = address.octets();
    let is_host = address.is_unspecified() || (1..224).contains(&first) && first != 127;
    if link.is_unicast() && link != ours && is_host { Ok(()) } else { Err(DropReason::ArpInvalid) }
}

/// The link address that the sender says it has.
pub(crate) fn link_address(arp: &Packet) -> LinkAddress {
    LinkAddress(arp.sender_mac().0)
}

/// Whether the address is one of this interface, and not merely wished for.
pub(crate) fn is_in_use(cx: &NetCx<'_>, address: Ipv4Addr) -> bool {
    let address = IpAddr::V4(address);
    let tentative = |state| state == AddressState::Tentative;
    cx.host.check_local_address(Some(cx.nic.id), address).is_some()
        && !cx.nic.addresses.iter().any(|a| a.address() == address && tentative(a.state))
}

/// R826-rx-b: an entry that is there is refreshed by any packet; R826-rx-c: one is made only if we are the target.
/// A probe says nothing of its sender (R5227-2.6-a).
fn learn(cx: &mut NetCx<'_>, arp: &Packet, for_us: bool) {
    if arp.sender_ip().is_unspecified() {
        return;
    }
    let nic = cx.nic.id;
    cx.emit(Effect::Neighbor(NeighborUpdate {
        nic,
        address: arp.sender_ip().into(),
        link: Some(link_address(arp)),
        solicited: for_us && arp.is_reply(),
        overrides: true,
        router: None,
        create: for_us,
    }));
}

/// R826-rx-a: to the sender alone, with the sides changed.
fn reply(cx: &mut NetCx<'_>, arp: &Packet, ours: LinkAddress) {
    let ours = stack_wire::ethernet::MacAddr(ours.0);
    let reply = Packet::reply(ours, arp.target_ip(), arp.sender_mac(), arp.sender_ip());
    send(cx, &reply, link_address(arp));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NIC, Net, OURS, THEIRS, sent};
    use alloc::vec::Vec;
    use bytes::Bytes;
    use proptest::prelude::*;
    use stack_core::Verdict;
    use stack_wire::ethernet::MacAddr;

    const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
    const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
    const INVALID: Verdict = Verdict::Drop(DropReason::ArpInvalid);

    fn request(sender: Ipv4Addr, target: Ipv4Addr) -> Packet {
        Packet::request(MacAddr(THEIRS.0), sender, target)
    }

    fn reply_to_us(sender: Ipv4Addr, target: Ipv4Addr) -> Packet {
        Packet::reply(MacAddr(THEIRS.0), sender, MacAddr(OURS.0), target)
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

    // R826-rx-a
    #[test]
    fn a_request_for_our_address_is_answered_to_the_sender() {
        let mut net = Net::new();
        assert_eq!(net.receive(&request(PEER, US).to_bytes()), Verdict::Held);
        let (to, packet) = sent(&mut net).unwrap();
        assert_eq!(to, THEIRS);
        assert_eq!(packet, Packet::reply(MacAddr(OURS.0), US, MacAddr(THEIRS.0), PEER));
        let theirs = packet.to_bytes();
        let theirs = etherparse::ArpPacketSlice::from_slice(&theirs).unwrap();
        assert_eq!(theirs.operation(), etherparse::ArpOperation::REPLY);
        assert_eq!(
            (theirs.sender_hw_addr(), theirs.sender_protocol_addr()),
            (&OURS.0[..], &[10, 0, 0, 1][..])
        );
        assert_eq!(
            (theirs.target_hw_addr(), theirs.target_protocol_addr()),
            (&THEIRS.0[..], &[10, 0, 0, 9][..])
        );
        assert!(sent(&mut net).is_none());
    }

    #[test]
    fn what_packets_teach() {
        let mut operation_9 = request(PEER, US).to_bytes();
        operation_9[7] = 9;
        for (situation, packet, verdict, want, answered) in [
            (
                "R826-rx-c: request for us",
                request(PEER, US).to_bytes(),
                Verdict::Held,
                Some((false, true)),
                true,
            ),
            (
                "R826-rx-c: reply to us",
                reply_to_us(PEER, US).to_bytes(),
                Verdict::Held,
                Some((true, true)),
                false,
            ),
            (
                "R826-rx-b: request for another",
                request(PEER, OTHER).to_bytes(),
                INVALID,
                Some((false, false)),
                false,
            ),
            (
                "R826-rx-b: reply to another",
                reply_to_us(PEER, OTHER).to_bytes(),
                INVALID,
                Some((false, false)),
                false,
            ),
            (
                "R826-rx-b: announcement",
                request(PEER, PEER).to_bytes(),
                Verdict::Held,
                Some((false, false)),
                false,
            ),
            (
                "R826-rx-b: announcement as reply",
                reply_to_us(PEER, PEER).to_bytes(),
                Verdict::Held,
                Some((false, false)),
                false,
            ),
            ("R5227-2.6-a: probe for our address", request(NOBODY, US).to_bytes(), Verdict::Held, None, true),
            ("R5227-2.6-a: probe for another", request(NOBODY, OTHER).to_bytes(), INVALID, None, false),
            ("R826-rx-c: unknown operation", operation_9, Verdict::Held, Some((false, true)), false),
        ] {
            let mut net = Net::new();
            assert_eq!(net.receive(&packet), verdict, "{situation}");
            let got = learned(&mut net);
            assert_eq!(got.map(|update| (update.solicited, update.create)), want, "{situation}");
            assert_eq!(sent(&mut net).is_some(), answered, "{situation}");
            if let Some(update) = got {
                assert_eq!((update.nic, update.address, update.link), (NIC, PEER.into(), Some(THEIRS)));
                assert!(update.overrides && update.router.is_none());
            }
        }
    }

    #[test]
    fn senders_that_can_not_be() {
        let from = |mac, ip: [u8; 4]| Packet::request(MacAddr(mac), ip.into(), US).to_bytes();
        for (situation, packet) in [
            ("multicast link address", from([1, 0, 0x5e, 0, 0, 1], [10, 0, 0, 9])),
            ("broadcast link address", from([0xff; 6], [10, 0, 0, 9])),
            ("no link address", from([0; 6], [10, 0, 0, 9])),
            ("our link address", from(OURS.0, [10, 0, 0, 9])),
            ("multicast address", from(THEIRS.0, [224, 0, 0, 1])),
            ("broadcast address", from(THEIRS.0, [255; 4])),
            ("loopback address", from(THEIRS.0, [127, 0, 0, 1])),
            ("this network", from(THEIRS.0, [0, 0, 0, 1])),
        ] {
            let mut net = Net::new();
            assert_eq!(net.receive(&packet), INVALID, "{situation}");
            assert!(learned(&mut net).is_none() && sent(&mut net).is_none(), "{situation}");
        }
    }

    // R826-rx-d
    #[test]
    fn malformed_packets() {
        let good = request(PEER, US).to_bytes();
        let with = |at: usize, byte| {
            let mut packet = good.to_vec();
            packet[at] = byte;
            packet
        };
        for (situation, packet) in [
            ("empty", Vec::new()),
            ("one octet short", good[..27].to_vec()),
            ("hardware type", with(1, 6)),
            ("protocol type", with(3, 6)),
            ("hardware length", with(4, 8)),
            ("protocol length", with(5, 16)),
        ] {
            let mut net = Net::new();
            assert_eq!(net.receive(&packet), INVALID, "{situation}");
            assert!(learned(&mut net).is_none() && sent(&mut net).is_none(), "{situation}");
        }
    }

    // R826-rx-e
    #[test]
    fn what_is_not_ours_to_answer() {
        let mut net = Net::new();
        net.add("10.0.0.50/24", AddressState::Tentative);
        for target in [OTHER, Ipv4Addr::new(10, 0, 0, 50), Ipv4Addr::new(10, 0, 0, 255)] {
            assert_eq!(net.receive(&request(PEER, target).to_bytes()), INVALID, "{target}");
            assert!(sent(&mut net).is_none(), "{target}");
        }
        net.link_address = None;
        assert_eq!(net.receive(&request(PEER, US).to_bytes()), INVALID, "a link without addresses");
    }

    #[test]
    fn padding_and_pieces_are_of_no_consequence() {
        let bytes = request(PEER, US).to_bytes();
        for cut in [0, 5, 28] {
            let mut net = Net::new();
            let mut packet = net.packet(&bytes[..cut]);
            packet.more.push(Bytes::copy_from_slice(&bytes[cut..]));
            packet.more.push(Bytes::from_static(&[0; 18]));
            assert_eq!(net.receive_packet(&mut packet), Verdict::Held, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), real: bool) {
            if real && bytes.len() >= 8 {
                bytes[..7].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0]);
            }
            let mut net = Net::new();
            net.add("10.0.0.50/24", AddressState::Tentative);
            net.receive(&bytes);
            prop_assert!(net.wire.len() <= 1);
        }
    }
}
