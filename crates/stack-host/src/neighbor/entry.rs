//! One neighbour's state: RFC 4861 §7.3 with the constants of §10.
//!
//! ```text
//! (none) --send--> INCOMPLETE --answer--> REACHABLE --30 s--> STALE --send--> DELAY --5 s--> PROBE
//!                   3 asks, then gone      ^ ^----------- solicited answer or forward progress --------'
//!                                                             PROBE: 3 asks, then gone
//! ```

use core::time::Duration;
use stack_core::{Instant, LinkAddress, NeighborUpdate};

/// What routers may change for the neighbours of a link (RFC 4861 §6.3.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NeighborTimers {
    /// Between two requests.
    pub(crate) retrans: Duration,
    /// How long a confirmation lasts, times a random factor of 0.5 to 1.5 (§6.3.2).
    pub(crate) reachable: Duration,
}

impl Default for NeighborTimers {
    /// RFC 4861 §10, RETRANS_TIMER and REACHABLE_TIME.
    fn default() -> Self {
        Self { retrans: Duration::from_secs(1), reachable: Duration::from_secs(30) }
    }
}

/// How long to wait for forward progress before probing (RFC 4861 §10, DELAY_FIRST_PROBE_TIME).
const DELAY_FIRST_PROBE: Duration = Duration::from_secs(5);
/// Requests to all (RFC 4861 §10, MAX_MULTICAST_SOLICIT).
const MAX_MULTICAST_SOLICIT: u8 = 3;
/// Requests to the neighbour alone (RFC 4861 §10, MAX_UNICAST_SOLICIT).
const MAX_UNICAST_SOLICIT: u8 = 3;

/// What is known of a neighbour's reachability (RFC 4861 §7.3.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum NeighborState {
    /// Asked for; no answer yet.
    Incomplete,
    /// Confirmed lately.
    Reachable,
    /// Known, but not confirmed for some time.
    Stale,
    /// Used while stale: waiting for a sign of life.
    Delay,
    /// Being asked whether it is still there.
    Probe,
    /// Set by hand; never changes by itself.
    Static,
}

/// What the timer of an entry asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tick {
    /// Nothing to send.
    Quiet,
    /// Ask for its link address, all or it alone.
    Solicit(Option<LinkAddress>),
    /// Give up.
    Gone,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) state: NeighborState,
    pub(crate) link: Option<LinkAddress>,
    pub(crate) router: bool,
    pub(crate) deadline: Option<Instant>,
    pub(crate) used_at: Instant,
    pub(crate) confirmed_at: Option<Instant>,
    pub(crate) timers: NeighborTimers,
    asked: u8,
}

impl Entry {
    /// Asked for with a first request, which the caller sends.
    pub(crate) fn incomplete(now: Instant, timers: NeighborTimers) -> Self {
        let deadline = Some(now + timers.retrans);
        let state = NeighborState::Incomplete;
        Self {
            state,
            link: None,
            router: false,
            deadline,
            used_at: now,
            confirmed_at: None,
            timers,
            asked: 1,
        }
    }

    /// Learned from the neighbour itself.
    pub(crate) fn learned(now: Instant, link: LinkAddress, timers: NeighborTimers) -> Self {
        let state = NeighborState::Stale;
        Self { state, link: Some(link), deadline: None, asked: 0, ..Self::incomplete(now, timers) }
    }

    /// Set by hand.
    pub(crate) fn fixed(now: Instant, link: LinkAddress) -> Self {
        Self { state: NeighborState::Static, ..Self::learned(now, link, NeighborTimers::default()) }
    }

    /// A packet is sent: its link address if known (RFC 4861 §7.3.3, STALE becomes DELAY).
    pub(crate) fn send(&mut self, now: Instant) -> Option<LinkAddress> {
        self.used_at = now;
        if self.state == NeighborState::Stale {
            self.state = NeighborState::Delay;
            self.deadline = Some(now + DELAY_FIRST_PROBE);
        }
        self.link
    }

