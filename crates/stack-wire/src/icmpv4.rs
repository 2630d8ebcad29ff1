//! ICMP for IPv4: RFC 792, codes of RFC 1122 §3.2.2.1 and RFC 1812 §5.2.7, path
//! MTU of RFC 1191.
//!
//! All messages share eight octets of header, of which the last four mean
//! different things: the accessors are named for what they read, and who calls
//! one has looked at the type. What an error quotes is the payload; read it with
//! [`Ipv4::parse_quoted`](crate::ipv4::Ipv4::parse_quoted).

use core::net::Ipv4Addr;
use core::ops::Deref;

use zerocopy::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::Sum;
use crate::error::WireError;

/// Octets of a header.
pub const HEADER_LEN: usize = 8;

/// Message types.
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable; codes in [`unreachable`](super::unreachable).
    pub const DESTINATION_UNREACHABLE: u8 = 3;
    /// Source quench, deprecated by RFC 6633.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect; codes in [`redirect`](super::redirect).
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded; codes in [`time_exceeded`](super::time_exceeded).
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem; codes in [`parameter_problem`](super::parameter_problem).
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Timestamp request.
    pub const TIMESTAMP_REQUEST: u8 = 13;
    /// Timestamp reply.
    pub const TIMESTAMP_REPLY: u8 = 14;
}

/// Codes of destination unreachable.
pub mod unreachable {
    /// Network unreachable.
    pub const NET: u8 = 0;
    /// Host unreachable.
    pub const HOST: u8 = 1;
    /// Protocol unreachable.
    pub const PROTOCOL: u8 = 2;
    /// Port unreachable.
    pub const PORT: u8 = 3;
    /// Too large for a link, and don't-fragment is set; the header holds the MTU (RFC 1191 §4).
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// Source route failed.
    pub const SOURCE_ROUTE_FAILED: u8 = 5;
    /// Destination network unknown.
    pub const NET_UNKNOWN: u8 = 6;
    /// Destination host unknown.
    pub const HOST_UNKNOWN: u8 = 7;
    /// Source host isolated.
    pub const SOURCE_ISOLATED: u8 = 8;
    /// Destination network administratively prohibited.
    pub const NET_PROHIBITED: u8 = 9;
    /// Destination host administratively prohibited.
    pub const HOST_PROHIBITED: u8 = 10;
    /// Network unreachable for this type of service.
    pub const NET_TOS: u8 = 11;
    /// Host unreachable for this type of service.
    pub const HOST_TOS: u8 = 12;
    /// Communication administratively prohibited.
    pub const PROHIBITED: u8 = 13;
    /// Host precedence violation.
    pub const PRECEDENCE_VIOLATION: u8 = 14;
    /// Precedence cutoff in effect.
    pub const PRECEDENCE_CUTOFF: u8 = 15;
}

/// Codes of redirect.
pub mod redirect {
    /// For the network.
    pub const NET: u8 = 0;
    /// For the host.
    pub const HOST: u8 = 1;
    /// For the type of service and network.
    pub const TOS_NET: u8 = 2;
    /// For the type of service and host.
    pub const TOS_HOST: u8 = 3;
}

/// Codes of time exceeded.
pub mod time_exceeded {
    /// The TTL reached zero on the way.
    pub const TTL: u8 = 0;
    /// Fragments did not all arrive in time.
    pub const REASSEMBLY: u8 = 1;
}

/// Codes of parameter problem.
pub mod parameter_problem {
    /// The pointer names the octet.
    pub const POINTER: u8 = 0;
    /// A required option is missing (RFC 1108).
    pub const MISSING_OPTION: u8 = 1;
    /// The length is bad.
    pub const BAD_LENGTH: u8 = 2;
}

/// A header, as it lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Message type.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Checksum of header and payload.
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

    /// Whether the message reports an error about the packet it quotes; no error is ever sent about
    /// one of these (R1122-3.2.2-c).
    #[inline]
    pub const fn is_error(&self) -> bool {
        matches!(
            self.kind,
            kind::DESTINATION_UNREACHABLE
                | kind::SOURCE_QUENCH
                | kind::REDIRECT
                | kind::TIME_EXCEEDED
                | kind::PARAMETER_PROBLEM
        )
    }

    /// Identifier of an echo or timestamp message.
    #[inline]
    pub const fn echo_ident(&self) -> u16 {
        u16::from_be_bytes([self.rest[0], self.rest[1]])
    }

    /// Sequence number of an echo or timestamp message.
    #[inline]
    pub const fn echo_seq(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }

    /// MTU of the next hop in a fragmentation-needed message; 0 from routers older than RFC 1191.
    #[inline]
    pub const fn mtu(&self) -> u16 {
        u16::from_be_bytes([self.rest[2], self.rest[3]])
    }

    /// The better gateway that a redirect names.
    #[inline]
    pub const fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, d] = self.rest;
        Ipv4Addr::new(a, b, c, d)
    }

    /// The octet of the quoted header at which a parameter problem points.
    #[inline]
    pub const fn pointer(&self) -> u8 {
        self.rest[0]
    }
}

/// A message of at least eight octets. Dereferences to its [`Header`].
#[derive(Clone, Copy, Debug)]
pub struct Icmpv4<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Icmpv4<'a> {
    /// Reads a message: the whole payload of an IPv4 packet. Unknown types are messages too.
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

    /// Whether the checksum is right.
    #[inline]
    pub fn verify_checksum(&self) -> bool {
        Sum::new().add_bytes(self.header.as_bytes()).add_bytes(self.payload).is_valid()
    }
}

