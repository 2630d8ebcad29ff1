//! `cargo xtask ci`: exactly what the continuous integration runs, in order,
//! stopping at the first step that fails.

use std::env;

use clap::Parser;

use crate::bench::yardstick;
use crate::count::Count;
use crate::run::{Steps, checked};
use crate::workspace::Workspace;
use crate::{deps, features, rfc, test, tidy};

#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    cargo xtask ci                                       as a developer: device tests where they can run\n  \
    USTACK_REQUIRE_DEVICES=1 cargo xtask ci              as .ci/run: device tests must run")]
pub(crate) struct Args {
    /// Fail when a device test cannot run (also: USTACK_REQUIRE_DEVICES=1)
    #[arg(long)]
    require_devices: bool,
}

/// Runs every step and prints the table; the count of tests comes last.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    let mut steps = Steps::default();
    let mut count = Count::default();
    let going = all(workspace, args, &mut steps, &mut count);
    steps.table();
    if !going {
        println!("stopped at the first step that failed");
    }
    println!("{count}");
    steps.outcome()
}

fn all(workspace: &Workspace, args: &Args, steps: &mut Steps, count: &mut Count) -> bool {
    let test_args = test::Args { require_devices: args.require_devices };
    steps.step("fmt", || fmt(workspace))
        && steps.step("tidy", || tidy::run(workspace))
        && steps.step("deps", || deps::run(workspace, &deps::Args::default()))
        && steps.step("rfc", || rfc::compare(workspace)) // the named tests are among those that run below
        && steps.step("clippy", || clippy(workspace))
        && steps.step("features", || features::run(workspace))
        && steps.step("doc", || doc(workspace))
        && steps.step("test", || test::all(workspace, &test_args, count))
}

fn fmt(workspace: &Workspace) -> Result<(), String> {
    checked(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    checked(&mut yardstick(workspace, &["fmt", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<(), String> {
    checked(&mut workspace.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))?;
    checked(&mut yardstick(workspace, &["clippy", "--all-targets", "--", "-D", "warnings"]))
}

fn doc(workspace: &Workspace) -> Result<(), String> {
    let flags = env::var("RUSTDOCFLAGS").unwrap_or_default();
    let mut command = workspace.cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    checked(command.env("RUSTDOCFLAGS", format!("{flags} -D warnings").trim_start()))
}