    /// Forward progress or a solicited answer (RFC 4861 §7.3.1).
    pub(crate) fn confirm(&mut self, now: Instant, random: u64) {
        if self.link.is_none() || self.state == NeighborState::Static {
            return;
        }
        let factor_percent = 50 + random % 101;
        self.state = NeighborState::Reachable;
        self.confirmed_at = Some(now);
        self.deadline = Some(now + self.timers.reachable * factor_percent as u32 / 100);
        self.asked = 0;
    }

    /// The neighbour spoke (RFC 4861 §7.2.3 and §7.2.5).
    pub(crate) fn update(&mut self, now: Instant, update: &NeighborUpdate, random: u64) {
        if self.state == NeighborState::Static {
            return;
        }
        let changed = update.link.is_some() && update.link != self.link;
        if self.state == NeighborState::Incomplete {
            if changed {
                self.link = update.link;
                self.router = update.router.unwrap_or(self.router);
                self.make_stale();
                if update.solicited {
                    self.confirm(now, random);
                }
            }
        } else if changed && !update.overrides {
            if self.state == NeighborState::Reachable {
                self.make_stale();
            }
        } else {
            if changed {
                self.link = update.link;
            }
            self.router = update.router.unwrap_or(self.router); // R4861-7.2.5-d
            if update.solicited {
                self.confirm(now, random);
            } else if changed {
                self.make_stale();
            }
        }
    }

    fn make_stale(&mut self) {
        self.state = NeighborState::Stale;
        self.deadline = None;
        self.confirmed_at = None;
        self.asked = 0;
    }

    /// The deadline has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Tick {
        match self.state {
            NeighborState::Incomplete => self.ask_again(now, MAX_MULTICAST_SOLICIT, None),
            NeighborState::Probe => self.ask_again(now, MAX_UNICAST_SOLICIT, self.link),
            NeighborState::Delay => {
                self.state = NeighborState::Probe;
                self.asked = 0;
                self.ask_again(now, MAX_UNICAST_SOLICIT, self.link)
            }
            NeighborState::Reachable => {
                self.make_stale();
                Tick::Quiet
            }
            NeighborState::Stale | NeighborState::Static => {
                self.deadline = None;
                Tick::Quiet
            }
        }
    }

    fn ask_again(&mut self, now: Instant, most: u8, whom: Option<LinkAddress>) -> Tick {
        if self.asked >= most {
            return Tick::Gone;
        }
        self.asked += 1;
        self.deadline = Some(now + self.timers.retrans);
        Tick::Solicit(whom)
    }
}

#[cfg(test)]
mod tests {
    use super::NeighborState::{Delay, Incomplete, Probe, Reachable, Stale, Static};
    use super::*;
    use stack_core::NicId;

