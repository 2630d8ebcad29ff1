//! The hook: at each place the packet's connection, the first rule that decides, and what the connection's translation
//! changes there.
//!
//! Destinations change at prerouting and output, sources at postrouting and input. What a packet of a connection gets is
//! always the inverse of what the other direction has when it comes in, so answers need no rules.

use crate::config::FilterConfig;
use crate::connection::Connection;
use crate::counters::FilterCounters;
use crate::edit::Edit;
use crate::layout::{Content, Layout, Part};
use crate::rule::{Action, Place, Rule, RuleError, Seen, States};
use crate::source::{Search, masquerade};
use crate::table::{Table, Way};
use crate::track::{Tracked, Tracker};
use crate::translate::translate;
use crate::tuple::{End, Side};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use stack_core::{Hook, HookCx, HookVerdict, Layer, NicId, RxPacket, TxPacket};

/// Bytes of an ICMP error within which all that is translated lies.
const ERROR: usize = 1280;

/// Tracks connections, and filters and translates their packets by rules.
#[derive(Debug)]
pub struct Filter {
    config: FilterConfig,
    chains: [Chain; 5],
    /// Made with the first packet, as its hashes need a secret of the host.
    tracker: Option<Tracker>,
    counters: FilterCounters,
    translates: bool,
}

#[derive(Debug, Default)]
struct Chain {
    rules: Vec<Rule>,
    refuses: bool,
}

/// Why a packet goes no further; counted where it was found out.
struct Refused;

impl Filter {
    /// A filter without rules: it tracks, and accepts everything.
    pub fn new(config: FilterConfig) -> Self {
        let chains = core::array::from_fn(|_| Chain::default());
        Self { config, chains, tracker: None, counters: FilterCounters::default(), translates: false }
    }

    /// Puts a rule behind those of its place.
    ///
    /// # Errors
    /// A translation at a place where it isn't made, or from an empty range of ports.
    pub fn append(&mut self, place: Place, rule: Rule) -> Result<(), RuleError> {
        rule.check(place)?;
        self.translates |= !matches!(rule.action(), Action::Accept | Action::Drop);
        self.chains[place as usize].rules.push(rule);
        Ok(())
    }

    /// What happens at a place to packets that no rule decides about: they go on, unless `refuse` is true.
    pub fn set_default(&mut self, place: Place, refuse: bool) {
        self.chains[place as usize].refuses = refuse;
    }

    /// The rules of a place with their counts, in the order in which they are asked.
    pub fn rules(&self, place: Place) -> &[Rule] {
        &self.chains[place as usize].rules
    }

    /// Takes all rules of a place away. Connections keep the translations that they have.
    pub fn clear_rules(&mut self, place: Place) {
        self.chains[place as usize].rules.clear();
    }

    /// The connections, in no order; some may have expired without anybody having noticed.
    pub fn connections(&self) -> impl Iterator<Item = Connection> {
        self.tracker.iter().flat_map(|tracker| tracker.table.connections())
    }

    /// Connections in the table.
    pub fn connection_count(&self) -> usize {
        self.tracker.as_ref().map_or(0, |tracker| tracker.table.len())
    }

    /// Forgets all connections. The packets of those that are translated fit nowhere after that.
    pub fn forget_connections(&mut self) {
        if let Some(tracker) = &mut self.tracker {
            tracker.table.clear();
        }
    }

    /// What was done so far.
    pub fn counters(&self) -> FilterCounters {
        let table = self.tracker.as_ref().map(|tracker| &tracker.table);
        let (expired, evicted) = table.map_or((0, 0), |table| (table.expired, table.evicted));
        FilterCounters { expired, evicted, ..self.counters }
    }

    /// The first place that a packet meets: its connection is found, and its destination translated.
    fn first(
        &mut self,
        cx: &mut HookCx<'_>,
        place: Place,
        layout: &Layout,
        len: usize,
        mark: u32,
    ) -> Result<Tracked, Refused> {
        let tracker = self.tracker.get_or_insert_with(|| Tracker::new(self.config, cx.host.random()));
        let Ok(tracked) = tracker.track(cx.now, layout, len, &mut self.counters) else {
            self.counters.table_full += 1;
            return Err(Refused);
        };
        if layout.content == Content::Later && tracked.way.is_none() && self.translates {
            self.counters.early_fragments += 1;
            return Err(Refused);
        }
        let action = self.judge(cx, place, layout, tracked, mark);
        self.obey(action, tracked)?;
        if let Some(way) = tracked.way.filter(|_| tracked.state == States::NEW) {
            self.redirect(cx, way, action, layout.dst)?;
        }
        Ok(tracked)
    }

