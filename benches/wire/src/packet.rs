//! Just enough IPv4, TCP and UDP to read what the kernel sends and to answer.

/// Bytes of the virtio-net header.
pub const VNET_LEN: usize = 10;
/// Bytes of an IPv4 header without options.
pub const IP_LEN: usize = 20;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

const DONT_FRAGMENT: u8 = 0x40;
/// `VIRTIO_NET_HDR_F_NEEDS_CSUM` and `VIRTIO_NET_HDR_GSO_TCPV4`.
const NEEDS_CHECKSUM: u8 = 1;
const GSO_TCP4: u8 = 1;

/// Where an answer comes from and goes to: four bytes each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Path {
    pub addresses: [u8; 8],
    pub source: u16,
    pub destination: u16,
}

/// A TCP segment as it arrived.
pub struct Segment<'a> {
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub options: &'a [u8],
    pub payload: &'a [u8],
}

/// The header of a TCP segment to be sent.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub options: &'a [u8],
}

/// Splits an IPv4 packet without options into protocol, path of an answer, and
/// what follows the ports.
pub fn parse(packet: &[u8]) -> Option<(u8, Path, &[u8])> {
    let (ip, rest) = packet.split_first_chunk::<IP_LEN>()?;
    let ([a, b, c, d], body) = rest.split_first_chunk::<4>()?;
    if ip[0] != 0x45 {
        return None;
    }
    let mut addresses = [0; 8];
    addresses[..4].copy_from_slice(&ip[16..20]);
    addresses[4..].copy_from_slice(&ip[12..16]);
    let path =
        Path { addresses, source: u16::from_be_bytes([*c, *d]), destination: u16::from_be_bytes([*a, *b]) };
    Some((ip[9], path, body))
}

/// Reads a TCP segment from behind its ports.
pub fn parse_segment(body: &[u8]) -> Option<Segment<'_>> {
    let (fixed, rest) = body.split_first_chunk::<16>()?;
    let options_len = usize::from(fixed[8] >> 4).checked_mul(4)?.checked_sub(20)?;
    let (options, payload) = rest.split_at_checked(options_len)?;
    Some(Segment {
        seq: u32::from_be_bytes([fixed[0], fixed[1], fixed[2], fixed[3]]),
        ack: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        flags: fixed[9],
        window: u16::from_be_bytes([fixed[10], fixed[11]]),
        options,
        payload,
    })
}

/// The window scale that a SYN's options offer; 0 without.
pub fn window_scale(mut options: &[u8]) -> u8 {
    loop {
        match *options {
            [] | [0, ..] => return 0,
            [1, ref rest @ ..] => options = rest,
            [3, _, shift, ..] => return shift,
            [_, len, ..] => options = options.get(usize::from(len).max(2)..).unwrap_or_default(),
            [_] => return 0,
        }
    }
}

