//! The search for the largest packet that a path carries, without asking anybody: RFC 4821 §7, RFC 8899 §5.
//!
//! Between the largest size that is known to arrive and the smallest that is known not to, sizes are tried. The first
//! try is the largest that could be sent at all: mostly it arrives, as after an outage that only looked like a black
//! hole, and all is over. A size that a router names is tried next. Else the interval is halved (RFC 4821 §7.3), until
//! what is left is not worth a probe, and the search rests for minutes (`PMTU_RAISE_TIMER` of RFC 8899 §5.1.1).
//!
//! Plain data; what is sent, and what follows from what became of it, is in `mtu_probe.rs`. Sizes are octets of IP packets.
//! Invariants: `low` ≤ `high` ≤ `ceiling`; a probe is larger than `low` and no larger than `high`.

use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// Where the search is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Sizes follow what routers say.
    Off,
    /// There are sizes to be tried.
    Searching,
    /// All that was worth it was tried.
    Resting {
        /// Then the search begins anew.
        until: Instant,
    },
}

/// A packet that is larger than others, with these octets of the stream in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Probe {
    pub(crate) start: SeqNum,
    pub(crate) end: SeqNum,
    /// Octets of the IP packet.
    pub(crate) size: u32,
}

impl Probe {
    /// Whether all of `[start, end)` is in it.
    pub(crate) fn covers(&self, start: SeqNum, end: SeqNum) -> bool {
        self.start.before_eq(start) && end.before_eq(self.end)
    }
}

/// The state of the search on one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    stage: Stage,
    /// Packets of this size arrive, as far as is known: `search_low` of RFC 4821 §7.1.
    low: u32,
    /// Larger ones do not, or can't be sent: `search_high`.
    high: u32,
    /// What the link and the peer would take.
    ceiling: u32,
    /// Nothing speaks against `high` itself: it is the ceiling, or a router has named it.
    is_hopeful: bool,
    probe: Option<Probe>,
}

/// What [`TcpInfo`](crate::TcpInfo) says of the search for the largest packet of the path, in octets of IP packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MtuSearch {
    /// The largest size that arrives, as far as is known.
    pub low: u32,
    /// The largest size that may still arrive.
    pub high: u32,
    /// Size of the probe that is under way.
    pub probe: Option<u32>,
    /// Nothing is tried for minutes.
    pub is_resting: bool,
}

impl Search {
    /// No search.
    pub(crate) const OFF: Self =
        Self { stage: Stage::Off, low: 0, high: 0, ceiling: 0, is_hopeful: false, probe: None };

    pub(crate) fn is_off(&self) -> bool {
        self.stage == Stage::Off
    }

    /// The largest size to be sent, probes aside.
    pub(crate) fn low(&self) -> u32 {
        self.low
    }

    /// The probe that is under way.
    pub(crate) fn probe(&self) -> Option<Probe> {
        self.probe
    }

