//! Packet sockets: what one is, and what it says of frames.

mod receive;
mod send;

pub use receive::{Frame, PacketType};
pub use send::SendFrame;

use crate::Raw;
use crate::socket::{Kind, Socket};
use stack_core::{EndpointId, Error, Medium, NicId, NicView, TapPoint, TapPoints, TransportCx};

/// Whether the link header is a part of what is read and written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketMode {
    /// With it, on links that have one (`SOCK_RAW`).
    Raw,
    /// Without it: addresses and EtherType stand beside the bytes (`SOCK_DGRAM`).
    Cooked,
}

/// Which frames a packet socket takes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EtherTypes {
    /// Those that come in with this EtherType.
    One(u16),
    /// All that come in, and all that go out (`ETH_P_ALL`).
    All,
    /// None: it only sends (a protocol of 0).
    None,
}

#[derive(Debug)]
pub(crate) struct PacketSocket {
    pub(crate) mode: PacketMode,
    pub(crate) takes: EtherTypes,
    /// Frames that go out are not for it (`PACKET_IGNORE_OUTGOING`).
    pub(crate) ignore_outgoing: bool,
}

impl PacketSocket {
    /// Where it has to look.
    pub(crate) fn taps(&self) -> TapPoints {
        match self.takes {
            EtherTypes::None => TapPoints::NONE,
            EtherTypes::All if !self.ignore_outgoing => {
                TapPoints::NONE.with(TapPoint::LinkReceive).with(TapPoint::LinkTransmit)
            }
            EtherTypes::All | EtherTypes::One(_) => TapPoints::NONE.with(TapPoint::LinkReceive),
        }
    }
}

/// Whether frames of the interface have a link header.
fn has_header(nic: &NicView<'_>) -> bool {
    nic.capabilities.medium == Medium::Ethernet
}

impl Raw {
    /// A new packet socket (`socket(AF_PACKET, ..)`), on all interfaces until it is bound to one.
    ///
    /// # Errors
    /// [`Error::LimitReached`].
    pub fn create_packet(
        &mut self,
        cx: &mut TransportCx<'_>,
        mode: PacketMode,
        takes: EtherTypes,
    ) -> Result<EndpointId, Error> {
        let packet = PacketSocket { mode, takes, ignore_outgoing: false };
        let id =
            self.sockets.insert(Socket::new(Kind::Packet(packet), &self.config), self.config.max_sockets)?;
        self.packet_sockets.push(id);
        self.update_taps(cx);
        Ok(id)
    }

    /// Takes the frames of this interface only, with these EtherTypes, from now on (`bind` with a `sockaddr_ll`); of all
    /// interfaces with `None`. What waits to be read stays.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::NotSupported`] for a raw IP socket.
    pub fn bind_packet(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        nic: Option<NicId>,
        takes: EtherTypes,
    ) -> Result<(), Error> {
        let (packet, options) = self.sockets.open_mut(id)?.packet_mut()?;
        if nic.is_some_and(|nic| cx.host.nic(nic).is_none()) {
            return Err(Error::UnknownNic);
        }
        options.nic = nic;
        packet.takes = takes;
        self.update_taps(cx);
        Ok(())
    }

    /// Whether frames that go out are left out (`PACKET_IGNORE_OUTGOING`).
    ///
    /// # Errors
    /// [`Error::NotSupported`] for a raw IP socket.
    pub fn set_ignore_outgoing(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        on: bool,
    ) -> Result<(), Error> {
        self.sockets.open_mut(id)?.packet_mut()?.0.ignore_outgoing = on;
        self.update_taps(cx);
        Ok(())
    }
}
