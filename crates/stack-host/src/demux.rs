//! Which endpoints a packet is for.
//!
//! Order, kept exactly: registrations on the packet's interface first, then those on all interfaces; in each the full
//! 4-tuple, then any local address, then any remote, then the local port alone. Full tuples include half-open and
//! TIME-WAIT records. A broadcast or multicast packet goes to all that match in any form; of several that share an
//! identity, a unicast packet goes to one by flow hash.

use crate::hash::{Map, map};
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{Cast, EndpointId, EndpointIdentity, Error, Families, NicId};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    protocol: u8,
    v6: bool,
    nic: Option<NicId>,
    local: Option<IpAddr>,
    local_port: u16,
    remote: Option<IpAddr>,
    remote_port: u16,
}

/// Endpoints that share one identity: usually one.
#[derive(Clone, Debug)]
struct Targets {
    first: EndpointId,
    others: Vec<EndpointId>,
    shared: bool,
}

/// The addresses of an inbound packet, seen from this host.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Flow {
    pub(crate) protocol: u8,
    pub(crate) nic: NicId,
    pub(crate) local: IpAddr,
    pub(crate) local_port: u16,
    pub(crate) remote: IpAddr,
    pub(crate) remote_port: u16,
}

/// Registered endpoints.
#[derive(Debug)]
pub(crate) struct Demux {
    table: Map<Key, Targets>,
    /// Registrations bound to an interface: while there are none, those lookups are skipped.
    on_nic: usize,
    /// Registrations with a peer but no local address: rare, and skipped while there are none.
    any_local: usize,
}

impl Demux {
    pub(crate) fn new(seed: u64) -> Self {
        Self { table: map(seed), on_nic: 0, any_local: 0 }
    }

    /// Adds an endpoint under all its families, or under none.
    pub(crate) fn register(
        &mut self,
        protocol: u8,
        identity: &EndpointIdentity,
        id: EndpointId,
    ) -> Result<(), Error> {
        let clash = |key: &Key| self.table.get(key).is_some_and(|t| !(t.shared && identity.shared));
        if keys(protocol, identity).any(|key| clash(&key)) {
            return Err(Error::DuplicateAddress);
        }
        for key in keys(protocol, identity) {
            self.count(&key, 1);
            match self.table.get_mut(&key) {
                Some(targets) => targets.others.push(id),
                None => {
                    self.table
                        .insert(key, Targets { first: id, others: Vec::new(), shared: identity.shared });
                }
            }
        }
        Ok(())
    }

    /// Removes an endpoint; unknown ones are ignored.
    pub(crate) fn unregister(&mut self, protocol: u8, identity: &EndpointIdentity, id: EndpointId) {
        for key in keys(protocol, identity) {
            let Some(targets) = self.table.get_mut(&key) else { continue };
            if targets.first == id {
                match targets.others.pop() {
                    Some(other) => targets.first = other,
                    None => {
                        self.table.remove(&key);
                    }
                }
            } else if let Some(position) = targets.others.iter().position(|other| *other == id) {
                targets.others.swap_remove(position);
            } else {
                continue;
            }
            self.count(&key, -1);
        }
    }

    /// Puts `to` in the place of `from`; registers it if `from` is unknown.
    pub(crate) fn replace(
        &mut self,
        protocol: u8,
        identity: &EndpointIdentity,
        from: EndpointId,
        to: EndpointId,
    ) {
        for key in keys(protocol, identity) {
            let targets = self.table.get_mut(&key);
            let place = targets.and_then(|t| {
                core::iter::once(&mut t.first).chain(&mut t.others).find(|target| **target == from)
            });
            if let Some(place) = place {
                *place = to;
            } else if !self.table.contains_key(&key) {
                self.count(&key, 1);
                self.table.insert(key, Targets { first: to, others: Vec::new(), shared: identity.shared });
            }
        }
    }

