//! What is to be sent, and how records fill messages: RFC 9776 §4.2.16, RFC 9777 §5.2.15.

use crate::Version;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_wire::group_record::{self, REPORT_HEADER_LEN, ReportWriter, kind};

/// One statement about a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// What it says: one of [`stack_wire::group_record::kind`].
    pub kind: u8,
    /// Of which group.
    pub group: IpAddr,
    /// With these sources.
    pub sources: Vec<IpAddr>,
}

/// Something to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    /// A report of the newest version, to the routers that speak it.
    Report(Vec<Record>),
    /// A report of an older version, to the group itself.
    OldReport(Version, IpAddr),
    /// A leave or done, to all routers.
    Leave(IpAddr),
}

impl Record {
    fn address_len(&self) -> usize {
        if self.group.is_ipv4() { 4 } else { 16 }
    }

    fn len(&self) -> usize {
        group_record::len(self.address_len(), self.sources.len())
    }

    /// Cuts the record to `room` octets. What is left of its sources makes another one, unless it is about exclusion, where
    /// some are told for all (R9776-4.2.16-a).
    fn cut(&mut self, room: usize) -> Option<Self> {
        let fits = room.saturating_sub(group_record::len(self.address_len(), 0)) / self.address_len();
        let rest = self.sources.split_off(fits.min(self.sources.len()));
        let goes_on = !matches!(self.kind, kind::MODE_IS_EXCLUDE | kind::CHANGE_TO_EXCLUDE);
        (goes_on && fits > 0 && !rest.is_empty()).then_some(Self { sources: rest, ..*self })
    }
}

/// The octets of a report of this message type, as both families lay it out; `octets` are those of an address. Its checksum
/// is the caller's to write.
pub fn report<const N: usize>(of: u8, records: &[Record], octets: impl Fn(IpAddr) -> [u8; N]) -> Vec<u8> {
    let len = |record: &Record| group_record::len(N, record.sources.len());
    let mut bytes = alloc::vec![0; REPORT_HEADER_LEN + records.iter().map(len).sum::<usize>()];
    if let Some(mut writer) = ReportWriter::new(of, &mut bytes) {
        for Record { kind, group, sources } in records {
            // There is room for all of them.
            let _ = writer.push(*kind, octets(*group), sources.iter().copied().map(&octets));
        }
        writer.finish();
    }
    bytes
}

/// Takes from the front what fits into one report of `room` octets, its header included; at least one record.
pub(crate) fn fill(queue: &mut VecDeque<Record>, room: usize) -> Option<Message> {
    let mut left = room.saturating_sub(REPORT_HEADER_LEN);
    let mut records = Vec::new();
    while let Some(mut record) = queue.pop_front() {
        if record.len() > left {
            if !records.is_empty() {
                queue.push_front(record);
                break;
            }
            if let Some(rest) = record.cut(left) {
                queue.push_front(rest);
            }
        }
        left = left.saturating_sub(record.len());
        records.push(record);
    }
    (!records.is_empty()).then_some(Message::Report(records))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, sources: u8) -> Record {
        let sources = (0..sources).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        Record { kind, group: IpAddr::from([239, 0, 0, 1]), sources }
    }

    /// How many sources the records of each report have.
    fn filled(records: &[Record], room: usize) -> Vec<Vec<usize>> {
        let mut queue: VecDeque<Record> = records.iter().cloned().collect();
        let next = || match fill(&mut queue, room)? {
            Message::Report(records) => Some(records.iter().map(|record| record.sources.len()).collect()),
            other => panic!("{other:?}"),
        };
        core::iter::from_fn(next).collect()
    }

    // R9776-4.2.16-a
    #[test]
    fn records_are_cut_where_they_must_be() {
        use kind::{ALLOW_NEW_SOURCES as ALLOW, CHANGE_TO_EXCLUDE as TO_EX, MODE_IS_EXCLUDE as IS_EX};
        for (situation, records, room, want) in [
            ("nothing", &[][..], 100, &[][..]),
            ("all in one", &[record(TO_EX, 0), record(ALLOW, 2)], 32, &[&[0, 2][..]]),
            ("one too many", &[record(TO_EX, 0), record(ALLOW, 2)], 31, &[&[0], &[2]]),
            ("split", &[record(ALLOW, 5)], 24, &[&[2], &[2], &[1]]),
            ("not behind others", &[record(TO_EX, 0), record(ALLOW, 5)], 36, &[&[0], &[5]]),
            ("cut off", &[record(IS_EX, 5), record(TO_EX, 5)], 24, &[&[2], &[2]]),
            ("no room for any source", &[record(ALLOW, 5)], 16, &[&[0]]),
        ] {
            assert_eq!(filled(records, room), want, "{situation}");
        }
    }
}
