//! What can be set and read on a connection.

use super::TcpStream;
use crate::error::SocketError;
use crate::net::{io_result, nonzero};
use stack_core::SocketOption;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use trans_tcp::TcpInfo;

crate::net::tcp::options::connection_settings!(TcpStream);

impl TcpStream {
    /// Our address.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the local address", self.socket.local_addr())
    }

    /// The peer's address.
    ///
    /// # Errors
    /// There is no connection any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        io_result("name the peer", self.socket.peer_addr())
    }

    /// The state of the connection: what `ss -ti` shows.
    ///
    /// # Errors
    /// There is no connection any more.
    pub fn info(&self) -> io::Result<TcpInfo> {
        io_result("look at the connection", self.socket.call(|tcp, _, id| tcp.info(id)))
    }

    /// How long a read waits; `None` for ever.
    ///
    /// # Errors
    /// The duration is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = nonzero(timeout)?;
        self.socket.change_settings(|settings| settings.read_timeout = timeout);
        Ok(())
    }

    /// How long a write waits for room; `None` for ever.
    ///
    /// # Errors
    /// The duration is zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = nonzero(timeout)?;
        self.socket.change_settings(|settings| settings.write_timeout = timeout);
        Ok(())
    }

    /// How long a read waits.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.settings().read_timeout)
    }

    /// How long a write waits.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.socket.settings().write_timeout)
    }

    /// Whether reads and writes answer `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.socket.set_nonblocking(on);
        Ok(())
    }

    /// TTL or hop limit, 1 to 255.
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.set_ttl(ttl)
    }

    /// TTL or hop limit.
    ///
    /// # Errors
    /// None; the signature is std's.
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(self.socket.ttl())
    }

    /// Changes any setting, by its name in the contract.
    ///
    /// # Errors
    /// The protocol does not have it, or refuses the value.
    pub fn set_option(&self, option: SocketOption) -> io::Result<()> {
        io_result("change the setting", self.socket.set_option(option))
    }

    /// Takes the pending error.
    ///
    /// # Errors
    /// The socket is gone.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        let error = io_result("take the error", self.socket.take_error())?;
        Ok(error.map(|error| SocketError::new("go on with the connection", error).into()))
    }
}
