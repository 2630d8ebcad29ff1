//! What becomes of what a packet socket writes: a frame to one interface, past routes, neighbours and hooks.

use super::{EtherTypes, PacketMode, has_header};
use crate::Raw;
use crate::transmit::{FrameHeader, Outgoing, Way};
use bytes::Bytes;
use stack_core::{EndpointId, Error, LinkAddress, NicId, TransportCx};
use stack_wire::ethernet::{self, HEADER_LEN};

/// Where to send a frame, as far as its bytes and the socket don't say (`sockaddr_ll`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SendFrame {
    /// The interface; `None` for the one that the socket is bound to.
    pub nic: Option<NicId>,
    /// Cooked sockets: the station to send to, on links with addresses.
    pub destination: LinkAddress,
    /// Cooked sockets: the EtherType; `None` for the one that the socket takes.
    pub ether_type: Option<u16>,
}

impl Raw {
    /// Queues one frame, and says how many bytes were written. A raw socket writes it with its header, where the link has
    /// one, and in any station's name. Nothing is filled in.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] while the send buffer is full; [`Error::DestinationRequired`] without an interface or an
    /// EtherType; [`Error::UnknownNic`]; [`Error::InvalidArgument`] for a frame that ends inside its header;
    /// [`Error::MessageTooLarge`] for more than the interface's MTU.
    pub fn send_frame(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        bytes: &[u8],
        to: &SendFrame,
    ) -> Result<usize, Error> {
        self.check_send(id)?;
        let (packet, options) = self.sockets.open_mut(id)?.packet_mut()?;
        let bound = to.nic.or(options.nic).ok_or(Error::DestinationRequired)?;
        let nic = cx.host.nic(bound).ok_or(Error::UnknownNic)?;
        let (header, payload) = if packet.mode == PacketMode::Raw && has_header(&nic) {
            read_header(bytes)?
        } else {
            let ether_type = match packet.takes {
                EtherTypes::One(ether_type) => to.ether_type.unwrap_or(ether_type),
                _ => to.ether_type.or(ip_version(bytes)).ok_or(Error::DestinationRequired)?,
            };
            (FrameHeader { dst: to.destination, src: LinkAddress::UNSPECIFIED, ether_type }, bytes)
        };
        if payload.len() > nic.capabilities.mtu as usize {
            return Err(Error::MessageTooLarge);
        }
        let way = Way::Frame { nic: bound, mark: options.mark, header };
        self.enqueue(id, Outgoing { bytes: Bytes::copy_from_slice(payload), way });
        Ok(bytes.len())
    }
}

fn read_header(frame: &[u8]) -> Result<(FrameHeader, &[u8]), Error> {
    let (read, _) = ethernet::parse(frame).map_err(|_| Error::InvalidArgument)?;
    let header = FrameHeader {
        dst: LinkAddress(read.dst().0),
        src: LinkAddress(read.src().0),
        ether_type: read.ether_type(),
    };
    Ok((header, frame.get(HEADER_LEN..).ok_or(Error::InvalidArgument)?))
}

/// On links without a header the packet says itself what it is.
fn ip_version(packet: &[u8]) -> Option<u16> {
    match packet.first()? >> 4 {
        4 => Some(ethernet::EtherType::IPV4),
        6 => Some(ethernet::EtherType::IPV6),
        _ => None,
    }
}