    /// What the rules of a place say.
    fn judge(
        &mut self,
        cx: &HookCx<'_>,
        place: Place,
        layout: &Layout,
        tracked: Tracked,
        mark: u32,
    ) -> Action {
        let ports = match layout.content {
            Content::Flow { tuple, part: Part::Segment { .. } | Part::Datagram } => {
                has_ports(tuple.protocol).then_some((tuple.src_port, tuple.dst_port))
            }
            _ => None,
        };
        let nic = |nic: &Option<stack_core::NicView<'_>>| -> Option<NicId> { nic.as_ref().map(|nic| nic.id) };
        let seen = Seen {
            src: layout.src,
            dst: layout.dst,
            protocol: layout.protocol,
            ports,
            input: nic(&cx.ingress),
            output: nic(&cx.egress),
            state: tracked.state,
            mark,
        };
        let chain = &mut self.chains[place as usize];
        let decided = chain.rules.iter_mut().find_map(|rule| rule.decides(&seen).then(|| rule.action()));
        decided.unwrap_or(if chain.refuses { Action::Drop } else { Action::Accept })
    }

    /// Ends what is refused; a connection that it would have opened is none.
    fn obey(&mut self, action: Action, tracked: Tracked) -> Result<(), Refused> {
        if action != Action::Drop {
            return Ok(());
        }
        self.counters.refused += 1;
        if let (States::NEW, Some(way), Some(table)) = (tracked.state, tracked.way, self.table()) {
            if table.get(way).is_some_and(|entry| !entry.settled) {
                table.remove(way);
            }
        }
        Err(Refused)
    }

    fn table(&mut self) -> Option<&mut Table> {
        self.tracker.as_mut().map(|tracker| &mut tracker.table)
    }

    /// Gives a connection the destination that a rule says, if that is still open.
    fn redirect(&mut self, cx: &HookCx<'_>, way: Way, action: Action, dst: IpAddr) -> Result<(), Refused> {
        let (to, port) = match action {
            Action::Dnat { to, port } => (Some(to), port),
            Action::Redirect { port } => (ours(cx, dst), port),
            Action::Accept | Action::Drop | Action::Snat { .. } | Action::Masquerade => return Ok(()),
        };
        self.counters.no_port += u64::from(to.is_none());
        let address = to.ok_or(Refused)?;
        let Some(table) = self.table() else { return Ok(()) };
        let Some(entry) = table.get(way).filter(|entry| !entry.settled) else { return Ok(()) };
        let original = entry.tuples[0];
        let port = port.filter(|_| has_ports(original.protocol)).unwrap_or(original.dst_port);
        let end = End { address, port };
        table.set_reply(way, original.with_end(Side::Destination, end).inverse());
        Ok(())
    }

    /// Settles what source a connection has, with the last place that its first packet meets: what the rule says, or the
    /// one it has, unless answers would then be taken for another connection's.
    fn settle(&mut self, cx: &mut HookCx<'_>, way: Way, wanted: Option<Wanted>) -> Result<(), Refused> {
        let (now, attempts) = (cx.now, self.config.port_attempts);
        let Some(table) = self.table() else { return Ok(()) };
        let Some(entry) = table.get(way).filter(|entry| !entry.settled) else { return Ok(()) };
        let leaving = entry.outcome(way.direction);
        let Wanted { address, ports } = wanted.unwrap_or(Wanted { address: leaving.src, ports: None });
        let search = Search { now, random: cx.host.random(), attempts, ports };
        let Some(end) = search.find(table, way, &leaving, address) else {
            table.remove(way);
            self.counters.no_port += 1;
            return Err(Refused);
        };
        table.set_reply(way, leaving.with_end(Side::Source, end).inverse());
        if let Some(entry) = table.get_mut(way) {
            entry.settled = true;
        }
        Ok(())
    }

    /// Rewrites one side of a packet as its connection has it, and returns the packet's own new address there.
    fn rewrite(
        &mut self,
        packet: &mut impl Edit,
        layout: &Layout,
        tracked: Tracked,
        side: Side,
    ) -> Option<IpAddr> {
        let way = tracked.way?;
        let entry = self.tracker.as_ref()?.table.get(way)?;
        let (comes, leaves) = (entry.tuples[way.direction.index()], entry.outcome(way.direction));
        if comes.end(side) == leaves.end(side) {
            return None;
        }
        let to = leaves.end(side);
        let len = match layout.content {
            Content::Error(_) => ERROR,
            _ => layout.headers_end(),
        };
        let outer = match (layout.content, side) {
            // Who says something about a connection goes by the name that the connection has outside, but an error that
            // was sent to somebody else stays his.
            (Content::Error(_), Side::Destination) if layout.dst != comes.dst => layout.dst,
            _ => to.address,
        };
        let checksum = packet.checksum();
        packet.edit(len, |bytes| translate(bytes, layout, side, to, outer, checksum));
        self.counters.errors_translated += u64::from(matches!(layout.content, Content::Error(_)));
        Some(outer)
    }
}

/// A source that a rule gives.
struct Wanted {
    address: IpAddr,
    ports: Option<(u16, u16)>,
}

/// Where a packet to `dst` goes that is redirected to ourselves.
fn ours(cx: &HookCx<'_>, dst: IpAddr) -> Option<IpAddr> {
    match (&cx.ingress, dst) {
        (Some(nic), _) => masquerade(nic, dst),
        (None, IpAddr::V4(_)) => Some(Ipv4Addr::LOCALHOST.into()),
        (None, IpAddr::V6(_)) => Some(Ipv6Addr::LOCALHOST.into()),
    }
}

