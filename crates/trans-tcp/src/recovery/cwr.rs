//! What marks mean for the window: RFC 3168 §6.1.2, RFC 9768 §3.2. Once for each window of data it is reduced as for a
//! loss, but nothing has to be sent again; PRR brings it down over a round trip (RFC 9937 §6, as Linux does it).
//!
//! The phase lasts until something is acknowledged that was sent after the reduction; until then marks tell of what was
//! sent before it. A loss meanwhile reduces nothing further, and neither do marks while a recovery or what follows a timeout
//! is under way. A window of one segment can't be reduced: the next text waits for the retransmission timer instead.

use super::Phase;
use super::delivery::Delivery;
use super::frto::Frto;
use super::prr::Prr;
use super::undo::Undo;
use crate::accurate_ecn::{Marked, ace};
use crate::connection::Connection;
use crate::ecn::{Ecn, Hold};
use crate::env::Env;
use crate::event::TcpEvent;
use crate::segment::Segment;

impl Connection {
    /// Whether the window is being reduced for marks: once for each window of data is enough (R3168-6.1.2-a).
    pub(super) fn reduces_for_marks(&mut self) -> bool {
        self.recovery.phase == Phase::Cwr && !self.congestion.get_mut().owns_window_in_recovery()
    }

    /// Takes what an ACK says of marks; SND.UNA, the scoreboard and the recovery are up to date.
    pub(crate) fn take_marks(&mut self, env: &mut Env<'_, '_>, seg: &Segment, news: &mut Delivery) {
        self.advance_cwr(news);
        let Some(marked) = self.reported(seg, news) else { return self.note_no_marks() };
        news.marked = marked.bytes.min(news.delivered);
        env.counters().delivered_ce += u64::from(marked.packets);
        let losses = self.losses_mut();
        losses.delivered_ce = losses.delivered_ce.wrapping_add(marked.packets);
        let is_news = self.recovery.phase == Phase::Open && self.snd.una.after(self.recovery.recovery_point);
        env.emit(|| TcpEvent::CongestionExperienced {
            packets: marked.packets,
            bytes: marked.bytes,
            is_news,
        });
        if is_news {
            self.answer_marks(news);
        }
    }

    /// The window is of some segments again, and there are no marks.
    fn note_no_marks(&mut self) {
        if self.ecn != Ecn::Off && self.window.cwnd > 2 * self.mss() {
            self.hold_mut().into_iter().for_each(|hold| *hold = Hold::default());
        }
    }

    /// An ACK that tells of marks: whatever was reduced was reduced with reason (R4015-3.2-c).
    pub(crate) fn forgo_undo(&mut self) {
        self.recovery.undo = Undo::NONE;
        if let Some(flight) = &mut self.recovery.flight {
            flight.frto = Frto::Off;
        }
    }

    /// What an ACK reports. Where ACE is a count, ACKs that show nothing new may have been overtaken by those that have shown
    /// it, and with them the count.
    fn reported(&mut self, seg: &Segment, news: &Delivery) -> Option<Marked> {
        let mss = self.mss();
        let packets = news.delivered.div_ceil(mss);
        if seg.ack.before(self.snd.una) {
            return None;
        }
        match self.ecn {
            Ecn::Off => None,
            Ecn::Classic(_) => {
                let is_echo = self.ecn.is_echo(seg) && news.prior_flight > 0;
                is_echo.then_some(Marked { packets, bytes: news.delivered })
            }
            Ecn::Accurate if news.delivered > 0 && seg.has_ace => {
                let sender = &mut self.accurate_ecn_mut()?.sender;
                let marked = sender.on_ack(ace(seg.flags), packets, mss, seg.accurate_ecn.as_ref());
                (marked.packets > 0).then_some(marked)
            }
            Ecn::Accurate => None,
        }
    }

    /// Reduces the window.
    fn answer_marks(&mut self, news: &Delivery) {
        let mss = self.mss();
        let congestion = self.congestion.get_mut();
        self.window.ssthresh = congestion.on_congestion_experienced(&self.window, news.prior_flight, mss);
        let is_small = !congestion.owns_window_in_recovery() && self.window.cwnd <= self.window.ssthresh;
        self.note_reduction();
        self.recovery.recovery_point = self.snd.nxt;
        if is_small {
            return self.reduce_small_window(mss);
        }
        self.recovery.undo = Undo::NONE; // marks are never for nothing
        self.recovery.phase = Phase::Cwr;
        let recover_fs = self.recover_fs(news);
        if let Some(flight) = &mut self.recovery.flight {
            flight.prr = Prr::begin(recover_fs);
        }
        self.reduce_for_marks(news);
    }

    /// The threshold is never below two segments, the window may be (R9438-4.6-d).
    fn reduce_small_window(&mut self, mss: u32) {
        if self.window.cwnd > mss {
            self.window.cwnd = (self.window.cwnd / 2).max(mss);
        } else {
            self.hold_mut().into_iter().for_each(Hold::begin);
        }
    }

    /// The window is reduced, for whatever reason: a classic peer is told.
    pub(crate) fn note_reduction(&mut self) {
        if let Some(classic) = self.ecn.classic() {
            classic.on_reduction();
        }
    }

    /// Goes on with a reduction, or ends it.
    fn advance_cwr(&mut self, news: &Delivery) {
        if self.recovery.phase != Phase::Cwr {
            return;
        }
        if !self.snd.una.after(self.recovery.recovery_point) {
            return self.reduce_for_marks(news);
        }
        self.recovery.phase = Phase::Open;
        let congestion = self.congestion.get_mut();
        if !congestion.owns_window_in_recovery() {
            congestion.on_recovery_end(&mut self.window);
        }
    }

    /// The window comes down in proportion to what arrives, and has when all has that was sent before.
    fn reduce_for_marks(&mut self, news: &Delivery) {
        if self.snd.una.before(self.recovery.recovery_point) {
            self.reduce_proportionally(news);
        } else if !self.congestion.get_mut().owns_window_in_recovery() {
            self.window.cwnd = self.window.ssthresh; // RFC 9937 §6
        }
    }

    /// Octets in flight when a reduction begins, those that the ACK at hand delivers included: RecoverFS of RFC 9937 §6.1.
    pub(super) fn recover_fs(&self, news: &Delivery) -> u32 {
        let sacked = self.recovery.flight.as_ref().map_or(0, |flight| flight.board.sacked());
        self.snd.outstanding() - sacked + news.delivered
    }
}
