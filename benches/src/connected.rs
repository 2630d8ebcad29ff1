//! One TCP connection, between two hosts or of one host with itself, driven by hand in virtual time.

use crate::hosts::{LOCAL, LOCAL_V6, NIC, REMOTE, REMOTE_V6, host};
use bytes::Bytes;
use stack_core::{
    EndpointId, Error, Families, Instant, LinkCapabilities, RxBatch, RxPacket, TransportCx,
    TransportProtocol, TxPacket,
};
use stack_host::Host;
use stack_packet::RxArena;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use trans_tcp::{Tcp, TcpConfig};

const PORT: u16 = 5001;
/// Packets that a host makes at a time.
const BUDGET: usize = 64;
/// Time that passes while a batch is under way.
const DELAY: Duration = Duration::from_micros(5);

/// One end of the connection.
#[derive(Clone, Copy, Debug)]
pub struct End {
    host: usize,
    socket: EndpointId,
}

/// The connection, with its hosts.
pub struct Connected {
    hosts: Vec<Host>,
    /// Who connected.
    pub client: End,
    /// Who accepted.
    pub server: End,
    now: Instant,
    batch: RxBatch,
    /// That have gone from one host to the other.
    pub packets: usize,
}

impl Connected {
    /// Between two hosts on a link that can do this much. Packets go by reference; neither end's link adds or checks
    /// anything.
    ///
    /// # Panics
    /// The hosts can't be connected.
    pub fn between_two(capabilities: &LinkCapabilities) -> Self {
        Self::between([REMOTE.into(), LOCAL.into()], capabilities)
    }

    /// The same over IPv6.
    ///
    /// # Panics
    /// The hosts can't be connected.
    pub fn between_two_over_ipv6(capabilities: &LinkCapabilities) -> Self {
        Self::between([REMOTE_V6.into(), LOCAL_V6.into()], capabilities)
    }

    fn between(addresses: [IpAddr; 2], capabilities: &LinkCapabilities) -> Self {
        let make = |address| host(vec![tcp()], address, capabilities.clone()).expect("one transport");
        Self::new(addresses.map(make).into(), addresses[1])
    }

    /// Of one host with itself.
    ///
    /// # Panics
    /// The host can't be connected.
    pub fn with_itself() -> Self {
        let host = host(vec![tcp()], LOCAL, LinkCapabilities::default()).expect("one transport");
        Self::new(vec![host], Ipv4Addr::LOCALHOST.into())
    }

    fn new(hosts: Vec<Host>, server: IpAddr) -> Self {
        let nobody = End { host: 0, socket: EndpointId { index: 0, generation: 0 } };
        let (now, batch) = (Instant::from_millis(1), Vec::new());
        let mut this = Self { hosts, client: nobody, server: nobody, now, batch, packets: 0 };
        let last = this.hosts.len() - 1;
        let address = SocketAddr::from((server, PORT));
        let families = Families::of(server);
        let listener = this.tcp(last, |tcp, cx| {
            let id = tcp.create(cx, families).expect("an empty stack");
            tcp.bind(cx, id, address).expect("a free port");
            tcp.listen(cx, id, 1).expect("a bound socket");
            id
        });
        let client = this.tcp(0, |tcp, cx| {
            let id = tcp.create(cx, families).expect("an empty stack");
            assert_eq!(tcp.connect(cx, id, address), Err(Error::ConnectStarted));
            id
        });
        while this.step() {}
        let server = this.tcp(last, |tcp, cx| tcp.accept(cx, listener)).expect("the peer has connected").0;
        (this.client, this.server) = (End { host: 0, socket: client }, End { host: last, socket: server });
        this
    }

