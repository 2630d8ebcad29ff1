//! The page: for each document a table of its requirements, with the code, the test and the status of each.

use std::fmt::Write;

use super::citations::{Citations, Kind, Place};
use super::table::{Requirement, Table};

/// How many places of code, and how many tests, a row names.
const MOST: usize = 2;

/// The whole page.
pub(crate) fn page(table: &Table, citations: &Citations) -> String {
    let mut page = String::from(
        "# Compliance\n\nWritten by `cargo xtask rfc` from the table in `testdata/requirements/` and the citations in code, tests \
         and scripts;\n`cargo xtask rfc --check` runs the named tests. Where we do otherwise on purpose, the last column says \
         why.\n\n",
    );
    let _ = writeln!(page, "{}\n", summary(table, citations));
    let mut documents: Vec<&str> = Vec::new();
    for requirement in &table.requirements {
        if !documents.contains(&requirement.document()) {
            documents.push(requirement.document());
        }
    }
    for document in documents {
        let _ = writeln!(
            page,
            "## {document}\n\n| id | level | § | requirement | code | test | status |\n|---|---|---|---|---|---|---|"
        );
        for requirement in table.requirements.iter().filter(|requirement| requirement.document() == document)
        {
            row(&mut page, table, citations, requirement);
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// One line: how many there are, and how they stand.
pub(crate) fn summary(table: &Table, citations: &Citations) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for requirement in &table.requirements {
        let word = status(table, citations, requirement);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    counts.sort_by_key(|(word, _)| *word);
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    format!("{} requirements: {}.", table.requirements.len(), counts.join(", "))
}

fn status(table: &Table, citations: &Citations, requirement: &Requirement) -> &'static str {
    if let Some(deviation) = table.deviation(&requirement.id) {
        return deviation.kind.word();
    }
    let has_test = citations.tests_of(&requirement.id).next().is_some();
    let has_code = citations.code_of(&requirement.id).next().is_some();
    match (has_test, has_code) {
        (true, _) => "tested",
        (false, true) => "done, no test cites it",
        (false, false) => "open",
    }
}

fn row(page: &mut String, table: &Table, citations: &Citations, requirement: &Requirement) {
    let Requirement { id, level, section, text } = requirement;
    let section = section.split_once('§').map_or("", |(_, section)| section);
    let code = named(citations.code_of(id), |place| format!("`{}:{}`", place.file, place.line));
    let tests = named(citations.tests_of(id), |place| match &place.kind {
        Kind::Test { package, name } => format!("`{package}::{name}`"),
        Kind::Script | Kind::Code => format!("`{}`", place.file),
    });
    let mut word = status(table, citations, requirement).to_owned();
    if let Some(deviation) = table.deviation(id) {
        let _ = write!(word, ": {}", deviation.reason);
    }
    let _ = writeln!(
        page,
        "| {id} | {level} | {section} | {} | {code} | {tests} | {} |",
        cell(text),
        cell(&word)
    );
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
    use crate::rfc::table::{Deviation, Kind as DeviationKind};

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
        let table = Table { requirements: ["R1-a", "R1-b", "R1-c"].map(requirement).into(), deviations };
        let test = Kind::Test { package: "p".to_owned(), name: "t".to_owned() };
        let places =
            vec![place("R1-a", 3, Kind::Code), place("R1-a", 9, test.clone()), place("R1-a", 10, test)];
        let page = page(&table, &Citations { places });
        assert!(page.contains("| R1-a | MUST | 2 | a\\|b | `a.rs:3` | `p::t` | tested |\n"), "{page}");
        assert!(page.contains("| R1-b | MUST | 2 | a\\|b |  |  | open |\n"), "{page}");
        assert!(page.contains("| deviates: better so |\n"), "{page}");
        assert!(page.contains("3 requirements: 1 deviates, 1 open, 1 tested."), "{page}");
    }
}
