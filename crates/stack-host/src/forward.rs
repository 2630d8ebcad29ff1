//! Packets that are not for us, sent on between interfaces (RFC 1812 §5).
//!
//! Checksums stay what they were: a partial one stays partial and is completed where the packet leaves, and the hop
//! limit's change is mended incrementally by the network protocol.

use crate::Host;
use crate::ways::Claim;
use alloc::boxed::Box;
use core::net::IpAddr;
use stack_core::{Cast, DropReason, ErrorKind, Instant, RouteQuery, RxPacket, TxPacket};

impl Host {
    /// Sends an inbound packet on, or tells its sender why not.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        nic: usize,
        endpoint: usize,
        packet: &mut RxPacket,
    ) -> Result<(), DropReason> {
        if !self.tables.interfaces[nic].visible.forwarding {
            return Err(DropReason::NotLocal);
        }
        if packet.ip.dst.is_multicast() {
            return self.forward_group(now, nic, endpoint, packet);
        }
        // RFC 1812 §5.3.4: what came as a link broadcast is not forwarded. RFC 3927 §2.7, R4291-2.5.6-a: nor are link-local
        // addresses.
        if packet.meta.cast != Cast::Unicast || is_link_local(packet.ip.dst) {
            return Err(DropReason::MartianDestination);
        }
        if is_link_local(packet.ip.src) {
            // R4007-9-a: it is told; RFC 3927 knows no such answer.
            if packet.ip.src.is_ipv6() {
                self.answer(now, nic, endpoint, packet, ErrorKind::NetUnreachable);
            }
            return Err(DropReason::MartianSource);
        }
        let query = RouteQuery { nic: None, local: None, remote: packet.ip.dst };
        let Ok(route) = self.tables.route(&query, Claim::Own) else {
            self.answer(now, nic, endpoint, packet, ErrorKind::NetUnreachable);
            return Err(DropReason::NoRoute);
        };
        let egress = self.tables.index(route.hop.nic).ok_or(DropReason::NoRoute)?;
        self.ask(now, Some(nic), Some(egress), |hook, cx| hook.forward(cx, packet))?;
        let original = packet.clone();
        let mut out = Box::new(TxPacket::new());
        out.ip.src = route.local;
        let forwarded =
            self.with_endpoint(nic, endpoint, now, |endpoint, cx| endpoint.forward(cx, packet, &mut out));
        (out.hop, out.ip.cast) = (route.hop, route.cast);
        if forwarded.is_ok() {
            self.ask_postrouting(now, egress, &mut out)?;
        }
        let translated = out.ip.src != original.ip.src;
        let result =
            forwarded.and_then(|()| self.send_on(now, egress, endpoint, route.link_mtu as usize, out));
        match result {
            Ok(()) => {
                self.counters.forwarded += 1;
                // Who sent it under another address than the one it leaves with has no shorter way.
                if egress == nic && !translated && self.tables.is_on_link(nic, original.ip.src) {
                    let (target, next) = (route.hop.next_hop, route.hop.nic);
                    let link = self.tables.neighbors.link_of(next, target);
                    self.with_endpoint(nic, endpoint, now, |endpoint, cx| {
                        endpoint.send_redirect(cx, &original, target, link);
                    });
                }
                Ok(())
            }
            Err(kind) => {
                self.answer(now, nic, endpoint, &original, kind);
                Err(match kind {
                    ErrorKind::PacketTooBig { .. } => DropReason::PacketTooBig,
                    ErrorKind::HopLimitExceeded => DropReason::HopLimitExceeded,
                    ErrorKind::ParameterProblem { .. } => DropReason::BadOption,
                    _ => DropReason::NoRoute,
                })
            }
        }
    }

    pub(crate) fn send_on(
        &mut self,
        now: Instant,
        egress: usize,
        endpoint: usize,
        mtu: usize,
        mut out: Box<TxPacket>,
    ) -> Result<(), ErrorKind> {
        // A super-packet is as large as its segments: what headers add to `gso_size` is what it has beyond its payload.
        let header = transport_end(&out).unwrap_or(0);
        let size = if out.gso_size > 0 { header + usize::from(out.gso_size) } else { out.len() };
        if size <= mtu {
            self.launch(now, egress, out);
            return Ok(());
        }
        if out.gso_size > 0 {
            return Err(ErrorKind::PacketTooBig { mtu: mtu as u32 });
        }
        self.send_fragments(now, egress, endpoint, &mut out, mtu)
    }
}

pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Bytes of network and transport header of a super-packet, whose checksum tells where the transport header is.
fn transport_end(packet: &TxPacket) -> Option<usize> {
    const TCP: u8 = 6;
    let stack_core::Checksum::Partial { start, .. } = packet.checksum else { return None };
    let start = usize::from(start);
    let data_offset = || {
        let mut skip = start + 12;
        packet.all_pieces().find_map(|piece| {
            let byte = piece.get(skip).copied();
            skip = skip.saturating_sub(piece.len());
            byte
        })
    };
    Some(start + if packet.ip.protocol == TCP { usize::from(data_offset()? >> 4) * 4 } else { 8 })
}
