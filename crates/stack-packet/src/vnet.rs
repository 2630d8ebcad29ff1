//! The virtio-net header: what a kernel and we say of a packet before its first byte
//! (`struct virtio_net_hdr`, VIRTIO 1.2 §5.1.6, in the byte order of the machine).
//!
//! TUN and TAP devices and packet sockets have it in front of each packet. It leaves out hash reports and the number of
//! buffers, which only longer headers have.

use crate::{Checksum, RxMeta, TxPacket};

/// Bytes of the header that we write and ask for.
pub const LEN: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`.
const NEEDS_CSUM: u8 = 1;
/// `VIRTIO_NET_HDR_F_DATA_VALID`.
const DATA_VALID: u8 = 2;
/// `VIRTIO_NET_HDR_GSO_TCPV4`.
const TCPV4: u8 = 1;
/// `VIRTIO_NET_HDR_GSO_TCPV6`.
const TCPV6: u8 = 4;
/// `VIRTIO_NET_HDR_GSO_UDP_L4`.
const UDP_L4: u8 = 5;
/// `VIRTIO_NET_HDR_GSO_ECN`: the first segment has CWR set.
const ECN: u8 = 0x80;

/// Protocol number of TCP.
const TCP: u8 = 6;
/// Protocol number of UDP.
const UDP: u8 = 17;

/// The header's fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VnetHeader {
    /// Whether the checksum is to be completed, or was verified.
    pub flags: u8,
    /// How a super-packet is to be cut.
    pub gso_type: u8,
    /// Bytes of all headers of a super-packet.
    pub hdr_len: u16,
    /// Payload bytes of each of its segments.
    pub gso_size: u16,
    /// Where the sum of an incomplete checksum starts, in bytes from the start of the packet.
    pub csum_start: u16,
    /// Where its field lies, in bytes from there.
    pub csum_offset: u16,
}

impl VnetHeader {
    /// Reads a header.
    pub fn decode(bytes: &[u8; LEN]) -> Self {
        let [flags, gso_type, a, b, c, d, e, f, g, h] = *bytes;
        let word = |low, high| u16::from_ne_bytes([low, high]);
        Self {
            flags,
            gso_type,
            hdr_len: word(a, b),
            gso_size: word(c, d),
            csum_start: word(e, f),
            csum_offset: word(g, h),
        }
    }

    /// The header as it stands before the packet.
    pub fn encode(&self) -> [u8; LEN] {
        let [a, b] = self.hdr_len.to_ne_bytes();
        let [c, d] = self.gso_size.to_ne_bytes();
        let [e, f] = self.csum_start.to_ne_bytes();
        let [g, h] = self.csum_offset.to_ne_bytes();
        [self.flags, self.gso_type, a, b, c, d, e, f, g, h]
    }

    /// What this header says of an inbound packet of `len` bytes.
    pub fn annotate(&self, len: usize, meta: &mut RxMeta) {
        let field = usize::from(self.csum_start) + usize::from(self.csum_offset);
        meta.checksum = if self.flags & NEEDS_CSUM != 0 && field + 2 <= len {
            Checksum::Partial { start: self.csum_start, offset: self.csum_offset }
        } else if self.flags & DATA_VALID != 0 {
            Checksum::Verified
        } else {
            Checksum::Unverified
        };
        if matches!(self.gso_type & !ECN, TCPV4 | TCPV6 | UDP_L4) {
            meta.gso_size = self.gso_size;
        }
    }

    /// What we say of an outbound packet whose network header starts `network` bytes into its header.
    /// `None` for a super-packet of which we can't say how it is to be cut.
    pub fn of(packet: &TxPacket, network: usize) -> Option<Self> {
        let mut header = Self::default();
        if let Checksum::Partial { start, offset } = packet.checksum {
            (header.flags, header.csum_start, header.csum_offset) = (NEEDS_CSUM, start, offset);
        }
        if packet.gso_size > 0 {
            let transport = usize::from(header.csum_start);
            header.gso_type = gso_type(packet, network, transport)?;
            header.gso_size = packet.gso_size;
            header.hdr_len = packet.header().len() as u16;
        }
        Some(header)
    }
}

fn gso_type(packet: &TxPacket, network: usize, transport: usize) -> Option<u8> {
    let header = packet.header();
    match (packet.ip.protocol, header.get(network)? >> 4) {
        (TCP, version) => {
            // The flags lie in byte 13 of the TCP header, CWR is the highest bit (RFC 3168 §6.1).
            let cwr = transport > 0 && byte(packet, transport + 13).is_some_and(|flags| flags & 0x80 != 0);
            let ecn = if cwr { ECN } else { 0 };
            match version {
                4 => Some(TCPV4 | ecn),
                6 => Some(TCPV6 | ecn),
                _ => None,
            }
        }
        (UDP, _) => Some(UDP_L4),
        _ => None,
    }
}

/// One byte of a packet: the TCP header of a packet that we only forward lies in its payload.
fn byte(packet: &TxPacket, mut at: usize) -> Option<u8> {
    for piece in packet.all_pieces() {
        match piece.get(at) {
            Some(byte) => return Some(*byte),
            None => at -= piece.len(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn encoded_and_decoded_it_is_the_same() {
        let header = VnetHeader {
            flags: 1,
            gso_type: 0x84,
            hdr_len: 0x0102,
            gso_size: 0x0304,
            csum_start: 0x0506,
            csum_offset: 0x0708,
        };
        assert_eq!(VnetHeader::decode(&header.encode()), header);
        assert_eq!(VnetHeader::default().encode(), [0; LEN]);
    }

    #[test]
    fn what_the_kernel_says_becomes_metadata() {
        let partial = Checksum::Partial { start: 20, offset: 16 };
        // (flags, gso_type, packet length) -> (checksum, gso_size)
        let cases = [
            ((0, 0, 40), (Checksum::Unverified, 0)),
            ((DATA_VALID, 0, 40), (Checksum::Verified, 0)),
            ((NEEDS_CSUM, 0, 40), (partial, 0)),
            ((NEEDS_CSUM | DATA_VALID, TCPV4, 40), (partial, 1448)),
            ((NEEDS_CSUM, TCPV6 | ECN, 40), (partial, 1448)),
            ((NEEDS_CSUM, UDP_L4, 40), (partial, 1448)),
            // UFO: one datagram, however large.
            ((NEEDS_CSUM, 3, 40), (partial, 0)),
            // A checksum field outside of the packet.
            ((NEEDS_CSUM, 0, 37), (Checksum::Unverified, 0)),
            ((NEEDS_CSUM, 0, 38), (partial, 0)),
        ];
        for ((flags, gso_type, len), expected) in cases {
            let header = VnetHeader {
                flags,
                gso_type,
                gso_size: 1448,
                csum_start: 20,
                csum_offset: 16,
                ..VnetHeader::default()
            };
            let mut meta = RxMeta::default();
            header.annotate(len, &mut meta);
            assert_eq!((meta.checksum, meta.gso_size), expected, "{flags} {gso_type} {len}");
        }
    }

    /// A packet of `protocol` with these IP and transport headers and 3000 bytes of payload.
    fn packet(protocol: u8, version: u8, transport_len: usize, tcp_flags: u8, gso_size: u16) -> TxPacket {
        let mut packet = TxPacket::new();
        packet.push(Bytes::from_static(&[0; 3000])).unwrap();
        let transport = packet.prepend(transport_len).unwrap();
        transport.fill(0);
        if let Some(flags) = transport.get_mut(13) {
            *flags = tcp_flags;
        }
        packet.checksum = Checksum::Partial { start: 0, offset: if protocol == TCP { 16 } else { 6 } };
        let ip = packet.prepend(if version == 4 { 20 } else { 40 }).unwrap();
        ip[0] = version << 4;
        packet.ip.protocol = protocol;
        packet.gso_size = gso_size;
        packet
    }

    #[test]
    fn what_we_say_of_a_packet() {
        let cases = [
            (packet(TCP, 4, 32, 0x10, 1448), (TCPV4, 52, 20, 16)),
            (packet(TCP, 4, 32, 0x90, 1448), (TCPV4 | ECN, 52, 20, 16)),
            (packet(TCP, 6, 20, 0x80, 1440), (TCPV6 | ECN, 60, 40, 16)),
            (packet(UDP, 4, 8, 0, 1400), (UDP_L4, 28, 20, 6)),
            (packet(UDP, 6, 8, 0, 1400), (UDP_L4, 48, 40, 6)),
        ];
        for (packet, (gso_type, hdr_len, csum_start, csum_offset)) in cases {
            let gso_size = packet.gso_size;
            let expected =
                VnetHeader { flags: NEEDS_CSUM, gso_type, hdr_len, gso_size, csum_start, csum_offset };
            assert_eq!(VnetHeader::of(&packet, 0), Some(expected));
        }
    }

    #[test]
    fn an_ordinary_packet_needs_no_segmentation_and_a_strange_one_gets_none() {
        let plain = VnetHeader::of(&packet(UDP, 4, 8, 0, 0), 0).unwrap();
        assert_eq!((plain.flags, plain.gso_type, plain.hdr_len, plain.gso_size), (NEEDS_CSUM, 0, 0, 0));
        assert_eq!(VnetHeader::of(&packet(1, 4, 8, 0, 500), 0), None, "ICMP can't be cut");
        assert_eq!(VnetHeader::of(&packet(TCP, 9, 20, 0, 500), 0), None, "no IP version");
        let mut verified = packet(UDP, 4, 8, 0, 0);
        verified.checksum = Checksum::Verified;
        assert_eq!(VnetHeader::of(&verified, 0), Some(VnetHeader::default()));
    }

    #[test]
    fn the_flags_of_a_forwarded_packet_lie_in_its_payload() {
        let mut forwarded = TxPacket::new();
        let original = packet(TCP, 4, 20, 0x80, 1448);
        forwarded.push(original.to_bytes().slice(20..)).unwrap();
        forwarded.prepend(20).unwrap().copy_from_slice(&original.header()[..20]);
        forwarded.ip.protocol = TCP;
        forwarded.gso_size = 1448;
        forwarded.checksum = original.checksum;
        let header = VnetHeader::of(&forwarded, 0).unwrap();
        assert_eq!((header.gso_type, header.csum_start), (TCPV4 | ECN, 20));
        assert_eq!(byte(&forwarded, forwarded.len()), None);
    }

    #[test]
    fn offsets_of_a_frame_count_from_its_ethernet_header() {
        let mut frame = packet(TCP, 6, 20, 0x80, 1440);
        frame.prepend(14).unwrap().fill(0);
        let header = VnetHeader::of(&frame, 14).unwrap();
        assert_eq!((header.gso_type, header.csum_start, header.hdr_len), (TCPV6 | ECN, 54, 74));
    }
}
