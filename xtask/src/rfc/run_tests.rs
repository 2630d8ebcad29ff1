//! Runs the tests that cite requirements: each must be there, run, and pass.

use std::collections::{BTreeMap, BTreeSet};

use super::citations::{Citations, Kind};
use super::test_name::{Target, TestName};
use crate::run::watched;
use crate::workspace::Workspace;

/// The test that runs all scripts.
const SCRIPTS: (&str, &str) = ("stack-testkit", "scripts");
/// The one among them that fails if a script is run by none.
const NONE_LEFT_OUT: &str = "every_script_is_in_a_folder_with_a_test";

/// Runs all of them, target by target.
pub(crate) fn all(workspace: &Workspace, citations: &Citations) -> Result<(), String> {
    let mut targets: BTreeMap<(&str, &Target), BTreeSet<&TestName>> = BTreeMap::new();
    for place in &citations.places {
        if let Kind::Test(test) = &place.kind {
            targets.entry((&test.package, &test.target)).or_default().insert(test);
        }
    }
    let mut problems = Vec::new();
    for ((package, target), tests) in &targets {
        let names: BTreeSet<&str> = tests.iter().map(|test| test.name()).collect();
        let passed = passed(workspace, package, target, &names, &mut problems);
        problems.extend(missing(tests, &passed));
    }
    let scripts = Target::Integration(SCRIPTS.1.to_owned());
    let passed = passed(workspace, SCRIPTS.0, &scripts, &BTreeSet::new(), &mut problems);
    if !passed.iter().any(|path| path == NONE_LEFT_OUT) {
        problems.push("a script is run by no test".to_owned());
    }
    problems.iter().for_each(|problem| println!("{problem}"));
    if problems.is_empty() { Ok(()) } else { Err(format!("{} problems with named tests", problems.len())) }
}

/// One line for each test that is not among those that passed.
fn missing(tests: &BTreeSet<&TestName>, passed: &[String]) -> Vec<String> {
    let has_passed = |test: &TestName| passed.iter().any(|path| test.is(path));
    tests.iter().filter(|test| !has_passed(test)).map(|test| format!("did not pass: {test}")).collect()
}

/// The paths of the tests with these names, or of all, that passed; a run that fails is a problem.
fn passed(
    workspace: &Workspace,
    package: &str,
    target: &Target,
    names: &BTreeSet<&str>,
    problems: &mut Vec<String>,
) -> Vec<String> {
    let mut command = workspace.cargo(&["test", "-p", package, "--all-features"]);
    match target {
        Target::Lib => command.arg("--lib"),
        Target::Bin(name) => command.args(["--bin", name]),
        Target::Integration(name) => command.args(["--test", name]),
    };
    command.arg("--").args(names);
    let mut passed = Vec::new();
    if watched(&mut command, |line| passed.extend(passed_test(line).map(str::to_owned))).is_err() {
        problems.push(format!("failed: a test of {package}, see above"));
    }
    passed
}

/// The test that a line of the standard harness says has passed.
fn passed_test(line: &str) -> Option<&str> {
    let (path, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    (outcome == "ok").then(|| path.trim_end_matches(" - should panic"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::test_name::File;
    use crate::workspace::Package;

    #[test]
    fn the_words_of_the_harness() {
        assert_eq!(passed_test("test a::b ... ok"), Some("a::b"));
        assert_eq!(passed_test("test a::b - should panic ... ok"), Some("a::b"));
        for other in ["test a::b ... FAILED", "test a::b ... ignored", "test result: ok. 1 passed", ""] {
            assert_eq!(passed_test(other), None, "{other}");
        }
    }

    #[test]
    fn a_test_that_did_not_run_is_named() {
        let file = File::of(&Package::lib("net-x"), "src/a.rs").unwrap();
        let (one, two) = (file.test("tests::one"), file.test("tests::two"));
        let passed = ["a::tests::one".to_owned(), "a::tests::not_two".to_owned()];
        assert_eq!(missing(&[&one, &two].into(), &passed), ["did not pass: net-x a::tests::two"]);
    }
}
