//! Network protocols: IPv4, IPv6, ARP, and what others register.

use crate::{DropReason, ErrorKind, InterfaceAddress, NetCx, NicView, SourceFilter};
use alloc::boxed::Box;
use core::any::Any;
use core::net::IpAddr;
use stack_packet::{Instant, LinkAddress, RxPacket, TxBatch, TxPacket};

/// What becomes of an inbound packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// To the transport protocol that `packet.ip.protocol` names.
    Deliver,
    /// Not for us: to be sent on, if the interface forwards.
    Forward,
    /// The endpoint has dealt with it or keeps it.
    Held,
    /// It ends here.
    Drop(DropReason),
}

/// A network protocol: a factory of endpoints, one for each interface.
pub trait NetworkProtocol: Any + Send {
    /// EtherType of its packets.
    fn ether_type(&self) -> u16;

    /// Name for people: `IPv4`.
    fn name(&self) -> &'static str;

    /// Shortest packet that can be one of its own, in bytes.
    fn min_packet_len(&self) -> usize;

    /// Smallest MTU of an interface that can have its addresses, in bytes.
    fn min_mtu(&self) -> u32 {
        0
    }

    /// Source and destination of a packet of at least [`min_packet_len`](Self::min_packet_len) bytes;
    /// `None` if it is malformed or the protocol has no IP addresses.
    fn parse_addresses(&self, packet: &[u8]) -> Option<(IpAddr, IpAddr)>;

    /// Whether this is the protocol that carries packets to `address`.
    fn carries(&self, address: IpAddr) -> bool;

    /// A new endpoint for an interface.
    fn new_endpoint(&mut self, nic: &NicView<'_>) -> Box<dyn NetworkEndpoint>;
}

/// A network protocol on one interface.
pub trait NetworkEndpoint: Any + Send {
    /// Checks and parses a packet: fills `packet.ip` and `packet.transport`, trims link padding, reassembles
    /// fragments (then the packet is replaced by the whole), answers what the protocol itself answers.
    fn receive(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict;

    /// Puts the network header in front of a transport segment, from `packet.ip`, and sets `packet.ether_type`.
    /// Never fragments.
    ///
    /// # Errors
    /// The packet can't be carried by this protocol.
    fn encapsulate(&mut self, cx: &mut NetCx<'_>, packet: &mut TxPacket) -> Result<(), DropReason> {
        let _ = (cx, packet);
        Err(DropReason::UnknownEtherType)
    }

    /// Makes an outbound packet of an inbound one that is to be forwarded: hop limit less one, header in the headroom.
    /// Before the call `out.ip.src` is our address on the interface by which it leaves, for protocols that record it.
    ///
    /// # Errors
    /// What to tell the sender of the packet; the host calls [`send_error`](Self::send_error) with it.
    fn forward(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &mut RxPacket,
        out: &mut TxPacket,
    ) -> Result<(), ErrorKind> {
        let _ = (cx, packet, out);
        Err(ErrorKind::NetUnreachable)
    }

    /// Cuts an encapsulated packet into fragments of at most `mtu` bytes, appended to `out` with the packet's hop; the
    /// first one's `network_len` says where the transport header is, if the packet's did. The transport checksum is
    /// complete by then.
    ///
    /// # Errors
    /// It must not be fragmented.
    fn fragment(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &TxPacket,
        mtu: usize,
        out: &mut TxBatch,
    ) -> Result<(), ErrorKind> {
        let _ = (cx, packet, out);
        Err(ErrorKind::PacketTooBig { mtu: mtu as u32 })
    }

    /// Tells the sender of an inbound packet that it could not be delivered, unless the "never answer" rules
    /// (RFC 1122 §3.2.2, RFC 1812 §4.3.2.7, RFC 4443 §2.4) or the rate limit forbid it. The answer goes to `cx.out`.
    fn send_error(&mut self, cx: &mut NetCx<'_>, packet: &RxPacket, kind: ErrorKind) {
        let _ = (cx, packet, kind);
    }

    /// Header bytes that `encapsulate` prepends to a packet without options.
    fn header_len(&self) -> usize;

    /// Largest transport segment that fits into one packet of the interface, in bytes.
    fn mtu(&self, nic: &NicView<'_>) -> usize {
        (nic.capabilities.mtu as usize).saturating_sub(self.header_len())
    }

    /// An address was given to the interface. With [`AddressState::Tentative`](crate::AddressState::Tentative)
    /// the endpoint probes it and reports by an effect.
    fn address_added(&mut self, cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        let _ = (cx, address);
    }

    /// An address was taken from the interface.
    fn address_removed(&mut self, cx: &mut NetCx<'_>, address: &InterfaceAddress) {
        let _ = (cx, address);
    }

    /// The interface wants a multicast group from other sources than before: all that its sockets and protocols want,
    /// merged. [`nothing`](SourceFilter::nothing) says that the group was left. Said once more of each group when the
    /// interface has come up. What is to be sent because of it waits for [`handle_timeout`](Self::handle_timeout).
    fn group_changed(&mut self, cx: &mut NetCx<'_>, group: IpAddr, filter: &SourceFilter) {
        let _ = (cx, group, filter);
    }

    /// The interface came up, or it changed while it was up: it forwards now or no longer, it has another link address.
    fn interface_up(&mut self, cx: &mut NetCx<'_>) {
        let _ = cx;
    }

    /// The interface goes down: what was learned on its link holds no longer. Nothing is sent any more.
    fn interface_down(&mut self, cx: &mut NetCx<'_>) {
        let _ = cx;
    }

    /// A packet was sent on by the interface that it came in by: tells its sender of the better first hop `target`, the
    /// destination itself where it is on link, unless the protocol's rules or the rate limit forbid it (RFC 4861 §8.2).
    fn send_redirect(
        &mut self,
        cx: &mut NetCx<'_>,
        packet: &RxPacket,
        target: IpAddr,
        link: Option<LinkAddress>,
    ) {
        let _ = (cx, packet, target, link);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Time has passed `poll_timeout`.
    fn handle_timeout(&mut self, cx: &mut NetCx<'_>) {
        let _ = cx;
    }

    /// The endpoint as a resolver of link addresses, if it is one.
    fn resolver(&mut self) -> Option<&mut dyn LinkAddressResolver> {
        None
    }
}

/// Finds the link addresses of neighbours: ARP for IPv4, neighbour discovery for IPv6.
pub trait LinkAddressResolver {
    /// Whether it resolves addresses of this kind.
    fn resolves(&self, address: IpAddr) -> bool;

    /// Asks for the link address of `target`, in the name of `source` (one of the interface's addresses, or
    /// `None` if it has none). To all, or, to check that a neighbour is still there, to `unicast` alone.
    /// The request is a finished packet in `cx.wire`.
    fn request(
        &mut self,
        cx: &mut NetCx<'_>,
        target: IpAddr,
        source: Option<IpAddr>,
        unicast: Option<LinkAddress>,
    );

    /// A neighbour that was a router said that it is none (RFC 4861 §7.2.5).
    fn router_is_host(&mut self, cx: &mut NetCx<'_>, address: IpAddr) {
        let _ = (cx, address);
    }
}
