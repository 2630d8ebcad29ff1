//! Which addresses may be in a packet that comes from a wire, and whose a packet is: RFC 4291 §2.5–§2.8.
//!
//! A packet that never left the host may have any of our addresses as its source, and ::1 at both ends.

use core::net::Ipv6Addr;
use stack_core::{Cast, Destination, DropReason, Medium, NetCx, RxMeta, RxPacket};
use stack_group::leaves_the_link;
use stack_wire::ipv6::Header;

/// Scopes of groups, RFC 4291 §2.7.
const RESERVED_SCOPE: u8 = 0;
const INTERFACE_SCOPE: u8 = 1;

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
    if is_martian_source(cx, src, dst, on_wire) {
        return Err(DropReason::MartianSource);
    }
    match cx.host.destination(cx.nic.id, dst.into()) {
        Destination::Remote => check_foreign(cx, meta, src, dst),
        local => Ok(local),
    }
}

/// What is not for us goes on only if it was sent to us as a router, between addresses that routers know.
fn check_foreign(
    cx: &NetCx<'_>,
    meta: &RxMeta,
    src: Ipv6Addr,
    dst: Ipv6Addr,
) -> Result<Destination, DropReason> {
    let routed_group = cx.nic.forwarding && meta.cast != Cast::Broadcast && leaves_the_link(dst.into());
    if !routed_group && (meta.cast != Cast::Unicast || dst.is_multicast()) {
        return Err(DropReason::NotLocal);
    }
    // RFC 4291 §2.5.2. A link-local source (§2.5.6) is the host's to refuse, which answers it if it is a router.
    if src.is_unspecified() {
        return Err(DropReason::MartianSource);
    }
    if dst.is_unicast_link_local() {
        return Err(DropReason::MartianDestination);
    }
    Ok(Destination::Remote)
}

/// Whether a packet to a group that is delivered here may be for members on other interfaces too.
pub(crate) fn goes_on_too(cx: &NetCx<'_>, packet: &RxPacket, destination: Destination) -> bool {
    let routed = cx.nic.forwarding && !packet.meta.loopback && leaves_the_link(packet.ip.dst);
    routed && destination == Destination::Local(Cast::Multicast)
}

fn is_martian_destination(dst: Ipv6Addr, on_wire: bool) -> bool {
    dst.is_unspecified()
        || dst.to_ipv4_mapped().is_some()
        || scope(dst) == Some(RESERVED_SCOPE) // R4291-2.7-b
        || on_wire && stays_inside(dst)
}

// R4291-2.7-a, R4291-2.5.3-a
fn is_martian_source(cx: &NetCx<'_>, src: Ipv6Addr, dst: Ipv6Addr, on_wire: bool) -> bool {
    if src.is_unspecified() {
        // Who has no address yet asks groups (RFC 4861 §4.3, RFC 3810 §5.1.1).
        return !dst.is_multicast();
    }
    let ours = || {
        cx.host.destination(cx.nic.id, src.into()) != Destination::Remote
            && cx.host.check_local_address(None, src.into()).is_some()
    };
    src.is_multicast() || src.to_ipv4_mapped().is_some() || on_wire && (src.is_loopback() || ours())
}

/// Whether a destination must never be on a wire: ::1 (R4291-2.5.3-a) and groups of interface scope (R4291-2.7-b).
pub(crate) fn stays_inside(dst: Ipv6Addr) -> bool {
    dst.is_loopback() || scope(dst) == Some(INTERFACE_SCOPE)
}

/// The scope of a group.
fn scope(address: Ipv6Addr) -> Option<u8> {
    let [_, flags_scope, ..] = address.octets();
    address.is_multicast().then_some(flags_scope & 0xf)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Net, packet};
    use DropReason::{MartianDestination, MartianSource, NotLocal};
    use stack_core::{Cast, DropReason, LinkCapabilities, Medium, Verdict};

    fn verdict(net: &mut Net, src: &str, dst: &str) -> Verdict {
        net.receive(&packet(src, dst, 17, &[0; 8]))
    }

    #[test]
    fn martians_from_a_wire() {
        for (situation, src, dst, want) in [
            ("ordinary", "fd00::9", "fd00::1", None),
            ("link-local", "fe80::9", "fe80::1", None),
            ("R4291-2.7-a: multicast source", "ff02::1", "fd00::1", Some(MartianSource)),
            ("R4291-2.5.3-a: loopback source", "::1", "fd00::1", Some(MartianSource)),
            ("R4291-2.5.3-a: loopback destination", "fd00::9", "::1", Some(MartianDestination)),
            ("IPv4-mapped source", "::ffff:10.0.0.9", "fd00::1", Some(MartianSource)),
            ("IPv4-mapped destination", "fd00::9", "::ffff:10.0.0.1", Some(MartianDestination)),
            ("our own source", "fd00::1", "fd00::1", Some(MartianSource)),
            ("no source", "::", "fd00::1", Some(MartianSource)),
            ("no source, to a group", "::", "ff02::1", None),
            ("no destination", "fd00::9", "::", Some(MartianDestination)),
            ("R4291-2.7-b: scope 0", "fd00::9", "ff00::1", Some(MartianDestination)),
            ("R4291-2.7-b: scope 1", "fd00::9", "ff01::1", Some(MartianDestination)),
            ("R4291-2.8-a: all nodes", "fd00::9", "ff02::1", None),
            ("R4291-2.8-a: solicited node", "fd00::9", "ff02::1:ff00:1", None),
            ("a group that was not joined", "fd00::9", "ff02::77", Some(NotLocal)),
        ] {
            let want = want.map_or(Verdict::Deliver, Verdict::Drop);
            assert_eq!(verdict(&mut Net::new(), src, dst), want, "{situation}");
        }
    }

    #[test]
    fn what_is_not_for_us_goes_on_or_ends() {
        for (situation, src, dst, cast, want) in [
            ("elsewhere", "fd00::9", "2001:db8::1", Cast::Unicast, Verdict::Forward),
            ("link-local source", "fe80::9", "2001:db8::1", Cast::Unicast, Verdict::Forward),
            (
                "link-local destination",
                "fd00::9",
                "fe80::77",
                Cast::Unicast,
                Verdict::Drop(MartianDestination),
            ),
            ("sent to all on the link", "fd00::9", "2001:db8::1", Cast::Multicast, Verdict::Drop(NotLocal)),
        ] {
            let mut net = Net::new();
            net.link_cast = cast;
            assert_eq!(verdict(&mut net, src, dst), want, "{situation}");
        }
    }

    #[test]
    fn nothing_of_ours_is_strange_inside_the_host() {
        let mut net = Net::new();
        net.loopback = true;
        assert_eq!(verdict(&mut net, "fd00::1", "fd00::1"), Verdict::Deliver);
        let mut net = Net::new();
        net.capabilities = LinkCapabilities::plain(Medium::Loopback, 65_535);
        net.host.own("::1");
        assert_eq!(verdict(&mut net, "::1", "::1"), Verdict::Deliver);
        assert_eq!(verdict(&mut net, "ff02::1", "::1"), Verdict::Drop(MartianSource));
    }
}
