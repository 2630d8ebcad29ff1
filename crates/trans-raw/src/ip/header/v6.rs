//! IPv6: only the payload length is filled in. The source address stays even if it is unspecified, since packets may have
//! none (RFC 4291 §2.5.2); extension headers stay whatever they are, broken ones too; and nobody cuts the packet, for who
//! writes the header writes the fragments.

use super::Written;
use stack_core::Error;
use stack_wire::ipv6::{HEADER_LEN, Header};
use stack_wire::ipv6_ext::Chain;

pub(super) fn complete(packet: &mut [u8]) -> Result<Written, Error> {
    let payload_len = packet.len().checked_sub(HEADER_LEN).ok_or(Error::InvalidArgument)?;
    let payload_len = u16::try_from(payload_len).map_err(|_| Error::MessageTooLarge)?;
    let header = Header::from_bytes_mut(packet).ok_or(Error::InvalidArgument)?;
    if header.version() != 6 {
        return Err(Error::InvalidArgument);
    }
    header.payload_len.set(payload_len);
    let header = *header;
    let chain = Chain::walk(packet);
    let first = chain.filter(|chain| chain.fragment.is_none_or(|fragment| fragment.offset() == 0));
    Ok(Written {
        src: header.src().into(),
        protocol: chain.map_or(header.next_header(), |chain| chain.protocol),
        hop_limit: header.hop_limit(),
        traffic_class: header.traffic_class(),
        flow_label: Some(header.flow_label()),
        dont_fragment: true,
        transport: first.and_then(|chain| u16::try_from(chain.offset).ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use core::net::Ipv6Addr;
    use proptest::prelude::*;
    use stack_wire::ip::protocol;
    use stack_wire::ipv6::Ipv6;

    /// A packet of protocol 89, class 0x28, label 5, hop limit 3, from `2001:db8::9`, with a payload length of zero.
    fn header(next_header: u8, behind: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x62, 0x80, 0, 5, 0, 0, next_header, 3];
        packet.extend_from_slice(&Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).octets());
        packet.extend_from_slice(&Ipv6Addr::LOCALHOST.octets());
        packet.extend_from_slice(behind);
        packet
    }

    #[test]
    fn the_length_is_filled_in_and_the_rest_stays() {
        let mut packet = header(89, &[1, 2, 3]);
        let before = packet.clone();
        let want = Written {
            src: "2001:db8::9".parse().unwrap(),
            protocol: 89,
            hop_limit: 3,
            traffic_class: 0x28,
            flow_label: Some(5),
            dont_fragment: true,
            transport: Some(40),
        };
        assert_eq!(complete(&mut packet), Ok(want));
        assert_eq!(Ipv6::parse(&packet).unwrap().payload(), [1, 2, 3]);
        packet[4..6].copy_from_slice(&[0, 0]);
        assert_eq!(packet, before);
    }

    #[test]
    fn the_transport_header_is_found_behind_extensions_if_there_is_one() {
        let options = [89, 0, 1, 4, 0, 0, 0, 0];
        let fragment = |offset| [89, 0, 0, offset, 0, 0, 0, 7];
        for (next_header, behind, found) in [
            (protocol::HOP_BY_HOP, &options[..], (89, Some(48))),
            (protocol::IPV6_FRAGMENT, &fragment(1), (89, Some(48))),
            (protocol::IPV6_FRAGMENT, &fragment(8), (89, None)),
            (protocol::IPV6_FRAGMENT, &[89, 0], (protocol::IPV6_FRAGMENT, None)),
        ] {
            let written = complete(&mut header(next_header, behind)).unwrap();
            assert_eq!((written.protocol, written.transport), found, "{behind:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut four = header(89, &[]);
        four[0] = 0x45;
        for (situation, mut packet, error) in [
            ("nothing", Vec::new(), Error::InvalidArgument),
            ("39 bytes", header(89, &[])[..39].to_vec(), Error::InvalidArgument),
            ("version 4", four, Error::InvalidArgument),
            ("64 KiB of payload", header(89, &[0; 65_536]), Error::MessageTooLarge),
        ] {
            assert_eq!(complete(&mut packet), Err(error), "{situation}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_become_a_packet(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200), six in any::<bool>()
        ) {
            if let Some(first) = bytes.first_mut().filter(|_| six) {
                *first = 0x60;
            }
            if let Ok(written) = complete(&mut bytes) {
                prop_assert!(Ipv6::parse(&bytes).is_ok_and(|view| view.payload().len() + 40 == bytes.len()));
                prop_assert!(written.transport.is_none_or(|at| usize::from(at) <= bytes.len()));
            }
        }
    }
}
