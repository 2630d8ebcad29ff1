//! Which files of the checkout are ours to check.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::Workspace;

/// Hidden folders that hold our own files.
const OUR_HIDDEN: [&str; 3] = [".cargo", ".ci", ".github"];

/// All files below `dir` in name order, without build output and hidden folders.
pub(crate) fn below(workspace: &Workspace, dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path);
        } else if is_ours(workspace, &path) {
            files.extend(below(workspace, &path));
        }
    }
    files
}

/// Whether the file's extension is `extension`.
pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension() == Some(OsStr::new(extension))
}

fn is_ours(workspace: &Workspace, dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with('.') {
        return OUR_HIDDEN.contains(&name.as_ref());
    }
    dir != workspace.target && !name.starts_with("target") && !name.starts_with("mutants.out")
}
