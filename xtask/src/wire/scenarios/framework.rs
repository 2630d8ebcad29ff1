//! The driver's own promises, checked with kernel-side tools alone: a scenario
//! that cannot fail would prove nothing about the stack.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::wire::lab::Lab;
use crate::wire::namespace::{self, Namespace, signal};
use crate::wire::process::Input;
use crate::wire::{Outcome, capture, ensure};

const SOON: Duration = Duration::from_secs(5);

/// Guards: the namespace works, waits end, killed processes are gone, dropped
/// namespaces too, and a killed driver is cleaned up after.
pub(crate) fn guards(lab: &Lab) -> Outcome {
    lab.check("ping", &["-c", "1", "-W", "2", "127.0.0.1"], SOON)?;
    ready_line(lab)?;
    endless_process_is_ended(lab)?;
    dropped_namespace_is_gone()?;
    killed_driver_is_cleaned_up(lab)
}

fn ready_line(lab: &Lab) -> Outcome {
    let mut process = lab.spawn("sh", &["-c", "echo ready 1; exec sleep 60"], Input::End)?;
    let line = process.wait_for_line("ready", SOON)?;
    ensure!(line == "ready 1", "waited for `ready 1`, got `{line}`");
    let missing = process.wait_for_line("never", Duration::from_millis(50));
    ensure!(missing.is_err(), "a line that never came was reported");
    ensure!(process.is_running(), "a process that should sleep has ended");
    let pid = process.pid();
    drop(process);
    ensure!(is_gone(pid), "process {pid} outlives its guard");
    ensure!(lab.namespace.pids().is_empty(), "the namespace still has processes");
    Ok(())
}

fn endless_process_is_ended(lab: &Lab) -> Outcome {
    let process = lab.spawn("sleep", &["60"], Input::End)?;
    let pid = process.pid();
    ensure!(process.wait(Duration::from_millis(100)).is_err(), "a wait on an endless process succeeded");
    ensure!(is_gone(pid), "process {pid} outlives its time limit");
    let stubborn =
        lab.spawn("sh", &["-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"], Input::End);
    let mut stubborn = stubborn?;
    stubborn.wait_for_line("up", SOON)?;
    ensure!(stubborn.terminate(Duration::from_millis(200)).is_err(), "a process that ignores SIGTERM ended");
    // Its last child ends by itself within its 50 ms.
    eventually("the stubborn process to be gone", || lab.namespace.pids().is_empty())
}

fn dropped_namespace_is_gone() -> Outcome {
    let namespace = Namespace::new()?;
    let name = namespace.name().to_owned();
    let mut child = namespace.command("sleep").arg("60").spawn().map_err(|error| error.to_string())?;
    eventually("the process to be inside", || !namespace.pids().is_empty())?;
    drop(namespace);
    let status = child.wait().map_err(|error| error.to_string())?;
    ensure!(!status.success(), "a process inside a removed namespace ended by itself");
    ensure!(!namespace::exists(&name), "namespace {name} outlives its guard");
    Ok(())
}

/// Not SIGINT: a shell's background processes, and what they start, ignore it.
fn killed_driver_is_cleaned_up(lab: &Lab) -> Outcome {
    for how in ["TERM", "KILL"] {
        let mut driver = lab.probe(&["hold"])?;
        let line = driver.wait_for_line("holding ", SOON)?;
        let name = line.trim_start_matches("holding ").to_owned();
        ensure!(namespace::exists(&name), "the held namespace {name} is not there");
        signal(driver.pid(), how)?;
        eventually("the killed driver's namespace to be removed", || !namespace::exists(&name))?;
    }
    Ok(())
}

fn eventually(what: &str, condition: impl Fn() -> bool) -> Outcome {
    let end = Instant::now() + SOON;
    while !condition() {
        ensure!(Instant::now() < end, "waited {} s for {what}", SOON.as_secs());
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn is_gone(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

/// A capture of one datagram with the right checksum passes; with a wrong one
/// it does not, and neither does an empty one.
pub(crate) fn referee(lab: &Lab) -> Outcome {
    let path = lab.path("referee.pcap");
    for (checksum, right) in [(UDP_CHECKSUM, true), (UDP_CHECKSUM ^ 1, false)] {
        fs::write(&path, pcap(&[datagram(checksum)])).map_err(|error| format!("{path}: {error}"))?;
        let found = capture::check(lab, &path);
        ensure!(found.is_ok() == right, "checksum {checksum:#06x}: the referee says {found:?}");
    }
    fs::write(&path, pcap(&[])).map_err(|error| format!("{path}: {error}"))?;
    ensure!(capture::check(lab, &path).is_err(), "the referee accepts an empty capture");
    Ok(())
}

/// The right UDP checksum of [`datagram`], computed by hand: the complement of
/// 0x0a4d + 0x0002 + 0x0a4d + 0x0001 + 0x0011 + 0x000a (pseudo-header)
/// + 0x9c40 + 0x0009 + 0x000a (header) + 0x6869 ("hi").
const UDP_CHECKSUM: u16 = 0xe68a;

/// 10.77.0.2:40000 → 10.77.0.1:9, two bytes of payload.
fn datagram(checksum: u16) -> Vec<u8> {
    let mut bytes = vec![
        0x45, 0, 0, 30, 0, 0, 0x40, 0, 64, 17, 0x26, 0x33, 10, 77, 0, 2, 10, 77, 0, 1, 0x9c, 0x40, 0, 9, 0,
        10,
    ];
    bytes.extend(checksum.to_be_bytes());
    bytes.extend(b"hi");
    bytes
}

/// A capture file of raw IP packets (link type 101).
fn pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 101] {
        file.extend(word.to_le_bytes());
    }
    for packet in packets {
        let length = u32::try_from(packet.len()).unwrap_or_default();
        for word in [1_u32, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}
