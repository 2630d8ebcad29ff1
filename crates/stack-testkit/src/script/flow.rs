//! Flows: how the numbers of a script become those of packets, and back.
//!
//! Sequence numbers in a script count from the initial one of their side. Ours is learned from the first SYN that the
//! stack sends; the peer's is chosen here. Timestamps of the stack are learned one by one, as packetdrill does, or,
//! where the script states the length of a tick, from the first one on. The payload of both sides is a pattern of the
//! position in the stream, so that every byte is checked.

use core::net::IpAddr;
use std::collections::BTreeMap;

/// A port at an address.
pub(super) type Port = (IpAddr, u16);

/// A conversation between a port of ours and one of the peer.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) protocol: u8,
    pub(super) local: Port,
    pub(super) remote: Port,
    pub(super) isn: Isns,
    pub(super) stamps: Stamps,
    /// What the stack sends.
    pub(super) sent: Stream,
    /// What the peer sends.
    pub(super) received: Stream,
}

impl Flow {
    pub(super) fn new(protocol: u8, local: Port, remote: Port, remote_isn: u32) -> Self {
        let (sent, received) = (Stream::new(0), Stream::new(0x80));
        let isn = Isns::new(remote_isn);
        Self { protocol, local, remote, isn, stamps: Stamps::default(), sent, received }
    }
}

/// Our initial sequence number until the stack has sent one: segments for ports that nobody listens on.
const ASSUMED: u32 = 0x2000_0000;

/// Where the sequence numbers of both sides start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Isns {
    local: Option<u32>,
    /// The peer's number for a script's 0: a script may open with any other, which stays what it is.
    remote: u32,
    /// `local` was made up here and not learned.
    assumed: bool,
}

impl Isns {
    pub(super) fn new(remote: u32) -> Self {
        Self { local: None, remote, assumed: false }
    }

    /// The peer's number for a script's.
    pub(super) fn inbound_seq(&self, seq: u32) -> u32 {
        self.remote.wrapping_add(seq)
    }

    /// Our number for one that the peer acknowledges.
    pub(super) fn inbound_ack(&mut self, ack: u32) -> u32 {
        if self.local.is_none() {
            (self.local, self.assumed) = (Some(ASSUMED), true);
        }
        self.local.unwrap_or(ASSUMED).wrapping_add(ack)
    }

    /// The stack has sent a SYN: perhaps of a new connection between the same ports.
    pub(super) fn learn_syn(&mut self, seq: u32) {
        (self.local, self.assumed) = (Some(seq), false);
    }

    /// A script's number for one that the stack sent. Without any SYN from us it is the number itself: resets. So is 0
    /// where the peer has acknowledged what was never there: it is what a reset to a stranger has.
    pub(super) fn outbound_seq(&self, seq: u32) -> u32 {
        let known = self.local.filter(|_| !(self.assumed && seq == 0));
        seq.wrapping_sub(known.unwrap_or(0))
    }

    /// A script's number for one that the stack acknowledged.
    pub(super) fn outbound_ack(&self, ack: u32) -> u32 {
        ack.wrapping_sub(self.remote)
    }
}

/// The stack's timestamps, as the script calls them.
#[derive(Clone, Debug, Default)]
pub(super) struct Stamps {
    /// Pairs of script and packet, in the order in which they were learned.
    known: Vec<(u32, u32)>,
    /// The script states how long a tick is: everything follows from the first pair.
    pub(super) exact: bool,
}

impl Stamps {
    /// The stack's timestamp for a script's; the last one of that name.
    pub(super) fn packet_stamp(&self, script: u32) -> u32 {
        if script == 0 {
            return 0;
        }
        let found = self.known.iter().rev().find(|(known, _)| *known == script);
        let (known, packet) = found.or(self.base()).copied().unwrap_or((0, 0));
        packet.wrapping_add(script.wrapping_sub(known))
    }

    /// The script's timestamp for one of the stack: what it calls it, unless it states the length of a tick.
    pub(super) fn script_stamp(&mut self, packet: u32, hint: Option<u32>) -> u32 {
        if packet == 0 {
            return 0;
        }
        let linear =
            self.base().map_or(100, |(script, known)| script.wrapping_add(packet.wrapping_sub(*known)));
        let may_learn = self.known.is_empty() || !self.exact;
        let script = hint.filter(|_| may_learn).unwrap_or(linear);
        if self.known.last() != Some(&(script, packet)) {
            self.known.push((script, packet));
        }
        script
    }

