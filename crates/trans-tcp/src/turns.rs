//! Who may send: control packets first, then the connections in turn.
//!
//! Deficit round robin (RFC 8290 §4.1.1 describes the same for queues): each turn adds a quantum of bytes to what a
//! connection may send, and what is left over counts in its next turn. Budgets are packets, as links count them.

use crate::ecn::Feedback;
use crate::env::Control;
use crate::options::{Envelope, write_reply};
use crate::pmtu::Path;
use crate::syn_cookie::{Carried, carry_options};
use crate::syn_queue::HalfOpen;
use crate::tcp::{Socket, Tcp};
use crate::timestamps::clock;
use stack_core::{EndpointId, RouteQuery, TransportCx, TxBatch};
use stack_wire::tcp::Flags;

impl Tcp {
    /// Control packets go first, but while connections wait they leave them a quarter of the budget.
    pub(crate) fn transmit_control(
        &mut self,
        cx: &mut TransportCx<'_>,
        out: &mut TxBatch,
        budget: &mut usize,
    ) {
        if self.shared.control.is_empty() {
            return;
        }
        let reserve = if self.shared.ready.is_empty() { 0 } else { *budget / 4 };
        while *budget > reserve {
            let Some(control) = self.shared.control.pop_front() else { return };
            let sent = match control {
                Control::Reply(reply) => {
                    let written = write_reply(&reply, out.slot());
                    self.shared.counters.out_rsts += u64::from(written && reply.flags.contains(Flags::RST));
                    written
                }
                Control::SynAck(id) => self.transmit_syn_ack(cx, out, id),
                Control::SynCookie(record) => self.transmit_cookie(cx, out, &record),
            };
            if sent {
                self.shared.counters.out_segs += 1;
                *budget -= 1;
            } else {
                out.cancel();
            }
        }
    }

    /// Builds the SYN-ACK of a half-open peer; `false` if there is nothing to send.
    fn transmit_syn_ack(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, id: EndpointId) -> bool {
        let Some(record) = self.half_open.get_mut(id) else { return false };
        record.queued = false;
        record.waits_since = cx.now;
        let record = *record;
        self.shared.counters.syn_retrans += u64::from(record.retries > 0);
        let offset = self.shared.secrets(cx).timestamp_offset(&record.tuple);
        self.write_syn_ack(cx, out, &record, clock(cx.now, offset))
    }

    /// Builds the SYN-ACK of a peer of which nothing is kept.
    fn transmit_cookie(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, record: &HalfOpen) -> bool {
        let offset = self.shared.secrets(cx).timestamp_offset(&record.tuple);
        let ecn = record.ecn.feedback != Feedback::None;
        let tsval = carry_options(clock(cx.now, 0), Carried { shift: record.shift, sack: record.sack, ecn });
        self.write_syn_ack(cx, out, record, tsval.wrapping_add(offset))
    }

    fn write_syn_ack(
        &mut self,
        cx: &mut TransportCx<'_>,
        out: &mut TxBatch,
        record: &HalfOpen,
        tsval: u32,
    ) -> bool {
        let secrets = self.shared.secrets(cx);
        let remote = record.tuple.remote;
        let cookie = record.gives_cookie.then(|| self.shared.fast_open_cookie(cx, remote));
        let packet = out.slot();
        let Some(Socket::Listener(listener)) = self.sockets.get(record.listener) else { return false };
        let query = RouteQuery { nic: record.nic, local: Some(record.tuple.local), remote };
        let Ok(route) = cx.host.route(&query) else { return false };
        let settings = &listener.settings;
        let envelope = Envelope {
            tuple: &record.tuple,
            path: &Path::new(&route),
            nic: record.nic,
            hop_limit: settings.hop_limit,
            traffic_class: settings.traffic_class,
            mark: settings.mark,
            hash: secrets.flow_hash(&record.tuple),
        };
        let shift = self.shared.config.window_shift();
        record.write_syn_ack(packet, tsval, shift, &envelope, settings.max_segment, cookie)
    }

    /// Deficit round robin over the connections that may have something to send.
    pub(crate) fn transmit_ready(&mut self, cx: &mut TransportCx<'_>, out: &mut TxBatch, budget: &mut usize) {
        while *budget > 0 {
            let Some(id) = self.shared.ready.pop_front() else { return };
            self.with_connection(cx, id, |connection, env| {
                connection.queued = false;
                if connection.transmit(env, out, budget) {
                    connection.mark_ready(env);
                } else {
                    connection.credit = 0;
                }
            });
        }
    }
}
