//! Packets that leave: with a header for as long as the inner link looks at them.

use crate::EthernetCounters;
use crate::counters::count;
use crate::vlan::{TAG_LEN, Vlan};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::task::Waker;
use stack_core::{Instant, LinkAddress, LinkError, LinkTransmit, TxBatch, TxPacket};
use stack_wire::ethernet::HEADER_LEN;

pub(crate) struct EthernetTransmit {
    pub(crate) inner: Box<dyn LinkTransmit>,
    pub(crate) address: LinkAddress,
    pub(crate) vlan: Option<Vlan>,
    pub(crate) counters: Arc<EthernetCounters>,
}

impl EthernetTransmit {
    /// Puts a header before each packet; drops those whose own headers left no room, against the contract.
    fn frame(&self, batch: &mut TxBatch) {
        for _ in 0..batch.len() {
            let Some(mut packet) = batch.pop() else { break };
            if write_header(&mut packet, self.address, self.vlan).is_some() {
                batch.push(packet);
            } else {
                count(&self.counters.no_headroom);
                batch.recycle(packet);
            }
        }
    }
}

fn write_header(packet: &mut TxPacket, us: LinkAddress, vlan: Option<Vlan>) -> Option<()> {
    let (dst, ether_type) = (packet.link_dst, packet.ether_type);
    let (to, rest) = packet.prepend(header_len(vlan))?.split_first_chunk_mut()?;
    let (from, mut rest) = rest.split_first_chunk_mut()?;
    *to = dst.0;
    *from = us.0;
    for (tag, control) in vlan.into_iter().flat_map(Vlan::tags) {
        let (front, behind) = rest.split_first_chunk_mut::<TAG_LEN>()?;
        let ([a, b], [c, d]) = (tag.to_be_bytes(), control.to_be_bytes());
        *front = [a, b, c, d];
        rest = behind;
    }
    rest.copy_from_slice(&ether_type.to_be_bytes());
    Some(())
}

fn header_len(vlan: Option<Vlan>) -> usize {
    HEADER_LEN + vlan.map_or(0, Vlan::len)
}

impl LinkTransmit for EthernetTransmit {
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        self.frame(batch);
        let result = self.inner.transmit(now, batch);
        // What stays is offered again, and is framed again then.
        batch.iter_mut().for_each(|packet| packet.unprepend(header_len(self.vlan)));
        result
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn register(&mut self, waker: &Waker) {
        self.inner.register(waker);
    }

    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ethernet;
    use alloc::vec::Vec;
    use bytes::Bytes;
    use link_channel::{ChannelConfig, ChannelPort, injector};
    use stack_core::{Checksum, DropReason, LinkDrops, LinkEndpoint};

    const US: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
    const PEER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);

    fn station(capacity: usize) -> (ChannelPort, Box<dyn LinkTransmit>, Arc<EthernetCounters>) {
        let config = ChannelConfig::ethernet(US, PEER).with_offload().with_capacity(capacity);
        let (link, port) = injector(config);
        let station = Ethernet::new(link, US).unwrap();
        let counters = station.counters();
        (port, Box::new(station).split().1, counters)
    }

    fn queue(batch: &mut TxBatch, payload: &'static [u8]) {
        let packet = batch.slot();
        packet.push(Bytes::from_static(payload)).unwrap();
        (packet.link_dst, packet.ether_type) = (PEER, 0x86dd);
        packet.checksum = Checksum::Partial { start: 40, offset: 16 };
    }

    #[test]
    fn a_header_is_put_in_front() {
        let (port, mut transmit, _) = station(8);
        let mut batch = TxBatch::new();
        queue(&mut batch, b"payload");
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        let frame = port.read().unwrap();
        let expected = [&PEER.0[..], &US.0, &[0x86, 0xdd], b"payload"].concat();
        assert_eq!(frame.to_bytes(), expected);
        assert_eq!(frame.checksum, Checksum::Partial { start: 54, offset: 16 });
    }

    #[test]
    fn packets_that_stay_are_as_they_were_and_are_framed_once() {
        let (port, mut transmit, _) = station(1);
        let mut batch = TxBatch::new();
        queue(&mut batch, b"first");
        queue(&mut batch, b"second");
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        let left = batch.front().unwrap();
        assert_eq!((batch.len(), left.to_bytes()), (1, Bytes::from_static(b"second")));
        assert_eq!(left.checksum, Checksum::Partial { start: 40, offset: 16 });
        port.read().unwrap();
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        assert_eq!(port.read().unwrap().len(), 14 + 6);
        drop(port);
        queue(&mut batch, b"third");
        assert_eq!(transmit.transmit(Instant::ZERO, &mut batch), Err(LinkError::Closed));
        assert_eq!(batch.front().unwrap().len(), 5);
    }

    #[test]
    fn a_packet_without_headroom_is_dropped_and_the_others_keep_their_order() {
        let (port, mut transmit, counters) = station(8);
        let mut batch = TxBatch::new();
        queue(&mut batch, b"1");
        batch.slot().prepend(150).unwrap().fill(0);
        queue(&mut batch, b"2");
        transmit.transmit(Instant::ZERO, &mut batch).unwrap();
        let mut sent = TxBatch::new();
        assert_eq!((port.read_batch(9, &mut sent), counters.no_headroom()), (2, 1));
        assert_eq!(counters.of(DropReason::LinkRefused), 1);
        let last: Vec<u8> = sent.iter().map(|frame| frame.to_bytes()[14]).collect();
        assert_eq!(last, b"12");
    }
}
