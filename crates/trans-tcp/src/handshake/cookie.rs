//! Listeners that keep nothing of a SYN: what the SYN-ACK's sequence number and timestamp carry, and the record that the
//! third ACK brings back (RFC 4987 §3.6). How it is coded is in `syn_cookie.rs`.

use crate::ecn::OpeningEcn;
use crate::env::Control;
use crate::segment::Segment;
use crate::syn_cookie::{self, Carried};
use crate::syn_queue::HalfOpen;
use crate::tcp::{Socket, Tcp};
use crate::timestamps::clock;
use crate::tuple::Tuple;
use stack_core::{EndpointId, RxPacket, TransportCx};

impl Tcp {
    /// Answers a SYN without keeping anything of it.
    pub(super) fn send_cookie(&mut self, cx: &mut TransportCx<'_>, record: HalfOpen, seg: &Segment) {
        let secrets = self.shared.secrets(cx);
        let (index, peer_mss) = syn_cookie::carried_mss(record.peer_mss);
        let tick = syn_cookie::tick(cx.now);
        let iss = secrets.syn_cookie(&record.tuple, seg.seq, index, tick);
        // Without timestamps there is nowhere to keep these.
        let keeps = record.ts_recent.is_some();
        let shift = record.shift.filter(|_| keeps);
        let ecn = if keeps { record.ecn } else { OpeningEcn::default() };
        let record = HalfOpen { iss, peer_mss, shift, sack: record.sack && keeps, ecn, ..record };
        self.shared.counters.syncookies_sent += 1;
        self.shared.push_control(Control::SynCookie(record));
        if let Some(Socket::Listener(listener)) = self.sockets.get_mut(record.listener) {
            listener.cookie_at = Some(cx.now);
        }
    }

    /// The record that an ACK brings back, if it acknowledges a cookie of ours.
    pub(crate) fn record_of_cookie(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &RxPacket,
        seg: &Segment,
    ) -> Option<HalfOpen> {
        let Some(Socket::Listener(listener)) = self.sockets.get(id) else { return None };
        let recently =
            listener.cookie_at.is_some_and(|at| cx.now.saturating_since(at) < syn_cookie::LIFETIME);
        if !recently || seg.flags.syn() {
            return None;
        }
        let record = self.checked_cookie(cx, id, packet, seg);
        let counters = &mut self.shared.counters;
        counters.syncookies_recv += u64::from(record.is_some());
        counters.syncookies_failed += u64::from(record.is_none());
        record
    }

    fn checked_cookie(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &RxPacket,
        seg: &Segment,
    ) -> Option<HalfOpen> {
        let secrets = self.shared.secrets(cx);
        let (irs, iss) = (seg.seq - 1, seg.ack - 1);
        let tuple = Tuple::of_packet(packet, seg.src_port, seg.dst_port);
        let peer_mss = secrets.check_syn_cookie(&tuple, irs, iss, syn_cookie::tick(cx.now))?;
        let record = self.record_of_syn(cx, id, packet, seg).ok()?;
        let accepts =
            self.listener_settings(id).map_or_else(Default::default, |settings| settings.ecn.accepts);
        let Carried { shift, sack, ecn } = match seg.timestamps.filter(|_| record.ts_recent.is_some()) {
            Some((_, tsecr)) => {
                let offset = secrets.timestamp_offset(&tuple);
                syn_cookie::carried_options(clock(cx.now, 0), tsecr.wrapping_sub(offset))?
            }
            None => Carried::default(),
        };
        let ecn = if ecn { OpeningEcn::of_cookie(accepts, seg) } else { OpeningEcn::default() };
        // A record that timed out would not be measured either: when the SYN-ACK went is not known.
        Some(HalfOpen { irs, iss, peer_mss, shift, sack, ecn, retries: 1, ..record })
    }
}
