//! `cargo xtask bench`: the benches.
//!
//! `criterion` measures pieces in one process; `instructions` counts what a packet costs. `wire` measures the whole stack
//! from the kernel's side, beside reference peers, in interleaved rounds; only
//! its ratios travel from machine to machine.

mod families;
mod instructions;
mod machine;
mod peers;
mod rounds;
mod table;

use std::path::PathBuf;
use std::process::Command;

use clap::{Parser, Subcommand};

use crate::run::checked;
use crate::workspace::{Workspace, cargo, forget_our_package};

#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    cargo xtask bench criterion                         every bench of the package benches\n  \
    cargo xtask bench criterion -- checksum             those whose name contains checksum\n  \
    cargo xtask bench instructions                      for a packet, over IPv4 and IPv6 (valgrind)\n  \
    sudo cargo xtask bench families                     both families of the program, interleaved\n  \
    sudo cargo xtask bench wire                         five rounds over all peers\n  \
    sudo cargo xtask bench wire --quick                 is all well?\n  \
    sudo cargo xtask bench wire --rounds 9 --peers null-vnet,ustack-loop --tests send1,recv1\n  \
    cargo xtask bench table target/bench/wire.jsonl     the table again")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Benches of single parts, in one process
    Criterion {
        /// Passed on to criterion
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// `ustack serve` over IPv4 and over IPv6, by iperf3 and by connections
    Families(families::Args),
    /// Instructions for a packet over IPv4 and over IPv6, counted by callgrind
    Instructions,
    /// The whole stack over TUN, beside the null responder and the kernel
    Wire(rounds::Args),
    /// Medians and ratios of earlier runs of `wire`, as Markdown
    Table {
        /// Files of JSON lines
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// A cargo command in the yardstick's own workspace, `benches/wire`.
pub(crate) fn yardstick(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    command.args(args).current_dir(workspace.root.join("benches/wire"));
    command.env("CARGO_TARGET_DIR", yardstick_target(workspace));
    forget_our_package(&mut command);
    command
}

fn yardstick_target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("wire-bench")
}

/// Runs the chosen benches.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    match &args.what {
        What::Criterion { args } => {
            let mut command = workspace.cargo(&["bench", "--package", "benches"]);
            checked(command.arg("--").args(args))
        }
        What::Families(args) => families::run(workspace, args),
        What::Instructions => instructions::run(workspace),
        What::Wire(args) => rounds::run(workspace, args),
        What::Table { files } => {
            let records = table::read(files)?;
            print!("{}", table::markdown(&records));
            Ok(())
        }
    }
}
