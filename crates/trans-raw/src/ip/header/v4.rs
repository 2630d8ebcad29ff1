//! IPv4. As on Linux (raw(7)), we fill in the total length and the checksum always, the source address and the
//! identification where they are zero; all else is the application's.

use super::Written;
use core::net::Ipv4Addr;
use stack_core::Error;
use stack_wire::checksum::ipv4_header;
use stack_wire::ipv4::{Header, MIN_HEADER_LEN};

pub(super) fn complete(
    packet: &mut [u8],
    src: Ipv4Addr,
    ident: impl FnOnce() -> u16,
) -> Result<Written, Error> {
    let total_len = u16::try_from(packet.len()).map_err(|_| Error::MessageTooLarge)?;
    let header = Header::from_bytes_mut(packet).ok_or(Error::InvalidArgument)?;
    let header_len = header.header_len();
    if header.version() != 4 || header_len < MIN_HEADER_LEN || header_len > usize::from(total_len) {
        return Err(Error::InvalidArgument);
    }
    header.total_len.set(total_len);
    header.checksum.set(0);
    if header.src().is_unspecified() {
        header.src = src.octets();
    }
    if header.ident() == 0 {
        header.ident.set(ident());
    }
    let written = Written {
        src: header.src().into(),
        protocol: header.protocol(),
        hop_limit: header.ttl(),
        traffic_class: header.tos(),
        flow_label: None,
        dont_fragment: header.dont_fragment(),
        transport: (header.fragment_offset() == 0).then_some(header_len as u16),
    };
    let sum = ipv4_header(packet.get(..header_len).ok_or(Error::InvalidArgument)?);
    Header::from_bytes_mut(packet).ok_or(Error::InvalidArgument)?.checksum.set(sum);
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use stack_wire::ipv4::Ipv4;

    const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn header(words: u8, len: usize) -> Vec<u8> {
        let mut packet = vec![0; len];
        if let Some(first) = packet.first_mut() {
            *first = 0x40 | words;
        }
        packet
    }

    #[test]
    fn what_is_zero_is_filled_in_and_the_rest_stays() {
        let mut packet = header(5, 30);
        (packet[1], packet[6], packet[8], packet[9]) = (0x28, 0x40, 3, 89);
        packet[16..20].copy_from_slice(&[10, 0, 0, 2]);
        let written = complete(&mut packet, US, || 0x1234).unwrap();
        let want = Written {
            src: US.into(),
            protocol: 89,
            hop_limit: 3,
            traffic_class: 0x28,
            flow_label: None,
            dont_fragment: true,
            transport: Some(20),
        };
        assert_eq!(written, want);
        let view = Ipv4::parse(&packet).unwrap();
        assert!(view.verify_checksum());
        assert_eq!((view.total_len(), view.ident(), view.src()), (30, 0x1234, US));
        packet[4..6].copy_from_slice(&[0, 7]);
        packet[12..16].copy_from_slice(&[192, 0, 2, 9]);
        packet[7] = 1;
        let written = complete(&mut packet, US, || 0x1234).unwrap();
        assert_eq!((written.src, written.transport), (Ipv4Addr::new(192, 0, 2, 9).into(), None));
        assert_eq!(Ipv4::parse(&packet).unwrap().ident(), 7);
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let mut six = header(5, 20);
        six[0] = 0x65;
        for (situation, mut packet, error) in [
            ("nothing", Vec::new(), Error::InvalidArgument),
            ("19 bytes", header(5, 19), Error::InvalidArgument),
            ("four words", header(4, 20), Error::InvalidArgument),
            ("longer than the packet", header(6, 23), Error::InvalidArgument),
            ("version 6", six, Error::InvalidArgument),
            ("64 KiB", header(5, 65_536), Error::MessageTooLarge),
        ] {
            assert_eq!(complete(&mut packet, US, || 1), Err(error), "{situation}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_become_a_packet(mut bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if complete(&mut bytes, US, || 1).is_ok() {
                let view = Ipv4::parse(&bytes).unwrap();
                prop_assert!(view.verify_checksum() && usize::from(view.total_len()) == bytes.len());
            }
        }
    }
}
