//! Which addresses may be in a packet that comes from a wire, and whose a packet is:
//! RFC 1122 §3.2.1.3, RFC 1812 §5.3.7 ("martians"), RFC 3927 §2.7.
//!
//! A packet that never left the host may have any of our addresses as its source, and 127/8 at both ends.

use core::net::Ipv4Addr;
use stack_core::{Cast, Destination, DropReason, Medium, NetCx, RxMeta, RxPacket};
use stack_group::leaves_the_link;
use stack_wire::ip::protocol;
use stack_wire::ipv4::Header;

/// Judges the addresses of an inbound packet and says whose it is.
///
/// # Errors
/// The packet must not be here.
pub(crate) fn check(cx: &NetCx<'_>, meta: &RxMeta, header: &Header) -> Result<Destination, DropReason> {
    let (src, dst) = (header.src(), header.dst());
    let on_wire = cx.nic.capabilities.medium != Medium::Loopback && !meta.loopback;
    if is_martian_destination(dst, on_wire) {
        return Err(DropReason::MartianDestination);
    }
    let destination = cx.host.destination(cx.nic.id, dst.into());
    if is_martian_source(cx, header, destination, on_wire) {
        return Err(DropReason::MartianSource);
    }
    match destination {
        // R1122-3.3.6-a: the link said "to all", IP says "to one".
        Destination::Local(Cast::Unicast) if meta.cast != Cast::Unicast => {
            Err(DropReason::MartianDestination)
        }
        Destination::Local(_) => Ok(destination),
        Destination::Remote => check_foreign(cx, meta, src, dst),
    }
}

/// What is not for us goes on only if it was sent to us as a router, between addresses that routers know.
fn check_foreign(
    cx: &NetCx<'_>,
    meta: &RxMeta,
    src: Ipv4Addr,
    dst: Ipv4Addr,
) -> Result<Destination, DropReason> {
    let routed_group = cx.nic.forwarding && meta.cast != Cast::Broadcast && leaves_the_link(dst.into());
    if !routed_group && (meta.cast != Cast::Unicast || dst.is_multicast()) {
        return Err(DropReason::NotLocal); // RFC 1812 §5.3.4, R9776-4-b
    }
    if src.is_link_local() || src.is_unspecified() {
        return Err(DropReason::MartianSource); // RFC 3927 §2.7
    }
    if dst.is_link_local() {
        return Err(DropReason::MartianDestination);
    }
    Ok(Destination::Remote)
}

/// Whether a packet to a group that is delivered here may be for members on other interfaces too.
pub(crate) fn goes_on_too(cx: &NetCx<'_>, packet: &RxPacket, destination: Destination) -> bool {
    let routed = cx.nic.forwarding && !packet.meta.loopback && leaves_the_link(packet.ip.dst);
    routed && destination == Destination::Local(Cast::Multicast)
}

fn is_martian_destination(dst: Ipv4Addr, on_wire: bool) -> bool {
    is_this_network(dst) || is_class_e(dst) || (on_wire && dst.is_loopback())
}

// R1122-3.2.1.3-b, R1812-5.3.7-a
fn is_martian_source(cx: &NetCx<'_>, header: &Header, destination: Destination, on_wire: bool) -> bool {
    let src = header.src();
    if src.is_unspecified() {
        // A host that asks for its address (RFC 1122 §3.2.1.3 a), or tells of groups without one (R9776-4.2.13-b).
        let tells = header.protocol() == protocol::IGMP && destination == Destination::Local(Cast::Multicast);
        return destination != Destination::Local(Cast::Broadcast) && !tells;
    }
    if is_unusable_source(src) || (on_wire && src.is_loopback()) {
        return true;
    }
    match cx.host.destination(cx.nic.id, src.into()) {
        Destination::Remote => false,
        Destination::Local(Cast::Unicast) => {
            on_wire && cx.host.check_local_address(None, src.into()).is_some()
        }
        Destination::Local(_) => true,
    }
}

/// Whether an error message may be sent to this address: it names a single host
/// (R1122-3.2.2-f, RFC 1812 §4.3.2.7).
pub(crate) fn is_single_host(cx: &NetCx<'_>, packet: &RxPacket, address: Ipv4Addr) -> bool {
    let loopback_here = packet.meta.loopback || cx.nic.capabilities.medium == Medium::Loopback;
    let group = |d| matches!(d, Destination::Local(Cast::Broadcast | Cast::Multicast));
    !is_unusable_source(address)
        && (loopback_here || !address.is_loopback())
        && !group(cx.host.destination(cx.nic.id, address.into()))
}

/// Addresses that no host has: this network, groups, class E and limited broadcast.
fn is_unusable_source(address: Ipv4Addr) -> bool {
    is_this_network(address) || address.is_multicast() || is_class_e(address) || address.is_broadcast()
}

/// 0/8: RFC 1122 §3.2.1.3 (a), (b).
fn is_this_network(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first == 0
}

