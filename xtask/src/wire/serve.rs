//! `ustack serve` inside a lab: started, watched and stopped.
//!
//! Stopping is a check of its own: the program ends with success within five
//! seconds, what it made is gone, and its capture, if it wrote one, satisfies
//! the referee.

use std::time::Duration;

use super::lab::Lab;
use super::process::{Input, Process};
use super::{Outcome, capture, ensure};

/// The name of the device in each namespace.
pub(crate) const DEVICE: &str = "ustack0";
/// What a line has in it that says that the web server answers.
const READY: &str = "curl http://";
/// The bound for being ready, and for ending after SIGTERM.
const PROMPTLY: Duration = Duration::from_secs(5);

/// A running `ustack serve`.
pub(crate) struct Serve<'a> {
    lab: &'a Lab,
    process: Process,
    capture: Option<String>,
}

/// Starts it in the lab's mode and waits until it is ready.
pub(crate) fn start(lab: &Lab) -> Outcome<Serve<'_>> {
    start_with(lab, &[], None)
}

/// Starts it with a capture that is checked when it stops.
pub(crate) fn start_captured(lab: &Lab) -> Outcome<Serve<'_>> {
    start_with(lab, &[], Some(lab.path("serve.pcapng")))
}

/// Starts it with further arguments.
pub(crate) fn start_with<'a>(lab: &'a Lab, extra: &[&str], capture: Option<String>) -> Outcome<Serve<'a>> {
    let [ours, kernels] = [lab.family.ours(), lab.family.kernels()].map(|end| lab.family.in_subnet(end));
    let mut args = vec!["serve", "--tun", DEVICE, "--address", &ours, "--host-address", &kernels];
    args.extend(lab.mode.flags());
    args.extend(extra);
    args.extend(capture.as_deref().map(|path| ["--pcap", path]).into_iter().flatten());
    let program = lab.program()?.to_string_lossy().into_owned();
    let mut process = lab.spawn(&program, &args, Input::End)?;
    process.wait_for_line(READY, PROMPTLY)?;
    Ok(Serve { lab, process, capture })
}

impl Serve<'_> {
    /// The process, for scenarios that hurt it.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it with SIGTERM and checks what it leaves.
    pub(crate) fn stop(self) -> Outcome {
        let (lab, capture) = (self.lab, self.capture.clone());
        self.stop_adopted()?;
        nothing_left(lab)?;
        match capture {
            Some(path) => capture::check(lab, &path),
            None => Ok(()),
        }
    }

    /// Ends it with SIGTERM where the device was not its own.
    pub(crate) fn stop_adopted(self) -> Outcome {
        self.process.signal("TERM")?;
        self.ended()
    }

    /// Waits until it has ended after a signal, and checks how.
    pub(crate) fn ended(self) -> Outcome {
        let ended = self.process.wait(PROMPTLY)?;
        ensure!(!ended.stderr.contains("panicked"), "serve panicked: {}", ended.stderr.trim());
        ended.success().map(drop)
    }
}

/// Fails if the device or an address of ours is still there.
pub(crate) fn nothing_left(lab: &Lab) -> Outcome {
    let links = lab.namespace.ip(&["-brief", "link"])?;
    ensure!(!links.contains(DEVICE), "device {DEVICE} is left behind: {}", links.trim());
    let addresses = lab.namespace.ip(&["-brief", "address"])?;
    let left = ["10.77.0.", "fd77::"].iter().any(|ours| addresses.contains(ours));
    ensure!(!left, "addresses are left behind: {}", addresses.trim());
    Ok(())
}
