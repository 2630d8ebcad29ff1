//! The application's side of a connection: write, read, shut down, close. RFC 9293 §3.10.2 to §3.10.5.

use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::fastopen::FastOpen;
use crate::memory::Level;
use crate::state::{Event, State};
use crate::timers::Timer;
use bytes::Bytes;
use core::time::Duration;
use stack_core::{Error, Readiness};
use stack_packet::Rope;

impl Connection {
    /// Queues a copy of as much as there is room for. Before the handshake is over, too.
    pub(crate) fn write(&mut self, env: &mut Env<'_, '_>, bytes: &[u8]) -> Result<usize, Error> {
        let room = self.room_to_write()?;
        let len = room.min(bytes.len());
        if len > 0 {
            let rope = self.snd.buffer.get_or_insert_with(|| env.shared.rope());
            rope.write(bytes.get(..len).unwrap_or(bytes));
            self.mark_ready(env);
        }
        if len == 0 && !bytes.is_empty() { Err(Error::WouldBlock) } else { Ok(len) }
    }

    /// Queues as much of `bytes` by reference as there is room for, and leaves the rest in it.
    pub(crate) fn write_bytes(&mut self, env: &mut Env<'_, '_>, bytes: &mut Bytes) -> Result<usize, Error> {
        let room = self.room_to_write()?;
        if bytes.is_empty() {
            return Ok(0);
        }
        if room == 0 {
            return Err(Error::WouldBlock);
        }
        let piece = if bytes.len() <= room { core::mem::take(bytes) } else { bytes.split_to(room) };
        let len = piece.len();
        self.snd.push(|| env.shared.rope(), piece);
        self.mark_ready(env);
        Ok(len)
    }

    /// Queues bytes as [`write`](Self::write) does and points the peer's urgent pointer behind them (R9293-MUST-30).
    pub(crate) fn write_urgent(&mut self, env: &mut Env<'_, '_>, bytes: &[u8]) -> Result<usize, Error> {
        let len = self.write(env, bytes)?;
        if len > 0 {
            self.snd.mark_urgent();
        }
        Ok(len)
    }

