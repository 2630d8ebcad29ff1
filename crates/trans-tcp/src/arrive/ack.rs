//! Fifth check: the acknowledgment. RFC 9293 §3.10.7.4, RFC 5961 §5, RFC 5681 §3, RFC 6298 §5.

use super::{Flow, Reply, drop_it};
use crate::congestion::AckSample;
use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::event::{Cause, TcpEvent};
use crate::fastopen::FastOpen;
use crate::recovery::Phase;
use crate::recovery::delivery::Delivery;
use crate::recovery::newreno::Progress;
use crate::recovery::sack::Report;
use crate::segment::Segment;
use crate::state::{Event, State};
use core::ops::ControlFlow;
use core::time::Duration;
use stack_core::{DropReason, Instant};

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
        let window = u32::from(seg.window) << self.snd.scale; // R9293-MUST-1
        let is_duplicate = seg.ack == self.snd.una && self.is_duplicate(seg, window);
        if seg.ack.after_eq(self.snd.una) {
            env.counters().pure_acks += u64::from(seg.len == 0);
            self.snd.update_window(seg.seq, seg.ack, window);
        } else if seg.sack.is_empty() {
            return Flow::Continue(()); // an old ACK; what else the segment carries is news
        }
        self.take_ack(env, seg, is_duplicate);
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
        self.sample_handshake(seg);
        self.snd.set_window(seg.seq, seg.ack, u32::from(seg.window) << self.snd.scale);
        self.take_ack_of_syn_ack(seg);
        self.settle_text_of_syn(env, seg.ack, seg);
        self.establish(env);
        self.recovery.timeouts = 0;
        Flow::Continue(())
    }

    /// The handshake's round trip, if the SYN was sent once, or if the timestamp tells which copy was answered.
    pub(super) fn sample_handshake(&mut self, seg: &Segment) {
        let is_clear = !self.syn_was_lost
            && self.recovery.timeouts == 0
            && self.last_sent > Instant::ZERO
            && self.fast_open != FastOpen::Serving;
        let timed = is_clear.then(|| seg.received_at.saturating_since(self.last_sent));
        if let Some(rtt) = timed.or_else(|| self.echoed_rtt(seg)) {
            self.observe_rtt(seg.received_at, rtt);
            self.rtt.sample(rtt, 1, 1);
        }
    }

    /// What an ACK tells: what has arrived, how long it took, what is lost, and what may be sent.
    fn take_ack(&mut self, env: &mut Env<'_, '_>, seg: &Segment, is_duplicate: bool) {
        let report = self.read_sack(env, seg);
        let before = self.window;
        let mut news = self.take_delivery(seg, &report);
        self.path.acknowledged(news.longest.min(self.mss()));
        let rtt = self.take_rtt(env, seg, &news);
        if self.ecn.is_echo(seg) {
            self.forgo_undo();
        }
        if news.acked > 0 {
            self.stats.bytes_acked += u64::from(self.snd.acknowledge(seg.ack));
            self.judge_mtu_probe(env);
        }
        let restarts = if self.sack {
            self.judge_ack(env, seg, &mut news, &report);
            news.acked > 0
        } else {
            self.judge_ack_without_sack(env, &news, is_duplicate)
        };
        self.take_marks(env, seg, &mut news);
        self.inform_congestion(&news, rtt);
        self.update_pace(env);
        if self.window != before {
            self.show_window(env);
        }
        self.restart_timers(env, &news, restarts);
        if news.acked > 0 {
            self.progress(env);
        }
    }

    /// Blocks of peers that never offered SACK mean nothing.
    fn read_sack(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Report {
        if !self.sack || seg.sack.is_empty() {
            return Report::default();
        }
        let report = Report::new(seg, self.snd.una, self.snd.nxt, self.snd.max_wnd);
        env.counters().sack_discard += u64::from(report.ignored);
        report
    }

    /// R6298-5.1-a, R6298-5.1-a; RFC 8985 §7.2.
    fn restart_timers(&mut self, env: &mut Env<'_, '_>, news: &Delivery, restarts: bool) {
        if let Some(flight) = self.recovery.flight.as_mut().filter(|_| restarts) {
            flight.deadlines.timeout = Instant::FAR_FUTURE; // to be restarted
        }
        if news.delivered > 0 {
            self.schedule_probe(env);
        }
        self.suspect_reneging(news.now);
        self.release_flight(env);
    }

    /// The peer has taken something for good.
    fn progress(&mut self, env: &mut Env<'_, '_>) {
        self.restart_waiting(env);
        self.confirm_neighbour(env);
        self.release_send_buffer(env);
        self.wake_writer(env);
    }

    /// NewReno, and undo by timestamps. Returns whether the retransmission timer is restarted.
    fn judge_ack_without_sack(&mut self, env: &mut Env<'_, '_>, news: &Delivery, is_duplicate: bool) -> bool {
        if is_duplicate {
            self.on_duplicate_ack(env);
        }
        if news.acked == 0 || self.try_undo(env, news, &Report::default()) {
            self.recovery.timeouts = if news.acked > 0 { 0 } else { self.recovery.timeouts };
            return news.acked > 0;
        }
        let (una, nxt, mss) = (self.snd.una, self.snd.nxt, self.mss());
        let progress = self.recovery.on_new_ack(&mut self.window, una, nxt, news.acked, mss);
        if progress == Progress::Finished {
            self.congestion.get_mut().on_recovery_end(&mut self.window);
            env.emit(|| TcpEvent::RecoveryEnds);
        }
        progress != (Progress::Partial { first: false })
    }

    /// Tells the congestion control, if there is something to tell.
    pub(crate) fn inform_congestion(&mut self, news: &Delivery, rtt: Option<Duration>) {
        if news.delivered == 0 && news.lost == 0 {
            return;
        }
        let mss = self.mss();
        let cwnd_limited = self.was_cwnd_limited(news);
        let (min_rtt, flight) = (self.min_rtt(), self.pipe());
        // What ends a recovery does not open the window, too.
        let phase = match (news.prior_phase, self.recovery.phase) {
            (prior @ (Phase::Cwr | Phase::Recovery), _) => prior,
            (_, Phase::Open) if news.marked > 0 => Phase::Cwr, // RFC 3168 §6.1.2: nor does an ACK that tells of marks
            (_, phase) => phase,
        };
        let congestion = self.congestion.get_mut();
        let rate = self.recovery.flight.as_mut().and_then(|flight| flight.rate.take_sample(min_rtt));
        let sample = AckSample {
            now: news.now,
            acked: news.acked,
            delivered: news.delivered,
            lost: news.lost,
            prior_flight: news.prior_flight,
            flight,
            mss,
            rtt,
            min_rtt,
            srtt: self.rtt.srtt(),
            cwnd_limited,
            phase,
            has_sack: self.sack,
            snd_una: self.snd.una,
            snd_nxt: self.snd.nxt,
            marked: news.marked,
            rate: rate.filter(|_| congestion.wants_rate_samples()),
        };
        congestion.on_ack(&mut self.window, &sample);
        if congestion.holds_back() {
            if let Some(state) = &mut self.recovery.flight {
                state.rate.on_app_limited(flight);
            }
        }
    }

    /// Whether the window was the limit when what is acknowledged was sent. For those that grow it by what is acknowledged
    /// half of it is enough in slow start, and all but a segment after it.
    fn was_cwnd_limited(&mut self, news: &Delivery) -> bool {
        let una = self.snd.una;
        let limited_until = self.recovery.flight.as_ref().and_then(|flight| flight.limited_until);
        if limited_until.is_some_and(|until| una.before_eq(until)) {
            return true;
        }
        let flight = news.prior_flight;
        let used = if self.window.in_slow_start() { flight.saturating_mul(2) } else { flight + self.mss() };
        used >= self.window.cwnd && !self.congestion.get_mut().owns_window_in_recovery()
    }

    fn on_duplicate_ack(&mut self, env: &mut Env<'_, '_>) {
        let (una, nxt, mss) = (self.snd.una, self.snd.nxt, self.mss());
        if self.recovery.is_about_to_begin(una) && self.mtu_probe_is_missing(env) {
            self.recovery.dup_acks += 1;
            return;
        }
        let begins = self.recovery.on_dup_ack(&mut self.window, self.congestion.get_mut(), una, nxt, mss);
        if begins {
            self.note_reduction();
            env.counters().reno_recovery += 1;
            let recovery_point = nxt;
            env.emit(|| TcpEvent::RecoveryBegins { cause: Cause::FastRetransmit, recovery_point });
        }
    }

    /// A sample from what was sent once, or, if all of it was sent twice, from the timestamp's echo. Returns the round
    /// trip of what was sent last.
    fn take_rtt(&mut self, env: &mut Env<'_, '_>, seg: &Segment, news: &Delivery) -> Option<Duration> {
        let echoed = || self.echoed_rtt(seg).filter(|_| news.acked > 0).map(|rtt| (rtt, rtt));
        let (first, last) = news.round_trips().or_else(echoed)?;
        self.observe_rtt(env.now, last);
        self.rtt.sample(first, news.delivered, news.prior_flight);
        env.emit(|| TcpEvent::RttSample {
            rtt: first,
            srtt: self.rtt.srtt().unwrap_or_default(),
            rto: self.rtt.rto(&env.shared.config),
        });
        Some(last)
    }

    fn echoed_rtt(&self, seg: &Segment) -> Option<Duration> {
        seg.timestamps.and_then(|(_, tsecr)| self.ts.rtt(tsecr, seg.received_at))
    }

    /// R4861-7.3.1-a; once a second is enough.
    fn confirm_neighbour(&mut self, env: &mut Env<'_, '_>) {
        let now = ((env.now.as_millis() / 1000) as u16).max(1);
        if now != self.confirmed {
            self.confirmed = now;
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
