//! Copies of packets as hosts hand them to their links: before any delay, loss or damage.

use crate::decode::Decoded;
use crate::net::HostId;
use bytes::Bytes;
use stack_core::{Instant, LinkAddress, NicId, TxBatch};

/// A packet that a host sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// By whom.
    pub host: HostId,
    /// By which interface.
    pub nic: NicId,
    /// To which station, on links with addresses.
    pub link_dst: LinkAddress,
    /// EtherType of the packet.
    pub ether_type: u16,
    /// The packet from its network header on. Checksums and super-packets are as the link was handed them.
    pub packet: Bytes,
}

impl Sent {
    /// The packet, decoded.
    pub fn decode(&self) -> Decoded {
        Decoded::new(self.ether_type, &self.packet)
    }
}

/// Packets kept.
#[derive(Clone, Debug, Default)]
pub struct Tap {
    sent: Vec<Sent>,
}

impl Tap {
    /// The packets, oldest first.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    pub(super) fn keep(&mut self, packets: impl Iterator<Item = Sent>) {
        self.sent.extend(packets);
    }
}

pub(super) fn copies(at: Instant, host: HostId, nic: NicId, batch: &TxBatch) -> Vec<Sent> {
    let copy = batch.iter().map(|packet| Sent {
        at,
        host,
        nic,
        link_dst: packet.link_dst,
        ether_type: packet.ether_type,
        packet: packet.to_bytes(),
    });
    copy.collect()
}
