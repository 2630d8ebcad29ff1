//! A connection: its state and what happens to the whole of it. Segments come in through `arrive`, go out through
//! `transmit`; the application's calls are in `stream.rs`; each mechanism has its own file.
//!
//! Memory: everything in here is there for an idle connection too, so ropes, reassembly and congestion state are
//! boxed, empty ropes go back to a pool, and settings are shared.

use crate::bulk::More;
use crate::challenge_ack::ChallengeClock;
use crate::congestion::{Controller, Window, initial_window};
use crate::delayed_ack::DelayedAck;
use crate::ecn::Ecn;
use crate::env::{Control, Env, Reply};
use crate::error::CloseReason;
use crate::event::TcpEvent;
use crate::fastopen::FastOpen;
use crate::info::millis_of;
use crate::memory::Level;
use crate::persist::Persist;
use crate::pmtu::{Path, default_mss};
use crate::receiver::Receiver;
use crate::recovery::Recovery;
use crate::reservation::Reservation;
use crate::rtt::Estimator;
use crate::segment::Segment;
use crate::sender::Sender;
use crate::settings::Settings;
use crate::state::{Event, State};
use crate::timers::{Timer, Timers};
use crate::timestamps::Timestamps;
use crate::tuple::Tuple;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::task::Waker;
use stack_core::{Error, Instant, NicId, RouteQuery};
use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;

/// Counters of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    pub(crate) bytes_acked: u64,
    pub(crate) segs_in: u32,
    pub(crate) segs_out: u32,
    pub(crate) data_segs_in: u32,
    pub(crate) data_segs_out: u32,
    /// Milliseconds of the clock's origin when text arrived last.
    pub(crate) last_data: u32,
    /// The same for any segment.
    pub(crate) last_received: u32,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) tuple: Tuple,
    pub(crate) state: State,
    /// Known to the host under its tuple.
    pub(crate) registered: bool,
    /// The application has given its handle up.
    pub(crate) orphan: bool,
    /// In the ready queue.
    pub(crate) queued: bool,
    /// A SYN or SYN-ACK has to go.
    pub(crate) syn_due: bool,
    /// The SYN or SYN-ACK had to be sent again.
    pub(crate) syn_was_lost: bool,
    /// Windows are scaled: offered while opening, agreed afterwards.
    pub(crate) scaling: bool,
    /// SACK is used: offered while opening, agreed afterwards (RFC 2018 §2).
    pub(crate) sack: bool,
    /// Everything that was written has arrived: what is sent next says little about the path.
    pub(crate) was_idle: bool,
    /// A keepalive probe has to go.
    pub(crate) keep_alive_due: bool,
    pub(crate) keep_alive_probes: u8,
    /// What the cork held back goes now.
    pub(crate) cork_expired: bool,
    /// The application could have written more than there was room for.
    pub(crate) wants_room: bool,
    /// Whether text goes, or went, with the SYN.
    pub(crate) fast_open: FastOpen,
    /// How scarce the memory of the stack is.
    pub(crate) level: Level,
    pub(crate) nic: Option<NicId>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) path: Path,
    /// Shared with the listener and its other connections until one of them changes something.
    pub(crate) settings: Arc<Settings>,
    pub(crate) hash: u32,
    pub(crate) snd: Sender,
    pub(crate) rcv: Receiver,
    pub(crate) ts: Timestamps,
    pub(crate) rtt: Estimator,
    pub(crate) timers: Timers,
    pub(crate) window: Window,
    pub(crate) congestion: Controller,
    pub(crate) recovery: Recovery,
    pub(crate) acks: DelayedAck,
    pub(crate) ecn: Ecn,
    pub(crate) persist: Persist,
    pub(crate) challenge: ChallengeClock,
    /// The peer's MSS option.
    pub(crate) peer_mss: u16,
    /// Octets of text in a full-sized segment.
    pub(crate) mss: u16,
    /// What the round robin still owes it, in bytes.
    pub(crate) credit: i32,
    pub(crate) last_sent: Instant,
    /// The second in which the neighbour was confirmed last, modulo 2^16; 0 if never.
    pub(crate) confirmed: u16,
    pub(crate) read_waker: Option<Waker>,
    pub(crate) write_waker: Option<Waker>,
    /// Waits to be taken by the application.
    pub(crate) error: Option<Error>,
    /// What ICMP said last that was no reason to end the connection (R9293-MUST-47).
    pub(crate) soft_error: Option<Error>,
    pub(crate) close_reason: Option<CloseReason>,
    pub(crate) stats: Stats,
    pub(crate) more: Option<Box<More>>,
}

