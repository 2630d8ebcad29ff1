//! Where ids of requirements are cited: in code, in Rust tests, in packet scripts.
//!
//! An id is a word such as `R9293-MUST-20` or `R5681-3.1-a`. In a test it counts for the test function that it stands
//! in, or above; in a script for the script. What stands among tests but in none of them, in a helper say, counts for
//! nothing.

use std::fs;
use std::path::Path;

use super::source::{Part, Source, test_modules};
use super::test_name::{File, TestName};
use crate::tidy::files::{below, has_extension};
use crate::workspace::{Package, Workspace};

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
    Test(TestName),
    Script,
}

impl Citations {
    /// Reads all crates and scripts.
    pub(crate) fn collect(workspace: &Workspace) -> Self {
        let mut citations = Self::default();
        for package in &workspace.packages {
            // This program speaks of ids, but does what no RFC asks for.
            if package.name != "xtask" {
                citations.add_package(workspace, package);
            }
        }
        for path in below(workspace, &workspace.root.join("testdata/scripts")) {
            if has_extension(&path, "pkt") {
                citations.add_script(&name(workspace, &path), &read(&path));
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

    fn add_package(&mut self, workspace: &Workspace, package: &Package) {
        let paths = below(workspace, &package.dir);
        let sources: Vec<(String, String)> = paths
            .iter()
            .filter(|path| has_extension(path, "rs"))
            .map(|path| (name(workspace, path), read(path)))
            .collect();
        let of_tests: Vec<String> =
            sources.iter().flat_map(|(file, text)| test_modules(file, text)).collect();
        let dir = name(workspace, &package.dir);
        for (path, text) in &sources {
            let inner = path.strip_prefix(&dir).unwrap_or(path).trim_start_matches('/');
            let Some(file) = File::of(package, inner) else { continue };
            let is_of_tests = file.is_of_tests() || of_tests.iter().any(|module| path.starts_with(module));
            self.add_source(path, &file, &Source::new(text, is_of_tests));
        }
    }

    fn add_source(&mut self, path: &str, file: &File, source: &Source<'_>) {
        for (at, line) in source.lines.iter().enumerate() {
            for id in ids(line) {
                let kind = match source.part(at) {
                    Part::Code => Kind::Code,
                    Part::Test(inner) => Kind::Test(file.test(&inner)),
                    Part::Neither => continue,
                };
                self.places.push(Place { id: id.to_owned(), file: path.to_owned(), line: at + 1, kind });
            }
        }
    }

    fn add_script(&mut self, file: &str, text: &str) {
        for (line, number) in text.lines().zip(1..) {
            for id in ids(line) {
                let (id, file) = (id.to_owned(), file.to_owned());
                self.places.push(Place { id, file, line: number, kind: Kind::Script });
            }
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn name(workspace: &Workspace, path: &Path) -> String {
    workspace.relative(path).to_string_lossy().into_owned()
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

    #[test]
    fn ids_are_words_of_their_own_shape() {
        let found: Vec<&str> =
            ids("// R9293-MUST-20, and (R5681-3.1-a). Not RFC 9293, R99999-x, R9293- or XR1122-a").collect();
        assert_eq!(found, ["R9293-MUST-20", "R5681-3.1-a"]);
    }

    #[test]
    fn a_citation_counts_for_what_it_stands_in() {
        let text = "x(); // R1122-a\n#[cfg(test)]\nmod tests {\n    // R1122-b\n    const LEN: u8 = 1;\n\n    \
                    /// R1122-c\n    #[test]\n    fn one() {}\n}\n";
        let package = Package::lib("net-x");
        let mut citations = Citations::default();
        let file = File::of(&package, "src/a.rs").unwrap();
        citations.add_source("crates/net-x/src/a.rs", &file, &Source::new(text, false));
        citations.add_script("testdata/scripts/a.pkt", "// a script\n// R1122-a\n");
        let found: Vec<(&str, usize, &Kind)> =
            citations.places.iter().map(|place| (place.id.as_str(), place.line, &place.kind)).collect();
        let test = Kind::Test(file.test("tests::one"));
        assert_eq!(
            found,
            [("R1122-a", 1, &Kind::Code), ("R1122-c", 7, &test), ("R1122-a", 2, &Kind::Script)]
        );
        let counts = |id: &'static str| (citations.code_of(id).count(), citations.tests_of(id).count());
        assert_eq!([counts("R1122-a"), counts("R1122-b"), counts("R1122-c")], [(1, 1), (0, 0), (0, 1)]);
    }
}
