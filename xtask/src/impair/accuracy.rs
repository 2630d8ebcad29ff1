//! How true the box is: round-trip times that ping measures through it, and
//! the rate at which UDP comes out of it.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::job::Line;
use super::place::{Place, Side, Stack};
use crate::wire::needs::{self, IPERF3, PING};
use crate::wire::process::{Input, Process};
use crate::wire::{Outcome, ensure};

/// What each of the two measurements may take.
const LIMIT: Duration = Duration::from_secs(60);
const PINGS: &str = "1000";
/// Time until the queue is full.
const SETTLING: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(10);

/// Measures and prints.
pub(super) fn measure(program: &Path, line: &Line) -> Outcome {
    needs::require(&[PING, IPERF3])?;
    let place = Place::new(program, line, 1, 2 * LIMIT)?;
    println!("{}", round_trips(&place, line)?);
    println!("{}", rate(&place, line)?);
    let seen = place.finish()?;
    for (way, name) in [("forth", "to the receiver"), ("back", "back")] {
        let late = &seen[way]["late_us"];
        println!(
            "packets {name} left late by {} µs (median), {} µs (p99), {} µs (most)",
            late["p50"], late["p99"], late["max"]
        );
    }
    Ok(())
}

fn run(place: &Place<'_>, side: Side, program: &str, args: &[&str]) -> Outcome<Process> {
    let mut command = place.namespace(side).command(program);
    Process::spawn(command.args(args), program, Input::End, Instant::now() + LIMIT)
}

/// What ping says over a line that is empty otherwise.
fn round_trips(place: &Place<'_>, line: &Line) -> Outcome<String> {
    let to = Side::Receiver.address(Stack::Linux);
    let ping = run(place, Side::Sender, "ping", &["-n", "-c", PINGS, "-i", "0.01", &to])?;
    let text = ping.wait(LIMIT)?.success()?.text();
    let mut times: Vec<f64> = text
        .lines()
        .filter_map(|line| line.split_once("time=")?.1.split_whitespace().next()?.parse().ok())
        .collect();
    ensure!(!times.is_empty(), "ping measured nothing: {text}");
    times.sort_by(f64::total_cmp);
    let quantile = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    Ok(format!(
        "ping: {} of {PINGS} answers; line {} ms; least {:.3} ms, median {:.3} ms, p99 {:.3} ms, most {:.3} ms",
        times.len(),
        line.rtt_ms,
        quantile(0.0),
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    ))
}

/// What comes out while half as much again goes in, by the receiving device's own count.
fn rate(place: &Place<'_>, line: &Line) -> Outcome<String> {
    let mut server = run(place, Side::Receiver, "iperf3", &["-s", "-1", "--forceflush"])?;
    server.wait_for_line("listening", LIMIT)?;
    let (to, more) = (Side::Receiver.address(Stack::Linux), (line.rate * 3 / 2).to_string());
    let mut client =
        run(place, Side::Sender, "iperf3", &["-c", &to, "-u", "-l", "1472", "-b", &more, "-t", "20"])?;
    sleep(SETTLING);
    let (before, start) = (place.received()?, Instant::now());
    sleep(MEASURED);
    let (after, time) = (place.received()?, start.elapsed().as_secs_f64());
    client.kill();
    server.kill();
    let measured = (after - before) as f64 * 8.0 / time;
    Ok(format!(
        "UDP: {:.3} Mbit/s of IP came out of a line of {:.3} Mbit/s: {:+.3} %",
        measured / 1e6,
        line.rate as f64 / 1e6,
        (measured / line.rate as f64 - 1.0) * 100.0
    ))
}
