//! The arrow check: metadata in, one line for each problem out.
//!
//! Rules: every crate has exactly one layer; an arrow points to a lower layer,
//! or inside a layer that `same` names; dev-dependencies too, except the pairs
//! of `dev`; nothing below the shell may test itself with `stack-testkit`,
//! which stands on the whole stack; and the `no_std` proof links every crate
//! that has to work without std.

use serde_json::Value;

use super::no_std::PROOF;
use crate::workspace::{Kind, Package, Workspace, strings};

const TESTKIT: &str = "stack-testkit";
const SHELL: &str = "shell";
/// Layers whose crates are `no_std`, apart from those that `std` names.
const NO_STD_LAYERS: [&str; 5] = ["ground", "contract", "parts", "protocols", "conductor"];

/// One line for each thing that is wrong, with the fix.
pub(crate) fn problems(workspace: &Workspace) -> Vec<String> {
    let layers = Layers::new(&workspace.metadata["layers"]);
    let mut problems = layers.placement(workspace);
    for package in &workspace.packages {
        problems.extend(package.dependencies.iter().filter_map(|dependency| {
            let on = workspace.package(&dependency.name)?;
            layers.wrong_arrow(package, on, dependency.kind)
        }));
    }
    let unproven = layers.unproven(workspace).into_iter();
    problems.extend(unproven.map(|name| {
        format!(
            "{name} is not in the no_std proof: `cargo xtask deps --fix` adds it; if it needs the operating system, \
             list it in `std` of [workspace.metadata.layers]"
        )
    }));
    problems
}

/// The crates that the `no_std` proof lacks.
pub(crate) fn unproven(workspace: &Workspace) -> Vec<String> {
    Layers::new(&workspace.metadata["layers"]).unproven(workspace)
}

struct Layers {
    order: Vec<(String, Vec<String>)>,
    same: Vec<String>,
    dev: Vec<String>,
    std: Vec<String>,
}

impl Layers {
    fn new(table: &Value) -> Self {
        let layer = |name: String| {
            let crates = strings(&table[name.as_str()]);
            (name, crates)
        };
        Self {
            order: strings(&table["order"]).into_iter().map(layer).collect(),
            same: strings(&table["same"]),
            dev: strings(&table["dev"]),
            std: strings(&table["std"]),
        }
    }

    fn level(&self, name: &str) -> Option<usize> {
        self.order.iter().position(|(_, crates)| crates.iter().any(|each| each == name))
    }

    fn name(&self, level: usize) -> &str {
        self.order.get(level).map_or("no layer", |(name, _)| name)
    }

    fn placement(&self, workspace: &Workspace) -> Vec<String> {
        let mut problems = Vec::new();
        for package in &workspace.packages {
            let name = &package.name;
            match self.order.iter().flat_map(|(_, crates)| crates).filter(|each| *each == name).count() {
                1 => {}
                0 => problems.push(format!(
                    "{name} has no layer: add it to one list of [workspace.metadata.layers] in the root Cargo.toml"
                )),
                _ => problems.push(format!(
                    "{name} stands in several layers: keep it in one list of [workspace.metadata.layers]"
                )),
            }
        }
        problems
    }

    fn wrong_arrow(&self, from: &Package, to: &Package, kind: Kind) -> Option<String> {
        let (high, low) = (self.level(&from.name)?, self.level(&to.name)?);
        let table = match kind {
            Kind::Normal => "dependencies",
            Kind::Build => "build-dependencies",
            Kind::Dev => "dev-dependencies",
        };
        let arrow = format!(
            "{}: [{table}] {} ({}) -> {} ({})",
            from.dir.join("Cargo.toml").display(),
            from.name,
            self.name(high),
            to.name,
            self.name(low)
        );
        if kind == Kind::Dev && to.name == TESTKIT {
            let shell = self.order.iter().position(|(name, _)| name == SHELL)?;
            return (high < shell).then(|| {
                format!("{arrow}: {TESTKIT} stands on the whole stack; move this test into {TESTKIT} itself")
            });
        }
        if low < high || low == high && self.same.iter().any(|name| name == self.name(high)) {
            return None;
        }
        if kind == Kind::Dev && self.dev.contains(&format!("{} -> {}", from.name, to.name)) {
            return None;
        }
        let fix = if low == high {
            "siblings never see each other; move what both need into a layer below"
        } else {
            "arrows point down only; turn it round or move what is needed into a layer below"
        };
        Some(format!("{arrow}: {fix}"))
    }

