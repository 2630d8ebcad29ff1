//! Any packets and frames, and sockets that come and go among them: nothing panics, and no memory stays behind.

use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use proptest::prelude::*;
use stack_core::*;
use trans_raw::{EtherTypes, IcmpFilter, PacketMode, Raw, RawConfig, SendFrame};

/// Two interfaces, one with frames and one without, and a route to everywhere.
struct FakeHost {
    taps: TapPoints,
    capabilities: [LinkCapabilities; 2],
}

impl FakeHost {
    fn new() -> Self {
        let capabilities = [Medium::Ethernet, Medium::Ip].map(|medium| LinkCapabilities::plain(medium, 1500));
        Self { taps: TapPoints::NONE, capabilities }
    }

    fn view(&self, nic: NicId) -> Option<NicView<'_>> {
        let capabilities = self.capabilities.get(nic.0 as usize)?;
        let link_address = Some(LinkAddress([2, 0, 0, 0, 0, 1]));
        Some(NicView { id: nic, capabilities, link_address, addresses: &[], forwarding: false })
    }
}

impl TransportServices for FakeHost {
    fn register(&mut self, _: u8, _: &EndpointIdentity, _: EndpointId) -> Result<(), Error> {
        unreachable!("raw sockets have no identity")
    }
    fn unregister(&mut self, _: u8, _: &EndpointIdentity, _: EndpointId) {}
    fn replace(&mut self, _: u8, _: &EndpointIdentity, _: EndpointId, _: EndpointId) {}
    fn reserve_port(&mut self, _: u8, _: &PortRequest) -> Result<u16, Error> {
        unreachable!("raw sockets have no ports")
    }
    fn release_port(&mut self, _: u8, _: &PortRequest) {}
    fn route(&mut self, query: &RouteQuery) -> Result<CachedRoute, Error> {
        let local = if query.remote.is_ipv4() { "10.0.0.1" } else { "fd00::1" };
        Ok(CachedRoute {
            hop: Hop::UNRESOLVED,
            local: query.local.unwrap_or(local.parse().unwrap()),
            cast: if query.remote.is_multicast() { Cast::Multicast } else { Cast::Unicast },
            mtu: 1500,
            link_mtu: 1500,
            max_gso: 1500,
            segmentation_offload: false,
            queue_packets: None,
            loopback: false,
        })
    }
    fn is_current(&self, _: &Hop) -> bool {
        true
    }
    fn owner(&self, _: Option<NicId>, _: IpAddr) -> Option<NicId> {
        Some(NicId(0))
    }
    fn set_path_mtu(&mut self, _: Instant, _: IpAddr, _: u32) {}
    fn lower_path_mtu(&mut self, _: Instant, _: IpAddr, _: u32) {}
    fn confirm_reachable(&mut self, _: Instant, _: &Hop) {}
    fn refuse(&mut self, _: RxPacket) {}
    fn nic(&self, nic: NicId) -> Option<NicView<'_>> {
        self.view(nic)
    }
    fn set_taps(&mut self, _: u8, points: TapPoints) {
        self.taps = points;
    }
    fn set_group(
        &mut self,
        _: NicId,
        _: IpAddr,
        _: Option<&SourceFilter>,
        _: Option<&SourceFilter>,
    ) -> Result<(), Error> {
        Ok(())
    }
    fn random(&mut self) -> u64 {
        4
    }
}

