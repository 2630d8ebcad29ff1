//! The API map `docs/api-map.md`: each row names a path and a test that exist.
//!
//! A row reads `| Go name | [`path`] | what differs | `crate::test_name` |`; a
//! cell may name several paths or tests, each in backquotes. A test is found
//! as `fn test_name` with a test attribute above it, in the named crate's
//! sources or tests. Whether the link itself resolves is for rustdoc to say,
//! where the map is included with broken links denied; here its last segment
//! must be a word of our sources.

use std::collections::{HashMap, HashSet};
use std::fs;

use super::files::{below, has_extension};
use crate::workspace::Workspace;

const MAP: &str = "docs/api-map.md";
/// How far above a test function its attribute may stand.
const ATTRIBUTE_LINES: usize = 6;

/// The problems of the map; none when there is no map.
pub(super) fn problems(workspace: &Workspace) -> Vec<String> {
    let Ok(text) = fs::read_to_string(workspace.root.join(MAP)) else { return Vec::new() };
    of_map(&text, &Code::read(workspace))
}

/// What the map's cells are checked against.
#[derive(Default)]
struct Code {
    /// Names of test functions by crate.
    tests: HashMap<String, HashSet<String>>,
    /// Every identifier of the sources.
    words: HashSet<String>,
}

impl Code {
    fn read(workspace: &Workspace) -> Self {
        let mut code = Self::default();
        for package in &workspace.packages {
            let sources = below(workspace, &package.dir).into_iter().filter(|path| has_extension(path, "rs"));
            for path in sources {
                code.add(&package.name, &fs::read_to_string(path).unwrap_or_default());
            }
        }
        code
    }

    fn add(&mut self, package: &str, source: &str) {
        let tests = self.tests.entry(package.replace('-', "_")).or_default();
        tests.extend(test_names(source));
        self.words.extend(words(source).map(str::to_owned));
    }

    fn has_test(&self, path: &str) -> bool {
        let Some((krate, _)) = path.split_once("::") else { return false };
        let name = path.rsplit("::").next().unwrap_or_default();
        self.tests.get(&krate.replace('-', "_")).is_some_and(|tests| tests.contains(name))
    }
}

fn of_map(text: &str, code: &Code) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, cells) in rows(text) {
        let [go, paths, _, tests] = cells.as_slice() else {
            problems.push(format!("{MAP}:{number}: a row has four cells, this one has {}", cells.len()));
            continue;
        };
        if quoted(paths).is_empty() && paths.is_empty() {
            problems.push(format!("{MAP}:{number}: {go}: name our path, or say in words that there is none"));
        }
        for path in quoted(paths) {
            let last = path.trim_end_matches("()").rsplit("::").next().unwrap_or_default().to_owned();
            if !code.words.contains(&last) {
                problems.push(format!("{MAP}:{number}: {go}: no source mentions `{path}`"));
            }
        }
        if quoted(tests).is_empty() {
            problems
                .push(format!("{MAP}:{number}: {go}: name the test that shows it, as `crate::test_name`"));
        }
        for test in quoted(tests).iter().filter(|test| !code.has_test(test)) {
            problems.push(format!("{MAP}:{number}: {go}: no test `{test}`"));
        }
    }
    problems
}

/// The body rows of every table, with their line numbers.
fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut rows = Vec::new();
    let mut in_body = false;
    for (line, number) in lines.iter().zip(1..) {
        if !line.starts_with('|') {
            in_body = false;
        } else if is_rule(line) {
            in_body = true;
        } else if in_body {
            rows.push((number, cells(line)));
        }
    }
    rows
}

fn is_rule(line: &str) -> bool {
    line.contains('-') && line.chars().all(|letter| matches!(letter, '|' | '-' | ':' | ' '))
}

fn cells(line: &str) -> Vec<String> {
    let hidden = line.trim().trim_matches('|').replace("\\|", "\u{0}");
    hidden.split('|').map(|cell| cell.trim().replace('\u{0}', "|")).collect()
}

/// The pieces of a cell that stand between backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn test_names(source: &str) -> Vec<String> {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let mut names = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let rest = line.strip_prefix("async ").unwrap_or(line);
        let Some(rest) = rest.strip_prefix("fn ") else { continue };
        let above = &lines[at.saturating_sub(ATTRIBUTE_LINES)..at];
        let attributes =
            above.iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        if attributes.into_iter().any(|line| line.starts_with("#[test]") || line.contains("::test")) {
            names.extend(words(rest).next().map(str::to_owned));
        }
    }
    names
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "pub struct Stack;\nimpl Stack { pub fn create_nic(&self) {} }\n\
        #[test]\nfn nic_is_created() {}\n#[tokio::test]\nasync fn waits() {}\nfn no_test() {}\n";

    fn check(row: &str) -> Vec<String> {
        let mut code = Code::default();
        code.add("stack-host", SOURCE);
        of_map(&format!("# Map\n\n| Go | Ours | Differs | Test |\n|---|:--|---|---|\n{row}\n"), &code)
    }

    #[test]
    fn row_whose_path_and_test_exist_passes() {
        assert!(
            check("| CreateNIC | [`Stack::create_nic`] | a \\| b | `stack_host::nic::nic_is_created` |")
                .is_empty()
        );
        assert!(
            check("| X | [`Stack`] | no | `stack-host::waits`, `stack_host::nic_is_created` |").is_empty()
        );
    }

    #[test]
    fn missing_test_is_named() {
        let problems = check("| CreateNIC | [`Stack`] | | `stack_host::nic_is_destroyed` |");
        assert_eq!(problems, ["docs/api-map.md:5: CreateNIC: no test `stack_host::nic_is_destroyed`"]);
    }

    #[test]
    fn test_of_another_crate_or_without_attribute_does_not_count() {
        assert_eq!(check("| A | [`Stack`] | | `net_ipv4::nic_is_created` |").len(), 1);
        assert_eq!(check("| A | [`Stack`] | | `stack_host::no_test` |").len(), 1);
    }

    #[test]
    fn missing_path_cell_or_test_cell_is_named() {
        assert!(
            check("| A | [`Stack::gone`] | | `stack_host::waits` |").concat().contains("no source mentions")
        );
        assert!(check("| A | [`Stack`] | |  |").concat().contains("name the test"));
        assert!(check("| A | [`Stack`] |").concat().contains("four cells"));
    }
}