    /// The crates that have to be in the proof and are not.
    fn unproven(&self, workspace: &Workspace) -> Vec<String> {
        let Some(proof) = workspace.package(PROOF) else { return Vec::new() };
        let linked = |name: &String| proof.dependencies.iter().any(|dependency| dependency.name == *name);
        self.order
            .iter()
            .filter(|(layer, _)| NO_STD_LAYERS.contains(&layer.as_str()))
            .flat_map(|(_, crates)| crates)
            .filter(|name| workspace.package(name).is_some() && !self.std.contains(name) && !linked(name))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace of crates `name: [(dependency, kind)]` under a small table of layers.
    fn fixture(crates: &[(&str, &[(&str, &str)])]) -> Workspace {
        let package = |(name, dependencies): &(&str, &[(&str, &str)])| {
            let dependencies: Vec<Value> = dependencies
                .iter()
                .map(|(name, kind)| json!({ "name": name, "kind": if *kind == "normal" { Value::Null } else { json!(kind) } }))
                .collect();
            json!({ "name": name, "manifest_path": format!("/w/{name}/Cargo.toml"), "dependencies": dependencies })
        };
        Workspace::from_metadata(&json!({
            "workspace_root": "/w",
            "target_directory": "/w/target",
            "packages": crates.iter().map(package).collect::<Vec<_>>(),
            "metadata": { "layers": {
                "order": ["ground", "contract", "protocols", "shell", "tools"],
                "ground": ["packet", "wire"],
                "contract": ["core"],
                "protocols": ["net-a", "net-b", "link-dev"],
                "shell": ["facade"],
                "tools": ["stack-testkit", "stack-nostd-proof"],
                "same": ["ground"],
                "dev": ["net-a -> net-b"],
                "std": ["link-dev"],
            } },
        }))
    }

    fn only_problem(crates: &[(&str, &[(&str, &str)])]) -> String {
        let problems = problems(&fixture(crates));
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.concat()
    }

    #[test]
    fn this_workspace_has_no_wrong_arrow() {
        let workspace = Workspace::load().unwrap();
        assert!(workspace.packages.len() > 2);
        assert_eq!(problems(&workspace), Vec::<String>::new());
    }

    #[test]
    fn arrows_down_and_inside_a_same_layer_pass() {
        let crates: &[(&str, &[(&str, &str)])] = &[
            ("packet", &[]),
            ("wire", &[("packet", "normal")]),
            ("core", &[("packet", "normal"), ("bytes", "normal")]),
            ("net-a", &[("core", "normal"), ("wire", "build")]),
            ("facade", &[("net-a", "normal"), ("stack-testkit", "dev")]),
            ("stack-testkit", &[("facade", "normal")]),
        ];
        assert_eq!(problems(&fixture(crates)), Vec::<String>::new());
    }

    #[test]
    fn upward_arrow_is_named_with_the_fix() {
        let problem = only_problem(&[("packet", &[("core", "normal")]), ("core", &[])]);
        assert!(problem.contains("[dependencies] packet (ground) -> core (contract)"), "{problem}");
        assert!(problem.contains("arrows point down only"), "{problem}");
    }

    #[test]
    fn siblings_may_not_see_each_other_even_in_builds() {
        let problem = only_problem(&[("net-b", &[("net-a", "build")]), ("net-a", &[])]);
        assert!(problem.contains("[build-dependencies]") && problem.contains("siblings"), "{problem}");
    }

    #[test]
    fn dev_dependency_needs_a_listed_pair() {
        assert!(problems(&fixture(&[("net-a", &[("net-b", "dev")]), ("net-b", &[])])).is_empty());
        let problem = only_problem(&[("net-b", &[("net-a", "dev")]), ("net-a", &[])]);
        assert!(problem.contains("[dev-dependencies] net-b"), "{problem}");
    }

    #[test]
    fn listed_pair_does_not_excuse_a_normal_dependency() {
        let problem = only_problem(&[("net-a", &[("net-b", "normal")]), ("net-b", &[])]);
        assert!(problem.contains("[dependencies] net-a"), "{problem}");
    }

    #[test]
    fn testkit_is_forbidden_below_the_shell() {
        let problem = only_problem(&[("core", &[("stack-testkit", "dev")]), ("stack-testkit", &[])]);
        assert!(problem.contains("move this test into stack-testkit"), "{problem}");
    }

    #[test]
    fn crate_without_a_layer_is_named() {
        let problem = only_problem(&[("stray", &[])]);
        assert!(problem.starts_with("stray has no layer"), "{problem}");
    }

    #[test]
    fn crate_missing_from_the_proof_is_named() {
        let problem = only_problem(&[
            ("packet", &[]),
            ("core", &[]),
            ("link-dev", &[]),
            (PROOF, &[("packet", "normal")]),
        ]);
        assert!(problem.starts_with("core is not in the no_std proof"), "{problem}");
    }
}
