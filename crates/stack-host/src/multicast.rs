//! Packets to groups, sent on between interfaces by a table of fixed routes: RFC 1812 §5.2.1.3, RFC 4291 §2.7.
//!
//! A route is for one source or for all, and for the packets of one input interface; it names the outputs, each with the
//! threshold that a packet's TTL or hop limit has to exceed. Which protocol fills the table is not our matter: an application
//! hears of packets without a route, and of those that come in by the wrong interface, as [`NetworkEvent`]s, and adds routes.
//! Nothing waits for that: such packets are dropped.
//!
//! Off until it is asked for, and only between interfaces that forward. What is of link scope never leaves its link; what is
//! ours too is delivered besides. No error is sent about a packet to a group, but for one that is too big (RFC 4443 §2.4 e.3).

use crate::Host;
use crate::forward::is_link_local;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{Cast, DropReason, Error, ErrorKind, Hop, Instant, NetworkEvent, NicId, RxPacket, TxPacket};
use stack_group::leaves_the_link;

/// Routes in the table at most.
const MAX_ROUTES: usize = 1024;

/// An interface by which packets to a group leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MulticastOutput {
    /// The interface.
    pub nic: NicId,
    /// Packets leave whose TTL or hop limit, as received, is above this; 0 lets all of them.
    pub threshold: u8,
}

/// Where packets to a group are forwarded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MulticastRoute {
    /// Whose packets; `None` for those of all that have no route of their own.
    pub source: Option<IpAddr>,
    /// To which group.
    pub group: IpAddr,
    /// By which interface they must come in.
    pub input: NicId,
    /// By which they leave.
    pub outputs: Vec<MulticastOutput>,
}

/// A route, and what came by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MulticastRouteInfo {
    /// The route.
    pub route: MulticastRoute,
    /// Packets that were forwarded by it; one that leaves by several interfaces counts once.
    pub packets: u64,
    /// Packets that came in by another interface, and were dropped.
    pub wrong_input: u64,
    /// When a packet last came by it, right or wrong.
    pub last_used: Option<Instant>,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct MulticastRoutes {
    enabled: bool,
    rows: BTreeMap<(IpAddr, Option<IpAddr>), MulticastRouteInfo>,
}

impl MulticastRoutes {
    /// The route for a packet: the source's own before that for all.
    fn find(&mut self, source: IpAddr, group: IpAddr) -> Option<&mut MulticastRouteInfo> {
        let own = Some((group, Some(source))).filter(|key| self.rows.contains_key(key));
        self.rows.get_mut(&own.unwrap_or((group, None)))
    }

    /// An interface is gone, and with it the routes that come from it.
    pub(crate) fn forget(&mut self, nic: NicId) {
        self.rows.retain(|_, row| {
            row.route.outputs.retain(|output| output.nic != nic);
            row.route.input != nic && !row.route.outputs.is_empty()
        });
    }
}

impl Host {
    /// Forwards packets to groups between interfaces that forward, by the table of multicast routes, or no longer. Off at
    /// first.
    pub fn set_multicast_forwarding(&mut self, on: bool) {
        self.multicast.enabled = on;
    }

    /// Adds a multicast route, in the place of the one for the same source and group.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a group that must not leave its link, a source that is no host, no output, or one that
    /// is the input; [`Error::AddressFamily`]; [`Error::UnknownNic`]; [`Error::LimitReached`] beyond 1,024 routes.
    pub fn add_multicast_route(&mut self, route: MulticastRoute) -> Result<(), Error> {
        let MulticastRoute { source, group, input, ref outputs } = route;
        let host =
            |source: IpAddr| !source.is_multicast() && !source.is_unspecified() && !is_link_local(source);
        let loops = outputs.iter().any(|output| output.nic == input);
        if !leaves_the_link(group) || !source.is_none_or(host) || outputs.is_empty() || loops {
            return Err(Error::InvalidArgument);
        }
        if source.is_some_and(|source| source.is_ipv4() != group.is_ipv4()) {
            return Err(Error::AddressFamily);
        }
        for nic in outputs.iter().map(|output| output.nic).chain([input]) {
            self.tables.index(nic).filter(|index| *index > 0).ok_or(Error::UnknownNic)?;
        }
        let rows = &mut self.multicast.rows;
        if rows.len() >= MAX_ROUTES && !rows.contains_key(&(group, source)) {
            return Err(Error::LimitReached);
        }
        let info = MulticastRouteInfo { route, packets: 0, wrong_input: 0, last_used: None };
        rows.insert((group, source), info);
        Ok(())
    }

