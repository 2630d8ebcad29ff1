//! What one socket is: of which kind, its options, its two queues and who waits for them.

use crate::RawConfig;
use crate::ip::{IpSocket, RawMessage};
use crate::packet::{Frame, PacketSocket};
use crate::queue::Queue;
use crate::transmit::Outgoing;
use core::task::Waker;
use stack_core::{Error, NicId, Readiness, TransportCx};

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) kind: Kind,
    pub(crate) options: Options,
    pub(crate) receive: Queue<Received>,
    pub(crate) send: Queue<Outgoing>,
    /// Copies for which there was no room.
    pub(crate) dropped: u64,
    /// The socket stands in the round of those with something to send.
    pub(crate) scheduled: bool,
    pub(crate) read_closed: bool,
    pub(crate) write_closed: bool,
    /// The handle was given up; only what is unsent keeps the socket.
    pub(crate) closed: bool,
    pub(crate) readable: Option<Waker>,
    pub(crate) writable: Option<Waker>,
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

/// What either kind can be told.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) nic: Option<NicId>,
    pub(crate) mark: u32,
}

impl Socket {
    pub(crate) fn new(kind: Kind, config: &RawConfig) -> Self {
        Self {
            kind,
            options: Options::default(),
            receive: Queue::new(config.receive_buffer),
            send: Queue::new(config.send_buffer),
            dropped: 0,
            scheduled: false,
            read_closed: false,
            write_closed: false,
            closed: false,
            readable: None,
            writable: None,
        }
    }

    /// As a raw IP socket.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for a packet socket.
    pub(crate) fn ip_mut(&mut self) -> Result<(&mut IpSocket, &mut Options), Error> {
        match &mut self.kind {
            Kind::Ip(ip) => Ok((ip, &mut self.options)),
            Kind::Packet(_) => Err(Error::NotSupported),
        }
    }

    /// As a packet socket.
    ///
    /// # Errors
    /// [`Error::NotSupported`] for a raw IP socket.
    pub(crate) fn packet_mut(&mut self) -> Result<(&mut PacketSocket, &mut Options), Error> {
        match &mut self.kind {
            Kind::Packet(packet) => Ok((packet, &mut self.options)),
            Kind::Ip(_) => Err(Error::NotSupported),
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        Readiness {
            readable: !self.receive.is_empty() || self.read_closed,
            writable: self.send.is_below_limit() || self.write_closed,
            read_closed: self.read_closed,
            write_closed: self.write_closed,
            urgent: false,
            error: false,
        }
    }

    pub(crate) fn wake_both(&mut self, cx: &mut TransportCx<'_>) {
        cx.wake(&mut self.readable);
        cx.wake(&mut self.writable);
    }
}
