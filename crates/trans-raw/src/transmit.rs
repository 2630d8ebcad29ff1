//! From the sockets' queues to the host: one packet or frame from each socket in turn, built where it will lie.

use crate::Raw;
use bytes::Bytes;
use stack_core::{Checksum, EndpointId, Error, Layer, LinkAddress, NicId, TransportCx, TxBatch, TxPacket};
use stack_datagram::{Envelope, Queue};
use stack_wire::ethernet::EtherType;

/// Headers are looked at by hooks and links, who find them at the front of a packet: so many bytes are copied there, for
/// each of network and transport. Those of IPv4 and TCP have no more.
const HEADERS: usize = 60;

/// One packet or frame to be.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Bytes,
    pub(crate) way: Way,
}

/// Down to which layer the bytes reach, and what is said about them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// A transport segment.
    Segment(Envelope),
    /// A packet with its network header, and where its transport header begins, if it has one.
    Packet { envelope: Envelope, transport: Option<u16> },
    /// What a frame carries.
    Frame { nic: NicId, mark: u32, header: FrameHeader },
}

/// The header of a frame, as far as the link has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) dst: LinkAddress,
    pub(crate) src: LinkAddress,
    pub(crate) ether_type: u16,
}

impl Outgoing {
    fn build(self, packet: &mut TxPacket) -> Option<()> {
        let len = self.bytes.len();
        packet.checksum = Checksum::Unverified;
        packet.push(self.bytes).ok()?;
        match self.way {
            Way::Segment(envelope) => {
                envelope.write(packet);
                packet.pull_up(len.min(HEADERS))
            }
            Way::Packet { envelope, transport } => {
                envelope.write(packet);
                packet.layer = Layer::Network;
                packet.ether_type = if envelope.ip.dst.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
                packet.network_len = transport.unwrap_or(0);
                packet.pull_up(len.min(2 * HEADERS))
            }
            Way::Frame { nic, mark, header: FrameHeader { dst, src, ether_type } } => {
                (packet.layer, packet.bound_nic, packet.mark) = (Layer::Link, Some(nic), mark);
                (packet.link_dst, packet.link_src, packet.ether_type) = (dst, src, ether_type);
                packet.pull_up(len.min(HEADERS))
            }
        }
    }
}

impl Raw {
    /// Queues what a socket has written; its room was checked.
    pub(crate) fn enqueue(&mut self, id: EndpointId, outgoing: Outgoing) {
        let charge = Queue::<Outgoing>::charge(outgoing.bytes.len());
        self.sockets.enqueue(id, outgoing, charge);
    }

    /// Whether a socket may write at all now.
    pub(crate) fn check_send(&mut self, id: EndpointId) -> Result<(), Error> {
        let base = &mut self.sockets.open_mut(id)?.base;
        base.check_write()?;
        if !base.send.is_below_limit() {
            self.counters.send_buffer_errors += 1;
            return Err(Error::WouldBlock);
        }
        Ok(())
    }

    pub(crate) fn transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        let Self { sockets, counters, .. } = self;
        sockets.transmit(cx, budget, |outgoing| match outgoing.build(out.slot()) {
            Some(()) => counters.sent += 1,
            None => out.cancel(),
        })
    }
}
