//! From the sockets' queues to the host: one packet from each socket in turn, built where it will lie.

use crate::Udp;
use bytes::Bytes;
use stack_core::{Checksum, TransportCx, TxBatch, TxPacket};
use stack_datagram::Envelope;
use stack_wire::checksum::pseudo_header;
use stack_wire::{ip::protocol, udp};

/// One packet to be: all but the bytes of its header.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) payload: Bytes,
    pub(crate) envelope: Envelope,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    /// Payload bytes of each datagram that the packet stands for; 0 for an ordinary packet.
    pub(crate) gso_size: u16,
}

impl Outgoing {
    /// How many datagrams it stands for.
    fn count(&self) -> usize {
        match self.gso_size {
            0 => 1,
            size => self.payload.len().div_ceil(usize::from(size)),
        }
    }

    /// Builds the packet; `None` if it can't be built.
    fn build(self, packet: &mut TxPacket) -> Option<()> {
        let Self { payload, envelope, src_port, dst_port, gso_size } = self;
        let payload_len = payload.len();
        envelope.write(packet);
        packet.gso_size = gso_size;
        packet.push(payload).ok()?;
        let header = udp::Emit { src_port, dst_port, payload_len };
        let length = (udp::HEADER_LEN + payload_len) as u32;
        // R8200-8.1-b, R768-b: whoever completes the checksum turns a zero into ones.
        let pseudo = pseudo_header(envelope.ip.src, envelope.ip.dst, protocol::UDP, length);
        if header.write_partial(packet.prepend(udp::HEADER_LEN)?, pseudo) == 0 {
            return None;
        }
        packet.checksum = Checksum::Partial { start: 0, offset: udp::CHECKSUM_OFFSET as u16 };
        Some(())
    }
}

impl Udp {
    pub(crate) fn transmit(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: usize) -> bool {
        let Self { sockets, counters, .. } = self;
        sockets.transmit(cx, budget, |outgoing| {
            let count = outgoing.count() as u64;
            match outgoing.build(out.slot()) {
                Some(()) => counters.out_datagrams += count,
                None => out.cancel(),
            }
        })
    }
}
