//! The kernel's own sockets as a peer: one thread, level-triggered epoll.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

use crate::sys::{self, Epoll};
use crate::{ECHO, HOLD, QUESTION, SINK, SOURCE, UDP_ECHO, UDP_SINK};

const BACKLOG: i32 = 4096;
const CHUNK: usize = 256 * 1024;
/// Datagrams or connections taken before the next descriptor has its turn.
const TURN: usize = 64;

enum Socket {
    Listener(TcpListener, u16),
    Stream(TcpStream, u16),
    Datagrams(UdpSocket, u16),
}

struct Server {
    epoll: Epoll,
    sockets: HashMap<RawFd, Socket>,
    chunk: Vec<u8>,
    datagrams: u64,
    bytes: u64,
}

/// Serves all ports until killed.
pub fn run() -> io::Result<()> {
    let mut server = Server {
        epoll: Epoll::new()?,
        sockets: HashMap::new(),
        chunk: vec![0; CHUNK],
        datagrams: 0,
        bytes: 0,
    };
    for port in [SINK, SOURCE, ECHO, HOLD] {
        server.listen(port)?;
    }
    for port in [UDP_SINK, UDP_ECHO] {
        server.bind(port)?;
    }
    println!("ready");
    let mut ready = Vec::new();
    loop {
        match server.epoll.wait(&mut ready) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => outcome?,
        }
        for fd in ready.drain(..) {
            server.serve(fd)?;
        }
    }
}

impl Server {
    fn listen(&mut self, port: u16) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
        sys::set_backlog(&listener, BACKLOG)?;
        listener.set_nonblocking(true)?;
        self.add(listener.as_raw_fd(), Socket::Listener(listener, port), false)
    }

    fn bind(&mut self, port: u16) -> io::Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
        sys::set_receive_buffer(&socket, 4 << 20)?;
        socket.set_nonblocking(true)?;
        self.add(socket.as_raw_fd(), Socket::Datagrams(socket, port), false)
    }

    fn add(&mut self, fd: RawFd, socket: Socket, writable: bool) -> io::Result<()> {
        self.epoll.watch(fd, writable)?;
        self.sockets.insert(fd, socket);
        Ok(())
    }

    fn serve(&mut self, fd: RawFd) -> io::Result<()> {
        // Taken out while it is served; closed if it is not put back.
        let Some(socket) = self.sockets.remove(&fd) else { return Ok(()) };
        let goes_on = match &socket {
            Socket::Listener(listener, port) => self.accept(listener, *port)?,
            Socket::Stream(stream, port) => self.stream(stream, *port),
            Socket::Datagrams(socket, port) => self.datagrams(socket, *port),
        };
        if goes_on {
            self.sockets.insert(fd, socket);
        }
        Ok(())
    }

    fn accept(&mut self, listener: &TcpListener, port: u16) -> io::Result<bool> {
        for _ in 0..TURN {
            let Ok((stream, _)) = listener.accept() else { break };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.add(stream.as_raw_fd(), Socket::Stream(stream, port), port == SOURCE)?;
        }
        Ok(true)
    }

    fn stream(&mut self, mut stream: &TcpStream, port: u16) -> bool {
        let moved = match port {
            SOURCE => stream.write(&self.chunk),
            ECHO => stream.read(&mut self.chunk).and_then(|count| stream.write(&self.chunk[..count])),
            _ => stream.read(&mut self.chunk),
        };
        match moved {
            Ok(count) => count > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    fn datagrams(&mut self, socket: &UdpSocket, port: u16) -> bool {
        for _ in 0..TURN {
            let Ok((count, from)) = socket.recv_from(&mut self.chunk) else { break };
            if port == UDP_ECHO {
                answer(socket, &self.chunk[..count], from);
            } else if self.chunk[..count].starts_with(QUESTION) {
                let counts = [self.datagrams.to_le_bytes(), self.bytes.to_le_bytes()].concat();
                answer(socket, &counts, from);
            } else {
                self.datagrams += 1;
                self.bytes += count as u64;
            }
        }
        true
    }
}

/// A datagram that does not go out is a lost datagram; the load sees it.
fn answer(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    let _ = socket.send_to(bytes, to);
}
