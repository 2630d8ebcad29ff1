//! ECN on segments of an open connection: what arrives marked, what leaves as ECN-capable, and what the flags and the
//! option of ours say. RFC 3168 §6.1, RFC 9768 §3.2.

use super::opening::is_ack_of_syn_ack;
use super::{Codepoint, Ecn, Hold};
use crate::connection::Connection;
use crate::delayed_ack::Owed;
use crate::segment::Segment;
use crate::state::State;
use stack_core::RxPacket;
use stack_wire::tcp::Flags;
use stack_wire::tcp_options::AccEcnOption;

/// Octets of two SACK blocks, and of what stands before them: they go first (R9768-3.2.3.3-b).
pub(crate) const TWO_BLOCKS: u32 = 20;

/// What the ECN of a segment without SYN is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamp {
    pub(crate) flags: Flags,
    pub(crate) codepoint: Codepoint,
    /// The flags are a count, and not CWR: they belong to each segment of a super-packet.
    pub(crate) is_accurate: bool,
}

impl Connection {
    /// An acceptable segment came; SYNs don't count (R9768-3.2-a).
    pub(crate) fn note_ecn(&mut self, seg: &mut Segment, packet: &RxPacket) {
        if seg.had_syn {
            return;
        }
        seg.has_ace = self.state != State::SynReceived || !is_ack_of_syn_ack(seg);
        match &mut self.ecn {
            Ecn::Off => {}
            Ecn::Classic(classic) => {
                // R3168-6.1.3-a: of what carries text; nothing else is sent as ECN-capable.
                if classic.on_segment(seg.codepoint, seg.flags) && seg.len > 0 {
                    self.acks.at_once();
                }
            }
            Ecn::Accurate => {
                let owes_ack = self.acks.owed() != Owed::Nothing;
                let len = packet.transport_len().saturating_sub(seg.header_len) as u32;
                let Some(accurate) = self.more.as_mut().and_then(|more| more.accurate_ecn.as_mut()) else {
                    return;
                };
                if accurate.receiver.on_packets(seg.codepoint, seg.count() as u32, len, owes_ack) {
                    self.acks.at_once();
                    accurate.answers_acks = len == 0 && !owes_ack;
                }
            }
        }
    }

    /// The ECN of a segment that is about to be sent: `is_new` if it carries text for the first time, `is_pure` if it
    /// carries none.
    pub(crate) fn stamp(&mut self, is_new: bool, is_pure: bool) -> Stamp {
        if !is_pure {
            self.hold_mut().into_iter().for_each(Hold::end);
        }
        match &mut self.ecn {
            Ecn::Off => Stamp::default(),
            Ecn::Classic(classic) => {
                let (flags, codepoint) = (classic.flags(is_new), classic.codepoint(is_new));
                Stamp { flags, codepoint, is_accurate: false }
            }
            Ecn::Accurate => self.accurate_ecn_mut().map_or_else(Stamp::default, |accurate| {
                let (flags, codepoint) = (accurate.flags(is_pure), accurate.sender.codepoint(is_new));
                Stamp { flags, codepoint, is_accurate: true }
            }),
        }
    }

    /// The AccECN option of a segment without SYN that has `room` octets for options besides timestamps, and the room that
    /// is left for SACK.
    pub(crate) fn accurate_ecn_option(&mut self, room: u32) -> (Option<AccEcnOption>, u32) {
        let has_blocks = self.sack && self.rcv.has_blocks();
        let Some(accurate) = self.accurate_ecn_mut() else { return (None, room) };
        if core::mem::take(&mut accurate.answers_acks) {
            return (accurate.option(room as usize), 0); // R9768-3.2.2.5.1-c
        }
        let left = if has_blocks { room.saturating_sub(TWO_BLOCKS) } else { room };
        let option = accurate.option((left & !3) as usize);
        let taken = option.map_or(0, |option| option.len().next_multiple_of(4) as u32);
        (option, room.saturating_sub(taken))
    }

    /// The option of a SYN-ACK that this connection sends itself, beside options of `used` octets.
    pub(crate) fn option_of_syn_ack(&mut self, used: usize) -> Option<AccEcnOption> {
        let accurate = self.accurate_ecn_mut()?;
        let room = stack_wire::tcp::MAX_OPTIONS_LEN.saturating_sub(used);
        accurate.sends_option.then(|| accurate.receiver.whole_option(room)).flatten()
    }
}