    /// Removes a multicast route.
    ///
    /// # Errors
    /// [`Error::NoRoute`] if there is none for this source and group.
    pub fn remove_multicast_route(&mut self, source: Option<IpAddr>, group: IpAddr) -> Result<(), Error> {
        self.multicast.rows.remove(&(group, source)).map(drop).ok_or(Error::NoRoute)
    }

    /// The multicast routes, by group and source.
    pub fn multicast_routes(&self) -> impl Iterator<Item = &MulticastRouteInfo> {
        self.multicast.rows.values()
    }

    /// A packet that was for us too.
    pub(crate) fn forward_too(&mut self, now: Instant, mut packet: RxPacket) {
        let nic = self.tables.index(packet.meta.nic);
        let Some((nic, endpoint)) = nic.and_then(|nic| Some((nic, self.endpoint_for(nic, packet.ip.dst)?)))
        else {
            return;
        };
        // It was delivered: that it goes no further is no loss.
        let _ = self.forward_group(now, nic, endpoint, &mut packet);
    }

    /// Sends a packet to a group on, by its route.
    pub(crate) fn forward_group(
        &mut self,
        now: Instant,
        nic: usize,
        endpoint: usize,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        let (source, group) = (packet.ip.src, packet.ip.dst);
        if !self.multicast.enabled {
            return Err(DropReason::ForwardingDisabled);
        }
        if !leaves_the_link(group) || packet.meta.cast == Cast::Broadcast {
            return Err(DropReason::MartianDestination);
        }
        if is_link_local(source) || source.is_unspecified() {
            return Err(DropReason::MartianSource);
        }
        if packet.ip.hop_limit <= 1 {
            return Err(DropReason::HopLimitExceeded); // R1812-5.3.1-a, and nobody is told (RFC 1812 §4.3.2.7)
        }
        let outputs = self.outputs_for(now, packet)?;
        // R1812-5.2.1.3-a
        for output in outputs.iter().filter(|output| packet.ip.hop_limit > output.threshold) {
            self.send_copy(now, (nic, endpoint), output.nic, packet);
        }
        self.counters.forwarded += 1;
        Ok(())
    }

    /// The outputs of a packet's route; counts it there, or tells people that there is none.
    fn outputs_for(&mut self, now: Instant, packet: &RxPacket) -> Result<Vec<MulticastOutput>, DropReason> {
        let (nic, source, group) = (packet.meta.nic, packet.ip.src, packet.ip.dst);
        let Some(row) = self.multicast.find(source, group) else {
            self.events.push(NetworkEvent::NoMulticastRoute { nic, source, group });
            return Err(DropReason::NoRoute);
        };
        row.last_used = Some(now);
        // R1812-5.2.1.3-b
        if row.route.input != nic {
            row.wrong_input += 1;
            self.events.push(NetworkEvent::WrongMulticastInput { nic, source, group });
            return Err(DropReason::WrongInput);
        }
        row.packets += 1;
        Ok(row.route.outputs.clone())
    }

