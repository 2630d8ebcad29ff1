//! The flow label of packets whose sender has not chosen one: RFC 6437 §3.
//!
//! A keyed hash of addresses, protocol and ports (R6437-3-a): the same for all packets of a flow, spread evenly, and not
//! to be guessed by who does not know the key, which each interface draws when it first needs one. ICMPv6 echo has its
//! identifier for ports; other messages are one flow for each pair of hosts. A label is never 0, which would say that
//! there is none.

use core::net::Ipv6Addr;
use stack_wire::icmpv6::kind;
use stack_wire::ip::protocol;

/// Sets the halves of the key apart: the fraction of the golden ratio.
const APART: u64 = 0x9e37_79b9_7f4a_7c15;

/// The labels of one interface.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FlowLabels {
    /// 0 until it is needed.
    key: u64,
}

impl FlowLabels {
    /// The label of the flow whose packets look like this; `random` is asked for a key once.
    pub(crate) fn label(
        &mut self,
        random: impl FnOnce() -> u64,
        src: Ipv6Addr,
        dst: Ipv6Addr,
        protocol: u8,
        transport: &[u8],
    ) -> u32 {
        if self.key == 0 {
            self.key = random() | 1;
        }
        let ports = u64::from(ports(protocol, transport)) << 8 | u64::from(protocol);
        let words = |address: Ipv6Addr| ((address.to_bits() >> 64) as u64, address.to_bits() as u64);
        let ((s0, s1), (d0, d1)) = (words(src), words(dst));
        let hash = fold(s0 ^ self.key, s1 ^ self.key.wrapping_mul(APART));
        let hash = fold(hash ^ d0, d1 ^ self.key.rotate_left(32));
        let hash = fold(hash ^ ports, self.key ^ APART);
        ((hash >> 44) as u32).max(1)
    }
}

/// What tells the flows between two hosts apart, from the first bytes of the transport header.
fn ports(protocol: u8, transport: &[u8]) -> u32 {
    match (protocol, transport) {
        (protocol::TCP | protocol::UDP, [a, b, c, d, ..]) => u32::from_be_bytes([*a, *b, *c, *d]),
        (protocol::ICMPV6, [kind::ECHO_REQUEST | kind::ECHO_REPLY, _, _, _, a, b, ..]) => {
            u32::from_be_bytes([0, 0, *a, *b])
        }
        _ => 0,
    }
}

/// All bits of a product, folded into half of them.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    const US: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);

    fn label(key: u64, peer: u16, protocol: u8, transport: &[u8]) -> u32 {
        let peer = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, peer);
        FlowLabels::default().label(|| key, US, peer, protocol, transport)
    }

    // R6437-3-a
    #[test]
    fn a_flow_has_one_label_and_others_have_others() {
        let udp = [0, 7, 0, 9, 0, 20, 1, 2];
        let longer = [0, 7, 0, 9, 0, 99, 3, 4];
        assert_eq!(label(5, 9, 17, &udp), label(5, 9, 17, &longer));
        let other_port = [0, 7, 0, 8, 0, 20, 1, 2];
        let labels = [
            label(5, 9, 17, &udp),
            label(5, 8, 17, &udp),
            label(5, 9, 6, &udp),
            label(5, 9, 17, &other_port),
            label(7, 9, 17, &udp),
        ];
        assert_eq!(BTreeSet::from(labels).len(), labels.len());
    }

    #[test]
    fn pings_of_one_identifier_are_a_flow() {
        let ping = |checksum, ident, seq| label(5, 9, 58, &[128, 0, checksum, 0, 0, ident, 0, seq]);
        assert_eq!(ping(1, 7, 1), ping(2, 7, 2));
        assert_ne!(ping(1, 7, 1), ping(1, 8, 1));
    }

    // R6437-3-a
    #[test]
    fn labels_are_spread_over_their_bits() {
        let labels: BTreeSet<u32> =
            (0..1000u16).map(|port| label(5, 9, 17, &[port.to_be_bytes(), [0, 9]].concat())).collect();
        assert!(labels.len() > 990, "{}", labels.len());
        assert!(labels.iter().all(|label| (1..1 << 20).contains(label)));
        for bit in 0..20 {
            let ones = labels.iter().filter(|label| *label >> bit & 1 == 1).count();
            assert!((400..600).contains(&ones), "bit {bit} is 1 in {ones} of 1000");
        }
    }
}
