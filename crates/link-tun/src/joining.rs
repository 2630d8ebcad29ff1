//! Segments of a stream that are put behind each other while they are read.
//!
//! A packet is read to where the text of the one before it ends, less the length of its headers: they come to lie over
//! the end of that text. They are looked at; if the packet goes on where the last one ended, the covered bytes are put
//! back, and its text lies where it belongs. So a stream that the kernel cut into packets arrives as the super-packets
//! that it would have been: one buffer, one way up the stack. A packet that is something else moves to a place of its own.
//!
//! That is tried only while it works: a packet is read over others once two have followed each other, until one doesn't
//! follow.

use crate::Mode;
use crate::receive::{MAX_PACKET, SLOT, TunReceive, look_at, read};
use crate::sys::Target;
use bytes::{Buf, Bytes, BytesMut};
use rustix::fd::AsFd;
use rustix::io::Errno;
use stack_core::{Instant, RxBatch, RxMeta, RxPacket};
use stack_gro::{Look, MAX_HEADERS, Run, Segment};

/// Bytes that are kept aside: as long as the longest headers, since copies of a known length are cheap.
pub(crate) const COVER: usize = MAX_HEADERS;

/// What is known of the stream that is being read.
#[derive(Default)]
pub(crate) struct Joining {
    allowed: bool,
    /// The last segments followed each other.
    flows: bool,
    /// What the last packet of the batch may go on with.
    run: Option<Run>,
}

impl Joining {
    pub(crate) fn allow(&mut self, on: bool) {
        self.allowed = on;
    }

    /// Looks at the packet that was read last, to the end of the batch.
    pub(crate) fn note(&mut self, mode: Mode, packet: &RxPacket) {
        if !self.allowed {
            return;
        }
        if let Some(run) = &self.run {
            self.flows = is_whole(packet) && run.follower(&packet.data).is_some();
        }
        self.run = begin(mode, packet);
    }
}

impl TunReceive {
    /// Whether the next packet is likely to go on where the last one of the batch ended, and can be put there.
    pub(crate) fn expects_more(&self) -> bool {
        let run = self.joining.run.as_ref().filter(|run| self.joining.flows && !run.is_over());
        run.is_some_and(|run| !run.is_merged() || self.big.room() >= MAX_PACKET)
    }

    /// Reads a packet behind the text of the last one, or else to the end of the batch; returns its bytes.
    pub(crate) fn read_behind(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, Errno> {
        let (Some(run), Some(first)) = (&mut self.joining.run, batch.last_mut()) else {
            return Err(Errno::AGAIN);
        };
        let block = self.big.reserve(MAX_PACKET);
        if block.is_empty() {
            block.resize(COVER, 0);
        }
        let end = block.len();
        let mut covered = [0; COVER];
        covered.copy_from_slice(&block[end - COVER..]);
        let put_back = |block: &mut BytesMut| {
            block.truncate(end - COVER);
            block.extend_from_slice(&covered);
        };
        let start = end - run.header_len();
        block.truncate(start);
        let mut said = RxMeta::default();
        let read = read(self.fd.as_fd(), self.vnet_len, [Target::Spare(block, MAX_PACKET)], &mut said);
        let len = read.inspect_err(|_| put_back(block))?;
        let segment = follower(run, &block[start..], &mut said);
        if let Some(segment) = segment.filter(|_| run.verify(&first.data, &mut first.meta)) {
            run.add(&segment);
            block[end - COVER..end].copy_from_slice(&covered);
            return Ok(len);
        }
        let (front, rest) = block[start..].split_at(len.min(SLOT));
        let (front, rest) = (self.small.copy(front), Bytes::copy_from_slice(rest));
        put_back(block);
        self.close(batch);
        self.joining.flows = false;
        self.push_parts(now, batch, (front, rest), said);
        Ok(len)
    }

    /// Appends a packet that was read to another's place and moved from there.
    pub(crate) fn push_parts(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        (front, rest): (Bytes, Bytes),
        said: RxMeta,
    ) {
        let truesize = (front.len() + rest.len()) as u32;
        let mut packet = self.packet(front, said, now);
        packet.more.push(rest);
        packet.meta.truesize = truesize;
        self.joining.run = begin(self.mode, &packet);
        batch.push(packet);
    }

    /// Gives the last packet of the batch what was read behind it.
    pub(crate) fn close(&mut self, batch: &mut RxBatch) {
        let Some(run) = self.joining.run.take_if(|run| run.is_merged()) else { return self.big.discard() };
        let Some(packet) = batch.last_mut() else { return };
        let headers = run.header_len();
        let mut text = self.big.take();
        text.advance(COVER);
        packet.meta.truesize = packet.meta.truesize.saturating_add(text.len() as u32);
        packet.more.push(packet.data.split_off(headers));
        packet.more.push(text);
        run.finish(packet);
    }

    /// The batch is handed out: what comes next is no neighbour of its packets.
    pub(crate) fn close_batch(&mut self, batch: &mut RxBatch) {
        self.close(batch);
        self.joining.run = None;
    }
}

/// The segment of a frame, if it is no super-packet, goes on where the run ends, and has a right checksum.
pub(crate) fn follower(run: &Run, frame: &[u8], said: &mut RxMeta) -> Option<Segment> {
    run.follower(frame).filter(|_| said.gso_size == 0 && run.verify(frame, said))
}

/// Whether a packet is one as it came, all of it in one place.
fn is_whole(packet: &RxPacket) -> bool {
    packet.more.is_empty() && packet.meta.gso_size == 0
}

/// What a packet may go on with.
fn begin(mode: Mode, packet: &RxPacket) -> Option<Run> {
    let frame = Some(&packet.data[..]).filter(|_| is_whole(packet))?;
    match look_at(mode, frame, frame.len()) {
        Look::Text(segment) if segment.may_begin() => Some(Run::of(frame, segment)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
