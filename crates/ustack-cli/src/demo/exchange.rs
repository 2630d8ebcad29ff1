//! The two programs: a client that asks for one resource over HTTP/1.1, and a server that makes it up.
//!
//! Both use the sockets of their host without waiting: each turn they do what can be done. Content is random, from the
//! seed, and hashed where it is made and where it arrives.

use super::world::Program;
use crate::http::hex;
use bytes::Bytes;
use sha2::{Digest, Sha256};
use stack_core::{EndpointId, Error, Families, Instant, Shutdown, TransportCx};
use stack_host::Host;
use stack_testkit::SeededRng;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use trans_tcp::{Tcp, TcpInfo};

const PORT: u16 = 80;
/// Bytes of content that are made at once.
const PIECE: usize = 64 * 1024;
/// Bytes that are read at once.
const READ: usize = 1 << 20;
/// Largest head that either side takes, in bytes.
const MAX_HEAD: usize = 4096;
const BLANK_LINE: &[u8] = b"\r\n\r\n";

fn on_tcp<R>(
    host: &mut Host,
    now: Instant,
    call: impl FnOnce(&mut Tcp, &mut TransportCx<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let (tcp, mut cx) = host.transport::<Tcp>(now).ok_or(Error::UnknownProtocol)?;
    call(tcp, &mut cx)
}

/// Whether a call did something; an error that is more than "not now" is kept.
fn did(result: Result<(), Error>, failure: &mut Option<Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(Error::WouldBlock | Error::ConnectStarted) => false,
        Err(error) => {
            *failure = Some(error);
            false
        }
    }
}

/// Asks for the resource.
pub(super) struct Client {
    server: SocketAddr,
    connection: Option<EndpointId>,
    /// What of the request is not yet written.
    request: Bytes,
    head: Vec<u8>,
    in_body: bool,
    received: u64,
    hash: Sha256,
    done: bool,
    failure: Option<Error>,
}

impl Client {
    /// A client of the server at this address.
    pub(super) fn new(server: IpAddr) -> Self {
        let server = SocketAddr::new(server, PORT);
        let request = format!(
            "GET /demo HTTP/1.1\r\nHost: {server}\r\nUser-Agent: ustack-demo\r\nConnection: close\r\n\r\n"
        );
        Self {
            server,
            connection: None,
            request: request.into(),
            head: Vec::new(),
            in_body: false,
            received: 0,
            hash: Sha256::new(),
            done: false,
            failure: None,
        }
    }

    /// Bytes of content so far.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the content has ended.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    pub(super) fn failure(&self) -> Option<Error> {
        self.failure
    }

    /// SHA-256 of the content.
    pub(super) fn hash(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    fn step(&mut self, tcp: &mut Tcp, cx: &mut TransportCx<'_>) -> Result<(), Error> {
        let Some(id) = self.connection else {
            let id = tcp.create(cx, Families::of(self.server.ip()))?;
            self.connection = Some(id);
            return tcp.connect(cx, id, self.server);
        };
        if !self.request.is_empty() {
            if !tcp.readiness(id).writable {
                return tcp.take_error(id).map_or(Err(Error::WouldBlock), Err);
            }
            return tcp.write_bytes(cx, id, &mut self.request).map(drop);
        }
        let bytes = tcp.read_bytes(cx, id, READ)?;
        if bytes.is_empty() {
            self.done = true;
            tcp.close(cx, id);
        }
        self.take(&bytes);
        Ok(())
    }

    /// The head ends with a blank line, the content with the connection.
    fn take(&mut self, bytes: &[u8]) {
        let mut content = bytes;
        if !self.in_body {
            self.head.extend_from_slice(bytes);
            let Some(end) = find(&self.head, BLANK_LINE) else { return };
            self.in_body = true;
            let in_head = self.head.len() - bytes.len();
            content = bytes.get(end.saturating_sub(in_head)..).unwrap_or_default();
        }
        self.received += content.len() as u64;
        self.hash.update(content);
    }
}

impl Program for Client {
    fn turn(&mut self, host: &mut Host, now: Instant) -> bool {
        if self.done || self.failure.is_some() {
            return false;
        }
        let result = on_tcp(host, now, |tcp, cx| self.step(tcp, cx));
        did(result, &mut self.failure)
    }
}

