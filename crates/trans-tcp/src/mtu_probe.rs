//! Packets that are larger than the others, to see whether they arrive, and what to do when full-sized ones vanish:
//! RFC 4821 §7.3 to §7.8, RFC 2923 §2.1.
//!
//! A probe is a segment of new text like any other, only longer (RFC 4821 §7.6 calls that in-band): nothing is sent twice
//! unless it is lost. It goes when its loss would be noticed at once and would say nothing but that it was too long: no
//! loss is being repaired, and enough text and window is there for what follows it. Its loss alone is no sign of
//! congestion; at most one a round trip goes, and about eight in ten minutes.
//! What was found is the host's, for all connections to the destination, as soon as something larger did not arrive.
//! Leaves out probing without text of the application, and sizes below the family's floor.

use crate::connection::Connection;
use crate::env::Env;
use crate::event::{Cause, MtuEvent, TcpEvent};
use crate::mtu_search::{Probe, Search};
use crate::pmtu::{Path, fallback, packet_of, send_mss};
use crate::recovery::{Phase, R1};
use crate::transmit::{Outgoing, Sending};
use core::time::Duration;
use stack_core::MtuProbing;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;

/// Least congestion window, in segments, with which a probe goes, as Linux: what its loss costs is little beside it.
const MIN_WINDOW: u32 = 11;
/// Segments that follow a probe, so that their ACKs show its loss (RFC 4821 §7.4).
const FOLLOWING: u32 = 4;
/// Least time from a router's message to the first try of a larger size: R1191-3-c, R8201-4-d.
const AFTER_TOO_BIG: Duration = Duration::from_secs(300);

/// What the search wants of the next transmission.
enum Wish {
    /// Nothing.
    Nothing,
    /// That no other text takes the room that its probe waits for.
    Room,
    /// This probe.
    Probe(Outgoing),
}

impl Connection {
    /// Octets of the largest IP packet that is sent now, probes aside.
    pub(crate) fn send_mtu(&self) -> u32 {
        let is_on = self.settings.mtu_probing != MtuProbing::Off;
        let search = self.bulk().map(|bulk| &bulk.search).filter(|search| is_on && !search.is_off());
        self.path.mtu().min(search.map_or_else(|| self.first_mtu(), Search::low))
    }

    /// The size to begin with: the path's, or a small one where each path is searched.
    fn first_mtu(&self) -> u32 {
        let is_known = self.path.mtu() < self.path.link_mtu();
        if self.settings.mtu_probing == MtuProbing::Always && !is_known { self.base_mtu() } else { u32::MAX }
    }

    fn base_mtu(&self) -> u32 {
        fallback(&self.tuple, u32::from(self.settings.base_mss), self.ts.on)
    }

    /// What the link and the peer would take.
    fn mtu_ceiling(&self) -> u32 {
        self.path.ceiling(&self.tuple, self.peer_mss, self.settings.max_segment)
    }

    /// Octets of text in a full segment in packets of this size.
    pub(crate) fn text_in(&self, mtu: u32) -> u32 {
        send_mss(mtu, &self.tuple, self.peer_mss, self.settings.max_segment, self.ts.on)
    }

    /// The probe that is under way.
    pub(crate) fn mtu_probe(&self) -> Option<Probe> {
        self.bulk()?.search.probe()
    }

    /// New text: in a probe, if one is due, else in ordinary segments.
    pub(crate) fn probe_or_new_data(&mut self, env: &Env<'_, '_>) -> Option<Outgoing> {
        match self.mtu_wish(env) {
            Wish::Nothing => self.new_data(),
            Wish::Room => None,
            Wish::Probe(probe) => Some(probe),
        }
    }

    /// R4821-7.4-a's other half: a probe goes only where its loss can't be confused with another.
    fn mtu_wish(&mut self, env: &Env<'_, '_>) -> Wish {
        let Some(size) = self.next_probe_size(env) else { return Wish::Nothing };
        let (len, pipe) = (self.text_in(size), self.pipe());
        let needed = len + FOLLOWING * self.mss();
        let window = u32::try_from(self.snd.window_room()).unwrap_or(0);
        if len <= self.mss() || self.snd.unsent() < needed || window < needed {
            return Wish::Nothing;
        }
        if self.window.cwnd.saturating_sub(pipe) < len {
            return if pipe > 0 { Wish::Room } else { Wish::Nothing };
        }
        Wish::Probe(Outgoing { seq: self.snd.nxt, len, flags: Flags::ACK, kind: Sending::MtuProbe })
    }

