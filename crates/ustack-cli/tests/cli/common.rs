//! Running the program, and what it leaves.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Runs the program to its end.
pub(crate) fn ustack(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ustack"));
    command.args(args).stdin(Stdio::null()).env_remove("RUST_LOG").env("NO_COLOR", "1");
    command.output().expect("the program starts")
}

/// What it printed, if it succeeded and had no complaint.
#[track_caller]
pub(crate) fn success(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {stderr}", output.status);
    assert_eq!(stderr, "");
    stdout.into_owned()
}

/// What it complained of, if it failed without a panic and printed nothing else.
#[track_caller]
pub(crate) fn failure(output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(matches!(output.status.code(), Some(1 | 2)), "{}: {stdout}{stderr}", output.status);
    assert_eq!(stdout, "");
    assert!(!stderr.contains("panicked"), "{stderr}");
    if output.status.code() == Some(1) {
        assert_eq!(stderr.lines().count(), 1, "more than one line:\n{stderr}");
    }
    stderr.into_owned()
}

/// A folder of a test's own, gone at its end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ustack-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
