//! Super-packets out of ordinary ones: what a link that delivers no super-packets is spared further up (GRO).
//!
//! Consecutive TCP segments of a flow in one batch become one packet if a sender could have handed them to its link as
//! one: text without a gap, all but the last of one size, everything else in the headers equal. The whole way up is
//! then walked once. Checksums are verified here first, so that a bad segment stays alone and is found where it always
//! is. RFC 9293 §3.8.6.2.2 lets a receiver look at several segments before it answers.
//!
//! ECN fields and flags are equal, too: a mark or a count that changes begins a new super-packet, and so does CWR, which
//! stands on one segment (RFC 3168 §6.1.2, RFC 9768 §3.2.2).
//!
//! Left out: packets with IP options or extension headers, fragments, segments with SYN, FIN, RST or URG; nothing passes
//! them. The host coalesces nothing where somebody has to see packets as they came: taps, links that
//! want each packet's outcome, interfaces that forward.
//!
//! Invariants: the packets of a flow keep their order; a super-packet holds at most 65,535 bytes.

use alloc::vec::Vec;
use bytes::{Buf, Bytes};
use core::net::IpAddr;
use stack_core::{Checksum, RxBatch, RxPacket};
use stack_wire::checksum::{self, pseudo_header};
use stack_wire::ethernet::EtherType;
use stack_wire::ip::protocol;
use stack_wire::ipv4::{self, Ipv4};
use stack_wire::ipv6::{self, Ipv6};
use stack_wire::tcp::{Flags, Tcp};

/// Flows that are followed at a time in a batch; a further one takes the place of the one seen first.
const RUNS: usize = 8;
/// Largest IPv4 packet, and largest IPv6 payload.
const MAX_LEN: usize = 65_535;
/// Marks a packet that was taken into another; links leave the field at 0.
const TAKEN: u16 = u16::MAX;
/// Offsets in the IPv4 header (RFC 791 §3.1), the IPv6 header (RFC 8200 §3) and the TCP header (RFC 9293 §3.1).
const V4_TOTAL_LENGTH: usize = 2;
const V4_CHECKSUM: usize = 10;
const V6_PAYLOAD_LENGTH: usize = 4;
const TCP_ACK: usize = 8;
const TCP_FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
/// PSH may differ: it stands on the last segment.
const PSH: u8 = 0x08;

/// Segments of a flow that follow each other, gathered in the packet of the first.
struct Run {
    /// The packet's place in the batch.
    index: usize,
    transport: usize,
    /// Bytes of both headers.
    header_len: usize,
    /// The sequence number that the next segment has.
    next: u32,
    /// Text of the first segment: no later one has more, and one with less is the last.
    size: usize,
    /// Bytes so far, headers included.
    len: usize,
    /// Whether there is more than one.
    merged: bool,
    /// Whether the last had PSH.
    push: bool,
}

/// What a packet looks like from here.
enum Look {
    /// Not TCP.
    Other,
    /// TCP that no segment may pass and none may join.
    Odd,
    /// A segment of text.
    Text(Text),
}

#[derive(Clone, Copy)]
struct Text {
    transport: usize,
    header_len: usize,
    seq: u32,
    /// Bytes of text; 0 is a pure acknowledgement.
    len: usize,
    push: bool,
}

/// Merges what can be merged; the batch shrinks.
pub(crate) fn coalesce(batch: &mut RxBatch) {
    if batch.len() < 2 {
        return;
    }
    let mut runs: Vec<Run> = Vec::new();
    let mut gone = 0;
    for index in 0..batch.len() {
        match look(&batch[index]) {
            Look::Other => {}
            Look::Odd => runs.drain(..).for_each(|run| finish(batch, &run)),
            Look::Text(text) => {
                let known = runs.iter().position(|run| same_flow(&batch[run.index], &batch[index], run));
                if let Some(known) = known {
                    if join(batch, &mut runs[known], index, &text) {
                        gone += 1;
                        if runs[known].is_over(&text) {
                            finish(batch, &runs.remove(known));
                        }
                        continue;
                    }
                    finish(batch, &runs.remove(known));
                }
                if text.len > 0 && !text.push {
                    if runs.len() == RUNS {
                        finish(batch, &runs.remove(0));
                    }
                    runs.push(Run::of(index, &text));
                }
            }
        }
    }
    runs.iter().for_each(|run| finish(batch, run));
    if gone > 0 {
        close_ranks(batch);
    }
}

