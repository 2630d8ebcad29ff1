//! Raw IP sockets and packet sockets.

use crate::net::{PacketSocket as BlockingPacket, RawSocket as BlockingRaw, io_result};
use crate::stack::Stack;
use stack_core::{Interest, NicId, SocketOption};
use std::io;
use std::net::{IpAddr, SocketAddr};
use trans_raw::{EtherTypes, Frame, IcmpFilter, PacketMode, Raw, RawMessage, SendFrame};

/// A raw IP socket of one family and protocol number. All methods take `&self`; tasks may share it.
#[derive(Debug)]
pub struct RawSocket {
    inner: BlockingRaw,
}

impl RawSocket {
    /// Over IPv4: packets are received with their headers.
    ///
    /// # Errors
    /// The stack has no raw access, or too many such sockets.
    pub fn v4(stack: &Stack, protocol: u8) -> io::Result<Self> {
        Ok(Self { inner: BlockingRaw::v4(stack, protocol)? })
    }

    /// Over IPv6: packets are received from their transport header on.
    ///
    /// # Errors
    /// As [`v4`](Self::v4).
    pub fn v6(stack: &Stack, protocol: u8) -> io::Result<Self> {
        Ok(Self { inner: BlockingRaw::v6(stack, protocol)? })
    }

    /// Receives packets to this address only from now on, and sends from it.
    ///
    /// # Errors
    /// It is none of the stack's, or of another family.
    pub fn bind(&self, local: IpAddr) -> io::Result<()> {
        self.inner.bind(local)
    }

    /// Sends to this address from now on, and receives from it only.
    ///
    /// # Errors
    /// There is no route, or it is of another family.
    pub fn connect(&self, remote: impl Into<SocketAddr>) -> io::Result<()> {
        self.inner.connect(remote)
    }

    /// Sends one packet; returns how many bytes were written. Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large, or malformed where it brings its header, or there is no route.
    pub async fn send_to(&self, bytes: &[u8], to: impl Into<SocketAddr>) -> io::Result<usize> {
        self.write(bytes, Some(to.into())).await
    }

    /// Sends one packet to the connected peer; returns how many bytes were written.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); the socket is not connected.
    pub async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes, None).await
    }

    async fn write(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        let socket = &self.inner.socket;
        let sent = socket.wait(Interest::Writable, |raw, cx, id| raw.send_to(cx, id, bytes, to)).await;
        io_result("send", sent)
    }

    /// Receives one packet.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn recv(&self) -> io::Result<RawMessage> {
        io_result("receive", self.inner.socket.wait(Interest::Readable, Raw::recv).await)
    }

    /// Which ICMP messages are received, by type (`ICMP_FILTER`, `ICMP6_FILTER`).
    ///
    /// # Errors
    /// It is a socket of another protocol.
    pub fn set_icmp_filter(&self, filter: IcmpFilter) -> io::Result<()> {
        self.inner.set_icmp_filter(filter)
    }

    /// Changes any other setting: header included, groups, buffers, hop limit ...
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.inner.set_option(option)
    }

    /// Packets that were missed because the receive buffer was full.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn dropped(&self) -> io::Result<u64> {
        self.inner.dropped()
    }
}

/// A packet socket. All methods take `&self`; tasks may share it.
#[derive(Debug)]
pub struct PacketSocket {
    inner: BlockingPacket,
}

impl PacketSocket {
    /// A socket on all interfaces: with or without link headers, for frames that come in with one EtherType, or for all
    /// in both directions.
    ///
    /// # Errors
    /// The stack has no raw access, or too many such sockets.
    pub fn open(stack: &Stack, mode: PacketMode, takes: EtherTypes) -> io::Result<Self> {
        Ok(Self { inner: BlockingPacket::open(stack, mode, takes)? })
    }

    /// Takes the frames of this interface only, or of all, from now on.
    ///
    /// # Errors
    /// There is no such interface.
    pub fn bind(&self, nic: Option<NicId>, takes: EtherTypes) -> io::Result<()> {
        self.inner.bind(nic, takes)
    }

    /// Sends one frame; returns how many bytes were written. Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large or ends inside its header, or there is no such interface.
    pub async fn send_to(&self, bytes: &[u8], to: &SendFrame) -> io::Result<usize> {
        let socket = &self.inner.socket;
        let sent = socket.wait(Interest::Writable, |raw, cx, id| raw.send_frame(cx, id, bytes, to)).await;
        io_result("send", sent)
    }

    /// Receives one frame.
    ///
    /// # Errors
    /// The socket is gone.
    pub async fn recv(&self) -> io::Result<Frame> {
        io_result("receive", self.inner.socket.wait(Interest::Readable, Raw::recv_frame).await)
    }

    /// Whether frames that go out are left out (`PACKET_IGNORE_OUTGOING`).
    ///
    /// # Errors
    /// The socket is gone.
    pub fn set_ignore_outgoing(&self, on: bool) -> io::Result<()> {
        self.inner.set_ignore_outgoing(on)
    }

    /// Changes any other setting: buffers, the mark of what is sent.
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        self.inner.set_option(option)
    }

    /// Frames that were missed because the receive buffer was full.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn dropped(&self) -> io::Result<u64> {
        self.inner.dropped()
    }
}
