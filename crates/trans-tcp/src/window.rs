//! The window that we offer: RFC 9293 §3.8.6, RFC 7323 §2.
//!
//! It is what is left of the buffer. Its right edge moves in worthwhile steps only (R9293-MUST-39) and never to the left
//! (R9293-SHLD-14), except by less than one unit of the window scale, when an unread buffer is full beyond its
//! limit (RFC 7323 §2.4); what lies before the old edge is still accepted then (R7323-2.4-a).

use crate::receiver::Receiver;

impl Receiver {
    /// Whether the last segment that was sent offered no window.
    pub(crate) fn offers_nothing(&self) -> bool {
        self.edge.before_eq(self.last_ack)
    }

    /// The window field of a segment that is sent now. `limit` is the path's limit, `mss` what we announced.
    pub(crate) fn offer(&mut self, limit: u32, mss: u32) -> u16 {
        let unit = 1u32 << self.scale;
        let free = self.free(limit);
        let units = if self.gain(limit) >= self.worthwhile(mss) {
            free >> self.scale
        } else {
            let up = self.wnd().div_ceil(unit);
            if up << self.scale <= free + self.buffer / 4 { up } else { self.wnd() >> self.scale }
        };
        let units = units.min(0xffff);
        self.edge = self.edge.max(self.nxt + (units << self.scale));
        units as u16
    }

    /// Whether the peer should hear of the window now: it could move by two segments or half the buffer, and half
    /// of what was offered is used up.
    pub(crate) fn update_is_due(&self, limit: u32, mss: u32) -> bool {
        let step = (2 * mss).min(self.buffer / 2).min(limit / 2);
        self.gain(limit) >= step.max(1) && self.wnd() <= self.buffer.min(limit) / 2
    }

    fn free(&self, limit: u32) -> u32 {
        self.buffer.saturating_sub(self.charged).min(limit).min(0xffff << self.scale)
    }

    /// Octets by which the right edge could move.
    fn gain(&self, limit: u32) -> u32 {
        let free = self.free(limit) >> self.scale << self.scale;
        free.saturating_sub(self.wnd())
    }

    fn worthwhile(&self, mss: u32) -> u32 {
        mss.min(self.buffer / 2).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use bytes::Bytes;
    use proptest::prelude::*;
    use stack_wire::seq::SeqNum;

    const MSS: u32 = 1000;

    fn receiver(buffer: u32, scale: u8) -> Receiver {
        let mut rcv = Receiver::new(buffer);
        rcv.scale = scale;
        rcv.opened(SeqNum(u32::MAX - 500), buffer.min(0xffff));
        rcv
    }

    fn deliver(rcv: &mut Receiver, len: usize) {
        rcv.deliver(Bytes::from(alloc::vec![1; len]), Box::default);
        rcv.charge(len as u32);
    }

    #[test]
    fn the_window_opens_in_worthwhile_steps() {
        let mut rcv = receiver(10_000, 0);
        (0..10).for_each(|_| deliver(&mut rcv, 1000));
        assert_eq!(rcv.offer(u32::MAX, MSS), 0);
        rcv.read(&mut [0; 999]);
        assert_eq!((rcv.offer(u32::MAX, MSS), rcv.update_is_due(u32::MAX, MSS)), (0, false));
        rcv.read(&mut [0; 1]);
        assert!(!rcv.update_is_due(u32::MAX, MSS));
        assert_eq!(rcv.offer(u32::MAX, MSS), 1000);
        rcv.read(&mut [0; 3000]);
        assert!(rcv.update_is_due(u32::MAX, MSS));
    }

    #[test]
    fn a_smaller_buffer_does_not_move_the_edge() {
        let mut rcv = receiver(60_000, 0);
        rcv.offer(u32::MAX, MSS);
        rcv.buffer = 4096;
        assert_eq!(rcv.offer(u32::MAX, MSS), 60_000);
        deliver(&mut rcv, 20_000);
        assert_eq!((rcv.offer(u32::MAX, MSS), rcv.wnd()), (40_000, 40_000));
    }

    #[test]
    fn the_paths_queue_limits_what_is_offered() {
        let mut rcv = receiver(1 << 20, 5);
        assert_eq!(u32::from(rcv.offer(400_000, MSS)) << 5, 400_000);
    }

    proptest! {
        /// Segments of full size: the edge never goes left, whatever is read in between, at any scale.
        #[test]
        fn the_right_edge_never_moves_left(
            scale in 0u8..=14, ops in proptest::collection::vec((any::<bool>(), 0u32..6000), 1..200)
        ) {
            let mut rcv = receiver(1 << 20, scale);
            let mut edge = rcv.nxt + (u32::from(rcv.offer(u32::MAX, MSS)) << scale);
            for (read, size) in ops {
                if read {
                    rcv.read(&mut alloc::vec![0; size as usize]);
                } else {
                    let size = size.min(rcv.wnd());
                    if size > 0 { deliver(&mut rcv, size as usize); }
                }
                let field = rcv.offer(u32::MAX, MSS);
                let new = rcv.nxt + (u32::from(field) << scale);
                let slack = if scale > 11 { 1i32 << scale } else { 0 };
                prop_assert!(new - edge >= -slack, "moved left by {}", edge - new);
                prop_assert!(new.before_eq(rcv.edge));
                edge = edge.max(new);
                prop_assert!(rcv.memory() <= rcv.buffer + rcv.buffer / 4 + (1 << scale));
            }
        }
    }
}
