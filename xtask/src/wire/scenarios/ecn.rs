//! ECN with the kernel at the other end, over a device that marks instead of
//! dropping: asked for by the kernel, and asked for by us.
//!
//! The kernel's own counters tell that both ends did their part: packets that
//! came marked (`InCEPkts`), its text that we have reported as marked
//! (`TCPDeliveredCE`). The device holds ten times as much as it takes before it
//! marks, so that whoever reacts loses nothing.

use std::time::Duration;

use super::http::{download, make_blob};
use super::outward;
use crate::wire::counters::Counters;
use crate::wire::lab::Lab;
use crate::wire::process::Input;
use crate::wire::serve;
use crate::wire::{Outcome, ensure};

const SIZE: usize = 8_000_000;
/// Of the bottleneck: a transfer takes a second.
const RATE: &str = "80mbit";
const LIMIT: Duration = Duration::from_secs(30);

/// Both directions, with either end as the one that asks.
pub(crate) fn all(lab: &Lab) -> Outcome {
    asked_by_the_kernel(lab)?;
    asked_by_us(lab)
}

/// The kernel connects with ECN on; our side is passive, as it is by default.
fn asked_by_the_kernel(lab: &Lab) -> Outcome {
    lab.namespace.sysctl("net.ipv4.tcp_ecn=1")?;
    let sum = make_blob(lab, SIZE)?;
    let serve = serve::start_with(lab, &["--dir", &lab.path(""), "--rate", RATE], None)?;
    let down = marks(lab, || download(lab, &sum))?;
    ensure!(down.received > 0, "the kernel got no marked packet in a download");
    let up = marks(lab, || upload(lab))?;
    ensure!(up.delivered > 0, "we echoed no mark to the kernel in an upload");
    ensure!(up.again == 0, "the kernel sent {} segments again, although marks told it enough", up.again);
    serve.stop()
}

/// While it flows, the kernel's socket tells of our echoes.
fn upload(lab: &Lab) -> Outcome {
    let blob = lab.path("blob");
    let client = lab.spawn("curl", &["-sS", "--fail", "-T", &blob, &lab.url("/upload")], Input::End)?;
    hears_echoes(lab)?;
    client.wait(LIMIT)?.success().map(drop)
}

/// We connect and ask; the kernel is passive, as it is by default.
fn asked_by_us(lab: &Lab) -> Outcome {
    lab.namespace.sysctl("net.ipv4.tcp_ecn=2")?;
    let sum = make_blob(lab, SIZE)?;
    let sent = marks(lab, || outward::nc(lab, &sum, &["--ecn", "on", "--rate", RATE]))?;
    ensure!(sent.received > 0, "the kernel got no marked packet of ours");
    let got = marks(lab, || outward::get(lab, &sum, &["--ecn", "on", "--rate", RATE]))?;
    ensure!(got.delivered > 0, "we echoed no mark to the kernel");
    ensure!(got.again == 0, "the kernel sent {} segments again, although marks told it enough", got.again);
    Ok(())
}

fn hears_echoes(lab: &Lab) -> Outcome {
    lab.eventually("the kernel to hear of marks", || {
        let sockets = lab.run("ss", &["-Htin", "state", "established"], LIMIT);
        sockets.is_ok_and(|ended| ended.text().contains(" delivered_ce:"))
    })
}

/// What the kernel has counted.
struct Marks {
    /// Packets that came marked.
    received: u64,
    /// Segments of its own that we have reported as marked.
    delivered: u64,
    /// Segments that it sent again, but for probes (RFC 8985 §7): for those, a machine that stands still for two round-trip
    /// times is enough.
    again: u64,
}

/// What the kernel counts while something happens.
fn marks(lab: &Lab, happens: impl FnOnce() -> Outcome) -> Outcome<Marks> {
    let before = Counters::read(lab)?;
    happens()?;
    let after = Counters::read(lab)?;
    let [received, delivered, again, probes] =
        ["IpExtInCEPkts", "TcpExtTCPDeliveredCE", "TcpRetransSegs", "TcpExtTCPLossProbes"]
            .map(|name| after.of(name).saturating_sub(before.of(name)));
    Ok(Marks { received, delivered, again: again.saturating_sub(probes) })
}
