//! From a packet to its connection: what the first place finds out, and how the later ones learn it.

use crate::config::FilterConfig;
use crate::connection::Entry;
use crate::counters::FilterCounters;
use crate::datagrams::Datagrams;
use crate::layout::{Content, Layout, Part};
use crate::rule::States;
use crate::table::{Direction, Table, Way};
use crate::tcp;
use crate::tuple::Tuple;
use stack_core::Instant;

/// What is known of a packet's connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tracked {
    pub(crate) state: States,
    pub(crate) way: Option<Way>,
}

const INDEX_BITS: u32 = 32;
const DIRECTION_BIT: u32 = 56;
const WAY_BIT: u32 = 57;
const STATE_BITS: u32 = 58;

impl Tracked {
    const fn without(state: States) -> Self {
        Self { state, way: None }
    }

    /// As a packet carries it from place to place; never 0.
    pub(crate) fn to_mark(self) -> u64 {
        let way = self.way.map_or(0, |way| {
            let generation = u64::from(way.generation) << INDEX_BITS;
            let direction = (way.direction.index() as u64) << DIRECTION_BIT;
            u64::from(way.index) | generation | direction | 1 << WAY_BIT
        });
        way | u64::from(self.state.bits()) << STATE_BITS
    }

    pub(crate) fn from_mark(mark: u64) -> Option<Self> {
        let state = States::from_bits((mark >> STATE_BITS) as u8);
        let reply = mark >> DIRECTION_BIT & 1 == 1;
        let way = Way {
            index: mark as u32,
            generation: (mark >> INDEX_BITS) as u32 & 0x00ff_ffff,
            direction: if reply { Direction::Reply } else { Direction::Original },
        };
        (mark != 0).then_some(Self { state, way: (mark >> WAY_BIT & 1 == 1).then_some(way) })
    }
}

/// Connections and datagrams, and what finding them needs.
#[derive(Debug)]
pub(crate) struct Tracker {
    config: FilterConfig,
    pub(crate) table: Table,
    datagrams: Datagrams,
}

/// The table is full of connections that must not give way.
#[derive(Debug)]
pub(crate) struct TableFull;

impl Tracker {
    pub(crate) fn new(config: FilterConfig, seed: u64) -> Self {
        let datagrams = Datagrams::new(config.max_datagrams, config.timeouts.datagram);
        Self { config, table: Table::new(config.max_connections, seed), datagrams }
    }

    /// Finds the packet's connection, or opens one.
    pub(crate) fn track(
        &mut self,
        now: Instant,
        layout: &Layout,
        len: usize,
        counters: &mut FilterCounters,
    ) -> Result<Tracked, TableFull> {
        let tracked = match layout.content {
            Content::Flow { tuple, part } => self.flow(now, tuple, part, len, counters)?,
            Content::Error(quote) => self.error(now, &quote.tuple),
            Content::Later => self.later(now, layout, len),
            Content::Untracked => Tracked::without(States::UNTRACKED),
            Content::Invalid => Tracked::without(States::INVALID),
        };
        if let (Some(datagram), Some(way), Content::Flow { .. }) =
            (layout.datagram, tracked.way, layout.content)
        {
            self.datagrams.remember(now, datagram, way);
        }
        counters.invalid += u64::from(tracked.state == States::INVALID);
        Ok(tracked)
    }

    fn flow(
        &mut self,
        now: Instant,
        tuple: Tuple,
        part: Part,
        len: usize,
        counters: &mut FilterCounters,
    ) -> Result<Tracked, TableFull> {
        if matches!(part, Part::Segment { flags, .. } if !tcp::is_valid(flags)) {
            return Ok(Tracked::without(States::INVALID));
        }
        if let Some(way) = self.table.find(now, &tuple) {
            return Ok(self.pass(now, way, part, len));
        }
        let Some(mut entry) = Entry::first(tuple, part, self.config.tcp_loose) else {
            return Ok(Tracked::without(States::INVALID));
        };
        entry.pass(now, Direction::Original, part, len, &self.config.timeouts);
        let way = self.table.insert(now, entry).map_err(|_| TableFull)?;
        counters.opened += 1;
        Ok(Tracked { state: States::NEW, way: Some(way) })
    }

    fn pass(&mut self, now: Instant, way: Way, part: Part, len: usize) -> Tracked {
        let Some(entry) = self.table.get_mut(way) else { return Tracked::without(States::INVALID) };
        entry.pass(now, way.direction, part, len, &self.config.timeouts);
        let state = if entry.replied { States::ESTABLISHED } else { States::NEW };
        Tracked { state, way: Some(way) }
    }

    /// The quoted packet had what the connection's packets have when they leave; the error goes the other way. One of our
    /// own may quote what has not left yet: then there is nothing to translate back.
    fn error(&mut self, now: Instant, quoted: &Tuple) -> Tracked {
        let way = self.table.find(now, &quoted.inverse());
        let known = way.is_some() || self.table.find(now, quoted).is_some();
        Tracked { state: if known { States::RELATED } else { States::INVALID }, way }
    }

    fn later(&mut self, now: Instant, layout: &Layout, len: usize) -> Tracked {
        let way = layout.datagram.and_then(|datagram| self.datagrams.find(now, &datagram));
        match way.filter(|way| self.table.get(*way).is_some()) {
            Some(way) => self.pass(now, way, Part::Datagram, len),
            None => Tracked::without(States::INVALID),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_keep_everything() {
        let way = Way { index: 0xfedc_ba98, generation: 0x00ff_fffe, direction: Direction::Reply };
        for state in [States::NEW, States::ESTABLISHED, States::RELATED, States::INVALID, States::UNTRACKED] {
            for way in [None, Some(way), Some(Way { direction: Direction::Original, ..way })] {
                let tracked = Tracked { state, way };
                assert_eq!(Tracked::from_mark(tracked.to_mark()), Some(tracked));
            }
        }
        assert_eq!(Tracked::from_mark(0), None);
    }
}
