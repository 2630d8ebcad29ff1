//! Blocking TCP sockets, shaped like [`std::net::TcpListener`] and [`std::net::TcpStream`].

pub(crate) mod connect;
mod forward;
mod listener;
pub(crate) mod options;
pub(crate) mod payload;
mod read;
mod settings;
mod stream;

pub use forward::{TcpForwarder, TcpRequest};
pub use listener::{Incoming, TcpListener};
pub use stream::TcpStream;

use super::socket::Sockets;
use trans_tcp::Tcp;

impl Sockets for Tcp {
    const NAME: &'static str = "Tcp";
}
