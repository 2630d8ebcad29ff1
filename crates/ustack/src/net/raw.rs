//! Blocking raw IP sockets. std has none.

use super::socket::{Socket, Sockets};
use super::{io_result, nonzero};
use crate::error::SocketError;
use crate::stack::Stack;
use stack_core::{EndpointId, Endpoints, Error, Families, Interest, SocketOption, TransportCx};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use trans_raw::{IcmpFilter, Raw, RawMessage};

impl Sockets for Raw {
    const NAME: &'static str = "Raw::default";
}

/// The handle of a new raw or packet socket.
pub(crate) fn open(
    stack: &Stack,
    create: impl FnOnce(&mut Raw, &mut TransportCx<'_>) -> Result<EndpointId, Error>,
) -> io::Result<Arc<Socket<Raw>>> {
    let id = stack.with_transport::<Raw, _>(create).unwrap_or(Err(Error::UnknownProtocol));
    let id = io_result("open the socket (`.transport(Raw::default())` registers its protocol)", id)?;
    Ok(Arc::new(Socket::adopt(stack.clone(), id)))
}

/// A raw IP socket of one family and protocol number. It gets a copy of each packet for this host with that number, whether
/// another protocol deals with it or not. All methods take `&self`; threads may share it.
#[derive(Clone)]
pub struct RawSocket {
    pub(crate) socket: Arc<Socket<Raw>>,
}

impl RawSocket {
    /// Over IPv4: packets are received with their headers. With [`IPPROTO_RAW`](crate::IPPROTO_RAW) it only sends, each
    /// packet with its header.
    ///
    /// # Errors
    /// The stack has no raw access, or too many such sockets.
    pub fn v4(stack: &Stack, protocol: u8) -> io::Result<Self> {
        Ok(Self { socket: open(stack, |raw, cx| raw.create_ip(cx, Families::V4, protocol))? })
    }

    /// Over IPv6: packets are received from their transport header on. Checksums of ICMPv6 are filled in and verified. With
    /// [`IPPROTO_RAW`](crate::IPPROTO_RAW) it only sends, each packet with its header.
    ///
    /// # Errors
    /// As [`v4`](Self::v4).
    pub fn v6(stack: &Stack, protocol: u8) -> io::Result<Self> {
        Ok(Self { socket: open(stack, |raw, cx| raw.create_ip(cx, Families::V6, protocol))? })
    }

    /// Receives packets to this address only from now on, and sends from it.
    ///
    /// # Errors
    /// It is none of the stack's, or of another family.
    pub fn bind(&self, local: IpAddr) -> io::Result<()> {
        let local = SocketAddr::new(local, 0);
        io_result("bind", self.socket.call(|raw, cx, id| raw.bind(cx, id, local)))
    }

    /// Sends to this address from now on, and receives from it only.
    ///
    /// # Errors
    /// There is no route, or it is of another family.
    pub fn connect(&self, remote: impl Into<SocketAddr>) -> io::Result<()> {
        let remote = remote.into();
        io_result("connect", self.socket.call(|raw, cx, id| raw.connect(cx, id, remote)))
    }

    /// Sends one packet; returns how many bytes were written. The port of the address means nothing; its scope does.
    /// Waits while the send buffer is full.
    ///
    /// # Errors
    /// It is too large, or malformed where it brings its header, or there is no route.
    pub fn send_to(&self, bytes: &[u8], to: impl Into<SocketAddr>) -> io::Result<usize> {
        self.write(bytes, Some(to.into()))
    }

    /// Sends one packet to the connected peer; returns how many bytes were written.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to); the socket is not connected.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes, None)
    }

    fn write(&self, bytes: &[u8], to: Option<SocketAddr>) -> io::Result<usize> {
        let timeout = self.socket.settings().write_timeout;
        let sent =
            self.socket.block(Interest::Writable, timeout, |raw, cx, id| raw.send_to(cx, id, bytes, to));
        io_result("send", sent)
    }

    /// Receives one packet, with the address and the interface that it came to, and its hop limit.
    ///
    /// # Errors
    /// The time is over.
    pub fn recv(&self) -> io::Result<RawMessage> {
        let timeout = self.socket.settings().read_timeout;
        io_result("receive", self.socket.block(Interest::Readable, timeout, Raw::recv))
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

    /// Whether what is sent begins with its network header (`IP_HDRINCL`, `IPV6_HDRINCL`). What is received is not changed.
    ///
    /// # Errors
    /// None; the signature is that of the other options.
    pub fn set_header_included(&self, on: bool) -> io::Result<()> {
        self.set_option(SocketOption::HeaderIncluded(on))
    }

    /// Which ICMP messages are received, by type (`ICMP_FILTER`, `ICMP6_FILTER`).
    ///
    /// # Errors
    /// It is a socket of another protocol.
    pub fn set_icmp_filter(&self, filter: IcmpFilter) -> io::Result<()> {
        io_result("set the filter", self.socket.call(|raw, _, id| raw.set_icmp_filter(id, filter)))
    }

    /// TTL or hop limit of unicast packets, 1 to 255.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }

    /// Changes any other setting: groups, buffers, traffic class ...
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        io_result("change the setting", self.socket.set_option(option))
    }

    /// Packets that were missed because the receive buffer was full.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn dropped(&self) -> io::Result<u64> {
        io_result("count the drops", self.socket.call(|raw, _, id| raw.dropped(id)))
    }

    /// Our address; unspecified while unbound. The port is 0.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr().map_err(|error| SocketError::new("name the address", error).into())
    }
}

impl std::fmt::Debug for RawSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawSocket").field("local", &self.local_addr().ok()).finish_non_exhaustive()
    }
}
