//! `cargo xtask deps`: do all dependency arrows point down the layers, and do
//! the lower layers build without std?
//!
//! The layers stand in `[workspace.metadata.layers]` of the root manifest. The
//! arrow check is pure (metadata in, one line for each problem out) and a test
//! runs it, so a wrong arrow fails `cargo test` as well.

mod arrows;
mod no_std;

use clap::Parser;

use crate::new::add_to_proof;
use crate::workspace::Workspace;

pub(crate) use no_std::PROOF;

#[derive(Parser, Default)]
#[command(after_help = "Examples:\n  \
    cargo xtask deps                  arrows, then the no_std proof\n  \
    cargo xtask deps --arrows-only    without building anything\n  \
    cargo xtask deps --fix            add new crates to the no_std proof first")]
pub(crate) struct Args {
    /// Skip the no_std proof, which builds the lower layers
    #[arg(long)]
    arrows_only: bool,
    /// Add the crates that the no_std proof lacks to it
    #[arg(long)]
    fix: bool,
}

/// Prints every wrong arrow; then builds the `no_std` proof.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    if args.fix {
        arrows::unproven(workspace).iter().try_for_each(|name| add_to_proof(&workspace.root, name))?;
        return run(&Workspace::load()?, &Args { fix: false, ..*args });
    }
    let problems = arrows::problems(workspace);
    problems.iter().for_each(|problem| println!("{problem}"));
    if !problems.is_empty() {
        return Err(format!("{} wrong in the layers", problems.len()));
    }
    println!("{} crates: every dependency points down", workspace.packages.len());
    if args.arrows_only { Ok(()) } else { no_std::prove(workspace) }
}
