//! Rewriting one end of a packet in place, checksums mended incrementally (RFC 1624).
//!
//! A checksum that is only the pseudo-header's sum so far stays one. A UDP checksum of zero, which says that there is
//! none (RFC 768), stays zero. In an ICMP error the quoted packet is rewritten at its other end, since it travelled the
//! other way, and its checksums with it as far as they are quoted; then the error's own checksum follows.

use crate::layout::{Content, Layout, Quote};
use crate::tuple::{End, Side};
use core::net::IpAddr;
use stack_core::Checksum;
use stack_wire::checksum::update_u16;
use stack_wire::ip::protocol;
use stack_wire::{tcp, udp};

/// Offset of the checksum in the IPv4 header (RFC 791 §3.1).
const V4_CHECKSUM: usize = 10;
/// Offset of the checksum in both ICMPs (RFC 792, RFC 4443 §2.1).
const ICMP_CHECKSUM: usize = 2;
/// Offset of the identifier in a question and an answer (RFC 792, RFC 4443 §4.1).
const ICMP_IDENT: usize = 4;
/// Bytes of a quoted transport header that may change: up to TCP's checksum.
const QUOTED: usize = tcp::CHECKSUM_OFFSET + 2;

/// Where the headers lie of what is rewritten.
#[derive(Clone, Copy)]
struct Spot {
    network: Option<usize>,
    transport: Option<usize>,
    protocol: u8,
    checksum: Checksum,
}

/// Gives a packet another end: of the connection's tuple, at `side`. Of an error, both its own address and the quoted
/// packet's end; `outer` says what its own address becomes.
pub(crate) fn translate(
    bytes: &mut [u8],
    layout: &Layout,
    side: Side,
    to: End,
    outer: IpAddr,
    checksum: Checksum,
) {
    let network = layout.network.then_some(0);
    let spot = |transport| Spot { network, transport, protocol: layout.protocol, checksum };
    let address = match side {
        Side::Source => layout.src,
        Side::Destination => layout.dst,
    };
    match layout.content {
        Content::Flow { tuple, .. } => spot(Some(layout.transport)).set(bytes, side, tuple.end(side), to),
        Content::Later => {
            let end = |address| End { address, port: 0 };
            spot(None).set(bytes, side, end(address), end(to.address));
        }
        Content::Error(quote) => {
            let end = |address| End { address, port: 0 };
            spot(Some(layout.transport)).set(bytes, side, end(address), end(outer));
            quoted(bytes, layout.transport, &quote, side.other(), to);
        }
        Content::Untracked | Content::Invalid => {}
    }
}

/// Rewrites the quoted packet, and mends the checksum of the message at `message` around it.
fn quoted(bytes: &mut [u8], message: usize, quote: &Quote, side: Side, to: End) {
    let until = (quote.transport + QUOTED).min(bytes.len());
    let Some(before) = bytes.get(quote.network..until).map(<[u8]>::to_vec) else { return };
    let spot = Spot {
        network: Some(quote.network),
        transport: Some(quote.transport),
        protocol: quote.tuple.protocol,
        checksum: Checksum::Unverified,
    };
    spot.set(bytes, side, quote.tuple.end(side), to);
    let Some(after) = bytes.get(quote.network..until).map(<[u8]>::to_vec) else { return };
    mend(bytes, message + ICMP_CHECKSUM, &before, &after);
}

impl Spot {
    fn set(&self, bytes: &mut [u8], side: Side, from: End, to: End) {
        let (old, new) = (octets(from.address), octets(to.address));
        let len = if from.address.is_ipv4() { 4 } else { 16 };
        let (old, new) = (&old[..len], &new[..len]);
        if from.address.is_ipv4() != to.address.is_ipv4() {
            return;
        }
        if let Some(network) = self.network {
            put(bytes, network + address_offset(from.address, side), new);
            if from.address.is_ipv4() {
                mend(bytes, network + V4_CHECKSUM, old, new);
            }
        }
        let Some(transport) = self.transport else { return };
        if covers_addresses(self.protocol) {
            self.mend_transport(bytes, transport, old, new, true);
        }
        if let Some(offset) = port_offset(self.protocol, side).filter(|_| from.port != to.port) {
            put(bytes, transport + offset, &to.port.to_be_bytes());
            self.mend_transport(bytes, transport, &from.port.to_be_bytes(), &to.port.to_be_bytes(), false);
        }
    }

    /// `pseudo` says whether the words belong to the pseudo-header: an incomplete checksum covers nothing else.
    fn mend_transport(&self, bytes: &mut [u8], transport: usize, old: &[u8], new: &[u8], pseudo: bool) {
        let Some(field) = checksum_offset(self.protocol).map(|offset| transport + offset) else { return };
        let Some(check) = take(bytes, field) else { return };
        if matches!(self.checksum, Checksum::Partial { .. }) {
            if pseudo {
                put(bytes, field, &(!mended(!check, old, new)).to_be_bytes());
            }
            return;
        }
        let udp = self.protocol == protocol::UDP;
        if udp && check == 0 {
            return;
        }
        let check = match mended(check, old, new) {
            0 if udp => 0xffff,
            check => check,
        };
        put(bytes, field, &check.to_be_bytes());
    }
}

fn mend(bytes: &mut [u8], field: usize, old: &[u8], new: &[u8]) {
    if let Some(check) = take(bytes, field) {
        put(bytes, field, &mended(check, old, new).to_be_bytes());
    }
}

/// The checksum after words under it went from `old` to `new`, which are equally long and begin at an even offset.
fn mended(check: u16, old: &[u8], new: &[u8]) -> u16 {
    let words = old.chunks(2).map(word).zip(new.chunks(2).map(word));
    words.filter(|(old, new)| old != new).fold(check, |check, (old, new)| update_u16(check, old, new))
}

fn word(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0)])
}

/// The address in the first 4 or all 16 bytes.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&v4.octets());
            octets
        }
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Offsets of the addresses in the IPv4 header (RFC 791 §3.1) and the IPv6 header (RFC 8200 §3).
const fn address_offset(address: IpAddr, side: Side) -> usize {
    match (address, side) {
        (IpAddr::V4(_), Side::Source) => 12,
        (IpAddr::V4(_), Side::Destination) => 16,
        (IpAddr::V6(_), Side::Source) => 8,
        (IpAddr::V6(_), Side::Destination) => 24,
    }
}

const fn port_offset(protocol: u8, side: Side) -> Option<usize> {
    match (protocol, side) {
        (protocol::TCP | protocol::UDP, Side::Source) => Some(0),
        (protocol::TCP | protocol::UDP, Side::Destination) => Some(2),
        (protocol::ICMP | protocol::ICMPV6, _) => Some(ICMP_IDENT),
        _ => None,
    }
}

const fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        protocol::TCP => Some(tcp::CHECKSUM_OFFSET),
        protocol::UDP => Some(udp::CHECKSUM_OFFSET),
        protocol::ICMP | protocol::ICMPV6 => Some(ICMP_CHECKSUM),
        _ => None,
    }
}

/// Whether the protocol's checksum has a pseudo-header.
const fn covers_addresses(protocol: u8) -> bool {
    matches!(protocol, protocol::TCP | protocol::UDP | protocol::ICMPV6)
}

fn take(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|field| u16::from_be_bytes(*field))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = bytes.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests;
