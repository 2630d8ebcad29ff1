//! What a router says of the path's MTU, and when it is believed: RFC 1191 §3, RFC 8201 §4, RFC 5927 §7.2.
//!
//! A message counts only if what it quotes is in flight (`icmp_error.rs`). If no packet as large as that was ever
//! acknowledged, there is nothing against it, and the path is narrower from now on. If one was, the message is a
//! forgery or the path has changed: it waits until the segment that it quotes is acknowledged, which refutes it, or
//! times out, which proves it. So who guesses a sequence number can't slow down a connection that makes progress.

use crate::connection::Connection;
use crate::env::Env;
use crate::event::{Cause, MtuEvent};
use crate::pmtu::believed;
use stack_core::{ErrorOrigin, Instant};
use stack_wire::seq::SeqNum;

/// A message that waits for a proof.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    /// The sequence number that it quotes.
    seq: SeqNum,
    mtu: u32,
}

impl Connection {
    /// A packet that began at `quoted` was too big for somebody, who takes `reported` octets.
    pub(crate) fn on_packet_too_big(
        &mut self,
        env: &mut Env<'_, '_>,
        origin: ErrorOrigin,
        quoted: SeqNum,
        reported: u32,
    ) {
        let used = self.send_mtu();
        let sent = self.mtu_probe().map_or(used, |probe| probe.size.max(used));
        let Some(mtu) = believed(reported, sent, self.tuple.local.is_ipv4()) else { return };
        if mtu >= used {
            return self.mtu_probe_refused(env, quoted, mtu);
        }
        let is_refuted = self.text_in(mtu) < u32::from(self.path.largest_acked);
        if is_refuted && origin != ErrorOrigin::Local {
            return self.doubt(env, Claim { seq: quoted, mtu }); // R5927-7.2-a
        }
        self.narrow(env, mtu);
    }

    /// The older of two claims has the sooner proof.
    fn doubt(&mut self, env: &mut Env<'_, '_>, claim: Claim) {
        let una = self.snd.una;
        env.counters().doubted_icmps += 1;
        let waits = &mut self.bulk_mut(env.now).claim;
        *waits = waits.filter(|older| una.before_eq(older.seq)).or(Some(claim)); // R5927-7.2-b
    }

    /// The first segment has timed out. If a router had complained about it, that was the reason, and no congestion:
    /// returns whether it is repaired.
    pub(crate) fn believe_claim(&mut self, env: &mut Env<'_, '_>) -> bool {
        let claim = self.known_bulk().and_then(|bulk| bulk.claim.take());
        let first = self.recovery.flight.as_ref().and_then(|flight| flight.board.first()).copied();
        let (Some(claim), Some(first)) = (claim, first) else { return false };
        let is_proven = first.start.before_eq(claim.seq) && claim.seq.before(first.end);
        if !is_proven || claim.mtu >= self.send_mtu() {
            return false;
        }
        self.narrow(env, claim.mtu);
        if let Some(flight) = &mut self.recovery.flight {
            flight.deadlines.timeout = Instant::FAR_FUTURE; // to be restarted
        }
        true
    }

    /// The path is narrower than we thought: what is outstanding and too long for it goes again at once in smaller
    /// segments, and that is no sign of congestion (R1191-6.4-a). What fits is not what the router dropped.
    fn narrow(&mut self, env: &mut Env<'_, '_>, mtu: u32) {
        env.cx.host.set_path_mtu(env.now, self.tuple.remote, mtu);
        self.path.set_mtu(mtu);
        self.path_mtu_changed(env);
        let before = self.mss();
        self.update_mss();
        let mss = self.mss();
        self.path.largest_acked = self.path.largest_acked.min(self.mss);
        self.show_mtu(env, MtuEvent::TooBig, mtu);
        if !self.state.is_opening() && mss < before && self.recovery.mark_longer_lost(mss, Cause::PathMtu) > 0
        {
            self.mark_ready(env);
        }
    }
}
