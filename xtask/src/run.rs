//! Running the steps of a chore: a heading, the command's own output, the time
//! it took, and a table at the end.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// A command that is watched and prints nothing for this long hangs. The longest silence of a healthy one is a
/// test or a crate that takes minutes.
const SILENCE: Duration = Duration::from_secs(15 * 60);

/// The steps done so far, for the table at the end.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

struct Step {
    name: String,
    time: Duration,
    outcome: Result<(), String>,
}

impl Steps {
    /// Does one step under a heading and remembers how it went.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<(), String>) -> bool {
        heading(name);
        let start = Instant::now();
        let outcome = work();
        let time = start.elapsed();
        if let Err(message) = &outcome {
            eprintln!("{name} failed: {message}");
        }
        let ok = outcome.is_ok();
        self.done.push(Step { name: name.to_owned(), time, outcome });
        ok
    }

    /// Prints one line a step.
    pub(crate) fn table(&self) {
        println!();
        let width = self.done.iter().map(|step| step.name.len()).max().unwrap_or_default();
        for step in &self.done {
            let word = if step.outcome.is_ok() { "ok" } else { "FAILED" };
            println!("{:width$}  {:>8.1} s  {word}", step.name, step.time.as_secs_f64());
        }
    }

    /// An error that names the steps that failed.
    pub(crate) fn outcome(&self) -> Result<(), String> {
        let failed: Vec<&str> =
            self.done.iter().filter(|step| step.outcome.is_err()).map(|step| step.name.as_str()).collect();
        match failed.as_slice() {
            [] => Ok(()),
            names => Err(format!("failed: {}", names.join(", "))),
        }
    }
}

/// Prints a heading that stands out between the outputs of commands.
pub(crate) fn heading(name: &str) {
    println!("\n== {name} ==");
    let _ = std::io::stdout().flush();
}

/// Runs a command with our own input and output.
pub(crate) fn checked(command: &mut Command) -> Result<(), String> {
    let line = display(command);
    println!("$ {line}");
    let status = command.status().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}`: {status}")) }
}

/// Runs a command, passes its output on line by line, and shows each line to
/// `look`. Both streams come through, in the order in which they arrive. One
/// that falls silent for good is killed, so that a run comes to its end.
pub(crate) fn watched(command: &mut Command, mut look: impl FnMut(&str)) -> Result<(), String> {
    let line = display(command);
    println!("$ {line}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run `{line}`: {error}"))?;
    let (sender, lines) = mpsc::channel();
    forward(child.stdout.take(), sender.clone());
    forward(child.stderr.take(), sender);
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(text) => {
                println!("{text}");
                look(&text);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{line}`: killed after {} s without a word", SILENCE.as_secs()));
            }
        }
    }
    let status = child.wait().map_err(|error| format!("cannot wait for `{line}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}`: {status}")) }
}

/// Runs a command silently and returns what it wrote to its standard output.
pub(crate) fn captured(command: &mut Command) -> Result<String, String> {
    let line = display(command);
    let output = command.output().map_err(|error| format!("cannot run `{line}`: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("`{line}`: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

fn forward(stream: Option<impl Read + Send + 'static>, sender: mpsc::Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if sender.send(text).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

fn display(command: &Command) -> String {
    let mut words = vec![program(command)];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy().into_owned()));
    words.join(" ")
}

fn program(command: &Command) -> String {
    let path = std::path::Path::new(command.get_program());
    path.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned()
}