    fn next_probe_size(&mut self, env: &Env<'_, '_>) -> Option<u32> {
        let search = &self.bulk()?.search;
        let may_begin =
            self.settings.mtu_probing == MtuProbing::Always || self.path.mtu() < self.path.link_mtu();
        let is_idle = search.is_off() && !may_begin || search.rests(env.now) || search.probe().is_some();
        if is_idle || self.settings.mtu_probing == MtuProbing::Off || !self.is_undisturbed() {
            return None;
        }
        let (first, known, ceiling) = (self.first_mtu(), self.path.mtu(), self.mtu_ceiling());
        let threshold = u32::from(env.config().mtu_probe_threshold);
        let search = &mut self.known_bulk()?.search;
        search.wake(env.now, ceiling);
        if search.is_off() && known < ceiling {
            search.rest_at(known, ceiling, env.now + rest_after_too_big(env)); // somebody was told, lately
        } else if search.is_off() {
            search.begin(first.min(known), ceiling);
        }
        if search.is_over(threshold) && !search.rests(env.now) {
            search.rest(env.now + env.config().mtu_probe_interval);
        }
        search.next_size(threshold)
    }

    /// Nothing is lost, nothing is being repaired, and the window is not small.
    fn is_undisturbed(&self) -> bool {
        let is_whole = self.recovery.flight.as_ref().is_none_or(|flight| {
            flight.board.sacked() + flight.board.lost() + flight.board.retransmitted() == 0
        });
        is_whole
            && self.recovery.phase == Phase::Open
            && !self.recovery.probe.is_out()
            && self.window.cwnd >= MIN_WINDOW * self.mss()
    }

    /// The probe goes out.
    pub(crate) fn mtu_probe_sent(&mut self, env: &Env<'_, '_>, start: SeqNum, end: SeqNum) {
        let size = packet_of(&self.tuple, end.distance_from(start), self.ts.on);
        if let Some(bulk) = self.known_bulk() {
            bulk.search.sent(Probe { start, end, size });
        }
        self.show_mtu(env, MtuEvent::ProbeSent, size);
    }

    /// R4821-7.6.1-a: everything up to the probe's end is acknowledged, and nothing of it was sent again.
    pub(crate) fn judge_mtu_probe(&mut self, env: &mut Env<'_, '_>) {
        let Some(probe) = self.mtu_probe().filter(|probe| self.snd.una.after_eq(probe.end)) else { return };
        env.counters().mtu_probe_success += 1;
        self.path.acknowledged(self.text_in(probe.size));
        self.end_mtu_probe(env, MtuEvent::ProbeArrived, probe.size, Search::arrived);
    }

    /// What counts as lost since a moment ago is the probe and nothing else: it was too large (R4821-7.6.2-a). Returns
    /// whether that is so; nobody's window falls then (R4821-7.4-a).
    pub(crate) fn only_mtu_probe_was_lost(&mut self, env: &mut Env<'_, '_>) -> bool {
        let (Some(probe), Some(flight)) = (self.mtu_probe(), &self.recovery.flight) else { return false };
        let is_alone = flight.board.lost() == flight.board.lost_within(probe.start, probe.end);
        if is_alone {
            self.mtu_probe_lost(env, probe, Search::lost);
        }
        is_alone
    }

    /// The third duplicate ACK without SACK, and the first segment is the probe. The next ones ask for the same and start
    /// no recovery.
    pub(crate) fn mtu_probe_is_missing(&mut self, env: &mut Env<'_, '_>) -> bool {
        let Some(probe) = self.mtu_probe().filter(|probe| probe.start == self.snd.una) else { return false };
        self.recovery.recovery_point = self.snd.nxt;
        self.resend_mtu_probe(env, probe, Search::lost);
        true
    }

