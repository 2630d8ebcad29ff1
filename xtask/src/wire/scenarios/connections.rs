//! Many connections: at once, and one after the other.

use std::time::Duration;

use crate::wire::Outcome;
use crate::wire::lab::Lab;
use crate::wire::serve;

/// 100 connections open at the same time, each echoing 64 KiB, every packet
/// checked by tshark.
pub(crate) fn parallel(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    let probe = lab.probe(&["parallel", &lab.our_port(7), "100", "65536"])?;
    probe.wait(Duration::from_secs(40))?.success()?;
    serve.stop()
}

/// 1,000 connections in a row, each opened, used and closed.
pub(crate) fn in_a_row(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    lab.probe(&["connect", &lab.our_port(7), "1000"])?.wait(Duration::from_secs(40))?.success()?;
    serve.stop()
}