    fn tcp<R>(&mut self, host: usize, call: impl FnOnce(&mut Tcp, &mut TransportCx<'_>) -> R) -> R {
        let (tcp, mut cx) = self.hosts[host].transport::<Tcp>(self.now).expect("it was registered");
        call(tcp, &mut cx)
    }

    /// Queues as much of `bytes` as there is room for, by reference.
    pub fn write_bytes(&mut self, end: End, bytes: &mut Bytes) -> usize {
        self.tcp(end.host, |tcp, cx| tcp.write_bytes(cx, end.socket, bytes)).unwrap_or(0)
    }

    /// Queues a copy of as much of `bytes` as there is room for.
    pub fn write(&mut self, end: End, bytes: &[u8]) -> usize {
        self.tcp(end.host, |tcp, cx| tcp.write(cx, end.socket, bytes)).unwrap_or(0)
    }

    /// Takes everything that has arrived, by reference, and says how much it was.
    pub fn read_bytes(&mut self, end: End) -> usize {
        self.tcp(end.host, |tcp, cx| {
            let mut taken = 0;
            while let Ok(bytes) = tcp.read_bytes(cx, end.socket, usize::MAX) {
                if bytes.is_empty() {
                    break;
                }
                taken += bytes.len();
            }
            taken
        })
    }

    /// Copies everything that has arrived through a buffer and says how much it was.
    pub fn read(&mut self, end: End, buffer: &mut [u8]) -> usize {
        self.tcp(end.host, |tcp, cx| {
            let mut taken = 0;
            while let Ok(count @ 1..) = tcp.read(cx, end.socket, buffer) {
                taken += count;
            }
            taken
        })
    }

    /// Lets every host send once what it has, and the other one receive it. Whether any packet moved.
    pub fn step(&mut self) -> bool {
        self.now += DELAY;
        let mut moved = false;
        for from in 0..self.hosts.len() {
            let before = self.hosts[from].counters().local.packets;
            self.transmit_all(from);
            moved |= self.hosts[from].counters().local.packets > before;
            if self.hosts.len() > 1 {
                let mut batch = std::mem::take(&mut self.batch);
                self.take(from, |packet, now| batch.push(packet.to_rx(now)));
                moved |= !batch.is_empty();
                self.packets += batch.len();
                self.hosts[1 - from].receive(self.now, NIC, &mut batch);
                self.batch = batch;
            }
        }
        moved
    }

    /// Steps until nothing moves; then the next deadline comes, so that whoever waits for a timer goes on.
    pub fn settle(&mut self) {
        while self.step() {}
        let deadline = self.hosts.iter().filter_map(Host::next_deadline).min();
        self.now = deadline.map_or(self.now, |deadline| deadline.max(self.now));
        self.hosts.iter_mut().for_each(|host| host.poll(self.now));
    }

    /// What the host of an end has to send now, as its link would receive it at the other side: contiguous.
    pub fn sent(&mut self, end: End, arena: &mut RxArena) -> RxBatch {
        self.transmit_all(end.host);
        let mut batch = RxBatch::new();
        self.take(end.host, |packet, now| {
            let mut received = RxPacket::new(arena.copy(&packet.to_bytes()), packet.ether_type, now);
            (received.meta.checksum, received.meta.gso_size) = (packet.checksum, packet.gso_size);
            batch.push(received);
        });
        batch
    }

    /// Hands the host of an end a batch of packets.
    pub fn receive(&mut self, end: End, batch: &mut RxBatch) {
        self.now += DELAY;
        self.hosts[end.host].receive(self.now, NIC, batch);
    }

    /// Lets the host of an end make packets until it has none to make.
    pub fn transmit(&mut self, end: End) {
        self.transmit_all(end.host);
    }

    fn transmit_all(&mut self, host: usize) {
        while self.hosts[host].transmit(self.now, BUDGET) {}
    }

    fn take(&mut self, from: usize, mut each: impl FnMut(&mut TxPacket, Instant)) {
        let Some(out) = self.hosts[from].out(NIC) else { return };
        while let Some(mut packet) = out.pop() {
            each(&mut packet, self.now);
            out.recycle(packet);
        }
    }
}

fn tcp() -> Box<dyn TransportProtocol> {
    Box::new(Tcp::new(TcpConfig { no_delay: true, ..TcpConfig::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosts::offloading;
    use stack_core::Medium;

    fn moves_a_megabyte(mut pair: Connected) {
        let (client, server) = (pair.client, pair.server);
        let (mut written, mut read) = (0, 0);
        while read < 1 << 20 {
            let mut block = Bytes::from(vec![1; ((1 << 20) - written).min(100_000)]);
            written += pair.write_bytes(client, &mut block);
            pair.settle();
            read += pair.read_bytes(server);
        }
        assert_eq!(pair.write(server, b"thanks"), 6);
        pair.settle();
        assert_eq!(pair.read(client, &mut [0; 10]), 6);
    }

    #[test]
    fn bytes_move_in_every_arrangement() {
        moves_a_megabyte(Connected::between_two(&offloading(1500)));
        moves_a_megabyte(Connected::between_two(&LinkCapabilities::plain(Medium::Ip, 1500)));
        moves_a_megabyte(Connected::between_two_over_ipv6(&offloading(1500)));
        moves_a_megabyte(Connected::with_itself());
    }
}
