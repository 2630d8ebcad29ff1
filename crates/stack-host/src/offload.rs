//! What a link does not do for us: checksums completed and super-packets cut, at the last moment, in one place.

use stack_core::{Checksum, DropReason, LinkCapabilities, TxBatch, TxPacket};
use stack_wire::checksum::{self, Sum};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Offsets in the IPv4 header (RFC 791 §3.1).
const V4_TOTAL_LENGTH: usize = 2;
const V4_IDENT: usize = 4;
const V4_CHECKSUM: usize = 10;
/// Offset of the payload length in the IPv6 header (RFC 8200 §3).
const V6_PAYLOAD_LENGTH: usize = 4;
const V6_HEADER: usize = 40;
/// Offsets in the TCP header (RFC 9293 §3.1).
const TCP_SEQ: usize = 4;
const TCP_FLAGS: usize = 13;
/// FIN and PSH belong to the last byte.
const TCP_LAST_ONLY: u8 = 0x01 | 0x08;
/// CWR belongs to the first segment (RFC 3168 §6.1.2), unless it is part of a count (RFC 9768 §3.2.2).
const TCP_CWR: u8 = 0x80;
/// Offset of the length in the UDP header (RFC 768).
const UDP_LENGTH: usize = 4;

/// Whether the link takes this super-packet whole. A CWR flag of each segment is more than links can be told of: devices and
/// kernels clear it on all but the first.
pub(crate) fn link_segments(packet: &TxPacket, capabilities: &LinkCapabilities) -> bool {
    let able = match (packet.ip.protocol, packet.ip.dst.is_ipv4()) {
        (TCP, true) => capabilities.tso4,
        (TCP, false) => capabilities.tso6,
        _ => capabilities.uso,
    };
    able && packet.len() <= capabilities.max_gso as usize && !has_cwr_in_all(packet)
}

fn has_cwr_in_all(packet: &TxPacket) -> bool {
    let Checksum::Partial { start, .. } = packet.checksum else { return false };
    let flags = packet.header().get(usize::from(start) + TCP_FLAGS);
    packet.gso_keeps_cwr && flags.is_some_and(|flags| flags & TCP_CWR != 0)
}

/// Writes the transport checksum in full if it is only the pseudo-header's so far. Zero becomes 0xFFFF for UDP (RFC 768).
pub(crate) fn complete_checksum(packet: &mut TxPacket) -> Result<(), DropReason> {
    let Checksum::Partial { start, offset } = packet.checksum else { return Ok(()) };
    let (start, field) = (usize::from(start), usize::from(start) + usize::from(offset));
    packet.pull_up(field + 2).ok_or(DropReason::TransportMalformed)?;
    let mut sum = Sum::new();
    sum.add_bytes(packet.header().get(start..).ok_or(DropReason::TransportMalformed)?);
    packet.payload().iter().for_each(|piece| {
        sum.add_bytes(piece);
    });
    let value = match sum.finish() {
        0 if packet.ip.protocol == UDP => 0xffff,
        value => value,
    };
    put(packet.header_mut(), field, value);
    packet.checksum = Checksum::Unverified;
    Ok(())
}

/// Cuts a super-packet into segments appended to `out`; their checksums are partial again. Headers are copied,
/// payload is shared.
pub(crate) fn segment(packet: &mut TxPacket, out: &mut TxBatch) -> Result<usize, DropReason> {
    const BAD: DropReason = DropReason::TransportMalformed;
    let Checksum::Partial { start, offset } = packet.checksum else { return Err(BAD) };
    let transport = usize::from(start);
    let transport_len = transport_header_len(packet, transport).ok_or(BAD)?;
    packet.pull_up(transport + transport_len).ok_or(BAD)?;
    let header_len = packet.header().len();
    let (size, total) = (usize::from(packet.gso_size).max(1), packet.payload_len());
    let mut at = 0;
    let mut count = 0;
    while at < total {
        let want = size.min(total - at);
        let part = out.slot();
        packet.describe(part);
        part.gso_keeps_cwr = packet.gso_keeps_cwr;
        let len = packet.slice_payload_to(at, want, part);
        if len < want {
            flatten_payload(packet, at, want, part);
        }
        part.prepend(header_len).ok_or(BAD)?.copy_from_slice(packet.header());
        part.checksum = Checksum::Partial { start, offset };
        let place = Place { index: count, at, last: at + want == total };
        fix_headers(part, transport, usize::from(offset), place);
        at += want;
        count += 1;
    }
    Ok(count)
}

/// Which segment of how many.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    at: usize,
    last: bool,
}

fn transport_header_len(packet: &mut TxPacket, transport: usize) -> Option<usize> {
    if packet.ip.protocol == UDP {
        return Some(8);
    }
    packet.pull_up(transport + 13)?;
    let data_offset = packet.header().get(transport + 12)? >> 4;
    Some(usize::from(data_offset) * 4).filter(|len| *len >= 20)
}

/// More pieces than a packet holds: this segment's payload is copied together.
fn flatten_payload(packet: &TxPacket, at: usize, want: usize, part: &mut TxPacket) {
    part.clear_bytes();
    let mut flat = bytes::BytesMut::with_capacity(want);
    let mut skip = at;
    for piece in packet.payload() {
        let from = skip.min(piece.len());
        skip -= from;
        let rest = &piece[from..];
        flat.extend_from_slice(&rest[..rest.len().min(want - flat.len())]);
    }
    // The packet was just emptied: there is room for one piece.
    let _ = part.push(flat.freeze());
}

fn fix_headers(part: &mut TxPacket, transport: usize, checksum_offset: usize, place: Place) {
    let (ip, len, keeps_cwr) = (part.ip, part.len(), part.gso_keeps_cwr);
    let segment_len = len - transport;
    let header = part.header_mut();
    if ip.dst.is_ipv4() {
        put(header, V4_TOTAL_LENGTH, len as u16);
        let ident = take(header, V4_IDENT).wrapping_add(place.index as u16);
        put(header, V4_IDENT, ident);
        put(header, V4_CHECKSUM, 0);
        let sum = checksum::ipv4_header(header.get(..transport).unwrap_or_default());
        put(header, V4_CHECKSUM, sum);
    } else {
        put(header, V6_PAYLOAD_LENGTH, (len - V6_HEADER) as u16);
    }
    if ip.protocol == TCP {
        if let Some(seq) = header.get_mut(transport + TCP_SEQ..).and_then(|h| h.first_chunk_mut::<4>()) {
            *seq = u32::from_be_bytes(*seq).wrapping_add(place.at as u32).to_be_bytes();
        }
        if let Some(flags) = header.get_mut(transport + TCP_FLAGS) {
            *flags &= !(if place.last { 0 } else { TCP_LAST_ONLY });
            *flags &= !(if place.index == 0 || keeps_cwr { 0 } else { TCP_CWR });
        }
    } else {
        put(header, transport + UDP_LENGTH, segment_len as u16);
    }
    let pseudo = checksum::pseudo_header(ip.src, ip.dst, ip.protocol, segment_len as u32).folded();
    put(header, transport + checksum_offset, pseudo);
}

fn put(header: &mut [u8], at: usize, value: u16) {
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

fn take(header: &[u8], at: usize) -> u16 {
    header.get(at..).and_then(|h| h.first_chunk::<2>()).map_or(0, |field| u16::from_be_bytes(*field))
}
