//! The chores of the workspace, as `cargo xtask <command>`.
//!
//! Each command is a module of the same name. `ci` is exactly what the
//! continuous integration runs; everything else is one of its steps or a thing
//! that a developer does by hand. All of them honour `CARGO_TARGET_DIR`.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod ci;
mod count;
mod deps;
mod run;
mod test;
mod tidy;
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
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match Workspace::load().and_then(|workspace| dispatch(&workspace, cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(workspace: &Workspace, chore: Chore) -> Result<(), String> {
    match chore {
        Chore::Ci(args) => ci::run(workspace, &args),
        Chore::Test(args) => test::run(workspace, &args),
        Chore::Deps(args) => deps::run(workspace, &args),
        Chore::Tidy => tidy::run(workspace),
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