    /// The endpoint that a unicast packet is for.
    pub(crate) fn find(&self, flow: &Flow) -> Option<EndpointId> {
        let targets = self.forms(flow).find_map(|key| self.table.get(&key))?;
        if targets.others.is_empty() {
            return Some(targets.first);
        }
        let choice = flow_hash(flow) as usize % (targets.others.len() + 1);
        Some(choice.checked_sub(1).map_or(targets.first, |other| targets.others[other]))
    }

    /// Appends all endpoints that a packet to several is for, each once.
    pub(crate) fn find_all(&self, flow: &Flow, into: &mut Vec<EndpointId>) {
        for targets in self.forms(flow).filter_map(|key| self.table.get(&key)) {
            for id in core::iter::once(&targets.first).chain(&targets.others) {
                if !into.contains(id) {
                    into.push(*id);
                }
            }
        }
    }

    /// Appends the endpoints that a packet with this cast is for.
    pub(crate) fn targets(&self, flow: &Flow, cast: Cast, into: &mut Vec<EndpointId>) {
        match cast {
            Cast::Unicast => into.extend(self.find(flow)),
            Cast::Broadcast | Cast::Multicast => self.find_all(flow, into),
        }
    }

    /// The keys to look under, in order.
    fn forms(&self, flow: &Flow) -> impl Iterator<Item = Key> + use<> {
        let full = Key {
            protocol: flow.protocol,
            v6: flow.local.is_ipv6(),
            nic: None,
            local: Some(flow.local),
            local_port: flow.local_port,
            remote: Some(flow.remote),
            remote_port: flow.remote_port,
        };
        let nics = [(self.on_nic > 0).then_some(Some(flow.nic)), Some(None)];
        let any_local = self.any_local > 0;
        nics.into_iter().flatten().flat_map(move |nic| {
            let full = Key { nic, ..full };
            let listener = Key { remote: None, remote_port: 0, ..full };
            let peer = any_local.then_some(Key { local: None, ..full });
            [Some(full), peer, Some(listener), Some(Key { local: None, ..listener })].into_iter().flatten()
        })
    }

    fn count(&mut self, key: &Key, change: isize) {
        if key.nic.is_some() {
            self.on_nic = self.on_nic.saturating_add_signed(change);
        }
        if key.local.is_none() && key.remote.is_some() {
            self.any_local = self.any_local.saturating_add_signed(change);
        }
    }
}

/// A hash over the flow, the same for all its packets.
fn flow_hash(flow: &Flow) -> u64 {
    use core::hash::BuildHasher;
    foldhash::fast::FixedState::with_seed(0).hash_one(flow)
}

