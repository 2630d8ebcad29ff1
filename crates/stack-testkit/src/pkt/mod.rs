//! Packet scripts: packetdrill's language, parsed.
//!
//! A script is one event a line: a time, then a packet to the stack (`<`), a packet that the stack must send (`>`),
//! a system call with its result, an assertion about `tcp_info` in `%{ }%`, or a command in backticks.
//! Comments are `//`, `/* */` and, at the start of a line, `#`. `--name=value` lines come first.
//!
//! ```text
//! --tolerance_usecs=0
//! 0      socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
//! +0     bind(3, ..., ...) = 0
//! +0     listen(3, 1) = 0
//! +0     < S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>
//! +0     > S. 0:0(0) ack 1 <mss 1460,sackOK,wscale 6>
//! +0.1   < . 1:1(0) ack 1 win 257
//! +0...0.2 accept(3, ..., ...) = 4
//! *      > P. 1:11(10) ack 1
//! +0     %{ assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd }%
//! ```
//!
//! Times: `0.1` since the start, `+0.1` since the event before, `0.1~0.2` and `+0.1~+0.2` between, `*` any.
//! A call that blocks has a second time behind `...`.
//!
//! Beyond packetdrill's grammar, which has no word for them, scripts of this project may say:
//!
//! | line | meaning |
//! | --- | --- |
//! | `[ttl 1, df, id 7, tos 0x10, src 10.0.0.9, dst 10.0.0.255, link broadcast, opt 94040000]` | more of the IP header, as a list |
//! | `[ext hop 1e0400000000, ext dst 010400000000, ext route 000100000000, ext 135 …]` | IPv6 extension headers, each from behind its length on |
//! | `[badsum]` `[nosum]` `[badipsum]` `[version 5]` `[cut 30]` `[pad 46]` | an inbound packet with a defect |
//! | `1111 > 8080 S 0:0(0)`, `udp 53 > 4000 (20)` | ports other than those of the flow at hand |
//! | `P. 1:4(3) ack 1 win 9 "abc"`, `udp (3) "abc"` | payload other than the pattern |
//! | `<mss 1460,raw 1e02>` | an option in hexadecimal, kind and length included |
//! | `icmp echo_request id 7 seq 1 (56)` | sequence number and payload of an echo |
//! | `icmp parameter_problem pointer 9 […]`, `icmp redirect host gateway 10.0.0.1 […]` | the fields of these messages |
//! | `icmp unreachable proto_unreachable [ip proto 253 (20)]` | any packet as the quoted one |
//! | `arp who-has 10.0.0.2 tell 10.0.0.1 [from 02:…] [for 02:…] [to 02:…]` | an ARP request; sender, target and frame address |
//! | `arp reply 10.0.0.1 is-at 02:… tell 10.0.0.2 [to 02:…]` | an ARP reply |
//! | `nd ra hop 64 life 1800 prefix 2001:db8::/64 onlink auto valid 600 pref 300` | neighbour discovery: `nd.rs` has all of it |
//! | `igmp query 239.1.1.1 max 1000`, `mld report to_ex ff15::1 from 2001:db8::1` | group management: `group.rs` has all of it |
//! | `[via 2]` | the packet passes interface 2; without it, interface 1 (`--nics=2`) |
//! | `ip frag 7:1480@0+ udp (3000)` | 1,480 bytes from offset 0, more to come, of the datagram behind, with identification 7; of either version |
//! | `ip proto 253 (20)` | a packet of another protocol |

mod ast;
mod call;
mod code;
mod cursor;
mod define;
mod display;
mod error;
mod extra;
mod group;
mod icmp;
mod nd;
mod packet;
mod script;
mod tcp;

pub use ast::*;
pub use code::{Comparison, Operator, Statement, Term, Value};
pub(crate) use display::Seconds;
pub use error::{ErrorKind, ParseError};
pub use group::{Group, GroupMessage, GroupQuery, GroupRecord};
pub use nd::{Nd, NdMessage, NdOption};