/// 240/4 without limited broadcast: RFC 1112 §4.
fn is_class_e(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first >= 240 && !address.is_broadcast()
}

#[cfg(test)]
mod tests {
    use crate::testing::{Net, datagram};
    use DropReason::{MartianDestination, MartianSource, NotLocal};
    use stack_core::{Cast, DropReason, LinkCapabilities, Medium, Verdict};

    fn verdict(net: &mut Net, src: &str, dst: &str) -> Verdict {
        net.receive(&datagram(src, dst, 17, &[0; 8]))
    }

    // R1122-4.1.3.6-a
    #[test]
    fn martians_from_a_wire() {
        for (situation, src, dst, want) in [
            ("ordinary", "10.0.0.9", "10.0.0.1", None),
            ("R1122-3.2.1.3-b: broadcast source", "255.255.255.255", "10.0.0.1", Some(MartianSource)),
            ("R1122-3.2.1.3-b: subnet broadcast source", "10.0.0.255", "10.0.0.1", Some(MartianSource)),
            ("R1122-3.2.1.3-b: multicast source", "224.0.0.5", "10.0.0.1", Some(MartianSource)),
            ("R1122-3.2.1.3-b: loopback source", "127.0.0.1", "10.0.0.1", Some(MartianSource)),
            ("R1812-5.3.7-a: class E source", "240.0.0.1", "10.0.0.1", Some(MartianSource)),
            ("R1812-5.3.7-a: this network", "0.1.2.3", "10.0.0.1", Some(MartianSource)),
            ("our own source", "10.0.0.1", "10.0.0.1", Some(MartianSource)),
            ("no source", "0.0.0.0", "10.0.0.1", Some(MartianSource)),
            ("no source, to all: DHCP", "0.0.0.0", "255.255.255.255", None),
            ("R1122-3.2.1.3-c: loopback destination", "10.0.0.9", "127.0.0.1", Some(MartianDestination)),
            ("zero destination", "10.0.0.9", "0.0.0.0", Some(MartianDestination)),
            ("class E destination", "10.0.0.9", "250.0.0.1", Some(MartianDestination)),
            ("R1122-3.2.1.3-e: limited broadcast", "10.0.0.9", "255.255.255.255", None),
            ("R1122-3.2.1.3-e: subnet broadcast", "10.0.0.9", "10.0.0.255", None),
            ("a group that was joined", "10.0.0.9", "224.0.0.1", None),
            ("R1122-3.2.1.3-a: a group that was not", "10.0.0.9", "224.0.0.77", Some(NotLocal)),
        ] {
            let want = want.map_or(Verdict::Deliver, Verdict::Drop);
            assert_eq!(verdict(&mut Net::new(), src, dst), want, "{situation}");
        }
    }

    #[test]
    fn what_is_not_for_us_goes_on_or_ends() {
        for (situation, src, dst, want) in [
            ("elsewhere", "10.0.0.9", "192.0.2.1", Verdict::Forward),
            ("RFC 3927: link-local source", "169.254.1.1", "192.0.2.1", Verdict::Drop(MartianSource)),
            (
                "RFC 3927: link-local destination",
                "10.0.0.9",
                "169.254.1.1",
                Verdict::Drop(MartianDestination),
            ),
        ] {
            assert_eq!(verdict(&mut Net::new(), src, dst), want, "{situation}");
        }
    }

    #[test]
    fn nothing_of_ours_is_strange_on_loopback() {
        let mut net = Net::new();
        net.capabilities = LinkCapabilities::plain(Medium::Loopback, 65535);
        net.host.own("127.0.0.1");
        assert_eq!(verdict(&mut net, "127.0.0.1", "127.0.0.1"), Verdict::Deliver);
        assert_eq!(verdict(&mut net, "10.0.0.1", "10.0.0.1"), Verdict::Deliver);
        assert_eq!(verdict(&mut net, "224.0.0.1", "10.0.0.1"), Verdict::Drop(MartianSource));
    }

    #[test]
    fn a_packet_that_never_left_may_come_from_us() {
        let mut net = Net::new();
        net.loopback = true;
        assert_eq!(verdict(&mut net, "10.0.0.1", "10.0.0.1"), Verdict::Deliver);
    }

    // R1122-3.3.6-a
    #[test]
    fn a_link_broadcast_with_a_unicast_destination_ends() {
        for (cast, dst, want) in [
            (Cast::Broadcast, "10.0.0.1", Verdict::Drop(MartianDestination)),
            (Cast::Multicast, "10.0.0.1", Verdict::Drop(MartianDestination)),
            (Cast::Broadcast, "192.0.2.1", Verdict::Drop(NotLocal)),
            (Cast::Broadcast, "10.0.0.255", Verdict::Deliver),
        ] {
            let mut net = Net::new();
            net.link_cast = cast;
            assert_eq!(verdict(&mut net, "10.0.0.9", dst), want, "{cast:?} {dst}");
        }
    }
}
