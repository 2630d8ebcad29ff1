//! SYN-SENT: RFC 9293 §3.10.7.3 (R9293-3.10.7.3-a).

use super::{Flow, Reply, drop_it};
use crate::connection::Connection;
use crate::env::Env;
use crate::error::CloseReason;
use crate::info::millis_of;
use crate::segment::Segment;
use crate::state::{Event, State};
use crate::timers::Timer;
use core::ops::ControlFlow;
use core::time::Duration;
use stack_core::{DropReason, RxPacket};

/// After the ghost of an old connection was answered with a reset, our SYN goes again this soon. Linux: two ticks.
const SYN_AFTER_GHOST: Duration = Duration::from_millis(10);

impl Connection {
    pub(super) fn in_syn_sent(
        &mut self,
        env: &mut Env<'_, '_>,
        seg: &mut Segment,
        packet: &mut RxPacket,
    ) -> Flow {
        let acks_our_syn = seg.flags.ack() && seg.ack.after(self.snd.una) && seg.ack.before_eq(self.snd.nxt);
        if seg.flags.ack() && !acks_our_syn {
            return self.ghost(env, seg);
        }
        if seg.flags.rst() {
            return if acks_our_syn {
                ControlFlow::Break(Reply::Close(CloseReason::Refused))
            } else {
                drop_it(DropReason::TcpBadReset)
            };
        }
        if !seg.flags.syn() {
            return drop_it(DropReason::TcpBadFlags);
        }
        if acks_our_syn && self.ts.on && self.echoes_nonsense(env, seg) {
            return ControlFlow::Break(Reply::Reset(DropReason::TcpPaws));
        }
        self.stats.last_received = millis_of(seg.received_at.min(env.now));
        self.take_syn(env, seg);
        if acks_our_syn { self.opened(env, seg, packet) } else { self.crossed(env, seg) }
    }

    /// The ACK of an old connection: the peer is to forget it (RFC 9293 §3.5.1, figure 9).
    fn ghost(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        if self.recovery.timeouts == 0 && !seg.flags.rst() {
            self.timers.set(Timer::Retransmit, env.now + SYN_AFTER_GHOST);
        }
        ControlFlow::Break(Reply::Reset(DropReason::TcpBadAck))
    }

    /// A SYN-ACK whose echo we can't have sent (RFC 7323 §3.2).
    fn echoes_nonsense(&self, env: &Env<'_, '_>, seg: &Segment) -> bool {
        let now = self.ts.option(env.now).map_or(0, |(tsval, _)| tsval);
        seg.timestamps.is_some_and(|(_, tsecr)| tsecr != 0 && (now.wrapping_sub(tsecr) as i32) < 0)
    }

    /// SYN and ACK of ours: the connection is established. Text and FIN in the same segment count.
    fn opened(&mut self, env: &mut Env<'_, '_>, seg: &mut Segment, packet: &mut RxPacket) -> Flow {
        self.snd.set_window(seg.seq, seg.ack, u32::from(seg.window)); // R7323-2.2-b: not scaled
        self.sample_handshake(seg);
        self.settle_text_of_syn(env, seg.ack, seg);
        self.establish(env);
        self.stats.bytes_acked += u64::from(self.snd.acknowledge(seg.ack));
        self.recovery.timeouts = 0;
        self.acks.at_once();
        seg.trim_front(1);
        let room = self.rcv.wnd();
        seg.truncate(room);
        self.process_urgent(env, seg);
        self.process_text(env, seg, packet)?;
        self.process_fin(env, seg)
    }

    /// A SYN alone: both sides open at once (R9293-MUST-10). Our SYN goes again, with an ACK.
    fn crossed(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        self.snd.set_window(seg.seq, self.snd.una, u32::from(seg.window));
        self.event(env, Event::Syn);
        debug_assert_eq!(self.state, State::SynReceived);
        self.syn_due = true;
        Flow::Continue(())
    }
}
