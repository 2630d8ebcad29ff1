//! When text may leave, and how much at once: the congestion control's rate, applied (draft-ietf-ccwg-bbr §5.6.2,
//! §4.1.2.4). The arithmetic is in `congestion/pacing.rs`.
//!
//! Pacing is for text, new and again; probes, SYNs, ACKs and a lone FIN don't wait. The pacer lives as long as something is
//! in flight: the first packet of a flight leaves at once.

use crate::config::TcpConfig;
use crate::congestion::pacing::burst_bytes;
use crate::connection::Connection;
use crate::env::Env;
use stack_core::Instant;

impl Connection {
    /// Bytes a second at which text leaves. The initial window goes as it is, as with Linux: it is what all networks
    /// have to stand, and most answers fit into it.
    pub(crate) fn pacing_rate(&self, config: &TcpConfig) -> Option<u64> {
        if !config.pacing || self.stats.data_segs_out < config.initial_window {
            return None;
        }
        self.congestion.pacing_rate(&self.window, self.rtt.srtt(), self.mss())
    }

    /// Text that the next packet may carry: whole segments up to a super-packet, and no more than the rate carries in a
    /// millisecond; nothing before the time of the next departure.
    pub(crate) fn burst(&self, now: Instant, rate: Option<u64>) -> u32 {
        let most = self.path.max_burst(&self.tuple, self.mss(), self.ts.on);
        let Some(rate) = rate else { return most };
        let is_open = self.recovery.flight.as_ref().is_none_or(|flight| flight.pacer.is_open(now));
        if is_open { most.min(burst_bytes(rate, self.mss())) } else { 0 }
    }

    /// A packet with so much text has left.
    pub(crate) fn pace(&mut self, now: Instant, text: u32, rate: Option<u64>) {
        if let (Some(flight), Some(rate)) = (&mut self.recovery.flight, rate.filter(|_| text > 0)) {
            flight.pacer.on_sent(now, text, rate);
        }
    }

    /// Nothing more can be sent now: was it the window, the rate, or the application?
    pub(crate) fn note_limits(&mut self, env: &Env<'_, '_>) {
        let (room, mss, pipe) = (self.cwnd_room(), self.mss(), self.pipe());
        let waits = self.snd.unsent() > 0 || self.recovery.lost_bytes() > 0;
        let nxt = self.snd.nxt;
        let Some(flight) = &mut self.recovery.flight else { return };
        flight.deadlines.pace = Instant::FAR_FUTURE;
        if room < mss && waits {
            flight.limited_until = Some(nxt);
        } else if !waits && room >= mss {
            flight.rate.on_app_limited(pipe);
        } else if !flight.pacer.is_open(env.now) {
            flight.deadlines.pace = flight.pacer.departs_at();
        }
    }

    /// The next packet may leave.
    pub(crate) fn on_pacing_timeout(&mut self) {
        if let Some(flight) = &mut self.recovery.flight {
            flight.deadlines.pace = Instant::FAR_FUTURE;
        }
    }
}
