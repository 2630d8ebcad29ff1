//! Group records, which the reports of IGMPv3 and MLDv2 consist of: RFC 9776 §4.2.4, RFC 9777 §5.2.5.
//!
//! Both families lay them out alike; only addresses are 4 octets or 16, which is the parameter `N`.
//!
//! ```text
//! type (1) | words of auxiliary data (1) | number of sources (2) | group (N) | sources (N each) | auxiliary data
//! ```

use crate::error::WireError;

/// Octets in front of the group.
const FIXED: usize = 4;

/// Types of records.
pub mod kind {
    /// The filter is INCLUDE, with these sources.
    pub const MODE_IS_INCLUDE: u8 = 1;
    /// The filter is EXCLUDE, with these sources.
    pub const MODE_IS_EXCLUDE: u8 = 2;
    /// The filter is INCLUDE now, with these sources, and was EXCLUDE.
    pub const CHANGE_TO_INCLUDE: u8 = 3;
    /// The filter is EXCLUDE now, with these sources, and was INCLUDE.
    pub const CHANGE_TO_EXCLUDE: u8 = 4;
    /// These sources are wanted now.
    pub const ALLOW_NEW_SOURCES: u8 = 5;
    /// These sources are wanted no longer.
    pub const BLOCK_OLD_SOURCES: u8 = 6;
}

/// A record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a, const N: usize> {
    /// Its type; see [`kind`]. Records of other types are to be passed over.
    pub kind: u8,
    /// The group.
    pub group: [u8; N],
    sources: &'a [u8],
}

impl<'a, const N: usize> Record<'a, N> {
    /// Its sources.
    pub fn sources(&self) -> impl Iterator<Item = [u8; N]> + use<'a, N> {
        addresses(self.sources)
    }
}

/// Octets of a record without auxiliary data.
pub const fn len(address_len: usize, sources: usize) -> usize {
    FIXED + address_len * (1 + sources)
}

/// The records of a report, one after the other. Ends early, and says so, where the bytes do.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a, const N: usize> {
    rest: &'a [u8],
    left: u16,
}

impl<'a, const N: usize> Records<'a, N> {
    /// `count` records that begin at the front of `bytes`.
    pub const fn new(bytes: &'a [u8], count: u16) -> Self {
        Self { rest: bytes, left: count }
    }

    /// Reads the next record.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) when the bytes end inside it; then there is none behind it.
    pub fn next_record(&mut self) -> Result<Option<Record<'a, N>>, WireError> {
        if self.left == 0 {
            return Ok(None);
        }
        let (record, rest) = split(self.rest).ok_or(WireError::Truncated).inspect_err(|_| self.left = 0)?;
        (self.rest, self.left) = (rest, self.left - 1);
        Ok(Some(record))
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Option<(Record<'_, N>, &[u8])> {
    let ([kind, words, a, b], rest) = bytes.split_first_chunk::<FIXED>()?;
    let (group, rest) = rest.split_first_chunk::<N>()?;
    let (sources, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*a, *b])) * N)?;
    let (_, rest) = rest.split_at_checked(usize::from(*words) * 4)?; // R9776-4.2.7-a
    Some((Record { kind: *kind, group: *group, sources }, rest))
}

/// Addresses that lie one behind the other.
pub(crate) fn addresses<'a, const N: usize>(bytes: &'a [u8]) -> impl Iterator<Item = [u8; N]> + use<'a, N> {
    bytes.chunks_exact(N).filter_map(|octets| octets.first_chunk().copied())
}

/// Writes a report into a buffer, record by record; the checksum field is left zero.
#[derive(Debug)]
pub struct ReportWriter<'a, const N: usize> {
    buffer: &'a mut [u8],
    len: usize,
    records: u16,
}

/// Octets of a report in front of its records, checksum and all.
pub const REPORT_HEADER_LEN: usize = 8;

