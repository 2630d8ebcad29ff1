//! A program on two hosts: a connection that carries a stream of its own in each direction, checked byte by byte.

use crate::net::{App, HostId, Hosts, Socket};
use crate::source::SeededRng;
use core::net::SocketAddr;
use core::time::Duration;
use stack_core::{Error, Instant, Shutdown};
use std::cell::RefCell;
use std::rc::Rc;

/// Bytes that are a function of their position: word `n` is the `n`-th number of a seed.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    seed: u64,
    /// How many there are.
    pub len: u64,
}

impl Content {
    /// `len` bytes of that seed.
    pub fn new(seed: u64, len: u64) -> Self {
        Self { seed, len }
    }

    /// Writes the bytes from `position` on into a buffer; returns how many there were.
    pub fn fill(&self, position: u64, buffer: &mut [u8]) -> usize {
        let len = self.len.saturating_sub(position).min(buffer.len() as u64) as usize;
        let (mut done, mut at) = (0, position);
        while done < len {
            let word = SeededRng::nth(self.seed, at / 8).to_le_bytes();
            let part = &word[(at % 8) as usize..];
            let take = part.len().min(len - done);
            buffer[done..done + take].copy_from_slice(&part[..take]);
            (done, at) = (done + take, at + take as u64);
        }
        len
    }
}

/// One end of the connection.
#[derive(Debug)]
pub struct End {
    host: HostId,
    socket: Option<Socket>,
    content: Content,
    /// Bytes written so far.
    pub written: u64,
    /// Bytes read so far; they were as the other end wrote them.
    pub read: u64,
    shut: bool,
    /// The end of the other stream has been read.
    pub finished: bool,
    /// The handle has been given up.
    pub closed: bool,
    /// Rests after each so many bytes read, for so long: closed windows.
    rest: Option<(u64, Duration)>,
    awake_at: Instant,
    next_rest: u64,
}

impl End {
    fn new(host: HostId, content: Content) -> Self {
        Self {
            host,
            socket: None,
            content,
            written: 0,
            read: 0,
            shut: false,
            finished: false,
            closed: false,
            rest: None,
            awake_at: Instant::ZERO,
            next_rest: 0,
        }
    }

    /// Bytes that it has read.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Makes this end a slow reader: it rests for `pause` after each `bytes` bytes.
    pub fn rest_after(&mut self, bytes: u64, pause: Duration) {
        self.rest = Some((bytes, pause));
        self.next_rest = bytes;
    }

    fn write(&mut self, hosts: &mut Hosts, socket: Socket, chunk: usize) -> Result<bool, Error> {
        let mut buffer = vec![0; chunk];
        let mut moved = false;
        while !self.shut {
            let len = self.content.fill(self.written, &mut buffer);
            if len == 0 {
                socket.shutdown(hosts, Shutdown::Write)?;
                self.shut = true;
                return Ok(true);
            }
            match socket.write(hosts, &buffer[..len]) {
                Ok(count) => self.written += count as u64,
                Err(Error::WouldBlock) => return Ok(moved),
                Err(error) => return Err(error),
            }
            moved = true;
        }
        Ok(moved)
    }

    fn read(
        &mut self,
        hosts: &mut Hosts,
        socket: Socket,
        chunk: usize,
        from: Content,
    ) -> Result<bool, Error> {
        let (mut buffer, mut wanted) = (vec![0; chunk], vec![0; chunk]);
        let mut moved = false;
        while !self.finished && self.awake_at <= hosts.now() {
            match socket.read(hosts, &mut buffer) {
                Ok((0, _)) | Err(Error::ClosedForReceive) => self.finished = true,
                Ok((count, _)) => {
                    let known = from.fill(self.read, &mut wanted[..count]);
                    assert_eq!(known, count, "more bytes arrived than were sent");
                    let wrong = buffer[..count].iter().zip(&wanted).position(|(a, b)| a != b);
                    assert_eq!(wrong, None, "a wrong byte behind {} right ones", self.read);
                    self.read += count as u64;
                }
                Err(Error::WouldBlock) => return Ok(moved),
                Err(error) => return Err(error),
            }
            moved = true;
            if let Some((bytes, pause)) = self.rest.filter(|_| self.read >= self.next_rest) {
                self.next_rest = self.read + bytes;
                self.awake_at = hosts.now() + pause;
            }
        }
        Ok(moved)
    }
}

