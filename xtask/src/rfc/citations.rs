//! Where ids of requirements are cited: in code, in Rust tests, in packet scripts.
//!
//! An id is a word such as `R9293-MUST-20` or `R5681-3.1-a`. In a test it counts for the test function that it stands
//! in, or above; in a script for the script. What stands in tests but in no test function, in a helper say, counts for
//! neither.

use std::fs;
use std::path::Path;

use crate::tidy::files::{below, has_extension};
use crate::workspace::Workspace;

/// Every citation of the workspace.
#[derive(Default)]
pub(crate) struct Citations {
    pub(crate) places: Vec<Place>,
}

/// One citation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) id: String,
    /// From the root of the workspace.
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

/// What cites.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Code,
    /// A test function of a package.
    Test {
        package: String,
        name: String,
    },
    Script,
}

impl Citations {
    /// Reads all crates and scripts.
    pub(crate) fn collect(workspace: &Workspace) -> Self {
        let mut citations = Self::default();
        for package in &workspace.packages {
            if package.name == "xtask" {
                continue; // this program speaks of ids, but does what no RFC asks for
            }
            for path in below(workspace, &package.dir).iter().filter(|path| has_extension(path, "rs")) {
                let name = workspace.relative(path).to_string_lossy().into_owned();
                citations.add_source(&package.name, &name, &read(path));
            }
        }
        for path in below(workspace, &workspace.root.join("testdata/scripts")) {
            if has_extension(&path, "pkt") {
                let name = workspace.relative(&path).to_string_lossy().into_owned();
                citations.add_script(&name, &read(&path));
            }
        }
        citations
    }

    /// Where code does it.
    pub(crate) fn code_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Place> {
        self.of(id).filter(|place| place.kind == Kind::Code)
    }

    /// What shows it.
    pub(crate) fn tests_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Place> {
        self.of(id).filter(|place| place.kind != Kind::Code)
    }

    fn of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Place> {
        self.places.iter().filter(move |place| place.id == id)
    }

    fn add_source(&mut self, package: &str, file: &str, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        let tests_begin = first_test_line(file, &lines);
        for (at, line) in lines.iter().enumerate() {
            for id in ids(line) {
                let kind = if at < tests_begin {
                    Kind::Code
                } else {
                    let Some(name) = test_around(&lines, at) else { continue };
                    Kind::Test { package: package.to_owned(), name: name.to_owned() }
                };
                self.places.push(Place { id: id.to_owned(), file: file.to_owned(), line: at + 1, kind });
            }
        }
    }

    fn add_script(&mut self, file: &str, text: &str) {
        for (line, number) in text.lines().zip(1..) {
            for id in ids(line) {
                self.places.push(Place {
                    id: id.to_owned(),
                    file: file.to_owned(),
                    line: number,
                    kind: Kind::Script,
                });
            }
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The line from which a file is tests: the first, its end, or where its module of tests begins.
fn first_test_line(file: &str, lines: &[&str]) -> usize {
    let is_test_file = file.contains("/tests/") || file.ends_with("/tests.rs");
    if is_test_file {
        return 0;
    }
    let module = |pair: &[&str]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim_start().starts_with("mod ");
    lines.windows(2).position(module).unwrap_or(lines.len())
}

/// The test function that a line stands in, or above in its comments and attributes.
fn test_around<'a>(lines: &[&'a str], at: usize) -> Option<&'a str> {
    let is_above = |line: &&str| line.trim_start().starts_with("//") || line.trim_start().starts_with("#[");
    let below = lines[at..].iter().take_while(|line| is_above(line)).count();
    let next = at + below;
    if below > 0 && lines.get(next).is_some_and(|line| function(line).is_some()) {
        return test_at(lines, next);
    }
    let inside = (0..=at).rev().find(|&line| function(lines[line]).is_some())?;
    test_at(lines, inside)
}

/// The name of the function that a line begins, if a test attribute stands above it.
fn test_at<'a>(lines: &[&'a str], line: usize) -> Option<&'a str> {
    let above = lines[..line].iter().rev().map(|line| line.trim_start());
    let mut attributes = above.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let is_test = attributes.any(|line| line.starts_with("#[test]") || line.contains("::test"));
    // Inside `proptest!` the attribute stands there as well.
    function(lines[line]).filter(|_| is_test)
}

fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("pub(crate) ").unwrap_or(line);
    let rest = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()
}

/// The ids in a line: `R`, the number of the RFC, a dash, and letters, digits, dots and dashes.
fn ids(line: &str) -> impl Iterator<Item = &str> {
    let words =
        line.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '-' || letter == '.'));
    words.map(|word| word.trim_end_matches(['.', '-'])).filter(|word| {
        let Some((document, rest)) = word.strip_prefix('R').and_then(|rest| rest.split_once('-')) else {
            return false;
        };
        (3..=4).contains(&document.len())
            && document.bytes().all(|byte| byte.is_ascii_digit())
            && !rest.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_source(file: &str, text: &str) -> Vec<(String, usize, Kind)> {
        let mut citations = Citations::default();
        citations.add_source("trans-tcp", file, text);
        citations.places.into_iter().map(|place| (place.id, place.line, place.kind)).collect()
    }

    fn test(name: &str) -> Kind {
        Kind::Test { package: "trans-tcp".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn ids_are_words_of_their_own_shape() {
        let found: Vec<&str> =
            ids("// R9293-MUST-20, and (R5681-3.1-a). Not RFC 9293, R99999-x, R9293- or XR1122-a").collect();
        assert_eq!(found, ["R9293-MUST-20", "R5681-3.1-a"]);
    }

    #[test]
    fn code_and_the_tests_below_it_are_told_apart() {
        let text = "x(); // R1122-a\n#[cfg(test)]\nmod tests {\n    fn helper() { /* R1122-b */ }\n\n    /// R1122-c\n    \
            #[test]\n    fn one() {\n        y(); // R1122-d\n    }\n}\n";
        assert_eq!(
            of_source("crates/trans-tcp/src/a.rs", text),
            [
                ("R1122-a".to_owned(), 1, Kind::Code),
                ("R1122-c".to_owned(), 6, test("one")),
                ("R1122-d".to_owned(), 9, test("one"))
            ]
        );
    }

    #[test]
    fn files_of_tests_have_no_code() {
        let text = "// R1122-a\n#[test]\n// R1122-b\nfn two() {}\n#[tokio::test]\nasync fn three() {\n// R1122-c\n}\n";
        let found = of_source("crates/trans-tcp/tests/b.rs", text);
        assert_eq!(found.iter().map(|(_, line, _)| *line).collect::<Vec<_>>(), [1, 3, 7]);
        assert_eq!((&found[0].2, &found[1].2, &found[2].2), (&test("two"), &test("two"), &test("three")));
    }
}
