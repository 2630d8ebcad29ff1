//! Fragments become datagrams: RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2, with the overlap rule of RFC 5722 and the
//! tiny-fragment rules of RFC 1858 and RFC 3128; ECN: RFC 3168 §5.3.
//!
//! - A datagram is known by source, destination, protocol and identification (R791-3.2-b), on one interface.
//! - It is whole when its pieces add up to its length: they never overlap, so that there is no other way. The same
//!   piece once more changes nothing; a different piece at a place that is taken condemns the datagram, and the rest
//!   of its fragments with it until its time is over.
//! - Pieces are copied: a fragment that waits a minute must not pin the receive block it came in.
//! - Memory is bounded ([`Ipv4Config::reassembly_high`]): the oldest datagrams make room. So is the number of pieces.
//! - The clock runs from the first fragment that came and is never wound up again (R1122-3.3.2-b).

mod datagram;
#[cfg(test)]
mod tests;

use crate::{Endpoint, Ipv4Config};
use alloc::collections::BTreeMap;
use bytes::Bytes;
use core::net::Ipv4Addr;
use datagram::{DATAGRAM_COST, Datagram, Piece};
use stack_core::{DropReason, Effect, ErrorKind, Instant, NetCx, RxPacket};
use stack_wire::ipv4::Header;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: u8,
    ident: u16,
}

impl Key {
    fn of(header: &Header) -> Self {
        Self { src: header.src(), dst: header.dst(), protocol: header.protocol(), ident: header.ident() }
    }
}

/// The datagrams of one interface of which fragments are missing.
#[derive(Debug, Default)]
pub(crate) struct Reassembly {
    datagrams: BTreeMap<Key, Datagram>,
    /// Oldest first; all have the same time to live, so the oldest is also the first to expire.
    by_age: BTreeMap<u64, Key>,
    next_age: u64,
    cost: usize,
}

impl Reassembly {
    /// Takes a fragment. Hands out the datagram if it was the last that was missing.
    ///
    /// # Errors
    /// Why the fragment was not taken.
    pub(crate) fn insert(
        &mut self,
        cx: &mut NetCx<'_>,
        config: &Ipv4Config,
        packet: &RxPacket,
        header: &Header,
    ) -> Result<Option<Bytes>, DropReason> {
        let piece = Piece::new(packet, header)?;
        self.make_room(cx, config, piece.cost() + DATAGRAM_COST)?;
        let key = Key::of(header);
        let datagram = self.find(key, cx.now + config.reassembly_timeout);
        let (cost, had) = (datagram.cost, datagram.pieces.len());
        let added = datagram.add(&piece);
        let whole = datagram.is_whole();
        let (new_cost, has) = (datagram.cost, datagram.pieces.len());
        self.cost = self.cost + new_cost - cost;
        if let Err(reason) = added {
            lose(cx, reason, had.saturating_sub(has));
        }
        if !added? || !whole {
            return Ok(None);
        }
        let Some(datagram) = self.remove(key) else { return Ok(None) };
        datagram.assemble().map(Some).inspect_err(|reason| lose(cx, *reason, had))
    }

    /// When the oldest datagram has waited long enough.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let (_, key) = self.by_age.first_key_value()?;
        self.datagrams.get(key).map(|datagram| datagram.deadline)
    }

    /// Gives up the oldest datagram if its time is over: `Some` of its first fragment, if that came.
    fn pop_expired(&mut self, cx: &mut NetCx<'_>) -> Option<Option<RxPacket>> {
        if self.next_deadline()? > cx.now {
            return None;
        }
        let datagram = self.remove_oldest()?;
        lose(cx, DropReason::FragmentTimeout, datagram.pieces.len());
        Some(datagram.first.map(|first| {
            let mut packet = RxPacket::new(first.header, first.meta.ether_type, first.meta.received_at);
            packet.transport = packet.data.len() as u16;
            datagram.pieces.get(&0).into_iter().for_each(|piece| packet.more.push(piece.clone()));
            packet.pull_up(usize::MAX);
            RxPacket { meta: first.meta, ip: first.ip, ..packet }
        }))
    }

    fn find(&mut self, key: Key, deadline: Instant) -> &mut Datagram {
        let Self { datagrams, by_age, next_age, cost } = self;
        datagrams.entry(key).or_insert_with(|| {
            *next_age += 1;
            by_age.insert(*next_age, key);
            *cost += DATAGRAM_COST;
            Datagram::new(*next_age, deadline)
        })
    }

    fn make_room(&mut self, cx: &mut NetCx<'_>, config: &Ipv4Config, cost: usize) -> Result<(), DropReason> {
        if cost > config.reassembly_high {
            return Err(DropReason::FragmentMemory);
        }
        if self.cost + cost <= config.reassembly_high {
            return Ok(());
        }
        while self.cost + cost > config.reassembly_low {
            let Some(oldest) = self.remove_oldest() else { break };
            lose(cx, DropReason::FragmentMemory, oldest.pieces.len());
        }
        Ok(())
    }

    fn remove_oldest(&mut self) -> Option<Datagram> {
        let (_, key) = self.by_age.first_key_value()?;
        self.remove(*key)
    }

    fn remove(&mut self, key: Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(&key)?;
        self.by_age.remove(&datagram.age);
        self.cost -= datagram.cost;
        Some(datagram)
    }
}

/// Fragments that were kept, and in vain.
fn lose(cx: &mut NetCx<'_>, reason: DropReason, fragments: usize) {
    if fragments > 0 {
        let packets = u32::try_from(fragments).unwrap_or(u32::MAX);
        let nic = cx.nic.id;
        cx.emit(Effect::Dropped { nic, reason, packets });
    }
}

impl Endpoint {
    /// Gives up what has waited too long, and says so where the first fragment is there to quote (R1122-3.3.2-c).
    pub(crate) fn expire_fragments(&mut self, cx: &mut NetCx<'_>) {
        while let Some(first) = self.reassembly.pop_expired(cx) {
            if let Some(packet) = first {
                crate::send_error::send_error(cx, &packet, ErrorKind::ReassemblyTimeout);
            }
        }
    }
}
