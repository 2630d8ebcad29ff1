//! TCP: RFC 9293 and its companions, one file per mechanism.
//!
//! A protocol crate of `ustack`: it knows the contract (`stack-core`) and the ground below it, no sibling and no
//! conductor. It never reads a clock, never sends by itself: segments come in through
//! [`receive`](stack_core::TransportProtocol::receive), time through
//! [`handle_timeout`](stack_core::TransportProtocol::handle_timeout), and what is to be sent is asked for by
//! [`poll_transmit`](stack_core::TransportProtocol::poll_transmit).
//!
//! ```text
//!               CLOSED ──connect──► SYN-SENT ──SYN──► SYN-RECEIVED        LISTEN ──SYN──► half-open record
//!                                      │ SYN+ACK          │ ACK                              │ ACK
//!                                      └────────► ESTABLISHED ◄──────────────────────────────┘
//!                             shutdown ┌──────────────┴───────────────┐ FIN
//!                                 FIN-WAIT-1 ──FIN──► CLOSING     CLOSE-WAIT
//!                                      │ ACK             │ ACK        │ shutdown
//!                                 FIN-WAIT-2 ──FIN──► TIME-WAIT    LAST-ACK ──ACK──► CLOSED
//! ```
//!
//! | RFC | what | file |
//! | --- | --- | --- |
//! | 9293 §3.3.2 | states and the ways between them | `state` |
//! | 9293 §3.10.7 | segment arrives: the spine, and a file for each check | `arrive/` |
//! | 9293 §3.9.1 | the sockets' typed interface | `socket`, `connect`, `transfer`, `settings`, `socket_option`, `info`, `bulk` |
//! | 9293 §3.10.2 to 3.10.5 | the application's calls on a connection | `stream` |
//! | 9293 §3.10.7.2 | listeners, half-open peers | `listener`, `handshake`, `syn_queue` |
//! | – | being asked about connections that nobody listens for | `forwarder/` |
//! | 4987 §3.6 | SYN cookies | `syn_cookie` |
//! | 7413 | Fast Open: keys, cookies; connections | `fastopen`, `early` |
//! | 9293 §3.6.1, 1337, 6191 | TIME-WAIT | `time_wait` |
//! | 9293 §3.8 | what to send now: the spine; building it; whose turn it is | `transmit`, `emit`, `turns` |
//! | 9293 §3.3.1 | send and receive variables and buffers | `sender`, `receiver`, `reassembly` |
//! | 9293 §3.7.4, §3.8.6.2 | Nagle, `TCP_CORK`, silly windows, the window offered | `nagle`, `cork`, `window` |
//! | – | buffers that tune themselves; what all may hold together | `autotune`, `memory` |
//! | 9293 §3.8.6.1 | closed windows | `persist` |
//! | 9293 §3.8.6.3 | delayed ACKs | `delayed_ack` |
//! | 9293 §3.8.4 | keepalive | `keepalive` |
//! | 9293 §3.8.5 | urgent data | `arrive/urgent`, `sender` |
//! | 9293 §3.9.2.2, 5927 | ICMP errors | `icmp_error` |
//! | 1191, 8201, 6691 | segment sizes, path MTU; what routers say of it | `pmtu`, `too_big` |
//! | 4821, 8899, 2923 | black holes, probing for the path's MTU: the search; the probes | `mtu_search`, `mtu_probe` |
//! | 5482 | user timeout | `user_timeout` |
//! | 5681, 6928, 3465, 7661, 9438, 9406, BBRv3 | congestion control; when text may leave | [`congestion`], `paced` |
//! | 3168, 9768 | explicit congestion notification | [`ecn`], [`accurate_ecn`] |
//! | 5961 | blind attacks | `arrive/`, `challenge_ack` |
//! | 6298 | round-trip times, timeouts | `rtt`, `min_rtt`, `recovery/rto` |
//! | 6528, 7323 §5.4 | initial sequence numbers, timestamp offsets | `isn` |
//! | 2018, 2883, 6675, 8985, 9937, 5682, 3708, 4015, 6582, 3042 | loss recovery, a file for each mechanism | `recovery/` |
//! | 2018 §4, 2883 §4 | which SACK blocks our ACKs carry | `selective_ack`, `duplicates` |
//! | 7323 | timestamps, PAWS, window scale | `timestamps`, `sender`, `window` |
//!
//! Super-packets go through in both directions: an inbound one is one segment whose text is as long as many, an
//! outbound one carries `gso_size`, and whoever owns the wire cuts it.
//!
//! ```
//! use trans_tcp::{Tcp, TcpConfig};
//! use stack_core::TransportProtocol;
//!
//! let tcp = Tcp::new(TcpConfig { receive_buffer: 256 * 1024, ..TcpConfig::default() });
//! assert_eq!((tcp.number(), tcp.connections().count()), (6, 0));
//! ```
//!
//! Where this TCP does other than a document asks, and why:
//!
//! | requirement | here | reason |
//! | --- | --- | --- |
//! | R9293-SHLD-19: an ACK at least every second full segment | one ACK a batch | receive offload does the same to peers; R9293-MUST-58, R9293-MUST-59 ask for it |
//! | R5681-3.2-a: a duplicate ACK for each segment ahead | at most three a batch; with SACK as many as tell all blocks | that is what a fast retransmit needs |
//! | R2018-8-a: after a timeout nothing that was reported counts | it counts, unless the first segment is among it | RFC 8985 §6.3; what arrived would go again |
//! | RFC 6298 §5.7, §5.3: the timer restarts with ACKs of new data | with SACK also when the first segment goes again | RFC 6675 §5 recommends it, RFC 8985 §8 has one timer for all |
//! | RFC 7323 appendix G: samples weigh as if every second segment were acknowledged | by what they acknowledge of the flight | peers acknowledge whole batches |
//! | R8985-7-a: a probe two round trips after the last ACK | not before 10 ms | on the shortest paths a peer's scheduling takes longer than the way |
//! | RFC 9937 §6.2: the first retransmission goes if nothing else may | also if less than a segment may | shares are bytes here |
//! | R5681-3.1-c: slow start adds a segment an ACK at most | adds what the ACK acknowledges | super-packets and one ACK a batch would starve the flow; splitting ACKs gains nothing |
//! | R6298-2.4-a: RTO of a second at least | 200 ms | as all that are in use; [`TcpConfig::min_rto`] |
//! | R9293-MUST-13: TIME-WAIT for twice the MSL of two minutes | 60 s | as Linux and BSD; [`TcpConfig::time_wait`] |
//! | R9293-MUST-23: a SYN goes again for three minutes | yes; a SYN-ACK for one | a half-open peer is mostly a flood; [`TcpConfig::syn_ack_retries`] |
//! | R9293-MUST-16: no segment beyond the peer's MSS | an MSS below 48 counts as 48 | options would leave no room for text (CVE-2019-11479) |
//! | R9293-SHLD-7: Nagle | with Minshall's modification | the tail of a large write need not wait |
//! | R9293-SHLD-14: the window's right edge stays | may go back by less than a unit of the scale, when a buffer is over-full | RFC 7323 §2.4; else one-octet segments would fill memory without bound |
//! | R9293-MUST-37: answered probes keep a connection | not one that the application has closed: 15 probes, then a reset | a peer could hold our memory for ever (sockstress) |
//! | R7323-5.3-a: PAWS rejects every old timestamp | not those of bare ACKs up to an RTO old | ACKs overtake each other, and their SACK blocks are news; Linux does the same |
//! | R2018-8-b: what a SACK has reported is kept | dropped when the memory of all connections is used up | the RFC allows it in need, and text in order must find room; `memory` |
//! | RFC 9406 §4.2: a round's first times show a queue | those that rise within the round, too, and end slow start at once | a buffer of one bandwidth-delay product would overflow first; `congestion/hystart.rs` |
//! | RFC 5681 §4.2: an ACK when a gap is filled | and of each of the next 16 segments | the peer's window is small then, and grows by our ACKs |
//! | RFC 9293 §3.9.1.2: PSH where data was pushed | also on what fills the window | the receiver need not wait for more; Linux acknowledges it at once |
//! | R9293-MUST-61: PSH with the last segment that is sent | not on a SYN with text | Linux does the same, and middleboxes drop less |
//! | RFC 9293 §3.10.7.4: a reset ends TIME-WAIT | ignored | R1337-a; [`TcpConfig::reset_ends_time_wait`] |
//! | R9293-SHLD-25: unreachable messages are soft errors | they end a connect at once | it is not a connection yet, and nobody wants to wait six minutes (RFC 5461) |
//! | R9293-SHLD-8: ECN | when the peer asks; we ask when told to | some paths lose such SYNs; as Linux, [`TcpConfig::ecn`] |
//! | R5681-4.1-a: a long pause ends with the restart window | not with BBR | it paces what it sends at the bandwidth that it knows (draft-ietf-ccwg-bbr §5.4) |
//! | draft-ietf-ccwg-bbr: when losses bound the model | four exceptions | losses that are no sign of congestion cost less; `congestion/bbr/loss.rs` |
//! | R9768-3.2-c: the latest count | one less, where a first count would be zero | it would look as if it had been zeroed on the way (RFC 9768 §3.2.2.4) |
//! | R9768-3.2.2.5.1-b: an ACK for seven marks at most | one ACK a batch | as for R9293-SHLD-19; the option tells what the count can't |
//! | R9768-3.2.3.2.1-b: the client's first text has the option | if it leaves room | a full segment would have to be cut for it |
//! | RFC 9768 §3.2.2.5.2: ACE may have gone round | not if peers' ACKs are always of so many packets, or ACE has not moved | one ACK a batch is what this and other stacks send |
//!
//! Deliberately not here: sockets that wait (the shell's), demultiplexing and ports (the host's). Not here yet: Fast Open
//! without cookies, and its black holes behind the SYN.
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accurate_ecn;
mod arrive;
mod autotune;
mod bulk;
mod challenge_ack;
mod config;
pub mod congestion;
mod connect;
mod connection;
mod cork;
mod counters;
mod delayed_ack;
mod duplicates;
mod early;
pub mod ecn;
mod emit;
mod endpoints;
mod env;
mod error;
mod event;
mod fastopen;
mod forwarder;
mod handshake;
mod icmp_error;
mod info;
mod isn;
mod keepalive;
mod listener;
mod memory;
mod min_rtt;
mod mtu_probe;
mod mtu_search;
mod nagle;
mod options;
mod paced;
mod persist;
mod placement;
mod pmtu;
mod profile;
mod reassembly;
mod receiver;
mod recovery;
mod reservation;
mod rtt;
mod segment;
mod selective_ack;
mod sender;
mod settings;
mod slab;
mod socket;
mod socket_option;
mod state;
mod stream;
mod syn_cookie;
mod syn_queue;
mod tcp;
#[cfg(test)]
mod tests;
mod time_wait;
mod timers;
mod timestamps;
mod too_big;
mod transfer;
mod transmit;
mod tuple;
mod turns;
mod user_timeout;
mod window;

pub use config::TcpConfig;
pub use counters::TcpCounters;
pub use error::CloseReason;
pub use event::{Cause, MtuEvent, Probe, TcpEvent, UndoCause};
pub use fastopen::FastOpen;
pub use forwarder::{ForwarderConfig, TcpRequest};
pub use info::{AccurateEcnInfo, TcpEntry, TcpInfo};
pub use memory::MemoryLimits;
pub use mtu_search::MtuSearch;
pub use state::{Event, State};
pub use syn_cookie::SynCookies;
pub use tcp::Tcp;
