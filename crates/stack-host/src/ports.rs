//! Local ports: who has which, and which to give to those that don't care (RFC 6056).
//!
//! Two requests for one port clash unless something keeps their packets apart: the family, both local addresses,
//! both peers, both interfaces; or both are willing to share.

use crate::hash::{Map, map};
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use stack_core::{Error, PortRegistry, PortRequest};

/// Ephemeral ports: the upper half. RFC 6056 §3.2 asks for as large a range as possible; below 32,768 lie most
/// ports that services listen on.
pub(crate) const EPHEMERAL: RangeInclusive<u16> = 32_768..=65_535;

/// The ports of one host.
#[derive(Debug)]
pub(crate) struct Ports {
    taken: Map<(u8, u16), Vec<PortRequest>>,
}

impl Ports {
    pub(crate) fn new(seed: u64) -> Self {
        Self { taken: map(seed) }
    }

    fn is_free(&self, protocol: u8, request: &PortRequest, port: u16) -> bool {
        self.taken
            .get(&(protocol, port))
            .is_none_or(|holders| !holders.iter().any(|holder| clash(holder, request)))
    }

    /// RFC 6056 §3.3.1: a random start, then the next ones in turn.
    fn pick(&self, protocol: u8, request: &PortRequest, random: u64) -> Result<u16, Error> {
        let count = u64::from(EPHEMERAL.end() - EPHEMERAL.start()) + 1;
        (0..count)
            .map(|step| EPHEMERAL.start() + ((random + step) % count) as u16)
            .find(|port| self.is_free(protocol, request, *port))
            .ok_or(Error::NoPortAvailable)
    }
}

impl PortRegistry for Ports {
    fn reserve(&mut self, protocol: u8, request: &PortRequest, random: u64) -> Result<u16, Error> {
        let port = match request.port {
            0 => self.pick(protocol, request, random >> 16)?,
            port if self.is_free(protocol, request, port) => port,
            _ => return Err(Error::PortInUse),
        };
        self.taken.entry((protocol, port)).or_default().push(PortRequest { port, ..*request });
        Ok(port)
    }

    fn release(&mut self, protocol: u8, request: &PortRequest) {
        let Some(holders) = self.taken.get_mut(&(protocol, request.port)) else { return };
        if let Some(position) = holders.iter().position(|holder| holder == request) {
            holders.swap_remove(position);
        }
        if holders.is_empty() {
            self.taken.remove(&(protocol, request.port));
        }
    }
}

fn clash(a: &PortRequest, b: &PortRequest) -> bool {
    fn apart<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    let kept_apart = !a.families.intersect(b.families)
        || apart(a.local, b.local)
        || apart(a.remote, b.remote)
        || apart(a.nic, b.nic);
    let both_share = a.shared && b.shared;
    !(kept_apart || both_share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::{Families, NicId};

    fn request(port: u16) -> PortRequest {
        PortRequest { families: Families::V4, local: None, port, remote: None, nic: None, shared: false }
    }

    #[test]
    fn what_clashes_and_what_does_not() {
        let a = PortRequest { local: "10.0.0.1".parse().ok(), ..request(80) };
        let b = PortRequest { local: "10.0.0.2".parse().ok(), ..request(80) };
        let shared = PortRequest { shared: true, ..request(80) };
        let cases = [
            ("the same twice", a, a, true),
            ("any against one", request(80), a, true),
            ("two addresses", a, b, false),
            ("two families", request(80), PortRequest { families: Families::V6, ..request(80) }, false),
            ("dual against one", request(80), PortRequest { families: Families::Dual, ..request(80) }, true),
            ("both share", shared, shared, false),
            ("one shares", shared, request(80), true),
            (
                "two interfaces",
                PortRequest { nic: Some(NicId(1)), ..request(80) },
                PortRequest { nic: Some(NicId(2)), ..request(80) },
                false,
            ),
            (
                "two peers",
                PortRequest { remote: "1.1.1.1:1".parse().ok(), ..request(80) },
                PortRequest { remote: "1.1.1.1:2".parse().ok(), ..request(80) },
                false,
            ),
            ("two ports", request(80), request(81), false),
        ];
        for (case, first, second, clashes) in cases {
            let mut ports = Ports::new(1);
            ports.reserve(6, &first, 0).unwrap();
            assert_eq!(ports.reserve(6, &second, 0).is_err(), clashes, "{case}");
            assert!(ports.reserve(17, &second, 0).is_ok(), "{case}: other protocol");
            ports.release(6, &first);
            ports.release(6, &second);
            assert!(ports.reserve(6, &a, 0).is_ok(), "{case}: after release");
        }
    }

    // R6056-x-a
    #[test]
    fn ephemeral_ports_are_all_handed_out_and_then_refused() {
        let mut ports = Ports::new(1);
        let mut seen = [false; 65_536];
        for round in 0..=u64::from(EPHEMERAL.end() - EPHEMERAL.start()) {
            let port = ports.reserve(6, &request(0), round.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
            assert!(EPHEMERAL.contains(&port) && !core::mem::replace(&mut seen[usize::from(port)], true));
        }
        assert_eq!(ports.reserve(6, &request(0), 1), Err(Error::NoPortAvailable));
    }
}
