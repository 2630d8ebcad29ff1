//! `cargo xtask bench families`: `ustack serve` over IPv4 and over IPv6, one after the other again and again, so that what
//! disturbs the machine disturbs both.

use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::Value;

use crate::run::{captured, checked};
use crate::wire::family::{Family, with_port};
use crate::wire::namespace::Namespace;
use crate::wire::needs::{self, Need};
use crate::wire::process::{Input, Process};
use crate::wire::reaper::Reaper;
use crate::workspace::Workspace;

const READY: Duration = Duration::from_secs(5);
const LIFE: Duration = Duration::from_secs(600);
/// Connections of a row: each is opened, carries a line both ways, and is closed.
const CONNECTS: u32 = 2000;
const ECHO: u16 = 7;

#[derive(Parser)]
pub(crate) struct Args {
    /// How often both families have their turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each transfer
    #[arg(long, default_value_t = 2)]
    seconds: u32,
    /// Packets of 1500 bytes instead of super-packets
    #[arg(long)]
    no_offload: bool,
}

/// What is measured.
#[derive(Clone, Copy)]
enum Test {
    In,
    Out,
    Connects,
}

const TESTS: [(Test, &str); 3] =
    [(Test::In, "in, Gbit/s"), (Test::Out, "out, Gbit/s"), (Test::Connects, "connects per s")];

pub(super) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    needs::require(&[needs::BASE.as_slice(), &[Need::Program("iperf3", "iperf3")]].concat())?;
    checked(&mut workspace.cargo(&["build", "--release", "--package", "ustack-cli"]))?;
    let reaper = Reaper::start()?;
    let namespace = Namespace::new()?;
    let program = workspace.target.join("release/ustack");
    let mut serve = namespace.command(&program.to_string_lossy());
    serve.arg("serve").args(args.no_offload.then_some("--no-offload"));
    let mut serve = Process::spawn(&mut serve, "serve", Input::End, Instant::now() + LIFE)?;
    serve.wait_for_line("ready", READY)?;
    println!("| | IPv4 | IPv6 | ratio of medians |\n| --- | --- | --- | --- |");
    for (test, name) in TESTS {
        let mut figures = [Vec::new(), Vec::new()];
        for round in 0..args.rounds {
            let mut turns = [(Family::V4, 0), (Family::V6, 1)];
            turns.rotate_left(round % 2);
            for (family, at) in turns {
                figures[at].push(measure(&namespace, family, test, args.seconds)?);
            }
        }
        let [v4, v6] = figures.map(median);
        println!("| {name} | {v4:.1} | {v6:.1} | {:.2} |", v6 / v4);
    }
    serve.terminate(READY)?;
    drop(namespace);
    reaper.finish(false);
    Ok(())
}

fn measure(namespace: &Namespace, family: Family, test: Test, seconds: u32) -> Result<f64, String> {
    match test {
        Test::In => transfer(namespace, family, seconds, &[]),
        Test::Out => transfer(namespace, family, seconds, &["-R"]),
        Test::Connects => connects(namespace, family),
    }
}

/// What arrived, in Gbit/s.
fn transfer(namespace: &Namespace, family: Family, seconds: u32, options: &[&str]) -> Result<f64, String> {
    let mut command = namespace.command("iperf3");
    command.args(["-J", "-c", family.ours(), "-t", &seconds.to_string()]).args(options);
    let report: Value = serde_json::from_str(&captured(&mut command)?).map_err(|error| error.to_string())?;
    let rate = report["end"]["sum_received"]["bits_per_second"].as_f64();
    rate.map(|rate| rate / 1e9).ok_or_else(|| format!("iperf3 reports no rate: {}", report["error"]))
}

fn connects(namespace: &Namespace, family: Family) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command: Command = namespace.command(&program.to_string_lossy());
    command.args(["probe", "connect", &with_port(family.ours(), ECHO), &CONNECTS.to_string()]);
    let start = Instant::now();
    captured(&mut command)?;
    Ok(f64::from(CONNECTS) / start.elapsed().as_secs_f64())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
