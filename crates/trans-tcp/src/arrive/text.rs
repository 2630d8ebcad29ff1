//! Seventh check: the text. RFC 9293 §3.10.7.4, RFC 5681 §3.2.
//!
//! In order it goes to the application, ahead of its time it is kept (R9293-SHLD-31). Nothing is acknowledged here;
//! what the peer is owed is noted (R9293-MUST-58, R9293-MUST-59).

use super::{Flow, Reply, drop_it};
use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::info::millis_of;
use crate::memory::Level;
use crate::segment::Segment;
use bytes::Bytes;
use core::ops::ControlFlow;
use stack_core::{DropReason, RxPacket};

/// Segments below this size are not "full-sized", whatever the peer's MSS is: Linux's `TCP_MSS_DEFAULT`.
const CONVERSATION: u32 = 536;

impl Connection {
    pub(super) fn process_text(
        &mut self,
        env: &mut Env<'_, '_>,
        seg: &Segment,
        packet: &mut RxPacket,
    ) -> Flow {
        if seg.len == 0 || !self.state.receives_data() {
            return Flow::Continue(()); // after the peer's FIN there is no text
        }
        if !self.finds_text(env, seg, packet) {
            return drop_it(DropReason::Misplaced);
        }
        if self.orphan {
            // R9293-SHLD-3: nobody will ever read it, and the peer should know.
            env.counters().abort_on_data += 1;
            return ControlFlow::Break(Reply::Abort(CloseReason::Aborted, DropReason::TcpAfterClose));
        }
        if self.level == Level::Full && seg.seq != self.rcv.nxt {
            env.counters().ofo_drop += 1;
            return drop_it(DropReason::TcpNoMemory);
        }
        if !self.admit(env) {
            return drop_it(DropReason::TcpNoMemory);
        }
        self.stats.last_data = millis_of(env.now);
        self.stats.data_segs_in = self.stats.data_segs_in.wrapping_add(seg.count() as u32);
        self.rcv.saw_segment(seg.segment_size());
        if seg.seq == self.rcv.nxt { self.in_order(env, seg, packet) } else { self.ahead(env, seg, packet) }
    }

    /// Text of a SYN, with nothing before it.
    pub(crate) fn take_text_of_syn(&mut self, env: &mut Env<'_, '_>, seg: &Segment, packet: &mut RxPacket) {
        self.stats.data_segs_in = self.stats.data_segs_in.wrapping_add(1);
        let _ = self.in_order(env, seg, packet); // in order, it is never refused
    }

    fn in_order(&mut self, env: &mut Env<'_, '_>, seg: &Segment, packet: &mut RxPacket) -> Flow {
        let fills_gap = self.rcv.has_gap();
        let truesize = packet.meta.truesize;
        let placed = self.take_in_place(env, seg, packet);
        let mut pinned = false;
        for_each_piece(seg, placed, packet, |piece| pinned |= self.rcv.deliver(piece, || env.shared.rope()));
        let waiting = seg.len - placed;
        self.rcv.charge(if pinned { truesize.max(waiting) } else { waiting });
        if fills_gap {
            self.rcv.take_held(|| env.shared.rope());
            self.acks.gap_filled();
        }
        let unacked = self.rcv.nxt.distance_from(self.rcv.last_ack);
        let most = self.receive_mss();
        let full = self.rcv.segment_size().clamp(CONVERSATION.min(most), most);
        self.acks.text(seg.len, unacked, full);
        if self.rcv.collapse() {
            env.counters().rcv_collapsed += 1;
        }
        let echo = seg.timestamps.and_then(|(_, tsecr)| self.ts.rtt(tsecr, seg.received_at));
        self.measure_arrival(env.now, echo);
        if placed > 0 {
            self.right_size(env.now);
        }
        self.wake_reader(env);
        Flow::Continue(())
    }

    fn ahead(&mut self, env: &mut Env<'_, '_>, seg: &Segment, packet: &mut RxPacket) -> Flow {
        self.text_ahead(env, seg.seq, seg.len);
        let truesize = packet.meta.truesize;
        let is_tight = self.level != Level::Plenty || self.rcv.is_crowded(truesize);
        if is_tight && self.rcv.collapse_ahead() {
            env.counters().rcv_collapsed += 1;
        }
        let mut seq = seg.seq;
        let mut held = true;
        for_each_piece(seg, 0, packet, |piece| {
            let (len, pinned) = (piece.len() as u32, share(truesize, piece.len(), seg.len));
            held &= self.rcv.hold(seq, piece, pinned);
            seq += len;
        });
        self.acknowledge_gap(seg.count()); // R9293-MAY-13
        if !held {
            env.counters().ofo_drop += 1;
            return drop_it(DropReason::TcpReassemblyFull);
        }
        env.counters().ofo_queue += 1;
        Flow::Continue(())
    }
}

/// Hands over the text of a segment as it stands after trimming, piece by piece, but for the octets that were placed.
/// Nearly always there is one piece.
fn for_each_piece(seg: &Segment, placed: u32, packet: &mut RxPacket, mut f: impl FnMut(Bytes)) {
    if packet.more.is_empty() && placed == 0 {
        let start = usize::from(packet.transport) + seg.header_len + seg.skip as usize;
        let mut text = packet.data.split_off(start.min(packet.data.len()));
        text.truncate(seg.len as usize);
        return f(text);
    }
    let (mut skip, mut left) = (seg.skip as usize, (seg.len - placed) as usize);
    for mut piece in packet.take_payload(seg.header_len) {
        let stale = skip.min(piece.len());
        skip -= stale;
        let mut fresh = piece.split_off(stale);
        fresh.truncate(left);
        left -= fresh.len();
        if !fresh.is_empty() {
            f(fresh);
        }
    }
}

/// A piece's share of the memory that the packet pins.
fn share(truesize: u32, piece: usize, all: u32) -> u32 {
    if piece as u32 == all {
        return truesize;
    }
    (u64::from(truesize) * piece as u64 / u64::from(all.max(1))).min(u64::from(u32::MAX)) as u32
}
