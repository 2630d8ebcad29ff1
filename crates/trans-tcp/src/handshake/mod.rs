//! Passive open: from a SYN to a half-open record, and from there to a connection. RFC 9293 §3.5, §3.10.7.2.

mod cookie;
mod established;

use crate::connection::Connection;
use crate::ecn::OpeningEcn;
use crate::env::{Control, Env, answer_nic};
use crate::pmtu::{Path, TIMESTAMP_OPTION, default_mss};
use crate::segment::Segment;
use crate::settings::Settings;
use crate::syn_cookie::SynCookies;
use crate::syn_queue::{HalfOpen, Judgement};
use crate::tcp::{Socket, Tcp};
use crate::tuple::{Tuple, can_be_peer};
use alloc::boxed::Box;
use stack_core::{DropReason, EndpointId, Instant, RouteQuery, RxPacket, TransportCx};
use stack_wire::seq::SeqNum;

impl Tcp {
    /// A SYN for a listener: a record, and a SYN-ACK soon; or a cookie, or, with text and a Fast Open cookie, a
    /// connection. `after` is the highest number that an earlier connection of this tuple used.
    pub(crate) fn open_half(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
        seg: &Segment,
        after: Option<SeqNum>,
    ) -> Result<(), DropReason> {
        let Some(Socket::Listener(listener)) = self.sockets.get(id) else {
            return Err(DropReason::NoEndpoint);
        };
        if listener.is_full() {
            self.shared.counters.listen_overflows += 1;
            return Err(DropReason::BacklogFull);
        }
        let is_crowded = listener.half_open > listener.backlog || self.half_open.is_full();
        let fast_open = listener.settings.fast_open > 0;
        let mut record = self.record_of_syn(cx, id, packet, seg)?;
        if let Some(after) = after {
            record.iss = record.iss.max(after + 0x1_0000);
        }
        let cookies = self.shared.config.syn_cookies;
        let by_cookie = cookies == SynCookies::Always || is_crowded && cookies == SynCookies::WhenFull;
        if by_cookie && after.is_none() {
            self.send_cookie(cx, record, seg);
            return Ok(());
        }
        if is_crowded {
            self.shared.counters.req_q_full_drop += 1;
            return Err(DropReason::BacklogFull);
        }
        let (is_known, gives_cookie) = self.judge_cookie(cx, packet, seg, fast_open);
        record.gives_cookie = gives_cookie;
        if is_known && seg.len > 0 && self.open_early(cx, &record, packet, seg) {
            return Ok(());
        }
        self.keep_half_open(cx, record)
    }

    /// What is to be remembered of a SYN.
    pub(crate) fn record_of_syn(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &RxPacket,
        seg: &Segment,
    ) -> Result<HalfOpen, DropReason> {
        let tuple = Tuple::of_packet(packet, seg.src_port, seg.dst_port);
        if !can_be_peer(tuple.remote) || tuple.remote_port == 0 {
            return Err(DropReason::MartianSource); // R9293-MUST-63
        }
        let secrets = self.shared.secrets(cx);
        let (settings, nic) = match self.sockets.get(id) {
            Some(Socket::Listener(listener)) => (&listener.settings, listener.nic),
            Some(Socket::Forwarder(forwarder)) => (&forwarder.settings, forwarder.config.nic),
            _ => return Err(DropReason::NoEndpoint),
        };
        let nic = nic.or(answer_nic(packet));
        let query = RouteQuery { nic, local: Some(tuple.local), remote: tuple.remote };
        let route = cx.host.route(&query).map_err(|_| DropReason::NoRoute)?;
        let config = &self.shared.config;
        let path = Path::new(&route);
        let limit = path.window_limit(u32::from(default_mss(&tuple)));
        let has_timestamps = seg.timestamps.is_some() && config.timestamps;
        let options = if has_timestamps { TIMESTAMP_OPTION } else { 0 };
        let mss = u32::from(path.receive_mss(&tuple, settings.max_segment)).saturating_sub(options);
        Ok(HalfOpen {
            tuple,
            peer_mss: seg.mss.unwrap_or_else(|| default_mss(&tuple)), // R9293-MUST-15
            nic,
            listener: id,
            iss: secrets.isn(&tuple, cx.now),
            irs: seg.seq,
            ts_recent: seg.timestamps.filter(|_| config.timestamps).map(|(tsval, _)| tsval),
            waits_since: cx.now,
            window: settings.syn_window(limit, mss),
            shift: seg.window_scale.filter(|_| config.window_scaling).map(|shift| shift.min(14)),
            retries: 0,
            sack: seg.sack_permitted && config.sack,
            queued: true,
            held: false,
            acked: false,
            resent: false,
            gives_cookie: false,
            ecn: OpeningEcn::of_syn(settings.ecn.accepts, seg),
        })
    }

