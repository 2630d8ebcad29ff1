//! Runs the tests that the page names: each must be there, run, and pass.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::citations::{Citations, Kind};
use crate::count::Count;
use crate::run::watched;
use crate::workspace::Workspace;

/// The package and the test that run the scripts.
const SCRIPTS: (&str, &str) = ("stack-testkit", "scripts");

/// Runs all of them, package by package.
pub(crate) fn all(workspace: &Workspace, citations: &Citations) -> Result<(), String> {
    let mut named: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for place in &citations.places {
        if let Kind::Test { package, name } = &place.kind {
            named.entry(package).or_default().insert(name);
        }
    }
    for (package, names) in &named {
        one(workspace, package, names)?;
    }
    let (package, target) = SCRIPTS;
    let mut command = workspace.cargo(&["test", "--quiet", "-p", package, "--test", target]);
    counted(&mut command).map(drop)
}

/// A package whose named tests are fewer than those that ran names one that is not there.
fn one(workspace: &Workspace, package: &str, names: &BTreeSet<&str>) -> Result<(), String> {
    let mut command =
        workspace.cargo(&["test", "--quiet", "-p", package, "--all-features", "--lib", "--tests", "--"]);
    command.args(names);
    let ran = counted(&mut command)?;
    if ran < names.len() {
        return Err(format!("{package}: {} tests are named, {ran} ran", names.len()));
    }
    Ok(())
}

fn counted(command: &mut Command) -> Result<usize, String> {
    let mut count = Count::default();
    watched(command, |line| count.read(line))?;
    Ok(count.passed)
}
