//! Rules for whole crates: unsafe code is forbidden, or denied with a reason;
//! the lints are those of the workspace.

use std::fs;

use crate::workspace::{Package, Workspace};

const FORBID: &str = "#![forbid(unsafe_code)]";
const DENY: &str = "#![deny(unsafe_code)]";

/// The problems of every member crate.
pub(super) fn problems(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for package in &workspace.packages {
        let wanted = if may_be_unsafe(workspace, &package.name) { DENY } else { FORBID };
        for target in package.targets.iter().filter(|target| is_crate_root(&target.kind)) {
            let text = fs::read_to_string(&target.source).unwrap_or_default();
            if !has_line(&text, wanted) {
                let name = workspace.relative(&target.source).display();
                problems.push(format!("{name}: add {wanted}, or list the crate with a reason in [package.metadata.tidy.unsafe] of xtask/Cargo.toml"));
            }
        }
        problems.extend(lints(package));
    }
    problems
}

fn may_be_unsafe(workspace: &Workspace, name: &str) -> bool {
    let Some(xtask) = workspace.package("xtask") else { return false };
    xtask.metadata["tidy"]["unsafe"][name].as_str().is_some_and(|reason| !reason.is_empty())
}

fn is_crate_root(kind: &str) -> bool {
    matches!(kind, "lib" | "rlib" | "staticlib" | "cdylib" | "bin")
}

fn has_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line.trim() == wanted)
}

fn lints(package: &Package) -> Option<String> {
    let path = package.dir.join("Cargo.toml");
    let text = fs::read_to_string(path).unwrap_or_default();
    let inherited =
        text.split("[lints]").nth(1).is_some_and(|rest| rest.trim_start().starts_with("workspace = true"));
    (!inherited).then(|| format!("{}: inherit the lints: [lints] workspace = true", package.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_counts_only_as_a_line_of_its_own() {
        assert!(has_line("//! a\n#![forbid(unsafe_code)]\n", FORBID));
        assert!(!has_line("//! a\n// #![forbid(unsafe_code)]\n", FORBID));
        assert!(!has_line("//! a\n#![deny(unsafe_code)]\n", FORBID));
    }
}
