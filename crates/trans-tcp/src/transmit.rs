//! What to send now: a SYN, what was lost, a probe, new data, a FIN, an ACK, nothing. RFC 9293 §3.8, RFC 5681 §3.
//!
//! The spine is [`Connection::next_segment`]; it decides, and `emit.rs` builds. Every segment after the SYN carries
//! an ACK.

use crate::config::TcpConfig;
use crate::congestion::{Restart, initial_window};
use crate::connection::Connection;
use crate::delayed_ack::Owed;
use crate::env::Env;
use crate::event::Cause;
use crate::fastopen::FastOpen;
use crate::nagle::Small;
use crate::recovery::Phase;
use crate::state::State;
use crate::timers::Timer;
use stack_core::TxBatch;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;

/// Bytes that a connection may send in one turn of the round robin: a super-packet.
const QUANTUM: i32 = 64 * 1024;

/// A segment to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outgoing {
    pub(crate) seq: SeqNum,
    /// Octets of text; fewer go if the packet can't hold the pieces.
    pub(crate) len: u32,
    pub(crate) flags: Flags,
    pub(crate) kind: Sending,
}

/// Why a segment is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sending {
    New,
    Again(Cause),
    /// Into a closed window.
    Probe,
    /// For the end of a flight.
    LossProbe,
    /// New text in a larger packet than the others (RFC 4821).
    MtuProbe,
    Ack,
}

impl Connection {
    /// Sends what may be sent, within the packets that are left and the connection's share. Returns whether it ended
    /// because of these limits.
    pub(crate) fn transmit(&mut self, env: &mut Env<'_, '_>, out: &mut TxBatch, budget: &mut usize) -> bool {
        if matches!(self.state, State::Closed | State::TimeWait) {
            return false;
        }
        if !self.refresh_path(env) {
            return self.wait_for_route(env);
        }
        self.credit = self.credit.saturating_add(QUANTUM).min(QUANTUM);
        let limited = loop {
            if *budget == 0 || self.credit <= 0 {
                break true;
            }
            let Some(next) = self.next_segment(env) else { break false };
            if !self.emit(env, out, next) {
                break false;
            }
            *budget -= 1;
        };
        self.after_turn(env);
        limited
    }

    /// Nothing can be sent now; the timers try again.
    fn wait_for_route(&mut self, env: &mut Env<'_, '_>) -> bool {
        if self.state.is_opening() {
            let rto = self.rtt.rto(env.config());
            self.timers.set_if_off(Timer::Retransmit, env.now + rto);
        }
        self.after_turn(env);
        false
    }

    /// The spine.
    fn next_segment(&mut self, env: &mut Env<'_, '_>) -> Option<Outgoing> {
        if self.state.is_opening() {
            return self.handshake(env).or_else(|| self.early_segment());
        }
        if self.snd.outstanding() == 0 {
            self.restart_after_idle(env);
        }
        let now = env.now;
        self.when_due(now, Self::lost_data_or_frto)
            .or_else(|| self.loss_probe())
            .or_else(|| self.window_probe(env.config()))
            .or_else(|| self.when_due(now, |connection| connection.probe_or_new_data(env)))
            .or_else(|| self.lone_fin())
            .or_else(|| self.keep_alive_probe())
            .or_else(|| self.pure_ack())
    }

    fn handshake(&mut self, env: &Env<'_, '_>) -> Option<Outgoing> {
        if !self.syn_due {
            return None;
        }
        let len = self.text_of_syn(env);
        if len > 0 {
            self.fast_open = FastOpen::Sent;
        }
        let flags = if self.state == State::SynSent { Flags::SYN } else { Flags::SYN | Flags::ACK };
        let kind = if self.syn_was_lost || self.recovery.timeouts > 0 {
            Sending::Again(Cause::Timeout)
        } else {
            Sending::New
        };
        Some(Outgoing { seq: self.snd.una, len, flags, kind })
    }

