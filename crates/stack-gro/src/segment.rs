//! What a packet looks like to whoever looks for segments that belong together.

use core::net::IpAddr;
use core::ops::Range;
use stack_packet::StreamPosition;
use stack_wire::ethernet::{self, EtherType};
use stack_wire::ip::protocol;
use stack_wire::ipv4::{self, Ipv4};
use stack_wire::ipv6::{self, Ipv6};
use stack_wire::tcp::{self, Flags, Tcp};

/// Bytes of the longest headers that a plain segment can have: Ethernet, IPv6, and TCP with all options.
pub const MAX_HEADERS: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + tcp::MAX_HEADER_LEN;

/// Addresses in the IPv4 header (RFC 791 §3.1) and in the IPv6 header (RFC 8200 §3).
const V4_ADDRESSES: Range<usize> = 12..20;
const V6_ADDRESSES: Range<usize> = 8..40;
/// Both ports, in the TCP header (RFC 9293 §3.1).
const TCP_PORTS: Range<usize> = 0..4;

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

    /// Bytes of all headers: where the text starts.
    pub fn header_len(&self) -> usize {
        self.header_len
    }

    /// Bytes of text.
    pub fn text_len(&self) -> usize {
        self.len
    }

    /// Whether this, whose frame begins with `front`, has the text at that position.
    pub fn is_at(&self, front: &[u8], position: &StreamPosition) -> bool {
        let ports = [position.remote.port().to_be_bytes(), position.local.port().to_be_bytes()];
        let addresses = front.get(self.addresses()).unwrap_or_default();
        let (remote, local) = addresses.split_at(addresses.len() / 2);
        self.seq == position.seq
            && front.get(self.ports()) == Some(ports.as_flattened())
            && is(remote, position.remote.ip())
            && is(local, position.local.ip())
    }

    /// Whether it carries IPv4.
    pub(crate) fn is_v4(&self) -> bool {
        self.transport - self.network == ipv4::MIN_HEADER_LEN
    }

    /// Where the addresses lie in the frame.
    pub(crate) fn addresses(&self) -> Range<usize> {
        self.in_network(if self.is_v4() { V4_ADDRESSES } else { V6_ADDRESSES })
    }

    /// Where the ports lie in the frame.
    pub(crate) fn ports(&self) -> Range<usize> {
        self.in_transport(TCP_PORTS)
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

/// Whether these are the octets of an address.
fn is(octets: &[u8], address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => octets == v4.octets(),
        IpAddr::V6(v6) => octets == v6.octets(),
    }
}

/// Looks at the front of a frame of `len` bytes, which is one packet as it came, perhaps a super-packet of the
/// device's. All headers lie in the front; the network header, of that EtherType, starts at `network`.
pub fn look(front: &[u8], len: usize, network: usize, ether_type: u16) -> Look {
    let packet = front.get(network..).unwrap_or_default();
    let packet_len = len.saturating_sub(network);
    let header_len = match ether_type {
        EtherType::IPV4 => match Ipv4::parse_quoted(packet) {
            Ok(ip) if ip.protocol() != protocol::TCP => return Look::Other,
            Ok(ip) => {
                let plain = ip.header_len() == ipv4::MIN_HEADER_LEN && !ip.is_fragment();
                plain && usize::from(ip.total_len()) == packet_len && ip.verify_checksum()
            }
            Err(_) => false,
        }
        .then_some(ipv4::MIN_HEADER_LEN),
        EtherType::IPV6 => match Ipv6::parse_quoted(packet) {
            Ok(ip) if ip.next_header() == protocol::UDP => return Look::Other,
            Ok(ip) => {
                ip.next_header() == protocol::TCP
                    && usize::from(ip.payload_len()) + ipv6::HEADER_LEN == packet_len
            }
            Err(_) => false,
        }
        .then_some(ipv6::HEADER_LEN),
        _ => return Look::Other,
    };
    header_len.and_then(|ip| text(front, len, network, network + ip)).map_or(Look::Odd, Look::Text)
}

fn text(front: &[u8], len: usize, network: usize, transport: usize) -> Option<Segment> {
    let tcp = Tcp::parse(front.get(transport..)?).ok()?;
    let flags = tcp.flags();
    if flags & !(Flags::PSH | Flags::ECE | Flags::CWR | Flags::AE) != Flags::ACK {
        return None;
    }
    let header_len = transport + tcp.header_len();
    let (seq, len) = (tcp.seq().0, len.saturating_sub(header_len));
    (header_len <= MAX_HEADERS).then_some(Segment {
        network,
        transport,
        header_len,
        seq,
        len,
        push: flags.psh(),
    })
}
