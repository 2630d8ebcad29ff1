//! Path MTU: what a segment may weigh, and what ICMP may say about it. RFC 1191, RFC 8201, RFC 6691.
//!
//! An MTU is never believed below the floor of its family, and a router that does not say which MTU it has gets
//! the next plateau of RFC 1191 §7.1. When a router is believed is in `too_big.rs`, how larger sizes are found in
//! `mtu_search.rs`.

use crate::tuple::Tuple;
use stack_core::{CachedRoute, Hop};

/// Floors: for IPv4 what Linux takes (`min_pmtu`), 68 being legal and absurd; for IPv6 the minimum link MTU.
const FLOOR_V4: u32 = 552;
const FLOOR_V6: u32 = 1280;
/// RFC 1191 §7.1, table 7-1, with the jumbo frame.
const PLATEAUS: [u32; 11] = [65_535, 32_000, 17_914, 9_000, 8_166, 4_352, 2_002, 1_492, 1_006, 552, 508];
/// Octets of a TCP header without options.
pub(crate) const TCP_HEADER: u32 = 20;
/// Octets of the timestamps option with its padding.
pub(crate) const TIMESTAMP_OPTION: u32 = 12;
/// Smallest MSS that is believed, as Linux: below it, options leave no room for text.
const MIN_PEER_MSS: u32 = 48;

/// The MTU to go on with after an ICMP error that names `reported` (0 if it names none); `None` if it teaches nothing.
pub(crate) fn believed(reported: u32, current: u32, is_v4: bool) -> Option<u32> {
    let mtu = match reported {
        0 => PLATEAUS.into_iter().find(|&plateau| plateau < current)?,
        mtu => mtu,
    };
    Some(mtu.max(floor(is_v4))).filter(|&mtu| mtu < current)
}

/// What a connection keeps of its route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) hop: Hop,
    /// Largest IP packet.
    mtu: u16,
    /// Largest IP packet that the link takes.
    link_mtu: u16,
    /// Largest super-packet.
    max_gso: u16,
    /// Octets of text in the largest segment that was acknowledged (`maxsizeacked` of RFC 5927 §7.2).
    pub(crate) largest_acked: u16,
    /// Packets that fit the queue in front of us; `u16::MAX` where that is no limit.
    queue_packets: u16,
}

impl Path {
    /// A path that was not looked up yet: the host does so for each packet.
    pub(crate) const UNKNOWN: Self = Self {
        hop: Hop::UNRESOLVED,
        mtu: 576,
        link_mtu: 576,
        max_gso: 0,
        largest_acked: 0,
        queue_packets: u16::MAX,
    };

    /// What counts of a route.
    pub(crate) fn new(route: &CachedRoute) -> Self {
        let limited = !(route.segmentation_offload || route.loopback);
        let mtu = route.mtu.min(0xffff) as u16;
        Self {
            hop: route.hop,
            mtu,
            link_mtu: route.link_mtu.min(0xffff) as u16,
            max_gso: (route.max_gso.min(0xffff) as u16).max(mtu),
            largest_acked: 0,
            queue_packets: route
                .queue_packets
                .filter(|_| limited)
                .map_or(u16::MAX, |packets| packets.min(0xfffe) as u16),
        }
    }

    /// Largest IP packet, as far as is known.
    pub(crate) fn mtu(&self) -> u32 {
        u32::from(self.mtu)
    }

    /// Something else is known now.
    pub(crate) fn set_mtu(&mut self, mtu: u32) {
        self.mtu = mtu.min(0xffff) as u16;
    }

    /// A segment with so much text was acknowledged.
    pub(crate) fn acknowledged(&mut self, text: u32) {
        self.largest_acked = self.largest_acked.max(text.min(0xffff) as u16);
    }

    /// The same, after another answer of the host; what was acknowledged on another way says nothing of this one.
    pub(crate) fn after(self, before: &Self) -> Self {
        let is_same = (self.hop.nic, self.hop.next_hop) == (before.hop.nic, before.hop.next_hop);
        Self { largest_acked: if is_same { before.largest_acked } else { 0 }, ..self }
    }

    /// The MSS to announce: what we can receive on this path, options not counted (R9293-MUST-67, R6691-a).
    pub(crate) fn receive_mss(&self, tuple: &Tuple, user: u16) -> u16 {
        let mss = self.mtu().saturating_sub(tuple.ip_header_len() + TCP_HEADER);
        limit(mss, user).min(0xffff) as u16
    }

    /// Largest IP packet that the link takes, whatever is known of the path beyond.
    pub(crate) fn link_mtu(&self) -> u32 {
        u32::from(self.link_mtu)
    }