/// A connection and what both ends do with it: write all, end their side, read all, close.
#[derive(Debug)]
pub struct Transfer {
    listener: Socket,
    server: SocketAddr,
    /// The end that connects.
    pub client: End,
    /// The end that listens.
    pub passive: End,
    chunk: usize,
    /// Why it broke, if it did.
    pub error: Option<(HostId, Error)>,
}

impl Transfer {
    /// A transfer between a client and a server; `chunk` is how much is read and written at once.
    ///
    /// # Errors
    /// The server can't listen there.
    pub fn new(
        hosts: &mut Hosts,
        client: (HostId, Content),
        server: (HostId, Content),
        listen: SocketAddr,
        chunk: usize,
    ) -> Result<Self, Error> {
        let listener = Socket::listening(hosts, server.0, listen, 4)?;
        Ok(Self {
            listener,
            server: listen,
            client: End::new(client.0, client.1),
            passive: End::new(server.0, server.1),
            chunk: chunk.max(1),
            error: None,
        })
    }

    /// Both ends have read all and closed.
    pub fn is_done(&self) -> bool {
        self.client.closed && self.passive.closed
    }

    fn open(&mut self, hosts: &mut Hosts) -> Result<bool, (HostId, Error)> {
        let mut moved = false;
        if self.client.socket.is_none() {
            let host = self.client.host;
            let socket =
                Socket::connecting(hosts, host, super::TCP, self.server).map_err(|error| (host, error))?;
            self.client.socket = Some(socket);
            moved = true;
        }
        if self.passive.socket.is_none() {
            match self.listener.accept(hosts) {
                Ok(socket) => {
                    self.passive.socket = Some(socket);
                    self.listener.close(hosts);
                    moved = true;
                }
                Err(Error::WouldBlock) => {}
                Err(error) => return Err((self.passive.host, error)),
            }
        }
        Ok(moved)
    }

    fn drive(&mut self, hosts: &mut Hosts) -> Result<bool, (HostId, Error)> {
        let mut moved = self.open(hosts)?;
        let contents = (self.client.content, self.passive.content);
        for (end, from) in [(&mut self.client, contents.1), (&mut self.passive, contents.0)] {
            let Some(socket) = end.socket.filter(|_| !end.closed) else { continue };
            let host = end.host;
            // Before the handshake is over there is nothing to read yet.
            let written = end.write(hosts, socket, self.chunk).map_err(|error| (host, error))?;
            let read = match end.read(hosts, socket, self.chunk, from) {
                Err(Error::NotConnected) => Ok(false),
                other => other.map_err(|error| (host, error)),
            }?;
            moved |= written | read;
            if end.shut && end.finished {
                socket.close(hosts);
                end.closed = true;
                moved = true;
            }
        }
        Ok(moved)
    }
}

impl App for Transfer {
    fn poll(&mut self, hosts: &mut Hosts) -> bool {
        if self.error.is_some() {
            return false;
        }
        match self.drive(hosts) {
            Ok(moved) => moved,
            Err(error) => {
                self.error = Some(error);
                false
            }
        }
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        [&self.client, &self.passive].iter().map(|end| end.awake_at).filter(|at| *at > now).min()
    }
}

impl<A: App> App for Rc<RefCell<A>> {
    fn poll(&mut self, hosts: &mut Hosts) -> bool {
        self.borrow_mut().poll(hosts)
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        self.borrow().deadline(now)
    }
}