/// Answers one request.
pub(super) struct Server {
    listener: Option<EndpointId>,
    connection: Option<EndpointId>,
    request: Vec<u8>,
    answering: bool,
    /// Made and not yet written.
    piece: Bytes,
    /// Bytes of content that are still to be made.
    left: u64,
    dice: SeededRng,
    hash: Sha256,
    done: bool,
    failure: Option<Error>,
}

impl Server {
    /// Its resource has this many bytes.
    pub(super) fn new(length: u64, seed: u64) -> Self {
        Self {
            listener: None,
            connection: None,
            request: Vec::new(),
            answering: false,
            piece: Bytes::new(),
            left: length,
            dice: SeededRng::new(!seed),
            hash: Sha256::new(),
            done: false,
            failure: None,
        }
    }

    pub(super) fn failure(&self) -> Option<Error> {
        self.failure
    }

    /// SHA-256 of the content.
    pub(super) fn hash(&self) -> String {
        hex(&self.hash.clone().finalize())
    }

    /// The inside of the connection, once there is one.
    pub(super) fn info(&self, host: &mut Host, now: Instant) -> Option<TcpInfo> {
        let id = self.connection?;
        on_tcp(host, now, |tcp, _| tcp.info(id)).ok()
    }

    fn step(&mut self, tcp: &mut Tcp, cx: &mut TransportCx<'_>) -> Result<(), Error> {
        let Some(listener) = self.listener else {
            let id = tcp.create(cx, Families::Dual)?;
            tcp.bind(cx, id, SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)))?;
            self.listener = Some(id);
            return tcp.listen(cx, id, 1);
        };
        let Some(id) = self.connection else {
            self.connection = Some(tcp.accept(cx, listener)?.0);
            return Ok(());
        };
        if !self.answering {
            let bytes = tcp.read_bytes(cx, id, MAX_HEAD)?;
            self.request.extend_from_slice(&bytes);
            if find(&self.request, BLANK_LINE).is_some() {
                self.answering = true;
                let length = self.left;
                self.piece =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
                        .into();
            }
            return Ok(());
        }
        if self.piece.is_empty() {
            self.piece = self.make();
        }
        if self.piece.is_empty() {
            self.done = true;
            return tcp.shutdown(cx, id, Shutdown::Write);
        }
        tcp.write_bytes(cx, id, &mut self.piece).map(drop)
    }

    /// The next piece of content; empty at its end.
    fn make(&mut self) -> Bytes {
        let length = self.left.min(PIECE as u64) as usize;
        self.left -= length as u64;
        let mut piece = Vec::with_capacity(length + 8);
        while piece.len() < length {
            piece.extend_from_slice(&self.dice.next().to_le_bytes());
        }
        piece.truncate(length);
        self.hash.update(&piece);
        piece.into()
    }
}

impl Program for Server {
    fn turn(&mut self, host: &mut Host, now: Instant) -> bool {
        if self.done || self.failure.is_some() {
            return false;
        }
        let result = on_tcp(host, now, |tcp, cx| self.step(tcp, cx));
        did(result, &mut self.failure)
    }
}

/// Where the text after `wanted` begins.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted).map(|start| start + wanted.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_not_content_however_it_is_cut() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for size in 1..answer.len() {
            let mut client = Client::new("10.0.0.2".parse().unwrap());
            answer.chunks(size).for_each(|piece| client.take(piece));
            assert_eq!(client.received(), 5, "pieces of {size}");
            assert_eq!(client.hash(), hex(&Sha256::digest(b"hello")));
        }
    }

    #[test]
    fn content_is_as_long_as_asked_and_follows_the_seed() {
        let all = |seed| {
            let mut server = Server::new(100_001, seed);
            let pieces: Vec<Bytes> =
                std::iter::from_fn(|| Some(server.make()).filter(|p| !p.is_empty())).collect();
            (pieces.iter().map(Bytes::len).sum::<usize>(), server.hash())
        };
        assert_eq!(all(1), all(1));
        assert_eq!(all(1).0, 100_001);
        assert_ne!(all(1).1, all(2).1);
    }
}
