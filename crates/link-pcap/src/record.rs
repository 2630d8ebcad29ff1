//! One packet as it will stand in the file: a copy of its first bytes, its checksum complete.

use core::time::Duration;
use stack_core::{Checksum, DropReason, RxPacket, TxPacket};
use stack_wire::checksum::Sum;

/// Where the checksum lies in a UDP header (RFC 768): there, zero means that there is none.
const UDP_CHECKSUM: u16 = 6;

/// A packet on its way into the file.
#[derive(Debug)]
pub(crate) struct Record {
    /// The number of its interface.
    pub(crate) interface: u32,
    /// When, since the UNIX epoch.
    pub(crate) at: Duration,
    /// Its length, however much of it is kept.
    pub(crate) original_len: u32,
    /// Its first bytes.
    pub(crate) data: Vec<u8>,
    /// Whether it arrived, or left.
    pub(crate) inbound: bool,
    /// Why the stack dropped it, if it did.
    pub(crate) dropped: Option<DropReason>,
    /// Whether it may yet turn out to be dropped: it is not written before that is known.
    pub(crate) pending: bool,
}

impl Record {
    pub(crate) fn received(packet: &RxPacket, interface: u32, at: Duration, snaplen: usize) -> Self {
        let pieces = || core::iter::once(&packet.data[..]).chain(packet.more.pieces());
        let data = copy(pieces(), packet.len(), snaplen, packet.meta.checksum);
        Self { inbound: true, pending: true, ..Self::new(interface, at, packet.len(), data) }
    }

    pub(crate) fn transmitted(packet: &TxPacket, interface: u32, at: Duration, snaplen: usize) -> Self {
        let data = copy(packet.all_pieces(), packet.len(), snaplen, packet.checksum);
        Self::new(interface, at, packet.len(), data)
    }

    fn new(interface: u32, at: Duration, len: usize, data: Vec<u8>) -> Self {
        let original_len = u32::try_from(len).unwrap_or(u32::MAX);
        Self { interface, at, original_len, data, inbound: false, dropped: None, pending: false }
    }
}

/// The first `snaplen` bytes of a packet of `len` bytes in pieces, with its checksum complete if that lies in them.
fn copy<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    len: usize,
    snaplen: usize,
    checksum: Checksum,
) -> Vec<u8> {
    let mut data = Vec::with_capacity(len.min(snaplen));
    let start = match checksum {
        Checksum::Partial { start, .. } => usize::from(start),
        _ => usize::MAX,
    };
    let (mut sum, mut at) = (Sum::new(), 0);
    for piece in pieces {
        let keep = piece.len().min(snaplen - data.len());
        data.extend_from_slice(&piece[..keep]);
        if let Some(covered) = piece.get(start.saturating_sub(at).min(piece.len())..) {
            sum.add_bytes(covered);
        }
        at += piece.len();
    }
    if let Checksum::Partial { start, offset } = checksum {
        complete(&mut data, usize::from(start), offset, sum.finish());
    }
    data
}

fn complete(data: &mut [u8], start: usize, offset: u16, sum: u16) {
    let field = data.get_mut(start..).and_then(|transport| transport.get_mut(usize::from(offset)..));
    let Some(field) = field.and_then(|rest| rest.first_chunk_mut()) else { return };
    // RFC 768: a computed sum of zero is sent as all ones.
    let sum = if sum == 0 && offset == UDP_CHECKSUM { 0xffff } else { sum };
    *field = sum.to_be_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stack_wire::checksum::pseudo_header;

    const SRC: [u8; 4] = [10, 0, 0, 1];
    const DST: [u8; 4] = [10, 0, 0, 2];

    /// A UDP datagram whose payload comes in two pieces of odd length.
    fn partial() -> TxPacket {
        let mut packet = TxPacket::new();
        packet.push(Bytes::from_static(b"abc")).unwrap();
        packet.push(Bytes::from_static(b"defgh")).unwrap();
        let sum = pseudo_header(SRC.into(), DST.into(), 17, 16).folded();
        let header = packet.prepend(8).unwrap();
        header.copy_from_slice(&[0x10, 0, 0x20, 0, 0, 16, 0, 0]);
        header[6..].copy_from_slice(&sum.to_be_bytes());
        packet.checksum = Checksum::Partial { start: 0, offset: 6 };
        packet.prepend(20).unwrap().fill(0x45);
        packet
    }

    fn is_valid(datagram: &[u8]) -> bool {
        pseudo_header(SRC.into(), DST.into(), 17, 16).add_bytes(datagram).is_valid()
    }

    #[test]
    fn incomplete_checksums_are_completed_over_all_pieces() {
        let packet = partial();
        assert!(!is_valid(&packet.to_bytes()[20..]));
        let record = Record::transmitted(&packet, 0, Duration::ZERO, 1000);
        assert!(is_valid(&record.data[20..]));
        let mut packet = packet;
        let received = Record::received(&packet.to_rx(stack_core::Instant::ZERO), 0, Duration::ZERO, 1000);
        assert_eq!(received.data, record.data);
    }

    #[test]
    fn a_cut_record_has_the_checksum_of_the_whole() {
        let packet = partial();
        let whole = Record::transmitted(&packet, 0, Duration::ZERO, 1000);
        for snaplen in [0, 10, 27, 28, 30, 35, 36, 37] {
            let cut = Record::transmitted(&packet, 0, Duration::ZERO, snaplen);
            let kept = snaplen.min(36);
            assert_eq!((cut.data.len(), cut.original_len), (kept, 36));
            if kept >= 28 {
                assert_eq!(cut.data, whole.data[..kept], "{snaplen}");
            }
        }
    }

    #[test]
    fn what_is_complete_stays_as_it_is() {
        let mut packet = partial();
        packet.checksum = Checksum::Verified;
        assert_eq!(Record::transmitted(&packet, 0, Duration::ZERO, 1000).data, packet.to_bytes());
    }

    #[test]
    fn a_udp_sum_of_zero_is_sent_as_ones_and_others_are_not() {
        let mut data = [0; 20];
        complete(&mut data, 2, 6, 0);
        assert_eq!(data[8..10], [0xff, 0xff]);
        complete(&mut data, 0, 16, 0);
        assert_eq!(data[16..18], [0, 0]);
        complete(&mut data, 19, 6, 1);
        assert_eq!(data[18..], [0, 0], "a field outside of what was kept");
    }
}
