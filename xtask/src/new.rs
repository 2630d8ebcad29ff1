//! `cargo xtask new`: a protocol crate from a template, in the right layer.
//!
//! The templates lie in `xtask/template/`, one for each kind of protocol; a
//! test makes one crate of each and builds it against the contract. Besides
//! the crate itself, the command adds it to the layers and the dependencies
//! of the root manifest and to the `no_std` proof.

use std::fs;
use std::path::Path;

use clap::{Parser, ValueEnum};

use crate::deps::PROOF;
use crate::run::checked;
use crate::workspace::Workspace;

const MANIFEST: &str = include_str!("../template/Cargo.toml.in");
/// The names in the templates that the new crate's replace.
const TEMPLATE_CRATE: &str = "template-crate";
const TEMPLATE_MODULE: &str = "template_crate";
const TEMPLATE_TYPE: &str = "Template";

#[derive(Parser)]
#[command(after_help = "Examples:\n  \
    cargo xtask new trans-sctp               a transport protocol: the prefix tells\n  \
    cargo xtask new mpls --layer net         a network protocol: the flag tells\n\n\
    Then: cargo test -p <crate>, cargo xtask deps, docs/adding-a-protocol.md")]
pub(crate) struct Args {
    /// The crate's name: net-…, trans-… or link-…
    name: String,
    /// Which kind of protocol it is, where the name doesn't tell
    #[arg(long)]
    layer: Option<Layer>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Layer {
    /// Between links and transports: header, addresses, fragments
    Net,
    /// Between networks and sockets: endpoints, ports
    Trans,
    /// Where packets come from and go to
    Link,
}

impl Layer {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Net => "net-",
            Self::Trans => "trans-",
            Self::Link => "link-",
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Self::Net => include_str!("../template/net.rs"),
            Self::Trans => include_str!("../template/trans.rs"),
            Self::Link => include_str!("../template/link.rs"),
        }
    }
}

/// Makes the crate and says what to do next.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<(), String> {
    let (name, layer) = name_and_layer(args)?;
    create(&workspace.root, &name, layer)?;
    checked(&mut workspace.cargo(&["fmt", "--package", &name]))?;
    println!("made crates/{name}; next: cargo test -p {name}, cargo xtask deps, docs/adding-a-protocol.md");
    Ok(())
}

fn name_and_layer(args: &Args) -> Result<(String, Layer), String> {
    let name = &args.name;
    let plain =
        name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if !plain || !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || name.ends_with('-') {
        return Err(format!(
            "`{name}` is no crate name: use small letters, digits and dashes, as in net-mpls"
        ));
    }
    let told = Layer::value_variants().iter().copied().find(|layer| name.starts_with(layer.prefix()));
    match (args.layer, told) {
        (Some(layer), Some(told)) if layer != told => {
            Err(format!("`{name}` says {}…, --layer says {}…", told.prefix(), layer.prefix()))
        }
        (_, Some(layer)) => Ok((name.clone(), layer)),
        (Some(layer), None) => Ok((format!("{}{name}", layer.prefix()), layer)),
        (None, None) => {
            Err(format!("which kind is `{name}`? begin it with net-, trans- or link-, or give --layer"))
        }
    }
}

fn create(root: &Path, name: &str, layer: Layer) -> Result<(), String> {
    let dir = root.join("crates").join(name);
    if dir.exists() {
        return Err(format!("crates/{name} is already there"));
    }
    write(&dir.join("Cargo.toml"), &fill(MANIFEST, name, layer))?;
    write(&dir.join("src/lib.rs"), &fill(layer.template(), name, layer))?;
    edit(&root.join("Cargo.toml"), |text| {
        let text = add_to_layer(text, "protocols", name)?;
        add_dependency(&text, name)
    })?;
    add_to_proof(root, name)
}

/// The template with the new crate's names.
fn fill(template: &str, name: &str, layer: Layer) -> String {
    let type_name = type_name(name.trim_start_matches(layer.prefix()));
    template
        .replace(TEMPLATE_CRATE, name)
        .replace(TEMPLATE_MODULE, &name.replace('-', "_"))
        .replace(TEMPLATE_TYPE, &type_name)
}

/// `fancy-tunnel` → `FancyTunnel`.
fn type_name(words: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
            .unwrap_or_default()
    };
    words.split('-').map(capital).collect()
}

/// Adds a crate to a list of `[workspace.metadata.layers]`.
fn add_to_layer(manifest: &str, layer: &str, name: &str) -> Result<String, String> {
    let opening = format!("\n{layer} = [");
    let missing = || format!("the root Cargo.toml has no list `{layer}` in [workspace.metadata.layers]");
    let start = manifest.find(&opening).ok_or_else(missing)? + opening.len();
    let end = start + manifest[start..].find(']').ok_or_else(missing)?;
    let (list, rest) = manifest[start..].split_at(end - start);
    let has = list.split(',').any(|each| each.trim().trim_matches('"') == name);
    if has {
        return Ok(manifest.to_owned());
    }
    let list = list.trim_end().trim_end_matches(',');
    Ok(format!("{}{list},\n    \"{name}\",\n{rest}", &manifest[..start]))
}

/// Adds a crate below the last of our own in `[workspace.dependencies]`.
fn add_dependency(manifest: &str, name: &str) -> Result<String, String> {
    let line = format!("{name} = {{ path = \"crates/{name}\", version = \"0.1.0\" }}");
    let mut lines: Vec<&str> = manifest.lines().collect();
    if lines.iter().any(|each| each.starts_with(&format!("{name} = "))) {
        return Ok(manifest.to_owned());
    }
    let last = lines.iter().rposition(|each| each.contains("{ path = \"crates/"));
    let last = last.ok_or("the root Cargo.toml has no crates of ours in [workspace.dependencies]")?;
    lines.insert(last + 1, &line);
    Ok(lines.join("\n") + "\n")
}

