//! A segment that is to be sent: built in the batch where it will lie, and what follows from it for the connection.
//!
//! PSH, URG and the ACK's bookkeeping are decided here and nowhere else.

use crate::connection::Connection;
use crate::delayed_ack::Owed;
use crate::ecn::Stamp;
use crate::env::Env;
use crate::event::{Cause, TcpEvent};
use crate::options::Header;
use crate::persist::Persist;
use crate::timers::Timer;
use crate::transmit::{Outgoing, Sending};
use stack_core::TxBatch;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{Flags, MAX_OPTIONS_LEN};

impl Connection {
    /// Builds the segment. `false` if the packet could not be built.
    pub(crate) fn emit(&mut self, env: &mut Env<'_, '_>, out: &mut TxBatch, next: Outgoing) -> bool {
        let mss = if next.kind == Sending::MtuProbe { next.len } else { self.mss() };
        let packet = out.slot();
        let text = next.seq + u32::from(next.flags.syn());
        let len = self.snd.fill(text, next.len, mss, packet);
        let mut flags = next.flags;
        if len < next.len {
            flags = flags & !Flags::FIN;
        }
        let end = text + len;
        if len > 0 && !flags.syn() && (end == self.snd.text_end() || self.fills_window(&next, len)) {
            flags |= Flags::PSH; // R9293-MUST-61, R9293-SHLD-27
        }
        let urgent = self.snd.urgent_pointer(next.seq).filter(|_| !flags.syn());
        if urgent.is_some() {
            flags |= Flags::URG;
        }
        let was_closed = self.rcv.offers_nothing();
        let stamp = self.stamp_of(&next, len, flags);
        let room = if len == 0 { MAX_OPTIONS_LEN as u32 } else { mss.saturating_sub(len) };
        let header = Header {
            seq: next.seq,
            flags: flags | stamp.flags,
            urgent: urgent.unwrap_or(0),
            room,
            fast_open: self.fast_open_option(env, flags),
        };
        if len == 0 && next.len > 0 || !self.write_header(env.now, header, packet) {
            out.cancel();
            return false;
        }
        packet.ip.traffic_class |= stamp.codepoint.bits();
        if len > mss && !flags.syn() {
            packet.gso_size = self.mss;
            packet.gso_keeps_cwr = stamp.is_accurate;
        }
        self.credit = self.credit.saturating_sub(packet.len() as i32);
        self.sent(env, &next, len, flags);
        let is_closed = self.rcv.offers_nothing();
        env.counters().to_zero_window_adv += u64::from(is_closed && !was_closed);
        env.counters().from_zero_window_adv += u64::from(was_closed && !is_closed);
        true
    }

    /// Whether nothing can follow a segment of new text before an ACK comes. Then the receiver has no reason to wait for more
    /// before it hands over and acknowledges what it has, and PSH says so: Linux acknowledges at once when such a
    /// segment is read, instead of 40 ms later. (Linux itself sets it on every super-packet, for the same reason.)
    fn fills_window(&self, segment: &Outgoing, len: u32) -> bool {
        segment.kind == Sending::New && self.cwnd_room().saturating_sub(len) < self.mss()
    }

    /// The ECN of a segment with `len` octets of text.
    fn stamp_of(&mut self, segment: &Outgoing, len: u32, flags: Flags) -> Stamp {
        if flags.syn() {
            return Stamp { flags: self.opening_flags(), ..Stamp::default() }; // R3168-6.1.1-b
        }
        // R3168-6.1.4-a
        let is_first =
            matches!(segment.kind, Sending::New | Sending::LossProbe) && !segment.seq.before(self.snd.nxt);
        self.stamp(is_first && len > 0, len == 0 && !flags.fin())
    }

