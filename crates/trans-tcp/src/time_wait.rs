//! TIME-WAIT: what is left of a connection for a minute, so that its old segments and the peer's lost FIN find an
//! answer. RFC 9293 §3.10.7.4 and §3.6.1 (R9293-MUST-13), RFC 1337, RFC 6191.

use crate::config::{TcpConfig, millis};
use crate::connection::Connection;
use crate::env::{Control, Reply};
use crate::reservation::Reservation;
use crate::segment::Segment;
use crate::tcp::Tcp;
use crate::timestamps::{Timestamps, clock};
use crate::tuple::Tuple;
use core::time::Duration;
use stack_core::{DropReason, EndpointId, Instant, NicId, RxPacket, TransportCx};
use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;

/// A record of at most 64 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    pub(crate) tuple: Tuple,
    window: u16,
    pub(crate) snd_nxt: SeqNum,
    rcv_nxt: SeqNum,
    ts_recent: u32,
    /// Milliseconds of the clock's origin.
    since: u32,
    /// The interface's number plus one; 0 if it was bound to none.
    nic: u32,
    pub(crate) reservation: Option<Reservation>,
    timestamps: bool,
}

/// What a record makes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judgement {
    /// Dropped in silence.
    Drop(DropReason),
    /// Answered with an ACK; the second says whether the minute begins anew.
    Ack(DropReason, bool),
    /// A reset that counts.
    Remove,
    /// A SYN that may open the connection again.
    Reopen,
}

impl TimeWait {
    /// The record of a connection that has just ended.
    pub(crate) fn of(connection: &Connection, now: Instant) -> Self {
        let window = connection.rcv.wnd() >> connection.rcv.scale;
        Self {
            tuple: connection.tuple,
            window: window.min(0xffff) as u16,
            snd_nxt: connection.snd.nxt,
            rcv_nxt: connection.rcv.nxt,
            ts_recent: connection.ts.recent(),
            since: now.as_millis() as u32,
            nic: connection.nic.map_or(0, |nic| nic.0.saturating_add(1)),
            reservation: connection.reservation.filter(|_| !connection.settings.reuse_address),
            timestamps: connection.ts.on,
        }
    }

    /// The interface that the connection was bound to.
    pub(crate) fn nic(&self) -> Option<NicId> {
        self.nic.checked_sub(1).map(NicId)
    }

    /// Whether its time is over, and if not, how long it still has.
    pub(crate) fn remaining(&self, now: Instant, config: &TcpConfig) -> Duration {
        let age = (now.as_millis() as u32).wrapping_sub(self.since);
        Duration::from_millis(u64::from(millis(config.time_wait).saturating_sub(age)))
    }

    /// The minute begins anew: R9293-3.10.7.4-c.
    pub(crate) fn restart(&mut self, now: Instant) {
        self.since = now.as_millis() as u32;
    }

    /// The checks of RFC 9293 §3.10.7.4 for this state.
    pub(crate) fn judge(&self, now: Instant, seg: &Segment, config: &TcpConfig) -> Judgement {
        if seg.flags.rst() {
            // R1337-a: a reset here is the answer to an old duplicate, and must not take the record away.
            let counts = config.reset_ends_time_wait && seg.seq == self.rcv_nxt;
            return if counts { Judgement::Remove } else { Judgement::Drop(DropReason::TcpTimeWait) };
        }
        if seg.flags.syn() && !seg.flags.ack() {
            let may = self.may_reopen(now, seg);
            return if may { Judgement::Reopen } else { Judgement::Ack(DropReason::TcpTimeWait, false) };
        }
        let in_order = seg.seq == self.rcv_nxt && seg.sequence_len() == 0;
        if in_order && seg.flags.ack() && !self.is_old(now, seg) {
            return Judgement::Drop(DropReason::TcpTimeWait);
        }
        let is_last_fin = seg.flags.fin() && seg.text_end() + 1 == self.rcv_nxt;
        Judgement::Ack(DropReason::TcpTimeWait, is_last_fin)
    }

    /// R9293-MAY-2, R9293-SHLD-4, R6191-2-a: the SYN is certainly new, by its timestamp or by its number.
    fn may_reopen(&self, now: Instant, seg: &Segment) -> bool {
        match seg.timestamps.filter(|_| self.timestamps) {
            Some((tsval, _)) if tsval != self.ts_recent => !self.is_old(now, seg),
            _ => seg.seq.after_eq(self.rcv_nxt),
        }
    }

    fn is_old(&self, now: Instant, seg: &Segment) -> bool {
        let Some((tsval, _)) = seg.timestamps.filter(|_| self.timestamps) else { return false };
        let mut ts = Timestamps::new(true, 0);
        ts.start(self.ts_recent, now);
        ts.is_old(tsval, now)
    }

    /// The ACK that it answers with.
    pub(crate) fn ack(&self, now: Instant, offset: u32) -> Reply {
        Reply {
            tuple: self.tuple,
            nic: self.nic(),
            seq: self.snd_nxt,
            ack: self.rcv_nxt,
            flags: Flags::ACK,
            window: self.window,
            timestamps: self.timestamps.then(|| (clock(now, offset), self.ts_recent)),
            mark: 0,
        }
    }
}

impl Tcp {
    /// A segment for a connection that is in TIME-WAIT.
    pub(crate) fn receive_time_wait(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &mut RxPacket,
        seg: &Segment,
    ) -> Result<(), DropReason> {
        let record = self.time_wait.get_mut(id).ok_or(DropReason::NoEndpoint)?;
        match record.judge(cx.now, seg, &self.shared.config) {
            Judgement::Drop(reason) => Err(reason),
            Judgement::Ack(reason, restart) => {
                if restart {
                    record.restart(cx.now);
                }
                self.acknowledge_time_wait(cx, id);
                Err(reason)
            }
            Judgement::Remove => {
                self.remove_time_wait(cx, id);
                Ok(())
            }
            Judgement::Reopen => self.reopen(cx, id, packet, seg).inspect_err(|&reason| {
                if reason == DropReason::TcpTimeWait {
                    self.acknowledge_time_wait(cx, id);
                }
            }),
        }
    }

    /// Says once more where the connection ended.
    pub(crate) fn acknowledge_time_wait(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(record) = self.time_wait.get(id) else { return };
        let offset = self.shared.secrets(cx).timestamp_offset(&record.tuple);
        let reply = record.ack(cx.now, offset);
        self.shared.push_control(Control::Reply(reply));
    }

    /// Forgets a TIME-WAIT record.
    pub(crate) fn remove_time_wait(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(record) = self.time_wait.remove(id) else { return };
        cx.unregister(&record.tuple.identity(record.nic()), id);
        cx.arm(id, Instant::FAR_FUTURE);
        if let Some(reservation) = record.reservation {
            reservation.release_tuple(cx, &record.tuple, record.nic());
        }
    }

    /// The minute may be over.
    pub(crate) fn time_wait_timeout(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        let Some(record) = self.time_wait.get(id) else { return };
        let remaining = record.remaining(cx.now, &self.shared.config);
        if remaining.is_zero() {
            self.remove_time_wait(cx, id);
        } else {
            cx.arm(id, cx.now + remaining);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Option<TimeWait>>() <= 64, "{} bytes", size_of::<Option<TimeWait>>());
    }
}
