//! Network namespaces of our own: `usw-<pid>-<n>`, removed with their
//! processes when the guard is dropped.
//!
//! The name carries our process id, so that whoever comes later can tell whose
//! namespace it is and remove it when that process is gone.

use std::fs;
use std::path::Path;
use std::process::{self, Command};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::Outcome;
use crate::run::captured;

const PREFIX: &str = "usw-";
const NETNS_DIR: &str = "/run/netns";
/// How often a kill is repeated before a namespace is given up.
const KILL_ROUNDS: usize = 50;

/// Least, initial and most, in bytes.
const BUFFERS: [&str; 2] = ["net.ipv4.tcp_rmem=4096 131072 6291456", "net.ipv4.tcp_wmem=4096 65536 4194304"];

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A namespace that lives as long as this guard.
pub(crate) struct Namespace {
    name: String,
    kept: bool,
}

impl Namespace {
    /// Makes a namespace whose loopback is up and whose TCP uses CUBIC, or
    /// Reno where the host does not allow CUBIC in namespaces. Its buffers
    /// have the same limits whatever the host's kernel.
    pub(crate) fn new() -> Outcome<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", prefix_of(process::id()));
        captured(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name, kept: false };
        namespace.ip(&["link", "set", "lo", "up"])?;
        if namespace.sysctl("net.ipv4.tcp_congestion_control=cubic").is_err() {
            namespace.sysctl("net.ipv4.tcp_congestion_control=reno")?;
        }
        BUFFERS.iter().try_for_each(|setting| namespace.sysctl(setting))?;
        Ok(namespace)
    }

    /// The name that `ip netns exec` wants.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` on this namespace.
    pub(crate) fn ip(&self, args: &[&str]) -> Outcome<String> {
        captured(Command::new("ip").args(["-n", &self.name]).args(args))
    }

    /// Gives a device inside an address, ready at once: of IPv6 without the search for duplicates.
    pub(crate) fn address(&self, device: &str, address: &str) -> Outcome {
        let nodad: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
        self.ip(&[&["address", "add", address, "dev", device][..], nodad].concat()).map(drop)
    }

    /// Sets a kernel parameter inside.
    pub(crate) fn sysctl(&self, setting: &str) -> Outcome {
        captured(self.command("sysctl").args(["-q", "-w", setting])).map(drop)
    }

    /// A command that will run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// The processes inside.
    pub(crate) fn pids(&self) -> Vec<u32> {
        pids(&self.name)
    }

    /// Leaves the namespace in place when the guard goes.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.kept {
            remove(&self.name);
        }
    }
}

/// Whether namespaces can be made here.
pub(crate) fn try_one() -> Outcome {
    let name = format!("{}try", prefix_of(process::id()));
    captured(Command::new("ip").args(["netns", "add", &name]))?;
    remove(&name);
    Ok(())
}

/// Whether a namespace of that name exists.
pub(crate) fn exists(name: &str) -> bool {
    Path::new(NETNS_DIR).join(name).exists()
}

/// Removes the namespaces and files of one process.
pub(crate) fn remove_of(pid: u32) {
    names().iter().filter(|name| name.starts_with(&prefix_of(pid))).for_each(|name| remove(name));
    remove_files(|owner| owner == pid);
}

/// Removes what processes that are gone have left behind.
pub(crate) fn remove_stale() {
    let is_stale = |pid: u32| !Path::new("/proc").join(pid.to_string()).exists();
    for name in names().iter().filter(|name| owner(name).is_some_and(is_stale)) {
        println!("removing stale namespace {name}");
        remove(name);
    }
    remove_files(is_stale);
}

/// The beginning of every name that belongs to a process.
pub(crate) fn prefix_of(pid: u32) -> String {
    format!("{PREFIX}{pid}-")
}

fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

fn names() -> Vec<String> {
    names_in(Path::new(NETNS_DIR))
}

fn names_in(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(PREFIX))
        .collect()
}

fn remove_files(is_due: impl Fn(u32) -> bool) {
    let dir = std::env::temp_dir();
    for name in names_in(&dir).iter().filter(|name| owner(name).is_some_and(&is_due)) {
        let _ = fs::remove_dir_all(dir.join(name));
    }
}

fn pids(name: &str) -> Vec<u32> {
    let text = captured(Command::new("ip").args(["netns", "pids", name])).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Kills the processes inside, each by its id, and deletes the namespace.
fn remove(name: &str) {
    for _ in 0..KILL_ROUNDS {
        let inside = pids(name);
        if inside.is_empty() {
            break;
        }
        inside.into_iter().for_each(|pid| drop(signal(pid, "KILL")));
        thread::sleep(Duration::from_millis(20));
    }
    if let Err(error) = captured(Command::new("ip").args(["netns", "del", name])) {
        println!("cannot remove namespace {name}: {error}");
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(pid: u32, signal: &str) -> Outcome {
    let mut command = Command::new("sh");
    captured(command.args(["-c", "kill -s \"$0\" \"$1\"", signal, &pid.to_string()])).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_tells_its_owner() {
        assert_eq!(owner(&format!("{}3", prefix_of(4711))), Some(4711));
        assert_eq!(owner("usw-x-3"), None);
        assert_eq!(owner("other-4711-3"), None);
    }
}
