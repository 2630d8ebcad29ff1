//! What a channel is to look like to the stack.

use stack_core::{LinkAddress, LinkCapabilities, Medium};

/// The shape of a channel: the same for both ends of a pair, the link addresses apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelConfig {
    /// What the packets are: IP packets, or whole Ethernet frames. Default: IP.
    pub medium: Medium,
    /// Largest IP packet, in bytes. Default: 1500, as on Ethernet (RFC 894).
    pub mtu: u32,
    /// Our address on the link: of the first end, then of the second. Default: none.
    pub link_addresses: [Option<LinkAddress>; 2],
    /// Trust the checksum state of packets that arrive. Default: no.
    pub rx_checksum: bool,
    /// Take packets whose transport checksum is not complete. Between two ends this works only together with
    /// `rx_checksum`, and is not offered without it. Default: no.
    pub tx_checksum: bool,
    /// Take TCP super-packets over IPv4. Default: no.
    pub tso4: bool,
    /// Take TCP super-packets over IPv6. Default: no.
    pub tso6: bool,
    /// Take UDP super-packets. Default: no.
    pub uso: bool,
    /// Largest super-packet, in bytes. Default: 65,535, the largest IPv4 packet.
    pub max_gso: u32,
    /// Packets that wait in each direction before the sender has to; at least 1. Default: 1024, about the length of
    /// the queue of a Linux device (1000).
    pub capacity: usize,
    /// Packets handed over in one call; at least 1. Default: 32.
    pub batch: usize,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            medium: Medium::Ip,
            mtu: 1500,
            link_addresses: [None; 2],
            rx_checksum: false,
            tx_checksum: false,
            tso4: false,
            tso6: false,
            uso: false,
            max_gso: 65_535,
            capacity: 1024,
            batch: 32,
        }
    }
}

impl ChannelConfig {
    /// A channel of Ethernet frames between two stations.
    pub fn ethernet(first: LinkAddress, second: LinkAddress) -> Self {
        Self { medium: Medium::Ethernet, link_addresses: [Some(first), Some(second)], ..Self::default() }
    }

    /// The same with this MTU, in bytes.
    #[must_use]
    pub fn with_mtu(self, mtu: u32) -> Self {
        Self { mtu, ..self }
    }

    /// The same with all offloads: checksums are neither computed nor verified, super-packets pass whole.
    #[must_use]
    pub fn with_offload(self) -> Self {
        Self { rx_checksum: true, tx_checksum: true, tso4: true, tso6: true, uso: true, ..self }
    }

    /// The same with room for this many packets in each direction.
    #[must_use]
    pub fn with_capacity(self, packets: usize) -> Self {
        Self { capacity: packets, ..self }
    }

    /// What an end with a port claims: the program on the other side decides, so both checksum flags stand alone.
    pub(crate) fn capabilities(&self) -> LinkCapabilities {
        let segmentation = self.tso4 || self.tso6 || self.uso;
        LinkCapabilities {
            rx_checksum: self.rx_checksum,
            tx_checksum: self.tx_checksum,
            tso4: self.tso4,
            tso6: self.tso6,
            uso: self.uso,
            max_gso: if segmentation { self.max_gso } else { 0 },
            batch: self.batch.max(1),
            ..LinkCapabilities::plain(self.medium, self.mtu)
        }
    }

    /// What an end of a pair claims: an incomplete checksum needs a peer that trusts it.
    pub(crate) fn pair_capabilities(&self) -> LinkCapabilities {
        LinkCapabilities { tx_checksum: self.tx_checksum && self.rx_checksum, ..self.capabilities() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_channel_claims_nothing() {
        let plain = ChannelConfig::default().pair_capabilities();
        assert_eq!(plain, LinkCapabilities::plain(Medium::Ip, 1500));
    }

    #[test]
    fn offload_is_claimed_as_configured() {
        let all = ChannelConfig::default().with_offload().with_mtu(9000).pair_capabilities();
        assert!(all.rx_checksum && all.tx_checksum && all.tso4 && all.tso6 && all.uso);
        assert_eq!((all.mtu, all.max_gso), (9000, 65_535));
    }

    #[test]
    fn incomplete_checksums_need_a_peer_that_trusts_them() {
        let config = ChannelConfig { tx_checksum: true, ..ChannelConfig::default() };
        assert!(!config.pair_capabilities().tx_checksum);
        assert!(config.capabilities().tx_checksum, "a program may ask for them");
    }
}