/// One key for each family of the identity.
fn keys(protocol: u8, identity: &EndpointIdentity) -> impl Iterator<Item = Key> + use<> {
    let identity = *identity;
    [(Families::V4, false), (Families::V6, true)]
        .into_iter()
        .filter(move |(family, v6)| {
            let address = identity.local.or(identity.remote);
            identity.families.intersect(*family) && address.is_none_or(|address| address.is_ipv6() == *v6)
        })
        .map(move |(_, v6)| Key {
            protocol,
            v6,
            nic: identity.nic,
            local: identity.local,
            local_port: identity.local_port,
            remote: identity.remote,
            remote_port: identity.remote_port,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: u8 = 6;
    const ME: &str = "10.0.0.1";
    const PEER: &str = "10.0.0.2";

    fn id(index: u32) -> EndpointId {
        EndpointId { index, generation: 0 }
    }

    fn identity(nic: Option<u32>, local: Option<&str>, remote: Option<&str>) -> EndpointIdentity {
        EndpointIdentity {
            nic: nic.map(NicId),
            families: Families::V4,
            local: local.map(|a| a.parse().unwrap()),
            local_port: 80,
            remote: remote.map(|a| a.parse().unwrap()),
            remote_port: if remote.is_some() { 1000 } else { 0 },
            shared: false,
        }
    }

    fn flow(nic: u32) -> Flow {
        let (local, remote) = (ME.parse().unwrap(), PEER.parse().unwrap());
        Flow { protocol: TCP, nic: NicId(nic), local, local_port: 80, remote, remote_port: 1000 }
    }

    #[test]
    fn order_of_forms() {
        let forms = [
            (Some(1), Some(ME), Some(PEER)),
            (Some(1), None, Some(PEER)),
            (Some(1), Some(ME), None),
            (Some(1), None, None),
            (None, Some(ME), Some(PEER)),
            (None, None, Some(PEER)),
            (None, Some(ME), None),
            (None, None, None),
        ];
        let mut demux = Demux::new(1);
        for (index, (nic, local, remote)) in forms.into_iter().enumerate() {
            demux.register(TCP, &identity(nic, local, remote), id(index as u32)).unwrap();
        }
        for (index, (nic, local, remote)) in forms.into_iter().enumerate() {
            assert_eq!(demux.find(&flow(1)), Some(id(index as u32)));
            demux.unregister(TCP, &identity(nic, local, remote), id(index as u32));
        }
        assert_eq!(demux.find(&flow(1)), None);
        assert_eq!((demux.on_nic, demux.any_local), (0, 0));
    }

    #[test]
    fn nic_specific_before_global_only_on_that_nic() {
        let mut demux = Demux::new(1);
        demux.register(TCP, &identity(None, Some(ME), Some(PEER)), id(1)).unwrap();
        demux.register(TCP, &identity(Some(7), None, None), id(2)).unwrap();
        assert_eq!(demux.find(&flow(7)), Some(id(2)));
        assert_eq!(demux.find(&flow(8)), Some(id(1)));
    }

    #[test]
    fn registration_over_families_is_all_or_nothing() {
        let mut demux = Demux::new(1);
        demux.register(TCP, &identity(None, None, None), id(1)).unwrap();
        let dual = EndpointIdentity { families: Families::Dual, ..identity(None, None, None) };
        assert_eq!(demux.register(TCP, &dual, id(2)), Err(Error::DuplicateAddress));
        let v6 = Flow { local: "::1".parse().unwrap(), remote: "::2".parse().unwrap(), ..flow(1) };
        assert_eq!(demux.find(&v6), None);
        demux.unregister(TCP, &identity(None, None, None), id(1));
        demux.register(TCP, &dual, id(2)).unwrap();
        assert_eq!((demux.find(&v6), demux.find(&flow(1))), (Some(id(2)), Some(id(2))));
    }

    #[test]
    fn shared_identities_split_flows_and_all_get_broadcasts() {
        let mut demux = Demux::new(1);
        let shared = EndpointIdentity { shared: true, ..identity(None, None, None) };
        for index in 0..3 {
            demux.register(TCP, &shared, id(index)).unwrap();
        }
        assert_eq!(demux.register(TCP, &identity(None, None, None), id(9)), Err(Error::DuplicateAddress));
        let mut seen = [0; 3];
        for port in 1..300 {
            let chosen = demux.find(&Flow { remote_port: port, ..flow(1) }).unwrap();
            assert_eq!(demux.find(&Flow { remote_port: port, ..flow(1) }), Some(chosen));
            seen[chosen.index as usize] += 1;
        }
        assert!(seen.iter().all(|count| *count > 30), "{seen:?}");
        demux.register(TCP, &identity(None, Some(ME), None), id(3)).unwrap();
        let mut all = Vec::new();
        demux.targets(&flow(1), Cast::Broadcast, &mut all);
        all.sort_unstable();
        assert_eq!(all, [id(0), id(1), id(2), id(3)]);
        demux.unregister(TCP, &shared, id(1));
        demux.unregister(TCP, &shared, id(1));
        all.clear();
        demux.find_all(&flow(1), &mut all);
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn replacing_leaves_no_gap() {
        let mut demux = Demux::new(1);
        let full = identity(None, Some(ME), Some(PEER));
        demux.register(TCP, &full, id(1)).unwrap();
        demux.replace(TCP, &full, id(1), id(2));
        assert_eq!(demux.find(&flow(1)), Some(id(2)));
        demux.unregister(TCP, &full, id(1));
        assert_eq!(demux.find(&flow(1)), Some(id(2)));
    }
}
