//! ARP for IPv4 over Ethernet: RFC 826; probes and announcements of RFC 5227.
//!
//! A packet for other hardware or protocol types, or with other address lengths,
//! is refused (R826-rx-d). The operation is not judged here: RFC 826 has the
//! receiver look at the sender's addresses before the operation.

use core::net::Ipv4Addr;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::error::WireError;
use crate::ethernet::{EtherType, MacAddr};

/// Octets of a packet.
pub const PACKET_LEN: usize = 28;

/// The hardware type of Ethernet.
const ETHERNET: u16 = 1;

/// What a packet asks or says.
pub mod operation {
    /// Who has the target address?
    pub const REQUEST: u16 = 1;
    /// The sender has the sender address.
    pub const REPLY: u16 = 2;
}

/// A packet, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Packet {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: MacAddr,
    sender_ip: [u8; 4],
    target_mac: MacAddr,
    target_ip: [u8; 4],
}

impl Packet {
    /// A request from `sender` for the owner of `target_ip`. With an unspecified `sender_ip` it is
    /// a probe, with `sender_ip == target_ip` an announcement (RFC 5227 §1.1).
    pub const fn request(sender_mac: MacAddr, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Self {
        Self::new(operation::REQUEST, sender_mac, sender_ip, MacAddr::ZERO, target_ip)
    }

    /// A reply that tells `target` that `sender_mac` has `sender_ip`.
    pub const fn reply(
        sender_mac: MacAddr,
        sender_ip: Ipv4Addr,
        target_mac: MacAddr,
        target_ip: Ipv4Addr,
    ) -> Self {
        Self::new(operation::REPLY, sender_mac, sender_ip, target_mac, target_ip)
    }

    const fn new(
        operation: u16,
        sender_mac: MacAddr,
        sender_ip: Ipv4Addr,
        target_mac: MacAddr,
        target_ip: Ipv4Addr,
    ) -> Self {
        Self {
            hardware_type: U16::new(ETHERNET),
            protocol_type: U16::new(EtherType::IPV4),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(operation),
            sender_mac,
            sender_ip: sender_ip.octets(),
            target_mac,
            target_ip: target_ip.octets(),
        }
    }

    /// Reads a packet; bytes behind it (Ethernet padding) are ignored.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) below 28 octets,
    /// [`Unsupported`](WireError::Unsupported) when hardware or protocol type is another,
    /// [`BadHeaderLength`](WireError::BadHeaderLength) when the address lengths do not fit the types.
    pub fn parse(packet: &[u8]) -> Result<&Self, WireError> {
        let Ok((arp, _)) = Self::ref_from_prefix(packet) else { return Err(WireError::Truncated) };
        if arp.hardware_type.get() != ETHERNET || arp.protocol_type.get() != EtherType::IPV4 {
            return Err(WireError::Unsupported);
        }
        if arp.hardware_len != 6 || arp.protocol_len != 4 {
            return Err(WireError::BadHeaderLength);
        }
        Ok(arp)
    }

    /// The packet as octets.
    pub fn to_bytes(&self) -> [u8; PACKET_LEN] {
        zerocopy::transmute!(*self)
    }

    /// Writes the packet to the front of `out` and returns its length (28), or 0 when `out` is too
    /// short.
    pub fn write(&self, out: &mut [u8]) -> usize {
        self.write_to_prefix(out).map_or(0, |()| PACKET_LEN)
    }

    /// What the packet asks or says, see [`operation`].
    pub const fn operation(&self) -> u16 {
        self.operation.get()
    }

    /// Whether this is a request.
    pub const fn is_request(&self) -> bool {
        self.operation() == operation::REQUEST
    }

    /// Whether this is a reply.
    pub const fn is_reply(&self) -> bool {
        self.operation() == operation::REPLY
    }

    /// Link address of the sender.
    pub const fn sender_mac(&self) -> MacAddr {
        self.sender_mac
    }

    /// IPv4 address of the sender.
    pub const fn sender_ip(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.sender_ip;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Link address of the target; means nothing in a request.
    pub const fn target_mac(&self) -> MacAddr {
        self.target_mac
    }

    /// IPv4 address of the target.
    pub const fn target_ip(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.target_ip;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Whether somebody asks if an address is free: a request without a sender address
    /// (RFC 5227 §2.1.1).
    pub fn is_probe(&self) -> bool {
        self.is_request() && self.sender_ip().is_unspecified()
    }

    /// Whether the sender tells of its own address unasked: sender and target address are the same
    /// (RFC 5227 §2.3).
    pub fn is_announcement(&self) -> bool {
        self.sender_ip == self.target_ip
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
    const IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    #[test]
    fn fields_that_must_fit() {
        let good = Packet::request(MAC, IP, IP).to_bytes();
        let with = |at: usize, byte| {
            let mut packet = good;
            packet[at] = byte;
            Packet::parse(&packet).map(|_| ())
        };
        for (situation, got, want) in [
            ("whole", Packet::parse(&good).map(|_| ()), Ok(())),
            ("one octet short", Packet::parse(&good[..27]).map(|_| ()), Err(WireError::Truncated)),
            ("hardware 6", with(1, 6), Err(WireError::Unsupported)),
            ("protocol IPv6", with(2, 0x86), Err(WireError::Unsupported)),
            ("hardware address of 8", with(4, 8), Err(WireError::BadHeaderLength)),
            ("protocol address of 16", with(5, 16), Err(WireError::BadHeaderLength)),
            ("unknown operation", with(7, 9), Ok(())),
        ] {
            assert_eq!(got, want, "{situation}");
        }
    }

    #[test]
    fn kinds_of_requests() {
        let free = Packet::request(MAC, Ipv4Addr::UNSPECIFIED, IP);
        assert!(free.is_probe() && !free.is_announcement() && !free.is_reply());
        let ours = Packet::request(MAC, IP, IP);
        assert!(ours.is_announcement() && !ours.is_probe());
        assert!(Packet::reply(MAC, IP, MAC, IP).is_reply());
        assert_eq!(ours.write(&mut [0; 27]), 0);
    }

    proptest! {
        #[test]
        fn written_is_what_others_read(sm: [u8; 6], si: [u8; 4], tm: [u8; 6], ti: [u8; 4]) {
            let packet = Packet::reply(MacAddr(sm), si.into(), MacAddr(tm), ti.into());
            let mut frame = [0u8; 46];
            prop_assert_eq!(packet.write(&mut frame), PACKET_LEN);
            prop_assert_eq!(Packet::parse(&frame), Ok(&packet));
            let theirs = etherparse::ArpPacketSlice::from_slice(&frame).unwrap();
            prop_assert_eq!(theirs.operation().0, packet.operation());
            prop_assert_eq!(theirs.sender_hw_addr(), packet.sender_mac().0);
            prop_assert_eq!(theirs.sender_protocol_addr(), packet.sender_ip().octets());
            prop_assert_eq!(theirs.target_hw_addr(), packet.target_mac().0);
            prop_assert_eq!(theirs.target_protocol_addr(), packet.target_ip().octets());
        }
    }
}
