//! The requirements and the deviations, as tables of tab-separated columns under a line of headings.

use std::fs;
use std::path::Path;

const REQUIREMENTS: &str = "testdata/requirements/requirements.tsv";
pub(crate) const DEVIATIONS: &str = "testdata/requirements/deviations.tsv";

/// Both tables.
pub(crate) struct Table {
    pub(crate) requirements: Vec<Requirement>,
    pub(crate) deviations: Vec<Deviation>,
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
    /// Whether there is no choice.
    pub(crate) fn is_must(&self) -> bool {
        self.level.starts_with("MUST")
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
        Self::parse(&read(REQUIREMENTS)?, &read(DEVIATIONS)?)
    }

    fn parse(requirements: &str, deviations: &str) -> Result<Self, String> {
        let requirements = rows(REQUIREMENTS, requirements)?
            .into_iter()
            .map(|[id, level, section, text]| Requirement { id, level, section, text })
            .collect::<Vec<_>>();
        let deviations = rows(DEVIATIONS, deviations)?
            .into_iter()
            .map(|[id, kind, reason]| Ok(Deviation { kind: kind_of(&id, &kind)?, id, reason }))
            .collect::<Result<Vec<_>, String>>()?;
        let mut ids: Vec<&str> = requirements.iter().map(|requirement| requirement.id.as_str()).collect();
        ids.sort_unstable();
        match ids.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("{REQUIREMENTS}: {} stands there twice", pair[0])),
            None => Ok(Self { requirements, deviations }),
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

    const ROWS: &str = "id\tlevel\tsection\ttext\nR1-a\tMUST\tRFC 1 §2\tDo it\nR1-b\tMAY\tRFC 1 §3\tOr not\n";
    const NONE: &str = "id\tkind\treason\n";

    #[test]
    fn rows_are_read_by_their_columns() {
        let table = Table::parse(ROWS, "id\tkind\treason\nR1-b\tnot yet\tlater\n").unwrap();
        let first = table.requirement("R1-a").unwrap();
        assert_eq!(
            (first.document(), first.is_must(), table.requirement("R1-b").unwrap().is_must()),
            ("RFC 1", true, false)
        );
        assert_eq!(table.deviation("R1-b").unwrap().kind, Kind::NotYet);
        assert!(table.deviation("R1-a").is_none());
    }

    #[test]
    fn a_broken_row_is_named() {
        let message =
            |requirements: &str, deviations: &str| Table::parse(requirements, deviations).err().unwrap();
        assert!(message("id\nR1-a\tMUST\n", NONE).contains("requirements.tsv:2: 4 columns"));
        assert!(message("id\nR1-a\tMUST\t\tx\n", NONE).contains("none of them empty"));
        assert!(
            message(&format!("{ROWS}R1-a\tMAY\tRFC 1 §2\tAgain\n"), NONE).contains("R1-a stands there twice")
        );
        assert!(message(ROWS, "id\nR1-a\tperhaps\tx\n").contains("`perhaps` is none of"));
    }
}
