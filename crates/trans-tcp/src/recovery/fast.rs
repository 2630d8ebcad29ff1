//! Recovery with SACK, from the first run that RACK finds lost until everything that was outstanding then is
//! acknowledged: RFC 8985 §6, RFC 6675 §5 (R6675-5-a, R6675-5-b), with the window of RFC 9937.
//!
//! Also the order in which an ACK's news are judged: was the last reduction for nothing, is the recovery over, what is
//! lost, does a recovery begin, how much may be sent.

use super::Phase;
use super::delivery::Delivery;
use super::flight::{Flight, OnLost, note_lost};
use super::frto::Frto;
use super::prr::{Prr, Step};
use super::rack::Circumstances;
use super::sack::Report;
use super::undo::Undo;
use crate::config::TcpConfig;
use crate::congestion::LossSample;
use crate::congestion::rate_sample::Snapshot;
use crate::connection::Connection;
use crate::env::Env;
use crate::event::{Cause, TcpEvent};
use crate::segment::Segment;
use stack_core::Instant;

impl Connection {
    /// Judges an ACK on a connection with SACK; the scoreboard and SND.UNA are up to date.
    pub(crate) fn judge_ack(
        &mut self,
        env: &mut Env<'_, '_>,
        seg: &Segment,
        ack: &mut Delivery,
        report: &Report,
    ) {
        if ack.acked > 0 {
            self.recovery.timeouts = 0;
        }
        self.note_duplicate_report(env, report);
        self.judge_probe(env, seg, ack, report);
        let undone = self.try_undo(env, ack, report)
            || self.recovery.phase == Phase::Loss && self.advance_frto(env, ack);
        if !undone
            && !matches!(self.recovery.phase, Phase::Open | Phase::Cwr)
            && self.snd.una.after_eq(self.recovery.recovery_point)
        {
            self.end_recovery(env);
        }
        if ack.delivered > 0 {
            self.find_losses(env, ack.now, ack);
        }
    }

    /// RACK's timer went off: time itself has made a run late.
    pub(crate) fn on_reordering_timeout(&mut self, env: &mut Env<'_, '_>) {
        let Some(flight) = &mut self.recovery.flight else { return };
        flight.deadlines.reordering = Instant::FAR_FUTURE;
        let mut nothing = Delivery::nothing(env.now, self.recovery.phase, self.pipe());
        self.find_losses(env, env.now, &mut nothing);
        self.inform_congestion(&nothing, None);
        self.update_pace(env);
    }

    /// Marks what is lost at `now`; a recovery begins with the first loss, and goes on with what the ACK delivers.
    fn find_losses(&mut self, env: &mut Env<'_, '_>, now: Instant, ack: &mut Delivery) {
        let circumstances = self.circumstances();
        ack.lost += self.on_losses(env, now, |flight, config, lost| {
            let Flight { board, rack, rate, deadlines, .. } = flight;
            let next = rack.detect(board, now, &circumstances, config, |run| lost(rate, run));
            deadlines.reordering = next.unwrap_or(Instant::FAR_FUTURE);
        });
        if ack.lost > 0 && matches!(self.recovery.phase, Phase::Open | Phase::Cwr) {
            if self.only_mtu_probe_was_lost(env) {
                ack.lost = 0;
            } else {
                self.begin_recovery(env, ack);
            }
        }
        if self.recovery.phase == Phase::Recovery {
            self.reduce_proportionally(ack);
        }
    }

