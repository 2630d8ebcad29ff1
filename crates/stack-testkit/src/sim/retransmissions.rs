//! Which bytes of a stream were on the wire before: a sender's retransmissions as somebody on the way sees them, the same
//! for every stack.

use stack_wire::ip::protocol::TCP;
use stack_wire::ipv4::Ipv4;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{Header, Tcp};

/// One direction of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Retransmissions {
    /// The end of what was seen.
    end: Option<SeqNum>,
    /// Bytes of text seen.
    pub bytes: u64,
    /// Bytes of text among them that had been seen before.
    pub retransmitted: u64,
    /// Segments that carried any of those.
    pub segments: u64,
}

impl Retransmissions {
    /// Takes notice of the first bytes of an IPv4 packet of `len` bytes; its headers must be among them.
    pub fn see(&mut self, headers: &[u8], len: usize) {
        let Some((header, text)) = segment(headers, len) else { return };
        // A SYN takes a sequence number before its text.
        let begin = header.seq() + u32::from(header.flags().syn());
        let end = begin + text;
        let known = *self.end.get_or_insert(begin);
        let again = if known.after(begin) { known.distance_from(begin).min(text) } else { 0 };
        self.bytes += u64::from(text);
        self.retransmitted += u64::from(again);
        self.segments += u64::from(again > 0);
        self.end = Some(known.max(end));
    }
}

/// The TCP header of a packet, and how many bytes of text it carries.
fn segment(headers: &[u8], len: usize) -> Option<(&Header, u32)> {
    let packet = Ipv4::parse_quoted(headers).ok().filter(|packet| packet.protocol() == TCP)?;
    let segment = Tcp::parse(packet.payload()).ok()?;
    let text = len.checked_sub(packet.header_len() + segment.header_len())?;
    Some((segment.header(), u32::try_from(text).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_wire::checksum::Sum;
    use stack_wire::tcp::Flags;
    use stack_wire::{ipv4, tcp};

    fn packet(seq: u32, flags: Flags, text: usize) -> (Vec<u8>, usize) {
        let (a, b) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut headers = vec![0; 40];
        ipv4::Emit::new(a, b, TCP, 20 + text).write(&mut headers);
        let segment = tcp::Emit {
            src_port: 1,
            dst_port: 2,
            seq: SeqNum(seq),
            ack: SeqNum(0),
            flags,
            window: 0,
            urgent: 0,
            options: &[],
        };
        segment.write(&mut headers[20..], Sum::new());
        (headers, 40 + text)
    }

    #[test]
    fn only_bytes_below_the_highest_count_and_each_time_that_they_come() {
        let mut seen = Retransmissions::default();
        let base = u32::MAX - 1000;
        let mut send = |offset: u32, flags, text| {
            let (headers, len) = packet(base.wrapping_add(offset), flags, text);
            seen.see(&headers, len);
            (seen.bytes, seen.retransmitted, seen.segments)
        };
        assert_eq!(send(0, Flags::SYN, 0), (0, 0, 0));
        assert_eq!(send(1, Flags::ACK, 1000), (1000, 0, 0));
        assert_eq!(send(1001, Flags::ACK, 1000), (2000, 0, 0), "the sequence space has wrapped");
        assert_eq!(send(1, Flags::ACK, 1000), (3000, 1000, 1));
        assert_eq!(send(1501, Flags::ACK, 1000), (4000, 1500, 2), "half of it is new");
        assert_eq!(send(2501, Flags::ACK, 0), (4000, 1500, 2), "an ACK");
        assert_eq!(send(0, Flags::SYN, 0), (4000, 1500, 2));
    }

    #[test]
    fn what_is_no_tcp_is_passed_over() {
        let mut seen = Retransmissions::default();
        let (mut headers, len) = packet(1, Flags::ACK, 100);
        seen.see(&headers[..30], len);
        headers[9] = 17;
        seen.see(&headers, len);
        seen.see(&[], 0);
        assert_eq!(seen, Retransmissions::default());
    }
}
