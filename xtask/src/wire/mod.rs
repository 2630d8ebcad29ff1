//! `cargo xtask wire`: real programs talk to our stack, with the Linux kernel
//! as the peer.
//!
//! Each scenario runs in a network namespace of its own, in each mode that it
//! names (TUN or TAP, with and without offloads). Namespaces, processes and
//! files belong to guards, and a small process outside our group removes what
//! is left if we are interrupted or killed. Nothing happens in the machine's
//! own namespace.

mod capture;
mod counters;
pub(crate) mod family;
mod lab;
pub(crate) mod namespace;
pub(crate) mod needs;
mod probe;
pub(crate) mod process;
pub(crate) mod reaper;
mod scenarios;
mod serve;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use scenarios::{Case, Scenario};

use crate::count::Count;
use crate::run::checked;
use crate::workspace::Workspace;
use lab::Lab;
use needs::Need;

pub(crate) use probe::Probe;
pub(crate) use reaper::reap_when_orphaned;

/// What a scenario, or a part of one, ends in; the error says what was
/// expected and what came.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The package of the program under test.
const CLI: &str = "ustack-cli";
/// The example of the facade that scenarios run.
const EXAMPLE: &str = "router";
/// The scenarios that need it.
const ROUTING: [&str; 3] = ["forwarding", "advertise", "masquerade"];

/// Returns an error with a formatted message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if $condition {
        } else {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

#[derive(Parser, Default)]
#[command(after_help = "Examples:\n  \
    sudo cargo xtask wire              every scenario\n  \
    cargo xtask wire --list            what there is\n  \
    sudo cargo xtask wire ping         every mode of ping\n  \
    sudo cargo xtask wire /tap-plain   every scenario over TAP without offloads\n  \
    sudo cargo xtask wire nc/tun --keep   leave the namespace and files of a failure in place")]
pub(crate) struct Args {
    /// Only scenarios whose name, written NAME/MODE, contains this text
    filter: Option<String>,
    /// Show names and what they check; run nothing
    #[arg(long)]
    list: bool,
    /// Leave namespace and files of failed scenarios for inspection
    #[arg(long)]
    keep: bool,
    /// Fail when something that a scenario needs is missing
    #[arg(long)]
    require_devices: bool,
    /// Test this program instead of building `ustack`
    #[arg(long)]
    program: Option<PathBuf>,
}

/// Runs or lists scenarios; the count is the last line.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Outcome {
    if args.list {
        list(args);
        return Ok(());
    }
    let mut count = Count::default();
    let outcome = drive(workspace, args, &mut count);
    println!("{count}");
    outcome
}

/// All scenarios, as a part of `cargo xtask test`.
pub(crate) fn all(workspace: &Workspace, require_devices: bool, count: &mut Count) -> Outcome {
    drive(workspace, &Args { require_devices, ..Args::default() }, count)
}

fn list(args: &Args) {
    for case in selected(args) {
        println!("{:24} {}", case.name(), case.scenario.about);
    }
}

fn selected(args: &Args) -> Vec<Case> {
    let filter = args.filter.as_deref().unwrap_or_default();
    scenarios::cases().into_iter().filter(|case| case.name().contains(filter)).collect()
}

fn drive(workspace: &Workspace, args: &Args, count: &mut Count) -> Outcome {
    let cases = selected(args);
    ensure!(!cases.is_empty(), "no scenario matches; see cargo xtask wire --list");
    let missing = needs::missing(cases.iter());
    missing.iter().for_each(|(need, why)| println!("missing: {need}: {why}"));
    if args.require_devices && !missing.is_empty() {
        count.failed += cases.len();
        return Err("device tests are required, and something that they need is missing".to_owned());
    }
    if needs::BASE.iter().any(|need| missing.contains_key(need)) {
        count.skipped += cases.len();
        return Ok(());
    }
    let program = match &args.program {
        Some(path) => Some(path.clone()),
        None => build(workspace, &cases).inspect_err(|_| count.failed += cases.len())?,
    };
    let reaper = reaper::Reaper::start()?;
    let mut results = Vec::new();
    for case in cases {
        let verdict = verdict(&case, program.as_ref(), |need| missing.contains_key(need), args.keep);
        results.push((case, verdict));
    }
    reaper.finish(args.keep);
    conclude(&results, count)
}

enum Verdict {
    Passed(f64),
    Failed(String),
    Skipped(String),
}

fn verdict(case: &Case, program: Option<&PathBuf>, lacks: impl Fn(&Need) -> bool, keep: bool) -> Verdict {
    if let Some(need) = case.needs().find(|need| lacks(need)) {
        return Verdict::Skipped(format!("needs {need}"));
    }
    let start = Instant::now();
    match perform(case, program, keep) {
        Ok(()) => {
            println!("{:24} ok      {:6.1} s", case.name(), start.elapsed().as_secs_f64());
            Verdict::Passed(start.elapsed().as_secs_f64())
        }
        Err(message) => {
            println!("{:24} FAILED  {:6.1} s\n  {message}", case.name(), start.elapsed().as_secs_f64());
            Verdict::Failed(message)
        }
    }
}

fn perform(case: &Case, program: Option<&PathBuf>, keep: bool) -> Outcome {
    let Scenario { limit, run, .. } = case.scenario;
    let mut lab = Lab::new(case.mode, case.family, program.cloned(), *limit)?;
    let outcome = run(&lab);
    if outcome.is_err() {
        lab.show_logs();
        if keep {
            lab.keep();
        }
    }
    outcome
}

fn build(workspace: &Workspace, cases: &[Case]) -> Outcome<Option<PathBuf>> {
    if !cases.iter().any(|case| case.scenario.talks_to_us()) {
        return Ok(None);
    }
    checked(&mut workspace.cargo(&["build", "--release", "--package", CLI]))?;
    if cases.iter().any(|case| ROUTING.contains(&case.scenario.name)) {
        let features = ["--example", EXAMPLE, "--features", "ethernet,filter,packet,tun"];
        checked(workspace.cargo(&["build", "--release", "--package", "ustack"]).args(features))?;
    }
    Ok(Some(workspace.target.join("release/ustack")))
}

fn conclude(results: &[(Case, Verdict)], count: &mut Count) -> Outcome {
    println!();
    let mut failed = Vec::new();
    for (case, verdict) in results {
        let name = case.name();
        match verdict {
            Verdict::Passed(seconds) => {
                count.passed += 1;
                println!("{name:24} {seconds:6.1} s  ok");
            }
            Verdict::Failed(message) => {
                count.failed += 1;
                println!("{name:24}           FAILED: {}", message.lines().next().unwrap_or_default());
                failed.push(name);
            }
            Verdict::Skipped(reason) => {
                count.skipped += 1;
                println!("{name:24}           skipped: {reason}");
            }
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join(", ")) }
}
