//! Rules that look at one text file alone: module documents, white space,
//! leftovers, length.

use std::fs;
use std::path::Path;

use super::files::{below, has_extension};
use crate::workspace::Workspace;

/// Files longer than this need a reason.
const MOST_LINES: usize = 500;
/// Words that mark unfinished work. Written in two halves, so that this file
/// doesn't contain them.
const LEFTOVERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("dbg", "!")];

/// The problems of every text file of the workspace.
pub(super) fn problems(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for path in below(workspace, &workspace.root) {
        let name = workspace.relative(&path).display().to_string();
        if !is_text(&path) {
            continue;
        }
        match fs::read_to_string(&path) {
            Ok(text) => {
                let excused = long_file_reason(workspace, &name).is_some();
                problems.extend(of_text(&name, &text, excused));
            }
            Err(error) => problems.push(format!("{name}: {error}")),
        }
    }
    problems.extend(stale_excuses(workspace));
    problems
}

fn is_text(path: &Path) -> bool {
    let extensions = ["rs", "toml", "md", "yml", "pkt", "sh"];
    extensions.iter().any(|extension| has_extension(path, extension)) || path.ends_with(".ci/run")
}

fn of_text(name: &str, text: &str, may_be_long: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let is_rust = name.ends_with(".rs");
    if is_rust && !text.starts_with("//!") {
        problems.push(format!("{name}:1: open with a module document (//!) that says what the file is for"));
    }
    if text.trim().is_empty() {
        problems.push(format!("{name}: empty file: fill it or remove it"));
    } else if !text.ends_with('\n') {
        problems.push(format!("{name}: end the last line with a newline"));
    }
    for (line, number) in text.lines().zip(1_usize..) {
        if line.ends_with(' ') || line.ends_with('\t') || line.ends_with('\r') {
            problems.push(format!("{name}:{number}: remove the white space at the end of the line"));
        }
        if line.contains('\t') {
            problems.push(format!("{name}:{number}: replace the tab by spaces"));
        }
        if let Some(word) = LEFTOVERS.iter().find(|word| has_word(line, word)).filter(|_| is_rust) {
            problems.push(format!("{name}:{number}: finish or remove what `{word}` marks"));
        }
    }
    let lines = text.lines().count();
    if is_rust && lines > MOST_LINES && !may_be_long {
        problems.push(format!(
            "{name}: {lines} lines: split it, or give the reason in [package.metadata.tidy.long-files] of xtask/Cargo.toml"
        ));
    }
    problems
}

/// Whether `word` occurs in `line` and is not a part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let inside =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    line.match_indices(word).any(|(at, found)| {
        let before = line[..at].chars().next_back();
        let after = line[at + found.len()..].chars().next();
        !inside(before) && !inside(after)
    })
}

fn long_file_reason<'a>(workspace: &'a Workspace, name: &str) -> Option<&'a str> {
    let xtask = workspace.package("xtask")?;
    xtask.metadata["tidy"]["long-files"][name].as_str().filter(|reason| !reason.is_empty())
}

fn stale_excuses(workspace: &Workspace) -> Vec<String> {
    let Some(xtask) = workspace.package("xtask") else { return Vec::new() };
    let Some(table) = xtask.metadata["tidy"]["long-files"].as_object() else { return Vec::new() };
    let lines = |name: &String| {
        fs::read_to_string(workspace.root.join(name)).map(|text| text.lines().count()).unwrap_or_default()
    };
    table
        .keys()
        .filter(|name| lines(name) <= MOST_LINES)
        .map(|name| {
            format!("xtask/Cargo.toml: {name} is not long any more: remove its reason from long-files")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_problem(name: &str, text: &str) -> String {
        let problems = of_text(name, text, false);
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.concat()
    }

    #[test]
    fn clean_file_passes() {
        assert!(of_text("a.rs", "//! What it is.\nfn f() {}\n", false).is_empty());
        assert!(of_text("a.md", "# Title\n", false).is_empty());
    }

    #[test]
    fn each_rule_fails_on_its_own() {
        assert!(only_problem("a.rs", "fn f() {}\n").contains("module document"));
        assert!(only_problem("a.rs", "//! a").contains("newline"));
        assert!(only_problem("a.pkt", "").contains("empty file"));
        assert!(only_problem("a.rs", "//! a\nlet b; \n").starts_with("a.rs:2: remove the white space"));
        assert!(only_problem("a.rs", "//! a\n\tb\n").contains("tab"));
        let marked = format!("//! a\n// {}: later\n", LEFTOVERS[0]);
        assert!(only_problem("a.rs", &marked).contains("finish or remove"));
        let called = format!("//! a\n{}(x);\n", LEFTOVERS[3]);
        assert!(only_problem("a.rs", &called).contains("finish or remove"));
    }

    #[test]
    fn leftover_inside_a_longer_word_is_none() {
        assert!(!has_word("MASTODON", LEFTOVERS[0]));
        assert!(!has_word(concat!("XX", "XL"), LEFTOVERS[2]));
    }

    #[test]
    fn long_file_needs_a_reason() {
        let long = format!("//! a\n{}", "//\n".repeat(MOST_LINES));
        assert!(only_problem("a.rs", &long).contains("501 lines"));
        assert!(of_text("a.rs", &long, true).is_empty());
    }
}
