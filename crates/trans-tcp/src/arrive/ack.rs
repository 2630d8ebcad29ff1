//! Fifth check: the acknowledgment. RFC 9293 §3.10.7.4, RFC 5961 §5, RFC 5681 §3, RFC 6298 §5.

use super::{Flow, Reply, drop_it};
use crate::congestion::AckSample;
use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::event::{Cause, TcpEvent};
use crate::recovery::newreno::Progress;
use crate::segment::Segment;
use crate::state::{Event, State};
use crate::timers::Timer;
use core::ops::ControlFlow;
use core::time::Duration;
use stack_core::DropReason;

/// How often a neighbour is confirmed by progress of one connection, in milliseconds.
const CONFIRM_INTERVAL: u32 = 1000;

impl Connection {
    pub(super) fn process_ack(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        if !seg.flags.ack() {
            return drop_it(DropReason::TcpBadFlags); // R9293-3.10.7.4-e
        }
        if self.state == State::SynReceived {
            self.complete_simultaneous_open(env, seg)?;
        }
        // R5961-5.2-a, R9293-MAY-12: SND.UNA − MAX.SND.WND ≤ SEG.ACK ≤ SND.NXT.
        if seg.ack.after(self.snd.nxt) || (self.snd.una - self.snd.max_wnd).after(seg.ack) {
            return ControlFlow::Break(Reply::ChallengeAck(DropReason::TcpBadAck));
        }
        if seg.ack.before(self.snd.una) {
            return Flow::Continue(()); // an old ACK; what else the segment carries is news
        }
        if seg.len == 0 {
            env.counters().pure_acks += 1;
        }
        let window = u32::from(seg.window) << self.snd.scale; // R9293-MUST-1
        if seg.ack.after(self.snd.una) {
            self.snd.update_window(seg.seq, seg.ack, window);
            self.on_new_ack(env, seg);
        } else {
            let is_duplicate = self.is_duplicate(seg, window);
            self.snd.update_window(seg.seq, seg.ack, window);
            if is_duplicate {
                self.on_duplicate_ack(env);
            }
        }
        self.persist_on_ack();
        self.schedule_retransmission(env);
        self.after_ack(env)
    }

    /// R5681-2-a, in its five parts.
    fn is_duplicate(&self, seg: &Segment, window: u32) -> bool {
        self.snd.outstanding() > 0 && seg.len == 0 && !seg.flags.fin() && window == self.snd.wnd
    }

    /// SYN-RECEIVED: our SYN must be what is acknowledged.
    fn complete_simultaneous_open(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        if !(seg.ack.after(self.snd.una) && seg.ack.before_eq(self.snd.nxt)) {
            return ControlFlow::Break(Reply::Reset(DropReason::TcpBadAck));
        }
        self.sample_handshake(env, seg);
        self.snd.set_window(seg.seq, seg.ack, u32::from(seg.window) << self.snd.scale);
        self.establish(env);
        self.recovery.timeouts = 0;
        Flow::Continue(())
    }

    /// The handshake's round trip, if the SYN was sent once, or if the timestamp tells which copy was answered.
    pub(super) fn sample_handshake(&mut self, env: &mut Env<'_, '_>, seg: &Segment) {
        let timed = self.sampler.acked(seg.ack, seg.received_at);
        if let Some(rtt) = timed.or_else(|| self.echoed_rtt(seg)) {
            self.rtt.sample(rtt, &env.shared.config);
        }
    }

    fn on_new_ack(&mut self, env: &mut Env<'_, '_>, seg: &Segment) {
        let rtt = self.take_rtt(env, seg);
        let prior_flight = self.pipe();
        let acked = seg.ack.distance_from(self.snd.una);
        let text = self.snd.acknowledge(seg.ack);
        self.stats.bytes_acked += u64::from(text);
        let progress = self.advance_recovery(env, seg, acked, prior_flight, rtt);
        if progress != (Progress::Partial { first: false }) {
            self.timers.clear(Timer::Retransmit); // to be restarted if something is outstanding: R6298-5.1-a
        }
        self.restart_waiting(env);
        self.confirm_neighbour(env);
        self.release_send_buffer(env);
        if self.has_room() {
            env.cx.wake(&mut self.write_waker);
        }
    }

