//! Commands that README and `docs/` mention exist.

use std::fs;

use super::files::{below, has_extension};
use crate::command_names;
use crate::workspace::Workspace;

const MARK: &str = "cargo xtask ";

/// The problems of the root documents and of `docs/`.
pub(super) fn problems(workspace: &Workspace) -> Vec<String> {
    let names = command_names();
    let mut problems = Vec::new();
    for path in below(workspace, &workspace.root).iter().filter(|path| has_extension(path, "md")) {
        let text = fs::read_to_string(path).unwrap_or_default();
        problems.extend(of_document(&workspace.relative(path).display().to_string(), &text, &names));
    }
    problems
}

fn of_document(name: &str, text: &str, commands: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for (line, number) in text.lines().zip(1_usize..) {
        for rest in line.split(MARK).skip(1) {
            let command: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric()).collect();
            if !command.is_empty() && !commands.contains(&command) {
                problems.push(format!("{name}:{number}: there is no command `{MARK}{command}`"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_commands_pass() {
        let commands = ["test".to_owned()];
        assert!(
            of_document("README.md", "Run `cargo xtask test` or `cargo xtask <command>`.", &commands)
                .is_empty()
        );
        let problems = of_document("README.md", "a\ncargo xtask tset\n", &commands);
        assert_eq!(problems, ["README.md:2: there is no command `cargo xtask tset`"]);
    }
}
