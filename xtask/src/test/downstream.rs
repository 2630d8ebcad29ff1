//! The downstream crates of `testdata/downstream/`: each is a workspace of its
//! own, as a user's crate would be.
//!
//! Each is built and tested, all in one folder below the target folder so that
//! a second run is quick. If a crate has a file `forbidden-deps.txt`, none of
//! the packages named in it (one a line, `#` starts a comment) may appear in
//! its `cargo tree`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{counted, single};
use crate::count::Count;
use crate::run::{captured, checked};
use crate::workspace::{Workspace, cargo, forget_our_package};

/// Builds, tests and checks each downstream crate.
pub(crate) fn run(workspace: &Workspace, count: &mut Count) -> Result<(), String> {
    let mut failed = Vec::new();
    for dir in crates(&workspace.root.join("testdata/downstream")) {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("-- downstream crate {name}");
        if let Err(error) = one(workspace, &dir, count) {
            println!("{error}");
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join(", ")) }
}

fn one(workspace: &Workspace, dir: &Path, count: &mut Count) -> Result<(), String> {
    single(checked(&mut command(workspace, dir, &["build"])), count)?;
    let forbidden = dir.join("forbidden-deps.txt");
    if forbidden.exists() {
        single(check_tree(workspace, dir, &forbidden), count)?;
    }
    counted(&mut command(workspace, dir, &["test", "--no-fail-fast"]), count)
}

fn check_tree(workspace: &Workspace, dir: &Path, list: &Path) -> Result<(), String> {
    let list = fs::read_to_string(list).map_err(|error| format!("{}: {error}", list.display()))?;
    let tree = captured(&mut command(
        workspace,
        dir,
        &["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"],
    ))?;
    let found = forbidden_in(&tree, &list);
    if found.is_empty() {
        return Ok(());
    }
    Err(format!("the dependency tree has what forbidden-deps.txt excludes: {}", found.join(", ")))
}

/// The names of `list` that occur in a `cargo tree` of one package a line.
fn forbidden_in(tree: &str, list: &str) -> Vec<String> {
    let names = list.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    names
        .filter(|name| !name.is_empty())
        .filter(|name| tree.lines().any(|line| line.split(' ').next() == Some(name)))
        .map(str::to_owned)
        .collect()
}

fn command(workspace: &Workspace, dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(cargo());
    command.args(args).current_dir(dir).env("CARGO_TARGET_DIR", workspace.target.join("downstream"));
    forget_our_package(&mut command);
    command
}

fn crates(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut dirs: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.join("Cargo.toml").exists()).collect();
    dirs.sort();
    dirs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_package_in_the_tree_is_found_by_its_whole_name() {
        let tree = "small v0.1.0 (/x)\nustack v0.1.0\ntrans-udp v0.1.0\nlink-tunnel v1.0.0\n";
        assert_eq!(forbidden_in(tree, "trans-udp\n"), ["trans-udp"]);
        assert!(forbidden_in(tree, "# reason\ntrans-tcp # not wanted\nlink-tun\n\n").is_empty());
    }
}
