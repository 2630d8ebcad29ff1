//! The two programs of a flow: one writes as fast as TCP takes it, the other reads at once and compares every byte.
//!
//! The stream repeats a block whose length is a prime number, so that no segment size hides a shift.

use crate::sim::SimError;
use crate::sim::station::Station;
use crate::source::SeededRng;
use bytes::Bytes;
use core::net::{Ipv4Addr, SocketAddr};
use stack_core::{EndpointId, Error, Families, Instant, IpNet, Shutdown, TransportCx};
use trans_tcp::{CloseReason, Tcp, TcpInfo};

/// Bytes of the block.
const BLOCK: usize = 65_521;
const PORT: u16 = 5001;

/// What all senders send.
pub(super) fn block() -> Bytes {
    let mut block = vec![0; BLOCK];
    SeededRng::new(0).fill(&mut block);
    block.into()
}

/// The bytes of the stream from a position on, as far as they lie in one piece.
fn piece(block: &Bytes, position: u64, limit: u64) -> Bytes {
    let start = (position % BLOCK as u64) as usize;
    let len = limit.min((BLOCK - start) as u64) as usize;
    block.slice(start..start + len)
}

/// Addresses of a flow's hosts: a network of four for each.
pub(super) fn addresses(flow: usize) -> [IpNet; 2] {
    let base = u32::from(Ipv4Addr::new(10, 0, 0, 0)) + 4 * flow as u32;
    [1, 2].map(|host| IpNet::new_assert(Ipv4Addr::from(base + host).into(), 30))
}

/// The program that writes.
pub(super) struct Writer {
    remote: SocketAddr,
    socket: Option<EndpointId>,
    written: u64,
    limit: u64,
    shut: bool,
    /// Why it ended, if it did before its time.
    pub(super) failure: Option<CloseReason>,
}

impl Writer {
    pub(super) fn new(receiver: IpNet, bytes: Option<u64>) -> Self {
        let remote = SocketAddr::new(receiver.addr(), PORT);
        let limit = bytes.unwrap_or(u64::MAX);
        Self { remote, socket: None, written: 0, limit, shut: false, failure: None }
    }

    /// Whether it has not begun.
    pub(super) fn is_idle(&self) -> bool {
        self.socket.is_none()
    }

    /// Connects.
    pub(super) fn start(&mut self, station: &mut Station, now: Instant) -> Result<(), SimError> {
        let refused = |error: Error| SimError::Host(error.to_string());
        let Some((tcp, mut cx)) = station.tcp(now) else { return Ok(()) };
        let socket = tcp.create(&mut cx, Families::V4).map_err(refused)?;
        match tcp.connect(&mut cx, socket, self.remote) {
            Ok(()) | Err(Error::ConnectStarted) => self.socket = Some(socket),
            Err(error) => return Err(refused(error)),
        }
        Ok(())
    }

    /// Writes what there is room for.
    pub(super) fn turn(&mut self, station: &mut Station, now: Instant, block: &Bytes) {
        let Some(socket) = self.socket.filter(|_| !self.shut) else { return };
        let Some((tcp, mut cx)) = station.tcp(now) else { return };
        if let Err(Error::WouldBlock) | Ok(()) = self.write(tcp, &mut cx, socket, block) {
            return;
        }
        self.shut = true;
        self.failure = tcp.info(socket).ok().and_then(|info| info.close_reason);
    }

    fn write(
        &mut self,
        tcp: &mut Tcp,
        cx: &mut TransportCx<'_>,
        socket: EndpointId,
        block: &Bytes,
    ) -> Result<(), Error> {
        while self.written < self.limit {
            let mut next = piece(block, self.written, self.limit - self.written);
            self.written += tcp.write_bytes(cx, socket, &mut next)? as u64;
        }
        self.shut = true;
        tcp.shutdown(cx, socket, Shutdown::Write)
    }

    /// The inside of its connection.
    pub(super) fn info(&self, station: &Station) -> Option<TcpInfo> {
        station.tcp_ref()?.info(self.socket?).ok()
    }
}

/// The program that reads.
pub(super) struct Reader {
    listener: EndpointId,
    socket: Option<EndpointId>,
    /// Bytes read; they were as they had been written.
    pub(super) read: u64,
    /// When the end of the stream was read.
    pub(super) finished: Option<Instant>,
}

impl Reader {
    /// Listens.
    pub(super) fn new(station: &mut Station, address: IpNet) -> Result<Self, SimError> {
        let refused = |error: Error| SimError::Host(error.to_string());
        let (tcp, mut cx) = station.tcp(Instant::ZERO).ok_or_else(|| refused(Error::UnknownProtocol))?;
        let listener = tcp.create(&mut cx, Families::V4).map_err(refused)?;
        tcp.bind(&mut cx, listener, SocketAddr::new(address.addr(), PORT)).map_err(refused)?;
        tcp.listen(&mut cx, listener, 1).map_err(refused)?;
        Ok(Self { listener, socket: None, read: 0, finished: None })
    }

    /// Reads what there is. An error is the position of a wrong byte.
    pub(super) fn turn(&mut self, station: &mut Station, now: Instant, block: &Bytes) -> Result<(), u64> {
        let Some((tcp, mut cx)) = station.tcp(now) else { return Ok(()) };
        if self.socket.is_none() {
            self.socket = tcp.accept(&mut cx, self.listener).ok().map(|(socket, _)| socket);
        }
        let Some(socket) = self.socket.filter(|_| self.finished.is_none()) else { return Ok(()) };
        while let Ok(bytes) = tcp.read_bytes(&mut cx, socket, usize::MAX) {
            if bytes.is_empty() {
                self.finished = Some(now);
                tcp.close(&mut cx, socket);
                return Ok(());
            }
            self.compare(&bytes, block)?;
        }
        Ok(())
    }

    fn compare(&mut self, bytes: &[u8], block: &Bytes) -> Result<(), u64> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let expected = piece(block, self.read, rest.len() as u64);
            let (now, later) = rest.split_at(expected.len());
            if now != expected {
                return Err(self.read);
            }
            self.read += now.len() as u64;
            rest = later;
        }
        Ok(())
    }
}
