//! What is served on which port, whatever the sockets are like.

use bytes::Bytes;
use std::net::Ipv4Addr;

/// Our address, in a /8.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// Length of its prefix.
pub(crate) const PREFIX: u8 = 8;
/// Connections that may wait to be accepted.
pub(crate) const BACKLOG: usize = 4096;
/// Datagrams that are counted.
pub(crate) const UDP_SINK: u16 = 5004;
/// Datagrams that are sent back.
pub(crate) const UDP_ECHO: u16 = 5005;
/// Receive buffer of the datagram sockets, in bytes, as the kernel's peer has it.
pub(crate) const UDP_BUFFER: usize = 4 << 20;
/// The question that the sink answers with its counts.
pub(crate) const QUESTION: &[u8] = b"STAT?";
/// Bytes that a source writes, or a sink reads, at a time.
pub(crate) const BLOCK: usize = 256 * 1024;

/// What a TCP connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Service {
    /// Reads and forgets.
    Sink,
    /// Writes as fast as it can.
    Source,
    /// Sends back.
    Echo,
    /// Only waits for the end.
    Hold,
}

impl Service {
    /// All, with their ports.
    pub(crate) const ALL: [(Self, u16); 4] =
        [(Self::Sink, 5001), (Self::Source, 5002), (Self::Echo, 5003), (Self::Hold, 5006)];
}

/// What a source writes.
pub(crate) fn block() -> Bytes {
    Bytes::from(vec![0x5a; BLOCK])
}

/// What the sink of datagrams has counted.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Counts {
    datagrams: u64,
    bytes: u64,
}

impl Counts {
    /// Counts a datagram, or answers it if it is the question.
    pub(crate) fn take(&mut self, datagram: &[u8]) -> Option<[u8; 16]> {
        if datagram.starts_with(QUESTION) {
            let mut answer = [0; 16];
            answer[..8].copy_from_slice(&self.datagrams.to_le_bytes());
            answer[8..].copy_from_slice(&self.bytes.to_le_bytes());
            return Some(answer);
        }
        self.datagrams += 1;
        self.bytes += datagram.len() as u64;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_answered_and_not_counted() {
        let mut counts = Counts::default();
        assert_eq!((counts.take(b"abc"), counts.take(&[])), (None, None));
        let answer = counts.take(b"STAT?").unwrap();
        assert_eq!(answer, [2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(counts.take(b"STAT?"), Some(answer));
    }
}
