//! Text that is read to where its reader wants it ([`Placement`]).
//!
//! At the start of a placement a packet is read as any other, but what lies beyond its front goes to where it belongs
//! if its headers are as long as those of the last one. Later ones are read over the end of what has been placed (see
//! `joining.rs`): the text then lies in its place, and what the headers have covered is restored. Segments of an
//! ordinary size make one packet there, too.
//!
//! That is tried only while it works: after a packet that belongs elsewhere, the stream has to be seen again first.

use crate::joining::{COVER, follower};
use crate::receive::{MAX_PACKET, SLOT, TunReceive, look_at, read};
use crate::sys::Target;
use bytes::Bytes;
use rustix::fd::AsFd;
use rustix::io::Errno;
use stack_core::{Checksum, Instant, Placement, RxBatch, RxMeta, RxPacket, StreamPosition};
use stack_gro::{Look, Run};

/// What is known of the stream whose text is placed.
#[derive(Default)]
pub(crate) struct Placing {
    /// Bytes of the headers of its last packet, if that was one of its.
    pub(crate) header_len: Option<usize>,
    /// What the last packet of the batch may go on with.
    run: Option<Run>,
}

/// A packet whose text belongs where it was read to.
struct Fit {
    text_len: usize,
    /// What may go on with it.
    run: Option<Run>,
}

impl TunReceive {
    /// Looks at the first packet of a batch: whether those of the next can be placed.
    pub(crate) fn learn(&mut self, first: Option<&RxPacket>, placement: &Placement<'_>) {
        let Some(packet) = first.filter(|packet| packet.meta.placed == 0) else { return };
        self.placing.header_len = match look_at(self.mode, &packet.data, packet.len()) {
            Look::Text(segment) if segment.is_at(&packet.data, placement.next()) => {
                Some(segment.header_len())
            }
            _ => None,
        };
    }

    /// Reads a packet, its text to its place if it belongs there and its headers are that long; returns its bytes.
    pub(crate) fn read_placing(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
        header_len: usize,
    ) -> Result<usize, Errno> {
        if placement.placed() < COVER {
            self.read_at_start(now, batch, placement, header_len)
        } else {
            self.read_onward(now, batch, placement, header_len)
        }
    }

    fn read_at_start(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
        header_len: usize,
    ) -> Result<usize, Errno> {
        let (small, big) = (self.small.reserve(SLOT), self.big.reserve(MAX_PACKET));
        let place = &mut placement.memory(0)[SLOT - header_len..];
        let mut said = RxMeta::default();
        let targets = [Target::Spare(small, SLOT), Target::Memory(place), Target::Spare(big, MAX_PACKET)];
        let len = read(self.fd.as_fd(), self.vnet_len, targets, &mut said)?;
        let (mut front, beyond) = (self.small.take(), self.big.take());
        if let Some(fit) = self.fit(&front, len, &mut said, placement.next(), header_len) {
            let text = front.split_off(header_len);
            placement.memory(0)[..text.len()].copy_from_slice(&text);
            self.push_placed(batch, placement, self.with_beyond(front, said, now, beyond), fit);
        } else {
            let place = &placement.memory(0)[SLOT - header_len..];
            let in_place = (len - front.len()).min(place.len());
            let rest = [&place[..in_place], &beyond].concat();
            self.push_misplaced(now, batch, (front, rest.into()), said);
        }
        Ok(len)
    }

