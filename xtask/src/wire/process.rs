//! Processes that a scenario starts: their output is kept, every wait has an
//! end, and none outlives its guard.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Outcome;
use super::namespace::signal;

/// Pause between two looks at a process or its output.
const POLL: Duration = Duration::from_millis(5);
/// How many lines of a log are shown when a scenario fails.
const LOG_TAIL: usize = 40;
/// Output beyond this is counted but not kept.
const LOG_BYTES: usize = 16 << 20;

/// A running process; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: Log,
    readers: Vec<JoinHandle<()>>,
    deadline: Instant,
}

/// What a process reads from its standard input.
pub(crate) enum Input {
    /// Nothing: it ends at once.
    End,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// Nothing, and no end while the guard lives.
    Open,
}

/// What a process wrote; clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    name: String,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
}

/// How a process ended.
pub(crate) struct Ended {
    /// The command, for messages.
    pub(crate) name: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Process {
    /// Starts `command` with `input` as its standard input. No wait on it
    /// lasts beyond `deadline`.
    pub(crate) fn spawn(command: &mut Command, name: &str, input: Input, deadline: Instant) -> Outcome<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {name}: {error}"))?;
        let log = Log::new(name);
        let readers = [follow(child.stdout.take(), &log.stdout), follow(child.stderr.take(), &log.stderr)];
        match input {
            Input::End => drop(child.stdin.take()),
            Input::Open => {}
            Input::Bytes(bytes) => feed(child.stdin.take(), bytes),
        }
        Ok(Self { child, log, readers: readers.into_iter().flatten().collect(), deadline })
    }

    /// Its output so far.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Its process id, which is also that of the program inside the namespace.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line of the standard output contains `text`.
    pub(crate) fn wait_for_line(&mut self, text: &str, limit: Duration) -> Outcome<String> {
        let end = self.end(limit);
        loop {
            let stdout = self.log.stdout();
            let complete = stdout.rsplit_once('\n').map_or("", |(lines, _)| lines);
            if let Some(line) = complete.lines().find(|line| line.contains(text)) {
                return Ok(line.to_owned());
            }
            let name = &self.log.name;
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("{name} ended ({status}) before it printed `{text}`"));
            }
            if Instant::now() >= end {
                return Err(format!("{name} did not print `{text}` within {:.1} s", limit.as_secs_f64()));
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until the process ends by itself; kills it if that takes longer.
    pub(crate) fn wait(mut self, limit: Duration) -> Outcome<Ended> {
        let end = self.end(limit);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(self.ended(status)),
                Ok(None) if Instant::now() < end => thread::sleep(POLL),
                Ok(None) => {
                    self.kill();
                    return Err(format!("{} did not end within {:.1} s", self.log.name, limit.as_secs_f64()));
                }
                Err(error) => return Err(format!("cannot wait for {}: {error}", self.log.name)),
            }
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Closes its standard input.
    pub(crate) fn close_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Asks it to end (SIGTERM) and waits for that.
    pub(crate) fn terminate(self, limit: Duration) -> Outcome<Ended> {
        self.signal("TERM")?;
        self.wait(limit)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) -> Outcome {
        signal(self.pid(), name)
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The process is gone, so its pipes end; a grandchild that holds them open
    /// must not hold us.
    fn ended(&self, status: ExitStatus) -> Ended {
        let end = Instant::now() + Duration::from_secs(1);
        while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < end {
            thread::sleep(POLL);
        }
        Ended {
            name: self.log.name.clone(),
            status,
            stdout: copy(&self.log.stdout),
            stderr: self.log.stderr(),
        }
    }

    fn end(&self, limit: Duration) -> Instant {
        (Instant::now() + limit).min(self.deadline)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Log {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), stdout: Arc::default(), stderr: Arc::default() }
    }

    /// The standard output so far.
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&copy(&self.stdout)).into_owned()
    }

    /// The standard error so far.
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&copy(&self.stderr)).into_owned()
    }

    /// The last lines of both streams, for a failure's report.
    pub(crate) fn show(&self) {
        for (stream, text) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            let lines: Vec<&str> = text.lines().collect();
            if lines.is_empty() {
                continue;
            }
            println!("  --- {stream} of {}", self.name);
            lines.iter().skip(lines.len().saturating_sub(LOG_TAIL)).for_each(|line| println!("  | {line}"));
        }
    }
}

impl Ended {
    /// The standard output as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// This, if the exit status is success.
    pub(crate) fn success(self) -> Outcome<Self> {
        if self.status.success() {
            return Ok(self);
        }
        let last = self.stderr.lines().next_back().unwrap_or("no message");
        Err(format!("{}: {}: {last}", self.name, self.status))
    }
}

/// Writes on a thread of its own. A process that ends early closes its input;
/// that is no error here.
fn feed(stdin: Option<ChildStdin>, bytes: Vec<u8>) {
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&bytes)));
}

/// Reads a stream to its end on a thread of its own.
fn follow(stream: Option<impl Read + Send + 'static>, into: &Arc<Mutex<Vec<u8>>>) -> Option<JoinHandle<()>> {
    let mut stream = stream?;
    let into = Arc::clone(into);
    Some(thread::spawn(move || {
        let mut buffer = [0; 1 << 16];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            let mut kept = into.lock().unwrap_or_else(PoisonError::into_inner);
            let room = LOG_BYTES.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..count.min(room)]);
        }
    }))
}

fn copy(bytes: &Mutex<Vec<u8>>) -> Vec<u8> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
