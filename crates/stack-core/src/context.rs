//! What a protocol is handed with each call: disjoint borrows of the host's fields. Hot data are plain fields,
//! rare services stand behind one `&mut dyn`. Never the host itself.

use crate::{
    CachedRoute, Effect, EndpointId, EndpointIdentity, Error, InterfaceAddress, LinkCapabilities,
    PortRequest, RouteQuery, SourceFilter, TapPoints, Verdict,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;
use stack_packet::{Cast, Hop, Instant, LinkAddress, NicId, RxPacket, TxBatch};

/// An interface as protocols see it.
#[derive(Clone, Copy, Debug)]
pub struct NicView<'a> {
    /// Its number.
    pub id: NicId,
    /// What its link can do.
    pub capabilities: &'a LinkCapabilities,
    /// Our address on the link.
    pub link_address: Option<LinkAddress>,
    /// Its IP addresses, all families, primary ones first.
    pub addresses: &'a [InterfaceAddress],
    /// Whether it forwards packets that are not for us.
    pub forwarding: bool,
}

/// Whose a destination address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Destination {
    /// Ours: an address, a subnet or group that the interface accepts, or a broadcast address.
    Local(Cast),
    /// Somebody else's.
    Remote,
}

/// The host's neighbour cache, in the words of the netstack family.
pub trait LinkAddressCache {
    /// The interface that owns `address`: `nic` itself if given and it does, any one if not given.
    fn check_local_address(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId>;

    /// Stores the link address of a neighbour, as if it had told us unasked.
    fn add_link_address(&mut self, now: Instant, nic: NicId, address: IpAddr, link: LinkAddress);
}

/// What network endpoints may ask of the host.
pub trait NetServices: LinkAddressCache {
    /// Whether the interface takes packets to `address` as its own.
    fn destination(&self, nic: NicId, address: IpAddr) -> Destination;

    /// Takes one token of the limits for ICMP messages to `to` (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f).
    fn allow_icmp(&mut self, now: Instant, to: IpAddr) -> bool;

    /// Whether somebody looks at what arrives for us; see [`NetCx::for_taps`].
    fn has_local_taps(&self) -> bool {
        false
    }

    /// A random number.
    fn random(&mut self) -> u64;
}

/// The context of a network endpoint's call.
pub struct NetCx<'a> {
    /// The time of this batch.
    pub now: Instant,
    /// The interface.
    pub nic: NicView<'a>,
    /// Transport segments and ICMP messages, with `packet.ip` filled: the host routes and encapsulates them.
    pub out: &'a mut TxBatch,
    /// Finished packets for this interface, network header included, `link_dst` and `ether_type` set.
    pub wire: &'a mut TxBatch,
    /// What else is to be done.
    pub effects: &'a mut Vec<Effect>,
    /// The rest of the host.
    pub host: &'a mut dyn NetServices,
}

impl NetCx<'_> {
    /// Asks the host to do something after this call.
    pub fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// A copy of a message for us that the network protocol may deal with itself (ICMP), for those who look at local input
    /// and would not see it otherwise. Hand it to [`show`](Self::show) with the verdict.
    pub fn for_taps(&self, packet: &RxPacket) -> Option<Box<RxPacket>> {
        self.host.has_local_taps().then(|| Box::new(packet.clone()))
    }

    /// Shows the copy, unless the verdict lets the host show the packet itself.
    pub fn show(&mut self, copy: Option<Box<RxPacket>>, verdict: Verdict) {
        if verdict != Verdict::Deliver {
            self.effects.extend(copy.map(Effect::LocalInput));
        }
    }
}

/// What transport protocols may ask of the host.
pub trait TransportServices {
    /// Makes packets with this identity arrive at `endpoint`; all families or none.
    ///
    /// # Errors
    /// [`Error::DuplicateAddress`] if another endpoint has it, [`Error::UnknownNic`] for a wrong interface.
    fn register(
        &mut self,
        protocol: u8,
        identity: &EndpointIdentity,
        endpoint: EndpointId,
    ) -> Result<(), Error>;

    /// Undoes a registration; unknown ones are ignored.
    fn unregister(&mut self, protocol: u8, identity: &EndpointIdentity, endpoint: EndpointId);

    /// Gives the registration of `from` to `to` without a moment in between: a half-open record that becomes a
    /// connection, a connection that becomes a TIME-WAIT record.
    fn replace(&mut self, protocol: u8, identity: &EndpointIdentity, from: EndpointId, to: EndpointId);

    /// Reserves a port, or picks an ephemeral one (RFC 6056) where `request.port` is 0.
    ///
    /// # Errors
    /// [`Error::PortInUse`], [`Error::NoPortAvailable`].
    fn reserve_port(&mut self, protocol: u8, request: &PortRequest) -> Result<u16, Error>;

    /// Gives a reservation back; `request.port` is the port that was granted.
    fn release_port(&mut self, protocol: u8, request: &PortRequest);

