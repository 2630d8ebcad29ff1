//! The workspace as `cargo metadata --no-deps` describes it.
//!
//! Only what the chores need is kept: where things lie, and for each package
//! its direct dependencies, targets and features. The root is found from the
//! environment that cargo gives to what it runs, so that one build of this
//! program serves any checkout.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The workspace whose chores are done.
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    /// The target folder, `CARGO_TARGET_DIR` included.
    pub(crate) target: PathBuf,
    /// `[workspace.metadata]` of the root manifest.
    pub(crate) metadata: Value,
    /// The member packages, in the order of cargo.
    pub(crate) packages: Vec<Package>,
}

/// One member of the workspace.
pub(crate) struct Package {
    /// The package's name, with dashes.
    pub(crate) name: String,
    /// The folder of its manifest.
    pub(crate) dir: PathBuf,
    /// `[package.metadata]`.
    pub(crate) metadata: Value,
    /// Direct dependencies of every kind.
    pub(crate) dependencies: Vec<Dependency>,
    /// Libraries, binaries, examples and tests.
    pub(crate) targets: Vec<Target>,
    /// Its features, each with what it turns on.
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

/// A dependency as the manifest declares it.
pub(crate) struct Dependency {
    /// The depended-on package's own name.
    pub(crate) name: String,
    /// In which table it stands.
    pub(crate) kind: Kind,
}

/// The table of a dependency.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

/// A thing that cargo builds.
pub(crate) struct Target {
    /// The target's name.
    pub(crate) name: String,
    /// `lib`, `bin`, `example`, `test`, …
    pub(crate) kind: String,
    /// Its root source file.
    pub(crate) source: PathBuf,
}

impl Workspace {
    /// Asks cargo about the workspace that this process was started in.
    pub(crate) fn load() -> Result<Self, String> {
        Self::load_from(&start_dir()?)
    }

    /// Asks cargo about the workspace that `dir` lies in.
    pub(crate) fn load_from(dir: &Path) -> Result<Self, String> {
        let output = Command::new(cargo())
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(dir)
            .output()
            .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
        if !output.status.success() {
            return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        let json = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("cargo metadata printed no JSON: {error}"))?;
        Ok(Self::from_metadata(&json))
    }

    /// Reads the answer of `cargo metadata`.
    pub(crate) fn from_metadata(json: &Value) -> Self {
        Self {
            root: text(&json["workspace_root"]).into(),
            target: text(&json["target_directory"]).into(),
            metadata: json["metadata"].clone(),
            packages: items(&json["packages"]).iter().map(Package::from_metadata).collect(),
        }
    }

    /// The member of that name.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// `path` as seen from the root, for messages.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// A cargo command at the root, with the target folder fixed.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(cargo());
        command.args(args).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        forget_our_package(&mut command);
        command
    }
}

impl Package {
    pub(crate) fn from_metadata(json: &Value) -> Self {
        let manifest = PathBuf::from(text(&json["manifest_path"]));
        Self {
            name: text(&json["name"]),
            dir: manifest.parent().map(Path::to_path_buf).unwrap_or_default(),
            metadata: json["metadata"].clone(),
            dependencies: items(&json["dependencies"]).iter().map(Dependency::from_metadata).collect(),
            targets: items(&json["targets"]).iter().map(Target::from_metadata).collect(),
            features: features(&json["features"]),
        }
    }
}

impl Dependency {
    fn from_metadata(json: &Value) -> Self {
        let kind = match json["kind"].as_str() {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        };
        Self { name: text(&json["name"]), kind }
    }
}

impl Target {
    fn from_metadata(json: &Value) -> Self {
        Self {
            name: text(&json["name"]),
            kind: items(&json["kind"]).first().map(text).unwrap_or_default(),
            source: text(&json["src_path"]).into(),
        }
    }
}

#[cfg(test)]
impl Package {
    /// A library and nothing else.
    pub(crate) fn lib(name: &str) -> Self {
        Self::from_metadata(&serde_json::json!({"name": name, "targets": [{"name": name, "kind": ["lib"]}]}))
    }
}

/// The strings of a JSON array; nothing for anything else.
pub(crate) fn strings(json: &Value) -> Vec<String> {
    items(json).iter().map(text).collect()
}

/// The elements of a JSON array; nothing for anything else.
pub(crate) fn items(json: &Value) -> &[Value] {
    json.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn features(json: &Value) -> BTreeMap<String, Vec<String>> {
    let members = json.as_object().into_iter().flatten();
    members.map(|(name, turned_on)| (name.clone(), strings(turned_on))).collect()
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

/// The cargo that started us, so that the toolchain stays the same.
pub(crate) fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Removes what `cargo run` told us about ourselves: a cargo started below
/// must not take it for its own package, nor rebuild because it differs.
pub(crate) fn forget_our_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let ours =
            text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_BIN_") || text.starts_with("NEXTEST");
        if ours || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_CRATE_NAME" {
            command.env_remove(&name);
        }
    }
}

fn start_dir() -> Result<PathBuf, String> {
    match env::var_os("CARGO_MANIFEST_DIR") {
        Some(dir) => Ok(dir.into()),
        None => env::current_dir().map_err(|error| format!("cannot find the current folder: {error}")),
    }
}
