//! ICMPv6: RFC 4443. Neighbour discovery messages lie in [`ndp`](crate::ndp).
//!
//! As in ICMPv4, all messages share eight octets of header whose last four mean
//! different things; who calls an accessor has looked at the type. The checksum
//! covers a pseudo-header (R4443-2.3-a). What an error quotes is the payload; read
//! it with [`Ipv6::parse_quoted`](crate::ipv6::Ipv6::parse_quoted).

use core::ops::Deref;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Sum;
use crate::error::WireError;

/// Octets of a header.
pub const HEADER_LEN: usize = 8;

/// Message types; below 128 are errors (RFC 4443 §2.1).
pub mod kind {
    /// Destination unreachable; codes in [`unreachable`](super::unreachable).
    pub const DESTINATION_UNREACHABLE: u8 = 1;
    /// Packet too big.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time exceeded; codes in [`time_exceeded`](super::time_exceeded).
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter problem; codes in [`parameter_problem`](super::parameter_problem).
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Router solicitation, RFC 4861 §4.1.
    pub const ROUTER_SOLICIT: u8 = 133;
    /// Router advertisement, RFC 4861 §4.2.
    pub const ROUTER_ADVERT: u8 = 134;
    /// Neighbour solicitation, RFC 4861 §4.3.
    pub const NEIGHBOR_SOLICIT: u8 = 135;
    /// Neighbour advertisement, RFC 4861 §4.4.
    pub const NEIGHBOR_ADVERT: u8 = 136;
    /// Redirect, RFC 4861 §4.5.
    pub const REDIRECT: u8 = 137;
}

/// Codes of destination unreachable.
pub mod unreachable {
    /// No route to the destination.
    pub const NO_ROUTE: u8 = 0;
    /// Administratively prohibited.
    pub const PROHIBITED: u8 = 1;
    /// Beyond the scope of the source address.
    pub const BEYOND_SCOPE: u8 = 2;
    /// Address unreachable.
    pub const ADDRESS: u8 = 3;
    /// Port unreachable.
    pub const PORT: u8 = 4;
    /// The source address failed a policy.
    pub const POLICY: u8 = 5;
    /// The route to the destination rejects.
    pub const REJECT_ROUTE: u8 = 6;
}

/// Codes of time exceeded.
pub mod time_exceeded {
    /// The hop limit reached zero on the way.
    pub const HOP_LIMIT: u8 = 0;
    /// Fragments did not all arrive in time.
    pub const REASSEMBLY: u8 = 1;
}

/// Codes of parameter problem.
pub mod parameter_problem {
    /// A header field is wrong.
    pub const HEADER_FIELD: u8 = 0;
    /// The next header type is unknown.
    pub const NEXT_HEADER: u8 = 1;
    /// The option is unknown.
    pub const OPTION: u8 = 2;
    /// The first fragment lacks part of the header chain (RFC 7112 §5).
    pub const INCOMPLETE_CHAIN: u8 = 3;
}

/// A header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Message type.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Checksum of pseudo-header, header and payload.
    pub checksum: U16,
    /// What it is depends on the type.
    pub rest: [u8; 4],
}

impl Header {
    /// Message type, see [`kind`].
    #[inline]
    pub const fn kind(&self) -> u8 {
        self.kind
    }

    /// Code within the type.
    #[inline]
    pub const fn code(&self) -> u8 {
        self.code
    }

    /// Whether the message reports an error, of a known type or not; no error is ever sent about one
    /// of these (R4443-2.4-e1).
    #[inline]
    pub const fn is_error(&self) -> bool {
        self.kind < 128
    }

    /// Identifier of an echo message.
    #[inline]
    pub const fn echo_ident(&self) -> u16 {
        u16::from_be_bytes([self.rest[0], self.rest[1]])
    }

    /// Sequence number of an echo message.
    #[inline]
    pub const fn echo_seq(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }

    /// MTU of the next hop in a packet-too-big message.
    #[inline]
    pub const fn mtu(&self) -> u32 {
        u32::from_be_bytes(self.rest)
    }

    /// The octet of the quoted packet at which a parameter problem points.
    #[inline]
    pub const fn pointer(&self) -> u32 {
        u32::from_be_bytes(self.rest)
    }
}

/// A message of at least eight octets. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Icmpv6<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Icmpv6<'a> {
    /// Reads a message: what lies behind the last extension header. Unknown types are messages too.
    ///
    /// # Errors
    /// [`Truncated`](WireError::Truncated) below eight octets.
    #[inline]
    pub fn parse(message: &'a [u8]) -> Result<Self, WireError> {
        let Ok((header, payload)) = Header::ref_from_prefix(message) else {
            return Err(WireError::Truncated);
        };
        Ok(Self { header, payload })
    }

    /// The header, borrowed from the message.
    #[inline]
    pub const fn header(&self) -> &'a Header {
        self.header
    }

    /// What follows the header: echo data, or the quoted packet.
    #[inline]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether the checksum is right; `pseudo` is the sum of the pseudo-header.
    #[inline]
    pub fn verify_checksum(&self, pseudo: Sum) -> bool {
        let mut sum = pseudo;
        sum.add_bytes(self.header.as_bytes()).add_bytes(self.payload).is_valid()
    }
}

impl Deref for Icmpv6<'_> {
    type Target = Header;
    #[inline]
    fn deref(&self) -> &Header {
        self.header
    }
}

/// The values of a header to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emit {
    /// Message type.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// The last four octets of the header.
    pub rest: [u8; 4],
}

