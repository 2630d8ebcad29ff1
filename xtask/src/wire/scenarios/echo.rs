//! The echo and discard services, by datagrams of exact sizes and by netcat.

use std::time::Duration;

use crate::wire::lab::Lab;
use crate::wire::probe::pattern;
use crate::wire::process::Input;
use crate::wire::serve;
use crate::wire::{Outcome, ensure};

/// From nothing over both sides of one packet to the most that UDP can carry.
const SIZES: [&str; 9] = ["0", "1", "1000", "1472", "1473", "2960", "8000", "32768", "65507"];

/// Every size comes back unchanged.
pub(crate) fn udp(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    let echo = lab.our_port(7);
    let mut args = vec!["udp-echo", &echo];
    args.extend(SIZES);
    lab.probe(&args)?.wait(Duration::from_secs(40))?.success()?;
    serve.stop()
}

/// netcat: what goes in comes out, and discard swallows.
pub(crate) fn nc(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    let sent = pattern(100_000, 2);
    let back = netcat(lab, &["-N", lab.ours(), "7"], sent.clone())?;
    ensure!(back == sent, "nc: sent {} bytes, {} or other bytes came back", sent.len(), back.len());
    let back = netcat(lab, &["-u", "-w", "1", lab.ours(), "7"], b"one datagram".to_vec())?;
    ensure!(back == b"one datagram", "nc -u: got `{}`", String::from_utf8_lossy(&back));
    let back = netcat(lab, &["-N", lab.ours(), "9"], sent)?;
    ensure!(back.is_empty(), "discard answered {} bytes", back.len());
    serve.stop()
}

fn netcat(lab: &Lab, args: &[&str], input: Vec<u8>) -> Outcome<Vec<u8>> {
    let ended = lab.spawn("nc", args, Input::Bytes(input))?.wait(Duration::from_secs(10))?.success()?;
    Ok(ended.stdout)
}
