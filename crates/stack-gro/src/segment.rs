//! What a packet looks like to whoever looks for segments that belong together.

use core::ops::Range;
use stack_wire::ethernet::{self, EtherType};
use stack_wire::ip::protocol;
use stack_wire::ipv4::{self, Ipv4};
use stack_wire::ipv6::{self, Ipv6};
use stack_wire::tcp::{self, Flags, Tcp};

/// Bytes of the longest headers that a plain segment can have: Ethernet, IPv6, and TCP with all options.
pub const MAX_HEADERS: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + tcp::MAX_HEADER_LEN;

/// What a packet is.
#[derive(Clone, Copy, Debug)]
pub enum Look {
    /// Not TCP.
    Other,
    /// TCP that no segment may pass and none may join.
    Odd,
    /// A segment of text.
    Text(Segment),
}

/// A plain segment: only ACK, PSH and the flags of ECN are set.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Where the network and the transport header start in the frame.
    pub(crate) network: usize,
    pub(crate) transport: usize,
    /// Bytes of all headers, the link's included.
    pub(crate) header_len: usize,
    pub(crate) seq: u32,
    /// Bytes of text; 0 is a pure acknowledgement.
    pub(crate) len: usize,
    pub(crate) push: bool,
}

impl Segment {
    /// Whether others may follow it in one super-packet.
    pub fn may_begin(&self) -> bool {
        self.len > 0 && !self.push
    }

    /// Whether it carries IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.transport - self.network == ipv4::MIN_HEADER_LEN
    }

    /// Where a range of the network header lies in the frame.
    pub(crate) fn in_network(&self, range: Range<usize>) -> Range<usize> {
        self.network + range.start..self.network + range.end
    }

    /// Where a range of the TCP header lies in the frame.
    pub(crate) fn in_transport(&self, range: Range<usize>) -> Range<usize> {
        self.transport + range.start..self.transport + range.end
    }
}

/// Looks at a frame whose network header, of that EtherType, starts at `network`. The frame is one packet as it came,
/// all of it.
pub fn look(frame: &[u8], network: usize, ether_type: u16) -> Look {
    let packet = frame.get(network..).unwrap_or_default();
    let header_len = match ether_type {
        EtherType::IPV4 => match Ipv4::parse(packet) {
            Ok(ip) if ip.protocol() != protocol::TCP => return Look::Other,
            Ok(ip) => {
                let plain = ip.header_len() == ipv4::MIN_HEADER_LEN && !ip.is_fragment();
                plain && usize::from(ip.total_len()) == packet.len() && ip.verify_checksum()
            }
            Err(_) => false,
        }
        .then_some(ipv4::MIN_HEADER_LEN),
        EtherType::IPV6 => match Ipv6::parse(packet) {
            Ok(ip) if ip.next_header() == protocol::UDP => return Look::Other,
            Ok(ip) => {
                ip.next_header() == protocol::TCP
                    && usize::from(ip.payload_len()) + ipv6::HEADER_LEN == packet.len()
            }
            Err(_) => false,
        }
        .then_some(ipv6::HEADER_LEN),
        _ => return Look::Other,
    };
    header_len.and_then(|len| text(frame, network, network + len)).map_or(Look::Odd, Look::Text)
}

fn text(frame: &[u8], network: usize, transport: usize) -> Option<Segment> {
    let tcp = Tcp::parse(frame.get(transport..)?).ok()?;
    let flags = tcp.flags();
    if flags & !(Flags::PSH | Flags::ECE | Flags::CWR | Flags::AE) != Flags::ACK {
        return None;
    }
    let header_len = transport + tcp.header_len();
    let (seq, len) = (tcp.seq().0, tcp.payload().len());
    (header_len <= MAX_HEADERS).then_some(Segment {
        network,
        transport,
        header_len,
        seq,
        len,
        push: flags.psh(),
    })
}
