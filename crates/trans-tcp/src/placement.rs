//! Text that a link has read to where its reader wants it ([`stack_core::Placement`]).
//!
//! A reader that is about to wait says what it waits for ([`Tcp::next_text`]); until it asks what has come
//! ([`Tcp::take_placed`]), text that was placed is taken if it is exactly that. Such text has been read in the moment
//! it is taken: it waits nowhere, and takes nothing of the window. Text that is not taken has never come; the peer
//! sends it again.

use crate::connection::Connection;
use crate::env::Env;
use crate::segment::Segment;
use crate::tcp::Tcp;
use crate::tuple::Tuple;
use stack_core::{EndpointId, RxPacket, StreamPosition};
use stack_wire::seq::SeqNum;

/// What a reader waits for, and how much of it has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited {
    of: Tuple,
    from: SeqNum,
    len: u32,
}

impl Awaited {
    /// Whether the text of a segment, which begins at or behind RCV.NXT, comes next.
    fn goes_on_with(&self, of: &Tuple, seg: &Segment) -> bool {
        self.of == *of && seg.skip == 0 && seg.seq == self.from + self.len
    }
}

impl Tcp {
    /// The text that a connection's reader waits for, which from now on may have been placed; whatever another reader
    /// waited for may not any more. `None` if it is not to be: other text waits already, none will come, or the reader
    /// wants more than one octet at a time (`SO_RCVLOWAT`).
    pub fn next_text(&mut self, id: EndpointId) -> Option<StreamPosition> {
        let connection = self.connection(id).filter(|connection| connection.waits_for_text())?;
        let (of, from) = (connection.tuple, connection.rcv.nxt);
        self.shared.awaited = Some(Awaited { of, from, len: 0 });
        Some(StreamPosition { remote: of.remote_address(), local: of.local_address(), seq: from.0 })
    }

    /// Octets that were placed and taken since [`next_text`](Self::next_text), from the first on. None are taken any
    /// more.
    pub fn take_placed(&mut self) -> usize {
        self.shared.awaited.take().map_or(0, |awaited| awaited.len as usize)
    }
}

impl Connection {
    fn waits_for_text(&self) -> bool {
        let waits = self.state.receives_data() && !self.rcv.discard && self.rcv.readable() == 0;
        waits && self.settings.receive_lowat <= 1
    }

    /// Whether the text of a packet is where we look for it: not placed, or what comes next where it was.
    pub(crate) fn finds_text(&self, env: &Env<'_, '_>, seg: &Segment, packet: &RxPacket) -> bool {
        let awaited = env.shared.awaited.as_ref();
        packet.meta.placed == 0 || awaited.is_some_and(|awaited| awaited.goes_on_with(&self.tuple, seg))
    }

    /// Takes the first octets of a segment's text, which were placed; returns how many there are.
    pub(crate) fn take_in_place(&mut self, env: &mut Env<'_, '_>, seg: &Segment, packet: &RxPacket) -> u32 {
        let len = packet.meta.placed.min(seg.len);
        if let Some(awaited) = env.shared.awaited.as_mut().filter(|_| len > 0) {
            awaited.len += len;
            self.rcv.advance(len);
            env.counters().direct_copy += u64::from(len);
        }
        len
    }
}
