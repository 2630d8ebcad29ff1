//! Packet scripts, run against a fresh host in virtual time.
//!
//! A packet to the stack is handed to it at its time, a system call is made at its time, and a packet that the stack
//! must send is compared with the next one that it did send: when, and field by field. Packets that no line expects,
//! and calls that have not returned, fail the script at its end. A script that says something that this runner does not
//! know is skipped, and says why; it is never passed.
//!
//! | the script says | the runner does |
//! | --- | --- |
//! | addresses | the stack is 192.168.0.1/16, the peer 192.0.2.1, as in packetdrill; `--local_ip`, `--local_net`, `--remote_ip`, `--gateway_ip`, `--ip_version=ipv6`, `--ip_version=ipv4-mapped-ipv6` |
//! | ports | `bind(3, ..., ...)` and `connect(3, ..., ...)` mean port 8080 (`--bind_port`, `--connect_port`); the peer connects from 40000 |
//! | sequence numbers | relative to the initial ones; ours is learned from our SYN, the peer's is `--remote_isn` |
//! | timestamps | ours are learned one by one, or with `--tcp_ts_tick_usecs=1000` follow from the first; the peer's are as written |
//! | options | compared without their order and padding, with both under the profile of Linux; `<...>` is not compared |
//! | long segments | several segments that follow each other may come for one line, as a device would join them; `--strict_segments` |
//! | window, `[…]` | compared where the line has them |
//! | payload | a pattern of the position in the stream, checked byte by byte in both directions |
//! | times | virtual and exact; `--tolerance_usecs`, `--tolerance_percent` |
//! | checksums, lengths | every packet of the stack is checked by a second decoder |
//! | what an ICMP error quotes | must be the beginning of a packet that the stack got |
//! | settings | `--tcp.min_rto=1s`, `--ip.reassembly_timeout=30s`, `--mtu=576`, `--medium=ethernet`, `--resolved=off`, …; `sysctl` where there is the same setting |
//!
//! `--fault.no_timers=on` and the like switch a mechanism off from outside: a script must notice.
//!
//! A failure shows the line, expected and actual side by side, and all packets up to there. With `UPDATE_EXPECT=1`
//! [`run_folder`] rewrites the lines of packets that the stack sends, with their times, and leaves the rest as it is.

mod arguments;
mod build;
mod calls;
mod compare;
mod conversation;
mod errno;
mod expect;
mod fault;
mod flow;
mod folder;
mod groups;
mod info;
mod machine;
mod nd;
mod options;
mod render;
mod runner;
mod setup;
mod update;

pub use folder::{Summary, run_folder, scripts};
pub use runner::{run, run_with};
pub use update::update;

use core::time::Duration;
use stack_wire::ip::protocol::{ICMP, ICMPV6, TCP, UDP};

/// How a script is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// Whose defaults the stack has.
    pub profile: Profile,
    /// How far off times may be where the script does not say; zero by default, 4 ms in packetdrill.
    pub tolerance: Duration,
    /// Settings that win over those of the script: `("tcp.min_rto", "1s")`.
    pub settings: &'a [(&'a str, &'a str)],
}

impl<'a> Options<'a> {
    /// Our defaults and exact times, with these settings.
    pub fn with_settings(settings: &'a [(&'a str, &'a str)]) -> Self {
        Self { settings, ..Self::default() }
    }
}

/// Whose defaults the stack has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// Our own.
    #[default]
    Ours,
    /// Linux's, as far as the stack has its settings: [`trans_tcp::TcpConfig::linux`]. Options are compared in their
    /// order.
    Linux,
}

/// What came of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Everything happened as written.
    Passed,
    /// The script says something that the runner does not know.
    Skipped(String),
    /// Something happened otherwise; a report.
    Failed(String),
}

/// Why a script ends early.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Stop {
    /// The stack, or the script, is wrong.
    Fail(String),
    /// The runner does not know this.
    Skip(String),
}

/// The pattern of what the stack sends starts with this, that of the peer with the other.
const OUTBOUND_SALT: u8 = 0;
const INBOUND_SALT: u8 = 0x80;
