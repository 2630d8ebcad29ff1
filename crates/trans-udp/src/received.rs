//! Datagrams that wait for the application, and how they are taken: a super-packet is charged once, as what its packet
//! pins, and read as the datagrams that it stands for.

use bytes::Bytes;
use core::net::IpAddr;
use stack_core::{Cast, Instant, NicId};
use stack_datagram::{Peer, Queue};

/// What came with a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DatagramMeta {
    /// The address that it was sent to (RFC 1122 §4.1.3.5): ours, a group or a broadcast address.
    pub local: IpAddr,
    /// To how many that address belongs.
    pub cast: Cast,
    /// The interface it came in by.
    pub nic: NicId,
    /// TTL or hop limit that was left.
    pub hop_limit: u8,
    /// Type of service or traffic class, ECN included.
    pub traffic_class: u8,
    /// Mark that a policy put on it.
    pub mark: u32,
    /// When it entered the stack.
    pub received_at: Instant,
    /// Payload bytes of each datagram that the bytes stand for, the last one being shorter; 0 for a single datagram.
    pub segment_size: usize,
}

/// One packet's payload.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) from: Peer,
    pub(crate) meta: DatagramMeta,
}

impl Received {
    /// How many datagrams it stands for.
    pub(crate) fn count(&self) -> usize {
        match self.meta.segment_size {
            0 => 1,
            size => self.bytes.len().div_ceil(size).max(1),
        }
    }

    /// The first datagram that it stands for.
    pub(crate) fn first(&self) -> Self {
        let mut first = self.clone();
        if self.meta.segment_size > 0 {
            first.bytes.truncate(self.meta.segment_size);
            first.meta.segment_size = 0;
        }
        first
    }
}

/// How much is taken at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Take {
    /// One datagram.
    Datagram,
    /// All that came in one packet.
    Packet,
}

/// The oldest datagram or packet, with the charge that went with it.
pub(crate) fn take(queue: &mut Queue<Received>, take: Take) -> Option<(Received, usize)> {
    let front = queue.front_mut()?;
    if take == Take::Datagram && front.count() > 1 {
        let first = front.first();
        front.bytes = front.bytes.slice(first.bytes.len()..);
        return Some((first, 0));
    }
    let (mut received, charge) = queue.pop()?;
    if received.count() == 1 {
        received.meta.segment_size = 0;
    }
    Some((received, charge))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;

    fn received(len: usize, segment_size: usize) -> Received {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Received {
            bytes: (0..len).map(|i| i as u8).collect(),
            from: Peer { ip, port: 1, zone: None },
            meta: DatagramMeta {
                local: ip,
                cast: Cast::Unicast,
                nic: NicId(1),
                hop_limit: 64,
                traffic_class: 0,
                mark: 0,
                received_at: Instant::ZERO,
                segment_size,
            },
        }
    }

    #[test]
    fn a_super_packet_is_read_as_its_datagrams_and_charged_until_the_last() {
        let mut queue = Queue::new(0);
        queue.push(received(250, 100), 1000);
        for expected in [(100, 0), (100, 0), (50, 1000)] {
            let (got, charge) = take(&mut queue, Take::Datagram).unwrap();
            assert_eq!((got.bytes.len(), charge), expected);
            assert_eq!(got.meta.segment_size, 0);
        }
        assert!(queue.is_empty() && queue.clear() == 0);
    }

    #[test]
    fn a_whole_super_packet_tells_its_segment_size_while_it_has_several() {
        let mut queue = Queue::new(0);
        queue.push(received(250, 100), 1000);
        assert_eq!(take(&mut queue, Take::Packet).unwrap().0.meta.segment_size, 100);
        queue.push(received(150, 100), 1000);
        assert_eq!(take(&mut queue, Take::Datagram).unwrap().0.bytes.len(), 100);
        let (rest, _) = take(&mut queue, Take::Packet).unwrap();
        assert_eq!((rest.bytes.len(), rest.bytes[0], rest.meta.segment_size), (50, 100, 0));
    }
}
