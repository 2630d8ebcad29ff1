//! SEGMENT ARRIVES: RFC 9293 §3.10.7, with RFC 5961 and RFC 7323 in their places.
//!
//! The spine is [`Connection::on_segment`]: the numbered checks in the RFC's order, one file each. A check either
//! lets the segment go on or ends it with a [`Reply`]; what the reply asks for happens in one place,
//! [`Connection::carry_out`]. SYN-SENT has a page of its own (§3.10.7.3); CLOSED is `tcp.rs`, LISTEN and the
//! SYN-RECEIVED of passive opens are `listener.rs` and `syn_queue.rs`, TIME-WAIT is `time_wait.rs`.

mod ack;
mod fin;
mod reset;
mod sequence;
mod syn;
mod syn_sent;
mod text;
mod urgent;

use crate::connection::Connection;
use crate::env::{Env, answer_nic};
use crate::error::CloseReason;
use crate::segment::Segment;
use crate::state::State;
use core::ops::ControlFlow;
use stack_core::{DropReason, RxPacket};

/// How the processing of a segment ends before its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reply {
    /// It is dropped in silence.
    Drop(DropReason),
    /// It is dropped, and the peer is told where we are.
    Ack(DropReason),
    /// The same, within the limits of RFC 5961 §7.
    ChallengeAck(DropReason),
    /// It is dropped, and answered with a reset from its own ACK; the connection lives on.
    Reset(DropReason),
    /// It ends the connection; the peer gets a reset.
    Abort(CloseReason, DropReason),
    /// It was processed, and it ends the connection.
    Close(CloseReason),
}

pub(crate) type Flow = ControlFlow<Reply>;

/// Nothing more to do with the segment: dropped for `reason`.
fn drop_it<T>(reason: DropReason) -> ControlFlow<Reply, T> {
    ControlFlow::Break(Reply::Drop(reason))
}

impl Connection {
    /// A segment for this connection.
    ///
    /// # Errors
    /// Why it was dropped.
    pub(crate) fn receive(
        &mut self,
        env: &mut Env<'_, '_>,
        packet: &mut RxPacket,
        seg: &mut Segment,
    ) -> Result<(), DropReason> {
        self.stats.segs_in = self.stats.segs_in.wrapping_add(seg.count() as u32);
        let flow = match self.state {
            State::SynSent => self.in_syn_sent(env, seg, packet),
            State::Closed | State::Listen | State::TimeWait => drop_it(DropReason::NoEndpoint),
            _ => self.on_segment(env, seg, packet),
        };
        let result = match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(reply) => self.carry_out(env, seg, packet, reply),
        };
        self.mark_ready(env);
        result
    }

    /// The checks of §3.10.7.4. The third, on security, is gone from the RFC's practice.
    pub(crate) fn on_segment(
        &mut self,
        env: &mut Env<'_, '_>,
        seg: &mut Segment,
        packet: &mut RxPacket,
    ) -> Flow {
        self.check_sequence(env, seg)?; // first, PAWS before it (RFC 7323 §5.3)
        self.check_reset(seg)?; // second, with RFC 5961 §3
        self.check_syn(env, seg)?; // fourth, with RFC 5961 §4
        self.note_ecn(seg, packet); // RFC 3168 §6.1.3, RFC 9768 §3.2
        self.process_ack(env, seg)?; // fifth, with RFC 5961 §5
        self.process_urgent(env, seg); // sixth
        self.process_text(env, seg, packet)?; // seventh
        self.process_fin(env, seg) // eighth
    }

    fn carry_out(
        &mut self,
        env: &mut Env<'_, '_>,
        seg: &Segment,
        packet: &RxPacket,
        reply: Reply,
    ) -> Result<(), DropReason> {
        match reply {
            Reply::Drop(reason) => Err(reason),
            Reply::Ack(reason) => {
                self.acks.at_once();
                Err(reason)
            }
            Reply::ChallengeAck(reason) => {
                self.challenge_ack(env);
                Err(reason)
            }
            Reply::Reset(reason) => {
                env.shared.reset_stray(self.tuple, self.nic.or(answer_nic(packet)), seg, self.settings.mark);
                Err(reason)
            }
            Reply::Abort(why, reason) => {
                self.abort(env, why);
                Err(reason)
            }
            Reply::Close(why) => {
                self.close(env, why);
                Ok(())
            }
        }
    }

    /// R5961-7-a: as many as the connection's clock and the stack's budget allow.
    fn challenge_ack(&mut self, env: &mut Env<'_, '_>) {
        let shared = &mut *env.shared;
        let allowed = self.challenge.take(env.now, &shared.config)
            && shared.challenges.take(env.now, &shared.config, || env.cx.host.random());
        if allowed {
            shared.counters.challenge_ack += 1;
            self.acks.at_once();
        } else {
            shared.counters.ack_skipped += 1;
        }
    }
}
