//! Segments of a flow that follow each other.

use crate::Segment;
use crate::pattern::{PSH, Pattern, TCP_FLAGS, TCP_SEQ, V4_CHECKSUM, V4_LENGTH, V6_LENGTH};
use bytes::Bytes;
use core::ops::Range;
use stack_packet::{Checksum, RxMeta, RxPacket};
use stack_wire::checksum::{self, Sum};
use stack_wire::ip::protocol;
use stack_wire::ipv6;
use stack_wire::tcp::Flags;

/// Largest IPv4 packet, and largest IPv6 payload.
pub(crate) const MAX_LEN: usize = 65_535;
/// A segment, and what has been found to follow it.
#[derive(Clone, Debug)]
pub struct Run {
    first: Segment,
    /// What the headers of all its segments have in common.
    headers: Pattern,
    /// Addresses and protocol: the pseudo-header without the length.
    pseudo: Sum,
    /// The sequence number that the next segment has.
    next: u32,
    /// Bytes so far, from the network header on.
    len: usize,
    /// Whether there is more than the first.
    merged: bool,
    /// Whether nothing can follow: the last had PSH, or less text than the first.
    over: bool,
    /// Whether the last had PSH.
    push: bool,
}

impl Run {
    /// A run of one, in this frame.
    pub fn of(frame: &[u8], first: Segment) -> Self {
        let headers = Pattern::of(frame, &first);
        let mut pseudo = Sum::new();
        pseudo.add_bytes(frame.get(first.addresses()).unwrap_or_default()).add_u16(u16::from(protocol::TCP));
        let next = first.seq.wrapping_add(first.len as u32);
        let len = first.header_len - first.network + first.len;
        Self { first, headers, pseudo, next, len, merged: false, over: !first.may_begin(), push: first.push }
    }

    /// Bytes of the headers of each of its frames: where the text starts.
    pub fn header_len(&self) -> usize {
        self.first.header_len
    }

    /// Whether there is more than the first segment.
    pub fn is_merged(&self) -> bool {
        self.merged
    }

    /// Whether nothing can follow.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The segment of this frame, if it goes on where the run ends: text of the same flow, and nothing in its headers that
    /// a receiver could act on is new. Its checksum is not looked at.
    pub fn follower(&self, frame: &[u8]) -> Option<Segment> {
        let first = &self.first;
        let len = frame.len().checked_sub(first.header_len)?;
        let seq = frame.get(first.in_transport(TCP_SEQ))?.first_chunk().copied().map(u32::from_be_bytes)?;
        let follows = seq == self.next && (1..=first.len).contains(&len) && self.len + len <= MAX_LEN;
        if self.over || !follows || !self.headers.matches(frame.get(..first.header_len)?) {
            return None;
        }
        if !has_right_length(frame, first) {
            return None;
        }
        let push = frame.get(first.transport + TCP_FLAGS)? & PSH != 0;
        Some(Segment { seq, len, push, ..*first })
    }

    /// Whether the checksum of a segment of this flow is right; if nobody vouched for it, we do from now on.
    pub fn verify(&self, frame: &[u8], meta: &mut RxMeta) -> bool {
        if meta.checksum != Checksum::Unverified {
            return true;
        }
        let segment = frame.get(self.first.transport..).unwrap_or_default();
        let mut sum = self.pseudo;
        let valid = sum.add_u32(segment.len() as u32).add_bytes(segment).is_valid();
        if valid {
            meta.checksum = Checksum::Verified;
        }
        valid
    }

    /// Takes in a [`follower`](Self::follower).
    pub fn add(&mut self, segment: &Segment) {
        self.next = self.next.wrapping_add(segment.len as u32);
        self.len += segment.len;
        self.merged = true;
        self.push = segment.push;
        self.over = segment.push || segment.len < self.first.len;
    }

    /// Whether a frame is of the flow of the first: its addresses and ports, which lie side by side where there are no IP
    /// options.
    pub(crate) fn is_of_flow(&self, first: &[u8], frame: &[u8]) -> bool {
        let range = self.first.addresses().start..self.first.ports().end;
        first.get(range.clone()) == frame.get(range)
    }

    /// Gives the packet that a merged run began with the headers of the whole; its `data` holds nothing but headers.
    /// The checksum in it stays the first segment's: it was verified.
    pub fn finish(&self, packet: &mut RxPacket) {
        let first = &self.first;
        let mut header = packet.data.to_vec();
        if first.is_v4() {
            put(&mut header, first.in_network(V4_LENGTH), self.len as u16);
            put(&mut header, first.in_network(V4_CHECKSUM), 0);
            let sum = checksum::ipv4_header(header.get(first.network..first.transport).unwrap_or_default());
            put(&mut header, first.in_network(V4_CHECKSUM), sum);
        } else {
            put(&mut header, first.in_network(V6_LENGTH), (self.len - ipv6::HEADER_LEN) as u16);
        }
        if let Some(flags) = header.get_mut(first.transport + TCP_FLAGS).filter(|_| self.push) {
            *flags |= Flags::PSH.bits() as u8;
        }
        packet.data = Bytes::from(header);
        packet.meta.gso_size = first.len as u16;
    }
}

/// Whether the network header of a frame of that layout tells the frame's length, and can be trusted.
fn has_right_length(frame: &[u8], layout: &Segment) -> bool {
    let packet_len = frame.len() - layout.network;
    let field = |range| frame.get(layout.in_network(range))?.first_chunk().copied().map(u16::from_be_bytes);
    if layout.is_v4() {
        let header = frame.get(layout.network..layout.transport).unwrap_or_default();
        field(V4_LENGTH).map(usize::from) == Some(packet_len) && checksum::ipv4_header(header) == 0
    } else {
        field(V6_LENGTH).map(usize::from) == Some(packet_len - ipv6::HEADER_LEN)
    }
}

fn put(header: &mut [u8], at: Range<usize>, value: u16) {
    if let Some(field) = header.get_mut(at) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}
