//! What differs between our side in the capture and our side now: initial sequence numbers and timestamp offsets; and
//! packets to us rewritten so that they answer what we send now.

use super::plan::Record;
use crate::decode::Segment;
use crate::pkt::TcpOption;
use bytes::Bytes;
use stack_wire::checksum::{update_u16, update_u32};
use stack_wire::ipv4::Ipv4;
use stack_wire::tcp::CHECKSUM_OFFSET;
use stack_wire::tcp_options::kind;

/// The difference of one flow: now minus then.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shift {
    /// Of our sequence numbers.
    seq: Option<u32>,
    /// Of our timestamps.
    stamp: Option<u32>,
}

impl Shift {
    /// Learns from a segment of ours and the one that was recorded in its place.
    pub(super) fn learn(&mut self, then: &Segment, now: &Segment) {
        if then.flags.syn() && now.flags.syn() {
            self.seq = Some(now.seq.wrapping_sub(then.seq));
        }
        if let (None, Some(then), Some(now)) = (self.stamp, stamp(then), stamp(now)) {
            self.stamp = Some(now.wrapping_sub(then));
        }
    }

    /// A sequence number of ours as it was then.
    pub(super) fn then(&self, seq: u32) -> u32 {
        seq.wrapping_sub(self.seq.unwrap_or(0))
    }

    /// A packet to us, answering what we send now. A wrong checksum stays wrong: it is updated, not computed.
    pub(super) fn rewrite(&self, record: &Record) -> Bytes {
        let Some(tcp) = record.decoded.tcp() else { return record.packet.clone() };
        let Some(start) = tcp_offset(record) else { return record.packet.clone() };
        let mut edit = Edit { bytes: record.packet.to_vec(), start };
        if tcp.flags.ack() {
            edit.add(start + 8, self.seq.unwrap_or(0));
        }
        let header = usize::from(edit.bytes[start + 12] >> 4) * 4;
        let end = (start + header).min(edit.bytes.len());
        self.rewrite_options(&mut edit, start + 20, end);
        edit.bytes.into()
    }

    fn rewrite_options(&self, edit: &mut Edit, mut at: usize, end: usize) {
        while at + 1 < end {
            let len = match edit.bytes[at] {
                kind::END => return,
                kind::NOP => 1,
                _ => usize::from(edit.bytes[at + 1]).max(2),
            };
            if at + len > end {
                return;
            }
            match edit.bytes[at] {
                kind::SACK => {
                    let edges = (at + 2..at + len).step_by(4).filter(|edge| edge + 4 <= at + len);
                    edges.for_each(|edge| edit.add(edge, self.seq.unwrap_or(0)));
                }
                kind::TIMESTAMPS if len == 10 => {
                    let echoed = edit.bytes[at + 6..at + 10] != [0; 4];
                    edit.add(at + 6, if echoed { self.stamp.unwrap_or(0) } else { 0 });
                }
                _ => {}
            }
            at += len;
        }
    }
}

fn stamp(segment: &Segment) -> Option<u32> {
    segment
        .options
        .iter()
        .find_map(|option| if let TcpOption::Timestamps { val, .. } = option { Some(*val) } else { None })
}

fn tcp_offset(record: &Record) -> Option<usize> {
    match Ipv4::parse(&record.packet) {
        Ok(ip) if !ip.is_fragment() => Some(ip.header_len()),
        Ok(_) => None,
        // IPv6 without extension headers.
        Err(_) => (record.packet.first().map(|byte| byte >> 4) == Some(6)).then_some(40),
    }
}

/// A packet being rewritten.
struct Edit {
    bytes: Vec<u8>,
    /// Where TCP starts.
    start: usize,
}

impl Edit {
    /// Adds to a number of four bytes, with the TCP checksum.
    fn add(&mut self, at: usize, what: u32) {
        let Some(field) = self.bytes.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) else {
            return;
        };
        let (old, place) = (u32::from_be_bytes(field), self.start + CHECKSUM_OFFSET);
        let new = old.wrapping_add(what);
        let check = u16::from_be_bytes([self.bytes[place], self.bytes[place + 1]]);
        // A number at an odd place counts with its bytes swapped.
        let odd = (at - self.start) % 2 == 1;
        let check = if odd {
            let [a, b, c, d] = field;
            let [e, f, g, h] = new.to_be_bytes();
            let halves = [([0, a], [0, e]), ([b, c], [f, g]), ([d, 0], [h, 0])];
            halves.into_iter().fold(check, |check, (old, new)| {
                update_u16(check, u16::from_be_bytes(old), u16::from_be_bytes(new))
            })
        } else {
            update_u32(check, old, new)
        };
        self.bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
        self.bytes[place..place + 2].copy_from_slice(&check.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::Decoded;
    use core::time::Duration;
    use etherparse::{PacketBuilder, TcpOptionElement};

    fn record(options: &[TcpOptionElement], payload: &[u8]) -> Record {
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1000, 80, 7, 500).ack(1_000);
        let mut packet = Vec::new();
        builder.options(options).unwrap().write(&mut packet, payload).unwrap();
        let packet = Bytes::from(packet);
        Record {
            at: Duration::ZERO,
            ether_type: 0x0800,
            link_src: Default::default(),
            link_dst: Default::default(),
            decoded: Decoded::ip_packet(&packet),
            packet,
            ours: false,
        }
    }

    #[test]
    fn acknowledgements_echoes_and_blocks_move_and_checksums_follow() {
        let options = [
            TcpOptionElement::Noop,
            TcpOptionElement::Timestamp(5, 600),
            TcpOptionElement::SelectiveAcknowledgement((2_000, 3_000), [None; 3]),
        ];
        let shift = Shift { seq: Some(0xffff_f000), stamp: Some(70_001) };
        let record = record(&options, b"data");
        let decoded = Decoded::ip_packet(&shift.rewrite(&record));
        assert_eq!(decoded.problems, Vec::<String>::new());
        let tcp = decoded.tcp().unwrap();
        assert_eq!((tcp.seq, tcp.ack), (7, 1_000u32.wrapping_sub(0x1000)));
        assert_eq!(tcp.options[1], TcpOption::Timestamps { val: 5, ecr: 70_601 });
        let moved = |edge: u32| edge.wrapping_sub(0x1000);
        assert_eq!(tcp.options[2], TcpOption::Sack(vec![(moved(2_000), moved(3_000))]));
    }

    #[test]
    fn a_wrong_checksum_stays_wrong() {
        let mut record = record(&[], b"data");
        let mut bytes = record.packet.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        record.packet = bytes.into();
        let shift = Shift { seq: Some(12_345), stamp: None };
        assert_eq!(Decoded::ip_packet(&shift.rewrite(&record)).problems, ["the TCP checksum is wrong"]);
    }
}
