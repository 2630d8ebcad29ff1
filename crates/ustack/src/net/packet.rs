//! Blocking packet sockets. std has none.

use super::raw::open;
use super::socket::Socket;
use super::{io_result, nonzero};
use crate::stack::Stack;
use stack_core::{Interest, NicId, SocketOption};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use trans_raw::{EtherTypes, Frame, PacketMode, Raw, SendFrame};

/// A packet socket: it gets a copy of each frame that passes an interface, and sends frames of its own. All methods take
/// `&self`; threads may share it.
#[derive(Clone)]
pub struct PacketSocket {
    pub(crate) socket: Arc<Socket<Raw>>,
}

impl PacketSocket {
    /// A socket on all interfaces: with or without link headers, for frames that come in with one EtherType, or for all
    /// in both directions.
    ///
    /// # Errors
    /// The stack has no raw access, or too many such sockets.
    pub fn open(stack: &Stack, mode: PacketMode, takes: EtherTypes) -> io::Result<Self> {
        Ok(Self { socket: open(stack, |raw, cx| raw.create_packet(cx, mode, takes))? })
    }

    /// Takes the frames of this interface only, or of all, from now on.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn bind(&self, nic: Option<NicId>, takes: EtherTypes) -> io::Result<()> {
        io_result("bind", self.socket.call(|raw, cx, id| raw.bind_packet(cx, id, nic, takes)))
    }

    /// Sends one frame, on the interface that the socket is bound to where `to` names none; returns how many bytes were
    /// written. Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large or ends inside its header, or there is no such interface.
    pub fn send_to(&self, bytes: &[u8], to: &SendFrame) -> io::Result<usize> {
        let timeout = self.socket.settings().write_timeout;
        let sent =
            self.socket.block(Interest::Writable, timeout, |raw, cx, id| raw.send_frame(cx, id, bytes, to));
        io_result("send", sent)
    }

    /// Sends one frame that says all itself on the interface that the socket is bound to; returns how many bytes were
    /// written.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send_to(bytes, &SendFrame::default())
    }

    /// Receives one frame.
    ///
    /// # Errors
    /// The time is over.
    pub fn recv(&self) -> io::Result<Frame> {
        let timeout = self.socket.settings().read_timeout;
        io_result("receive", self.socket.block(Interest::Readable, timeout, Raw::recv_frame))
    }

    /// How long a receive waits; `None` for ever.
    ///
    /// # Errors
    /// The duration is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = nonzero(timeout)?;
        self.socket.change_settings(|settings| settings.read_timeout = timeout);
        Ok(())
    }

    /// Whether calls answer `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None; the signature is that of the other sockets.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.socket.set_nonblocking(on);
        Ok(())
    }

    /// Whether frames that go out are left out (`PACKET_IGNORE_OUTGOING`).
    ///
    /// # Errors
    /// The socket is gone.
    pub fn set_ignore_outgoing(&self, on: bool) -> io::Result<()> {
        io_result("change the setting", self.socket.call(|raw, cx, id| raw.set_ignore_outgoing(cx, id, on)))
    }

    /// Changes any other setting: buffers, the mark of what is sent.
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        io_result("change the setting", self.socket.set_option(option))
    }

    /// Frames that were missed because the receive buffer was full.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn dropped(&self) -> io::Result<u64> {
        io_result("count the drops", self.socket.call(|raw, _, id| raw.dropped(id)))
    }
}

impl std::fmt::Debug for PacketSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketSocket").field("dropped", &self.dropped().ok()).finish_non_exhaustive()
    }
}