impl<'a, const N: usize> ReportWriter<'a, N> {
    /// Begins a report of a message type; `None` if the buffer has no room for its header.
    pub fn new(kind: u8, buffer: &'a mut [u8]) -> Option<Self> {
        let header = buffer.first_chunk_mut::<REPORT_HEADER_LEN>()?;
        *header = [kind, 0, 0, 0, 0, 0, 0, 0];
        Some(Self { buffer, len: REPORT_HEADER_LEN, records: 0 })
    }

    /// Adds a record; `None`, and nothing is added, if it does not fit.
    pub fn push(
        &mut self,
        kind: u8,
        group: [u8; N],
        sources: impl ExactSizeIterator<Item = [u8; N]>,
    ) -> Option<()> {
        let count = u16::try_from(sources.len()).ok()?;
        let end = self.len.checked_add(len(N, sources.len()))?;
        let (head, room) = self.buffer.get_mut(self.len..end)?.split_first_chunk_mut::<FIXED>()?;
        let [a, b] = count.to_be_bytes();
        *head = [kind, 0, a, b];
        for (place, address) in room.chunks_exact_mut(N).zip(core::iter::once(group).chain(sources)) {
            place.copy_from_slice(&address);
        }
        (self.len, self.records) = (end, self.records.checked_add(1)?);
        Some(())
    }

    /// Octets of the whole report.
    pub fn finish(self) -> usize {
        if let Some(field) = self.buffer.get_mut(6..8) {
            field.copy_from_slice(&self.records.to_be_bytes());
        }
        self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    type Written = (u8, [u8; 4], Vec<[u8; 4]>);

    fn write(records: &[Written], buffer: &mut [u8]) -> Option<usize> {
        let mut writer = ReportWriter::new(0x22, buffer)?;
        for (kind, group, sources) in records {
            writer.push(*kind, *group, sources.iter().copied())?;
        }
        Some(writer.finish())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in proptest::collection::vec(
            (1..7u8, any::<[u8; 4]>(), proptest::collection::vec(any::<[u8; 4]>(), 0..9)), 0..9,
        )) {
            let mut buffer = [0xff; 1000];
            let end = write(&records, &mut buffer).unwrap();
            let want = 8 + records.iter().map(|(_, _, sources)| len(4, sources.len())).sum::<usize>();
            prop_assert_eq!(end, want);
            prop_assert_eq!(&buffer[..8], &[0x22, 0, 0, 0, 0, 0, 0, records.len() as u8]);
            let mut read = Records::<4>::new(&buffer[8..end], records.len() as u16);
            for (kind, group, sources) in &records {
                let record = read.next_record().unwrap().unwrap();
                prop_assert_eq!((record.kind, record.group), (*kind, *group));
                prop_assert_eq!(&record.sources().collect::<Vec<_>>(), sources);
            }
            prop_assert_eq!(read.next_record(), Ok(None));
            prop_assert!(records.is_empty() || write(&records, &mut buffer[..end - 1]).is_none());
        }

        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200), count: u16) {
            let mut records = Records::<16>::new(&bytes, count);
            let mut found = 0;
            while let Ok(Some(record)) = records.next_record() {
                found += 1 + record.sources().count();
            }
            prop_assert!(found <= bytes.len());
        }
    }

    // R9776-4.2.7-a
    #[test]
    fn auxiliary_data_are_passed_over() {
        let bytes = [1, 1, 0, 1, 239, 0, 0, 1, 10, 0, 0, 1, 9, 9, 9, 9, 2, 0, 0, 0, 239, 0, 0, 2];
        let mut records = Records::<4>::new(&bytes, 3);
        let first = records.next_record().unwrap().unwrap();
        assert_eq!(first.sources().collect::<Vec<_>>(), [[10, 0, 0, 1]]);
        assert_eq!(records.next_record().unwrap().unwrap().group, [239, 0, 0, 2]);
        assert_eq!(records.next_record(), Err(WireError::Truncated));
        assert_eq!(records.next_record(), Ok(None));
    }
}