    fn advance_recovery(
        &mut self,
        env: &mut Env<'_, '_>,
        seg: &Segment,
        acked: u32,
        prior_flight: u32,
        rtt: Option<Duration>,
    ) -> Progress {
        let mss = self.mss();
        let before = self.window;
        let progress = self.recovery.on_new_ack(&mut self.window, self.snd.una, self.snd.nxt, acked, mss);
        match progress {
            Progress::Normal => {
                // Half a window in slow start, all but a segment after it: else the application was the limit.
                let used =
                    if before.in_slow_start() { prior_flight.saturating_mul(2) } else { prior_flight + mss };
                let sample = AckSample {
                    now: seg.received_at,
                    acked,
                    delivered: acked,
                    lost: 0,
                    prior_flight,
                    flight: self.pipe(),
                    mss,
                    rtt,
                    min_rtt: self.rtt.min_rtt(),
                    srtt: self.rtt.srtt(),
                    cwnd_limited: used >= before.cwnd,
                    phase: self.recovery.phase.into(),
                    has_sack: false,
                    snd_una: self.snd.una,
                    snd_nxt: self.snd.nxt,
                    marked: 0,
                    rate: None,
                };
                self.congestion.get_mut().on_ack(&mut self.window, &sample);
            }
            Progress::Partial { .. } => {}
            Progress::Finished => env.emit(|| TcpEvent::RecoveryEnds),
        }
        if self.window != before {
            self.show_window(env);
        }
        progress
    }

    fn on_duplicate_ack(&mut self, env: &mut Env<'_, '_>) {
        let (una, nxt, mss) = (self.snd.una, self.snd.nxt, self.mss());
        let begins = self.recovery.on_dup_ack(&mut self.window, self.congestion.get_mut(), una, nxt, mss);
        if begins {
            env.counters().reno_recovery += 1;
            let recovery_point = nxt;
            env.emit(|| TcpEvent::RecoveryBegins { cause: Cause::FastRetransmit, recovery_point });
            self.show_window(env);
        }
    }

    /// A sample from the segment that was timed, or, if something was sent twice, from the timestamp's echo.
    fn take_rtt(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Option<Duration> {
        let timed = self.sampler.acked(seg.ack, seg.received_at);
        let is_ambiguous = self.recovery.timeouts > 0 || self.rtt.backoff > 0;
        let rtt = timed.or_else(|| self.echoed_rtt(seg).filter(|_| is_ambiguous))?;
        self.rtt.sample(rtt, &env.shared.config);
        env.emit(|| TcpEvent::RttSample {
            rtt,
            srtt: self.rtt.srtt().unwrap_or_default(),
            rto: self.rtt.rto(&env.shared.config),
        });
        Some(rtt)
    }

    fn echoed_rtt(&self, seg: &Segment) -> Option<Duration> {
        seg.timestamps.and_then(|(_, tsecr)| self.ts.rtt(tsecr, seg.received_at))
    }

    /// R4861-7.3.1-a.
    fn confirm_neighbour(&mut self, env: &mut Env<'_, '_>) {
        let now = env.now.as_millis() as u32;
        if now.wrapping_sub(self.confirmed) >= CONFIRM_INTERVAL || self.confirmed == 0 {
            self.confirmed = now.max(1);
            env.cx.host.confirm_reachable(env.now, &self.path.hop);
        }
    }

    /// What the states make of an acknowledged FIN.
    fn after_ack(&mut self, env: &mut Env<'_, '_>) -> Flow {
        if !self.snd.fin_acked() {
            return Flow::Continue(());
        }
        if self.state == State::LastAck {
            return ControlFlow::Break(Reply::Close(CloseReason::Normal));
        }
        let was = self.state;
        self.event(env, Event::FinAcked);
        if was == State::FinWait1 {
            self.start_fin_wait_2(env);
        }
        Flow::Continue(())
    }
}