    fn room_to_write(&mut self) -> Result<usize, Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if !self.state.accepts_writes() || self.snd.has_fin() {
            return Err(Error::ClosedForSend);
        }
        let of_buffer = self.send_limit().saturating_sub(self.snd.buffered());
        let of_unsent = self.settings.not_sent_lowat.saturating_sub(self.snd.unsent());
        let room = of_buffer.min(of_unsent);
        self.wants_room = room == 0;
        Ok(room as usize)
    }

    /// Half of the send buffer is free, and of what may stay unsent: worth waking a writer for.
    pub(crate) fn has_room(&self) -> bool {
        self.snd.buffered() <= self.send_limit() / 2 && self.snd.unsent() <= self.settings.not_sent_lowat / 2
    }

    /// Wakes the writer if there is room for it.
    pub(crate) fn wake_writer(&mut self, env: &mut Env<'_, '_>) {
        if (self.wants_room || self.write_waker.is_some()) && self.has_room() {
            self.wants_room = false;
            env.cx.wake(&mut self.write_waker);
        }
    }

    /// Enough has arrived for a reader: `SO_RCVLOWAT`, but never more than half of the buffer, or a stream would stand
    /// still.
    fn has_text(&self) -> bool {
        let enough = self.settings.receive_lowat.min(self.rcv.buffer / 2);
        let enough = if self.level == Level::Plenty { enough } else { 1 };
        self.rcv.readable() >= enough.max(1) as usize
    }

    /// Wakes the reader if enough has arrived for it.
    pub(crate) fn wake_reader(&mut self, env: &mut Env<'_, '_>) {
        if self.has_text() {
            env.cx.wake(&mut self.read_waker);
        }
    }

    /// Copies what has arrived; 0 at the end of the stream.
    pub(crate) fn read(&mut self, env: &mut Env<'_, '_>, buffer: &mut [u8]) -> Result<usize, Error> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let len = self.rcv.read(buffer);
        if len == 0 {
            return self.nothing_to_read();
        }
        self.after_read(env);
        Ok(len)
    }

    /// Takes what has arrived, one piece by reference; empty at the end of the stream.
    pub(crate) fn read_bytes(&mut self, env: &mut Env<'_, '_>, max: usize) -> Result<Bytes, Error> {
        if max == 0 {
            return Ok(Bytes::new());
        }
        let Some(piece) = self.rcv.read_bytes(max) else {
            return self.nothing_to_read().map(|_| Bytes::new());
        };
        self.after_read(env);
        Ok(piece)
    }

    /// Takes what has arrived, by reference; empty at the end of the stream.
    pub(crate) fn read_rope(&mut self, env: &mut Env<'_, '_>, max: usize) -> Result<Rope, Error> {
        if max == 0 {
            return Ok(Rope::new());
        }
        let Some(rope) = self.rcv.read_rope(max) else {
            return self.nothing_to_read().map(|_| Rope::new());
        };
        self.after_read(env);
        Ok(rope)
    }

    /// Copies what has arrived and leaves it there.
    pub(crate) fn peek(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        match self.rcv.queue().map_or(0, |queue| queue.peek(0, buffer)) {
            0 if !buffer.is_empty() => self.nothing_to_read(),
            len => Ok(len),
        }
    }

    fn nothing_to_read(&mut self) -> Result<usize, Error> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let at_end = self.state.peer_is_done() || self.state == State::Closed || self.rcv.discard;
        if at_end { Ok(0) } else { Err(Error::WouldBlock) }
    }

    fn after_read(&mut self, env: &mut Env<'_, '_>) {
        self.right_size(env.now);
        if let Some(rope) = self.rcv.take_empty_queue() {
            env.shared.give_rope(rope);
        }
        if self.state.receives_data() && self.rcv.update_is_due(self.window_limit(), self.receive_mss()) {
            self.acks.at_once();
            self.mark_ready(env);
        }
    }

    /// Gives the memory of an empty send buffer to others.
    pub(crate) fn release_send_buffer(&mut self, env: &mut Env<'_, '_>) {
        if let Some(rope) = self.snd.buffer.take_if(|rope| rope.is_empty()) {
            env.shared.give_rope(rope);
        }
    }

    /// The application writes no more: a FIN goes behind what is queued (R9293-MAY-1 is the other half).
    pub(crate) fn shutdown_write(&mut self, env: &mut Env<'_, '_>) {
        if self.snd.has_fin() || !self.state.accepts_writes() {
            return;
        }
        self.snd.queue_fin();
        if !self.state.is_opening() {
            self.event(env, Event::Shutdown);
        }
        env.cx.wake(&mut self.write_waker);
        self.mark_ready(env);
    }

    /// The application reads no more: what comes is acknowledged and dropped.
    pub(crate) fn shutdown_read(&mut self, env: &mut Env<'_, '_>) {
        self.rcv.shut();
        env.cx.wake(&mut self.read_waker);
    }

    /// The application gives its handle up. The connection ends in its own time, unless data would be lost unseen
    /// (R9293-SHLD-3, R2525-2.17-a) or the application wants no lingering.
    pub(crate) fn give_up(&mut self, env: &mut Env<'_, '_>) {
        self.orphan = true;
        (self.read_waker, self.write_waker) = (None, None);
        match self.state {
            State::Closed | State::TimeWait | State::Listen => {}
            State::SynSent => self.close(env, CloseReason::Aborted),
            _ if self.rcv.readable() > 0 => {
                env.counters().abort_on_close += 1;
                self.abort(env, CloseReason::Aborted);
            }
            _ if self.settings.linger == Some(0) => {
                env.counters().abort_on_linger += 1;
                self.abort(env, CloseReason::Aborted);
            }
            _ => {
                self.shutdown_write(env);
                if let Some(linger) = self.settings.linger {
                    let deadline = env.now + Duration::from_millis(u64::from(linger));
                    self.timers.set(Timer::Close, deadline);
                }
                if self.state == State::FinWait2 {
                    self.start_fin_wait_2(env);
                }
            }
        }
    }

    /// Our FIN is acknowledged; if nobody holds the handle, the peer has only so long to send its own.
    pub(crate) fn start_fin_wait_2(&mut self, env: &mut Env<'_, '_>) {
        if !self.orphan {
            return;
        }
        if self.settings.fin_wait_2 == 0 {
            env.counters().abort_on_linger += 1;
            return self.abort(env, CloseReason::Aborted);
        }
        let wait = Duration::from_millis(u64::from(self.settings.fin_wait_2));
        self.timers.set(Timer::Close, env.now + wait);
    }

    /// Time is up for a closed socket.
    pub(crate) fn on_close_timeout(&mut self, env: &mut Env<'_, '_>) {
        if self.state == State::FinWait2 {
            return self.close(env, CloseReason::Normal);
        }
        env.counters().abort_on_linger += 1;
        self.abort(env, CloseReason::Aborted);
    }

    /// What the application can do now.
    pub(crate) fn readiness(&self) -> Readiness {
        let opening = self.state.is_opening();
        let write_closed = !self.state.accepts_writes() || self.snd.has_fin();
        let read_closed = self.state.peer_is_done() || self.state == State::Closed || self.rcv.discard;
        let error = self.error.is_some();
        Readiness {
            readable: self.has_text() || read_closed || error,
            writable: (!opening || self.fast_open == FastOpen::Serving) && (write_closed || self.has_room())
                || error,
            read_closed,
            write_closed,
            urgent: self.rcv.urgent_ahead().is_some(),
            error,
        }
    }

    /// Deadlines that have passed.
    pub(crate) fn handle_timeout(&mut self, env: &mut Env<'_, '_>) {
        self.timers.fired();
        while let Some(timer) = self.timers.expired(env.now) {
            match timer {
                Timer::Retransmit => self.on_retransmission_timeout(env),
                Timer::Reordering => self.on_reordering_timeout(env),
                Timer::LossProbe => self.on_probe_timeout(),
                Timer::Pace => self.on_pace_timeout(),
                Timer::Persist => self.on_persist_timeout(env),
                Timer::DelayedAck => {
                    env.counters().delayed_acks += 1;
                    self.acks.at_once();
                }
                Timer::KeepAlive => self.on_keep_alive_timeout(env),
                Timer::User => self.on_user_timeout(env),
                Timer::Close | Timer::Cork if !self.orphan => self.on_cork_timeout(),
                Timer::Close | Timer::Cork => self.on_close_timeout(env),
            }
        }
        self.mark_ready(env);
    }
}
