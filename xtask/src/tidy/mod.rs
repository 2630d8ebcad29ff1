//! `cargo xtask tidy`: the form of sources and documents.
//!
//! Every rule is a function from text to problems, one line each, and a test
//! runs them all over the workspace. Exceptions stand with their reasons in
//! `[package.metadata.tidy]` of this crate's manifest.

mod api_map;
mod crates;
mod documents;
pub(crate) mod files;
mod text;

use crate::workspace::Workspace;

/// Prints each problem; fails if there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    let problems = problems(workspace);
    problems.iter().for_each(|problem| println!("{problem}"));
    if problems.is_empty() {
        println!("tidy");
        return Ok(());
    }
    Err(format!("{} places to tidy", problems.len()))
}

/// One line for each problem, sorted.
fn problems(workspace: &Workspace) -> Vec<String> {
    let mut problems = text::problems(workspace);
    problems.extend(crates::problems(workspace));
    problems.extend(api_map::problems(workspace));
    problems.extend(documents::problems(workspace));
    problems.sort();
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_is_tidy() {
        assert_eq!(problems(&Workspace::load().unwrap()), Vec::<String>::new());
    }
}
