//! Where one scenario happens: a namespace, a folder for its files, a time
//! limit, and the logs of everything that it starts.

use std::cell::RefCell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::family::{Family, with_port};
use super::namespace::Namespace;
use super::process::{Ended, Input, Log, Process};
use super::scenarios::Mode;
use super::{Outcome, ensure};

/// A scenario's surroundings.
pub(crate) struct Lab {
    pub(crate) namespace: Namespace,
    pub(crate) mode: Mode,
    pub(crate) family: Family,
    dir: PathBuf,
    program: Option<PathBuf>,
    deadline: Instant,
    logs: RefCell<Vec<Log>>,
    kept: bool,
}

impl Lab {
    /// Makes the namespace and the folder; the time limit starts now.
    pub(crate) fn new(
        mode: Mode,
        family: Family,
        program: Option<PathBuf>,
        limit: Duration,
    ) -> Outcome<Self> {
        let namespace = Namespace::new()?;
        let dir = env::temp_dir().join(namespace.name());
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let deadline = Instant::now() + limit;
        Ok(Self { namespace, mode, family, dir, program, deadline, logs: RefCell::default(), kept: false })
    }

    /// Starts a program inside the namespace.
    pub(crate) fn spawn(&self, program: &str, args: &[&str], input: Input) -> Outcome<Process> {
        self.start(self.namespace.command(program).args(args), program, input)
    }

    /// Runs a program inside the namespace to its end.
    pub(crate) fn run(&self, program: &str, args: &[&str], limit: Duration) -> Outcome<Ended> {
        self.spawn(program, args, Input::End)?.wait(limit)
    }

    /// Runs a program inside the namespace that has to end with success.
    pub(crate) fn check(&self, program: &str, args: &[&str], limit: Duration) -> Outcome<Ended> {
        self.run(program, args, limit)?.success()
    }

    /// Starts one of our own probes inside the namespace.
    pub(crate) fn probe(&self, args: &[&str]) -> Outcome<Process> {
        let path = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let path = path.to_string_lossy().into_owned();
        self.start(self.namespace.command(&path).arg("probe").args(args), "probe", Input::End)
    }

    /// Waits until a condition holds, at most as long as the scenario may take.
    pub(crate) fn eventually(&self, what: &str, condition: impl Fn() -> bool) -> Outcome {
        while !condition() {
            ensure!(Instant::now() < self.deadline, "waited in vain for {what}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The address of our stack.
    pub(crate) fn ours(&self) -> &'static str {
        self.family.ours()
    }

    /// A port of our stack.
    pub(crate) fn our_port(&self, port: u16) -> String {
        with_port(self.ours(), port)
    }

    /// The address of a resource on our stack.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.our_port(80))
    }

    /// The program under test.
    pub(crate) fn program(&self) -> Outcome<&Path> {
        self.program.as_deref().ok_or_else(|| "this scenario needs the program under test".to_owned())
    }

    /// The path of a file in the scenario's folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    /// Shows what every process has written, for a failure's report.
    pub(crate) fn show_logs(&self) {
        self.logs.borrow().iter().for_each(Log::show);
    }

    /// Leaves namespace and folder in place, and says where they are.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
        self.namespace.keep();
        let name = self.namespace.name();
        println!("  kept: ip netns exec {name} bash; files in {}", self.dir.display());
    }

    fn start(&self, command: &mut Command, name: &str, input: Input) -> Outcome<Process> {
        let process = Process::spawn(command, name, input, self.deadline)?;
        self.logs.borrow_mut().push(process.log().clone());
        Ok(process)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}
