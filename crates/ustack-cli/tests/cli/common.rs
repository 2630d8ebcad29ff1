//! Running the program, and what it leaves.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

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
    assert_eq!(stderr.lines().count(), 1, "more than one line:\n{stderr}");
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

/// The program while it runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ustack"));
        command.args(args).env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// Writes its standard input to the end, from a thread.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let (mut stdin, bytes) = (self.stdin.take().expect("fed once"), bytes.to_vec());
        std::thread::spawn(move || stdin.write_all(&bytes));
    }

    /// The first line of its standard output that contains `text`.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        line_with(self.child.stdout.as_mut().expect("there is an output"), text)
    }

    /// The same of its standard error.
    #[track_caller]
    pub(crate) fn wait_for_error_line(&mut self, text: &str) -> String {
        line_with(self.child.stderr.as_mut().expect("there is an output"), text)
    }

    /// Waits for its end, which has to be a success, and returns the rest of its standard output.
    #[track_caller]
    pub(crate) fn end(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.child.stdout.take().expect("there is an output").read_to_end(&mut rest).expect("it can be read");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
        rest
    }

    /// Asks it to end, which has to be a success.
    #[track_caller]
    pub(crate) fn terminate(mut self) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .expect("a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads byte by byte, so that nothing after the line is lost.
#[track_caller]
fn line_with(from: &mut impl Read, text: &str) -> String {
    let (mut all, mut byte) = (Vec::new(), [0]);
    loop {
        let count = from.read(&mut byte).expect("the output can be read");
        assert!(count > 0, "`{text}` never came, but {}", String::from_utf8_lossy(&all));
        all.push(byte[0]);
        if byte[0] == b'\n' {
            let line = String::from_utf8_lossy(&all).into_owned();
            if line.contains(text) {
                return line;
            }
            all.clear();
        }
    }
}
