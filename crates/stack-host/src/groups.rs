//! Which multicast groups an interface receives, and from whom: what its sockets and protocols want, and what comes of it.
//!
//! Wishes are counted, not named: whoever changes one says what it was before. The network endpoint that tells routers hears
//! of each group whose merged filter may have changed, once the call that changed it has returned.

use crate::Host;
use crate::hash::{Map, map};
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{Error, Instant, SourceFilter};

/// Groups that an interface joins at most.
const MAX_GROUPS: usize = 1024;

/// How many want a group so.
#[derive(Debug)]
struct Wish {
    filter: SourceFilter,
    count: u32,
}

/// The groups of an interface.
#[derive(Debug)]
pub(crate) struct Groups {
    wishes: Map<IpAddr, Vec<Wish>>,
    /// Of these the network endpoint does not know yet; each at most once.
    changed: Vec<IpAddr>,
}

impl Groups {
    pub(crate) fn new(seed: u64) -> Self {
        Self { wishes: map(seed), changed: Vec::new() }
    }

    pub(crate) fn contains(&self, group: IpAddr) -> bool {
        self.wishes.contains_key(&group)
    }

    /// Puts one wish in the place of another.
    pub(crate) fn replace(
        &mut self,
        group: IpAddr,
        before: Option<&SourceFilter>,
        after: Option<&SourceFilter>,
    ) -> Result<(), Error> {
        if !group.is_multicast() {
            return Err(Error::InvalidArgument);
        }
        if !self.contains(group) && (before.is_some() || self.wishes.len() >= MAX_GROUPS) {
            return Err(if before.is_some() { Error::BadLocalAddress } else { Error::LimitReached });
        }
        let wishes = self.wishes.entry(group).or_default();
        let position = |filter: &SourceFilter| wishes.iter().position(|wish| wish.filter == *filter);
        let old = before.map(|before| position(before).ok_or(Error::BadLocalAddress)).transpose()?;
        match after.map(|after| (after, position(after))) {
            Some((_, Some(known))) => wishes[known].count += 1,
            Some((after, None)) => wishes.push(Wish { filter: after.clone(), count: 1 }),
            None => {}
        }
        if let Some(old) = old {
            wishes[old].count -= 1;
            wishes.retain(|wish| wish.count > 0);
        }
        if wishes.is_empty() {
            self.wishes.remove(&group);
        }
        if !self.changed.contains(&group) {
            self.changed.push(group);
        }
        Ok(())
    }

    /// What all wishes are together.
    fn filter(&self, group: IpAddr) -> SourceFilter {
        let wishes = self.wishes.get(&group).into_iter().flatten();
        SourceFilter::merge(wishes.map(|wish| &wish.filter))
    }

    /// The interface has come up: its network endpoints know of no group.
    pub(crate) fn all_changed(&mut self) {
        self.changed.clear();
        self.changed.extend(self.wishes.keys());
        self.changed.sort_unstable();
    }
}

impl Host {
    /// Tells network endpoints of groups that are wanted otherwise than before, and then that it is time: so what changed
    /// together is reported together.
    pub(crate) fn tell_groups(&mut self, now: Instant) {
        for nic in 1..self.nics.len() {
            let changed = core::mem::take(&mut self.tables.interfaces[nic].groups.changed);
            let enabled = self.tables.interfaces[nic].enabled && !changed.is_empty();
            for group in changed.into_iter().filter(|_| enabled) {
                let filter = self.tables.interfaces[nic].groups.filter(group);
                if let Some(endpoint) = self.endpoint_for(nic, group) {
                    self.with_endpoint(nic, endpoint, now, |endpoint, cx| {
                        endpoint.group_changed(cx, group, &filter);
                    });
                }
            }
            if enabled {
                self.run_timeouts(nic, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::FilterMode;

    fn group(last: u32) -> IpAddr {
        IpAddr::V4((0xef00_0000 + last).into())
    }

    fn only(last: u8) -> SourceFilter {
        SourceFilter::new(FilterMode::Include, [IpAddr::from([10, 0, 0, last])])
    }

    #[test]
    fn wishes_are_counted_and_merged() {
        let (mut groups, everything) = (Groups::new(1), SourceFilter::everything());
        let g = group(1);
        groups.replace(g, None, Some(&only(1))).unwrap();
        groups.replace(g, None, Some(&only(1))).unwrap();
        groups.replace(g, None, Some(&everything)).unwrap();
        assert_eq!((groups.filter(g), &groups.changed[..]), (everything.clone(), &[g][..]));
        groups.replace(g, Some(&everything), None).unwrap();
        groups.replace(g, Some(&only(1)), Some(&only(2))).unwrap();
        let both = SourceFilter::new(FilterMode::Include, [1, 2].map(|last| IpAddr::from([10, 0, 0, last])));
        assert_eq!(groups.filter(g), both);
        groups.replace(g, Some(&only(1)), None).unwrap();
        assert_eq!(groups.filter(g), only(2));
        groups.replace(g, Some(&only(2)), None).unwrap();
        assert!(!groups.contains(g) && groups.filter(g).is_nothing());
    }

    #[test]
    fn what_can_not_be_wanted() {
        let (mut groups, everything) = (Groups::new(1), SourceFilter::everything());
        let unicast = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(groups.replace(unicast, None, Some(&everything)), Err(Error::InvalidArgument));
        assert_eq!(groups.replace(group(1), Some(&everything), None), Err(Error::BadLocalAddress));
        groups.replace(group(1), None, Some(&only(1))).unwrap();
        assert_eq!(groups.replace(group(1), Some(&everything), None), Err(Error::BadLocalAddress));
        for last in 2..=MAX_GROUPS as u32 {
            groups.replace(group(last), None, Some(&everything)).unwrap();
        }
        assert_eq!(groups.replace(group(0), None, Some(&everything)), Err(Error::LimitReached));
        assert_eq!(
            groups.replace(group(7), None, Some(&only(7))),
            Ok(()),
            "those that are there are no more"
        );
    }
}
