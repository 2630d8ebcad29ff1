//! What is known of one connection, and what its list shows.

use crate::config::Timeouts;
use crate::layout::Part;
use crate::table::Direction;
use crate::tcp::TcpState;
use crate::tuple::Tuple;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::ip::protocol;

/// A tracked connection, as it was when somebody looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection {
    /// What its first packet had, before any translation.
    pub original: Tuple,
    /// What answers have when they come in: the inverse of `original`, if nothing is translated.
    pub reply: Tuple,
    /// Where a TCP connection is.
    pub tcp: Option<TcpState>,
    /// Whether anybody has answered.
    pub replied: bool,
    /// Whether it is spared when the table is full: answered, and not ended.
    pub assured: bool,
    /// When it is forgotten, if no packet comes.
    pub expires: Instant,
    /// Packets in the original and in the reply direction.
    pub packets: [u64; 2],
    /// Bytes of them, network headers included.
    pub bytes: [u64; 2],
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tuples: [Tuple; 2],
    tcp: Option<TcpState>,
    /// Who has said FIN.
    fins: [bool; 2],
    pub(crate) replied: bool,
    /// Whether its translations, or that it has none, are settled.
    pub(crate) settled: bool,
    pub(crate) expires: Instant,
    packets: [u64; 2],
    bytes: [u64; 2],
}

impl Entry {
    /// `None` if no connection begins with such a packet.
    pub(crate) fn first(tuple: Tuple, part: Part, loose: bool) -> Option<Self> {
        let tcp = match part {
            Part::Segment { flags, .. } => Some(TcpState::first(flags, loose)?),
            Part::Answer => return None,
            Part::Datagram | Part::Question => None,
        };
        Some(Self {
            tuples: [tuple, tuple.inverse()],
            tcp,
            fins: [false; 2],
            replied: false,
            settled: false,
            expires: Instant::FAR_FUTURE,
            packets: [0; 2],
            bytes: [0; 2],
        })
    }

    /// A packet passes.
    pub(crate) fn pass(
        &mut self,
        now: Instant,
        direction: Direction,
        part: Part,
        len: usize,
        timeouts: &Timeouts,
    ) {
        self.replied |= direction == Direction::Reply;
        self.settled |= self.replied;
        self.packets[direction.index()] += 1;
        self.bytes[direction.index()] += len as u64;
        if let (Some(state), Part::Segment { flags, text, .. }) = (self.tcp, part) {
            self.step(state, direction, flags, text);
        }
        self.expires = now + self.timeout(timeouts);
    }

    fn step(&mut self, state: TcpState, direction: Direction, flags: stack_wire::tcp::Flags, text: bool) {
        let mut next = state.after(direction, flags, text);
        if next == TcpState::SynSent {
            self.fins = [false; 2];
        }
        self.fins[direction.index()] |= flags.fin();
        if self.fins == [true; 2] {
            next = next.finished();
        }
        self.tcp = Some(next);
    }

    fn timeout(&self, timeouts: &Timeouts) -> Duration {
        match (self.tcp, self.tuples[0].protocol) {
            (Some(state), _) => state.timeout(timeouts),
            (None, protocol::UDP) if self.replied => timeouts.udp_replied,
            (None, protocol::UDP) => timeouts.udp_unreplied,
            (None, protocol::ICMP | protocol::ICMPV6) => timeouts.icmp,
            (None, _) => timeouts.other,
        }
    }

    pub(crate) fn is_assured(&self) -> bool {
        self.replied && self.tcp.is_none_or(TcpState::is_assured)
    }

    /// What a packet of that direction has when it leaves.
    pub(crate) fn outcome(&self, direction: Direction) -> Tuple {
        self.tuples[direction.other().index()].inverse()
    }

    pub(crate) fn show(&self) -> Connection {
        Connection {
            original: self.tuples[0],
            reply: self.tuples[1],
            tcp: self.tcp,
            replied: self.replied,
            assured: self.is_assured(),
            expires: self.expires,
            packets: self.packets,
            bytes: self.bytes,
        }
    }
}