    fn keep_half_open(&mut self, cx: &mut TransportCx<'_>, record: HalfOpen) -> Result<(), DropReason> {
        let half = self.half_open.insert(record).map_err(|_| DropReason::BacklogFull)?;
        if cx.register(&record.tuple.identity(record.nic), half).is_err() {
            self.half_open.remove(half);
            return Err(DropReason::NoEndpoint);
        }
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(record.listener) {
            listener.half_open += 1;
        }
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
            Judgement::Again if !self.note_syn_again(id, seg) => {
                self.shared.push_control(Control::Reply(record.reset(cx.now)));
                self.remove_half_open(cx, id);
                Err(DropReason::TcpUnexpectedSyn)
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
            Judgement::Complete if self.defers(id, &record, seg) => Err(DropReason::TcpDeferred),
            Judgement::Complete => self.complete(cx, Some(id), &record, packet, seg),
        }
    }

    /// The SYN came again. `false` if it contradicts the first.
    fn note_syn_again(&mut self, id: EndpointId, seg: &Segment) -> bool {
        let Some(record) = self.half_open.get(id) else { return true };
        let accepts =
            self.listener_settings(record.listener).map_or_else(Default::default, |it| it.ecn.accepts);
        self.half_open.get_mut(id).is_none_or(|record| record.ecn.on_syn_again(accepts, seg))
    }

    /// Whether an ACK is not enough, because the listener waits for data; notes that it came.
    fn defers(&mut self, id: EndpointId, record: &HalfOpen, seg: &Segment) -> bool {
        let defer = self.listener_settings(record.listener).map_or(0, |settings| settings.defer_accept);
        let defers = seg.len == 0 && !seg.flags.fin() && record.retries < defer;
        if let Some(record) = self.half_open.get_mut(id).filter(|_| defers) {
            record.acked = true;
            self.shared.counters.defer_accept_drop += 1;
        }
        defers
    }

    fn listener_settings(&self, listener: EndpointId) -> Option<&Settings> {
        match self.sockets.get(listener)? {
            Socket::Listener(listener) => Some(&listener.settings),
            _ => None,
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

    /// The third ACK: the record becomes a connection, and the segment is its first. Data in it is not lost. `half` is
    /// `None` if the record comes out of a cookie.
    pub(crate) fn complete(
        &mut self,
        cx: &mut TransportCx<'_>,
        half: Option<EndpointId>,
        record: &HalfOpen,
        packet: &mut RxPacket,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        let Some(Socket::Listener(listener)) = self.sockets.get(record.listener) else {
            half.into_iter().for_each(|half| self.remove_half_open(cx, half));
            return Err(DropReason::NoEndpoint);
        };
        if listener.is_full() {
            self.shared.counters.listen_overflows += 1;
            return Err(DropReason::BacklogFull);
        }
        let settings = listener.settings.clone();
        let mut env = Env::new(half.unwrap_or(record.listener), cx, &mut self.shared);
        let mut connection = Box::new(Connection::from_half_open(&mut env, record, settings));
        connection.refresh_path(&mut env);
        let socket = Socket::Connection(connection);
        let id = self.sockets.insert(socket).map_err(|_| DropReason::BacklogFull)?;
        let identity = record.tuple.identity(record.nic);
        if let Some(half) = half {
            cx.replace(&identity, half, id);
            self.half_open.remove(half);
            cx.arm(half, Instant::FAR_FUTURE);
        } else if cx.register(&identity, id).is_err() {
            self.sockets.remove(id);
            return Err(DropReason::NoEndpoint);
        }
        self.shared.counters.passive_opens += 1;
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(record.listener) {
            listener.half_open -= usize::from(half.is_some());
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
        match self.sockets.get_mut(record.listener) {
            Some(Socket::Listener(listener)) => listener.half_open -= 1,
            Some(Socket::Forwarder(forwarder)) => forwarder.settle(id, record.tuple.remote),
            _ => {}
        }
    }

    /// The SYN-ACK was not answered in time.
    pub(crate) fn half_open_timeout(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(&record) = self.half_open.get(id) else { return };
        if record.held {
            return self.request_timeout(cx, id, &record);
        }
        let deadline = record.deadline(&self.shared);
        if deadline > cx.now {
            return cx.arm(id, deadline);
        }
        let listener = record.listener;
        let defer = self.listener_settings(listener).map_or(0, |settings| settings.defer_accept);
        let Some(record) = self.half_open.get_mut(id) else { return };
        if record.retries >= self.shared.config.syn_ack_retries.max(defer) {
            self.shared.counters.attempt_fails += 1;
            return self.remove_half_open(cx, id);
        }
        record.retries += 1;
        record.waits_since = cx.now;
        let deadline = record.deadline(&self.shared);
        let repeats = record.repeats(defer);
        record.resent |= repeats && !record.acked;
        cx.arm(id, deadline);
        if repeats {
            self.queue_syn_ack(id);
        }
    }

    fn queue_syn_ack(&mut self, id: EndpointId) {
        let Some(record) = self.half_open.get_mut(id) else { return };
        if !core::mem::replace(&mut record.queued, true) && !self.shared.push_control(Control::SynAck(id)) {
            record.queued = false;
        }
    }
}
