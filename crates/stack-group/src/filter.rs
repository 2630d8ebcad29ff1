//! From whom packets to a group are wanted: RFC 9776 §3, RFC 9777 §4, RFC 3678.
//!
//! The same words for a socket's wish and for the state of an interface, which is merged from the wishes of all sockets.

use alloc::collections::BTreeSet;
use core::net::IpAddr;

/// What a list of sources means.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FilterMode {
    /// Packets from these sources only are wanted.
    Include,
    /// Packets from all but these sources are wanted.
    Exclude,
}

/// From whom packets to a group are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SourceFilter {
    mode: FilterMode,
    sources: BTreeSet<IpAddr>,
}

impl SourceFilter {
    /// A list of sources and what it means.
    pub fn new(mode: FilterMode, sources: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { mode, sources: sources.into_iter().collect() }
    }

    /// From anybody: EXCLUDE without a source.
    pub const fn everything() -> Self {
        Self { mode: FilterMode::Exclude, sources: BTreeSet::new() }
    }

    /// From nobody, which is no membership at all: INCLUDE without a source.
    pub const fn nothing() -> Self {
        Self { mode: FilterMode::Include, sources: BTreeSet::new() }
    }

    /// What the list means.
    pub fn mode(&self) -> FilterMode {
        self.mode
    }

    /// The list, in order.
    pub fn sources(&self) -> &BTreeSet<IpAddr> {
        &self.sources
    }

    /// Whether it is [`nothing`](Self::nothing).
    pub fn is_nothing(&self) -> bool {
        self.mode == FilterMode::Include && self.sources.is_empty()
    }

    /// Whether packets from `source` are wanted (R9776-3.1-a).
    pub fn admits(&self, source: IpAddr) -> bool {
        self.sources.contains(&source) == (self.mode == FilterMode::Include)
    }

    /// Puts a source on the list; `false` if it is there.
    pub fn insert(&mut self, source: IpAddr) -> bool {
        self.sources.insert(source)
    }

    /// Takes a source from the list; `false` if it is not there.
    pub fn remove(&mut self, source: IpAddr) -> bool {
        self.sources.remove(&source)
    }

    /// What an interface wants whose sockets want these (R9776-3.2-a, R9777-4.2-a): with an EXCLUDE among them, all but what
    /// each EXCLUDE excludes and no INCLUDE includes; else what any INCLUDE includes.
    pub fn merge<'a>(filters: impl Iterator<Item = &'a Self>) -> Self {
        let mut included = BTreeSet::new();
        let mut excluded: Option<BTreeSet<IpAddr>> = None;
        for filter in filters {
            match filter.mode {
                FilterMode::Include => included.extend(&filter.sources),
                FilterMode::Exclude => match &mut excluded {
                    Some(excluded) => excluded.retain(|source| filter.sources.contains(source)),
                    None => excluded = Some(filter.sources.clone()),
                },
            }
        }
        match excluded {
            Some(mut excluded) => {
                excluded.retain(|source| !included.contains(source));
                Self { mode: FilterMode::Exclude, sources: excluded }
            }
            None => Self { mode: FilterMode::Include, sources: included },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FilterMode::{Exclude, Include};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn source(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    fn filter(mode: FilterMode, sources: &[u8]) -> SourceFilter {
        SourceFilter::new(mode, sources.iter().copied().map(source))
    }

    // R9776-3.2-a, R9777-4.2-a
    #[test]
    fn sockets_make_an_interface() {
        for (situation, sockets, want) in [
            ("none", &[][..], filter(Include, &[])),
            ("one", &[filter(Include, &[1, 2])], filter(Include, &[1, 2])),
            (
                "all INCLUDE",
                &[filter(Include, &[1, 2]), filter(Include, &[2, 3])],
                filter(Include, &[1, 2, 3]),
            ),
            (
                "the example of the RFC",
                &[
                    filter(Exclude, &[1, 2, 3, 4]),
                    filter(Exclude, &[2, 3, 4, 5]),
                    filter(Include, &[4, 5, 6]),
                ],
                filter(Exclude, &[2, 3]),
            ),
            ("everything wins", &[filter(Exclude, &[1]), SourceFilter::everything()], filter(Exclude, &[])),
        ] {
            assert_eq!(SourceFilter::merge(sockets.iter()), want, "{situation}");
        }
    }

    proptest! {
        // R9776-3.1-a
        #[test]
        fn an_interface_admits_what_any_socket_does(
            sockets in proptest::collection::vec((any::<bool>(), proptest::collection::btree_set(0..6u8, 0..6)), 0..5),
        ) {
            let sockets: Vec<_> = sockets.into_iter().map(|(include, sources)| {
                let mode = if include { Include } else { Exclude };
                SourceFilter::new(mode, sources.into_iter().map(source))
            }).collect();
            let interface = SourceFilter::merge(sockets.iter());
            for last in 0..8 {
                let any = sockets.iter().any(|socket| socket.admits(source(last)));
                prop_assert_eq!(interface.admits(source(last)), any);
            }
        }
    }
}
