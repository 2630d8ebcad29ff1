//! Discovery messages on their way out: built option by option, put on the wire with hop limit 255 (RFC 4861 §4).
//!
//! They need no route: the interface is the one that they are about, and the link address of whoever they are for is
//! known or that of a group.

use alloc::vec::Vec;
use core::net::Ipv6Addr;
use stack_core::{Cast, LinkAddress, NetCx};
use stack_wire::checksum::pseudo_header;
use stack_wire::ethernet::EtherType;
use stack_wire::ip::protocol;
use stack_wire::ipv6::{self, HEADER_LEN};
use stack_wire::ndp::HOP_LIMIT;

/// All nodes on the link: RFC 4291 §2.7.1.
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on the link: RFC 4291 §2.7.1.
pub(crate) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Type and length of an option.
const OPTION_HEADER: usize = 2;

/// A message that is being built.
#[derive(Debug)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// A message of a type, with what stands behind its checksum (R4861-4-a: reserved fields are zero).
    pub(crate) fn new(kind: u8, fixed: &[u8]) -> Self {
        Self([&[kind, 0, 0, 0][..], fixed].concat())
    }

    /// One more option, padded with zeros to a multiple of eight octets. One that is too long to be said is left out.
    pub(crate) fn option(mut self, kind: u8, data: &[u8]) -> Self {
        let len = (OPTION_HEADER + data.len()).next_multiple_of(8);
        if let Ok(units) = u8::try_from(len / 8) {
            let end = self.0.len() + len;
            self.0.extend([kind, units]);
            self.0.extend(data);
            self.0.resize(end, 0);
        }
        self
    }

    /// The option with our own link address, if we have one.
    pub(crate) fn link_address(self, kind: u8, link: Option<LinkAddress>) -> Self {
        match link {
            Some(link) => self.option(kind, &link.0),
            None => self,
        }
    }

    /// Octets so far.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Puts it on the wire to a group.
    pub(crate) fn send_to_group(self, cx: &mut NetCx<'_>, src: Ipv6Addr, group: Ipv6Addr) {
        self.send(cx, src, group, LinkAddress::of_multicast_group(group.into()));
    }

    /// Puts it on the wire.
    pub(crate) fn send(mut self, cx: &mut NetCx<'_>, src: Ipv6Addr, dst: Ipv6Addr, link: LinkAddress) {
        let len = self.0.len();
        let mut sum = pseudo_header(src.into(), dst.into(), protocol::ICMPV6, len as u32);
        let sum = sum.add_bytes(&self.0).finish();
        if let Some(field) = self.0.get_mut(2..4) {
            field.copy_from_slice(&sum.to_be_bytes());
        }
        let out = cx.wire.slot();
        (out.ether_type, out.link_dst) = (EtherType::IPV6, link);
        (out.ip.src, out.ip.dst, out.ip.protocol) = (src.into(), dst.into(), protocol::ICMPV6);
        out.ip.cast = if dst.is_multicast() { Cast::Multicast } else { Cast::Unicast };
        // An empty packet has room for one piece and one header.
        let _ = out.push(self.0.into());
        let header = ipv6::Emit { hop_limit: HOP_LIMIT, ..ipv6::Emit::new(src, dst, protocol::ICMPV6, len) };
        if let Some(room) = out.prepend(HEADER_LEN) {
            header.write(room);
        }
    }
}
