//! Text before the handshake is complete, as connections send and take it: RFC 7413 §4.2.
//!
//! A client's SYN carries its first text. What the peer's SYN-ACK does not acknowledge is sent again as if it had never
//! been sent, in order and without any sign of congestion; if the SYN has to go again, it goes alone. A listener's
//! connection is made by the SYN itself: it sends the SYN-ACK, and text behind it at once. Until the third ACK comes it counts
//! against the listener's queue, and if a reset comes instead, for a minute more (RFC 7413 §5.1: the SYN was forged).

use crate::connection::Connection;
use crate::env::Env;
use crate::fastopen::{Early, FastOpen, Worth};
use crate::options::syn_options_len;
use crate::pmtu::send_mss;
use crate::recovery::Recovery;
use crate::segment::Segment;
use crate::state::State;
use crate::syn_queue::HalfOpen;
use crate::tcp::{Socket, Tcp};
use crate::transmit::Outgoing;
use alloc::boxed::Box;
use core::net::SocketAddr;
use core::time::Duration;
use stack_core::{EndpointId, Error, RxPacket, TransportCx};
use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;
use stack_wire::tcp_options::FastOpenCookie;

/// How long a connection that was reset in its handshake counts against the queue. Linux: 60 s.
const PENALTY: Duration = Duration::from_secs(60);

impl Tcp {
    /// Connects it, and sends `data` in the SYN, if the peer has given us a cookie before (RFC 7413; `MSG_FASTOPEN`).
    /// Returns how many bytes were queued; writability tells when the connect is done. The peer may see the data twice,
    /// if a copy of the SYN outlives its memory: use it for what may be done twice (RFC 7413 §2.1).
    ///
    /// # Errors
    /// [`Error::ConnectStarted`] if nothing was queued, because there is no cookie: the SYN asks for one, and the data
    /// is for [`write`](Self::write). Otherwise those of [`connect`](Self::connect).
    pub fn connect_with_data(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        remote: SocketAddr,
        data: &[u8],
    ) -> Result<usize, Error> {
        match self.connect(cx, id, remote) {
            Err(Error::ConnectStarted) => {}
            result => return result.map(|()| 0),
        }
        let queued = self.with_connection(cx, id, |connection, env| {
            let goes_early = connection.try_fast_open(env) && !data.is_empty();
            if goes_early { connection.write(env, data) } else { Err(Error::ConnectStarted) }
        });
        queued.unwrap_or(Err(Error::UnknownEndpoint))
    }

    /// A SYN with text whose cookie is good becomes a connection at once. `false` if it has to go the usual way.
    pub(crate) fn open_early(
        &mut self,
        cx: &mut TransportCx<'_>,
        record: &HalfOpen,
        packet: &mut RxPacket,
        seg: &Segment,
    ) -> bool {
        let Some(Socket::Listener(listener)) = self.sockets.get_mut(record.listener) else { return false };
        if !listener.admits_early(cx.now) {
            self.shared.counters.fast_open_listen_overflow += 1;
            return false;
        }
        let settings = listener.settings.clone();
        let mut env = Env::new(record.listener, cx, &mut self.shared);
        let mut connection = Box::new(Connection::from_half_open(&mut env, record, settings));
        connection.refresh_path(&mut env);
        let Ok(id) = self.sockets.insert(Socket::Connection(connection)) else { return false };
        if cx.register(&record.tuple.identity(record.nic), id).is_err() {
            self.sockets.remove(id);
            return false;
        }
        let cookie = record.gives_cookie.then(|| self.shared.fast_open_cookie(cx, record.tuple.remote));
        self.shared.fast_open.begin(id, Early::Server { listener: record.listener, cookie });
        self.shared.counters.passive_opens += 1;
        self.shared.counters.fast_open_passive += 1;
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(record.listener) {
            listener.early += 1;
            listener.accepted.push_back(id);
            cx.wake(&mut listener.waker);
        }
        self.with_connection(cx, id, |connection, env| connection.serve_early(env, record, packet, seg));
        true
    }

    /// The handshake of a connection that was made by its SYN is over, one way or the other.
    pub(crate) fn end_early(&mut self, now: stack_core::Instant, id: EndpointId, was_reset: bool) {
        let Some(Early::Server { listener, .. }) = self.shared.fast_open.end(id) else { return };
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(listener) {
            listener.early = listener.early.saturating_sub(1);
            if was_reset {
                listener.forged.push_back(now + PENALTY);
            }
        }
    }

    /// What a SYN's Fast Open option is worth to a listener that has it on, and whether the SYN-ACK brings a cookie.
    pub(crate) fn judge_cookie(
        &mut self,
        cx: &mut TransportCx<'_>,
        packet: &RxPacket,
        seg: &Segment,
        on: bool,
    ) -> (bool, bool) {
        let Some(cookie) = seg.fast_open.filter(|_| on) else { return (false, false) };
        let counters = &mut self.shared.counters;
        if cookie.is_request() {
            counters.fast_open_cookie_reqd += 1;
            return (false, true);
        }
        match self.shared.check_fast_open_cookie(cx, packet.ip.src, &cookie) {
            Worth::Good => (true, false),
            Worth::Fading => (true, true),
            Worth::Bad => {
                self.shared.counters.fast_open_passive_fail += 1;
                (false, true)
            }
        }
    }
}

