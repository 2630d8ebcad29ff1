//! `cargo xtask rfc`: what the RFCs ask for, where the code does it, and which test shows it.
//!
//! The tables lie in `testdata/requirements/`: `requirements.tsv`, one row a requirement, each with an id such as
//! `R9293-MUST-20`; `deviations.tsv`, with the reason of what is deliberately otherwise or not there yet; and the titles
//! of the documents. Code and tests cite the ids; this collects the citations and writes `docs/compliance.md`.
//!
//! `--check` fails when the page is out of date, when an id is cited that no row has, when a requirement that must be
//! met has neither a test nor a reason, and when a test that cites one is not there, is ignored, or fails.

mod citations;
mod report;
mod run_tests;
mod source;
mod status;
mod table;
mod test_name;

use std::fs;

use clap::Parser;

use crate::workspace::Workspace;
use citations::{Citations, Place};
use status::{Status, status};
use table::{DEVIATIONS, Deviation, Kind as DeviationKind, Requirement, Table};

/// The page that is written.
const PAGE: &str = "docs/compliance.md";

#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    cargo xtask rfc            write docs/compliance.md anew, and say what is missing\n  \
    cargo xtask rfc --check    fail if it is out of date or a MUST has no test; run the named tests")]
pub(crate) struct Args {
    /// Write nothing; fail on what is missing, and run every named test
    #[arg(long)]
    check: bool,
    /// With --check: only compare, run no tests
    #[arg(long, requires = "check")]
    no_run: bool,
}

/// Writes the page, or checks it.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    if args.check {
        let compared = compare(workspace);
        let run =
            if args.no_run { Ok(()) } else { run_tests::all(workspace, &Citations::collect(workspace)) };
        return compared.and(run);
    }
    let (table, citations) = (Table::load(&workspace.root)?, Citations::collect(workspace));
    let page = report::page(&table, &citations);
    fs::write(workspace.root.join(PAGE), page).map_err(|error| format!("{PAGE}: {error}"))?;
    problems(&table, &citations).iter().for_each(|problem| println!("{problem}"));
    let is_shown = |id: &str| citations.tests_of(id).next().is_some();
    let not_yet = table.deviations.iter().filter(|deviation| deviation.kind == DeviationKind::NotYet);
    let shown = not_yet.filter(|deviation| is_shown(&deviation.id)).count();
    if shown > 0 {
        println!(
            "{shown} requirements are not yet met, says {DEVIATIONS}, but tests cite them: is that still so?"
        );
    }
    println!("{PAGE}: {}", report::summary(&table, &citations));
    Ok(())
}

/// Checks all but whether the named tests pass.
pub(crate) fn compare(workspace: &Workspace) -> Result<(), String> {
    let (table, citations) = (Table::load(&workspace.root)?, Citations::collect(workspace));
    let mut found = problems(&table, &citations);
    if fs::read_to_string(workspace.root.join(PAGE)).unwrap_or_default() != report::page(&table, &citations) {
        found.push(format!("{PAGE} is out of date; run `cargo xtask rfc`"));
    }
    found.iter().for_each(|problem| println!("{problem}"));
    if found.is_empty() {
        println!("{}", report::summary(&table, &citations));
        return Ok(());
    }
    Err(format!("{} problems with requirements", found.len()))
}

/// One line for each thing that is not as it should be.
fn problems(table: &Table, citations: &Citations) -> Vec<String> {
    let mut problems = Vec::new();
    for Place { id, file, line, .. } in &citations.places {
        if table.requirement(id).is_none() {
            problems.push(format!("{file}:{line}: no requirement is called {id}"));
        }
    }
    for Deviation { id, kind, .. } in &table.deviations {
        let is_tested = citations.tests_of(id).next().is_some();
        if table.requirement(id).is_none() {
            problems.push(format!("{DEVIATIONS}: no requirement is called {id}"));
        } else if is_tested && *kind == DeviationKind::NotApplicable {
            problems.push(format!("{DEVIATIONS}: {id} is not applicable, but a test cites it"));
        }
    }
    for requirement in table.requirements.iter().filter(|requirement| requirement.is_demanded()) {
        let Requirement { id, level, text, .. } = requirement;
        if !matches!(status(table, citations, requirement), Status::Tested | Status::Otherwise(_)) {
            problems.push(format!("{id}: {level}, and no test cites it: {text}"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_this_workspace_is_up_to_date_and_nothing_is_missing() {
        assert_eq!(compare(&Workspace::load().unwrap()), Ok(()));
    }
}
