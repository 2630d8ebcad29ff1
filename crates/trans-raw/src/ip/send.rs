//! What becomes of what a raw IP socket writes: a transport segment, or, with its header included, an IPv4 packet.
//!
//! All is decided at the call - destination, source, route, whether it fits - so that every failure is the caller's to
//! know. A header that is included decides about itself; the destination of the call decides about the way.

use super::peer::{Peer, agree};
use super::{IpSocket, checksum, header};
use crate::Raw;
use crate::socket::Options;
use crate::transmit::{Outgoing, Way};
use bytes::{Bytes, BytesMut};
use core::net::{IpAddr, SocketAddr};
use stack_core::{CachedRoute, Cast, EndpointId, Error, Families, IpMeta, RouteQuery, TransportCx};

/// Largest payload of an IPv4 packet without options, in bytes.
const MAX_PAYLOAD_V4: usize = 65_515;
/// Largest payload of an IPv6 packet, in bytes.
const MAX_PAYLOAD_V6: usize = 65_535;

impl Raw {
    /// Queues one packet, to `to` (its port does not matter) or to the connected peer, and says how many bytes were
    /// written. With [`HeaderIncluded`](stack_core::SocketOption::HeaderIncluded) the bytes begin with an IPv4 header, of which total length and
    /// checksum are filled in always, source and identification where they are zero. The checksum of ICMPv6 messages, and
    /// where [`ChecksumOffset`](stack_core::SocketOption::ChecksumOffset) says, is filled in.
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
            Some(to) => Peer::from_application(ip.families, to)?,
            None => ip.peer.ok_or(Error::DestinationRequired)?,
        };
        let route = ip.route_to(cx, options, peer)?;
        let (bytes, way) = if ip.header_included {
            ip.packet(cx, &route, peer, bytes)?
        } else {
            ip.segment(&route, peer, bytes)?
        };
        let multicast_nic = ip.multicast_nic.filter(|_| route.cast == Cast::Multicast);
        // Where a wish or a zone chose the interface, the packet must not leave by another one.
        let bound_nic = ip.bound_nic(options).or(peer.zone).or(multicast_nic);
        let (len, mark) = (bytes.len(), options.mark);
        self.enqueue(id, Outgoing { bytes, way, bound_nic, mark });
        Ok(len)
    }
}

impl IpSocket {
    /// The only interface that the socket uses, by its option or by the zone of its address.
    fn bound_nic(&self, options: &Options) -> Option<stack_core::NicId> {
        options.nic.or(self.local.and_then(|local| local.zone))
    }

    /// The way to a destination that the socket may send to.
    pub(crate) fn route_to(
        &self,
        cx: &mut TransportCx<'_>,
        options: &Options,
        peer: Peer,
    ) -> Result<CachedRoute, Error> {
        if peer.ip.is_unspecified() {
            return Err(Error::InvalidArgument);
        }
        let mut nic = agree(self.bound_nic(options), peer.zone)?;
        if nic.is_none() && peer.ip.is_multicast() {
            nic = self.multicast_nic;
        }
        let local = self.local.map(|local| local.ip).filter(|local| !local.is_multicast());
        let route = cx.host.route(&RouteQuery { nic, local, remote: peer.ip })?;
        if route.cast == Cast::Broadcast && !self.broadcast {
            return Err(Error::BroadcastDisabled);
        }
        Ok(route)
    }

    fn segment(&self, route: &CachedRoute, peer: Peer, bytes: &[u8]) -> Result<(Bytes, Way), Error> {
        let (most, header_len) =
            if self.families == Families::V4 { (MAX_PAYLOAD_V4, 20) } else { (MAX_PAYLOAD_V6, 40) };
        let fits = !self.dont_fragment || bytes.len() + header_len <= route.mtu as usize;
        if bytes.len() > most || !fits {
            return Err(Error::MessageTooLarge);
        }
        let mut bytes = BytesMut::from(bytes);
        if let Some(offset) = self.checksum_at() {
            checksum::write(&mut bytes, offset, (route.local, peer.ip), self.protocol)
                .ok_or(Error::InvalidArgument)?;
        }
        let multicast = route.cast == Cast::Multicast;
        let ip = IpMeta {
            src: route.local,
            dst: peer.ip,
            protocol: self.protocol,
            hop_limit: if multicast { self.multicast_hop_limit } else { self.hop_limit },
            traffic_class: self.traffic_class,
            dont_fragment: self.dont_fragment,
            flow_label: self.flow_label,
            cast: route.cast,
        };
        let way = Way::Segment { ip, hop: route.hop, multicast_loop: self.multicast_loop };
        Ok((bytes.freeze(), way))
    }

    fn packet(
        &self,
        cx: &mut TransportCx<'_>,
        route: &CachedRoute,
        peer: Peer,
        bytes: &[u8],
    ) -> Result<(Bytes, Way), Error> {
        let IpAddr::V4(src) = route.local else { return Err(Error::AddressFamily) };
        let mut bytes = BytesMut::from(bytes);
        let ident = cx.host.random() as u16;
        let written = header::complete(&mut bytes, src, ident)?;
        if bytes.len() > route.link_mtu as usize {
            return Err(Error::MessageTooLarge);
        }
        let ip = IpMeta {
            src: written.src.into(),
            dst: peer.ip,
            protocol: written.protocol,
            hop_limit: written.ttl,
            traffic_class: written.tos,
            dont_fragment: written.dont_fragment,
            flow_label: None,
            cast: route.cast,
        };
        let way = Way::Packet {
            ip,
            hop: route.hop,
            multicast_loop: self.multicast_loop,
            header_len: written.header_len,
            later_fragment: written.later_fragment,
        };
        Ok((bytes.freeze(), way))
    }
}