    /// What is lost; after a timeout that may be spurious, new text first, and then nothing until the peer answers.
    fn lost_data_or_frto(&mut self) -> Option<Outgoing> {
        if !self.probes_timeout() {
            return self.lost_data();
        }
        let new = self.new_data();
        if new.is_some() || self.snd.nxt.after(self.recovery.recovery_point) {
            return new;
        }
        self.stop_probing_timeout();
        self.lost_data()
    }

    /// What is lost, within both windows. The first segment after a timeout, and the one that NewReno repairs, wait for
    /// neither ACKs nor room.
    fn lost_data(&mut self) -> Option<Outgoing> {
        let (mss, room, cause) =
            (self.mss(), self.window.cwnd.saturating_sub(self.pipe()), self.recovery.cause);
        let most = self.burst(u32::MAX);
        let flight = self.recovery.flight.as_mut().filter(|flight| flight.board.lost() > 0)?;
        let at_once = flight.resend_first || !self.sack && cause == Cause::FastRetransmit;
        let room = if at_once { room.max(mss) } else { room };
        let (start, end) = flight.board.next_lost(room.min(most))?;
        let edge = self.snd.una + self.snd.wnd; // R9293-SHLD-16; not R9293-MAY-7
        if !edge.after(start) {
            return None;
        }
        let text = self.snd.text_end().max(start).distance_from(start);
        let mut lost = end.distance_from(start).min(text);
        if end == self.snd.nxt && lost < mss {
            lost = text.min(mss); // R9293-SHLD-28: a probe's octet does not go again alone
        }
        let len = whole(lost.min(edge.distance_from(start)).min(room).min(most), lost, mss);
        if len < lost.min(mss) && room < mss {
            return None;
        }
        let fin = self.snd.ends_with_fin(start + len) && (end.after(start + len) || self.snd.fin_unsent());
        if len == 0 && !fin {
            return None;
        }
        let flags = if fin { Flags::ACK | Flags::FIN } else { Flags::ACK };
        Some(Outgoing { seq: start, len, flags, kind: Sending::Again(cause) })
    }

    /// The persist timer went off: what the window allows after all, or one octet or the FIN beyond it.
    fn window_probe(&self, config: &TcpConfig) -> Option<Outgoing> {
        if !self.persist.due {
            return None;
        }
        if config.empty_window_probes && self.snd.wnd == 0 {
            return Some(Outgoing { seq: self.snd.una - 1, len: 0, flags: Flags::ACK, kind: Sending::Probe });
        }
        let (seq, waiting) = if self.snd.outstanding() > 0 {
            let text = self.snd.text_end().max(self.snd.una).distance_from(self.snd.una);
            (self.snd.una, text.min(1))
        } else {
            let room = u32::try_from(self.snd.window_room()).unwrap_or(0).max(1);
            (self.snd.nxt, self.snd.unsent().min(room).min(self.mss()))
        };
        let fin = self.snd.ends_with_fin(seq + waiting);
        let flags = if fin { Flags::ACK | Flags::FIN } else { Flags::ACK };
        Some(Outgoing { seq, len: waiting, flags, kind: Sending::Probe })
    }

    /// New text, as much as both windows allow, in whole segments where there is more.
    pub(crate) fn new_data(&self) -> Option<Outgoing> {
        let unsent = self.snd.unsent();
        if unsent == 0
            || self.recovery.lost_bytes() > 0 && !self.probes_timeout()
            || self.hold().doublings().is_some()
        {
            return None;
        }
        let mss = self.mss();
        let wnd = u32::try_from(self.snd.window_room()).ok().filter(|&room| room > 0)?; // R9293-SHLD-15
        let cwnd = self.cwnd_room();
        if self.gathers(unsent, wnd.min(cwnd)) {
            return None;
        }
        let all = unsent.min(wnd).min(self.burst(cwnd));
        let full = all / mss * mss;
        let rest = all - full;
        let len = if rest == 0 || self.may_send_small(rest, all == unsent, cwnd - full.min(cwnd)) {
            all
        } else {
            full
        };
        if len == 0 {
            return None;
        }
        let fin = self.snd.ends_with_fin(self.snd.nxt + len) && wnd > len;
        let flags = if fin { Flags::ACK | Flags::FIN } else { Flags::ACK };
        Some(Outgoing { seq: self.snd.nxt, len, flags, kind: Sending::New })
    }

