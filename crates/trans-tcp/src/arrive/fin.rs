//! Eighth check: the end of the peer's stream. RFC 9293 §3.10.7.4 (R9293-3.10.7.4-b).
//!
//! A FIN counts when everything before it has arrived; one that comes ahead of its time waits.

use super::Flow;
use crate::connection::Connection;
use crate::env::Env;
use crate::segment::Segment;
use crate::state::{Event, State};

impl Connection {
    pub(super) fn process_fin(&mut self, env: &mut Env<'_, '_>, seg: &Segment) -> Flow {
        if !self.state.receives_data() {
            return Flow::Continue(());
        }
        if seg.flags.fin() {
            self.rcv.saw_fin(seg.text_end());
        }
        if self.rcv.fin() == Some(self.rcv.nxt) {
            self.take_fin(env);
        } else if seg.flags.fin() {
            self.acks.at_once(); // out of order, even without text: R5681-3.2-a
        }
        Flow::Continue(())
    }

    fn take_fin(&mut self, env: &mut Env<'_, '_>) {
        self.rcv.nxt += 1;
        self.acks.at_once();
        let was = self.state;
        self.event(env, Event::Fin);
        if was == State::FinWait1 && self.snd.fin_acked() {
            self.event(env, Event::FinAcked); // one segment can do both
        }
        self.wake_all(env);
    }
}
