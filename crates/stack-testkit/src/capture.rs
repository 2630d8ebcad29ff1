//! Captures read into memory: pcap and pcapng, Ethernet and raw IP.
//!
//! What `pcap-file` gives of a pcapng packet's time are the file's own units in the clothes of nanoseconds;
//! they are scaled here by the interface's `if_tsresol` (microseconds where it has none).

use bytes::Bytes;
use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};
use std::path::Path;
use std::time::Duration;

/// A packet of a capture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// When, since the first packet of the capture.
    pub at: Duration,
    /// The file's interface that saw it.
    pub interface: u32,
    /// The link header, where the link has one.
    pub link: Bytes,
    /// EtherType of what follows.
    pub ether_type: u16,
    /// The packet from its network header on; padding of the frame is still behind it.
    pub packet: Bytes,
    /// Whether the capture holds all of it.
    pub whole: bool,
}

/// Why a capture can't be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file can't be opened or read.
    #[error("cannot read the capture: {0}")]
    Io(#[from] std::io::Error),
    /// It is neither pcap nor pcapng, or it is damaged.
    #[error("not a pcap or pcapng file, or a damaged one: {0}")]
    Format(#[from] PcapError),
    /// Its link type is neither Ethernet nor raw IP.
    #[error("packets of link type {0:?} are not understood; record Ethernet or raw IP")]
    LinkType(DataLink),
}

/// First four bytes of a pcapng file.
const PCAPNG: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Ethernet header, in bytes.
const ETHERNET: usize = 14;

/// Reads a capture file.
///
/// # Errors
/// It is not there, it is no capture, or its link type is not understood.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Captured>, CaptureError> {
    parse(&std::fs::read(path)?)
}

/// Parses a capture.
///
/// # Errors
/// It is no capture, or its link type is not understood.
pub fn parse(file: &[u8]) -> Result<Vec<Captured>, CaptureError> {
    let mut packets = if file.starts_with(&PCAPNG) { pcapng(file)? } else { pcap(file)? };
    let start = packets.iter().map(|packet| packet.at).min().unwrap_or_default();
    for packet in &mut packets {
        packet.at -= start;
    }
    Ok(packets)
}

fn pcap(file: &[u8]) -> Result<Vec<Captured>, CaptureError> {
    let mut reader = PcapReader::new(file)?;
    let link_type = reader.header().datalink;
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let packet = packet?;
        let whole = packet.orig_len as usize == packet.data.len();
        packets.push(captured(packet.timestamp, 0, link_type, &packet.data, whole)?);
    }
    Ok(packets)
}

fn pcapng(file: &[u8]) -> Result<Vec<Captured>, CaptureError> {
    let mut reader = PcapNgReader::new(file)?;
    let mut packets = Vec::new();
    loop {
        let block = match reader.next_block() {
            None => return Ok(packets),
            Some(block) => block?.into_owned(),
        };
        let Block::EnhancedPacket(packet) = block else { continue };
        let interface = reader.packet_interface(&packet);
        let interface = interface.ok_or(PcapError::InvalidInterfaceId(packet.interface_id))?;
        let at = scaled(packet.timestamp, resolution(&interface.options));
        let whole = packet.original_len as usize == packet.data.len();
        packets.push(captured(at, packet.interface_id, interface.linktype, &packet.data, whole)?);
    }
}

/// `if_tsresol`: a power of ten, or of two with the high bit set (pcapng §4.2).
fn resolution(options: &[InterfaceDescriptionOption<'_>]) -> u8 {
    let found = options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfTsResol(resolution) => Some(*resolution),
        _ => None,
    });
    found.unwrap_or(6)
}

fn scaled(raw: Duration, resolution: u8) -> Duration {
    let (units, exponent) = (raw.as_nanos(), u32::from(resolution & 0x7f));
    let base: u128 = if resolution & 0x80 == 0 { 10 } else { 2 };
    let per_second = base.checked_pow(exponent).unwrap_or(u128::MAX);
    let nanos = units.saturating_mul(1_000_000_000) / per_second;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn captured(
    at: Duration,
    interface: u32,
    link_type: DataLink,
    data: &[u8],
    whole: bool,
) -> Result<Captured, CaptureError> {
    let data = Bytes::copy_from_slice(data);
    let (link, ether_type) = match link_type {
        DataLink::ETHERNET if data.len() >= ETHERNET => (ETHERNET, u16::from_be_bytes([data[12], data[13]])),
        DataLink::ETHERNET => (data.len(), 0),
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => (0, ip_ether_type(&data)),
        other => return Err(CaptureError::LinkType(other)),
    };
    Ok(Captured { at, interface, link: data.slice(..link), ether_type, packet: data.slice(link..), whole })
}

fn ip_ether_type(packet: &[u8]) -> u16 {
    use stack_wire::ethernet::EtherType;
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => EtherType::IPV4,
        Some(6) => EtherType::IPV6,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    use pcap_file::pcapng::PcapNgWriter;
    use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
    use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;

    const FRAME: &[u8] = b"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x01\x08\x06arp";

    #[test]
    fn pcap_of_ethernet_frames() {
        let header = PcapHeader { datalink: DataLink::ETHERNET, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
        for (at, original) in [(1_000, FRAME.len()), (1_250, FRAME.len() + 7)] {
            let packet = PcapPacket::new(Duration::from_millis(at), original as u32, FRAME);
            writer.write_packet(&packet).unwrap();
        }
        let packets = parse(&writer.into_writer()).unwrap();
        assert_eq!((packets[0].ether_type, &packets[0].packet[..]), (0x0806, &b"arp"[..]));
        assert_eq!((packets[0].at, packets[1].at), (Duration::ZERO, Duration::from_millis(250)));
        assert_eq!((packets[0].whole, packets[1].whole), (true, false));
    }

    fn pcapng(resolution: Option<u8>, raw_times: &[u64]) -> Vec<u8> {
        let mut writer = PcapNgWriter::new(Vec::new()).unwrap();
        let mut interface = InterfaceDescriptionBlock::new(DataLink::RAW, 0xffff);
        interface.options.extend(resolution.map(InterfaceDescriptionOption::IfTsResol));
        writer.write_pcapng_block(interface).unwrap();
        for raw in raw_times {
            let block = EnhancedPacketBlock {
                interface_id: 0,
                timestamp: Duration::from_nanos(*raw),
                original_len: 2,
                data: (&b"\x45x"[..]).into(),
                options: Vec::new(),
            };
            writer.write_pcapng_block(block).unwrap();
        }
        writer.into_inner()
    }

    #[test]
    fn times_of_pcapng_are_in_the_units_of_the_interface() {
        for (resolution, unit) in [(None, 1_000), (Some(6), 1_000), (Some(9), 1), (Some(0x80 | 20), 953)] {
            let packets = parse(&pcapng(resolution, &[500, 501])).unwrap();
            assert_eq!(packets[1].at, Duration::from_nanos(unit), "{resolution:?}");
            assert_eq!((packets[0].ether_type, packets[0].link.len()), (0x0800, 0));
        }
    }

    #[test]
    fn what_is_no_capture_is_an_error() {
        assert!(matches!(parse(b"hello, this is no capture at all"), Err(CaptureError::Format(_))));
        assert!(matches!(read("/nonexistent/capture"), Err(CaptureError::Io(_))));
        let header = PcapHeader { datalink: DataLink::PPP, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
        writer.write_packet(&PcapPacket::new(Duration::ZERO, 1, b"x")).unwrap();
        assert!(matches!(parse(&writer.into_writer()), Err(CaptureError::LinkType(DataLink::PPP))));
    }
}
