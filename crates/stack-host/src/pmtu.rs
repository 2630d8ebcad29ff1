//! Path MTUs by destination (RFC 1191, RFC 8201), forgotten after ten minutes so that a path that grew is found out
//! (RFC 1191 §6.3, RFC 8201 §5.3), and at most [`CAP`] of them: the one that expires first makes room.

use crate::hash::{Map, map};
use core::net::IpAddr;
use core::time::Duration;
use stack_core::{Instant, PathMtuStore};

const CAP: usize = 1024;
/// RFC 1191 §6.3 and RFC 8201 §5.3 recommend ten minutes.
const LIFETIME: Duration = Duration::from_secs(600);
/// No IPv4 path is believed to be smaller than this (RFC 1191 §3 allows 68; such a claim is an attack, RFC 5927 §7).
const FLOOR_V4: u32 = 552;
/// Every IPv6 link carries this (RFC 8200 §5).
const FLOOR_V6: u32 = 1280;

/// The path MTUs of one host.
#[derive(Debug)]
pub(crate) struct PathMtus {
    known: Map<IpAddr, (u32, Instant)>,
}

impl PathMtus {
    pub(crate) fn new(seed: u64) -> Self {
        Self { known: map(seed) }
    }
}

impl PathMtuStore for PathMtus {
    fn path_mtu(&self, now: Instant, remote: IpAddr) -> Option<u32> {
        self.known.get(&remote).filter(|(_, expires)| *expires > now).map(|(mtu, _)| *mtu)
    }

    fn set_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32) {
        if self.known.len() >= CAP && !self.known.contains_key(&remote) {
            let first = self.known.iter().min_by_key(|(_, (_, expires))| *expires).map(|(remote, _)| *remote);
            first.map(|remote| self.known.remove(&remote));
        }
        let floor = if remote.is_ipv4() { FLOOR_V4 } else { FLOOR_V6 };
        self.known.insert(remote, (mtu.max(floor), now + LIFETIME));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R1191-3-c, R1191-3-b, R8201-4-d
    #[test]
    fn remembered_for_ten_minutes_with_a_floor_and_a_cap() {
        let mut mtus = PathMtus::new(1);
        let remote = "10.0.0.1".parse().unwrap();
        mtus.set_path_mtu(Instant::ZERO, remote, 68);
        assert_eq!(mtus.path_mtu(Instant::from_secs(599), remote), Some(552));
        assert_eq!(mtus.path_mtu(Instant::from_secs(600), remote), None);
        for n in 0..5_000u32 {
            mtus.set_path_mtu(Instant::from_secs(u64::from(n)), IpAddr::V4(n.into()), 1400);
        }
        assert_eq!(mtus.known.len(), CAP);
        assert_eq!(mtus.path_mtu(Instant::from_secs(5_000), IpAddr::V4(4_999.into())), Some(1400));
    }
}