    /// Largest IP packet that both the link and the peer take: where a search ends (R4821-7.2-a).
    pub(crate) fn ceiling(&self, tuple: &Tuple, peer_mss: u16, user: u16) -> u32 {
        let most = limit(u32::from(peer_mss), user) + tuple.ip_header_len() + TCP_HEADER;
        self.link_mtu().min(most)
    }

    /// Octets of text in the largest super-packet: whole segments.
    pub(crate) fn max_burst(&self, tuple: &Tuple, mss: u32, timestamps: bool) -> u32 {
        let options = if timestamps { TIMESTAMP_OPTION } else { 0 };
        let room = u32::from(self.max_gso).saturating_sub(tuple.ip_header_len() + TCP_HEADER + options);
        (room / mss * mss).max(mss)
    }

    /// Largest window to offer: three quarters of what the queue in front of us holds.
    pub(crate) fn window_limit(&self, mss: u32) -> u32 {
        if self.queue_packets == u16::MAX {
            u32::MAX
        } else {
            (u32::from(self.queue_packets) / 4 * 3).max(2).saturating_mul(mss)
        }
    }
}

/// Octets of text in a full-sized segment (R9293-MUST-16): what the peer takes and packets of `mtu` octets hold, less
/// options.
pub(crate) fn send_mss(mtu: u32, tuple: &Tuple, peer_mss: u16, user: u16, timestamps: bool) -> u32 {
    let on_path = mtu.saturating_sub(tuple.ip_header_len() + TCP_HEADER);
    let mss = limit(u32::from(peer_mss).min(on_path), user).max(MIN_PEER_MSS);
    mss - if timestamps { TIMESTAMP_OPTION } else { 0 }
}

/// Octets of the IP packet of a segment with so much text.
pub(crate) fn packet_of(tuple: &Tuple, text: u32, timestamps: bool) -> u32 {
    text + tuple.ip_header_len() + TCP_HEADER + if timestamps { TIMESTAMP_OPTION } else { 0 }
}

/// The MTU to fall back to where so much text in a segment is thought to get through: never below the family's floor.
pub(crate) fn fallback(tuple: &Tuple, text: u32, timestamps: bool) -> u32 {
    packet_of(tuple, text, timestamps).max(floor(tuple.local.is_ipv4()))
}

fn floor(is_v4: bool) -> u32 {
    if is_v4 { FLOOR_V4 } else { FLOOR_V6 }
}

fn limit(mss: u32, user: u16) -> u32 {
    if user == 0 { mss } else { mss.min(u32::from(user)) }
}

/// MSS of a peer that names none: R9293-MUST-15.
pub(crate) fn default_mss(tuple: &Tuple) -> u16 {
    if tuple.ip_header_len() == 20 { 536 } else { 1220 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{IpAddr, Ipv4Addr};

    #[test]
    fn reported_mtus_are_believed_down_to_the_floor_and_never_upward() {
        for (reported, current, v4, expected) in [
            (1400, 1500, true, Some(1400)),
            (1500, 1500, true, None),
            (9000, 1500, true, None),
            (68, 1500, true, Some(552)),
            (68, 552, true, None),
            (68, 1500, false, Some(1280)),
            (0, 1500, true, Some(1492)),
            (0, 1492, true, Some(1006)),
            (0, 1006, true, Some(552)),
            (0, 552, true, None),
            (0, 100, true, None),
        ] {
            assert_eq!(believed(reported, current, v4), expected, "{reported} at {current}");
        }
    }

    #[test]
    fn segment_sizes_leave_room_for_options_and_respect_the_peer() {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let tuple = Tuple { local: ip, remote: ip, local_port: 1, remote_port: 2 };
        let path = Path { mtu: 1500, max_gso: 65_535, ..Path::UNKNOWN };
        assert_eq!((path.receive_mss(&tuple, 0), path.receive_mss(&tuple, 1000)), (1460, 1000));
        assert_eq!(send_mss(1500, &tuple, 1460, 0, true), 1448);
        assert_eq!(send_mss(1500, &tuple, 9000, 0, false), 1460);
        assert_eq!(send_mss(1500, &tuple, 536, 0, false), 536);
        assert_eq!(send_mss(1500, &tuple, 1, 0, true), 36);
        assert_eq!(path.max_burst(&tuple, 1448, true), 45 * 1448);
        assert_eq!(Path::UNKNOWN.max_burst(&tuple, 1448, true), 1448);
        let queued = |packets| Path { queue_packets: packets, ..path }.window_limit(1000);
        assert_eq!((queued(1000), queued(1), queued(u16::MAX)), (750_000, 2000, u32::MAX));
    }
}
