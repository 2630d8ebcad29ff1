//! Frames that arrive: filtered by destination, then without their header.

use crate::EthernetCounters;
use crate::counters::count;
use crate::vlan::Vlan;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::task::Waker;
use stack_core::{
    Cast, Checksum, DropReason, Instant, LinkAddress, LinkError, LinkReceive, Placement, RxBatch, RxPacket,
    Token,
};
use stack_wire::ethernet::{self, HEADER_LEN};

/// Batches without a frame for us that are looked through in one call.
const FOREIGN_BATCHES: usize = 8;

pub(crate) struct EthernetReceive {
    inner: Box<dyn LinkReceive>,
    address: LinkAddress,
    vlan: Option<Vlan>,
    wants_outcomes: bool,
    counters: Arc<EthernetCounters>,
    /// When to look again, because a call ended among foreign frames.
    again: Option<Instant>,
}

impl EthernetReceive {
    pub(crate) fn new(
        inner: Box<dyn LinkReceive>,
        address: LinkAddress,
        vlan: Option<Vlan>,
        wants_outcomes: bool,
        counters: Arc<EthernetCounters>,
    ) -> Self {
        Self { inner, address, vlan, wants_outcomes, counters, again: None }
    }

    /// Takes the header off the frames from `first` on and drops those that are not for us, keeping the order.
    fn unframe(&mut self, batch: &mut RxBatch, first: usize) {
        let mut kept = first;
        for index in first..batch.len() {
            let Some(packet) = batch.get_mut(index) else { break };
            match accept(packet, self.address, self.vlan) {
                Ok(()) => {
                    batch.swap(kept, index);
                    kept += 1;
                }
                Err(reason) => {
                    let token = packet.meta.token;
                    self.refuse(token, reason);
                }
            }
        }
        batch.truncate(kept);
    }

    /// Reads batches until one has a frame for us.
    fn receive_batch(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        mut read: impl FnMut(&mut dyn LinkReceive, &mut RxBatch) -> Result<usize, LinkError>,
    ) -> Result<usize, LinkError> {
        let first = batch.len();
        self.again = None;
        // Zero would say that nothing is there; so where all frames are for others, the next ones are looked at.
        for _ in 0..FOREIGN_BATCHES {
            if read(&mut *self.inner, batch)? == 0 {
                return Ok(0);
            }
            self.unframe(batch, first);
            if batch.len() > first {
                return Ok(batch.len() - first);
            }
        }
        self.again = Some(now);
        Ok(0)
    }

    fn refuse(&mut self, token: Token, reason: DropReason) {
        count(match reason {
            DropReason::Truncated => &self.counters.truncated,
            DropReason::OtherVlan => &self.counters.other_vlan,
            _ => &self.counters.not_for_this_station,
        });
        if self.wants_outcomes {
            self.inner.outcome(token, reason);
        }
    }
}

/// Reads a frame's header, tags included, and takes it off.
fn accept(packet: &mut RxPacket, us: LinkAddress, vlan: Option<Vlan>) -> Result<(), DropReason> {
    let len = HEADER_LEN + vlan.map_or(0, Vlan::len);
    packet.pull_up(len);
    let (header, _) = ethernet::parse(&packet.data).map_err(|_| DropReason::Truncated)?;
    let (dst, src) = (LinkAddress(header.dst().0), LinkAddress(header.src().0));
    let cast = cast(dst, us).ok_or(DropReason::NotForThisStation)?;
    let ether_type = vlan.map_or(Ok(header.ether_type()), |vlan| vlan.unwrap(&packet.data))?;
    packet.meta.cast = cast;
    packet.meta.link_src = src;
    packet.meta.link_dst = dst;
    packet.meta.ether_type = ether_type;
    packet.meta.checksum = behind_header(packet.meta.checksum, len);
    packet.advance(len);
    Ok(())
}

/// To how many a frame is addressed; `None` if to another station.
fn cast(dst: LinkAddress, us: LinkAddress) -> Option<Cast> {
    if dst == us {
        Some(Cast::Unicast)
    } else if dst.is_broadcast() {
        Some(Cast::Broadcast)
    } else {
        dst.is_multicast().then_some(Cast::Multicast)
    }
}

