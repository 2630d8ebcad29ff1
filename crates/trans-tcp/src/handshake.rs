//! Passive open: from a SYN to a half-open record, and from there to a connection. RFC 9293 §3.5, §3.10.7.2.

use crate::config::Settings;
use crate::connection::Connection;
use crate::env::{Control, Env, answer_nic};
use crate::pmtu::{Path, default_mss};
use crate::segment::Segment;
use crate::sender::Sender;
use crate::state::State;
use crate::syn_queue::{HalfOpen, Judgement};
use crate::tcp::{Socket, Tcp};
use crate::timestamps::Timestamps;
use crate::tuple::{Tuple, can_be_peer};
use alloc::boxed::Box;
use alloc::sync::Arc;
use stack_core::{DropReason, EndpointId, Instant, RouteQuery, RxPacket, TransportCx};
use stack_wire::seq::SeqNum;

impl Tcp {
    /// A SYN for a listener: a record, and a SYN-ACK soon. `after` is the highest number that an earlier connection of
    /// this tuple used. ECN bits in the SYN are no obstacle.
    pub(crate) fn open_half(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &RxPacket,
        seg: &Segment,
        after: Option<SeqNum>,
    ) -> Result<(), DropReason> {
        let tuple = Tuple::of_packet(packet, seg.src_port, seg.dst_port);
        if !can_be_peer(tuple.remote) || tuple.remote_port == 0 {
            return Err(DropReason::MartianSource); // R9293-MUST-63
        }
        let secrets = self.shared.secrets(cx);
        let Some(Socket::Listener(listener)) = self.sockets.get_mut(id) else {
            return Err(DropReason::NoEndpoint);
        };
        if listener.is_full() {
            self.shared.counters.listen_overflows += 1;
            return Err(DropReason::BacklogFull);
        }
        if listener.half_open > listener.backlog {
            self.shared.counters.req_q_full_drop += 1;
            return Err(DropReason::BacklogFull);
        }
        let nic = listener.nic.or(answer_nic(packet));
        let query = RouteQuery { nic, local: Some(tuple.local), remote: tuple.remote };
        let route = cx.host.route(&query).map_err(|_| DropReason::NoRoute)?;
        let limit = Path::new(&route).window_limit(u32::from(default_mss(&tuple)));
        let isn = secrets.isn(&tuple, cx.now);
        let config = &self.shared.config;
        let record = HalfOpen {
            tuple,
            peer_mss: seg.mss.unwrap_or_else(|| default_mss(&tuple)), // R9293-MUST-15
            nic,
            listener: id,
            iss: after.map_or(isn, |after| isn.max(after + 0x1_0000)),
            irs: seg.seq,
            ts_recent: seg.timestamps.filter(|_| config.timestamps).map(|(tsval, _)| tsval),
            sent_at: cx.now,
            window: listener.settings.receive_buffer.min(limit).min(0xffff) as u16,
            shift: seg.window_scale.filter(|_| config.window_scaling).map(|shift| shift.min(14)),
            retries: 0,
            sack: seg.sack_permitted && config.sack,
            queued: true,
        };
        let half = self.half_open.insert(record).map_err(|_| DropReason::BacklogFull)?;
        if cx.register(&tuple.identity(nic), half).is_err() {
            self.half_open.remove(half);
            return Err(DropReason::NoEndpoint);
        }
        listener.half_open += 1;
        cx.arm(half, record.deadline(&self.shared));
        self.shared.push_control(Control::SynAck(half));
        Ok(())
    }

    /// A segment for a half-open peer.
    pub(crate) fn receive_half_open(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let record = *self.half_open.get(id).ok_or(DropReason::NoEndpoint)?;
        match record.judge(cx.now, seg) {
            Judgement::Drop(reason) => Err(reason),
            Judgement::Ack(reason) => {
                self.challenge_half_open(cx, &record);
                Err(reason)
            }
            Judgement::Reset(reason) => {
                self.shared.reset_stray(record.tuple, record.nic, seg, 0);
                Err(reason)
            }
            Judgement::Again => {
                if record.may_repeat(cx.now) {
                    self.queue_syn_ack(id);
                }
                Err(DropReason::TcpDuplicate)
            }
            Judgement::Remove => {
                self.shared.counters.attempt_fails += 1;
                self.remove_half_open(cx, id);
                Ok(())
            }
            Judgement::Complete => self.complete(cx, id, &record, packet, seg),
        }
    }

