//! A caller's own loop: one thread reads the device, lets the host work, serves the sockets that became ready, and
//! writes the device. Payload is never copied.

use crate::device::Device;
use crate::ready::ReadyList;
use crate::services::{ADDRESS, BACKLOG, Counts, PREFIX, Service, UDP_BUFFER, UDP_ECHO, UDP_SINK, block};
use bytes::Bytes;
use net_arp::Arp;
use net_ipv4::{Ipv4, Ipv4Config};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use stack_core::{
    Clock, EndpointId, Endpoints, Error, Families, Instant, Interest, IpNet, LinkEndpoint, LinkReceive,
    LinkTransmit, NicId, RxBatch, SocketOption, TransportCx,
};
use stack_host::{Host, NicConfig};
use std::net::{Ipv4Addr, SocketAddr};
use std::task::Waker;
use trans_tcp::{Tcp, TcpConfig};
use trans_udp::{Udp, UdpConfig};
use ustack::{SystemClock, SystemRng};

const NIC: NicId = NicId(1);
/// Packets that the host makes before they are written.
const BUDGET: usize = 64;
/// Bursts that are written before the device is read again.
const BURSTS: usize = 8;

/// Serves the device until it is gone.
pub(crate) fn run(device: Device) -> Result<(), Box<dyn std::error::Error>> {
    let mut peer = Peer::new(device)?;
    println!("ready");
    loop {
        if !peer.turn()? {
            peer.wait()?;
        }
    }
}

struct Peer {
    host: Host,
    receive: Box<dyn LinkReceive>,
    transmit: Box<dyn LinkTransmit>,
    /// To wait on; the halves own the device.
    descriptor: OwnedFd,
    clock: SystemClock,
    batch: RxBatch,
    wakes: Vec<Waker>,
    ready: ReadyList,
    sockets: Sockets,
}

/// Sockets by number; numbers of closed ones are used again.
#[derive(Default)]
struct Sockets {
    all: Vec<Option<Socket>>,
    free: Vec<usize>,
}

struct Socket {
    id: EndpointId,
    waker: Waker,
    kind: Kind,
}

enum Kind {
    Listener(Service),
    /// What could not be written yet, or the next thing to write.
    Connection(Service, Bytes),
    CountingDatagrams(Counts),
    EchoingDatagrams,
}

impl Peer {
    fn new(device: Device) -> Result<Self, Box<dyn std::error::Error>> {
        let builder = Host::builder()
            .network(Ipv4::new(Ipv4Config::default()))
            .network(Arp::default())
            .transport(Tcp::new(TcpConfig { no_delay: true, ..TcpConfig::default() }))
            .transport(Udp::new(UdpConfig::default()))
            .rng(Box::new(SystemRng::new()?));
        let mut host = builder.build()?;
        let Device { link, name, descriptor } = device;
        let nic =
            NicConfig { link_address: link.link_address(), ..NicConfig::new(&name, link.capabilities()) };
        host.add_nic(Instant::ZERO, NIC, nic)?;
        host.add_address(Instant::ZERO, NIC, IpNet::new(ADDRESS.into(), PREFIX)?)?;
        let (receive, transmit) = link.split();
        let (ready, mut sockets) = (ReadyList::default(), Sockets::default());
        open_all(&mut host, &ready, &mut sockets)?;
        let clock = SystemClock::new();
        let (batch, wakes) = (Vec::new(), Vec::new());
        Ok(Self { host, receive, transmit, descriptor, clock, batch, wakes, ready, sockets })
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Everything that can be done now; whether there may be more.
    fn turn(&mut self) -> Result<bool, Box<dyn std::error::Error>> {
        let now = self.now();
        let received = self.receive.receive(now, &mut self.batch)?;
        if received > 0 {
            self.host.receive(now, NIC, &mut self.batch);
            self.receive.coalesce(self.host.coalesces(NIC));
        }
        if self.host.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.host.poll(now);
        }
        self.serve(now);
        let more = self.send(now)?;
        self.collect_wakes();
        Ok(more || received > 0 || !self.ready.is_empty())
    }

    fn collect_wakes(&mut self) {
        self.host.take_wakes(&mut self.wakes);
        self.wakes.drain(..).for_each(Waker::wake);
    }

    /// Serves the sockets that are ready, each once.
    fn serve(&mut self, now: Instant) {
        self.collect_wakes();
        while let Some(number) = self.ready.pop() {
            let Some(socket) = self.sockets.all.get_mut(number).and_then(Option::take) else { continue };
            match self.serve_one(now, socket) {
                Some(socket) => self.sockets.all[number] = Some(socket),
                None => self.sockets.free.push(number),
            }
        }
    }

    /// Serves a socket until it would block; `None` if it was closed.
    fn serve_one(&mut self, now: Instant, mut socket: Socket) -> Option<Socket> {
        if matches!(socket.kind, Kind::CountingDatagrams(_) | Kind::EchoingDatagrams) {
            let (udp, mut cx) = self.host.transport::<Udp>(now)?;
            serve_datagrams(udp, &mut cx, &mut socket);
            return Some(socket);
        }
        let (tcp, mut cx) = self.host.transport::<Tcp>(now)?;
        let Socket { id, waker, kind } = &mut socket;
        match kind {
            Kind::Listener(service) => {
                while let Ok((id, _)) = tcp.accept(&mut cx, *id) {
                    let next = if *service == Service::Source { block() } else { Bytes::new() };
                    self.sockets.add(&self.ready, id, Kind::Connection(*service, next));
                }
                tcp.register(*id, Interest::Readable, waker);
                Some(socket)
            }
            Kind::Connection(service, bytes) => {
                let interest = match service {
                    Service::Sink | Service::Hold => sink(tcp, &mut cx, *id),
                    Service::Source => source(tcp, &mut cx, *id, bytes),
                    Service::Echo => echo(tcp, &mut cx, *id, bytes),
                };
                match interest {
                    Some(interest) => {
                        tcp.register(*id, interest, waker);
                        Some(socket)
                    }
                    None => {
                        tcp.close(&mut cx, *id);
                        None
                    }
                }
            }
            Kind::CountingDatagrams(_) | Kind::EchoingDatagrams => Some(socket),
        }
    }

