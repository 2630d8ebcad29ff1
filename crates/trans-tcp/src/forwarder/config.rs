//! How much a forwarder takes on at a time.

use core::time::Duration;
use stack_core::NicId;

/// Limits of a forwarder: it keeps a record of less than 100 bytes for each request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ForwarderConfig {
    /// Requests that may be undecided at a time; SYNs beyond are dropped and counted
    /// ([`forward_overflows`](crate::TcpCounters::forward_overflows)), and their peers try again. 1,024.
    pub max_pending: usize,
    /// Of these, how many one peer address may have. 1,024: no limit of its own.
    pub max_pending_per_peer: usize,
    /// How long a request may be undecided; then it is forgotten without an answer. 63 s, as long as a half-open peer of a
    /// listener with five retransmissions.
    pub patience: Duration,
    /// Only peers on this interface; all if `None`. The forwarder of an interface goes before that of all.
    pub nic: Option<NicId>,
}

impl Default for ForwarderConfig {
    fn default() -> Self {
        Self { max_pending: 1024, max_pending_per_peer: 1024, patience: Duration::from_secs(63), nic: None }
    }
}
