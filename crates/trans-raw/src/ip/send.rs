//! What becomes of what a raw IP socket writes: a transport segment, or, with its header included, a packet.
//!
//! All is decided at the call - destination, source, route, whether it fits - so that every failure is the caller's to
//! know. A header that is included decides about itself; the destination of the call decides about the way.

use super::{IpSocket, checksum, header};
use crate::Raw;
use crate::transmit::{Outgoing, Way};
use bytes::BytesMut;
use core::net::SocketAddr;
use stack_core::{CachedRoute, EndpointId, Error, Families, IpMeta, NicId, TransportCx};
use stack_datagram::{Envelope, IpOptions, Peer};

/// Largest payload of an IPv4 packet without options, in bytes.
const MAX_PAYLOAD_V4: usize = 65_515;
/// Largest payload of an IPv6 packet, in bytes.
const MAX_PAYLOAD_V6: usize = 65_535;

impl Raw {
    /// Queues one packet, to `to` (its port does not matter) or to the connected peer, and says how many bytes were
    /// written.
    ///
    /// With [`HeaderIncluded`](stack_core::SocketOption::HeaderIncluded) the bytes begin with a network header. Of IPv4 we
    /// fill in total length and checksum always, source and identification where they are zero; of IPv6 the payload length.
    /// Without it we fill in the checksum of ICMPv6 messages, and of others where
    /// [`ChecksumOffset`](stack_core::SocketOption::ChecksumOffset) says.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] while the send buffer is full; [`Error::DestinationRequired`]; [`Error::MessageTooLarge`]
    /// beyond what an IP packet holds, beyond the path MTU if fragments are forbidden, and beyond the interface's if the
    /// header is included; [`Error::InvalidArgument`] for a header that is none and for what ends before its checksum;
    /// [`Error::BroadcastDisabled`]; [`Error::AddressFamily`]; [`Error::NoRoute`] and others of the routing table.
    pub fn send_to(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize, Error> {
        self.check_send(id)?;
        let (ip, options) = self.sockets.open_mut(id)?.ip_mut()?;
        let peer = match to {
            Some(to) => Peer::without_port(ip.families, to)?,
            None => ip.peer.ok_or(Error::DestinationRequired)?,
        };
        let route = ip.route_to(cx, options, peer)?;
        let envelope = options.envelope(ip.bound_nic(options), peer, &route, ip.protocol);
        let outgoing = if ip.header_included {
            packet(cx, envelope, &route, bytes)?
        } else {
            ip.segment(envelope, &route, bytes)?
        };
        let len = outgoing.bytes.len();
        self.enqueue(id, outgoing);
        Ok(len)
    }
}

impl IpSocket {
    /// The only interface that the socket uses, by its option or by the zone of its address.
    fn bound_nic(&self, options: &IpOptions) -> Option<NicId> {
        options.nic.or(self.local.and_then(|local| local.zone))
    }

    /// The way to a destination that the socket may send to.
    pub(crate) fn route_to(
        &self,
        cx: &mut TransportCx<'_>,
        options: &IpOptions,
        peer: Peer,
    ) -> Result<CachedRoute, Error> {
        let local = self.local.map(|local| local.ip).filter(|local| !local.is_multicast());
        let query = options.query(self.bound_nic(options), peer, local)?;
        options.check(cx.host.route(&query)?)
    }

    /// The transport segment that an application wrote.
    fn segment(&self, envelope: Envelope, route: &CachedRoute, bytes: &[u8]) -> Result<Outgoing, Error> {
        let (most, header_len) =
            if self.families == Families::V4 { (MAX_PAYLOAD_V4, 20) } else { (MAX_PAYLOAD_V6, 40) };
        let ip = envelope.ip;
        let fits = !ip.dont_fragment || bytes.len() + header_len <= route.mtu as usize;
        if bytes.len() > most || !fits {
            return Err(Error::MessageTooLarge);
        }
        let mut bytes = BytesMut::from(bytes);
        if let Some(offset) = self.checksum_at() {
            checksum::write(&mut bytes, offset, (ip.src, ip.dst), self.protocol)
                .ok_or(Error::InvalidArgument)?;
        }
        Ok(Outgoing { bytes: bytes.freeze(), way: Way::Segment(envelope) })
    }
}

/// The packet that an application wrote. Its header decides, not the settings of the socket.
fn packet(
    cx: &mut TransportCx<'_>,
    envelope: Envelope,
    route: &CachedRoute,
    bytes: &[u8],
) -> Result<Outgoing, Error> {
    let mut bytes = BytesMut::from(bytes);
    let written = header::complete(&mut bytes, route.local, || cx.host.random() as u16)?;
    if bytes.len() > route.link_mtu as usize {
        return Err(Error::MessageTooLarge);
    }
    let ip = IpMeta {
        src: written.src,
        protocol: written.protocol,
        hop_limit: written.hop_limit,
        traffic_class: written.traffic_class,
        dont_fragment: written.dont_fragment,
        flow_label: written.flow_label,
        ..envelope.ip
    };
    let way = Way::Packet { envelope: Envelope { ip, ..envelope }, transport: written.transport };
    Ok(Outgoing { bytes: bytes.freeze(), way })
}
