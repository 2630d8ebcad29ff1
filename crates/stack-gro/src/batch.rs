//! Super-packets out of a batch that has been read.

use crate::{Look, Run, look};
use alloc::vec::Vec;
use bytes::Buf;
use stack_packet::{RxBatch, RxPacket};

/// Flows that are followed at a time in a batch; a further one takes the place of the one seen first.
const RUNS: usize = 8;
/// Marks a packet that was taken into another; links leave the field at 0.
const TAKEN: u16 = u16::MAX;

/// A run, gathered in the packet of its first segment.
struct Gathering {
    /// The packet's place in the batch.
    index: usize,
    run: Run,
}

/// Merges what can be merged; the batch shrinks.
pub fn coalesce(batch: &mut RxBatch) {
    if batch.len() < 2 {
        return;
    }
    let mut gatherings: Vec<Gathering> = Vec::new();
    let mut gone = 0;
    for index in 0..batch.len() {
        match batch.get(index).map_or(Look::Other, look_at) {
            Look::Other => {}
            Look::Odd => gatherings.drain(..).for_each(|gathering| gathering.finish(batch)),
            Look::Text(segment) => {
                let known = gatherings.iter().position(|gathering| gathering.is_of_flow(batch, index));
                if let Some(known) = known {
                    let (joined, over) = gatherings.get_mut(known).map_or((false, true), |gathering| {
                        (gathering.join(batch, index), gathering.run.is_over())
                    });
                    if over || !joined {
                        gatherings.remove(known).finish(batch);
                    }
                    if joined {
                        gone += 1;
                        continue;
                    }
                }
                if segment.may_begin() {
                    if gatherings.len() == RUNS {
                        gatherings.remove(0).finish(batch);
                    }
                    let data = batch.get(index).map(|packet| &packet.data[..]).unwrap_or_default();
                    gatherings.push(Gathering { index, run: Run::of(data, segment) });
                }
            }
        }
    }
    gatherings.into_iter().for_each(|gathering| gathering.finish(batch));
    if gone > 0 {
        close_ranks(batch);
    }
}

/// Super-packets of a link's own are not added to.
fn look_at(packet: &RxPacket) -> Look {
    match look(&packet.data, packet.data.len(), 0, packet.meta.ether_type) {
        Look::Text(_) if !packet.more.is_empty() || packet.meta.gso_size != 0 => Look::Odd,
        seen => seen,
    }
}

impl Gathering {
    fn is_of_flow(&self, batch: &RxBatch, index: usize) -> bool {
        let (Some(first), Some(packet)) = (batch.get(self.index), batch.get(index)) else { return false };
        first.meta.ether_type == packet.meta.ether_type && self.run.is_of_flow(&first.data, &packet.data)
    }

    /// Appends a segment, if it belongs here; its packet is left empty.
    fn join(&mut self, batch: &mut RxBatch, index: usize) -> bool {
        let Some((before, from)) = batch.split_at_mut_checked(index) else { return false };
        let waiting = from.len();
        let (Some(first), Some(packet)) = (before.get_mut(self.index), from.first_mut()) else {
            return false;
        };
        let (a, b) = (&first.meta, &packet.meta);
        if (a.cast, a.link_src, a.hash, a.mark) != (b.cast, b.link_src, b.hash, b.mark) {
            return false;
        }
        let Some(segment) = self.run.follower(&packet.data) else { return false };
        // Later on, `data` of the first is nothing but headers; but then it has been verified.
        if !(self.run.verify(&first.data, &mut first.meta) && self.run.verify(&packet.data, &mut packet.meta))
        {
            return false;
        }
        let headers = self.run.header_len();
        if !self.run.is_merged() {
            first.more.reserve(1 + waiting);
            first.more.push(first.data.split_off(headers));
        }
        let mut taken = core::mem::replace(packet, RxPacket { transport: TAKEN, ..RxPacket::default() });
        taken.data.advance(headers);
        first.more.push(taken.data);
        first.meta.truesize = first.meta.truesize.saturating_add(taken.meta.truesize);
        self.run.add(&segment);
        true
    }

    fn finish(&self, batch: &mut RxBatch) {
        if let Some(packet) = batch.get_mut(self.index).filter(|_| self.run.is_merged()) {
            self.run.finish(packet);
        }
    }
}

/// Removes the packets that were taken into others.
fn close_ranks(batch: &mut RxBatch) {
    let mut kept = 0;
    for index in 0..batch.len() {
        if batch.get(index).is_some_and(|packet| packet.transport != TAKEN) {
            batch.swap(kept, index);
            kept += 1;
        }
    }
    batch.truncate(kept);
}
