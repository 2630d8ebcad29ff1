//! The stack under test: a host, its only interface, and the time. Packets go in and come out by hand.

use super::conversation::{Conversation, Frame, Outgoing};
use super::errno::errno;
use super::fault::Faults;
use super::setup::{NIC, START, Setup};
use super::{OUTBOUND_SALT, TCP};
use crate::decode::Decoded;
use core::net::SocketAddr;
use stack_core::{EndpointId, Endpoints, Error, Families, Instant, NicId, RxPacket, TransportCx};
use stack_host::Host;
use std::collections::VecDeque;

/// Packets that the host is asked for at once.
const BUDGET: usize = 64;
/// Turns of one instant before the stack is declared to spin.
const MAX_TURNS: u32 = 10_000;

pub(super) struct Machine {
    pub(super) host: Host,
    pub(super) now: Instant,
    pub(super) conversation: Conversation,
    /// Sent and not yet expected by a line.
    pub(super) sent: VecDeque<Outgoing>,
    /// What sockets without a family of their own are made for.
    pub(super) families: Families,
    ethernet: bool,
    /// The number of the last interface.
    nics: u32,
    pub(super) faults: Faults,
    /// Packets that the stack has sent, lost ones included.
    count: usize,
}

impl Machine {
    pub(super) fn new(setup: &Setup) -> Self {
        let host = setup.host();
        let ethernet = host.nics().any(|nic| nic.id == NIC && nic.link_address.is_some());
        let conversation = Conversation::new(setup);
        let (sent, faults) = (VecDeque::new(), setup.faults);
        Self {
            host,
            now: START,
            conversation,
            sent,
            families: setup.families,
            ethernet,
            nics: setup.nics,
            faults,
            count: 0,
        }
    }

    /// A packet from the peer.
    pub(super) fn receive(&mut self, frame: Frame) {
        let mut packet = RxPacket::new(frame.bytes, frame.ether_type, self.now);
        packet.meta.cast = frame.cast;
        packet.meta.gso_size = frame.gso_size;
        if self.ethernet {
            packet.meta.link_src = frame.link_src;
        }
        self.host.receive(self.now, frame.nic, &mut vec![packet]);
    }

    /// Lets the stack send what it has to send now.
    pub(super) fn flush(&mut self) -> Result<(), super::Stop> {
        for _ in 0..MAX_TURNS {
            let more = self.host.transmit(self.now, BUDGET);
            let moved = self.collect();
            if !more && !moved {
                return Ok(());
            }
        }
        Err(super::Stop::Fail(format!("the stack does not come to rest at {}", self.now)))
    }

    fn collect(&mut self) -> bool {
        let last = self.nics;
        (NIC.0..=last).fold(false, |moved, nic| self.collect_from(NicId(nic)) | moved)
    }

    fn collect_from(&mut self, nic: NicId) -> bool {
        let now = self.now;
        let Some(out) = self.host.out(nic) else { return false };
        let moved = !out.is_empty();
        while let Some(packet) = out.pop() {
            let (ether_type, link_dst) = (packet.ether_type, packet.link_dst);
            let bytes = packet.to_bytes();
            out.recycle(packet);
            let decoded =
                if ether_type == 0 { Decoded::ip_packet(&bytes) } else { Decoded::new(ether_type, &bytes) };
            self.count += 1;
            if self.faults.loses(self.count, &decoded) {
                continue;
            }
            let sent = Outgoing { nic, at: now, link_dst, bytes, decoded };
            self.conversation.outbound_log.push(sent.clone());
            self.sent.push_back(sent);
        }
        moved
    }

    /// When the stack wants to be called.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if self.faults.no_timers { None } else { self.host.next_deadline() }
    }

    /// Lets due timers run. Returns whether there were any.
    pub(super) fn poll(&mut self) -> bool {
        let due = self.next_deadline().is_some_and(|deadline| deadline <= self.now);
        if due {
            self.host.poll(self.now);
        }
        due
    }

    /// Calls with the sockets of a protocol.
    pub(super) fn endpoints<R>(
        &mut self,
        protocol: u8,
        call: impl FnOnce(&mut dyn Endpoints, &mut TransportCx<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let (endpoints, mut cx) = self.host.endpoints(self.now, protocol).ok_or(Error::UnknownProtocol)?;
        call(endpoints, &mut cx)
    }

    pub(super) fn remote(&mut self, protocol: u8, id: EndpointId) -> Option<SocketAddr> {
        self.endpoints(protocol, |endpoints, _| endpoints.remote_address(id)).ok()
    }

    /// The flow of a socket, if it has a peer, or would have that one.
    fn flow_of(&mut self, protocol: u8, id: EndpointId, remote: Option<SocketAddr>) -> Option<usize> {
        let remote = self.remote(protocol, id).or(remote)?;
        let local = self.endpoints(protocol, |endpoints, _| endpoints.local_address(id)).ok()?;
        let own = local.ip().to_canonical();
        let ip = if own.is_unspecified() { self.conversation.local_ip } else { own };
        let peer = (remote.ip().to_canonical(), remote.port());
        Some(self.conversation.flow(protocol, (ip, local.port()), peer))
    }

    /// Makes the flow of a socket the one at hand.
    pub(super) fn take_up(&mut self, protocol: u8, id: EndpointId) {
        if let Some(index) = self.flow_of(protocol, id, None) {
            self.conversation.current = Some(index);
        }
    }

    /// The same, for a socket that is connecting to `remote`.
    pub(super) fn take_up_towards(&mut self, protocol: u8, id: EndpointId, remote: SocketAddr) {
        if let Some(index) = self.flow_of(protocol, id, Some(remote)) {
            self.conversation.current = Some(index);
        }
    }

    /// The bytes that a read must give.
    pub(super) fn received(&mut self, protocol: u8, id: EndpointId, position: u32, len: usize) -> Vec<u8> {
        let flow = self.flow_of(protocol, id, None).filter(|_| protocol == TCP);
        match flow {
            Some(index) => self.conversation.flows[index].received.bytes(position, len),
            None => super::flow::pattern(super::INBOUND_SALT, len),
        }
    }

    /// The bytes of a write without given ones.
    pub(super) fn bytes_to_send(
        &mut self,
        protocol: u8,
        id: EndpointId,
        position: u32,
        len: usize,
    ) -> Vec<u8> {
        let flow = self.flow_of(protocol, id, None).filter(|_| protocol == TCP);
        match flow {
            Some(index) => self.conversation.flows[index].sent.bytes(position, len),
            None => super::flow::pattern_from(OUTBOUND_SALT, position, len),
        }
    }

    /// Remembers bytes that a call gave.
    pub(super) fn give(
        &mut self,
        protocol: u8,
        id: EndpointId,
        to: Option<SocketAddr>,
        position: u32,
        bytes: &[u8],
    ) {
        if let Some(index) = self.flow_of(protocol, id, to) {
            let flow = &mut self.conversation.flows[index];
            if protocol != TCP {
                flow.sent = super::flow::Stream::new(OUTBOUND_SALT);
            }
            flow.sent.give(position, bytes);
        }
    }

    /// What an `ioctl` asks.
    pub(super) fn queued(&self, protocol: u8, id: EndpointId, request: &str) -> Option<i64> {
        if protocol == TCP { super::info::queued(&self.host, id, request) } else { None }
    }

    /// The name of an error.
    pub(super) fn error_name(error: Error) -> &'static str {
        errno(error)
    }
}