impl Connection {
    /// A connection in CLOSED, with the initial sequence number that it will have.
    pub(crate) fn new(
        env: &mut Env<'_, '_>,
        tuple: Tuple,
        nic: Option<NicId>,
        settings: Arc<Settings>,
    ) -> Self {
        let secrets = env.shared.secrets(env.cx);
        let congestion = Controller::new(settings.congestion, || env.cx.host.random());
        let iss = secrets.isn(&tuple, env.now);
        let config = env.config();
        let mut rcv = Receiver::new(settings.receive_buffer);
        rcv.scale = if config.window_scaling { config.window_shift() } else { 0 };
        Self {
            tuple,
            state: State::Closed,
            registered: false,
            orphan: false,
            queued: false,
            syn_due: false,
            syn_was_lost: false,
            scaling: config.window_scaling,
            sack: config.sack,
            was_idle: true,
            keep_alive_due: false,
            keep_alive_probes: 0,
            cork_expired: false,
            wants_room: false,
            fast_open: FastOpen::Off,
            level: env.shared.memory.level(),
            nic,
            reservation: None,
            path: Path::UNKNOWN,
            settings,
            hash: secrets.flow_hash(&tuple),
            snd: Sender::new(iss),
            rcv,
            ts: Timestamps::new(config.timestamps, secrets.timestamp_offset(&tuple)),
            rtt: Estimator::new(),
            timers: Timers::default(),
            window: Window::new(0),
            congestion,
            recovery: Recovery::new(iss),
            acks: DelayedAck::default(),
            ecn: Ecn::Off,
            persist: Persist::default(),
            challenge: ChallengeClock::default(),
            peer_mss: default_mss(&tuple),
            mss: default_mss(&tuple),
            credit: 0,
            last_sent: env.now,
            confirmed: 0,
            read_waker: None,
            write_waker: None,
            error: None,
            soft_error: None,
            close_reason: None,
            stats: Stats { last_received: millis_of(env.now), ..Stats::default() },
            more: None,
        }
    }

    /// Applies an event to the state, and shows and counts the change.
    pub(crate) fn event(&mut self, env: &mut Env<'_, '_>, event: Event) {
        let (from, to) = (self.state, self.state.after(event));
        if from == to {
            return;
        }
        self.state = to;
        let counts = |state| matches!(state, State::Established | State::CloseWait);
        env.counters().curr_estab += u64::from(counts(to) && !counts(from));
        env.counters().curr_estab -= u64::from(counts(from) && !counts(to));
        env.emit(|| TcpEvent::StateChange { from, to });
        tracing::debug!(
            target: "ustack::tcp",
            local = %self.tuple.local_address(), remote = %self.tuple.remote_address(), %from, %to,
        );
    }

    /// What the peer's SYN says of options and window (RFC 9293 §3.7.1, RFC 7323 §2.2 and §3.2).
    pub(crate) fn take_syn(&mut self, env: &Env<'_, '_>, seg: &Segment) {
        let offered = self.syn_window();
        self.rcv.opened(seg.seq, u32::from(offered));
        self.peer_mss = seg.mss.unwrap_or_else(|| default_mss(&self.tuple));
        match seg.window_scale.filter(|_| self.scaling) {
            Some(shift) => self.snd.scale = shift.min(14), // R7323-2.2-a
            None => (self.scaling, self.rcv.scale) = (false, 0),
        }
        self.sack &= seg.sack_permitted;
        match seg.timestamps.filter(|_| env.config().timestamps) {
            Some((tsval, _)) => self.ts.start(tsval, env.now),
            None => self.ts.on = false,
        }
        self.agree_on_ecn(seg);
        self.update_mss();
    }

    /// Our SYN is acknowledged and the peer's has arrived: data may flow.
    pub(crate) fn establish(&mut self, env: &mut Env<'_, '_>) {
        self.snd.opened();
        self.update_mss();
        if self.syn_was_lost {
            self.rtt.after_lost_syn();
        }
        if self.fast_open != FastOpen::Serving {
            let segments = env.config().initial_window;
            self.window.cwnd = initial_window(segments, self.mss(), self.syn_was_lost);
            self.recovery = Recovery::new(self.snd.una - 1);
        }
        self.syn_due = false;
        self.timers.clear(Timer::Retransmit);
        self.timers.clear(Timer::User);
        self.event(env, Event::Open);
        self.stats.last_received = millis_of(env.now);
        self.start_keep_alive(env.now);
        env.cx.wake(&mut self.write_waker);
        if self.snd.has_fin() {
            self.event(env, Event::Shutdown);
        }
    }

    /// Ends the connection: nothing is sent any more, the application learns why.
    pub(crate) fn close(&mut self, env: &mut Env<'_, '_>, reason: CloseReason) {
        let established = matches!(self.state, State::Established | State::CloseWait);
        match reason {
            CloseReason::Normal => {}
            _ if self.state.is_opening() => env.counters().attempt_fails += 1,
            CloseReason::TimedOut(_) => env.counters().abort_on_timeout += 1,
            _ => env.counters().estab_resets += u64::from(established),
        }
        self.event(env, Event::Abort);
        self.close_reason = Some(reason);
        self.error = reason.error();
        self.timers.clear_all();
        self.abandon_flight(env);
        self.snd.buffer = None;
        if !matches!(self.fast_open, FastOpen::Off | FastOpen::Serving) {
            env.shared.fast_open.end(env.id);
        }
        self.wake_all(env);
    }

