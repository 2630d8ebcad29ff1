//! `cargo xtask bench instructions`: what a packet costs in instructions, counted by callgrind, over IPv4 and IPv6.
//!
//! The same transfer between two hosts in memory is run with few batches and with many; the difference, divided by the
//! packets of the difference, leaves out what it costs to begin. It is the same on a busy machine and on a quiet one.

use std::process::Command;

use crate::run::{captured, checked};
use crate::workspace::Workspace;

/// Batches of the two runs.
const FEW: u64 = 200;
const MANY: u64 = 700;

pub(super) fn run(workspace: &Workspace) -> Result<(), String> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err("valgrind is not there; on Debian: apt-get install valgrind".to_owned());
    }
    let build = ["build", "--release", "--package", "benches", "--bin", "instructions"];
    checked(&mut workspace.cargo(&build))?;
    println!("| packets | IPv4 | IPv6 | ratio |\n| --- | --- | --- | --- |");
    for (link, name) in [("packets", "1500 B"), ("super-packets", "64 KiB")] {
        let v4 = per_packet(workspace, &["--link", link])?;
        let v6 = per_packet(workspace, &["--link", link, "--ipv6"])?;
        println!("| {name} | {v4:.0} | {v6:.0} | {:.3} |", v6 / v4);
    }
    Ok(())
}

/// Instructions of both hosts, for each packet between them.
fn per_packet(workspace: &Workspace, args: &[&str]) -> Result<f64, String> {
    let (few, many) = (count(workspace, args, FEW)?, count(workspace, args, MANY)?);
    Ok((many.instructions - few.instructions) as f64 / (many.packets - few.packets) as f64)
}

struct Count {
    instructions: u64,
    packets: u64,
}

fn count(workspace: &Workspace, args: &[&str], batches: u64) -> Result<Count, String> {
    let out = workspace.target.join("bench/callgrind.out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(workspace.target.join("release/instructions"));
    command.args(args).args(["--batches", &batches.to_string()]);
    std::fs::create_dir_all(workspace.target.join("bench")).map_err(|error| error.to_string())?;
    let packets = captured(&mut command)?;
    let profile = std::fs::read_to_string(&out).map_err(|error| format!("{}: {error}", out.display()))?;
    Ok(Count {
        packets: packets.trim().parse().map_err(|_| format!("no number of packets: {packets}"))?,
        instructions: total(&profile).ok_or("callgrind's file has no total")?,
    })
}

/// The line `summary:` or `totals:` of a profile.
fn total(profile: &str) -> Option<u64> {
    let value = |line: &str| {
        let value = line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: "))?;
        value.split_whitespace().next()?.parse().ok()
    };
    profile.lines().rev().find_map(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_in_either_form() {
        assert_eq!(total("version: 1\nfn=(1) x\n1 2\nsummary: 123 4\n"), Some(123));
        assert_eq!(total("events: Ir\n1 2\ntotals: 77\n"), Some(77));
        assert_eq!(total("events: Ir\n"), None);
    }
}
