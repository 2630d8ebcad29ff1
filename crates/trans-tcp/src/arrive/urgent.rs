//! Sixth check: the urgent pointer. RFC 9293 §3.8.5: it names the octet behind the urgent ones (R9293-MUST-62).
//!
//! Urgent octets stay in the stream where they are (RFC 6093 §3.4 asks for just that); what the application learns is
//! that there are some, and how many it still has to read.

use crate::connection::Connection;
use crate::env::Env;
use crate::segment::Segment;

impl Connection {
    pub(super) fn process_urgent(&mut self, env: &mut Env<'_, '_>, seg: &Segment) {
        if !seg.flags.urg() || !self.state.receives_data() {
            return;
        }
        // What was trimmed off the front lies behind the pointer's origin.
        let up = seg.seq - seg.skip + u32::from(seg.urgent);
        if self.rcv.urgent(up) {
            env.cx.wake(&mut self.read_waker); // R9293-MUST-32
        }
    }
}