    const A: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
    const B: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);

    fn entry(state: NeighborState) -> Entry {
        let link = (state != Incomplete).then_some(A);
        Entry { state, link, ..Entry::incomplete(Instant::ZERO, NeighborTimers::default()) }
    }

    fn heard(link: Option<LinkAddress>, solicited: bool, overrides: bool) -> NeighborUpdate {
        let address = "10.0.0.2".parse().unwrap();
        NeighborUpdate { nic: NicId(1), address, link, solicited, overrides, router: None, create: true }
    }

    // R4861-7.2.5-b, R4861-7.2.5-c, R4861-7.2.3-b
    /// RFC 4861 appendix C, the rows for advertisements and solicitations.
    #[test]
    fn table_of_appendix_c() {
        // state, link in the message, solicited, override -> state, link
        let rows = [
            (Incomplete, Some(A), false, false, Stale, Some(A)),
            (Incomplete, Some(A), true, false, Reachable, Some(A)),
            (Incomplete, Some(A), true, true, Reachable, Some(A)),
            (Incomplete, None, true, true, Incomplete, None),
            (Reachable, Some(A), true, false, Reachable, Some(A)),
            (Stale, Some(A), true, false, Reachable, Some(A)),
            (Delay, Some(A), true, false, Reachable, Some(A)),
            (Probe, Some(A), true, false, Reachable, Some(A)),
            (Probe, None, true, false, Reachable, Some(A)),
            (Reachable, Some(B), true, false, Stale, Some(A)),
            (Stale, Some(B), true, false, Stale, Some(A)),
            (Probe, Some(B), true, false, Probe, Some(A)),
            (Stale, Some(B), true, true, Reachable, Some(B)),
            (Probe, Some(B), true, true, Reachable, Some(B)),
            (Reachable, Some(A), false, false, Reachable, Some(A)),
            (Probe, Some(A), false, false, Probe, Some(A)),
            (Reachable, Some(B), false, true, Stale, Some(B)),
            (Probe, Some(B), false, true, Stale, Some(B)),
            (Probe, Some(B), false, false, Probe, Some(A)),
            (Delay, Some(A), false, true, Delay, Some(A)),
            (Static, Some(B), true, true, Static, Some(A)),
        ];
        for (before, link, solicited, overrides, after, known) in rows {
            let mut entry = entry(before);
            entry.update(Instant::ZERO, &heard(link, solicited, overrides), 50);
            let case = (before, link, solicited, overrides);
            assert_eq!((entry.state, entry.link), (after, known), "{case:?}");
        }
    }

    // R4861-7.2.5-d
    #[test]
    fn only_what_is_believed_makes_a_host_of_a_router() {
        let says = |link, overrides, router| NeighborUpdate {
            router: Some(router),
            ..heard(link, false, overrides)
        };
        let mut entry = entry(Stale);
        entry.update(Instant::ZERO, &says(None, false, true), 0);
        entry.update(Instant::ZERO, &says(Some(B), false, false), 0);
        assert!(entry.router, "another link address that must not override");
        entry.update(Instant::ZERO, &says(Some(A), false, false), 0);
        assert!(!entry.router);
        let mut entry = Entry::incomplete(Instant::ZERO, NeighborTimers::default());
        entry.update(Instant::ZERO, &says(None, true, true), 0);
        assert!(!entry.router, "without a link address nothing is learned");
    }

    // R4861-7.3.3-a, R1122-2.3.2.1-a
    #[test]
    fn a_life_of_silence() {
        let mut now = Instant::ZERO;
        let mut entry = Entry::learned(now, A, NeighborTimers::default());
        assert_eq!((entry.send(now), entry.state), (Some(A), Delay));
        now = entry.deadline.unwrap();
        assert_eq!(now, Instant::from_secs(5));
        for _ in 0..3 {
            assert_eq!((entry.handle_timeout(now), entry.state), (Tick::Solicit(Some(A)), Probe));
            assert_eq!(entry.deadline, Some(now + Duration::from_secs(1)));
            now += Duration::from_secs(1);
        }
        assert_eq!(entry.handle_timeout(now), Tick::Gone);
    }

    // R4861-7.3.3-a, R1122-2.3.2.1-a
    #[test]
    fn reachable_lasts_half_to_one_and_a_half_times_thirty_seconds() {
        for (random, seconds) in [(0, 15), (50, 30), (100, 45), (101, 15)] {
            let mut entry = entry(Stale);
            entry.confirm(Instant::ZERO, random);
            assert_eq!(entry.deadline, Some(Instant::from_secs(seconds)));
            assert_eq!(
                (entry.handle_timeout(Instant::from_secs(seconds)), entry.state),
                (Tick::Quiet, Stale)
            );
        }
    }

    #[test]
    fn an_unknown_neighbour_is_asked_for_three_times() {
        let mut entry = Entry::incomplete(Instant::ZERO, NeighborTimers::default());
        entry.confirm(Instant::ZERO, 0);
        assert_eq!((entry.send(Instant::ZERO), entry.state), (None, Incomplete));
        assert_eq!(entry.handle_timeout(Instant::from_secs(1)), Tick::Solicit(None));
        assert_eq!(entry.handle_timeout(Instant::from_secs(2)), Tick::Solicit(None));
        assert_eq!(entry.handle_timeout(Instant::from_secs(3)), Tick::Gone);
    }
}
