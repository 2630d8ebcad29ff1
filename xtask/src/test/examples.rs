//! The runnable examples of the facade: those that say `//! run: ci` in their
//! opening lines need no device, end by themselves and fail with an exit code.

use std::fs;

use super::single;
use crate::count::Count;
use crate::run::checked;
use crate::workspace::{Target, Workspace};

const FACADE: &str = "ustack";
const MARK: &str = "//! run: ci";
/// How far into an example the mark may stand.
const OPENING_LINES: usize = 20;

/// Runs each marked example.
pub(crate) fn run(workspace: &Workspace, count: &mut Count) -> Result<(), String> {
    let Some(facade) = workspace.package(FACADE) else { return Ok(()) };
    let mut failed = Vec::new();
    for target in facade.targets.iter().filter(|target| target.kind == "example" && is_marked(target)) {
        let args = ["run", "--quiet", "--package", FACADE, "--all-features", "--example", &target.name];
        if single(checked(&mut workspace.cargo(&args)), count).is_err() {
            failed.push(target.name.clone());
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join(", ")) }
}

fn is_marked(target: &Target) -> bool {
    let Ok(text) = fs::read_to_string(&target.source) else { return false };
    text.lines().take(OPENING_LINES).any(|line| line.trim_end() == MARK)
}