impl Run {
    fn of(index: usize, text: &Text) -> Self {
        let Text { transport, header_len, seq, len, .. } = *text;
        let next = seq.wrapping_add(len as u32);
        Self {
            index,
            transport,
            header_len,
            next,
            size: len,
            len: header_len + len,
            merged: false,
            push: false,
        }
    }

    /// Whether nothing can follow the segment that was just taken in.
    fn is_over(&self, last: &Text) -> bool {
        last.push || last.len < self.size
    }
}

fn look(packet: &RxPacket) -> Look {
    let data = &packet.data[..];
    let transport = match packet.meta.ether_type {
        EtherType::IPV4 => match Ipv4::parse(data) {
            Ok(ip) if ip.protocol() != protocol::TCP => return Look::Other,
            Ok(ip) => {
                let plain = ip.header_len() == ipv4::MIN_HEADER_LEN && !ip.is_fragment();
                plain && usize::from(ip.total_len()) == data.len() && ip.verify_checksum()
            }
            Err(_) => false,
        }
        .then_some(ipv4::MIN_HEADER_LEN),
        EtherType::IPV6 => match Ipv6::parse(data) {
            Ok(ip) if ip.next_header() == protocol::UDP => return Look::Other,
            Ok(ip) => {
                ip.next_header() == protocol::TCP
                    && usize::from(ip.payload_len()) + ipv6::HEADER_LEN == data.len()
            }
            Err(_) => false,
        }
        .then_some(ipv6::HEADER_LEN),
        _ => return Look::Other,
    };
    let plain = packet.more.is_empty() && packet.meta.gso_size == 0;
    transport.filter(|_| plain).and_then(|transport| text_of(data, transport)).map_or(Look::Odd, Look::Text)
}

fn text_of(data: &[u8], transport: usize) -> Option<Text> {
    let tcp = Tcp::parse(data.get(transport..)?).ok()?;
    let push = tcp.flags().psh();
    if tcp.flags() & !(Flags::PSH | Flags::ECE | Flags::CWR | Flags::AE) != Flags::ACK {
        return None;
    }
    let header_len = transport + tcp.header_len();
    Some(Text { transport, header_len, seq: tcp.seq().0, len: tcp.payload().len(), push })
}

/// Whether two packets are of one flow: addresses and ports, which lie side by side where there are no IP options.
fn same_flow(first: &RxPacket, packet: &RxPacket, run: &Run) -> bool {
    let addresses = if run.transport == ipv4::MIN_HEADER_LEN { 12 } else { 8 };
    let range = addresses..run.transport + 4;
    first.meta.ether_type == packet.meta.ether_type && first.data.get(range.clone()) == packet.data.get(range)
}

/// Appends a segment to its run, if it belongs there; its packet is left empty.
fn join(batch: &mut RxBatch, run: &mut Run, index: usize, text: &Text) -> bool {
    let (before, from) = batch.split_at_mut(index);
    let waiting = from.len();
    let (Some(first), Some(packet)) = (before.get_mut(run.index), from.first_mut()) else { return false };
    let follows = text.seq == run.next && (1..=run.size).contains(&text.len);
    if !follows || run.len + text.len > MAX_LEN || !same_headers(first, packet, run, text) {
        return false;
    }
    if !(verify(first, run.transport) && verify(packet, run.transport)) {
        return false;
    }
    if !core::mem::replace(&mut run.merged, true) {
        first.more.reserve(1 + waiting);
        first.more.push(first.data.split_off(run.header_len));
    }
    let mut taken = core::mem::replace(packet, RxPacket { transport: TAKEN, ..RxPacket::default() });
    taken.data.advance(run.header_len);
    first.more.push(taken.data);
    first.meta.truesize = first.meta.truesize.saturating_add(taken.meta.truesize);
    run.next = run.next.wrapping_add(text.len as u32);
    run.len += text.len;
    run.push = text.push;
    true
}

