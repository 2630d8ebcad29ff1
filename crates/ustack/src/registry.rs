//! What several stacks of one program may share: path MTUs and ports, in concurrent maps.
//!
//! A host alone keeps plain maps of its own. Shards that stand for one host share these instead: a clone is another
//! handle to the same map.
//!
//! Rule for the maps: no guard is returned or held across a call. Keys come from peers, so the hasher is keyed.

use dashmap::DashMap;
use foldhash::fast::RandomState;
use stack_core::{Error, Families, Instant, PathMtuStore, PortRegistry, PortRequest};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// Destinations remembered at most; beyond that, expired ones go, and if there are none, new ones are not taken.
const PATH_MTU_CAP: usize = 4096;
/// How long a path MTU holds: ten minutes (RFC 1191 §6.3, RFC 8201 §5.3).
const PATH_MTU_LIFETIME: Duration = Duration::from_secs(600);
/// No IPv4 path is believed to be smaller (RFC 1191 §3 allows 68; RFC 5927 §7 tells why not to believe that).
const FLOOR_V4: u32 = 552;
/// Every IPv6 link carries this (RFC 8200 §5).
const FLOOR_V6: u32 = 1280;
/// Ports handed out where none is asked for (RFC 6056 §3.2: as many as possible; below them services listen).
const EPHEMERAL: RangeInclusive<u16> = 32_768..=65_535;

/// Path MTUs that several stacks share.
#[derive(Clone, Debug, Default)]
pub struct SharedPathMtus {
    known: Arc<DashMap<IpAddr, (u32, Instant), RandomState>>,
}

impl SharedPathMtus {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Destinations that are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether no destination is remembered.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

impl PathMtuStore for SharedPathMtus {
    fn path_mtu(&self, now: Instant, remote: IpAddr) -> Option<u32> {
        self.known.view(&remote, |_, (mtu, expires)| (*expires > now).then_some(*mtu)).flatten()
    }

    fn set_path_mtu(&mut self, now: Instant, remote: IpAddr, mtu: u32) {
        if self.known.len() >= PATH_MTU_CAP && !self.known.contains_key(&remote) {
            self.known.retain(|_, (_, expires)| *expires > now);
            if self.known.len() >= PATH_MTU_CAP {
                return;
            }
        }
        let floor = if remote.is_ipv4() { FLOOR_V4 } else { FLOOR_V6 };
        self.known.insert(remote, (mtu.max(floor), now + PATH_MTU_LIFETIME));
    }
}

/// Local ports that several stacks share: a port reserved by one is taken for all.
#[derive(Clone, Debug, Default)]
pub struct SharedPorts {
    taken: Arc<DashMap<(u8, u16), Vec<PortRequest>, RandomState>>,
}

impl SharedPorts {
    /// A registry with all ports free.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the port if nothing clashes; in one step for all who share the map.
    fn take(&self, protocol: u8, request: &PortRequest, port: u16) -> bool {
        let wanted = PortRequest { port, ..*request };
        let mut holders = self.taken.entry((protocol, port)).or_default();
        let free = !holders.iter().any(|holder| clash(holder, &wanted));
        if free {
            holders.push(wanted);
        }
        free
    }
}

impl PortRegistry for SharedPorts {
    fn reserve(&mut self, protocol: u8, request: &PortRequest, random: u64) -> Result<u16, Error> {
        if request.port != 0 {
            return if self.take(protocol, request, request.port) {
                Ok(request.port)
            } else {
                Err(Error::PortInUse)
            };
        }
        // RFC 6056 §3.3.1: a random start, then the next ones in turn.
        let count = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        (0..count)
            .map(|step| EPHEMERAL.start() + ((random >> 16).wrapping_add(step) % count) as u16)
            .find(|port| self.take(protocol, request, *port))
            .ok_or(Error::NoPortAvailable)
    }

    fn release(&mut self, protocol: u8, request: &PortRequest) {
        let key = (protocol, request.port);
        self.taken.alter(&key, |_, mut holders| {
            if let Some(position) = holders.iter().position(|holder| holder == request) {
                holders.swap_remove(position);
            }
            holders
        });
        self.taken.remove_if(&key, |_, holders| holders.is_empty());
    }
}

/// Whether a packet could be meant for both holders of a port.
fn clash(a: &PortRequest, b: &PortRequest) -> bool {
    fn apart<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    let kept_apart = apart(a.local, b.local) || apart(a.remote, b.remote) || apart(a.nic, b.nic);
    let both_share = a.shared && b.shared;
    Families::intersect(a.families, b.families) && !kept_apart && !both_share
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn request(port: u16) -> PortRequest {
        PortRequest { families: Families::V4, local: None, port, remote: None, nic: None, shared: false }
    }

    #[test]
    fn a_port_taken_by_one_stack_is_taken_for_the_other() {
        let mut first = SharedPorts::new();
        let mut second = first.clone();
        assert_eq!(first.reserve(6, &request(80), 0), Ok(80));
        assert_eq!(second.reserve(6, &request(80), 0), Err(Error::PortInUse));
        assert_eq!(second.reserve(17, &request(80), 0), Ok(80), "another protocol");
        first.release(6, &request(80));
        assert_eq!(second.reserve(6, &request(80), 0), Ok(80));
    }

    #[test]
    fn threads_that_share_get_different_ephemeral_ports() {
        let ports = SharedPorts::new();
        let granted: Vec<u16> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| {
                    let mut ports = ports.clone();
                    scope.spawn(move || {
                        (0..500).map(|n| ports.reserve(6, &request(0), n << 20).unwrap()).collect::<Vec<_>>()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
        });
        assert_eq!(granted.iter().collect::<HashSet<_>>().len(), 2000);
    }

    #[test]
    fn ports_run_out_and_come_back() {
        let mut ports = SharedPorts::new();
        let all: Vec<u16> =
            EPHEMERAL.map(|n| ports.reserve(6, &request(0), u64::from(n) << 16).unwrap()).collect();
        assert_eq!(ports.reserve(6, &request(0), 7), Err(Error::NoPortAvailable));
        ports.release(6, &request(all[5]));
        assert_eq!(ports.reserve(6, &request(0), 7), Ok(all[5]));
    }

    #[test]
    fn path_mtus_are_shared_floored_capped_and_forgotten() {
        let mut first = SharedPathMtus::new();
        let second = first.clone();
        let remote: IpAddr = "192.0.2.1".parse().unwrap();
        first.set_path_mtu(Instant::ZERO, remote, 68);
        assert_eq!(second.path_mtu(Instant::from_secs(599), remote), Some(FLOOR_V4));
        assert_eq!(second.path_mtu(Instant::from_secs(600), remote), None);
        for n in 0..5000_u32 {
            first.set_path_mtu(Instant::from_secs(1), IpAddr::V4(n.into()), 1400);
        }
        assert_eq!(first.len(), PATH_MTU_CAP);
        let late: IpAddr = "192.0.2.2".parse().unwrap();
        first.set_path_mtu(Instant::from_secs(700), late, 1400);
        assert_eq!((first.len(), second.path_mtu(Instant::from_secs(701), late)), (1, Some(1400)));
    }
}
