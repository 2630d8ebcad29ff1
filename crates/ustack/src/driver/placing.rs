//! A caller that drives while it waits to read: what its stream goes on with is read from the device into its buffer.

use stack_core::{Instant, Placement};
use stack_host::Host;

/// A reader, and its buffer.
pub(crate) trait WaitingReader {
    /// The buffer, for what it waits for; `None` if that is not to be placed there.
    fn offer(&mut self, host: &mut Host, now: Instant) -> Option<Placement<'_>>;

    /// What was read from the devices has been handed to the host.
    fn settle(&mut self, host: &mut Host, now: Instant);

    /// Whether something is in the buffer.
    fn is_served(&self) -> bool;
}
