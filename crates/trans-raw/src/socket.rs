//! What one socket is: of which kind, its options, and what all sockets have.

use crate::RawConfig;
use crate::ip::{IpSocket, RawMessage};
use crate::packet::{Frame, PacketSocket};
use crate::transmit::Outgoing;
use stack_core::Error;
use stack_datagram::{DatagramSocket, IpOptions, SocketBase};

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) kind: Kind,
    /// Of these, a packet socket has the interface and the mark.
    pub(crate) options: IpOptions,
    pub(crate) base: SocketBase<Received, Outgoing>,
    /// Copies for which there was no room.
    pub(crate) dropped: u64,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Ip(IpSocket),
    Packet(PacketSocket),
}

/// What waits to be read.
#[derive(Debug)]
pub(crate) enum Received {
    Message(RawMessage),
    Frame(Frame),
}

impl Socket {
    pub(crate) fn new(kind: Kind, config: &RawConfig) -> Self {
        let base = SocketBase::new(config.receive_buffer, config.send_buffer);
        Self { kind, options: IpOptions::default(), base, dropped: 0 }
    }

    /// As a raw IP socket.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for a packet socket.
    pub(crate) fn ip_mut(&mut self) -> Result<(&mut IpSocket, &mut IpOptions), Error> {
        match &mut self.kind {
            Kind::Ip(ip) => Ok((ip, &mut self.options)),
            Kind::Packet(_) => Err(Error::NotSupported),
        }
    }

    /// As a packet socket.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for a raw IP socket.
    pub(crate) fn packet_mut(&mut self) -> Result<(&mut PacketSocket, &mut IpOptions), Error> {
        match &mut self.kind {
            Kind::Packet(packet) => Ok((packet, &mut self.options)),
            Kind::Ip(_) => Err(Error::NotSupported),
        }
    }
}

impl DatagramSocket for Socket {
    type Received = Received;
    type Outgoing = Outgoing;

    fn base(&self) -> &SocketBase<Received, Outgoing> {
        &self.base
    }

    fn base_mut(&mut self) -> &mut SocketBase<Received, Outgoing> {
        &mut self.base
    }
}
