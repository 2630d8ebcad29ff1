//! The features of the facade, in selections that show whether each stands for
//! itself: none, each alone, the defaults, the defaults without each, all.
//!
//! All 2^16 selections would take days. A feature selects a crate and what
//! speaks of it, so what goes wrong is code that needs a feature and does not
//! say so (it shows alone), or says it for one of two (it shows when the other
//! is missing). Warnings count as errors, since code that a selection leaves
//! unused is code behind the wrong `cfg`.

use crate::run::checked;
use crate::workspace::{Package, Workspace};

/// The only crate that has features.
const FACADE: &str = "ustack";
const DEFAULT: &str = "default";

/// Checks the facade in every selection.
pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    let facade = workspace.package(FACADE).ok_or_else(|| format!("crate {FACADE} is missing"))?;
    let selections = selections(facade);
    selections.iter().try_for_each(|selection| check(workspace, selection))?;
    println!("{FACADE}: {} selections of its features build without a warning", selections.len());
    Ok(())
}

fn check(workspace: &Workspace, features: &str) -> Result<(), String> {
    let common = ["clippy", "--quiet", "--package", FACADE, "--lib", "--no-default-features"];
    let mut command = workspace.cargo(&common);
    checked(command.args(["--features", features, "--", "-D", "warnings"]))
}

/// Each as the argument of `--features`.
fn selections(facade: &Package) -> Vec<String> {
    let single = || facade.features.keys().filter(|name| *name != DEFAULT).cloned();
    let defaults = facade.features.get(DEFAULT).cloned().unwrap_or_default();
    let without = |left_out: &String| {
        let others: Vec<&str> =
            defaults.iter().filter(|name| *name != left_out).map(String::as_str).collect();
        others.join(",")
    };
    let mut selections = vec![String::new()];
    selections.extend(single());
    selections.push(defaults.join(","));
    selections.extend(defaults.iter().map(without));
    selections.push(single().collect::<Vec<_>>().join(","));
    selections
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_alone_each_left_out_none_the_defaults_and_all() {
        let facade = Package::from_metadata(&json!({
            "features": { "a": ["dep:a"], "b": ["dep:b"], "c": ["dep:c"], "default": ["a", "b"] },
        }));
        assert_eq!(selections(&facade), ["", "a", "b", "c", "a,b", "b", "a", "a,b,c"]);
    }
}
