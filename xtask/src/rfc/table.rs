//! The documents, their requirements and our deviations, as tables of tab-separated columns under a line of headings.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const DOCUMENTS: &str = "testdata/requirements/documents.tsv";
const REQUIREMENTS: &str = "testdata/requirements/requirements.tsv";
pub(crate) const DEVIATIONS: &str = "testdata/requirements/deviations.tsv";

/// The three tables.
pub(crate) struct Table {
    pub(crate) documents: Vec<Document>,
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) deviations: Vec<Deviation>,
}

/// An RFC, in the order of the page.
pub(crate) struct Document {
    /// `RFC 9293`.
    pub(crate) name: String,
    pub(crate) title: String,
}

/// One thing that an RFC asks for.
pub(crate) struct Requirement {
    pub(crate) id: String,
    /// `MUST`, `MUST NOT`, `SHOULD`, `SHOULD NOT` or `MAY`.
    pub(crate) level: String,
    /// `RFC 9293 §3.1`, or the document alone.
    pub(crate) section: String,
    pub(crate) text: String,
}

/// What we do otherwise, or not yet.
pub(crate) struct Deviation {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) reason: String,
}

/// How a requirement is not met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// On purpose, for good.
    Deviates,
    /// It asks nothing of a stack like this.
    NotApplicable,
    /// It is still to be built.
    NotYet,
}

impl Requirement {
    /// Whether a test has to show it, or a deviation to say why not: each MUST, and each SHOULD of TCP itself.
    pub(crate) fn is_demanded(&self) -> bool {
        self.level.starts_with("MUST") || self.document() == "RFC 9293" && self.level.starts_with("SHOULD")
    }

    /// The document, `RFC 9293`.
    pub(crate) fn document(&self) -> &str {
        self.section.split(" §").next().unwrap_or_default()
    }
}

impl Kind {
    /// As it stands in the table and on the page.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Deviates => "deviates",
            Self::NotApplicable => "not applicable",
            Self::NotYet => "not yet",
        }
    }
}

impl Table {
    /// Reads the tables below `root`.
    pub(crate) fn load(root: &Path) -> Result<Self, String> {
        let read =
            |name: &str| fs::read_to_string(root.join(name)).map_err(|error| format!("{name}: {error}"));
        Self::parse(&read(DOCUMENTS)?, &read(REQUIREMENTS)?, &read(DEVIATIONS)?)
    }

    fn parse(documents: &str, requirements: &str, deviations: &str) -> Result<Self, String> {
        let table = Self {
            documents: rows(DOCUMENTS, documents)?
                .into_iter()
                .map(|[name, title]| Document { name, title })
                .collect(),
            requirements: rows(REQUIREMENTS, requirements)?
                .into_iter()
                .map(|[id, level, section, text]| Requirement { id, level, section, text })
                .collect(),
            deviations: rows(DEVIATIONS, deviations)?
                .into_iter()
                .map(|[id, kind, reason]| Ok(Deviation { kind: kind_of(&id, &kind)?, id, reason }))
                .collect::<Result<_, String>>()?,
        };
        once(REQUIREMENTS, table.requirements.iter().map(|requirement| requirement.id.as_str()))?;
        once(DEVIATIONS, table.deviations.iter().map(|deviation| deviation.id.as_str()))?;
        table.has_all_documents().map(|()| table)
    }

    fn has_all_documents(&self) -> Result<(), String> {
        let is_known = |name: &str| self.documents.iter().any(|document| document.name == name);
        match self.requirements.iter().find(|requirement| !is_known(requirement.document())) {
            Some(requirement) => Err(format!("{DOCUMENTS}: {} is not there", requirement.document())),
            None => Ok(()),
        }
    }

    /// The row of that id.
    pub(crate) fn requirement(&self, id: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| requirement.id == id)
    }

    /// Why it is not met, if it is not.
    pub(crate) fn deviation(&self, id: &str) -> Option<&Deviation> {
        self.deviations.iter().find(|deviation| deviation.id == id)
    }
}

/// Whether no id stands in a table twice.
fn once<'a>(name: &str, ids: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if !seen.insert(id) {
            return Err(format!("{name}: {id} stands there twice"));
        }
    }
    Ok(())
}

fn kind_of(id: &str, word: &str) -> Result<Kind, String> {
    [Kind::Deviates, Kind::NotApplicable, Kind::NotYet]
        .into_iter()
        .find(|kind| kind.word() == word)
        .ok_or_else(|| format!("{DEVIATIONS}: {id}: `{word}` is none of deviates, not applicable, not yet"))
}

fn rows<const N: usize>(name: &str, text: &str) -> Result<Vec<[String; N]>, String> {
    let lines = text.lines().zip(1..).skip(1).filter(|(line, _)| !line.is_empty());
    lines
        .map(|(line, number)| {
            let cells: Vec<String> = line.split('\t').map(|cell| cell.trim().to_owned()).collect();
            let count = cells.len();
            let full = cells.iter().all(|cell| !cell.is_empty());
            <[String; N]>::try_from(cells).ok().filter(|_| full).ok_or_else(|| {
                format!("{name}:{number}: {N} columns are wanted, none of them empty; there are {count}")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TITLES: &str = "document\ttitle\nRFC 1\tHost software\nRFC 9293\tTCP\n";
    const ROWS: &str = "id\tlevel\tsection\ttext\nR1-a\tMUST\tRFC 1 §2\tDo it\nR1-b\tSHOULD\tRFC 1 §3\tBetter so\n\
                        R9293-c\tSHOULD NOT\tRFC 9293\tDon't\nR9293-d\tMAY\tRFC 9293\tOr not\n";
    const NONE: &str = "id\tkind\treason\n";

    #[test]
    fn rows_are_read_by_their_columns() {
        let table = Table::parse(TITLES, ROWS, "id\tkind\treason\nR1-b\tnot yet\tlater\n").unwrap();
        assert_eq!(table.requirement("R1-a").unwrap().document(), "RFC 1");
        assert_eq!(table.documents[1].title, "TCP");
        assert_eq!(table.deviation("R1-b").unwrap().kind, Kind::NotYet);
        assert!(table.deviation("R1-a").is_none());
    }

    #[test]
    fn what_has_to_be_shown() {
        let table = Table::parse(TITLES, ROWS, NONE).unwrap();
        let demanded: Vec<bool> = table.requirements.iter().map(Requirement::is_demanded).collect();
        assert_eq!(demanded, [true, false, true, false]);
    }

    #[test]
    fn a_broken_row_is_named() {
        let message = |requirements: &str, deviations: &str| {
            Table::parse(TITLES, requirements, deviations).err().unwrap()
        };
        assert!(message("id\nR1-a\tMUST\n", NONE).contains("requirements.tsv:2: 4 columns"));
        assert!(message("id\nR1-a\tMUST\t\tx\n", NONE).contains("none of them empty"));
        let twice = format!("{ROWS}R1-a\tMAY\tRFC 1 §2\tAgain\n");
        assert!(message(&twice, NONE).contains("requirements.tsv: R1-a stands there twice"));
        let twice = "id\nR1-a\tnot yet\tx\nR1-a\tdeviates\ty\n";
        assert!(message(ROWS, twice).contains("deviations.tsv: R1-a stands there twice"));
        assert!(message(ROWS, "id\nR1-a\tperhaps\tx\n").contains("`perhaps` is none of"));
        assert!(message("id\nR2-a\tMAY\tRFC 2\tx\n", NONE).contains("documents.tsv: RFC 2 is not there"));
    }
}