    fn challenge_half_open(&mut self, cx: &mut TransportCx<'_>, record: &HalfOpen) {
        let offset = self.shared.secrets(cx).timestamp_offset(&record.tuple);
        let shared = &mut self.shared;
        if shared.challenges.take(cx.now, &shared.config, || cx.host.random()) {
            shared.counters.challenge_ack += 1;
            shared.push_control(Control::Reply(record.ack(cx.now, offset, 0)));
        } else {
            shared.counters.ack_skipped += 1;
        }
    }

    /// The third ACK: the record becomes a connection, and the segment is its first. Data in it is not lost.
    fn complete(
        &mut self,
        cx: &mut TransportCx<'_>,
        half: EndpointId,
        record: &HalfOpen,
        packet: &mut RxPacket,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Some(Socket::Listener(listener)) = self.sockets.get(record.listener) else {
            self.remove_half_open(cx, half);
            return Err(DropReason::NoEndpoint);
        };
        if listener.is_full() {
            self.shared.counters.listen_overflows += 1;
            return Err(DropReason::BacklogFull);
        }
        let settings = listener.settings.clone();
        let mut connection = {
            let mut env = Env::new(half, cx, &mut self.shared);
            Box::new(Connection::from_half_open(&mut env, record, settings))
        };
        connection.refresh_path(&mut Env::new(half, cx, &mut self.shared));
        let socket = Socket::Connection(connection);
        let id = self.sockets.insert(socket).map_err(|_| DropReason::BacklogFull)?;
        cx.replace(&record.tuple.identity(record.nic), half, id);
        self.half_open.remove(half);
        cx.arm(half, Instant::FAR_FUTURE);
        self.shared.counters.passive_opens += 1;
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(record.listener) {
            listener.half_open -= 1;
            listener.accepted.push_back(id);
            cx.wake(&mut listener.waker);
        }
        self.with_connection(cx, id, |connection, env| connection.receive(env, packet, seg))
            .unwrap_or(Err(DropReason::NoEndpoint))
    }

    /// Forgets a half-open peer.
    pub(crate) fn remove_half_open(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(record) = self.half_open.remove(id) else { return };
        cx.unregister(&record.tuple.identity(record.nic), id);
        cx.arm(id, Instant::FAR_FUTURE);
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(record.listener) {
            listener.half_open -= 1;
        }
    }

    /// The SYN-ACK was not answered in time.
    pub(crate) fn half_open_timeout(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(record) = self.half_open.get_mut(id) else { return };
        let deadline = record.deadline(&self.shared);
        if deadline > cx.now {
            return cx.arm(id, deadline);
        }
        if record.retries >= self.shared.config.syn_ack_retries {
            self.shared.counters.attempt_fails += 1;
            return self.remove_half_open(cx, id);
        }
        record.retries += 1;
        record.sent_at = cx.now;
        let deadline = record.deadline(&self.shared);
        cx.arm(id, deadline);
        self.queue_syn_ack(id);
    }

    fn queue_syn_ack(&mut self, id: EndpointId) {
        let Some(record) = self.half_open.get_mut(id) else { return };
        if !core::mem::replace(&mut record.queued, true) && !self.shared.push_control(Control::SynAck(id)) {
            record.queued = false;
        }
    }
}

impl Connection {
    /// A record whose handshake is about to be completed, as a connection in SYN-RECEIVED.
    fn from_half_open(env: &mut Env<'_, '_>, record: &HalfOpen, settings: Arc<Settings>) -> Self {
        let mut connection = Self::new(env, record.tuple, record.nic, settings);
        let offset = env.shared.secrets(env.cx).timestamp_offset(&record.tuple);
        connection.state = State::SynReceived;
        connection.registered = true;
        connection.snd = Sender::new(record.iss);
        connection.snd.nxt = record.iss + 1;
        connection.recovery = crate::recovery::Recovery::new(record.iss);
        connection.peer_mss = record.peer_mss;
        connection.sack = record.sack;
        connection.scaling = record.shift.is_some();
        connection.snd.scale = record.shift.unwrap_or(0);
        if !connection.scaling {
            connection.rcv.scale = 0;
        }
        connection.rcv.opened(record.irs, u32::from(record.window));
        connection.ts = Timestamps::new(record.ts_recent.is_some(), offset);
        connection.ts.start(record.ts_recent.unwrap_or(0), env.now);
        connection.syn_was_lost = record.retries > 0;
        connection.last_sent = record.sent_at;
        connection
    }
}