/// Whether all that a receiver could act on is equal: what the link says, TOS and TTL, acknowledgement, window, options.
fn same_headers(first: &RxPacket, packet: &RxPacket, run: &Run, text: &Text) -> bool {
    let (a, b) = (&first.data[..], &packet.data[..]);
    let (ma, mb) = (&first.meta, &packet.meta);
    let same = |range: core::ops::Range<usize>| a.get(range.clone()) == b.get(range);
    let ip = match run.transport {
        // TOS, the DF flag, TTL; and version with header length, for form's sake.
        ipv4::MIN_HEADER_LEN => same(0..2) && same(6..7) && same(8..9),
        // Version, traffic class and flow label; hop limit.
        _ => same(0..4) && same(7..8),
    };
    let tcp = run.transport;
    ip && (ma.cast, ma.link_src, ma.hash, ma.mark) == (mb.cast, mb.link_src, mb.hash, mb.mark)
        && text.header_len == run.header_len
        && same(tcp + TCP_ACK..tcp + TCP_FLAGS)
        && flags(a, tcp) & !PSH == flags(b, tcp) & !PSH
        && same(tcp + TCP_FLAGS + 1..tcp + TCP_CHECKSUM)
        && same(tcp + TCP_CHECKSUM + 2..run.header_len)
}

/// The lower eight flags of a segment; the highest, AE, lies beside the header's length.
fn flags(data: &[u8], tcp: usize) -> u8 {
    data.get(tcp + TCP_FLAGS).copied().unwrap_or(0)
}

/// Whether the checksum is right; if nobody vouched for it, we do from now on.
fn verify(packet: &mut RxPacket, transport: usize) -> bool {
    if packet.meta.checksum != Checksum::Unverified {
        return true;
    }
    let Some((src, dst)) = addresses(&packet.data, transport) else { return false };
    let Some(segment) = packet.data.get(transport..) else { return false };
    let mut sum = pseudo_header(src, dst, protocol::TCP, segment.len() as u32);
    let valid = sum.add_bytes(segment).is_valid();
    if valid {
        packet.meta.checksum = Checksum::Verified;
    }
    valid
}

fn addresses(data: &[u8], transport: usize) -> Option<(IpAddr, IpAddr)> {
    if transport == ipv4::MIN_HEADER_LEN {
        let ip = Ipv4::parse_quoted(data).ok()?;
        return Some((ip.src().into(), ip.dst().into()));
    }
    let ip = Ipv6::parse_quoted(data).ok()?;
    Some((ip.src().into(), ip.dst().into()))
}

/// Gives the packet of a run the headers of the whole. The checksum in it stays the first segment's: it was verified.
fn finish(batch: &mut RxBatch, run: &Run) {
    let Some(packet) = batch.get_mut(run.index).filter(|_| run.merged) else { return };
    let mut header = packet.data.to_vec();
    if run.transport == ipv4::MIN_HEADER_LEN {
        put(&mut header, V4_TOTAL_LENGTH, run.len as u16);
        put(&mut header, V4_CHECKSUM, 0);
        let sum = checksum::ipv4_header(header.get(..run.transport).unwrap_or_default());
        put(&mut header, V4_CHECKSUM, sum);
    } else {
        put(&mut header, V6_PAYLOAD_LENGTH, (run.len - ipv6::HEADER_LEN) as u16);
    }
    if let Some(flags) = header.get_mut(run.transport + TCP_FLAGS).filter(|_| run.push) {
        *flags |= Flags::PSH.bits() as u8;
    }
    packet.data = Bytes::from(header);
    packet.meta.gso_size = run.size as u16;
}

fn put(header: &mut [u8], at: usize, value: u16) {
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Removes the packets that were taken into others.
fn close_ranks(batch: &mut RxBatch) {
    let mut kept = 0;
    for index in 0..batch.len() {
        if batch[index].transport != TAKEN {
            batch.swap(kept, index);
            kept += 1;
        }
    }
    batch.truncate(kept);
}

#[cfg(test)]
mod tests;
