//! Sockets, turns and identities against a host that only remembers what it was asked.

use crate::*;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;
use stack_core::*;

#[derive(Default)]
struct FakeHost {
    registered: Vec<EndpointIdentity>,
    reserved: Vec<PortRequest>,
    /// The next registration finds that another socket has the identity.
    taken: bool,
    questions: usize,
    generation_moved: bool,
}

impl TransportServices for FakeHost {
    fn register(&mut self, _: u8, identity: &EndpointIdentity, _: EndpointId) -> Result<(), Error> {
        if core::mem::take(&mut self.taken) {
            return Err(Error::DuplicateAddress);
        }
        self.registered.push(*identity);
        Ok(())
    }
    fn unregister(&mut self, _: u8, identity: &EndpointIdentity, _: EndpointId) {
        self.registered.retain(|other| other != identity);
    }
    fn replace(&mut self, _: u8, _: &EndpointIdentity, _: EndpointId, _: EndpointId) {}
    fn reserve_port(&mut self, _: u8, request: &PortRequest) -> Result<u16, Error> {
        self.reserved.push(PortRequest { port: 49_152, ..*request });
        Ok(49_152)
    }
    fn release_port(&mut self, _: u8, request: &PortRequest) {
        self.reserved.retain(|other| other != request);
    }
    fn route(&mut self, query: &RouteQuery) -> Result<CachedRoute, Error> {
        self.questions += 1;
        Ok(route(query.remote, Cast::Unicast))
    }
    fn is_current(&self, _: &Hop) -> bool {
        !self.generation_moved
    }
    fn owner(&self, _: Option<NicId>, _: IpAddr) -> Option<NicId> {
        None
    }
    fn set_path_mtu(&mut self, _: Instant, _: IpAddr, _: u32) {}
    fn lower_path_mtu(&mut self, _: Instant, _: IpAddr, _: u32) {}
    fn confirm_reachable(&mut self, _: Instant, _: &Hop) {}
    fn set_group(
        &mut self,
        _: NicId,
        _: IpAddr,
        _: Option<&SourceFilter>,
        _: Option<&SourceFilter>,
    ) -> Result<(), Error> {
        Err(Error::NotSupported)
    }
    fn refuse(&mut self, _: RxPacket) {}
    fn random(&mut self) -> u64 {
        4
    }
}

fn route(local: IpAddr, cast: Cast) -> CachedRoute {
    CachedRoute {
        hop: Hop::UNRESOLVED,
        local,
        cast,
        mtu: 1500,
        link_mtu: 1500,
        max_gso: 1500,
        segmentation_offload: false,
        queue_packets: None,
        loopback: false,
    }
}

