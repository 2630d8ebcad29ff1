//! What a packet socket receives: a copy of each frame of its interface and EtherType, as the link gave it to the host or
//! the host gives it to the link. The header of an Ethernet frame is put together again from what the link says of it.

use super::{EtherTypes, PacketMode, PacketSocket, has_header};
use crate::Raw;
use crate::socket::{Kind, Received, Socket};
use bytes::{BufMut, Bytes, BytesMut};
use stack_core::{
    Cast, Checksum, EndpointId, Error, Instant, LinkAddress, NicId, NicView, RxPacket, TransportCx, TxPacket,
};
use stack_datagram::{SocketBase, keep};
use stack_wire::ethernet::HEADER_LEN;

/// For whom a frame was (`sll_pkttype`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketType {
    /// For us alone (`PACKET_HOST`).
    Host,
    /// For all on the link (`PACKET_BROADCAST`).
    Broadcast,
    /// For a group (`PACKET_MULTICAST`).
    Multicast,
    /// For another station (`PACKET_OTHERHOST`): of links that hand over such frames.
    OtherHost,
    /// It goes out (`PACKET_OUTGOING`).
    Outgoing,
}

/// A frame that a packet socket received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Of a raw socket the frame with its header, where the link has one; of a cooked socket what follows it.
    pub bytes: Bytes,
    /// The interface.
    pub nic: NicId,
    /// For whom it was.
    pub packet_type: PacketType,
    /// EtherType.
    pub ether_type: u16,
    /// Who sent it; unspecified on links without addresses.
    pub source: LinkAddress,
    /// Whom it was sent to; unspecified on links without addresses.
    pub destination: LinkAddress,
    /// What is known of its transport checksum. One that is `Partial` is still to be completed; its offset counts from the
    /// network header (`TP_STATUS_CSUMNOTREADY`).
    pub checksum: Checksum,
    /// Payload bytes of each segment that it stands for; 0 if it is an ordinary frame.
    pub segment_size: u16,
    /// When it entered the stack, or left it.
    pub at: Instant,
}

impl Raw {
    /// Takes the oldest frame of a packet socket.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none, [`Error::ClosedForReceive`] after a shutdown, [`Error::NotSupported`] for a
    /// raw IP socket.
    pub fn recv_frame(&mut self, _: &mut TransportCx<'_>, id: EndpointId) -> Result<Frame, Error> {
        self.sockets.open_mut(id)?.packet_mut()?;
        match self.take(id)? {
            Received::Frame(frame) => Ok(frame),
            Received::Message(_) => Err(Error::NotSupported),
        }
    }

    pub(crate) fn frame_received(&mut self, cx: &mut TransportCx<'_>, nic: &NicView<'_>, packet: &RxPacket) {
        let frame = Frame {
            bytes: Bytes::new(),
            nic: nic.id,
            packet_type: packet_type(packet, nic),
            ether_type: packet.meta.ether_type,
            source: packet.meta.link_src,
            destination: packet.meta.link_dst,
            checksum: packet.meta.checksum,
            segment_size: packet.meta.gso_size,
            at: packet.meta.received_at,
        };
        self.frame(cx, nic, frame, || keep(packet, 0));
    }

    pub(crate) fn frame_sent(&mut self, cx: &mut TransportCx<'_>, nic: &NicView<'_>, packet: &TxPacket) {
        let own = nic.link_address.unwrap_or_default();
        let frame = Frame {
            bytes: Bytes::new(),
            nic: nic.id,
            packet_type: PacketType::Outgoing,
            ether_type: packet.ether_type,
            source: if packet.link_src == LinkAddress::UNSPECIFIED { own } else { packet.link_src },
            destination: packet.link_dst,
            checksum: packet.checksum,
            segment_size: packet.gso_size,
            at: cx.now,
        };
        self.frame(cx, nic, frame, || {
            let bytes = packet.to_bytes();
            let len = bytes.len();
            (bytes, len)
        });
    }

    /// To all packet sockets that it concerns; the bytes are taken only if there is one.
    fn frame(
        &mut self,
        cx: &mut TransportCx<'_>,
        nic: &NicView<'_>,
        frame: Frame,
        bytes: impl Fn() -> (Bytes, usize),
    ) {
        for index in 0..self.packet_sockets.len() {
            let Some(id) = self.packet_sockets.get(index).copied() else { break };
            let Ok(Socket {
                kind: Kind::Packet(packet),
                options,
                base: SocketBase { read_closed: false, .. },
                ..
            }) = self.sockets.open(id)
            else {
                continue;
            };
            if !packet.wants(&frame) || options.nic.is_some_and(|wanted| wanted != nic.id) {
                continue;
            }
            let (mut bytes, mut pinned) = bytes();
            if packet.mode == PacketMode::Raw && has_header(nic) {
                bytes = with_header(&frame, &bytes);
                pinned = bytes.len();
            }
            self.queue(cx, id, Received::Frame(Frame { bytes, ..frame.clone() }), pinned);
        }
    }
}

impl PacketSocket {
    fn wants(&self, frame: &Frame) -> bool {
        let outgoing = frame.packet_type == PacketType::Outgoing;
        match self.takes {
            EtherTypes::All => !(outgoing && self.ignore_outgoing),
            EtherTypes::One(ether_type) => !outgoing && ether_type == frame.ether_type,
            EtherTypes::None => false,
        }
    }
}

fn packet_type(packet: &RxPacket, nic: &NicView<'_>) -> PacketType {
    let dst = packet.meta.link_dst;
    match packet.meta.cast {
        Cast::Broadcast => PacketType::Broadcast,
        Cast::Multicast => PacketType::Multicast,
        Cast::Unicast if dst != LinkAddress::UNSPECIFIED && nic.link_address.is_some_and(|us| us != dst) => {
            PacketType::OtherHost
        }
        Cast::Unicast => PacketType::Host,
    }
}

fn with_header(frame: &Frame, bytes: &[u8]) -> Bytes {
    let mut whole = BytesMut::with_capacity(HEADER_LEN + bytes.len());
    whole.put_slice(&frame.destination.0);
    whole.put_slice(&frame.source.0);
    whole.put_u16(frame.ether_type);
    whole.put_slice(bytes);
    whole.freeze()
}
