//! iperf3 against the compatible server on our stack, its figures checked.
//!
//! iperf3 reports what the sender wrote and what the receiver read, one of the
//! two measured by us. They must agree up to what was still in buffers when
//! time was up.

use std::time::Duration;

use serde_json::Value;

use crate::wire::lab::Lab;
use crate::wire::serve;
use crate::wire::{Outcome, ensure};
use crate::workspace::items;

/// Most that one stream may hold in both sockets' buffers and on the way: the kernel's are limited by the namespace to
/// 6 MiB, ours tune themselves up to 32 MiB, and iperf3 counts what is in its own hands on one side only.
const IN_FLIGHT: f64 = 42e6;
/// Any stream that moves at all moves more than this in two seconds.
const LEAST: f64 = 1e6;
/// Share of datagrams at a modest rate that may be lost: 1,700 in a second, so that the device's queue of 500 bridges
/// 0.3 s in which nobody gives us a processor.
const LOSS: f64 = 0.01;
const MODEST: &str = "20M";
/// Attempts to stay below that, as a busy machine may take a processor away for longer.
const ATTEMPTS: usize = 3;

/// Every direction and number of streams.
pub(crate) fn all(lab: &Lab) -> Outcome {
    let serve = serve::start(lab)?;
    tcp(lab, &[], 1, &["sum"])?;
    tcp(lab, &["-R"], 1, &["sum"])?;
    tcp(lab, &["-P", "8"], 8, &["sum"])?;
    tcp(lab, &["-P", "8", "-R"], 8, &["sum"])?;
    tcp(lab, &["--bidir"], 1, &["sum", "bidir"])?;
    udp(lab, &[])?;
    udp(lab, &["-R"])?;
    serve.stop()?;
    recorded(lab)
}

/// A stretch of each direction under the eyes of tshark.
fn recorded(lab: &Lab) -> Outcome {
    let serve = serve::start_captured(lab)?;
    for options in [&["-n", "10M"][..], &["-n", "10M", "-R"], &["-n", "10M", "-P", "4"]] {
        iperf3(lab, options)?;
    }
    serve.stop()
}

fn tcp(lab: &Lab, options: &[&str], streams: usize, sums: &[&str]) -> Outcome {
    let report = iperf3(lab, &[&["-t", "2"], options].concat())?;
    let context = |error| format!("iperf3 {}: {error}", options.join(" "));
    for sum in sums {
        let suffix = if *sum == "bidir" { "_bidir_reverse" } else { "" };
        let sent = number(&report["end"][format!("sum_sent{suffix}")]["bytes"]).map_err(context)?;
        let received = number(&report["end"][format!("sum_received{suffix}")]["bytes"]).map_err(context)?;
        plausible(sent, received, streams).map_err(context)?;
    }
    each_stream_moves(&report, streams * sums.len()).map_err(context)
}

fn plausible(sent: f64, received: f64, streams: usize) -> Outcome {
    ensure!(received >= LEAST, "only {received} bytes arrived");
    ensure!(received <= sent, "{received} bytes arrived, but {sent} were sent");
    let missing = sent - received;
    ensure!(missing <= IN_FLIGHT * streams as f64, "{missing} of {sent} bytes never arrived");
    Ok(())
}

fn each_stream_moves(report: &Value, streams: usize) -> Outcome {
    let all = items(&report["end"]["streams"]);
    ensure!(all.len() == streams, "the report has {} streams, expected {streams}", all.len());
    for stream in all {
        let received = number(&stream["receiver"]["bytes"])?;
        ensure!(received > 0.0, "a stream moved nothing");
    }
    Ok(())
}

fn udp(lab: &Lab, options: &[&str]) -> Outcome {
    let mut all = vec!["-u", "-b", MODEST, "-t", "2"];
    all.extend(options);
    let mut outcome = Ok(());
    for _ in 0..ATTEMPTS {
        outcome =
            datagrams(&iperf3(lab, &all)?).map_err(|error| format!("iperf3 {}: {error}", all.join(" ")));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn datagrams(report: &Value) -> Outcome {
    let sum = &report["end"]["sum"];
    let (packets, lost) = (number(&sum["packets"])?, number(&sum["lost_packets"])?);
    let bytes = number(&sum["bytes"])?;
    ensure!(packets >= 100.0 && bytes >= LEAST, "only {packets} datagrams with {bytes} bytes");
    ensure!(lost <= packets * LOSS, "{lost} of {packets} datagrams were lost");
    let disordered = report["end"]["streams"][0]["udp"]["out_of_order"].as_f64().unwrap_or_default();
    ensure!(disordered == 0.0, "{disordered} datagrams came out of order");
    Ok(())
}

fn iperf3(lab: &Lab, options: &[&str]) -> Outcome<Value> {
    let mut args = vec!["-c", lab.ours(), "-J", "--connect-timeout", "3000"];
    args.extend(options);
    let ended = lab.run("iperf3", &args, Duration::from_secs(20))?;
    let report: Value = serde_json::from_slice(&ended.stdout).map_err(|error| {
        format!("iperf3 {}: no JSON ({error}): {}", options.join(" "), ended.stderr.trim())
    })?;
    if let Some(error) = report["error"].as_str() {
        return Err(format!("iperf3 {}: {error}", options.join(" ")));
    }
    ended.success()?;
    Ok(report)
}

fn number(json: &Value) -> Outcome<f64> {
    json.as_f64().ok_or_else(|| format!("the report lacks a figure ({json})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_cannot_be_are_refused() {
        assert!(plausible(5e8, 4.99e8, 1).is_ok());
        assert!(plausible(5e8, 5.01e8, 1).is_err(), "more came than was sent");
        assert!(plausible(5e8, 4.5e8, 1).is_err(), "bytes vanished");
        assert!(plausible(5e8, 4.5e8, 8).is_ok(), "eight streams hold more");
        assert!(plausible(0.0, 0.0, 1).is_err(), "nothing moved");
    }
}
