//! When an ACK goes: RFC 9293 §3.8.6.3 (R9293-SHLD-18), RFC 5681 §4.2.
//!
//! Segments only note here what they are owed. The decision falls when the connection may transmit, after the whole
//! batch was processed (R9293-MUST-58, R9293-MUST-59) and the application had its chance to answer; so a batch gets
//! one ACK, and an answer carries it. Duplicate ACKs are the exception: a peer without SACK counts them, so each segment
//! beyond a gap is owed one of its own, up to three a batch (R5681-3.2-a).

/// Full-sized segments acknowledged at once where the peer's window is small and grows by our ACKs: on a new connection,
/// while it is in slow start (Linux: 16), and after a loss.
const QUICK: u8 = 16;
/// Duplicates for one batch: enough for the peer's fast retransmit.
const MAX_DUPLICATES: u8 = 3;

/// What the peer is owed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DelayedAck {
    /// Something was received that is not acknowledged.
    pending: bool,
    /// It may not wait.
    now: bool,
    /// Segments beyond a gap.
    duplicates: u8,
    /// Full-sized segments that are still acknowledged at once; above [`QUICK`], small ones as well.
    quick: u8,
}

/// What is to be done about ACKs when nothing else is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owed {
    /// Nothing.
    Nothing,
    /// An ACK, before the delay is over.
    Later,
    /// An ACK.
    Now,
}

impl Default for DelayedAck {
    fn default() -> Self {
        Self { pending: false, now: false, duplicates: 0, quick: QUICK }
    }
}

impl DelayedAck {
    /// Text came in order; `unacked` octets are not acknowledged now, `full` is a full-sized segment.
    pub(crate) fn text(&mut self, len: u32, unacked: u32, full: u32) {
        self.pending = true;
        if unacked >= 2 * full {
            self.now = true; // R9293-SHLD-19, R5681-4.2-a
        } else if self.quick > QUICK || self.quick > 0 && len >= full {
            self.quick -= 1;
            self.now = true;
        }
    }

    /// Segments lie beyond a gap: as many as a super-packet stands for.
    pub(crate) fn gap(&mut self, segments: u64) {
        let more = u8::try_from(segments).unwrap_or(MAX_DUPLICATES);
        self.duplicates = self.duplicates.saturating_add(more).min(MAX_DUPLICATES);
        self.at_once();
    }

    /// With SACK, `acks` of them tell all that is new, however many segments came.
    pub(crate) fn tell(&mut self, acks: u32) {
        let needed = u8::try_from(acks).unwrap_or(MAX_DUPLICATES).clamp(1, MAX_DUPLICATES);
        self.duplicates = self.duplicates.max(needed);
        self.at_once();
    }

    /// A gap was filled: R5681-3.2-b. The peer has lost segments and goes on with a small window, of which a delayed ACK
    /// would hold up an odd segment for longer than a round trip.
    pub(crate) fn gap_filled(&mut self) {
        self.quick = self.quick.max(QUICK);
        self.at_once();
    }

    /// So many duplicates wait to be reported, each in an ACK of its own (R2883-4-a).
    pub(crate) fn tell_duplicates(&mut self, reports: u8) {
        self.duplicates = self.duplicates.max(reports);
        self.at_once();
    }

    /// An ACK is due without delay: a FIN or an unacceptable segment came, the window moved.
    pub(crate) fn at_once(&mut self) {
        (self.pending, self.now) = (true, true);
    }

    /// The application wants ACKs at once for a while, of small segments, too; or delayed ones from now on
    /// (`TCP_QUICKACK`).
    pub(crate) fn set_quick(&mut self, on: bool) {
        self.quick = if on { 2 * QUICK } else { 0 };
        self.now |= on && self.pending;
    }

    /// Whether segments are acknowledged at once.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick > 0
    }

    /// The application answers what it reads: ACKs ride on the answers.
    pub(crate) fn answered(&mut self) {
        if self.pending {
            self.quick = 0;
        }
    }

    /// What is owed.
    pub(crate) fn owed(&self) -> Owed {
        match (self.pending, self.now) {
            (false, _) => Owed::Nothing,
            (true, false) => Owed::Later,
            (true, true) => Owed::Now,
        }
    }

    /// A segment with an ACK was sent; only those without text and flags count as duplicates for the peer.
    pub(crate) fn sent(&mut self, pure: bool) {
        self.duplicates = self.duplicates.saturating_sub(u8::from(pure));
        if self.duplicates == 0 {
            (self.pending, self.now) = (false, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_full_segment_once_quick_acks_are_over() {
        let mut acks = DelayedAck::default();
        for _ in 0..QUICK {
            acks.text(1000, 1000, 1000);
            assert_eq!(acks.owed(), Owed::Now);
            acks.sent(true);
        }
        acks.text(1000, 1000, 1000);
        assert_eq!(acks.owed(), Owed::Later);
        acks.text(1000, 2000, 1000);
        assert_eq!(acks.owed(), Owed::Now);
    }

    // R5681-3.2-b
    #[test]
    fn after_a_loss_segments_are_acknowledged_at_once_for_a_while() {
        let mut acks = DelayedAck::default();
        acks.set_quick(false);
        acks.text(1000, 1000, 1000);
        assert_eq!(acks.owed(), Owed::Later);
        acks.gap_filled();
        assert_eq!(acks.owed(), Owed::Now);
        acks.sent(true);
        for _ in 0..QUICK {
            acks.text(1000, 1000, 1000);
            assert_eq!(acks.owed(), Owed::Now);
            acks.sent(true);
        }
        acks.text(1000, 1000, 1000);
        assert_eq!(acks.owed(), Owed::Later);
    }

    #[test]
    fn a_small_request_waits_for_its_answer() {
        let mut acks = DelayedAck::default();
        acks.text(100, 100, 1000);
        assert_eq!(acks.owed(), Owed::Later);
        acks.answered();
        acks.sent(true);
        acks.text(1000, 1000, 1000);
        assert_eq!(acks.owed(), Owed::Later, "a flow of requests gets no quick ACKs any more");
    }

    #[test]
    fn each_segment_beyond_a_gap_is_owed_a_duplicate_up_to_three() {
        let mut acks = DelayedAck::default();
        let count = |acks: &mut DelayedAck| {
            let mut sent = 0;
            while acks.owed() == Owed::Now {
                acks.sent(true);
                sent += 1;
            }
            sent
        };
        (0..10).for_each(|_| acks.gap(1));
        assert_eq!(count(&mut acks), 3);
        acks.gap(2);
        assert_eq!(count(&mut acks), 2, "a super-packet of two");
        acks.gap(45);
        assert_eq!(count(&mut acks), 3);
        acks.gap(1000);
        assert_eq!(count(&mut acks), 3);
    }
}