/// Builds the headers of a segment into `buffer`, virtio-net header first, and
/// returns their length. With `gso` (the segment size) the checksum is left to
/// the kernel, and so is the segmentation of a payload that is longer.
pub fn build_tcp(
    buffer: &mut [u8; 100],
    path: Path,
    header: Header<'_>,
    payload: &[u8],
    gso: Option<u16>,
) -> usize {
    let tcp_len = 20 + header.options.len();
    let (vnet, packet) = buffer.split_at_mut(VNET_LEN);
    ip_header(packet, path, TCP, tcp_len + payload.len());
    let tcp = &mut packet[IP_LEN..IP_LEN + tcp_len];
    tcp[..2].copy_from_slice(&path.source.to_be_bytes());
    tcp[2..4].copy_from_slice(&path.destination.to_be_bytes());
    tcp[4..8].copy_from_slice(&header.seq.to_be_bytes());
    tcp[8..12].copy_from_slice(&header.ack.to_be_bytes());
    tcp[12] = (tcp_len as u8 / 4) << 4;
    tcp[13] = header.flags;
    tcp[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
    tcp[16..20].fill(0);
    tcp[20..].copy_from_slice(header.options);
    let pseudo = sum(&path.addresses) + be_word(u16::from(TCP)) + be_word((tcp_len + payload.len()) as u16);
    vnet.fill(0);
    let checksum = match gso {
        None => !fold(pseudo + sum(tcp) + sum(payload)),
        Some(size) => {
            vnet[0] = NEEDS_CHECKSUM;
            vnet[6..8].copy_from_slice(&(IP_LEN as u16).to_ne_bytes());
            vnet[8..10].copy_from_slice(&16_u16.to_ne_bytes());
            if payload.len() > usize::from(size) {
                vnet[1] = GSO_TCP4;
                vnet[2..4].copy_from_slice(&((IP_LEN + tcp_len) as u16).to_ne_bytes());
                vnet[4..6].copy_from_slice(&size.to_ne_bytes());
            }
            fold(pseudo)
        }
    };
    tcp[16..18].copy_from_slice(&checksum.to_ne_bytes());
    VNET_LEN + IP_LEN + tcp_len
}

/// Builds the headers of a datagram; IPv4 allows it to go without checksum.
pub fn build_udp(buffer: &mut [u8; 100], path: Path, payload: &[u8]) -> usize {
    let (vnet, packet) = buffer.split_at_mut(VNET_LEN);
    vnet.fill(0);
    ip_header(packet, path, UDP, 8 + payload.len());
    let udp = &mut packet[IP_LEN..IP_LEN + 8];
    udp[..2].copy_from_slice(&path.source.to_be_bytes());
    udp[2..4].copy_from_slice(&path.destination.to_be_bytes());
    udp[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
    udp[6..8].fill(0);
    VNET_LEN + IP_LEN + 8
}

fn ip_header(packet: &mut [u8], path: Path, protocol: u8, body_len: usize) {
    let ip = &mut packet[..IP_LEN];
    ip.fill(0);
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&((IP_LEN + body_len) as u16).to_be_bytes());
    ip[6] = DONT_FRAGMENT;
    ip[8] = 64;
    ip[9] = protocol;
    ip[12..20].copy_from_slice(&path.addresses);
    let checksum = !fold(sum(ip));
    ip[10..12].copy_from_slice(&checksum.to_ne_bytes());
}

/// The one's complement sum of the bytes as words in memory order.
fn sum(bytes: &[u8]) -> u64 {
    let word = |bytes: &[u8]| {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from(u32::from_ne_bytes(word))
    };
    let words = bytes.chunks_exact(4);
    let rest = word(words.remainder());
    words.map(word).sum::<u64>() + rest
}

/// A big-endian word as [`sum`] would see it.
fn be_word(word: u16) -> u64 {
    u64::from(word.to_be())
}

fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: Path = Path { addresses: [10, 9, 0, 2, 10, 9, 0, 1], source: 5003, destination: 40000 };

    #[test]
    fn built_segment_verifies_and_parses_back() {
        let mut buffer = [0; 100];
        let payload = b"seven b";
        let header = Header { seq: 7, ack: 9, flags: ACK | PSH, options: &[1, 3, 3, 8] };
        let len = build_tcp(&mut buffer, PATH, header, payload, None);
        let mut packet = buffer[VNET_LEN..len].to_vec();
        packet.extend(payload);
        assert_eq!(fold(sum(&packet[..IP_LEN])), 0xffff);
        let tcp = &packet[IP_LEN..];
        let pseudo = sum(&PATH.addresses) + be_word(u16::from(TCP)) + be_word(tcp.len() as u16);
        assert_eq!(fold(pseudo + sum(tcp)), 0xffff);
        let (protocol, back, body) = parse(&packet).unwrap();
        assert_eq!((protocol, back.source, back.destination), (TCP, 40000, 5003));
        assert_eq!(back.addresses, [10, 9, 0, 1, 10, 9, 0, 2]);
        let segment = parse_segment(body).unwrap();
        assert_eq!(
            (segment.seq, segment.ack, segment.flags, segment.payload),
            (7, 9, ACK | PSH, &payload[..])
        );
        assert_eq!(window_scale(segment.options), 8);
    }

    #[test]
    fn window_scale_survives_any_options() {
        assert_eq!(window_scale(&[2, 4, 5, 0xb4, 1, 3, 3, 7]), 7);
        assert_eq!(window_scale(&[8, 0, 8]), 0);
        assert_eq!(window_scale(&[0, 3, 3, 7]), 0);
    }
}
