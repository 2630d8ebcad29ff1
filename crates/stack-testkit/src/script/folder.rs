//! All scripts of a folder, and what came of them.

use super::{Outcome, run, update};
use crate::pkt::{ErrorKind, Script};
use core::fmt::{Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};

/// What came of the scripts of a folder.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Scripts that passed.
    pub passed: usize,
    /// Scripts that were rewritten because of `UPDATE_EXPECT=1`.
    pub updated: usize,
    /// A report for each script that failed.
    pub failed: Vec<String>,
    /// A reason for each script that was skipped.
    pub skipped: Vec<String>,
}

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> core::fmt::Result {
        self.failed.iter().try_for_each(|report| writeln!(f, "{report}"))?;
        self.skipped.iter().try_for_each(|reason| writeln!(f, "skipped: {reason}"))?;
        let (failed, skipped) = (self.failed.len(), self.skipped.len());
        write!(f, "{} passed, {failed} failed, {skipped} skipped", self.passed)?;
        if self.updated > 0 { write!(f, ", {} updated", self.updated) } else { Ok(()) }
    }
}

impl Summary {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(report) => self.failed.push(report),
            Outcome::Skipped(reason) => self.skipped.push(reason),
        }
    }
}

/// The scripts in a folder and below it, sorted.
///
/// # Errors
/// The folder can't be read.
pub fn scripts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(scripts(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "pkt") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs the scripts in a folder and below it. With `UPDATE_EXPECT=1` in the environment, scripts that fail because of
/// what the stack sends are rewritten to expect that.
///
/// # Errors
/// The folder or a script can't be read, or a script can't be written.
pub fn run_folder(folder: &Path) -> io::Result<Summary> {
    let rewrite = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let mut summary = Summary::default();
    for path in scripts(folder)? {
        let text = std::fs::read_to_string(&path)?;
        let name = path.display().to_string();
        let outcome = match Script::parse(&name, &text) {
            Ok(script) => {
                let outcome = run(&script);
                match (rewrite, &outcome) {
                    (true, Outcome::Failed(_)) => match update(&script) {
                        Ok(text) => {
                            std::fs::write(&path, text)?;
                            summary.updated += 1;
                            continue;
                        }
                        Err(report) => Outcome::Failed(report),
                    },
                    _ => outcome,
                }
            }
            Err(error) if error.kind == ErrorKind::Unsupported => Outcome::Skipped(error.to_string()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        summary.add(outcome);
    }
    Ok(summary)
}