    /// The way to a destination.
    ///
    /// # Errors
    /// [`Error::NoRoute`]; [`Error::BadLocalAddress`] if the source asked for is none of ours;
    /// [`Error::NetworkUnreachable`] if the interface is disabled.
    fn route(&mut self, query: &RouteQuery) -> Result<CachedRoute, Error>;

    /// Whether a cached route still holds; if not, ask again.
    fn is_current(&self, hop: &Hop) -> bool;

    /// The interface that owns the address, or accepts it through a subnet or promiscuous mode.
    fn owner(&self, nic: Option<NicId>, address: IpAddr) -> Option<NicId>;

    /// Remembers the path MTU to a destination, for all its users: a smaller one that may be believed, as the transport has
    /// checked, or one that probing has found (RFC 4821 §5.2).
    fn set_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32);

    /// Remembers the path MTU that a router reports, if it is smaller than what is known: no report makes it larger
    /// (RFC 1191 §3, RFC 8201 §4).
    fn lower_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32);

    /// Forward progress: the neighbour on this hop is alive (RFC 4861 §7.3.1).
    fn confirm_reachable(&mut self, now: Instant, hop: &Hop);

    /// An interface.
    fn nic(&self, nic: NicId) -> Option<NicView<'_>> {
        let _ = nic;
        None
    }

    /// Shows the protocol the packets that pass these places, and no others from now on; see
    /// [`TransportProtocol::tap`](crate::TransportProtocol::tap).
    fn set_taps(&mut self, protocol: u8, points: TapPoints) {
        let _ = (protocol, points);
    }

    /// A socket wants a multicast group from other sources than before; `None` stands for no membership at all. What it
    /// wanted `before` must be what it was said to want last.
    ///
    /// # Errors
    /// [`Error::UnknownNic`], [`Error::InvalidArgument`] if it is no group, [`Error::LimitReached`] if the interface has too
    /// many, [`Error::BadLocalAddress`] if nobody wanted that before.
    fn set_group(
        &mut self,
        nic: NicId,
        group: IpAddr,
        before: Option<&SourceFilter>,
        after: Option<&SourceFilter>,
    ) -> Result<(), Error>;

    /// Has the sender of an earlier packet, with its headers as they were, told that its port is unreachable, by the next
    /// transmit: a decision that came later than the packet. Beyond 256 that wait, it is not told.
    fn refuse(&mut self, packet: RxPacket);

    /// A random number.
    fn random(&mut self) -> u64;
}

/// The context of a transport protocol's call.
pub struct TransportCx<'a> {
    /// The time of this batch.
    pub now: Instant,
    /// The number under which the protocol is registered.
    pub protocol: u8,
    /// Tasks to be woken once the host is done.
    pub wakes: &'a mut Vec<Waker>,
    /// Deadlines asked for during this call.
    pub armed: &'a mut Vec<(EndpointId, Instant)>,
    /// The rest of the host.
    pub host: &'a mut dyn TransportServices,
}

impl TransportCx<'_> {
    /// Calls the protocol's `handle_timeout` for `endpoint` at `deadline` or soon after. One deadline per endpoint:
    /// a new one replaces the old. [`Instant::FAR_FUTURE`] means none.
    pub fn arm(&mut self, endpoint: EndpointId, deadline: Instant) {
        self.armed.push((endpoint, deadline));
    }

    /// Wakes a task when the host is done; takes the waker out of its place.
    pub fn wake(&mut self, waker: &mut Option<Waker>) {
        self.wakes.extend(waker.take());
    }

    /// [`TransportServices::register`] for this protocol.
    ///
    /// # Errors
    /// As there.
    pub fn register(&mut self, identity: &EndpointIdentity, endpoint: EndpointId) -> Result<(), Error> {
        self.host.register(self.protocol, identity, endpoint)
    }

    /// [`TransportServices::unregister`] for this protocol.
    pub fn unregister(&mut self, identity: &EndpointIdentity, endpoint: EndpointId) {
        self.host.unregister(self.protocol, identity, endpoint);
    }

    /// [`TransportServices::replace`] for this protocol.
    pub fn replace(&mut self, identity: &EndpointIdentity, from: EndpointId, to: EndpointId) {
        self.host.replace(self.protocol, identity, from, to);
    }

    /// [`TransportServices::set_taps`] for this protocol.
    pub fn set_taps(&mut self, points: TapPoints) {
        self.host.set_taps(self.protocol, points);
    }

    /// [`TransportServices::reserve_port`] for this protocol.
    ///
    /// # Errors
    /// As there.
    pub fn reserve_port(&mut self, request: &PortRequest) -> Result<u16, Error> {
        self.host.reserve_port(self.protocol, request)
    }

    /// [`TransportServices::release_port`] for this protocol.
    pub fn release_port(&mut self, request: &PortRequest) {
        self.host.release_port(self.protocol, request);
    }
}
