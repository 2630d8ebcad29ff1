//! What a raw IP socket receives: a copy of each whole datagram for us with its protocol number, over IPv4 from the IP
//! header on, over IPv6 without it (RFC 3542 §3). Another protocol gets the datagram as well, unchanged.

use super::{IpSocket, checksum};
use crate::Raw;
use crate::socket::{Kind, Received, Socket};
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use stack_core::{Cast, EndpointId, Error, Families, Instant, NicId, RxPacket, TransportCx};
use stack_datagram::{Peer, SocketBase, keep};

/// A packet that a raw IP socket received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawMessage {
    /// IPv4: the datagram with its header. IPv6: from the transport header on.
    pub bytes: Bytes,
    /// Who sent it; the port is 0.
    pub from: SocketAddr,
    /// The address that it was sent to (`IP_PKTINFO`, `IPV6_PKTINFO`): ours, a group or a broadcast address.
    pub local: IpAddr,
    /// To how many that address belongs.
    pub cast: Cast,
    /// The interface it came in by.
    pub nic: NicId,
    /// TTL or hop limit that was left (`IPV6_HOPLIMIT`).
    pub hop_limit: u8,
    /// Type of service or traffic class, ECN included (`IPV6_TCLASS`).
    pub traffic_class: u8,
    /// Mark that a policy put on it.
    pub mark: u32,
    /// When it entered the stack.
    pub received_at: Instant,
}

impl Raw {
    /// Takes the oldest packet of a raw IP socket.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none, [`Error::ClosedForReceive`] after a shutdown, [`Error::NotSupported`] for a
    /// packet socket.
    pub fn recv(&mut self, _: &mut TransportCx<'_>, id: EndpointId) -> Result<RawMessage, Error> {
        self.sockets.open_mut(id)?.ip_mut()?;
        match self.take(id)? {
            Received::Message(message) => Ok(message),
            Received::Frame(_) => Err(Error::NotSupported),
        }
    }

    /// A packet for us: to all raw sockets that it concerns. Returns whether there is one with its protocol number, whatever
    /// became of the copy.
    pub(crate) fn packet_for_us(&mut self, cx: &mut TransportCx<'_>, packet: &RxPacket) -> bool {
        let mut concerned = false;
        for index in 0..self.ip_sockets.len() {
            let Some(id) = self.ip_sockets.get(index).copied() else { break };
            let Ok(Socket {
                kind: Kind::Ip(ip), options, base: SocketBase { read_closed: false, .. }, ..
            }) = self.sockets.open(id)
            else {
                continue;
            };
            if !ip.answers_to(packet, options.nic) {
                continue;
            }
            concerned = true;
            if ip.blocks(packet) {
                continue;
            }
            // R4443-2.3-a
            if ip.checksum_at().is_some_and(|offset| !checksum::is_right(packet, offset)) {
                self.counters.checksum_errors += 1;
                continue;
            }
            let skip = if ip.families == Families::V4 { 0 } else { usize::from(packet.transport) };
            let (bytes, pinned) = keep(packet, skip);
            self.queue(cx, id, Received::Message(message(packet, ip.families, bytes)), pinned);
        }
        concerned
    }
}

impl IpSocket {
    fn answers_to(&self, packet: &RxPacket, nic: Option<NicId>) -> bool {
        let is = |wanted: Option<Peer>, address| {
            wanted
                .is_none_or(|peer| peer.ip == address && peer.zone.is_none_or(|zone| zone == packet.meta.nic))
        };
        self.protocol == packet.ip.protocol
            && self.families.contains(packet.ip.dst)
            && nic.is_none_or(|nic| nic == packet.meta.nic)
            && is(self.local, packet.ip.dst)
            && is(self.peer, packet.ip.src)
    }

    fn blocks(&self, packet: &RxPacket) -> bool {
        self.is_icmp() && packet.transport().first().is_some_and(|kind| !self.filter.passes(*kind))
    }
}

fn message(packet: &RxPacket, families: Families, bytes: Bytes) -> RawMessage {
    let from = Peer { ip: packet.ip.src, port: 0, zone: Some(packet.meta.nic) };
    RawMessage {
        bytes,
        from: from.to_application_of_hosts(families),
        local: packet.ip.dst,
        cast: packet.ip.cast,
        nic: packet.meta.nic,
        hop_limit: packet.ip.hop_limit,
        traffic_class: packet.ip.traffic_class,
        mark: packet.meta.mark,
        received_at: packet.meta.received_at,
    }
}