    /// A router says that the probe was too large, and what it would let pass.
    pub(crate) fn mtu_probe_refused(&mut self, env: &mut Env<'_, '_>, quoted: SeqNum, mtu: u32) {
        let Some(probe) = self.mtu_probe().filter(|probe| probe.start == quoted) else { return };
        self.resend_mtu_probe(env, probe, |search| search.refused(mtu));
        self.mark_ready(env);
    }

    fn resend_mtu_probe(&mut self, env: &mut Env<'_, '_>, probe: Probe, change: impl FnOnce(&mut Search)) {
        self.recovery.mark_lost(probe.start, probe.end, Cause::MtuProbe);
        self.mtu_probe_lost(env, probe, change);
    }

    fn mtu_probe_lost(&mut self, env: &mut Env<'_, '_>, probe: Probe, change: impl FnOnce(&mut Search)) {
        self.recovery.cause = Cause::MtuProbe;
        env.counters().mtu_probe_fail += 1;
        self.end_mtu_probe(env, MtuEvent::ProbeLost, probe.size, change);
    }

    /// The search is a step further.
    fn end_mtu_probe(
        &mut self,
        env: &mut Env<'_, '_>,
        event: MtuEvent,
        size: u32,
        change: impl FnOnce(&mut Search),
    ) {
        let threshold = u32::from(env.config().mtu_probe_threshold);
        let until = env.now + env.config().mtu_probe_interval;
        let Some(bulk) = self.known_bulk() else { return };
        change(&mut bulk.search);
        let is_over = bulk.search.is_over(threshold);
        if is_over {
            bulk.search.rest(until); // R4821-7.8-a, R8899-5.1.1-a
        }
        let (found, has_limit) = (bulk.search.low(), bulk.search.has_found_limit());
        let is_news = self.path.mtu() < found || has_limit && (is_over || self.path.mtu() != found);
        if is_news {
            self.path.set_mtu(found);
            env.cx.host.set_path_mtu(env.now, self.tuple.remote, found);
        }
        self.update_mss();
        self.show_mtu(env, event, size);
    }

    /// Timeouts in a row make the path doubtful, and if full-sized segments are what is lost, their size is (R4821-7.7-a):
    /// it falls to what surely gets through nearly everywhere, and after as many again to half of it.
    pub(crate) fn suspect_black_hole(&mut self, env: &mut Env<'_, '_>) {
        let timeouts = self.recovery.timeouts.saturating_add(1);
        if timeouts % R1 != 0 || self.settings.mtu_probing == MtuProbing::Off {
            return;
        }
        let (mtu, base) = (self.send_mtu(), self.base_mtu());
        let half = (self.text_in(mtu) / 2).max(u32::from(env.config().mtu_probe_floor));
        let smaller = if timeouts == R1 { base } else { base.min(fallback(&self.tuple, half, self.ts.on)) };
        let first = self.recovery.flight.as_ref().and_then(|flight| flight.board.first());
        if smaller >= mtu || first.is_none_or(|first| first.len() <= self.text_in(smaller)) {
            return;
        }
        let ceiling = self.mtu_ceiling();
        self.bulk_mut(env.now).search.begin(smaller, ceiling);
        self.path.largest_acked = 0; // the path is another one than that which carried more
        self.update_mss();
        self.show_mtu(env, MtuEvent::BlackHole, smaller);
    }

    /// The route was looked up again.
    pub(crate) fn adopt_path(&mut self, env: &Env<'_, '_>, path: Path) {
        self.path = path.after(&self.path);
        self.path_mtu_changed(env);
        self.update_mss();
    }

    /// The host, or a router, knows something else of the path.
    pub(crate) fn path_mtu_changed(&mut self, env: &Env<'_, '_>) {
        let (ceiling, until) = (self.mtu_ceiling(), env.now + rest_after_too_big(env));
        let known = self.path.mtu().min(ceiling);
        if let Some(bulk) = self.known_bulk() {
            bulk.search.path_changed(known, ceiling, until);
        }
    }

    pub(crate) fn show_mtu(&self, env: &Env<'_, '_>, event: MtuEvent, size: u32) {
        env.emit(|| TcpEvent::PathMtu { event, size });
    }
}

/// How long a size holds that a router named.
fn rest_after_too_big(env: &Env<'_, '_>) -> Duration {
    env.config().mtu_probe_interval.max(AFTER_TOO_BIG)
}