    fn may_send_small(&self, len: u32, all: bool, cwnd: u32) -> bool {
        if !all && cwnd < self.mss() {
            return false; // the congestion window cut it: ACKs will come, and full segments with them
        }
        Small {
            len,
            all,
            small_in_flight: self.snd.small_end.after(self.snd.una) && self.snd.outstanding() > 0,
            no_delay: self.settings.no_delay
                || self.snd.has_fin()
                || self.snd.urgent_pointer(self.snd.nxt).is_some(),
            corked: self.is_corked() && self.snd.urgent_pointer(self.snd.nxt).is_none(),
            max_wnd: self.snd.max_wnd,
        }
        .may_go()
    }

    /// A FIN that could not ride on text.
    fn lone_fin(&self) -> Option<Outgoing> {
        let ready = self.snd.fin_unsent() && self.snd.unsent() == 0 && self.snd.window_room() > 0;
        let flags = Flags::ACK | Flags::FIN;
        ready.then_some(Outgoing { seq: self.snd.nxt, len: 0, flags, kind: Sending::New })
    }

    fn keep_alive_probe(&self) -> Option<Outgoing> {
        let seq = self.snd.nxt - 1;
        self.keep_alive_due.then_some(Outgoing { seq, len: 0, flags: Flags::ACK, kind: Sending::Ack })
    }

    pub(crate) fn pure_ack(&self) -> Option<Outgoing> {
        let seq = self.snd.acceptable_seq();
        let due = self.acks.owed() == Owed::Now;
        due.then_some(Outgoing { seq, len: 0, flags: Flags::ACK, kind: Sending::Ack })
    }

    /// Room in the congestion window for new text.
    pub(crate) fn cwnd_room(&self) -> u32 {
        let limited = if self.sack { 0 } else { self.recovery.limited_transmit(self.mss()) };
        let cwnd = self.window.cwnd.saturating_add(limited); // with SACK, what is reported makes the room
        cwnd.saturating_sub(self.pipe())
    }

    /// The largest packet that fits `room`: whole segments up to a super-packet, or to what the pace allows.
    fn burst(&self, room: u32) -> u32 {
        let most = self.path.max_burst(&self.tuple, self.mss(), self.ts.on);
        most.min(self.paced_burst()).min(room)
    }

    /// Something is to be sent while nothing is in flight: the algorithm may think the window over (R5681-4.1-a).
    fn restart_after_idle(&mut self, env: &mut Env<'_, '_>) {
        if self.snd.unsent() == 0 {
            return;
        }
        let before = self.window;
        let restart = Restart {
            now: env.now,
            is_long: env.now.saturating_since(self.last_sent) > self.rtt.rto(env.config()),
            restart_window: initial_window(env.config().initial_window, self.mss(), false),
        };
        self.congestion.get_mut().on_restart(&mut self.window, &restart);
        if self.window != before {
            self.show_window(env);
        }
        self.open_flight(env); // it knows the pace
    }

    /// The connection's turn is over: timers for what was sent, and for an ACK that may wait.
    fn after_turn(&mut self, env: &mut Env<'_, '_>) {
        self.note_limits();
        self.release_flight(env);
        self.schedule_retransmission(env);
        if self.acks.owed() == Owed::Later {
            let delay = env.config().delayed_ack;
            self.timers.set_if_off(Timer::DelayedAck, env.now + delay); // R9293-MUST-40
        }
        self.schedule_cork(env);
        self.wake_writer(env);
        self.was_idle |= self.snd.outstanding() == 0 && self.snd.unsent() == 0;
        let is_calm = matches!(self.recovery.phase, Phase::Open | Phase::Cwr);
        if is_calm && self.snd.outstanding() == 0 && self.snd.unsent() == 0 {
            self.release_send_buffer(env);
        }
    }
}

/// As much of `all` as `len` is, in whole segments unless that is less than one.
fn whole(len: u32, all: u32, mss: u32) -> u32 {
    if len < all && len > mss { len / mss * mss } else { len }
}
