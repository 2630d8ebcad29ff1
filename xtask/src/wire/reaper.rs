//! Cleaning up after a driver that was interrupted or killed.
//!
//! A guard's `drop` does not run when a signal ends the process. So the driver
//! starts one child in a process group of its own, where the terminal's
//! interrupt doesn't reach it, and holds the writing end of its input. When
//! the driver goes, however it goes, that end closes and the child removes
//! every namespace and file that carries the driver's process id.

use std::env;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, Stdio};

use super::Outcome;
use super::namespace::{remove_of, remove_stale};

/// The child that cleans up after us.
pub(crate) struct Reaper {
    child: Child,
}

impl Reaper {
    /// Removes what dead drivers have left, and starts the child.
    pub(crate) fn start() -> Outcome<Self> {
        remove_stale();
        let program = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let child = Command::new(program)
            .args(["reap", &process::id().to_string()])
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start the clean-up process: {error}"))?;
        Ok(Self { child })
    }

    /// Ends the child; without cleaning up if something is to be kept.
    pub(crate) fn finish(mut self, keep: bool) {
        if keep {
            let _ = self.child.kill();
        }
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The child's work: waits until its input ends, then cleans up after `pid`.
pub(crate) fn reap_when_orphaned(pid: u32) -> Outcome {
    let mut input = io::stdin().lock();
    let mut byte = [0];
    while input.read(&mut byte).is_ok_and(|count| count > 0) {}
    remove_of(pid);
    Ok(())
}