/// The checksum state counted from the network header. A sum that begins inside our header is nobody's.
fn behind_header(checksum: Checksum, len: usize) -> Checksum {
    let Checksum::Partial { start, offset } = checksum else { return checksum };
    match start.checked_sub(len as u16) {
        Some(start) => Checksum::Partial { start, offset },
        None => Checksum::Unverified,
    }
}

impl LinkReceive for EthernetReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.receive_batch(now, batch, |inner, batch| inner.receive(now, batch))
    }

    fn receive_placing(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
    ) -> Result<usize, LinkError> {
        self.receive_batch(now, batch, |inner, batch| inner.receive_placing(now, batch, placement))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.again.or_else(|| self.inner.poll_timeout())
    }

    fn register(&mut self, waker: &Waker) {
        self.inner.register(waker);
    }

    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }

    /// Frames that were joined have one header, and so are for us or for another station together.
    fn coalesce(&mut self, on: bool) {
        self.inner.coalesce(on);
    }

    fn outcome(&mut self, token: Token, reason: DropReason) {
        self.inner.outcome(token, reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ethernet;
    use alloc::vec::Vec;
    use bytes::Bytes;
    use link_channel::{ChannelConfig, ChannelPort, injector};
    use stack_core::{LinkDrops, LinkEndpoint, LinkTransmit};

    const US: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
    const PEER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);

    fn station() -> (ChannelPort, Box<dyn LinkReceive>, Box<dyn LinkTransmit>, Arc<EthernetCounters>) {
        let (link, port) = injector(ChannelConfig::ethernet(US, PEER).with_offload());
        let station = Ethernet::new(link, US).unwrap();
        let counters = station.counters();
        let (receive, transmit) = Box::new(station).split();
        (port, receive, transmit, counters)
    }

    fn frame(dst: LinkAddress, ether_type: u16, payload: &[u8]) -> Bytes {
        [&dst.0[..], &PEER.0, &ether_type.to_be_bytes(), payload].concat().into()
    }

    // R1122-2.4-a
    #[test]
    fn the_header_becomes_metadata() {
        let (port, mut receive, _transmit, _) = station();
        let group = LinkAddress([0x33, 0x33, 0, 0, 0, 1]);
        for (dst, ether_type, cast) in [
            (US, 0x0800, Cast::Unicast),
            (LinkAddress::BROADCAST, 0x0806, Cast::Broadcast),
            (group, 0x86dd, Cast::Multicast),
            (US, 0x8100, Cast::Unicast),
            (US, 60, Cast::Unicast),
        ] {
            port.inject_bytes(frame(dst, ether_type, b"payload")).unwrap();
            let mut got = Vec::new();
            assert_eq!(receive.receive(Instant::from_secs(2), &mut got), Ok(1));
            let meta = got[0].meta;
            assert_eq!((meta.ether_type, meta.cast), (ether_type, cast));
            assert_eq!((meta.link_src, meta.link_dst), (PEER, dst));
            assert_eq!((&got[0].data[..], meta.received_at), (&b"payload"[..], Instant::from_secs(2)));
        }
    }

    #[test]
    fn frames_for_others_and_stumps_end_here_and_the_order_stays() {
        let (port, mut receive, _transmit, counters) = station();
        let other = LinkAddress([2, 0, 0, 0, 0, 3]);
        for payload in [b"1", b"2", b"3"] {
            port.inject_bytes(frame(other, 0x0800, b"not ours")).unwrap();
            port.inject_bytes(frame(US, 0x0800, payload)).unwrap();
            port.inject_bytes(Bytes::from_static(&[2; 13])).unwrap();
        }
        let mut got = Vec::new();
        assert_eq!(receive.receive(Instant::ZERO, &mut got), Ok(3));
        assert_eq!(got.iter().map(|packet| packet.data[0]).collect::<Vec<_>>(), b"123");
        assert_eq!((counters.not_for_this_station(), counters.truncated()), (3, 3));
        let reasons = [DropReason::NotForThisStation, DropReason::Truncated, DropReason::NoRoute];
        assert_eq!(reasons.map(|reason| counters.of(reason)), [3, 3, 0]);
    }

    #[test]
    fn a_batch_of_foreign_frames_does_not_hide_our_own_behind_it() {
        let (port, mut receive, _transmit, counters) = station();
        for _ in 0..100 {
            port.inject_bytes(frame(PEER, 0x0800, b"not ours")).unwrap();
        }
        port.inject_bytes(frame(US, 0x0800, b"ours")).unwrap();
        let mut got = Vec::new();
        assert_eq!(receive.receive(Instant::ZERO, &mut got), Ok(1));
        assert_eq!((receive.receive(Instant::ZERO, &mut got), counters.not_for_this_station()), (Ok(0), 100));
    }

    #[test]
    fn a_flood_of_foreign_frames_does_not_keep_the_caller() {
        let (port, mut receive, _transmit, counters) = station();
        for _ in 0..FOREIGN_BATCHES * 32 + 1 {
            port.inject_bytes(frame(PEER, 0x0800, b"not ours")).unwrap();
        }
        let (mut got, now) = (Vec::new(), Instant::from_secs(3));
        assert_eq!((receive.receive(now, &mut got), receive.poll_timeout()), (Ok(0), Some(now)));
        assert_eq!(counters.not_for_this_station(), FOREIGN_BATCHES * 32);
        assert_eq!((receive.receive(now, &mut got), receive.poll_timeout()), (Ok(0), None));
    }

    #[test]
    fn incomplete_checksums_count_from_the_network_header() {
        let cases = [
            (Checksum::Partial { start: 34, offset: 16 }, Checksum::Partial { start: 20, offset: 16 }),
            (Checksum::Partial { start: 13, offset: 16 }, Checksum::Unverified),
            (Checksum::Verified, Checksum::Verified),
        ];
        for (before, after) in cases {
            let mut packet = RxPacket::new(frame(US, 0x0800, &[0; 40]), 0, Instant::ZERO);
            packet.meta.checksum = before;
            accept(&mut packet, US, None).unwrap();
            assert_eq!(packet.meta.checksum, after);
        }
    }

    #[test]
    fn a_header_in_pieces_is_put_together() {
        let whole = frame(US, 0x0800, b"rest");
        let mut packet = RxPacket::new(whole.slice(..5), 0, Instant::ZERO);
        packet.more.push(whole.slice(5..));
        accept(&mut packet, US, None).unwrap();
        assert_eq!((packet.meta.link_src, packet.len()), (PEER, 4));
    }

    #[test]
    fn the_end_of_the_link_is_passed_on() {
        let (port, mut receive, mut transmit, _) = station();
        drop(port);
        assert_eq!(receive.receive(Instant::ZERO, &mut Vec::new()), Err(LinkError::Closed));
        assert_eq!(transmit.transmit(Instant::ZERO, &mut stack_core::TxBatch::new()), Err(LinkError::Closed));
    }

    /// A link that asks for outcomes and notes them.
    struct Witness(Vec<RxPacket>, std::sync::mpsc::Sender<(Token, DropReason)>);

    extern crate std;

    impl LinkReceive for Witness {
        fn receive(&mut self, _: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
            let count = self.0.len();
            batch.append(&mut self.0);
            Ok(count)
        }

        fn register(&mut self, _: &Waker) {}

        fn outcome(&mut self, token: Token, reason: DropReason) {
            self.1.send((token, reason)).unwrap();
        }
    }

    #[test]
    fn a_capture_inside_hears_of_our_drops_and_of_the_hosts() {
        let (outcomes, heard) = std::sync::mpsc::channel();
        let mut foreign = RxPacket::new(frame(PEER, 0x0800, b""), 0, Instant::ZERO);
        foreign.meta.token = Token(7);
        let inner = Box::new(Witness([foreign].into(), outcomes));
        let mut receive = EthernetReceive::new(inner, US, None, true, Arc::default());
        assert_eq!(receive.receive(Instant::ZERO, &mut Vec::new()), Ok(0));
        receive.outcome(Token(8), DropReason::NoRoute);
        let heard: Vec<_> = heard.try_iter().collect();
        assert_eq!(heard, [(Token(7), DropReason::NotForThisStation), (Token(8), DropReason::NoRoute)]);
    }
}
