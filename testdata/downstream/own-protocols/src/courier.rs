//! The network protocol: 12 bytes of header, IPv4's addresses, no fragments, no routers.
//!
//! ```text
//! | 0xC0 | transport | length, header included | source | destination |
//!    1        1                  2                 4          4         bytes
//! ```
//!
//! A host's link address is computed from its address (`02:00:a.b.c.d`), as DECnet did, so that nobody has to be asked.

use core::net::{IpAddr, Ipv4Addr};
use stack_core::{
    Destination, DropReason, Effect, LinkAddress, LinkAddressResolver, NeighborUpdate, NetCx,
    NetworkEndpoint, NetworkProtocol, NicView, RxPacket, TxPacket, Verdict,
};

/// For local experiments (IEEE 802, clause 9.2.4).
pub const ETHER_TYPE: u16 = 0x88b5;
const MAGIC: u8 = 0xc0;
const HEADER: usize = 12;

/// The network protocol, to be registered with a stack.
#[derive(Clone, Copy, Debug, Default)]
pub struct Courier;

impl Courier {
    /// The link address that a host with this address must have.
    pub fn link_address(address: Ipv4Addr) -> LinkAddress {
        let [a, b, c, d] = address.octets();
        LinkAddress([2, 0, a, b, c, d])
    }
}

/// What a header says.
struct Header {
    transport: u8,
    len: usize,
    src: Ipv4Addr,
    dst: Ipv4Addr,
}

impl Header {
    fn parse(packet: &[u8]) -> Option<Self> {
        let &[MAGIC, transport, l0, l1, a, b, c, d, e, f, g, h] = packet.first_chunk::<HEADER>()? else {
            return None;
        };
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        Some(Self { transport, len, src: Ipv4Addr::new(a, b, c, d), dst: Ipv4Addr::new(e, f, g, h) })
    }

    fn write(&self, to: &mut [u8]) {
        to[0] = MAGIC;
        to[1] = self.transport;
        to[2..4].copy_from_slice(&(self.len as u16).to_be_bytes());
        to[4..8].copy_from_slice(&self.src.octets());
        to[8..12].copy_from_slice(&self.dst.octets());
    }
}

impl NetworkProtocol for Courier {
    fn ether_type(&self) -> u16 {
        ETHER_TYPE
    }

    fn name(&self) -> &'static str {
        "Courier"
    }

    fn min_packet_len(&self) -> usize {
        HEADER
    }

    fn parse_addresses(&self, packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
        Header::parse(packet).map(|header| (header.src.into(), header.dst.into()))
    }

    fn carries(&self, address: IpAddr) -> bool {
        address.is_ipv4()
    }

    fn new_endpoint(&mut self, _: &NicView<'_>) -> Box<dyn NetworkEndpoint> {
        Box::new(Endpoint)
    }
}

struct Endpoint;

impl NetworkEndpoint for Endpoint {
    fn receive(&mut self, cx: &mut NetCx<'_>, packet: &mut RxPacket) -> Verdict {
        let Some(header) = Header::parse(&packet.data) else { return Verdict::Drop(DropReason::BadVersion) };
        if header.len < HEADER || header.len > packet.len() {
            return Verdict::Drop(DropReason::Truncated);
        }
        let Destination::Local(cast) = cx.host.destination(cx.nic.id, header.dst.into()) else {
            return Verdict::Drop(DropReason::NotLocal);
        };
        packet.truncate(header.len);
        packet.transport = HEADER as u16;
        packet.ip.src = header.src.into();
        packet.ip.dst = header.dst.into();
        packet.ip.protocol = header.transport;
        packet.ip.cast = cast;
        Verdict::Deliver
    }

    fn encapsulate(&mut self, _: &mut NetCx<'_>, packet: &mut TxPacket) -> Result<(), DropReason> {
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (packet.ip.src, packet.ip.dst) else {
            return Err(DropReason::UnknownEtherType);
        };
        let len = packet.len() + HEADER;
        let header = Header { transport: packet.ip.protocol, len, src, dst };
        header.write(packet.prepend(HEADER).ok_or(DropReason::BadHeaderLength)?);
        packet.ether_type = ETHER_TYPE;
        Ok(())
    }

    fn header_len(&self) -> usize {
        HEADER
    }

    fn resolver(&mut self) -> Option<&mut dyn LinkAddressResolver> {
        Some(self)
    }
}

impl LinkAddressResolver for Endpoint {
    fn resolves(&self, address: IpAddr) -> bool {
        address.is_ipv4()
    }

    /// The answer is known without a question.
    fn request(&mut self, cx: &mut NetCx<'_>, target: IpAddr, _: Option<IpAddr>, _: Option<LinkAddress>) {
        let IpAddr::V4(address) = target else { return };
        cx.emit(Effect::Neighbor(NeighborUpdate {
            nic: cx.nic.id,
            address: target,
            link: Some(Courier::link_address(address)),
            solicited: true,
            overrides: true,
            router: None,
            create: false,
        }));
    }
}
