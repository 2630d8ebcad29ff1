//! First check: is the segment inside the receive window, and not a ghost? RFC 9293 §3.10.7.4, RFC 7323 §5.3.
//!
//! Afterwards the segment begins at or behind RCV.NXT and ends within the window: what was received before and what
//! lies beyond is trimmed off (R9293-3.10.7.4-d). With a closed window, ACKs, urgent pointers and resets are still
//! looked at; only text and FIN are cut off (R9293-MUST-66).

use super::{Flow, Reply, drop_it};
use crate::connection::Connection;
use crate::env::Env;
use crate::info::millis_of;
use crate::segment::Segment;
use crate::state::State;
use core::ops::ControlFlow;
use stack_core::DropReason;
use stack_wire::tcp::Flags;

impl Connection {
    pub(super) fn check_sequence(&mut self, env: &mut Env<'_, '_>, seg: &mut Segment) -> Flow {
        if self.state == State::SynReceived
            && seg.flags.syn()
            && seg.flags.ack()
            && seg.seq + 1 == self.rcv.nxt
        {
            // RFC 9293 §3.5, figure 8: the SYN-ACK of a simultaneous open; its SYN is known, its ACK is news.
            seg.trim_front(1);
        }
        self.check_timestamp(env, seg)?;
        if !self.is_acceptable(seg) {
            return self.unacceptable(env, seg);
        }
        if let Some((tsval, _)) = seg.timestamps.filter(|_| self.ts.on && !seg.flags.rst()) {
            self.ts.update(tsval, seg.seq, self.rcv.last_ack, env.now);
        }
        self.stats.last_received = millis_of(seg.received_at.min(env.now));
        self.trim(env, seg);
        Flow::Continue(())
    }

    /// PAWS, and segments that lack what was negotiated.
    fn check_timestamp(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        if !self.ts.on || seg.flags.rst() {
            return Flow::Continue(());
        }
        match seg.timestamps {
            Some((tsval, _)) if self.ts.is_old(tsval, env.now) && !self.is_overtaken_ack(env, seg, tsval) => {
                env.counters().paws_estab += 1;
                ControlFlow::Break(answer(seg, DropReason::TcpPaws)) // R7323-5.3-a
            }
            // R7323-3.2-b; the ACK that completes a handshake may lack it, as those of old Linux do.
            None if self.state != State::SynReceived => drop_it(DropReason::TcpNoTimestamp),
            _ => Flow::Continue(()),
        }
    }

    /// A duplicate ACK that another one has overtaken on its way: no ghost, and its SACK blocks are news. As Linux has it;
    /// such ACKs carry nothing that PAWS protects.
    fn is_overtaken_ack(&self, env: &Env<'_, '_>, seg: &Segment, tsval: u32) -> bool {
        let is_bare = seg.sequence_len() == 0 && seg.seq == self.rcv.nxt && seg.ack.before_eq(self.snd.una);
        is_bare && self.ts.age(tsval) <= self.rtt.rto(env.config())
    }

    /// The four cases of the acceptability test (R9293-3.10.7.4-a); the fourth, text for a closed window, only as
    /// far as what it carries besides text goes.
    fn is_acceptable(&self, seg: &Segment) -> bool {
        let (nxt, wnd) = (self.rcv.nxt, self.rcv.wnd());
        let len = seg.sequence_len();
        match (len, wnd) {
            (_, 0) => seg.seq == nxt,
            (0, _) => seg.seq.in_window(nxt, wnd),
            _ => seg.seq.in_window(nxt, wnd) || (seg.seq + (len - 1)).in_window(nxt, wnd),
        }
    }

    fn unacceptable(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        if seg.flags.rst() {
            return drop_it(DropReason::TcpOutOfWindow); // R5961-3.2-a
        }
        if seg.flags.syn() && self.state.is_synchronized() {
            env.counters().syn_challenge += 1;
            self.take_syn_ack_again(seg);
            return ControlFlow::Break(Reply::ChallengeAck(DropReason::TcpUnexpectedSyn)); // R5961-4.2-a
        }
        if seg.len > 0 && !seg.flags.syn() && seg.seq.before(self.rcv.nxt) {
            self.old_text(env, seg.seq, seg.text_end().min(self.rcv.nxt));
        }
        let is_old = (seg.seq + seg.sequence_len()).before_eq(self.rcv.nxt);
        let reason = if is_old { DropReason::TcpDuplicate } else { DropReason::TcpOutOfWindow };
        if self.state == State::SynReceived && seg.flags.syn() {
            self.syn_due = true; // our SYN-ACK was lost
        }
        ControlFlow::Break(answer(seg, reason))
    }

    fn trim(&mut self, env: &mut Env<'_, '_>, seg: &mut Segment) {
        let (nxt, wnd) = (self.rcv.nxt, self.rcv.wnd());
        if seg.seq.before(nxt) {
            self.old_text(env, seg.seq, nxt.min(seg.text_end()));
            seg.trim_front(nxt.distance_from(seg.seq));
        }
        let room = wnd.saturating_sub(seg.seq.distance_from(nxt));
        if seg.len > room || wnd == 0 {
            let probed = seg.len > 0 || seg.flags.fin();
            seg.truncate(room);
            if wnd == 0 {
                seg.flags = seg.flags & !Flags::FIN;
            }
            if probed {
                self.acks.at_once(); // R9293-MUST-36: the peer probes, and wants to know
            }
        }
    }
}

/// Segments with text are retransmissions of a peer that misses our ACK: they are always answered.
fn answer(seg: &Segment, reason: DropReason) -> Reply {
    if seg.len > 0 || seg.flags.fin() { Reply::Ack(reason) } else { Reply::ChallengeAck(reason) }
}
