//! The station before it is put to use.

use crate::EthernetCounters;
use crate::receive::EthernetReceive;
use crate::transmit::EthernetTransmit;
use crate::vlan::{TAG_LEN, Vlan};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use stack_core::{LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkReceive, LinkTransmit, Medium};
use stack_wire::ethernet::HEADER_LEN;
use thiserror::Error;

/// Why a link can't be a station.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum EthernetError {
    /// A group, or no address at all, can't be a station's.
    #[error(
        "{0} cannot be the address of a station; use one whose first byte is even, such as 02:00:00:00:00:01"
    )]
    NotUnicast(LinkAddress),
    /// The link has no address of its own.
    #[error("the link has no address of its own; give one with `Ethernet::new`")]
    NoAddress,
    /// Identifiers of VLANs are 1 to 4094.
    #[error("{0} is not the identifier of a VLAN; use one from 1 to 4094")]
    NoVlan(u16),
    /// The link carries something else.
    #[error(
        "the link does not carry Ethernet frames; use it without `Ethernet`, or a TAP device instead of TUN"
    )]
    NotFrames,
}

/// One station on a link that carries Ethernet frames.
#[derive(Debug)]
pub struct Ethernet<L> {
    inner: L,
    address: LinkAddress,
    vlan: Option<Vlan>,
    counters: Arc<EthernetCounters>,
}

impl<L: LinkEndpoint> Ethernet<L> {
    /// A station with this address. The kernel's end of a TAP device has an address of its own; take another one.
    ///
    /// # Errors
    /// The address is no station's, or `inner` carries no frames.
    pub fn new(inner: L, address: LinkAddress) -> Result<Self, EthernetError> {
        if inner.capabilities().medium != Medium::Ethernet {
            return Err(EthernetError::NotFrames);
        }
        if !address.is_unicast() {
            return Err(EthernetError::NotUnicast(address));
        }
        Ok(Self { inner, address, vlan: None, counters: Arc::default() })
    }

    /// A station with the address that the link itself names.
    ///
    /// # Errors
    /// It names none, or none of a station, or carries no frames.
    pub fn with_link_address_of(inner: L) -> Result<Self, EthernetError> {
        let address = inner.link_address().ok_or(EthernetError::NoAddress)?;
        Self::new(inner, address)
    }

    /// The same station in a VLAN: what it sends is tagged, and only frames with these tags are its own. Several stations on
    /// one device are ports of a switch (`link-switch`).
    #[must_use]
    pub fn with_vlan(self, vlan: Vlan) -> Self {
        Self { vlan: Some(vlan), ..self }
    }

    /// What ended here; stays readable when the link is in use.
    pub fn counters(&self) -> Arc<EthernetCounters> {
        Arc::clone(&self.counters)
    }
}

impl<L: LinkEndpoint> LinkEndpoint for Ethernet<L> {
    fn capabilities(&self) -> LinkCapabilities {
        let inner = self.inner.capabilities();
        let Some(vlan) = self.vlan else {
            return LinkCapabilities { header_len: inner.header_len + HEADER_LEN as u16, ..inner };
        };
        // Frames may be longer by one tag (IEEE 802.3 §3.2.7); a second one costs payload. Devices do not cut tagged
        // super-packets.
        LinkCapabilities {
            header_len: inner.header_len + (HEADER_LEN + vlan.len()) as u16,
            mtu: inner.mtu.saturating_sub((vlan.len() - TAG_LEN) as u32),
            tso4: false,
            tso6: false,
            uso: false,
            max_gso: 0,
            ..inner
        }
    }

    fn link_address(&self) -> Option<LinkAddress> {
        Some(self.address)
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        let mut drops = self.inner.drops();
        drops.push(self.counters());
        drops
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let wants_outcomes = self.inner.capabilities().wants_outcomes;
        let (receive, transmit) = Box::new(self.inner).split();
        let counters = Arc::clone(&self.counters);
        let receive = EthernetReceive::new(receive, self.address, self.vlan, wants_outcomes, counters);
        let transmit = EthernetTransmit {
            inner: transmit,
            address: self.address,
            vlan: self.vlan,
            counters: self.counters,
        };
        (Box::new(receive), Box::new(transmit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use link_channel::{ChannelConfig, pair};

    const US: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
    const PEER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);

    #[test]
    fn it_is_an_ethernet_link_with_a_header() {
        let (link, _peer) = pair(ChannelConfig::ethernet(PEER, US).with_offload().with_mtu(9000));
        let inner = link.capabilities();
        let station = Ethernet::new(link, US).unwrap();
        assert_eq!(station.link_address(), Some(US));
        assert_eq!(station.capabilities(), LinkCapabilities { header_len: 14, ..inner });
    }

    #[test]
    fn a_tag_fits_beside_the_mtu_and_a_second_one_does_not() {
        let (link, _peer) = pair(ChannelConfig::ethernet(PEER, US).with_offload());
        let tagged = Ethernet::new(link, US).unwrap().with_vlan(Vlan::new(5).unwrap());
        let of = tagged.capabilities();
        assert_eq!((of.header_len, of.mtu, of.tso4, of.max_gso, of.tx_checksum), (18, 1500, false, 0, true));
        let twice = tagged.with_vlan(Vlan::new(5).unwrap().within(6).unwrap()).capabilities();
        assert_eq!((twice.header_len, twice.mtu), (22, 1496));
    }

    #[test]
    fn not_every_link_and_address_makes_a_station() {
        let ethernet = || pair(ChannelConfig::ethernet(US, PEER)).0;
        let ip = || pair(ChannelConfig::default()).0;
        for address in [LinkAddress::BROADCAST, LinkAddress::UNSPECIFIED, LinkAddress([1, 0, 0x5e, 0, 0, 1])]
        {
            assert_eq!(Ethernet::new(ethernet(), address).err(), Some(EthernetError::NotUnicast(address)));
        }
        assert_eq!(Ethernet::new(ip(), US).err(), Some(EthernetError::NotFrames));
        assert_eq!(Ethernet::with_link_address_of(ip()).err(), Some(EthernetError::NoAddress));
        assert_eq!(Ethernet::with_link_address_of(ethernet()).unwrap().link_address(), Some(US));
    }
}
