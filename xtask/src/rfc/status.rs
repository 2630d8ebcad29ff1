//! How a requirement stands.

use std::fmt;

use super::citations::Citations;
use super::table::{Kind, Requirement, Table};

/// How a requirement stands, in the order of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    Tested,
    Done,
    Otherwise(Kind),
    Open,
}

impl Status {
    pub(crate) const ALL: [Self; 6] = [
        Self::Tested,
        Self::Done,
        Self::Otherwise(Kind::Deviates),
        Self::Otherwise(Kind::NotApplicable),
        Self::Otherwise(Kind::NotYet),
        Self::Open,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Tested => "tested",
            Self::Done => "done",
            Self::Otherwise(kind) => kind.word(),
            Self::Open => "open",
        }
    }
}

/// What the tables and the citations say of it.
pub(crate) fn status(table: &Table, citations: &Citations, requirement: &Requirement) -> Status {
    if let Some(deviation) = table.deviation(&requirement.id) {
        return Status::Otherwise(deviation.kind);
    }
    let has_test = citations.tests_of(&requirement.id).next().is_some();
    let has_code = citations.code_of(&requirement.id).next().is_some();
    match (has_test, has_code) {
        (true, _) => Status::Tested,
        (false, true) => Status::Done,
        (false, false) => Status::Open,
    }
}

/// How many stand in which way.
pub(crate) struct Counts([usize; Status::ALL.len()]);

impl Counts {
    pub(crate) fn of(all: impl Iterator<Item = Status>) -> Self {
        let mut counts = [0; Status::ALL.len()];
        for status in all {
            let known = Status::ALL.iter().zip(&mut counts).find(|(known, _)| **known == status);
            known.into_iter().for_each(|(_, count)| *count += 1);
        }
        Self(counts)
    }

    pub(crate) fn get(&self, status: Status) -> usize {
        let found = Status::ALL.iter().zip(self.0).find(|(known, _)| **known == status);
        found.map_or(0, |(_, count)| count)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Status::ALL.iter().zip(self.0).filter(|(_, count)| *count > 0);
        for (index, (status, count)) in shown.enumerate() {
            write!(f, "{}{count} {}", if index == 0 { "" } else { ", " }, status.word())?;
        }
        Ok(())
    }
}