impl Connection {
    /// The SYN will bring a cookie, or ask for one. Returns whether it can carry text.
    fn try_fast_open(&mut self, env: &mut Env<'_, '_>) -> bool {
        let Some(early) = env.shared.fast_open.attempt(env.now, self.tuple.remote) else { return false };
        self.fast_open = FastOpen::Requested;
        env.shared.fast_open.begin(env.id, early);
        matches!(early, Early::Client { cookie, .. } if !cookie.is_request())
    }

    /// The option of a SYN, or of a SYN-ACK.
    pub(crate) fn fast_open_option(&self, env: &Env<'_, '_>, flags: Flags) -> Option<FastOpenCookie> {
        if !flags.syn() || self.fast_open == FastOpen::Off {
            return None;
        }
        match env.shared.fast_open.early(env.id)? {
            Early::Client { cookie, .. } => (self.recovery.timeouts == 0 && !flags.ack()).then_some(cookie),
            Early::Server { cookie, .. } => cookie,
        }
    }

    /// Octets of text that the SYN carries.
    pub(crate) fn text_of_syn(&self, env: &Env<'_, '_>) -> u32 {
        if self.fast_open == FastOpen::Off || self.state != State::SynSent || self.recovery.timeouts > 0 {
            return 0;
        }
        match env.shared.fast_open.early(env.id) {
            Some(Early::Client { cookie, mss }) if !cookie.is_request() => {
                let most = send_mss(self.send_mtu(), &self.tuple, mss, self.settings.max_segment, false);
                let options = syn_options_len(self.scaling, self.sack, self.ts.on, Some(cookie));
                self.snd.buffered().min(most.saturating_sub(options))
            }
            _ => 0,
        }
    }

    /// Text behind a SYN-ACK that is not acknowledged yet; once that has timed out, text waits.
    pub(crate) fn early_segment(&mut self) -> Option<Outgoing> {
        let may = self.fast_open == FastOpen::Serving && self.snd.nxt.after(self.snd.una);
        if !may || self.recovery.timeouts > 0 {
            return None;
        }
        let text = self.new_data().map(|text| Outgoing { flags: Flags::ACK, ..text });
        text.or_else(|| self.pure_ack())
    }

    /// The SYN-ACK has come, acknowledging up to `ack`: what it leaves out of the SYN's text was never sent.
    pub(crate) fn settle_text_of_syn(&mut self, env: &mut Env<'_, '_>, ack: SeqNum, seg: &Segment) {
        if self.fast_open == FastOpen::Off || self.fast_open == FastOpen::Serving {
            return;
        }
        env.shared.fast_open.end(env.id);
        let (now, remote) = (env.now, self.tuple.remote);
        if let Some(cookie) = seg.fast_open.filter(|cookie| !cookie.is_request()) {
            env.shared.fast_open.learn(now, remote, cookie, self.peer_mss);
        }
        if self.syn_was_lost {
            env.shared.fast_open.lost(now, remote);
            env.counters().fast_open_blackhole += 1;
            self.fast_open = FastOpen::Lost;
        } else if self.fast_open == FastOpen::Sent {
            let took = ack.after(self.snd.una + 1);
            env.shared.fast_open.arrived(now, remote);
            env.counters().fast_open_active += u64::from(took);
            env.counters().fast_open_active_fail += u64::from(!took);
            self.fast_open = if took { FastOpen::Accepted } else { FastOpen::Refused };
        }
        if self.snd.nxt.after(ack) {
            self.snd.nxt = ack;
        }
    }

    /// A SYN with text has made this connection: the SYN-ACK goes, and the text is there to be read.
    fn serve_early(
        &mut self,
        env: &mut Env<'_, '_>,
        record: &HalfOpen,
        packet: &mut RxPacket,
        seg: &Segment,
    ) {
        self.fast_open = FastOpen::Serving;
        self.snd.nxt = record.iss;
        self.syn_due = true;
        self.start_waiting(env);
        self.snd.set_window(seg.seq, record.iss, u32::from(seg.window));
        let segments = env.config().initial_window;
        self.window.cwnd = crate::congestion::initial_window(segments, self.mss(), false);
        self.recovery = Recovery::new(record.iss);
        let mut text = *seg;
        text.trim_front(1);
        text.truncate(u32::from(record.window));
        self.take_text_of_syn(env, &text, packet);
        self.rcv.edge = self.rcv.nxt + u32::from(record.window);
        self.mark_ready(env);
    }

    /// Retransmissions of its SYN, or of its SYN-ACK.
    pub(crate) fn syn_retries(&self, env: &Env<'_, '_>) -> u8 {
        if self.fast_open == FastOpen::Serving {
            env.config().syn_ack_retries
        } else {
            self.settings.syn_retries
        }
    }
}