fn has_ports(protocol: u8) -> bool {
    use stack_wire::ip::protocol::{TCP, UDP};
    matches!(protocol, TCP | UDP)
}

fn verdict(result: Result<(), Refused>) -> HookVerdict {
    match result {
        Ok(()) => HookVerdict::Accept,
        Err(Refused) => HookVerdict::Drop,
    }
}

impl Filter {
    fn at_prerouting(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> Result<(), Refused> {
        let len = packet.total();
        let Some(layout) = packet.look(|front| Layout::of_packet(front, len)) else { return Ok(()) };
        if let Some(tracked) = Tracked::from_mark(packet.meta.policy) {
            // Our own packet to ourselves: all was done when it left.
            let action = self.judge(cx, Place::Prerouting, &layout, tracked, packet.meta.mark);
            return self.obey(action, tracked);
        }
        let tracked = self.first(cx, Place::Prerouting, &layout, len, packet.meta.mark)?;
        packet.meta.policy = tracked.to_mark();
        self.rewrite(packet, &layout, tracked, Side::Destination);
        Ok(())
    }

    fn at_input(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> Result<(), Refused> {
        let Some((layout, tracked)) = known(packet) else { return Ok(()) };
        let action = self.judge(cx, Place::Input, &layout, tracked, packet.meta.mark);
        self.obey(action, tracked)?;
        // A packet of our own was settled when it left.
        if !packet.meta.loopback {
            if let Some(way) = tracked.way.filter(|_| tracked.state == States::NEW) {
                self.settle(cx, way, None)?;
            }
            if let Some(address) = self.rewrite(packet, &layout, tracked, Side::Source) {
                packet.ip.src = address;
            }
        }
        Ok(())
    }

    fn at_forward(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> Result<(), Refused> {
        let Some((layout, tracked)) = known(packet) else { return Ok(()) };
        let action = self.judge(cx, Place::Forward, &layout, tracked, packet.meta.mark);
        self.obey(action, tracked)
    }

    fn at_output(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> Result<(), Refused> {
        let (len, ip) = (packet.total(), packet.ip);
        let written = packet.layer == Layer::Network;
        let layout = packet.look(|front| match written {
            true => Layout::of_packet(front, len),
            false => Some(Layout::of_segment(&ip, front, len)),
        });
        let Some(layout) = layout else { return Ok(()) };
        let tracked = self.first(cx, Place::Output, &layout, len, packet.mark)?;
        packet.policy = tracked.to_mark();
        if let Some(address) = self.rewrite(packet, &layout, tracked, Side::Destination) {
            packet.ip.dst = address;
        }
        Ok(())
    }

    fn at_postrouting(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> Result<(), Refused> {
        let len = packet.total();
        let Some(tracked) = Tracked::from_mark(packet.policy) else { return Ok(()) };
        let Some(layout) = packet.look(|front| Layout::of_packet(front, len)) else { return Ok(()) };
        let action = self.judge(cx, Place::Postrouting, &layout, tracked, packet.mark);
        self.obey(action, tracked)?;
        let Some(way) = tracked.way else { return Ok(()) };
        if tracked.state == States::NEW {
            let wanted = self.source(action, cx, packet.hop.next_hop)?;
            self.settle(cx, way, wanted)?;
        }
        if let Some(address) = self.rewrite(packet, &layout, tracked, Side::Source) {
            packet.ip.src = address;
        }
        Ok(())
    }

    /// The source that a rule gives.
    fn source(
        &mut self,
        action: Action,
        cx: &HookCx<'_>,
        next_hop: IpAddr,
    ) -> Result<Option<Wanted>, Refused> {
        match action {
            Action::Snat { to, ports } => Ok(Some(Wanted { address: to, ports })),
            Action::Masquerade => {
                let ours = cx.egress.as_ref().and_then(|nic| masquerade(nic, next_hop));
                self.counters.no_port += u64::from(ours.is_none());
                ours.map(|address| Some(Wanted { address, ports: None })).ok_or(Refused)
            }
            _ => Ok(None),
        }
    }
}

/// A packet that was tracked at an earlier place.
fn known(packet: &mut RxPacket) -> Option<(Layout, Tracked)> {
    let len = packet.total();
    let tracked = Tracked::from_mark(packet.meta.policy)?;
    Some((packet.look(|front| Layout::of_packet(front, len))?, tracked))
}

impl Hook for Filter {
    fn prerouting(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        verdict(self.at_prerouting(cx, packet))
    }

    fn input(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        verdict(self.at_input(cx, packet))
    }

    fn forward(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        verdict(self.at_forward(cx, packet))
    }

    fn output(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> HookVerdict {
        verdict(self.at_output(cx, packet))
    }

    fn postrouting(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> HookVerdict {
        verdict(self.at_postrouting(cx, packet))
    }
}

#[cfg(test)]
mod tests;
