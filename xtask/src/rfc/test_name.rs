//! The name of a test, in the form of nextest: `package path::name` for one in the library, `package::target name` for
//! one in `tests/`.

use std::fmt;

use crate::workspace::Package;

/// A source file of a package, seen as a place of tests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct File {
    package: String,
    target: Target,
    modules: Vec<String>,
}

/// A test of a package. Macros and modules between the file and the test may be unknown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TestName {
    pub(crate) package: String,
    pub(crate) target: Target,
    /// The modules that are known, and the name: `rtt::tests::first_sample`.
    path: String,
}

/// What of a package is built to run a test.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Target {
    Lib,
    Bin(String),
    /// A file or a folder in `tests/`.
    Integration(String),
}

impl File {
    /// The file with that path inside the package; none for build scripts, examples and benches.
    pub(crate) fn of(package: &Package, path: &str) -> Option<Self> {
        let mut parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
        if matches!(parts.last(), Some(&"lib" | &"main" | &"mod")) {
            parts.pop();
        }
        let (target, modules) = match parts.as_slice() {
            ["src", modules @ ..] => (of_sources(package), modules),
            ["tests", name, modules @ ..] => (Target::Integration((*name).to_owned()), modules),
            _ => return None,
        };
        let modules = modules.iter().map(|&module| module.to_owned()).collect();
        Some(Self { package: package.name.clone(), target, modules })
    }

    /// Whether it has no code but tests.
    pub(crate) fn is_of_tests(&self) -> bool {
        let in_tests = self.modules.iter().any(|module| module == "tests");
        in_tests || matches!(self.target, Target::Integration(_))
    }

    /// The test with that path inside the file.
    pub(crate) fn test(&self, inner: &str) -> TestName {
        let mut path = self.modules.clone();
        path.push(inner.to_owned());
        TestName { package: self.package.clone(), target: self.target.clone(), path: path.join("::") }
    }
}

fn of_sources(package: &Package) -> Target {
    let kind = |kind: &str| package.targets.iter().find(|target| target.kind == kind);
    match (kind("lib"), kind("bin")) {
        (None, Some(bin)) => Target::Bin(bin.name.clone()),
        _ => Target::Lib,
    }
}

impl TestName {
    /// The last word: what a test runner is asked for.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or_default()
    }

    /// Whether that is the full path of this test; a macro may have put modules before its name.
    pub(crate) fn is(&self, path: &str) -> bool {
        let (modules, name) = self.path.rsplit_once("::").unwrap_or(("", &self.path));
        let inner = path.strip_prefix(modules).unwrap_or_default();
        inner == name || inner.strip_suffix(name).is_some_and(|between| between.ends_with("::"))
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (package, path) = (&self.package, &self.path);
        match &self.target {
            Target::Lib => write!(f, "{package} {path}"),
            Target::Bin(name) => write!(f, "{package}::bin/{name} {path}"),
            Target::Integration(name) => write!(f, "{package}::{name} {path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        File::of(&Package::lib("net-x"), path).unwrap().test("tests::one").to_string()
    }

    #[test]
    fn names_follow_from_files() {
        assert_eq!(shown("src/lib.rs"), "net-x tests::one");
        assert_eq!(shown("src/a/mod.rs"), "net-x a::tests::one");
        assert_eq!(shown("src/a/b.rs"), "net-x a::b::tests::one");
        assert_eq!(shown("tests/echo.rs"), "net-x::echo tests::one");
        assert_eq!(shown("tests/cli/main.rs"), "net-x::cli tests::one");
        assert_eq!(shown("tests/cli/demo.rs"), "net-x::cli demo::tests::one");
        assert_eq!(File::of(&Package::lib("net-x"), "examples/a.rs"), None);
    }

    #[test]
    fn a_test_is_known_by_its_path_and_a_generated_one_by_its_name() {
        let test = File::of(&Package::lib("net-x"), "src/a.rs").unwrap().test("tests::one");
        assert_eq!(test.name(), "one");
        assert!(test.is("a::tests::one") && test.is("a::tests::v4::one"));
        assert!(!test.is("b::tests::one") && !test.is("a::tests::not_one") && !test.is("one"));
        let test = File::of(&Package::lib("net-x"), "tests/echo.rs").unwrap().test("one");
        assert!(test.is("one") && test.is("v4::one") && !test.is("another_one"));
    }
}