    /// Lets `mark` mark runs as lost, and tells everybody who wants to know of each. Returns how many octets.
    pub(super) fn on_losses(
        &mut self,
        env: &mut Env<'_, '_>,
        now: Instant,
        mark: impl FnOnce(&mut Flight, &TcpConfig, &mut OnLost<'_>),
    ) -> u32 {
        let mtu_probe = self.mtu_probe();
        let Some(flight) = &mut self.recovery.flight else { return 0 };
        let congestion = self.congestion.get_mut();
        let tells = congestion.wants_rate_samples();
        let mut sample = LossSample {
            now,
            seq: self.snd.una,
            bytes: 0,
            mss: u32::from(self.mss),
            sent: Snapshot::default(),
            total_lost: 0,
            total_delivered: 0,
            has_sack: self.sack,
        };
        let (mut octets, mut again) = (0, 0);
        let window = self.window;
        mark(flight, &env.shared.config, &mut |rate, run| {
            octets += run.len();
            again += u64::from(run.again);
            if mtu_probe.is_some_and(|probe| probe.covers(run.start, run.end)) {
                return; // R4821-7.4-a
            }
            note_lost(rate, &mut sample, run);
            if tells {
                congestion.on_lost(&window, &sample);
            }
        });
        env.shared.counters.lost_retransmit += again;
        if octets > 0 {
            let losses = self.losses_mut();
            losses.total_lost = losses.total_lost.wrapping_add(octets);
        }
        octets
    }

    pub(super) fn circumstances(&self) -> Circumstances {
        Circumstances {
            reordering: self.recovery.reordering,
            in_recovery: self.recovery.phase != Phase::Open,
            min_rtt: self.min_rtt().unwrap_or_default(),
            srtt: self.rtt.srtt().unwrap_or_default(),
        }
    }

    fn begin_recovery(&mut self, env: &mut Env<'_, '_>, ack: &Delivery) {
        let (una, nxt, mss) = (self.snd.una, self.snd.nxt, self.mss());
        let reduces = self.reduces_for_marks();
        let recover_fs = self.recover_fs(ack);
        if !reduces {
            self.window.ssthresh = self.congestion.get_mut().ssthresh(&self.window, ack.prior_flight, mss);
        }
        self.note_reduction();
        self.recovery.phase = Phase::Recovery;
        self.recovery.recovery_point = nxt;
        self.recovery.cause = Cause::FastRetransmit;
        self.recovery.undo = if reduces { Undo::NONE } else { Undo::begin(una, self.retransmitted()) };
        if let Some(flight) = &mut self.recovery.flight {
            flight.prr = if reduces { flight.prr } else { Prr::begin(recover_fs) };
            flight.first_resent = Instant::FAR_FUTURE;
            flight.deadlines.probe = Instant::FAR_FUTURE;
            flight.probe_due = false;
        }
        env.counters().sack_recovery += 1;
        env.emit(|| TcpEvent::RecoveryBegins { cause: Cause::FastRetransmit, recovery_point: nxt });
    }

    /// The window for the next ACK of the recovery, unless the congestion control has its own mind.
    pub(super) fn reduce_proportionally(&mut self, ack: &Delivery) {
        if self.congestion.get_mut().owns_window_in_recovery() {
            return;
        }
        let (flight, ssthresh, mss) = (self.pipe(), self.window.ssthresh, self.mss());
        let is_safe = ack.acked > 0 && ack.lost == 0;
        let step = Step { delivered: ack.delivered, flight, ssthresh, mss, is_safe };
        if let Some(state) = &mut self.recovery.flight {
            self.window.cwnd = state.prr.window(&step).max(mss);
        }
    }

    /// Everything that was outstanding when the recovery began is acknowledged.
    fn end_recovery(&mut self, env: &mut Env<'_, '_>) {
        let congestion = self.congestion.get_mut();
        if self.recovery.phase == Phase::Recovery && !congestion.owns_window_in_recovery() {
            self.window.cwnd = self.window.ssthresh; // RFC 9937 §6
        }
        congestion.on_recovery_end(&mut self.window);
        self.recovery.phase = Phase::Open;
        self.recovery.reordering.recovered();
        if let Some(flight) = &mut self.recovery.flight {
            flight.frto = Frto::Off;
            flight.first_resent = Instant::FAR_FUTURE;
        }
        env.emit(|| TcpEvent::RecoveryEnds);
    }
}
