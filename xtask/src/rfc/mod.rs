//! `cargo xtask rfc`: what the RFCs ask for, where the code does it, and which test shows it.
//!
//! The table of requirements is `testdata/requirements/requirements.tsv`, one row a requirement, each with an id such as
//! `R9293-MUST-20`. Code and tests cite the ids; this collects the citations and writes `docs/compliance.md`.
//! What is deliberately otherwise, or not there yet, stands with its reason in `testdata/requirements/deviations.tsv`.
//!
//! `--check` fails when the page is out of date, when an id is cited that no row has, when a requirement that must be
//! met has neither a test nor a reason, and when a named test fails.

mod citations;
mod report;
mod run_tests;
mod table;

use std::fs;

use clap::Parser;

use crate::workspace::Workspace;
use citations::Citations;
use table::Table;

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
    let table = Table::load(&workspace.root)?;
    let citations = Citations::collect(workspace);
    let page = report::page(&table, &citations);
    let path = workspace.root.join(PAGE);
    if !args.check {
        fs::write(&path, page).map_err(|error| format!("{PAGE}: {error}"))?;
        problems(&table, &citations).iter().for_each(|problem| println!("{problem}"));
        println!("{PAGE}: {}", report::summary(&table, &citations));
        return Ok(());
    }
    let mut found = problems(&table, &citations);
    if fs::read_to_string(&path).unwrap_or_default() != page {
        found.push(format!("{PAGE} is out of date; run `cargo xtask rfc`"));
    }
    found.iter().for_each(|problem| println!("{problem}"));
    if !found.is_empty() {
        return Err(format!("{} problems with requirements", found.len()));
    }
    println!("{}", report::summary(&table, &citations));
    if args.no_run { Ok(()) } else { run_tests::all(workspace, &citations) }
}

/// One line for each thing that is not as it should be.
fn problems(table: &Table, citations: &Citations) -> Vec<String> {
    let mut problems: Vec<String> = citations
        .places
        .iter()
        .filter(|place| table.requirement(&place.id).is_none())
        .map(|place| format!("{}:{}: no requirement is called {}", place.file, place.line, place.id))
        .collect();
    for deviation in &table.deviations {
        if table.requirement(&deviation.id).is_none() {
            problems.push(format!("{}: no requirement is called {}", table::DEVIATIONS, deviation.id));
        }
    }
    for requirement in table.requirements.iter().filter(|requirement| requirement.is_must()) {
        let has_test = citations.tests_of(&requirement.id).next().is_some();
        if !has_test && table.deviation(&requirement.id).is_none() {
            problems.push(format!(
                "{}: {} and no test cites it: {}",
                requirement.id, requirement.level, requirement.text
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_this_workspace_is_up_to_date_and_nothing_is_missing() {
        let args = Args { check: true, no_run: true };
        assert_eq!(run(&Workspace::load().unwrap(), &args), Ok(()));
    }
}
