//! Proportional rate reduction: RFC 9937 (R9937-6.2-a). How much may be sent for each ACK of a recovery, so that the window has
//! come down to the threshold at its end, neither with a pause nor with a burst.
//!
//! While more is in flight than the threshold, for each octet delivered the share `ssthresh / RecoverFS` of one is sent;
//! below it, at most what is delivered (conservative reduction bound), or a segment more for each ACK that shows
//! progress and no further loss (slow start reduction bound). All in bytes. The window that it sets is what is in flight
//! and what may be added to it.

use core::cmp::max;

/// The sums of one recovery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Prr {
    /// Bytes in flight when it began: `RecoverFS`.
    recover_fs: u32,
    /// Bytes delivered since: `prr_delivered`.
    delivered: u32,
    /// Bytes sent since: `prr_out`.
    out: u32,
}

/// What an ACK of the recovery shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Bytes that it delivers: `DeliveredData`.
    pub(crate) delivered: u32,
    /// Bytes in flight after it.
    pub(crate) flight: u32,
    pub(crate) ssthresh: u32,
    pub(crate) mss: u32,
    /// It acknowledges more than the one before, and shows no further loss: `SafeACK`.
    pub(crate) is_safe: bool,
}

impl Prr {
    /// A recovery begins with `recover_fs` bytes in flight, those that the ACK at hand delivers included.
    pub(crate) fn begin(recover_fs: u32) -> Self {
        Self { recover_fs: recover_fs.max(1), delivered: 0, out: 0 }
    }

    /// Bytes were sent, for the first time or again.
    pub(crate) fn sent(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(bytes);
    }

    /// The window after an ACK.
    pub(crate) fn window(&mut self, step: &Step) -> u32 {
        self.delivered = self.delivered.saturating_add(step.delivered);
        let mut room = if step.flight > step.ssthresh { self.proportional(step) } else { self.bound(step) };
        if self.out == 0 {
            room = max(room, step.mss); // the fast retransmit itself waits for nothing, nor for a whole segment's worth
        }
        step.flight.saturating_add(room)
    }

    fn proportional(&self, step: &Step) -> u32 {
        let due = u64::from(self.delivered) * u64::from(step.ssthresh);
        let due = u32::try_from(due.div_ceil(u64::from(self.recover_fs))).unwrap_or(u32::MAX);
        due.saturating_sub(self.out)
    }

    fn bound(&self, step: &Step) -> u32 {
        let conservative = max(self.delivered.saturating_sub(self.out), step.delivered);
        let bound = if step.is_safe { conservative.saturating_add(step.mss) } else { conservative };
        bound.min(step.ssthresh - step.flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MSS: u32 = 1000;

    /// An ACK that delivers a segment.
    fn ack(flight: u32, ssthresh: u32, is_safe: bool) -> Step {
        Step { delivered: MSS, flight, ssthresh, mss: MSS, is_safe }
    }

    /// One segment of twenty is lost; Reno halves. Returns what was sent after each ACK.
    fn one_loss(ssthresh: u32) -> alloc::vec::Vec<u32> {
        let mut prr = Prr::begin(20 * MSS);
        let mut flight = 16 * MSS; // three are reported, one is lost
        let mut sent = alloc::vec![];
        for round in 0..16 {
            flight -= if round == 0 { 0 } else { MSS };
            let room = prr.window(&ack(flight, ssthresh, false)) - flight;
            let whole = room / MSS * MSS;
            prr.sent(whole);
            flight += whole;
            sent.push(whole / MSS);
        }
        sent
    }

    // R9937-6.1-a, R9937-6.2-a
    #[test]
    fn half_as_many_are_sent_as_are_delivered() {
        let sent = one_loss(10 * MSS);
        assert_eq!(sent[0], 1, "the fast retransmit");
        assert!(sent.iter().all(|&segments| segments <= 1), "{sent:?}");
        // Half of the sixteen that are delivered, and the fast retransmit before its time.
        assert_eq!(sent.iter().sum::<u32>(), 9, "{sent:?}");
    }

    // R9937-6.2-d
    #[test]
    fn the_fast_retransmit_is_never_held_back() {
        let mut prr = Prr::begin(100 * MSS);
        let step = Step { delivered: 0, ..ack(50 * MSS, 10 * MSS, false) };
        assert_eq!(prr.window(&step), 51 * MSS);
        prr.sent(MSS);
        assert_eq!(prr.window(&step), 50 * MSS);
    }

    // R9937-6.2-b
    #[test]
    fn below_the_threshold_an_ack_with_further_losses_adds_what_it_delivers() {
        let mut prr = Prr::begin(20 * MSS);
        prr.sent(5 * MSS);
        assert_eq!(prr.window(&ack(2 * MSS, 10 * MSS, false)), 3 * MSS);
        assert_eq!(prr.window(&ack(2 * MSS, 10 * MSS, true)), 4 * MSS, "and without, a segment more");
    }

    // R9937-6.2-c
    #[test]
    fn the_window_never_exceeds_the_threshold_from_below() {
        let mut prr = Prr::begin(20 * MSS);
        let burst = Step { delivered: 15 * MSS, ..ack(9 * MSS, 10 * MSS, true) };
        assert_eq!(prr.window(&burst), 10 * MSS);
    }

    #[test]
    fn sums_do_not_overflow() {
        let mut prr = Prr::begin(0);
        let most = u32::MAX;
        let step = Step { delivered: most, flight: most, ssthresh: most - 1, mss: most, is_safe: true };
        assert_eq!((prr.window(&step), prr.window(&step)), (most, most));
    }
}
