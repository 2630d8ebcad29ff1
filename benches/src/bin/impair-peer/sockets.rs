//! The kernel's sockets or our own, behind one face: what of both a transfer needs.

use crate::{End, Ours};
use link_tun::{Tun, TunConfig};
use net_ipv4::{Ipv4, Ipv4Config};
use rustix::net::sockopt::set_tcp_congestion;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{self, SocketAddr};
use std::time::Duration;
use trans_tcp::congestion::Algorithm;
use trans_tcp::{Tcp, TcpConfig};
use ustack::{NicConfig, Stack};

/// A stream of either kind.
pub(crate) trait Stream: Read + Write + Send {
    /// Bounds how long a read waits.
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Stream for net::TcpStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        Self::set_read_timeout(self, Some(timeout))
    }
}

impl Stream for ustack::net::TcpStream {
    fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        Self::set_read_timeout(self, Some(timeout))
    }
}

/// Where streams come from.
pub(crate) enum Sockets {
    /// The kernel, with this congestion control. Buffers are those of the namespace.
    Kernel(String),
    /// Our stack.
    Ours(Stack),
}

/// A listener of either kind.
pub(crate) enum Listener {
    Kernel(net::TcpListener),
    Ours(ustack::net::TcpListener),
}

impl End {
    /// The sockets that this end asks for.
    pub(crate) fn sockets(&self) -> Result<Sockets, Box<dyn Error>> {
        match &self.stack {
            None => Ok(Sockets::Kernel(self.cc.clone())),
            Some(ours) => Ok(Sockets::Ours(stack(ours, &self.cc)?)),
        }
    }
}

fn stack(args: &Ours, cc: &str) -> Result<Stack, Box<dyn Error>> {
    let congestion = cc.parse::<Algorithm>().map_err(|_| {
        format!("our stack has no congestion control {cc}: choose from {}", Algorithm::AVAILABLE.join(", "))
    })?;
    let tcp = TcpConfig {
        congestion,
        receive_buffer: args.buffer,
        receive_buffer_max: args.buffer,
        send_buffer: args.buffer,
        send_buffer_max: args.buffer,
        ..TcpConfig::default()
    };
    let device = Tun::create(TunConfig::tun().with_name(&args.device))?;
    let nic = NicConfig::new(device).address(args.address).gateway(args.gateway);
    let builder = Stack::builder().network(Ipv4::new(Ipv4Config::default())).transport(Tcp::new(tcp));
    Ok(builder.nic(nic).build()?)
}

impl Sockets {
    /// Connects. The congestion control is set before, so that it has the whole of slow start; what is not in
    /// `tcp_allowed_congestion_control` takes CAP_NET_ADMIN, which whoever makes namespaces has.
    pub(crate) fn connect(&self, to: SocketAddr) -> Result<Box<dyn Stream>, Box<dyn Error>> {
        match self {
            Self::Ours(stack) => Ok(Box::new(ustack::net::TcpStream::connect(stack, to)?)),
            Self::Kernel(cc) => {
                let socket = rustix::net::socket(
                    rustix::net::AddressFamily::INET,
                    rustix::net::SocketType::STREAM,
                    None,
                )?;
                set_tcp_congestion(&socket, cc)?;
                rustix::net::connect(&socket, &to)?;
                Ok(Box::new(net::TcpStream::from(socket)))
            }
        }
    }

    /// Listens.
    pub(crate) fn listen(&self, on: SocketAddr) -> Result<Listener, Box<dyn Error>> {
        match self {
            Self::Ours(stack) => Ok(Listener::Ours(ustack::net::TcpListener::bind(stack, on)?)),
            Self::Kernel(cc) => {
                let listener = net::TcpListener::bind(on)?;
                set_tcp_congestion(&listener, cc)?;
                Ok(Listener::Kernel(listener))
            }
        }
    }
}

impl Listener {
    /// Waits for a connection.
    pub(crate) fn accept(&self) -> Result<Box<dyn Stream>, Box<dyn Error>> {
        match self {
            Self::Kernel(listener) => Ok(Box::new(listener.accept()?.0)),
            Self::Ours(listener) => Ok(Box::new(listener.accept()?.0)),
        }
    }
}