    fn base(&self) -> Option<&(u32, u32)> {
        if self.exact { self.known.first() } else { self.known.last() }
    }
}

/// The bytes of one direction: a pattern, except where a line or a call gave them.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    salt: u8,
    given: BTreeMap<u32, u8>,
}

impl Stream {
    pub(super) fn new(salt: u8) -> Self {
        Self { salt, given: BTreeMap::new() }
    }

    /// The byte at a position.
    pub(super) fn byte(&self, position: u32) -> u8 {
        self.given.get(&position).copied().unwrap_or((position % 251) as u8 ^ self.salt)
    }

    /// The bytes from a position on.
    pub(super) fn bytes(&self, position: u32, len: usize) -> Vec<u8> {
        (0..len as u32).map(|offset| self.byte(position.wrapping_add(offset))).collect()
    }

    /// Sets bytes; what was set before stays.
    pub(super) fn give(&mut self, position: u32, bytes: &[u8]) {
        for (offset, byte) in (0u32..).zip(bytes) {
            self.given.entry(position.wrapping_add(offset)).or_insert(*byte);
        }
    }
}

/// The payload of datagrams and echoes without given bytes: the pattern from 0 on.
pub(super) fn pattern(salt: u8, len: usize) -> Vec<u8> {
    pattern_from(salt, 0, len)
}

/// The pattern from a position on.
pub(super) fn pattern_from(salt: u8, position: u32, len: usize) -> Vec<u8> {
    Stream::new(salt).bytes(position, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_map_both_ways() {
        let mut isn = Isns::new(5_000);
        assert_eq!((isn.inbound_seq(0), isn.inbound_seq(300)), (5_000, 5_300));
        isn.learn_syn(70_000);
        assert_eq!((isn.outbound_seq(70_000), isn.outbound_ack(5_001)), (0, 1));
        assert_eq!((isn.inbound_seq(1), isn.inbound_ack(1)), (5_001, 70_001));
    }

    #[test]
    fn a_second_connection_between_the_same_ports_starts_anew_on_our_side() {
        let mut isn = Isns::new(0);
        isn.learn_syn(70_000);
        assert_eq!(isn.inbound_seq(9_000), 9_000);
        isn.learn_syn(900_000);
        assert_eq!((isn.outbound_seq(900_000), isn.outbound_ack(9_001)), (0, 9_001));
    }

    #[test]
    fn a_reset_to_nobodys_segment_has_its_number_or_none() {
        let mut isn = Isns::new(5_000);
        assert_eq!((isn.outbound_seq(0), isn.outbound_ack(5_001)), (0, 1));
        let acked = isn.inbound_ack(77);
        assert_eq!((isn.outbound_seq(acked), isn.outbound_seq(0)), (77, 0));
    }

    #[test]
    fn timestamps_are_learned_one_by_one_or_from_the_first() {
        let mut loose = Stamps::default();
        assert_eq!(loose.script_stamp(1_000, Some(100)), 100);
        assert_eq!(loose.script_stamp(1_777, Some(110)), 110);
        assert_eq!(
            (loose.packet_stamp(100), loose.packet_stamp(110), loose.packet_stamp(0)),
            (1_000, 1_777, 0)
        );
        // A name that is used again means the last one, as in packetdrill.
        assert_eq!((loose.script_stamp(1_900, Some(110)), loose.packet_stamp(110)), (110, 1_900));
        assert_eq!(loose.script_stamp(1_950, None), 160);
        let mut exact = Stamps { exact: true, ..Stamps::default() };
        assert_eq!(exact.script_stamp(1_000, Some(100)), 100);
        assert_eq!(exact.script_stamp(1_777, Some(110)), 877);
    }

    #[test]
    fn given_bytes_replace_the_pattern_once() {
        let mut stream = Stream::new(0);
        stream.give(3, b"ab");
        stream.give(4, b"x");
        assert_eq!(stream.bytes(2, 4), [2, b'a', b'b', 5]);
    }
}
