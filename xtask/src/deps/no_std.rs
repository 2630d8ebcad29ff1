//! The proof that the lower layers need no std.
//!
//! `stack-nostd-proof` links them all into a static library that brings its
//! own panic handler. If any crate below it pulls std in, std's handler
//! collides with it and the build fails with E0152, naming the crate.

use crate::run::checked;
use crate::workspace::Workspace;

/// The crate that links every layer that has to work without std.
pub(crate) const PROOF: &str = "stack-nostd-proof";

/// Builds the proof with its own profile, which turns the panic handler on.
pub(crate) fn prove(workspace: &Workspace) -> Result<(), String> {
    if workspace.package(PROOF).is_none() {
        return Err(format!("crate {PROOF} is missing"));
    }
    checked(&mut workspace.cargo(&[
        "rustc",
        "--package",
        PROOF,
        "--lib",
        "--profile",
        "nostd",
        "--crate-type",
        "staticlib",
    ]))
    .map_err(|error| format!("{error}: a crate below the shell needs std (see E0152 above)"))
}