    /// Whether it does nothing before a later time than `now`.
    pub(crate) fn rests(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Resting { until } if until > now)
    }

    /// Something larger was seen not to arrive: `low` is a property of the path.
    pub(crate) fn has_found_limit(&self) -> bool {
        !self.is_off() && self.high < self.ceiling
    }

    /// Begins above `low`.
    pub(crate) fn begin(&mut self, low: u32, ceiling: u32) {
        let ceiling = ceiling.max(low);
        *self = Self { stage: Stage::Searching, low, high: ceiling, ceiling, is_hopeful: true, probe: None };
    }

    /// Has nothing to try until then.
    pub(crate) fn rest(&mut self, until: Instant) {
        self.stage = Stage::Resting { until };
    }

    /// Begins to rest at a size that somebody else has found out.
    pub(crate) fn rest_at(&mut self, size: u32, ceiling: u32, until: Instant) {
        let ceiling = ceiling.max(size);
        *self = Self { stage: Stage::Resting { until }, low: size, high: size, ceiling, ..Self::OFF };
    }

    /// After the rest, all that could be sent is worth a try again.
    pub(crate) fn wake(&mut self, now: Instant, ceiling: u32) {
        if matches!(self.stage, Stage::Resting { until } if until <= now) {
            self.begin(self.low, ceiling);
        }
    }

    /// What is left to be found is less than `threshold` octets.
    pub(crate) fn is_over(&self, threshold: u32) -> bool {
        self.high - self.low < threshold.max(1)
    }

    /// The size to try next; `None` while one is under way, and where there is nothing to try.
    pub(crate) fn next_size(&self, threshold: u32) -> Option<u32> {
        if self.stage != Stage::Searching || self.probe.is_some() || self.is_over(threshold) {
            return None;
        }
        let middle = (self.low + self.high).div_ceil(2);
        Some(if self.is_hopeful { self.high } else { middle })
    }

    /// A probe is under way.
    pub(crate) fn sent(&mut self, probe: Probe) {
        self.probe = Some(probe);
    }

    /// The probe has arrived (R4821-7.6.1-a).
    pub(crate) fn arrived(&mut self) {
        if let Some(probe) = self.probe.take() {
            self.low = self.low.max(probe.size);
            self.high = self.high.max(self.low);
        }
    }

    /// The probe alone was lost (R4821-7.6.2-a).
    pub(crate) fn lost(&mut self) {
        if let Some(probe) = self.probe.take() {
            self.high = self.high.min(probe.size - 1).max(self.low);
            self.is_hopeful = false;
        }
    }

    /// A router would not let the probe pass, and named the size that it would.
    pub(crate) fn refused(&mut self, size: u32) {
        self.probe = None;
        self.high = self.high.min(size).max(self.low);
        self.is_hopeful = true;
    }

    /// `[start, end)` is sent again in ordinary segments: an ACK does not tell any more whether a probe with octets of
    /// these arrived (R4821-7.6.4-a).
    pub(crate) fn sent_again(&mut self, start: SeqNum, end: SeqNum) {
        let is_other = |probe: &Probe| probe.end.before_eq(start) || end.before_eq(probe.start);
        self.probe = self.probe.filter(is_other);
    }

    /// The host knows `size` of the path now, which is `ceiling` where it knows nothing. A smaller size holds until `until`.
    /// Who rests takes over a larger one that somebody found, and finds out by himself where nothing is known any more.
    pub(crate) fn path_changed(&mut self, size: u32, ceiling: u32, until: Instant) {
        if self.is_off() {
            return;
        }
        self.ceiling = ceiling.max(self.low);
        self.high = self.high.min(self.ceiling);
        let is_resting = matches!(self.stage, Stage::Resting { .. });
        if size < self.low {
            self.rest_at(size, ceiling, until);
        } else if is_resting && size < ceiling {
            self.low = size;
            self.high = self.high.max(size);
        } else if is_resting && self.low < ceiling {
            self.begin(self.low, ceiling);
        }
    }

    /// What there is to tell of it.
    pub(crate) fn shown(&self) -> Option<MtuSearch> {
        let shown = MtuSearch {
            low: self.low,
            high: self.high,
            probe: self.probe.map(|probe| probe.size),
            is_resting: matches!(self.stage, Stage::Resting { .. }),
        };
        (!self.is_off()).then_some(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THRESHOLD: u32 = 8;

    #[test]
    fn a_probe_covers_what_lies_wholly_in_it() {
        let probe = Probe { start: SeqNum(100), end: SeqNum(200), size: 140 };
        let covers = |start, end| probe.covers(SeqNum(start), SeqNum(end));
        assert!(covers(100, 200) && covers(120, 130));
        assert!(!covers(99, 150) && !covers(150, 201) && !covers(0, 300));
    }

    fn searching(low: u32, ceiling: u32) -> Search {
        let mut search = Search::OFF;
        search.begin(low, ceiling);
        search
    }

    fn probe(size: u32) -> Probe {
        Probe { start: SeqNum(100), end: SeqNum(100) + size, size }
    }

    /// Searches on a path that carries `limit` octets; returns the sizes tried.
    fn search_on(search: &mut Search, limit: u32) -> alloc::vec::Vec<u32> {
        let mut tried = alloc::vec![];
        while let Some(size) = search.next_size(THRESHOLD) {
            tried.push(size);
            search.sent(probe(size));
            if size <= limit { search.arrived() } else { search.lost() }
        }
        tried
    }

    // R4821-7.2-a
    #[test]
    fn the_ceiling_first_then_halves() {
        let mut search = searching(1064, 1500);
        assert_eq!(search_on(&mut search, 1200), [1500, 1282, 1173, 1227, 1200, 1213, 1206]);
        assert_eq!((search.low(), search.high, search.has_found_limit()), (1200, 1205, true));
        let mut search = searching(1064, 1500);
        assert_eq!(search_on(&mut search, 1500), [1500]);
        assert!(search.is_over(THRESHOLD) && !search.has_found_limit());
    }

    proptest! {
        #[test]
        fn any_limit_is_found_in_few_probes(low in 552u32..9000, above in 0u32..60_000, limit in 0u32..60_000) {
            let ceiling = low + above;
            let limit = low + limit.min(above);
            let mut search = searching(low, ceiling);
            let tried = search_on(&mut search, limit).len();
            prop_assert!(search.low() <= limit && limit - search.low() < THRESHOLD);
            prop_assert!(tried <= 15, "{tried} probes");
        }
    }

    // R4821-7.6.4-a
    #[test]
    fn a_probe_whose_octets_go_again_says_nothing() {
        let mut search = searching(1000, 1500);
        search.sent(probe(1500));
        search.sent_again(SeqNum(50), SeqNum(100));
        search.sent_again(SeqNum(1600), SeqNum(1700));
        assert!(search.probe().is_some(), "these are others");
        search.sent_again(SeqNum(1599), SeqNum(1700));
        assert_eq!((search.probe(), search.next_size(THRESHOLD)), (None, Some(1500)));
    }

    // R4821-7.8-a
    #[test]
    fn it_rests_until_its_time_or_until_nothing_is_known_of_the_path() {
        let at = Instant::from_secs;
        let mut search = Search::OFF;
        search.rest_at(1200, 1500, at(600));
        assert!(search.rests(at(599)) && !search.rests(at(600)));
        search.wake(at(599), 1500);
        assert_eq!((search.next_size(THRESHOLD), search.has_found_limit()), (None, true));
        search.path_changed(1300, 1500, at(900));
        assert_eq!((search.low(), search.rests(at(599))), (1300, true), "somebody has found more");
        search.path_changed(1000, 1500, at(900));
        assert_eq!((search.low(), search.rests(at(899))), (1000, true), "somebody has heard of less");
        search.path_changed(1500, 1500, at(900));
        assert_eq!((search.low(), search.next_size(THRESHOLD)), (1000, Some(1500)), "nobody knows");
        search.rest_at(1200, 1500, at(600));
        search.wake(at(600), 1500);
        assert_eq!(search.next_size(THRESHOLD), Some(1500), "it is time");
    }

    #[test]
    fn what_a_router_lets_pass_is_the_new_upper_end() {
        let mut search = searching(1064, 1500);
        search.sent(probe(1500));
        search.refused(1400);
        assert_eq!((search.next_size(THRESHOLD), search.high), (Some(1400), 1400));
        search.refused(900);
        assert_eq!((search.high, search.is_over(THRESHOLD)), (1064, true), "what arrives, arrives");
    }
}