impl Deref for Icmpv4<'_> {
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
        Self { kind: kind::ECHO_REQUEST, code: 0, rest: two(ident, seq) }
    }

    /// The answer to an echo request with the same identifier, number and data (R1122-3.2.2.6-a).
    pub const fn echo_reply(ident: u16, seq: u16) -> Self {
        Self { kind: kind::ECHO_REPLY, code: 0, rest: two(ident, seq) }
    }

    /// A better first hop for this destination alone (RFC 1812 §5.2.7.2).
    pub const fn redirect_host(gateway: Ipv4Addr) -> Self {
        Self { kind: kind::REDIRECT, code: redirect::HOST, rest: gateway.octets() }
    }

    /// Destination unreachable with a code of [`mod@unreachable`].
    pub const fn unreachable(code: u8) -> Self {
        Self { kind: kind::DESTINATION_UNREACHABLE, code, rest: [0; 4] }
    }

    /// Fragmentation needed, with the MTU of the next hop (RFC 1191 §4).
    pub const fn fragmentation_needed(mtu: u16) -> Self {
        let code = unreachable::FRAGMENTATION_NEEDED;
        Self { kind: kind::DESTINATION_UNREACHABLE, code, rest: two(0, mtu) }
    }

    /// Time exceeded with a code of [`time_exceeded`].
    pub const fn time_exceeded(code: u8) -> Self {
        Self { kind: kind::TIME_EXCEEDED, code, rest: [0; 4] }
    }

    /// A parameter problem at this octet of the quoted header.
    pub const fn parameter_problem(pointer: u8) -> Self {
        let code = parameter_problem::POINTER;
        Self { kind: kind::PARAMETER_PROBLEM, code, rest: [pointer, 0, 0, 0] }
    }

    /// Writes the header with its checksum to the front of `out` and returns its length (8), or 0
    /// when `out` is too short. `payload` is the sum of what follows the header.
    #[inline]
    pub fn write(&self, out: &mut [u8], payload: Sum) -> usize {
        let mut header = Header { kind: self.kind, code: self.code, checksum: U16::ZERO, rest: self.rest };
        let sum = Sum::new().add_bytes(header.as_bytes()).add_sum(payload).finish();
        header.checksum.set(sum);
        header.write_to_prefix(out).map_or(0, |()| HEADER_LEN)
    }
}

/// Two big-endian numbers of 16 bits.
const fn two(first: u16, second: u16) -> [u8; 4] {
    ((first as u32) << 16 | second as u32).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{Icmpv4Slice, Icmpv4Type, icmpv4::DestUnreachableHeader};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn message(emit: Emit, payload: &[u8]) -> Vec<u8> {
        let mut bytes = std::vec![0; HEADER_LEN];
        assert_eq!(emit.write(&mut bytes, *Sum::new().add_bytes(payload)), HEADER_LEN);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn lengths() {
        assert_eq!(Icmpv4::parse(&[0; 7]).err(), Some(WireError::Truncated));
        assert!(Icmpv4::parse(&[0; 8]).unwrap().payload().is_empty());
        assert_eq!(Emit::echo_reply(1, 2).write(&mut [0; 7], Sum::new()), 0);
    }

    #[test]
    fn what_is_an_error() {
        for kind in 0..=u8::MAX {
            let header = Header { kind, code: 0, checksum: U16::ZERO, rest: [0; 4] };
            assert_eq!(header.is_error(), [3, 4, 5, 11, 12].contains(&kind), "type {kind}");
        }
    }

    #[test]
    fn errors_as_others_read_them() {
        let read = |emit| {
            let bytes = message(emit, &[0x45; 28]);
            Icmpv4Slice::from_slice(&bytes).unwrap().icmp_type()
        };
        let unreachable = Icmpv4Type::DestinationUnreachable;
        assert_eq!(read(Emit::unreachable(unreachable::PORT)), unreachable(DestUnreachableHeader::Port));
        let too_large = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 };
        assert_eq!(read(Emit::fragmentation_needed(1400)), unreachable(too_large));
        let expired = etherparse::icmpv4::TimeExceededCode::FragmentReassemblyTimeExceeded;
        assert_eq!(read(Emit::time_exceeded(time_exceeded::REASSEMBLY)), Icmpv4Type::TimeExceeded(expired));
        let problem = etherparse::icmpv4::ParameterProblemHeader::PointerIndicatesError(20);
        assert_eq!(read(Emit::parameter_problem(20)), Icmpv4Type::ParameterProblem(problem));
    }

    proptest! {
        #[test]
        fn echo_is_what_others_read(ident: u16, seq: u16, payload: Vec<u8>, flip in 0usize..64) {
            let mut bytes = message(Emit::echo_request(ident, seq), &payload);
            let ours = Icmpv4::parse(&bytes).unwrap();
            prop_assert!(ours.verify_checksum());
            prop_assert_eq!((ours.echo_ident(), ours.echo_seq(), ours.payload()), (ident, seq, &payload[..]));
            let theirs = Icmpv4Slice::from_slice(&bytes).unwrap();
            let want = etherparse::IcmpEchoHeader { id: ident, seq };
            prop_assert_eq!(theirs.icmp_type(), Icmpv4Type::EchoRequest(want));
            prop_assert_eq!(theirs.icmp_type().calc_checksum(&payload), theirs.checksum());
            bytes[flip / 8] ^= 1 << (flip % 8);
            prop_assert!(!Icmpv4::parse(&bytes).unwrap().verify_checksum());
        }
    }
}