    /// Ends the connection with a reset to the peer, if the peer knows of it (RFC 9293 §3.10.5).
    pub(crate) fn abort(&mut self, env: &mut Env<'_, '_>, reason: CloseReason) {
        if self.state.is_synchronized() || self.state == State::SynReceived {
            self.send_reset(env);
        }
        self.close(env, reason);
    }

    /// A reset from SND.NXT on, acknowledging what was received.
    fn send_reset(&mut self, env: &mut Env<'_, '_>) {
        let reply = Reply {
            tuple: self.tuple,
            nic: self.nic,
            seq: self.snd.acceptable_seq(),
            ack: self.rcv.nxt,
            flags: Flags::RST | Flags::ACK,
            window: 0,
            timestamps: None,
            mark: self.settings.mark,
        };
        env.shared.push_control(Control::Reply(reply));
    }

    pub(crate) fn wake_all(&mut self, env: &mut Env<'_, '_>) {
        env.cx.wake(&mut self.read_waker);
        env.cx.wake(&mut self.write_waker);
    }

    /// Puts it into the queue of those that may have something to send.
    pub(crate) fn mark_ready(&mut self, env: &mut Env<'_, '_>) {
        if !self.queued && !matches!(self.state, State::Closed | State::TimeWait) {
            self.queued = true;
            env.shared.ready.push_back(env.id);
        }
    }

    /// Tells the host the next deadline, if it doesn't know of it.
    pub(crate) fn rearm(&mut self, env: &mut Env<'_, '_>) {
        if let Some(deadline) = self.timers.unreported() {
            env.cx.arm(env.id, deadline);
        }
    }

    /// Looks the route up again if it has changed; `false` if there is none.
    pub(crate) fn refresh_path(&mut self, env: &mut Env<'_, '_>) -> bool {
        if env.cx.host.is_current(&self.path.hop) {
            return true;
        }
        let query = RouteQuery { nic: self.nic, local: Some(self.tuple.local), remote: self.tuple.remote };
        match env.cx.host.route(&query) {
            Ok(route) => {
                self.adopt_path(env, Path::new(&route));
                true
            }
            Err(error) => {
                self.soft_error = Some(error);
                false
            }
        }
    }

    /// The size of a full segment, after the path, the peer or the options have changed.
    pub(crate) fn update_mss(&mut self) {
        self.mss = self.text_in(self.send_mtu()).min(0xffff) as u16;
        if self.window.cwnd > 0 {
            self.window.cwnd = self.window.cwnd.max(self.mss()); // one segment may always go
        }
    }

    pub(crate) fn mss(&self) -> u32 {
        u32::from(self.mss)
    }

    /// What we announced as our MSS, less options: the size of the peer's full segments.
    pub(crate) fn receive_mss(&self) -> u32 {
        let announced = u32::from(self.path.receive_mss(&self.tuple, self.settings.max_segment));
        let options = if self.ts.on { crate::pmtu::TIMESTAMP_OPTION } else { 0 };
        announced.saturating_sub(options).max(1)
    }

    /// Largest window that the path, the application and the stack's memory allow to offer.
    pub(crate) fn window_limit(&self) -> u32 {
        let clamp = self.settings.window_clamp;
        let clamp = if clamp == 0 { u32::MAX } else { clamp };
        self.path.window_limit(self.receive_mss()).min(clamp).min(self.window_of_level())
    }

    /// The window that our SYN offers.
    pub(crate) fn syn_window(&self) -> u16 {
        let mss = self.path.receive_mss(&self.tuple, self.settings.max_segment);
        self.settings.field_of_syn(self.rcv.buffer.min(self.window_limit()), u32::from(mss))
    }

    /// Shows the window to the probe.
    pub(crate) fn show_window(&self, env: &Env<'_, '_>) {
        let Window { cwnd, ssthresh } = self.window;
        env.emit(|| TcpEvent::Window { cwnd, ssthresh, pipe: self.pipe() });
    }

    /// Whether `seq` is something that we have sent and that is not acknowledged (R5927-4-a).
    pub(crate) fn is_in_flight(&self, seq: SeqNum) -> bool {
        self.snd.una.before_eq(seq) && seq.before(self.snd.nxt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        let total = size_of::<Connection>() + crate::tcp::SLOT;
        assert!(total <= 512, "{total} bytes, of them {} for the connection", size_of::<Connection>());
    }
}
