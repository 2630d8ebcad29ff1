//! The page: how the documents stand, what we do otherwise, and for each document a table of its requirements, with the
//! code, the test and the status of each.

use std::fmt::Write;

use super::citations::{Citations, Kind, Place};
use super::status::{Counts, Status, status};
use super::table::{Document, Kind as DeviationKind, Requirement, Table};

/// How many places of code, and how many tests, a row names.
const MOST: usize = 2;

const INTRODUCTION: &str = "# Compliance

What the RFCs ask of a host like this one, where the code does it, and which test fails when it doesn't. Written by
`cargo xtask rfc` from the tables in `testdata/requirements/` and the citations in code, tests and scripts; change those,
not this page. `cargo xtask rfc --check` runs the named tests and fails on a MUST without one.

A row names at most two places of code and two tests; a test of Rust stands in the form of nextest, `package path`, a
script with its file. *tested*: a test fails when the behaviour is broken. *done*: the code cites it, but no test does.
*deviates*: we do otherwise, on purpose. *not applicable*: it asks nothing of a stack like this. *not yet*: still to be
built, in whole or in part. *open*: nothing cites it; no MUST and no SHOULD of RFC 9293 may stay so.
";

/// The whole page.
pub(crate) fn page(table: &Table, citations: &Citations) -> String {
    let mut page = format!("{INTRODUCTION}\n{}\n\n", summary(table, citations));
    overview(&mut page, table, citations);
    otherwise(&mut page, table);
    for document in &table.documents {
        section(&mut page, table, citations, document);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// One line: how many there are, and how they stand.
pub(crate) fn summary(table: &Table, citations: &Citations) -> String {
    let counts =
        Counts::of(table.requirements.iter().map(|requirement| status(table, citations, requirement)));
    format!("{} requirements: {counts}.", table.requirements.len())
}

fn overview(page: &mut String, table: &Table, citations: &Citations) {
    page.push_str("## How the documents stand\n\n| document | about |");
    Status::ALL.iter().for_each(|status| {
        let _ = write!(page, " {} |", status.word());
    });
    page.push_str("\n|---|---|");
    page.push_str(&"---:|".repeat(Status::ALL.len()));
    page.push('\n');
    for document in &table.documents {
        let counts = Counts::of(of(table, document).map(|requirement| status(table, citations, requirement)));
        let Document { name, title } = document;
        let _ = write!(page, "| [{name}](#{}) | {title} |", anchor(&heading(document)));
        for status in Status::ALL {
            let count = counts.get(status);
            let _ = if count == 0 { write!(page, " |") } else { write!(page, " {count} |") };
        }
        page.push('\n');
    }
    page.push('\n');
}

fn otherwise(page: &mut String, table: &Table) {
    page.push_str("## What we do otherwise\n\n| id | asked for | ours |\n|---|---|---|\n");
    for deviation in table.deviations.iter().filter(|deviation| deviation.kind == DeviationKind::Deviates) {
        let asked = table.requirement(&deviation.id).map_or("", |requirement| requirement.text.as_str());
        let _ = writeln!(page, "| {} | {} | {} |", deviation.id, cell(asked), cell(&deviation.reason));
    }
    page.push('\n');
}

fn section(page: &mut String, table: &Table, citations: &Citations, document: &Document) {
    let columns = "| id | level | § | requirement | code | test | status |\n|---|---|---|---|---|---|---|";
    let _ = writeln!(page, "## {}\n\n{columns}", heading(document));
    of(table, document).for_each(|requirement| row(page, table, citations, requirement));
    page.push('\n');
}

fn row(page: &mut String, table: &Table, citations: &Citations, requirement: &Requirement) {
    let Requirement { id, level, section, text } = requirement;
    let section = section.split_once('§').map_or("", |(_, section)| section);
    let code = named(citations.code_of(id), |place| format!("`{}:{}`", place.file, place.line));
    let tests = named(citations.tests_of(id), |place| match &place.kind {
        Kind::Test(test) => format!("`{test}`"),
        Kind::Script | Kind::Code => format!("`{}`", place.file),
    });
    let mut word = status(table, citations, requirement).word().to_owned();
    if let Some(deviation) = table.deviation(id) {
        let _ = write!(word, ": {}", deviation.reason);
    }
    let (text, word) = (cell(text), cell(&word));
    let _ = writeln!(page, "| {id} | {level} | {section} | {text} | {code} | {tests} | {word} |");
}

fn of<'a>(table: &'a Table, document: &'a Document) -> impl Iterator<Item = &'a Requirement> {
    table.requirements.iter().filter(|requirement| requirement.document() == document.name)
}

fn heading(document: &Document) -> String {
    format!("{}: {}", document.name, document.title)
}

/// What a heading is called in links: small letters, digits and dashes.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -".contains(*letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

/// The first few, each once.
fn named<'a>(places: impl Iterator<Item = &'a Place>, name: impl Fn(&Place) -> String) -> String {
    let mut names: Vec<String> = Vec::new();
    for name in places.map(name) {
        if names.len() < MOST && !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rfc::table::Deviation;
    use crate::rfc::test_name::File;
    use crate::workspace::Package;

    fn requirement(id: &str) -> Requirement {
        Requirement {
            id: id.to_owned(),
            level: "MUST".to_owned(),
            section: "RFC 1 §2".to_owned(),
            text: "a|b".to_owned(),
        }
    }

    fn place(id: &str, line: usize, kind: Kind) -> Place {
        Place { id: id.to_owned(), file: "a.rs".to_owned(), line, kind }
    }

    #[test]
    fn a_row_names_code_test_and_status() {
        let deviations = vec![Deviation {
            id: "R1-c".to_owned(),
            kind: DeviationKind::Deviates,
            reason: "better so".to_owned(),
        }];
        let documents = vec![Document { name: "RFC 1".to_owned(), title: "Host (Software)".to_owned() }];
        let requirements = ["R1-a", "R1-b", "R1-c"].map(requirement).into();
        let table = Table { documents, requirements, deviations };
        let file = File::of(&Package::lib("p"), "src/a.rs").unwrap();
        let test = Kind::Test(file.test("t"));
        let places =
            vec![place("R1-a", 3, Kind::Code), place("R1-a", 9, test.clone()), place("R1-a", 10, test)];
        let page = page(&table, &Citations { places });
        assert!(page.contains("| R1-a | MUST | 2 | a\\|b | `a.rs:3` | `p a::t` | tested |\n"), "{page}");
        assert!(page.contains("| R1-b | MUST | 2 | a\\|b |  |  | open |\n"), "{page}");
        assert!(page.contains("| deviates: better so |\n"), "{page}");
        assert!(page.contains("| R1-c | a\\|b | better so |\n"), "{page}");
        assert!(page.contains("3 requirements: 1 tested, 1 deviates, 1 open."), "{page}");
        let counts = "| [RFC 1](#rfc-1-host-software) | Host (Software) | 1 | | 1 | | | 1 |\n";
        assert!(page.contains(counts), "{page}");
    }
}
