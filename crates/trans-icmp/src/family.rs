//! How ICMP for IPv4 and ICMP for IPv6 differ, for an echo: numbers, and a pseudo-header that only IPv6 has.

use core::fmt::Debug;
use core::net::IpAddr;
use stack_core::Families;
use stack_wire::checksum::{Sum, pseudo_header};
use stack_wire::{icmpv4, icmpv6, ip::protocol};

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::V4 {}
    impl Sealed for super::V6 {}
}

/// One of the two ICMPs: [`V4`] or [`V6`].
pub trait Family: sealed::Sealed + Debug + Send + 'static {
    /// Number in the IP header.
    const PROTOCOL: u8;
    /// Name for people.
    const NAME: &'static str;
    /// The addresses that its sockets have.
    const FAMILIES: Families;
    /// Message type of an echo request.
    const ECHO_REQUEST: u8;
    /// Message type of an echo reply.
    const ECHO_REPLY: u8;
    /// Bytes of an IP header without options.
    const IP_HEADER_LEN: usize;
    /// Largest payload of an echo, in bytes.
    const MAX_PAYLOAD: usize;

    /// The sum that the checksum of a message of `len` bytes begins with.
    fn pseudo_header(src: IpAddr, dst: IpAddr, len: usize) -> Sum;

    /// Writes the header of an echo request; `covered` is the sum of pseudo-header and payload. `false` if it does not fit.
    fn write_request(out: &mut [u8], ident: u16, sequence: u16, covered: Sum) -> bool;
}

/// ICMP for IPv4: RFC 792.
#[derive(Clone, Copy, Debug)]
pub struct V4;

/// ICMP for IPv6: RFC 4443.
#[derive(Clone, Copy, Debug)]
pub struct V6;

impl Family for V4 {
    const PROTOCOL: u8 = protocol::ICMP;
    const NAME: &'static str = "ICMPv4";
    const FAMILIES: Families = Families::V4;
    const ECHO_REQUEST: u8 = icmpv4::kind::ECHO_REQUEST;
    const ECHO_REPLY: u8 = icmpv4::kind::ECHO_REPLY;
    const IP_HEADER_LEN: usize = 20;
    const MAX_PAYLOAD: usize = 65_507;

    fn pseudo_header(_: IpAddr, _: IpAddr, _: usize) -> Sum {
        Sum::new()
    }

    fn write_request(out: &mut [u8], ident: u16, sequence: u16, covered: Sum) -> bool {
        icmpv4::Emit::echo_request(ident, sequence).write(out, covered) > 0
    }
}

impl Family for V6 {
    const PROTOCOL: u8 = protocol::ICMPV6;
    const NAME: &'static str = "ICMPv6";
    const FAMILIES: Families = Families::V6;
    const ECHO_REQUEST: u8 = icmpv6::kind::ECHO_REQUEST;
    const ECHO_REPLY: u8 = icmpv6::kind::ECHO_REPLY;
    const IP_HEADER_LEN: usize = 40;
    const MAX_PAYLOAD: usize = 65_527;

    /// R8200-8.1-b.
    fn pseudo_header(src: IpAddr, dst: IpAddr, len: usize) -> Sum {
        pseudo_header(src, dst, Self::PROTOCOL, u32::try_from(len).unwrap_or(u32::MAX))
    }

    fn write_request(out: &mut [u8], ident: u16, sequence: u16, covered: Sum) -> bool {
        icmpv6::Emit::echo_request(ident, sequence).write(out, covered) > 0
    }
}