    /// One copy, by one interface. What can't be sent there is counted there.
    fn send_copy(&mut self, now: Instant, from: (usize, usize), by: NicId, packet: &RxPacket) {
        let Some(egress) = self.tables.index(by) else { return };
        let group = packet.ip.dst;
        let mut out = Box::new(TxPacket::new());
        if let Some(ours) = self.tables.interfaces[egress].first_of(group) {
            out.ip.src = ours;
        }
        let mut copy = packet.clone();
        if let Err(reason) = self.ask(now, Some(from.0), Some(egress), |hook, cx| hook.forward(cx, &mut copy))
        {
            return self.count_drop(egress, packet.meta.token, reason);
        }
        let forwarded =
            self.with_endpoint(from.0, from.1, now, |endpoint, cx| endpoint.forward(cx, &mut copy, &mut out));
        let mtu = self.tables.interfaces[egress].mtu_to(group) as usize;
        let result = forwarded.and_then(|()| {
            out.hop = Hop { nic: by, next_hop: group, generation: self.tables.generation };
            out.ip.cast = Cast::Multicast;
            self.send_on(now, egress, from.1, mtu, out)
        });
        match result {
            Ok(()) => {}
            Err(kind @ ErrorKind::PacketTooBig { .. }) => {
                self.answer(now, from.0, from.1, packet, kind);
                self.count_drop(egress, packet.meta.token, DropReason::PacketTooBig);
            }
            Err(_) => self.count_drop(egress, packet.meta.token, DropReason::BadOption),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NicConfig;
    use stack_core::{LinkCapabilities, Medium};

    struct Zero;

    impl stack_core::Rng for Zero {
        fn next_u64(&mut self) -> u64 {
            0
        }
    }

    /// A host with interfaces 1 and 2.
    fn host() -> Host {
        let mut host = Host::builder().rng(Box::new(Zero)).build().unwrap();
        for nic in [1, 2] {
            let config = NicConfig::new("wire", LinkCapabilities::plain(Medium::Ip, 1500));
            host.add_nic(Instant::ZERO, NicId(nic), config).unwrap();
        }
        host
    }

    fn route(source: &str, group: &str, outputs: &[u32]) -> MulticastRoute {
        let output = |nic: &u32| MulticastOutput { nic: NicId(*nic), threshold: 0 };
        MulticastRoute {
            source: source.parse().ok(),
            group: group.parse().unwrap(),
            input: NicId(1),
            outputs: outputs.iter().map(output).collect(),
        }
    }

    #[test]
    fn what_can_be_a_route() {
        use Error::{AddressFamily, InvalidArgument, UnknownNic};
        for (situation, source, group, outputs, want) in [
            ("of all sources", "*", "239.1.1.1", &[2][..], Ok(())),
            ("of one", "10.0.0.1", "239.1.1.1", &[2], Ok(())),
            ("of IPv6", "2001:db8::1", "ff15::1", &[2], Ok(())),
            ("no group", "*", "10.0.0.1", &[2], Err(InvalidArgument)),
            ("link scope", "*", "224.0.0.5", &[2], Err(InvalidArgument)),
            ("link scope of IPv6", "*", "ff02::5", &[2], Err(InvalidArgument)),
            ("a group as source", "239.1.1.2", "239.1.1.1", &[2], Err(InvalidArgument)),
            ("a source that routers know not", "fe80::1", "ff15::1", &[2], Err(InvalidArgument)),
            ("no output", "*", "239.1.1.1", &[], Err(InvalidArgument)),
            ("back to where it came from", "*", "239.1.1.1", &[2, 1], Err(InvalidArgument)),
            ("two families", "10.0.0.1", "ff15::1", &[2], Err(AddressFamily)),
            ("no such interface", "*", "239.1.1.1", &[3], Err(UnknownNic)),
            ("our own interface", "*", "239.1.1.1", &[crate::LOCAL_NIC.0], Err(UnknownNic)),
        ] {
            assert_eq!(host().add_multicast_route(route(source, group, outputs)), want, "{situation}");
        }
    }

    #[test]
    fn routes_are_replaced_limited_and_gone_with_their_interfaces() {
        let mut host = host();
        for number in 0..MAX_ROUTES as u32 {
            let source = core::net::Ipv4Addr::from(0x0a00_0000 + number);
            host.add_multicast_route(MulticastRoute {
                source: Some(source.into()),
                ..route("*", "239.1.1.1", &[2])
            })
            .unwrap();
        }
        assert_eq!(host.add_multicast_route(route("*", "239.1.1.1", &[2])), Err(Error::LimitReached));
        assert_eq!(
            host.add_multicast_route(route("10.0.0.7", "239.1.1.1", &[2])),
            Ok(()),
            "in the place of another"
        );
        assert_eq!(host.remove_multicast_route("10.0.0.7".parse().ok(), [239, 1, 1, 1].into()), Ok(()));
        assert_eq!(
            host.remove_multicast_route("10.0.0.7".parse().ok(), [239, 1, 1, 1].into()),
            Err(Error::NoRoute)
        );
        host.remove_nic(Instant::ZERO, NicId(2)).unwrap();
        assert_eq!(host.multicast_routes().count(), 0);
    }
}