/// Runs a call with a context; returns also how many were woken.
fn with<R>(host: &mut FakeHost, call: impl FnOnce(&mut TransportCx<'_>) -> R) -> (R, usize) {
    let (mut wakes, mut armed) = (Vec::new(), Vec::new());
    let mut cx = TransportCx { now: Instant::ZERO, protocol: 17, wakes: &mut wakes, armed: &mut armed, host };
    let result = call(&mut cx);
    (result, wakes.len())
}

struct Sample(SocketBase<u8, u8>);

impl DatagramSocket for Sample {
    type Received = u8;
    type Outgoing = u8;
    fn base(&self) -> &SocketBase<u8, u8> {
        &self.0
    }
    fn base_mut(&mut self) -> &mut SocketBase<u8, u8> {
        &mut self.0
    }
}

fn sample() -> Sample {
    Sample(SocketBase::new(0, 0))
}

#[test]
fn stale_handles_find_nothing_and_slots_are_used_again() {
    let mut sockets = Sockets::default();
    let first = sockets.insert(sample(), 2).unwrap();
    sockets.insert(sample(), 2).unwrap();
    assert_eq!(sockets.insert(sample(), 2), Err(Error::LimitReached));
    sockets.remove(first);
    sockets.remove(first);
    assert_eq!((sockets.count(), sockets.open(first).err()), (1, Some(Error::UnknownEndpoint)));
    let again = sockets.insert(sample(), 2).unwrap();
    assert_eq!((again.index, again.generation), (first.index, first.generation + 1));
    assert!(sockets.open_mut(first).is_err() && sockets.open_mut(again).is_ok());
    assert!(sockets.readiness(first).read_closed && !sockets.readiness(again).read_closed);
}

#[test]
fn each_socket_sends_one_in_turn_and_a_closed_one_goes_with_its_last() {
    let (mut sockets, mut host, mut memory) = (Sockets::default(), FakeHost::default(), Memory::new(100));
    let [a, b] = [(); 2].map(|()| sockets.insert(sample(), 9).unwrap());
    for (id, outgoing) in [(a, 1), (a, 2), (a, 3), (b, 10), (b, 11)] {
        sockets.enqueue(id, outgoing, 1);
    }
    let mut sent = Vec::new();
    let (more, _) = with(&mut host, |cx| {
        let base = &mut sockets.open_mut(a).unwrap().0;
        base.receive(cx, &mut memory, 7, 60);
        sockets.close(cx, a, &mut memory);
        sockets.transmit(cx, 4, |outgoing| sent.push(outgoing))
    });
    assert_eq!((&sent[..], more, memory.used()), (&[1, 10, 2, 11][..], true, 0));
    assert_eq!((sockets.count(), sockets.open(a).is_err()), (2, true), "unsent, but nobody's");
    let (more, _) = with(&mut host, |cx| sockets.transmit(cx, 4, |outgoing| sent.push(outgoing)));
    assert_eq!((sent.last(), more, sockets.count()), (Some(&3), false, 1));
}

#[test]
fn who_waits_is_woken_when_there_is_room_and_when_there_is_something() {
    let (mut sockets, mut host, mut memory) = (Sockets::default(), FakeHost::default(), Memory::new(100));
    let id = sockets.insert(sample(), 1).unwrap();
    sockets.enqueue(id, 1, MIN_BUFFER);
    assert!(!sockets.readiness(id).writable);
    sockets.register(id, Interest::Writable, Waker::noop());
    sockets.register(id, Interest::Readable, Waker::noop());
    assert_eq!(with(&mut host, |cx| sockets.transmit(cx, 1, drop)), (false, 1));
    assert!(sockets.readiness(id).writable && !sockets.readiness(id).readable);
    let base = &mut sockets.open_mut(id).unwrap().0;
    assert_eq!(with(&mut host, |cx| base.receive(cx, &mut memory, 7, 60)).1, 1);
    assert_eq!(base.check_receive(&memory, 41), Err(DropReason::MemoryPressure));
    assert_eq!(base.check_receive(&memory, MIN_BUFFER), Err(DropReason::SocketBufferFull));
    assert_eq!((base.take(&mut memory), memory.used()), (Ok(7), 0));
    assert_eq!(base.take(&mut memory), Err(Error::WouldBlock));
}

#[test]
fn errors_are_told_once_and_before_what_was_shut_down() {
    let mut base = sample().0;
    with(&mut FakeHost::default(), |cx| base.shutdown(cx, Shutdown::Both));
    base.error = Some(Error::ConnectionRefused);
    assert_eq!(base.check_write(), Err(Error::ConnectionRefused));
    assert_eq!(base.check_write(), Err(Error::ClosedForSend));
    base.error = Some(Error::ConnectionRefused);
    let mut memory = Memory::new(100);
    assert_eq!(base.take(&mut memory), Err(Error::ConnectionRefused));
    assert_eq!(base.take(&mut memory), Err(Error::ClosedForReceive));
    base.reopen();
    assert_eq!((base.check_write(), base.take(&mut memory)), (Ok(()), Err(Error::WouldBlock)));
}

#[test]
fn the_routing_table_is_asked_only_when_the_answer_does_not_hold() {
    let (mut cache, mut host) = (RouteCache::default(), FakeHost::default());
    let query = |last| RouteQuery { nic: None, local: None, remote: IpAddr::from([10, 0, 0, last]) };
    let mut asked_for = |host: &mut FakeHost, last| {
        with(host, |cx| cache.find(cx, query(last))).0.unwrap();
        host.questions
    };
    assert_eq!([1, 1, 2, 2, 1].map(|last| asked_for(&mut host, last)), [1, 1, 2, 2, 3]);
    host.generation_moved = true;
    assert_eq!(asked_for(&mut host, 1), 4);
    host.generation_moved = false;
    cache.forget();
    with(&mut host, |cx| cache.find(cx, query(1))).0.unwrap();
    assert_eq!(host.questions, 5);
}

#[test]
fn an_identity_that_is_taken_leaves_no_port_behind() {
    let mut host = FakeHost { taken: true, ..FakeHost::default() };
    let (families, id) = (Families::V4, EndpointId { index: 0, generation: 0 });
    let wish = PortRequest { families, local: None, port: 0, remote: None, nic: None, shared: false };
    assert_eq!(with(&mut host, |cx| take_port(cx, id, wish)).0, Err(Error::PortInUse));
    assert!(host.reserved.is_empty() && host.registered.is_empty());

    let (request, identity) = with(&mut host, |cx| take_port(cx, id, wish)).0.unwrap();
    assert_eq!((request.port, identity.local_port), (49_152, 49_152));
    let other = EndpointIdentity { nic: Some(NicId(1)), ..identity };
    host.taken = true;
    assert_eq!(with(&mut host, |cx| change_identity(cx, id, identity, other)).0, Err(Error::PortInUse));
    assert_eq!(host.registered, [identity]);
    with(&mut host, |cx| change_identity(cx, id, identity, other)).0.unwrap();
    assert_eq!(host.registered, [other]);
    with(&mut host, |cx| give_back(cx, id, &request, &other));
    assert!(host.reserved.is_empty() && host.registered.is_empty());
}

#[test]
fn settings_decide_about_the_way_and_the_header() {
    let mut options = IpOptions { hop_limit: 9, multicast_nic: Some(NicId(2)), ..IpOptions::default() };
    let peer = |ip: &str, zone: Option<u32>| Peer { ip: ip.parse().unwrap(), port: 0, zone: zone.map(NicId) };
    let nic = |bound: Option<u32>, peer| options.query(bound.map(NicId), peer, None).map(|query| query.nic);
    assert_eq!(nic(None, peer("10.0.0.1", None)), Ok(None));
    assert_eq!(nic(None, peer("239.0.0.1", None)), Ok(Some(NicId(2))));
    assert_eq!(nic(Some(1), peer("239.0.0.1", None)), Ok(Some(NicId(1))));
    assert_eq!(nic(None, peer("ff02::1", Some(3))), Ok(Some(NicId(3))));
    assert_eq!(nic(Some(1), peer("ff02::1", Some(3))), Err(Error::InvalidArgument));
    assert_eq!(nic(None, peer("::", None)), Err(Error::InvalidArgument));

    let to = peer("10.0.0.1", None);
    let [one, many, all] = [Cast::Unicast, Cast::Multicast, Cast::Broadcast].map(|cast| route(to.ip, cast));
    let [to_one, to_many] = [one, many].map(|route| options.envelope(None, to, &route, 17));
    assert_eq!([to_one.ip.hop_limit, to_many.ip.hop_limit], [9, 1]);
    assert_eq!([to_one.bound_nic, to_many.bound_nic], [None, Some(NicId(2))]);
    assert_eq!(options.check(all), Err(Error::BroadcastDisabled));
    options.broadcast = true;
    assert_eq!(options.check(all), Ok(all));

    let mut packet = TxPacket::default();
    to_many.write(&mut packet);
    assert_eq!((packet.ip.hop_limit, packet.bound_nic, packet.multicast_loop), (1, Some(NicId(2)), true));
}