impl Emit {
    /// An echo request.
    pub const fn echo_request(ident: u16, seq: u16) -> Self {
        Self { kind: kind::ECHO_REQUEST, code: 0, rest: echo(ident, seq) }
    }

    /// The answer to an echo request with the same identifier, number and data (R4443-4.1-a).
    pub const fn echo_reply(ident: u16, seq: u16) -> Self {
        Self { kind: kind::ECHO_REPLY, code: 0, rest: echo(ident, seq) }
    }

    /// Destination unreachable with a code of [`mod@unreachable`].
    pub const fn unreachable(code: u8) -> Self {
        Self { kind: kind::DESTINATION_UNREACHABLE, code, rest: [0; 4] }
    }

    /// Packet too big, with the MTU of the next hop.
    pub const fn packet_too_big(mtu: u32) -> Self {
        Self { kind: kind::PACKET_TOO_BIG, code: 0, rest: mtu.to_be_bytes() }
    }

    /// Time exceeded with a code of [`time_exceeded`].
    pub const fn time_exceeded(code: u8) -> Self {
        Self { kind: kind::TIME_EXCEEDED, code, rest: [0; 4] }
    }

    /// A parameter problem with a code of [`parameter_problem`] at this octet of the quoted packet.
    pub const fn parameter_problem(code: u8, pointer: u32) -> Self {
        Self { kind: kind::PARAMETER_PROBLEM, code, rest: pointer.to_be_bytes() }
    }

    /// Writes the header with its checksum to the front of `out` and returns its length (8), or 0
    /// when `out` is too short.
    ///
    /// `covered` is the sum of all else that the checksum covers: pseudo-header, then payload.
    #[inline]
    pub fn write(&self, out: &mut [u8], covered: Sum) -> usize {
        let mut header = Header { kind: self.kind, code: self.code, checksum: U16::ZERO, rest: self.rest };
        let sum = Sum::new().add_bytes(header.as_bytes()).add_sum(covered).finish();
        header.checksum.set(sum);
        header.write_to_prefix(out).map_or(0, |()| HEADER_LEN)
    }
}

/// Identifier and sequence number as they stand in the header.
const fn echo(ident: u16, seq: u16) -> [u8; 4] {
    ((ident as u32) << 16 | seq as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::pseudo_header;
    use crate::ip::protocol;
    use etherparse::{Icmpv6Slice, Icmpv6Type, icmpv6};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn message(emit: Emit, src: [u8; 16], dst: [u8; 16], payload: &[u8]) -> (Vec<u8>, Sum) {
        let len = (HEADER_LEN + payload.len()) as u32;
        let pseudo = pseudo_header(src.into(), dst.into(), protocol::ICMPV6, len);
        let mut covered = pseudo;
        covered.add_bytes(payload);
        let mut bytes = std::vec![0; HEADER_LEN];
        assert_eq!(emit.write(&mut bytes, covered), HEADER_LEN);
        bytes.extend_from_slice(payload);
        (bytes, pseudo)
    }

    #[test]
    fn lengths() {
        assert_eq!(Icmpv6::parse(&[0; 7]).err(), Some(WireError::Truncated));
        assert!(Icmpv6::parse(&[0; 8]).unwrap().payload().is_empty());
        assert_eq!(Emit::packet_too_big(1280).write(&mut [0; 7], Sum::new()), 0);
    }

    #[test]
    fn errors_as_others_read_them() {
        let read = |emit| {
            let (bytes, _) = message(emit, [1; 16], [2; 16], &[0x60; 48]);
            Icmpv6Slice::from_slice(&bytes).unwrap().icmp_type()
        };
        let port = Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Port);
        assert_eq!(read(Emit::unreachable(unreachable::PORT)), port);
        assert_eq!(read(Emit::packet_too_big(1400)), Icmpv6Type::PacketTooBig { mtu: 1400 });
        let late = Icmpv6Type::TimeExceeded(icmpv6::TimeExceededCode::FragmentReassemblyTimeExceeded);
        assert_eq!(read(Emit::time_exceeded(time_exceeded::REASSEMBLY)), late);
        let problem = Icmpv6Type::ParameterProblem(icmpv6::ParameterProblemHeader {
            code: icmpv6::ParameterProblemCode::UnrecognizedNextHeader,
            pointer: 40,
        });
        assert_eq!(read(Emit::parameter_problem(parameter_problem::NEXT_HEADER, 40)), problem);
    }

    proptest! {
        #[test]
        fn echo_is_what_others_read(
            ident: u16, seq: u16, src: [u8; 16], dst: [u8; 16], payload: Vec<u8>, flip in 0usize..64,
        ) {
            let (mut bytes, pseudo) = message(Emit::echo_request(ident, seq), src, dst, &payload);
            let ours = Icmpv6::parse(&bytes).unwrap();
            prop_assert!(ours.verify_checksum(pseudo));
            prop_assert_eq!((ours.echo_ident(), ours.echo_seq(), ours.payload()), (ident, seq, &payload[..]));
            let theirs = Icmpv6Slice::from_slice(&bytes).unwrap();
            prop_assert!(theirs.is_checksum_valid(src, dst));
            let want = etherparse::IcmpEchoHeader { id: ident, seq };
            prop_assert_eq!(theirs.icmp_type(), Icmpv6Type::EchoRequest(want));
            bytes[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!Icmpv6::parse(&bytes).unwrap().verify_checksum(pseudo));
        }
    }
}