    /// What follows from a segment that was sent.
    fn sent(&mut self, env: &mut Env<'_, '_>, segment: &Outgoing, len: u32, flags: Flags) {
        let end = segment.seq + len + flags.sequence_len();
        self.count_sent(env, segment, len, end);
        let is_new = end.after(self.snd.nxt);
        if !flags.syn() && end.after(segment.seq) {
            self.record_sent(env, segment, end);
        } else if is_new {
            self.last_sent = env.now; // the SYN: its round trip is the first sample
        }
        if is_new {
            if self.snd.outstanding() == 0 {
                self.start_waiting(env);
            }
            self.snd.nxt = end;
            self.schedule_probe(env);
        }
        if len > 0 {
            self.acks.answered();
            self.last_sent = env.now;
            if len % self.mss() != 0 && segment.kind == Sending::New {
                self.snd.small_end = end;
            }
        }
        if segment.kind == Sending::MtuProbe {
            self.mtu_probe_sent(env, segment.seq, end);
        }
        self.clear_due(env, segment, flags);
        if flags.ack() {
            self.acks.sent(end == segment.seq);
            self.rcv.last_ack = self.rcv.nxt;
            if self.acks.owed() == Owed::Nothing {
                self.timers.clear(Timer::DelayedAck);
            }
        }
    }

    /// What was due is done.
    fn clear_due(&mut self, env: &mut Env<'_, '_>, segment: &Outgoing, flags: Flags) {
        match segment.kind {
            Sending::Probe => {
                self.persist.due = false;
                if self.snd.wnd > 0 {
                    self.persist = Persist::default();
                }
            }
            Sending::Ack => self.keep_alive_due = false,
            Sending::New | Sending::Again(_) | Sending::LossProbe | Sending::MtuProbe => {}
        }
        if flags.syn() {
            self.syn_due = false;
            self.syn_was_lost |= self.recovery.timeouts > 0;
            let rto = self.rtt.rto(env.config());
            self.timers.set_if_off(Timer::Retransmit, env.now + rto);
        }
    }

    fn count_sent(&mut self, env: &mut Env<'_, '_>, segment: &Outgoing, len: u32, end: SeqNum) {
        let is_mtu_probe = segment.kind == Sending::MtuProbe;
        let segments = if is_mtu_probe { 1 } else { len.div_ceil(self.mss()).max(1) };
        self.stats.segs_out = self.stats.segs_out.wrapping_add(segments);
        if len > 0 {
            self.stats.data_segs_out = self.stats.data_segs_out.wrapping_add(segments);
        }
        let count = u64::from(segments);
        let is_again = segment.seq.before(self.snd.nxt);
        match segment.kind {
            Sending::Again(cause) => self.count_again(env, segment, segments, end, cause),
            Sending::LossProbe => {
                env.counters().loss_probes += 1;
                if is_again {
                    self.count_again(env, segment, segments, end, Cause::LossProbe);
                } else {
                    env.counters().orig_data_sent += if len > 0 { count } else { 0 };
                }
            }
            Sending::Probe => env.counters().win_probe += 1,
            Sending::New | Sending::MtuProbe => {
                env.counters().orig_data_sent += if len > 0 { count } else { 0 };
            }
            Sending::Ack if self.keep_alive_due => env.counters().keep_alive += 1,
            Sending::Ack => {}
        }
        if !(matches!(segment.kind, Sending::Again(_)) || segment.kind == Sending::LossProbe && is_again) {
            env.counters().out_segs += count;
        }
    }

    fn count_again(
        &mut self,
        env: &mut Env<'_, '_>,
        segment: &Outgoing,
        segments: u32,
        end: SeqNum,
        cause: Cause,
    ) {
        let losses = self.losses_mut();
        losses.retrans = losses.retrans.wrapping_add(segments);
        losses.bytes_retrans += u64::from(end.distance_from(segment.seq));
        let is_opening = self.state.is_opening();
        let (counters, count) = (env.counters(), u64::from(segments));
        counters.retrans_segs += count;
        match cause {
            _ if is_opening => counters.syn_retrans += 1,
            Cause::FastRetransmit => counters.fast_retrans += count,
            Cause::PathMtu => counters.mtu_retrans += count,
            Cause::Timeout | Cause::WindowOpened => counters.slow_start_retrans += count,
            Cause::LossProbe | Cause::MtuProbe => {}
        }
        let seq = segment.seq;
        env.emit(|| TcpEvent::Retransmit { seq, len: end.distance_from(seq), cause });
    }
}
