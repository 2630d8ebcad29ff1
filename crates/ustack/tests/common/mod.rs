//! What the tests share: stacks over channels, bytes that can be checked, and threads that are counted.
#![allow(dead_code, reason = "each test file uses a part")]

use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::{NicConfig, Stack};

/// A stack with one interface and every protocol.
pub(crate) fn stack(link: ChannelLink, addresses: &[&str]) -> Stack {
    let mut nic = NicConfig::new(link);
    for address in addresses {
        nic = nic.address(address.parse().unwrap());
    }
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

/// Two stacks on one link: 10.0.0.1 and 10.0.0.2, fd00::1 and fd00::2.
pub(crate) fn two_stacks(config: ChannelConfig) -> (Stack, Stack) {
    let (a, b) = pair(config);
    (stack(a, &["10.0.0.1/24", "fd00::1/64"]), stack(b, &["10.0.0.2/24", "fd00::2/64"]))
}

/// Bytes that look random and are the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .collect()
}

pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Sends back what comes, until the end.
pub(crate) fn echo(stream: ustack::net::TcpStream) {
    echo_by(32 * 1024, stream);
}

/// The same with a buffer of that size.
pub(crate) fn echo_by(size: usize, mut stream: ustack::net::TcpStream) {
    let mut buffer = vec![0; size];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => return,
            len => stream.write_all(&buffer[..len]).unwrap(),
        }
    }
}

/// Sends all of `bytes` and reads as many back, at the same time.
pub(crate) fn exchange(stream: &ustack::net::TcpStream, bytes: &[u8]) -> Vec<u8> {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (&*stream).write_all(bytes).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        (&*stream).read_to_end(&mut back).unwrap();
        back
    })
}

/// Runs a program; what it says if it fails.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    let why = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program} {arguments:?}: {why}")) }
}

/// Tests that count this process's threads run one at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Driver threads of this process.
pub(crate) fn driver_threads() -> usize {
    threads(|name| name == "ustack-driver")
}

/// Threads of this process with such a name.
pub(crate) fn threads(is: impl Fn(&str) -> bool) -> usize {
    std::fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
        .filter(|name| is(name.trim()))
        .count()
}
