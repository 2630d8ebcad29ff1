//! `cargo xtask test`: every test there is, and one count at the end.
//!
//! Units and documents through cargo, the downstream crates in workspaces of
//! their own, the runnable examples, and the real world where this machine
//! lets us. A part that fails does not stop the next.

mod downstream;
mod examples;

use std::env;
use std::process::{Command, Stdio};

use clap::Parser;

use crate::bench::yardstick;
use crate::count::Count;
use crate::run::{Steps, watched};
use crate::wire;
use crate::workspace::{Workspace, cargo};

#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    cargo xtask test                      everything; says what is skipped and why\n  \
    cargo xtask test --require-devices    fail when a device test cannot run\n\n\
    The last line reads `N passed, M failed, K skipped`.")]
pub(crate) struct Args {
    /// Fail when a device test cannot run (also: USTACK_REQUIRE_DEVICES=1)
    #[arg(long)]
    pub(crate) require_devices: bool,
}

impl Args {
    /// Whether a device test that cannot run is a failure.
    fn devices_required(&self) -> bool {
        self.require_devices || env::var("USTACK_REQUIRE_DEVICES").is_ok_and(|value| value == "1")
    }
}

/// Runs everything; the count is the last line of the standard output.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    let mut count = Count::default();
    let outcome = all(workspace, args, &mut count);
    println!("{count}");
    outcome
}

/// Runs everything and adds to `count`.
pub(crate) fn all(workspace: &Workspace, args: &Args, count: &mut Count) -> Result<(), String> {
    let mut steps = Steps::default();
    steps.step("test: workspace", || counted(&mut workspace_tests(workspace), count));
    steps.step("test: documents", || {
        counted(
            &mut workspace.cargo(&["test", "--doc", "--workspace", "--all-features", "--no-fail-fast"]),
            count,
        )
    });
    steps.step("test: downstream", || downstream::run(workspace, count));
    steps.step("test: yardstick", || counted(&mut yardstick(workspace, &["test", "--no-fail-fast"]), count));
    steps.step("test: examples", || examples::run(workspace, count));
    steps.step("test: wire", || wire::all(workspace, args.devices_required(), count));
    steps.table();
    steps.outcome()
}

/// Runs a test runner and counts what it reports. A runner that fails without
/// reporting a failed test (it didn't build, say) counts as one failure.
fn counted(command: &mut Command, count: &mut Count) -> Result<(), String> {
    let mut own = Count::default();
    let outcome = watched(command, |line| own.read(line));
    if outcome.is_err() && own.failed == 0 {
        own.failed = 1;
    }
    *count += own;
    outcome
}

/// One thing that passes or fails as a whole.
fn single(outcome: Result<(), String>, count: &mut Count) -> Result<(), String> {
    match &outcome {
        Ok(()) => count.passed += 1,
        Err(_) => count.failed += 1,
    }
    outcome
}

fn workspace_tests(workspace: &Workspace) -> Command {
    let common = ["--workspace", "--all-features", "--no-fail-fast"];
    if has_nextest() {
        let mut command = workspace.cargo(&["nextest", "run"]);
        command.args(common).arg("--no-tests=pass");
        return command;
    }
    let mut command = workspace.cargo(&["test", "--lib", "--bins", "--tests"]);
    command.args(common);
    command
}

fn has_nextest() -> bool {
    let mut command = Command::new(cargo());
    command.args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