    /// Writes what the host has to send; whether there is more.
    fn send(&mut self, now: Instant) -> Result<bool, Box<dyn std::error::Error>> {
        for _ in 0..BURSTS {
            let more = self.host.transmit(now, BUDGET);
            let Some(out) = self.host.out(NIC) else { return Ok(false) };
            if !out.is_empty() {
                self.transmit.transmit(now, out)?;
            }
            if !more {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sleeps until the device has something, takes something again, or a deadline comes.
    fn wait(&mut self) -> Result<(), Errno> {
        let now = self.now();
        let timeout = self.host.next_deadline().map(|deadline| deadline.saturating_since(now));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let waiting = self.host.out(NIC).is_some_and(|out| !out.is_empty());
        let events = if waiting { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        match poll(&mut [PollFd::new(&self.descriptor, events)], timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl Sockets {
    /// Takes a socket up and has it served soon.
    fn add(&mut self, ready: &ReadyList, id: EndpointId, kind: Kind) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() - 1
        });
        self.all[number] = Some(Socket { id, waker: ready.waker(number), kind });
        ready.push(number);
    }
}

fn open_all(host: &mut Host, ready: &ReadyList, sockets: &mut Sockets) -> Result<(), Error> {
    let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let (tcp, mut cx) = host.transport::<Tcp>(Instant::ZERO).ok_or(Error::UnknownProtocol)?;
    for (service, port) in Service::ALL {
        let id = tcp.create(&mut cx, Families::V4)?;
        tcp.bind(&mut cx, id, any(port))?;
        tcp.listen(&mut cx, id, BACKLOG)?;
        sockets.add(ready, id, Kind::Listener(service));
    }
    let (udp, mut cx) = host.transport::<Udp>(Instant::ZERO).ok_or(Error::UnknownProtocol)?;
    for (port, kind) in
        [(UDP_SINK, Kind::CountingDatagrams(Counts::default())), (UDP_ECHO, Kind::EchoingDatagrams)]
    {
        let id = udp.create(&mut cx, Families::V4)?;
        udp.bind(&mut cx, id, any(port))?;
        udp.set_option(&mut cx, id, SocketOption::ReceiveBuffer(UDP_BUFFER))?;
        sockets.add(ready, id, kind);
    }
    Ok(())
}

/// Reads until there is nothing; `None` at the end.
fn sink(tcp: &mut Tcp, cx: &mut TransportCx<'_>, id: EndpointId) -> Option<Interest> {
    loop {
        match tcp.read_bytes(cx, id, usize::MAX) {
            Ok(bytes) if bytes.is_empty() => return None,
            Ok(_) => {}
            Err(Error::WouldBlock) => return Some(Interest::Readable),
            Err(_) => return None,
        }
    }
}

/// Writes until there is no room; `None` at the end.
fn source(tcp: &mut Tcp, cx: &mut TransportCx<'_>, id: EndpointId, block: &Bytes) -> Option<Interest> {
    loop {
        match tcp.write_bytes(cx, id, &mut block.clone()) {
            Ok(_) => {}
            Err(Error::WouldBlock) => return Some(Interest::Writable),
            Err(_) => return None,
        }
    }
}

/// Writes what was read until one of both must wait; `None` at the end.
fn echo(tcp: &mut Tcp, cx: &mut TransportCx<'_>, id: EndpointId, rest: &mut Bytes) -> Option<Interest> {
    loop {
        if rest.is_empty() {
            match tcp.read_bytes(cx, id, usize::MAX) {
                Ok(bytes) if bytes.is_empty() => return None,
                Ok(bytes) => *rest = bytes,
                Err(Error::WouldBlock) => return Some(Interest::Readable),
                Err(_) => return None,
            }
        }
        match tcp.write_bytes(cx, id, rest) {
            Ok(_) => {}
            Err(Error::WouldBlock) => return Some(Interest::Writable),
            Err(_) => return None,
        }
    }
}

/// Takes all datagrams. An answer that can't be sent is a lost datagram; an error about one is nobody's business here.
fn serve_datagrams(udp: &mut Udp, cx: &mut TransportCx<'_>, socket: &mut Socket) {
    loop {
        match udp.recv_bytes(cx, socket.id) {
            Ok((datagram, from, _)) => {
                let answer = match &mut socket.kind {
                    Kind::CountingDatagrams(counts) => {
                        counts.take(&datagram).map(|counts| Bytes::copy_from_slice(&counts))
                    }
                    _ => Some(datagram),
                };
                if let Some(answer) = answer {
                    let _ = udp.send_to(cx, socket.id, answer, Some(from));
                }
            }
            Err(Error::WouldBlock) => break,
            Err(_) => {}
        }
    }
    udp.register(socket.id, Interest::Readable, &socket.waker);
}