/// Runs a call with a context.
fn with<R>(host: &mut FakeHost, call: impl FnOnce(&mut TransportCx<'_>) -> R) -> R {
    let (mut wakes, mut armed) = (Vec::new(), Vec::new());
    let mut cx =
        TransportCx { now: Instant::ZERO, protocol: 255, wakes: &mut wakes, armed: &mut armed, host };
    call(&mut cx)
}

fn address(v6: bool) -> IpAddr {
    (if v6 { "fd00::2" } else { "10.0.0.2" }).parse().unwrap()
}

fn inbound(bytes: &[u8], cut: usize, protocol: u8, v6: bool, transport: u16) -> RxPacket {
    let cut = cut.min(bytes.len());
    let mut packet = RxPacket::new(Bytes::copy_from_slice(&bytes[..cut]), 0x0800, Instant::ZERO);
    packet.more.push(Bytes::copy_from_slice(&bytes[cut..]));
    (packet.ip.src, packet.ip.dst, packet.ip.protocol) = (address(v6), address(v6), protocol);
    packet.transport = transport;
    packet.meta.truesize = bytes.len() as u32;
    packet
}

proptest! {
    #[test]
    fn any_packets_and_any_writes(
        packets in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..200), 0..200usize, any::<bool>(), 0..300u16, 0..4u8),
            1..20,
        ),
        writes in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..100), 1..10),
        filter: u32,
    ) {
        let (mut raw, mut host) = (Raw::new(RawConfig::default()), FakeHost::new());
        let sockets = with(&mut host, |cx| {
            let made = [
                raw.create_ip(cx, Families::V4, 1),
                raw.create_ip(cx, Families::V6, 58),
                raw.create_ip(cx, Families::V6, 17),
                raw.create_ip(cx, Families::V4, 255),
                raw.create_ip(cx, Families::V6, 255),
                raw.create_packet(cx, PacketMode::Raw, EtherTypes::All),
                raw.create_packet(cx, PacketMode::Cooked, EtherTypes::One(0x0800)),
            ];
            made.map(Result::unwrap)
        });
        raw.set_icmp_filter(sockets[0], IcmpFilter::from_icmpv4_mask(filter)).unwrap();
        with(&mut host, |cx| raw.set_option(cx, sockets[2], SocketOption::ChecksumOffset(Some(6)))).unwrap();
        let views = FakeHost::new();
        for (bytes, cut, v6, transport, protocol) in &packets {
            let protocol = [1, 58, 17, 255][usize::from(*protocol)];
            let packet = inbound(bytes, *cut, protocol, *v6, *transport);
            let mut sent = TxPacket::new();
            sent.push(Bytes::copy_from_slice(bytes)).unwrap();
            with(&mut host, |cx| {
                for nic in [NicId(0), NicId(1)] {
                    let nic = views.view(nic).unwrap();
                    let received = TappedPacket::Received(&packet);
                    raw.tap(cx, &nic, TapPoint::LinkReceive, received);
                    raw.tap(cx, &nic, TapPoint::LocalInput, received);
                    raw.tap(cx, &nic, TapPoint::LinkTransmit, TappedPacket::Transmitted(&sent));
                }
            });
        }
        for bytes in &writes {
            with(&mut host, |cx| {
                for id in &sockets[..5] {
                    for v6 in [false, true] {
                        let _ = raw.send_to(cx, *id, bytes, Some(SocketAddr::new(address(v6), 0)));
                    }
                }
                for id in &sockets[5..] {
                    for nic in [NicId(0), NicId(1), NicId(2)] {
                        let _ = raw.send_frame(cx, *id, bytes, &SendFrame { nic: Some(nic), ..SendFrame::default() });
                    }
                }
            });
        }
        let mut out = TxBatch::new();
        while with(&mut host, |cx| raw.poll_transmit(cx, &mut out, 7)) {}
        prop_assert_eq!(out.len() as u64, raw.counters().sent);
        prop_assert!(out.iter().all(|packet| packet.len() <= 1500));
        prop_assert!(!host.taps.is_empty());
        with(&mut host, |cx| sockets.iter().for_each(|id| raw.close(cx, *id)));
        prop_assert_eq!((raw.queued_bytes(), raw.socket_count()), (0, 0));
        prop_assert!(host.taps.is_empty());
    }
}

#[test]
fn a_closed_socket_sends_what_it_has_and_a_full_one_says_so() {
    let (mut raw, mut host) = (Raw::default(), FakeHost::new());
    let to = Some(SocketAddr::new(address(false), 0));
    let id = with(&mut host, |cx| raw.create_ip(cx, Families::V4, 89)).unwrap();
    with(&mut host, |cx| raw.set_option(cx, id, SocketOption::SendBuffer(0))).unwrap();
    let mut written = 0;
    while with(&mut host, |cx| raw.send_to(cx, id, &[1; 1000], to)).is_ok() {
        written += 1;
    }
    assert_eq!(with(&mut host, |cx| raw.send_to(cx, id, &[1], to)), Err(Error::WouldBlock));
    assert!((4..=5).contains(&written) && !raw.readiness(id).writable, "{written}");
    with(&mut host, |cx| raw.close(cx, id));
    assert_eq!((raw.readiness(id).write_closed, raw.socket_count()), (true, 1));
    let mut out = TxBatch::new();
    assert!(!with(&mut host, |cx| raw.poll_transmit(cx, &mut out, 100)));
    assert_eq!((out.len(), raw.socket_count()), (written, 0));
}

#[test]
fn there_are_only_so_many_sockets_and_each_is_of_its_kind() {
    let (mut raw, mut host) =
        (Raw::new(RawConfig { max_sockets: 2, ..RawConfig::default() }), FakeHost::new());
    with(&mut host, |cx| {
        let ip = raw.create_ip(cx, Families::V4, 89).unwrap();
        let packet = raw.create_packet(cx, PacketMode::Raw, EtherTypes::All).unwrap();
        assert_eq!(raw.create_ip(cx, Families::V4, 89), Err(Error::LimitReached));
        assert_eq!(raw.create_ip(cx, Families::Dual, 89), Err(Error::AddressFamily));
        assert_eq!(raw.recv_frame(cx, ip).err(), Some(Error::NotSupported));
        assert_eq!(raw.recv(cx, packet).err(), Some(Error::NotSupported));
        assert_eq!(raw.recv(cx, ip).err(), Some(Error::WouldBlock));
        assert_eq!(raw.send_frame(cx, ip, &[0; 60], &SendFrame::default()), Err(Error::NotSupported));
        assert_eq!(raw.send_to(cx, packet, &[0; 60], None), Err(Error::NotSupported));
        assert_eq!(raw.disconnect(cx, ip), Err(Error::NotConnected));
        raw.close(cx, ip);
        assert_eq!(raw.recv(cx, ip).err(), Some(Error::UnknownEndpoint));
    });
}
