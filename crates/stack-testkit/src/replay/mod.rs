//! Replay: a capture's other side plays its part against a stack of ours, and our answers are compared with those that
//! were recorded.
//!
//! One address of the capture is played by a fresh host in virtual time. Packets from everybody else are handed to it
//! when they were recorded, packets with the same stamp as one batch; what the program behind our address did is told
//! from what our side sent: it listened, connected, wrote a chunk up to each PSH, ended its side at its FIN. It reads at
//! once. Initial sequence numbers, timestamps and IP identifications of our side are mapped; everything else is
//! compared field by field, flow by flow, as `etherparse` decodes it.
//!
//! What is not compared: when (the report says how far it was off), receive windows (they depend on how fast the
//! program read; [`ReplayConfig::windows`] asks for them), IP identifications, values of our timestamps.
//!
//! ```no_run
//! use stack_testkit::{capture, replay};
//!
//! let packets = capture::read("testdata/captures/request-reply.pcapng")?;
//! let config = replay::ReplayConfig::new("10.0.0.2".parse()?);
//! let report = replay::replay(&packets, &config)?;
//! assert!(report.is_clean(), "{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod compare;
mod flow;
mod plan;
mod stage;

pub use compare::{Difference, Report};

use crate::capture::Captured;
use core::net::IpAddr;
use trans_tcp::TcpConfig;

/// How a capture is to be replayed.
#[derive(Clone, Debug)]
pub struct ReplayConfig {
    /// The address that the stack plays.
    pub ours: IpAddr,
    /// Largest IP packet of its link, in bytes.
    pub mtu: u32,
    /// Its TCP.
    pub tcp: TcpConfig,
    /// Compare receive windows.
    pub windows: bool,
}

impl ReplayConfig {
    /// Plays this address on a link of 1,500 bytes with the default TCP.
    pub fn new(ours: IpAddr) -> Self {
        Self { ours, mtu: 1500, tcp: TcpConfig::default(), windows: false }
    }
}

/// Why a capture can't be replayed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReplayError {
    /// No packet of the capture is from or to the address.
    #[error("no packet of the capture is from or to {0}; choose one of its addresses")]
    NotInCapture(IpAddr),
    /// The stack refuses what our side did.
    #[error("the stack refuses to {what}: {error}")]
    Refused {
        /// What the program did.
        what: String,
        /// Why it can't.
        error: stack_core::Error,
    },
}

/// Plays a capture against a stack.
///
/// # Errors
/// The address is not in the capture, or the stack refuses what our side did.
pub fn replay(capture: &[Captured], config: &ReplayConfig) -> Result<Report, ReplayError> {
    let plan = plan::Plan::new(capture, config)?;
    let mut stage = stage::Stage::new(&plan, config)?;
    for group in &plan.groups {
        stage.play(&plan, group)?;
    }
    stage.finish(&plan);
    Ok(compare::compare(&plan, stage, config))
}
