//! What the SACK option of an ACK says, after lies and mistakes are sorted out: RFC 2018 §5, RFC 2883 §5.
//!
//! A block counts if it lies within what was sent and not before SND.UNA; the first one may instead report what the
//! peer got twice. Everything else is ignored, as Linux does.

use crate::segment::Segment;
use stack_wire::seq::SeqNum;
use stack_wire::tcp_options::SackBlocks;

/// The blocks of one ACK that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Report {
    blocks: [(SeqNum, SeqNum); SackBlocks::MAX],
    len: usize,
    /// What the peer got twice.
    pub(crate) duplicate: Option<(SeqNum, SeqNum)>,
    /// That lies beyond a hole, and not before the acknowledgment number.
    pub(crate) duplicate_is_ahead: bool,
    /// Blocks that were neither.
    pub(crate) ignored: u8,
}

impl Report {
    /// Sorts out the blocks of `seg` for a sender of `[una, nxt)`.
    pub(crate) fn new(seg: &Segment, una: SeqNum, nxt: SeqNum, max_wnd: u32) -> Self {
        let mut report = Self::default();
        if seg.sack.is_empty() {
            return report;
        }
        let (is_old, una) = (seg.ack.before(una), una.max(seg.ack));
        let blocks = seg.sack.as_slice();
        for (index, block) in blocks.iter().enumerate() {
            let (left, right) = (block.left, block.right);
            let second = blocks.get(1).map(|second| (second.left, second.right));
            let is_ahead = second.is_some_and(|(from, to)| from.before_eq(left) && right.before_eq(to));
            let may_report = index == 0 && left.before(right) && right.before_eq(nxt);
            if may_report && (right.before_eq(seg.ack) || is_ahead && left.after_eq(seg.ack)) {
                let is_recent = left.after_eq(una - max_wnd.max(nxt.distance_from(una)));
                report.duplicate = is_recent.then_some((left, right));
                report.duplicate_is_ahead = right.after(seg.ack);
                report.ignored += u8::from(!is_recent);
            } else if left.before(right) && right.before_eq(nxt) && left.after_eq(una) {
                report.insert(left, right);
            } else {
                // An ACK that was overtaken reports what is acknowledged by now; that is no mistake.
                report.ignored += u8::from(!(left.before(right) && right.before_eq(nxt) && is_old));
            }
        }
        report
    }

    /// The blocks, lowest first.
    pub(crate) fn blocks(&self) -> &[(SeqNum, SeqNum)] {
        self.blocks.get(..self.len).unwrap_or_default()
    }

    /// The ACK had no SACK option that means anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0 && self.duplicate.is_none()
    }

    fn insert(&mut self, left: SeqNum, right: SeqNum) {
        let at = self.blocks().iter().position(|block| left.before(block.0)).unwrap_or(self.len);
        self.len += 1;
        if let Some(behind) = self.blocks.get_mut(at..self.len) {
            behind.rotate_right(1);
        }
        if let Some(slot) = self.blocks.get_mut(at) {
            *slot = (left, right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use bytes::Bytes;
    use stack_core::{Checksum, Instant, RxPacket};
    use stack_wire::tcp::{Emit, Flags};
    use stack_wire::tcp_options::TcpOptions;

    /// An ACK of `ack` with these blocks; SND.UNA is 1000, SND.NXT 5000.
    fn report(ack: u32, blocks: &[(u32, u32)]) -> Report {
        let mut options = TcpOptions::NONE;
        for &(left, right) in blocks {
            assert!(options.sack.push(SeqNum(left), SeqNum(right)));
        }
        let mut area = [0; 40];
        let len = options.write(&mut area);
        let emit = Emit {
            src_port: 1,
            dst_port: 2,
            seq: SeqNum(0),
            ack: SeqNum(ack),
            flags: Flags::ACK,
            window: 0,
            urgent: 0,
            options: &area[..len],
        };
        let mut bytes = alloc::vec![0; emit.header_len()];
        emit.write_partial(&mut bytes, Default::default());
        let mut packet = RxPacket::new(Bytes::from(bytes), 0x0800, Instant::ZERO);
        packet.meta.checksum = Checksum::Verified;
        Report::new(&Segment::parse(&packet).unwrap(), SeqNum(1000), SeqNum(5000), 3000)
    }

    fn blocks(report: &Report) -> Vec<(u32, u32)> {
        report.blocks().iter().map(|(left, right)| (left.0, right.0)).collect()
    }

    #[test]
    fn blocks_come_lowest_first() {
        let sorted = report(1000, &[(3000, 3500), (1500, 2000), (4500, 5000), (2500, 2600)]);
        assert_eq!(blocks(&sorted), [(1500, 2000), (2500, 2600), (3000, 3500), (4500, 5000)]);
        assert_eq!((sorted.duplicate, sorted.ignored), (None, 0));
    }

    // R2018-4-a
    #[test]
    fn lies_and_mistakes_are_ignored() {
        for (block, why) in [
            ((2000, 2000), "empty"),
            ((2500, 2000), "reversed"),
            ((4000, 5001), "beyond what was sent"),
            ((900, 1500), "partly acknowledged"),
            ((0, 5000), "all of it and more"),
            ((3_000_000_000, 3_000_000_100), "anywhere"),
        ] {
            let report = report(1000, &[block, (1500, 1600)]);
            assert_eq!((blocks(&report).len(), report.duplicate, report.ignored), (1, None, 1), "{why}");
        }
    }

    // R2883-4-a, R3708-3-a
    #[test]
    fn the_first_block_may_report_a_duplicate() {
        let pair = |left, right| Some((SeqNum(left), SeqNum(right)));
        let below = report(1000, &[(500, 900), (1500, 1600)]);
        assert_eq!((below.duplicate, below.duplicate_is_ahead), (pair(500, 900), false));
        assert_eq!(blocks(&below), [(1500, 1600)]);
        let ahead = report(1000, &[(1500, 1600), (1400, 2000)]);
        assert_eq!((ahead.duplicate, ahead.duplicate_is_ahead), (pair(1500, 1600), true));
        assert_eq!(blocks(&ahead), [(1400, 2000)]);
        let old = report(1000, &[((SeqNum(1000) - 5000).0, 900)]);
        assert_eq!((old.duplicate, old.ignored), (None, 1), "longer ago than a window");
        assert_eq!(report(1000, &[(1500, 1600), (500, 900)]).duplicate, None, "the second may not");
    }

    #[test]
    fn an_ack_that_was_overtaken_still_tells_what_it_holds() {
        let old = report(800, &[(900, 950), (3000, 3500)]);
        assert_eq!((blocks(&old), old.duplicate, old.ignored), ([(3000, 3500)].into(), None, 0));
    }
}
