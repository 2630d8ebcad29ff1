//! The chores of the workspace, as `cargo xtask <command>`.
//!
//! Each command is a module of the same name. `ci` is exactly what the
//! continuous integration runs; everything else is one of its steps or a thing
//! that a developer does by hand. All of them honour `CARGO_TARGET_DIR`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod bench;
mod ci;
mod count;
mod deps;
mod features;
mod impair;
mod mutants;
mod new;
mod rfc;
mod run;
mod test;
mod tidy;
mod wire;
mod workspace;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The chores of the ustack workspace",
    after_help = "Examples:\n  \
        cargo xtask test              everything; device tests run where they can\n  \
        cargo xtask ci                what the continuous integration runs\n  \
        sudo cargo xtask wire ping    the kernel pings our stack, in every mode\n  \
        cargo xtask deps              do all dependency arrows point down?\n\n\
        CARGO_TARGET_DIR is honoured by every command."
)]
struct Cli {
    #[command(subcommand)]
    command: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run every check in the order of the continuous integration
    Ci(ci::Args),
    /// Run all tests: units, scripts, documents, downstream crates, examples, real world
    Test(test::Args),
    /// Check that dependencies between crates point down the layers, and that no_std holds
    Deps(deps::Args),
    /// Check the form of sources and documents
    Tidy,
    /// Write docs/compliance.md: each requirement of an RFC with its code, test and status
    Rfc(rfc::Args),
    /// Build the facade with its features alone, left out, none and all
    Features,
    /// Let real programs and the kernel talk to our stack, in network namespaces
    Wire(wire::Args),
    /// Make a protocol crate from a template, in the right layer
    New(new::Args),
    /// Measure: single parts, or the whole stack beside its limits
    Bench(bench::Args),
    /// Measure Linux and our stack through the same impaired line, in real time
    Impair(impair::Args),
    /// Do the tests notice when the code is wrong? Try a sample of mutations
    Mutants(mutants::Args),
    /// A client that a scenario of `wire` runs inside a namespace
    #[command(hide = true, subcommand)]
    Probe(wire::Probe),
    /// The process that cleans up after an interrupted `wire`
    #[command(hide = true)]
    Reap { pid: u32 },
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(chore: Chore) -> Result<(), String> {
    match chore {
        Chore::Ci(args) => ci::run(&Workspace::load()?, &args),
        Chore::Test(args) => test::run(&Workspace::load()?, &args),
        Chore::Deps(args) => deps::run(&Workspace::load()?, &args),
        Chore::Rfc(args) => rfc::run(&Workspace::load()?, &args),
        Chore::Tidy => tidy::run(&Workspace::load()?),
        Chore::Features => features::run(&Workspace::load()?),
        Chore::Wire(args) => wire::run(&Workspace::load()?, &args),
        Chore::New(args) => new::run(&Workspace::load()?, &args),
        Chore::Bench(args) => bench::run(&Workspace::load()?, &args),
        Chore::Impair(args) => impair::run(&Workspace::load()?, &args),
        Chore::Mutants(args) => mutants::run(&Workspace::load()?, &args),
        Chore::Probe(probe) => probe.run(),
        Chore::Reap { pid } => wire::reap_when_orphaned(pid),
    }
}

/// The names of all commands, for the check that documents name real ones.
fn command_names() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