    fn read_onward(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
        header_len: usize,
    ) -> Result<usize, Errno> {
        let next = *placement.next();
        let mut covered = [0; COVER];
        covered.copy_from_slice(&placement.memory(COVER)[..COVER]);
        let restore = |placement: &mut Placement<'_>| {
            placement.memory(COVER)[..COVER].copy_from_slice(&covered);
        };
        let place = placement.memory(header_len);
        let in_place = place.len();
        let mut said = RxMeta::default();
        let read = if in_place >= MAX_PACKET {
            read(self.fd.as_fd(), self.vnet_len, [Target::Memory(place)], &mut said)
        } else {
            let targets = [Target::Memory(place), Target::Spare(self.big.reserve(MAX_PACKET), MAX_PACKET)];
            read(self.fd.as_fd(), self.vnet_len, targets, &mut said)
        };
        let len = read.inspect_err(|_| restore(placement))?;
        let frame = &placement.memory(header_len)[..len.min(in_place)];
        if let Some(text_len) = self.placing.follower(frame, &mut said) {
            restore(placement);
            placement.place(text_len);
            if let Some(packet) = batch.last_mut() {
                packet.meta.placed += text_len as u32;
            }
            return Ok(len);
        }
        let fit = self.fit(frame, len, &mut said, &next, header_len);
        let front_len = if fit.is_some() { header_len } else { frame.len().min(SLOT) };
        let (front, beyond) = (self.small.copy(&frame[..front_len]), self.big.take());
        if let Some(fit) = fit {
            restore(placement);
            self.push_placed(batch, placement, self.with_beyond(front, said, now, beyond), fit);
        } else {
            let rest = [&frame[front_len..], &beyond].concat();
            restore(placement);
            self.push_misplaced(now, batch, (front, rest.into()), said);
        }
        Ok(len)
    }

    /// Whether a packet of `len` bytes that begins so fits to where it was read; its checksum is right then.
    fn fit(
        &self,
        front: &[u8],
        len: usize,
        said: &mut RxMeta,
        next: &StreamPosition,
        header_len: usize,
    ) -> Option<Fit> {
        let Look::Text(segment) = look_at(self.mode, front, len) else { return None };
        let text_len = segment.text_len();
        if segment.header_len() != header_len || text_len == 0 || !segment.is_at(front, next) {
            return None;
        }
        let run = (front.len() == len && said.gso_size == 0).then(|| Run::of(front, segment));
        let is_verified = match &run {
            Some(run) => run.verify(front, said),
            None => said.checksum != Checksum::Unverified,
        };
        is_verified.then_some(Fit { text_len, run })
    }

    /// A packet of headers, and of the end of its text for which there was no room.
    fn with_beyond(&self, headers: Bytes, said: RxMeta, now: Instant, beyond: Bytes) -> RxPacket {
        let mut packet = self.packet(headers, said, now);
        packet.meta.truesize += beyond.len() as u32;
        packet.more.push(beyond);
        packet
    }

    /// Appends a packet whose text is in its place, as far as there is room for it.
    fn push_placed(
        &mut self,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
        mut packet: RxPacket,
        fit: Fit,
    ) {
        let placed = fit.text_len.min(placement.room());
        placement.place(placed);
        packet.meta.placed = placed as u32;
        self.close_placed(batch);
        self.placing.run = fit.run;
        batch.push(packet);
    }

    /// Appends a packet that belongs elsewhere.
    fn push_misplaced(&mut self, now: Instant, batch: &mut RxBatch, parts: (Bytes, Bytes), said: RxMeta) {
        self.placing.header_len = None;
        self.close_placed(batch);
        self.push_parts(now, batch, parts, said);
    }

    /// Gives the last packet of the batch the headers of all that was placed.
    pub(crate) fn close_placed(&mut self, batch: &mut RxBatch) {
        if let (Some(run), Some(packet)) = (self.placing.run.take(), batch.last_mut()) {
            if run.is_merged() {
                run.finish(packet);
            }
        }
    }
}

impl Placing {
    /// Takes in a segment that goes on where the last packet of the batch ends; returns the bytes of its text.
    fn follower(&mut self, frame: &[u8], said: &mut RxMeta) -> Option<usize> {
        let run = self.run.as_mut()?;
        let segment = follower(run, frame, said)?;
        run.add(&segment);
        Some(segment.text_len())
    }
}

#[cfg(test)]
mod tests;
