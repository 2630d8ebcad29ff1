//! Tags of frames, written and read.

use super::*;
use crate::Ethernet;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use link_channel::{ChannelConfig, ChannelPort, injector};
use stack_core::{
    Checksum, Instant, LinkAddress, LinkDrops, LinkEndpoint, LinkReceive, LinkTransmit, RxPacket, TxBatch,
};

const US: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
const PEER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);

fn frame(tags: &[u8], payload: &[u8]) -> Vec<u8> {
    [&US.0[..], &PEER.0, tags, &[0x08, 0x00], payload].concat()
}

type Station =
    (ChannelPort, Box<dyn LinkReceive>, Box<dyn LinkTransmit>, Vec<alloc::sync::Arc<dyn LinkDrops>>);

fn station(vlan: Vlan) -> Station {
    let (link, port) = injector(ChannelConfig::ethernet(US, PEER).with_offload().with_capacity(1));
    let station = Ethernet::new(link, US).unwrap().with_vlan(vlan);
    let drops = station.drops();
    let (receive, transmit) = Box::new(station).split();
    (port, receive, transmit, drops)
}

/// A VLAN of its own, and one inside a provider's, with the tags that they have.
fn vlans() -> [(Vlan, &'static [u8]); 2] {
    let plain = Vlan::new(0x123).unwrap().with_priority(5);
    let inside = Vlan::new(5).unwrap().within(4094).unwrap();
    [(plain, &[0x81, 0x00, 0xa1, 0x23]), (inside, &[0x88, 0xa8, 0x0f, 0xfe, 0x81, 0x00, 0x00, 0x05])]
}

#[test]
fn frames_leave_with_their_tags_and_what_stays_is_as_it_was() {
    for (vlan, tags) in vlans() {
        let (port, _receive, mut transmit, _) = station(vlan);
        let mut batch = TxBatch::new();
        for payload in [&b"first"[..], b"second"] {
            let packet = batch.slot();
            packet.push(Bytes::from_static(payload)).unwrap();
            (packet.link_dst, packet.ether_type) = (PEER, 0x0800);
            packet.checksum = Checksum::Partial { start: 20, offset: 6 };
        }
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        let sent = port.read().unwrap();
        assert_eq!(sent.to_bytes(), [&PEER.0[..], &US.0, tags, &[0x08, 0x00], b"first"].concat());
        let start = 20 + 14 + tags.len() as u16;
        assert_eq!(sent.checksum, Checksum::Partial { start, offset: 6 });
        let left = batch.front().unwrap();
        assert_eq!(
            (left.to_bytes(), left.checksum),
            ("second".into(), Checksum::Partial { start: 20, offset: 6 })
        );
    }
}

#[test]
fn its_own_frames_arrive_with_any_priority_and_others_are_counted() {
    for (vlan, tags) in vlans() {
        let (port, mut receive, _transmit, drops) = station(vlan);
        let mut other_priority = tags.to_vec();
        other_priority[2] ^= 0xe0;
        let mut other_id = tags.to_vec();
        other_id[3] ^= 1;
        let swapped = [&[0x91, 0x00], &tags[2..]].concat();
        for (tags, arrives) in [(tags, 1), (&other_priority, 1), (&other_id, 0), (&swapped, 0), (&[], 0)] {
            let mut packet = RxPacket::new(frame(tags, b"payload").into(), 0, Instant::ZERO);
            packet.meta.checksum = Checksum::Partial { start: 34 + tags.len() as u16, offset: 6 };
            port.inject(packet).unwrap();
            let mut got = Vec::new();
            assert_eq!(receive.receive(Instant::ZERO, &mut got), Ok(arrives), "{tags:x?}");
            for packet in got {
                assert_eq!((&packet.data[..], packet.meta.ether_type), (&b"payload"[..], 0x0800));
                assert_eq!(packet.meta.checksum, Checksum::Partial { start: 20, offset: 6 });
            }
        }
        assert_eq!(drops.iter().map(|drops| drops.of(DropReason::OtherVlan)).sum::<u64>(), 3);
    }
}

#[test]
fn a_frame_that_ends_in_its_tags_is_a_stump() {
    for (vlan, tags) in vlans() {
        let whole = frame(tags, b"");
        for len in 14..whole.len() {
            assert_eq!(vlan.unwrap(&whole[..len]), Err(DropReason::Truncated), "{len}");
        }
        assert_eq!(vlan.unwrap(&whole), Ok(0x0800));
    }
}

#[test]
fn identifiers_have_bounds() {
    for id in [0, 4095, u16::MAX] {
        assert_eq!(Vlan::new(id), Err(EthernetError::NoVlan(id)));
        assert_eq!(Vlan::new(1).unwrap().within(id), Err(EthernetError::NoVlan(id)));
    }
    assert_eq!(Vlan::new(4094).unwrap().with_priority(9).tags().next(), Some((0x8100, 0xeffe)));
}
