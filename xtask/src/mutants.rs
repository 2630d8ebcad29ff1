//! Do the tests notice when the code is wrong? A sample of the mutations that `cargo-mutants` knows, spread evenly over a
//! crate, each tried against the crate's own tests.
//!
//! The sample is the same for the same sources: every n-th mutation. `cargo-mutants` is installed if it is missing. The
//! crate is built without optimization, as it is built anew each time; nextest, if it is there, stops at the first failure.

use std::process::Command;

use clap::Args as ClapArgs;
use serde_json::Value;

use crate::run::{captured, checked};
use crate::workspace::{Workspace, cargo, items};

#[derive(ClapArgs)]
#[command(after_help = "Examples:\n  \
    cargo xtask mutants                    200 of trans-tcp: an hour or two\n  \
    cargo xtask mutants --count 20         a look\n  \
    cargo xtask mutants --first 1          the next sample")]
pub(crate) struct Args {
    /// The crate to change
    #[arg(long, default_value = "trans-tcp")]
    package: String,
    /// About how many mutations to try
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Which mutation to begin with, and so which sample to take
    #[arg(long, default_value_t = 0)]
    first: u32,
    /// Share of mutations that tests must catch, in percent
    #[arg(long, default_value_t = 75, value_parser = clap::value_parser!(u32).range(..=100))]
    least: u32,
}

/// Tries the sample and says what nobody noticed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    if captured(Command::new(cargo()).args(["mutants", "--version"])).is_err() {
        checked(Command::new(cargo()).args(["install", "--locked", "cargo-mutants"]))?;
    }
    let list = captured(&mut workspace.cargo(&["mutants", "--list", "--package", &args.package]))?;
    let all = u32::try_from(list.lines().count()).unwrap_or(u32::MAX);
    let samples = (all / args.count).max(1);
    let shard = format!("{}/{samples}", args.first % samples);
    let out = workspace.target.join("mutants");
    let mut command = workspace.cargo(&["mutants", "--package", &args.package, "--baseline", "skip"]);
    command.args(["--timeout", "180", "--shard", &shard, "--sharding", "round-robin", "--output"]).arg(&out);
    command.envs([("CARGO_PROFILE_DEV_OPT_LEVEL", "0"), ("CARGO_PROFILE_DEV_DEBUG", "none")]);
    if captured(Command::new(cargo()).args(["nextest", "--version"])).is_ok() {
        command.args(["--test-tool", "nextest"]);
    }
    command.args(["--", "--lib"]);
    // It fails if a single mutation is missed; what counts here is the share.
    let ended = checked(&mut command);
    let path = out.join("mutants.out/outcomes.json");
    let outcomes = std::fs::read_to_string(&path)
        .map_err(|error| ended.err().unwrap_or_else(|| format!("{}: {error}", path.display())))?;
    let outcomes: Value =
        serde_json::from_str(&outcomes).map_err(|error| format!("{}: {error}", path.display()))?;
    judge(&outcomes, args.least)
}

fn judge(outcomes: &Value, least: u32) -> Result<(), String> {
    let count = |name: &str| outcomes[name].as_u64().unwrap_or_default();
    let (caught, missed) = (count("caught") + count("timeout"), count("missed"));
    let missing = |outcome: &&Value| outcome["summary"] == "MissedMutant";
    for outcome in items(&outcomes["outcomes"]).iter().filter(missing) {
        println!("missed: {}", outcome["scenario"]["Mutant"]["name"].as_str().unwrap_or("?"));
    }
    println!("{caught} of {} caught, {} did not build", caught + missed, count("unviable"));
    if caught * 100 >= (caught + missed) * u64::from(least) && caught > 0 {
        return Ok(());
    }
    Err(format!("fewer than {least} % of the mutations were caught"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_share_that_is_caught_decides() {
        let outcomes = |caught: u64, timeout: u64, missed: u64| {
            json!({ "caught": caught, "timeout": timeout, "missed": missed, "unviable": 9, "outcomes": [
                { "summary": "MissedMutant", "scenario": { "Mutant": { "name": "src/a.rs:1:2: replace a with ()" } } },
                { "summary": "CaughtMutant", "scenario": { "Mutant": { "name": "src/a.rs:2:2: replace b with ()" } } },
            ] })
        };
        assert!(judge(&outcomes(70, 5, 25), 75).is_ok());
        assert!(judge(&outcomes(70, 4, 26), 75).is_err());
        assert!(judge(&outcomes(0, 0, 0), 75).is_err(), "nothing was tried");
    }
}