/// Adds a crate to the `no_std` proof, where there is one.
pub(crate) fn add_to_proof(root: &Path, name: &str) -> Result<(), String> {
    let dir = root.join("crates").join(PROOF);
    if !dir.exists() {
        return Ok(());
    }
    edit(&dir.join("Cargo.toml"), |text| {
        insert_sorted(text, &format!("{name}.workspace = true"), ".workspace = true")
    })?;
    edit(&dir.join("src/lib.rs"), |text| {
        insert_sorted(text, &format!("use {} as _;", name.replace('-', "_")), " as _;")
    })
}

/// Inserts a line into the last run of lines that end in `ending` and hold one
/// of our crates, which is sorted.
fn insert_sorted(text: &str, line: &str, ending: &str) -> Result<String, String> {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.contains(&line) {
        return Ok(text.to_owned());
    }
    let last = lines.iter().rposition(|each| each.starts_with(anchor(line)) && each.ends_with(ending));
    let last = last.ok_or_else(|| format!("found no place for `{line}`"))?;
    let mut at = last + 1;
    while at > 0 && lines[at - 1].ends_with(ending) && lines[at - 1] > line {
        at -= 1;
    }
    lines.insert(at, line);
    Ok(lines.join("\n") + "\n")
}

/// How the line of a crate that is always there begins.
fn anchor(line: &str) -> &'static str {
    if line.starts_with("use ") { "use stack_" } else { "stack-" }
}

fn edit(path: &Path, change: impl FnOnce(&str) -> Result<String, String>) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    write(path, &change(&text)?)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let folder = path.parent().ok_or_else(|| format!("{} has no folder", path.display()))?;
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{Command, id};

    use super::*;
    use crate::workspace::{cargo, forget_our_package};

    fn args(name: &str, layer: Option<Layer>) -> Args {
        Args { name: name.to_owned(), layer }
    }

    #[test]
    fn layer_comes_from_the_prefix_or_the_flag() {
        assert_eq!(name_and_layer(&args("trans-sctp", None)), Ok(("trans-sctp".to_owned(), Layer::Trans)));
        assert_eq!(name_and_layer(&args("mpls", Some(Layer::Net))), Ok(("net-mpls".to_owned(), Layer::Net)));
        assert!(name_and_layer(&args("mpls", None)).is_err());
        assert!(name_and_layer(&args("net-mpls", Some(Layer::Link))).is_err());
        assert!(name_and_layer(&args("Net_Mpls", Some(Layer::Net))).is_err());
    }

    #[test]
    fn manifest_gains_one_line_in_each_table() {
        let manifest = "[workspace.metadata.layers]\nprotocols = [\n    \"net-a\",\n]\n\
            [workspace.dependencies]\nnet-a = { path = \"crates/net-a\", version = \"0.1.0\" }\n\n[lints]\n";
        let once = add_dependency(&add_to_layer(manifest, "protocols", "net-b").unwrap(), "net-b").unwrap();
        assert!(once.contains("    \"net-a\",\n    \"net-b\",\n]"), "{once}");
        assert!(
            once.contains("\nnet-b = { path = \"crates/net-b\", version = \"0.1.0\" }\n\n[lints]"),
            "{once}"
        );
        let twice = add_dependency(&add_to_layer(&once, "protocols", "net-b").unwrap(), "net-b").unwrap();
        assert_eq!(once, twice);
    }

    #[test]
    fn proof_stays_sorted() {
        let text = "[dependencies]\nnet-b.workspace = true\nstack-core.workspace = true\n\n[lints]\nworkspace = true\n";
        let with = |line| insert_sorted(text, line, ".workspace = true").unwrap();
        assert!(with("net-a.workspace = true").contains("]\nnet-a.workspace = true\nnet-b"));
        assert!(
            with("trans-z.workspace = true")
                .contains("stack-core.workspace = true\ntrans-z.workspace = true\n\n")
        );
    }

    /// Makes one crate of each kind in a workspace of its own, beside links to
    /// the crates that they stand on, and runs their tests.
    #[test]
    fn each_template_builds_and_passes_its_tests() {
        let workspace = Workspace::load().unwrap();
        let root = std::env::temp_dir().join(format!("ustack-new-{}", id()));
        fs::create_dir_all(root.join("crates")).unwrap();
        for name in ["stack-packet", "stack-wire", "stack-group", "stack-core"] {
            symlink(workspace.root.join("crates").join(name), root.join("crates").join(name)).unwrap();
        }
        let manifest = fs::read_to_string(workspace.root.join("Cargo.toml")).unwrap();
        let manifest = manifest.replace(", \"xtask\"", "").replace(", \"benches\"", "");
        fs::write(root.join("Cargo.toml"), manifest).unwrap();
        fs::copy(workspace.root.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
        let mut command = Command::new(cargo());
        command.args(["test", "--quiet", "--offline"]).current_dir(&root);
        command.env("CARGO_TARGET_DIR", workspace.target.join("xtask-new"));
        forget_our_package(&mut command);
        for (name, layer) in
            [("net-sample", Layer::Net), ("trans-fancy-sample", Layer::Trans), ("link-sample", Layer::Link)]
        {
            create(&root, name, layer).unwrap();
            command.args(["--package", name]);
        }
        let output = command.output().unwrap();
        fs::remove_dir_all(&root).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
