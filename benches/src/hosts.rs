//! Hosts for benches, and their only source of chance.

use net_ipv4::Ipv4;
use net_ipv6::Ipv6;
use stack_core::{Instant, IpNet, LinkCapabilities, Medium, NicId, Rng, TransportProtocol};
use stack_host::{BuildError, Host, NicConfig};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The interface that packets come in by.
pub const NIC: NicId = NicId(1);
/// Our address on it, in a /8.
pub const LOCAL: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// The peer's.
pub const REMOTE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Random numbers that are the same in each run (SplitMix64).
#[derive(Clone, Debug)]
pub struct Seeded(pub u64);

impl Rng for Seeded {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// What a TUN device with all offloads can do.
pub fn offloading(mtu: u32) -> LinkCapabilities {
    LinkCapabilities {
        rx_checksum: true,
        tx_checksum: true,
        tso4: true,
        tso6: true,
        uso: true,
        max_gso: 65_535,
        ..LinkCapabilities::plain(Medium::Ip, mtu)
    }
}

/// What a device can do that only computes and checks checksums.
pub fn checksumming(mtu: u32) -> LinkCapabilities {
    LinkCapabilities { rx_checksum: true, tx_checksum: true, ..LinkCapabilities::plain(Medium::Ip, mtu) }
}

/// Our address and the peer's over IPv6, in a /64.
pub const LOCAL_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// See [`LOCAL_V6`].
pub const REMOTE_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);

/// A host with IPv4 and IPv6, these transports and one interface, [`NIC`], with this address in its subnet.
///
/// # Errors
/// Two transports have the same number.
pub fn host(
    transports: Vec<Box<dyn TransportProtocol>>,
    address: impl Into<IpAddr>,
    capabilities: LinkCapabilities,
) -> Result<Host, BuildError> {
    let builder = Host::builder().network(Ipv4::default()).network(Ipv6::default()).rng(Box::new(Seeded(7)));
    let builder = transports.into_iter().fold(builder, |builder, protocol| builder.boxed_transport(protocol));
    let mut host = builder.build()?;
    let address = address.into();
    let net = IpNet::new_assert(address, if address.is_ipv4() { 8 } else { 64 });
    // A new host has neither this interface nor this address.
    let _ = host.add_nic(Instant::ZERO, NIC, NicConfig::new("nic1", capabilities));
    let _ = host.add_address(Instant::ZERO, NIC, net);
    Ok(host)
}
