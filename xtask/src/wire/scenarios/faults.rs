//! Things that break in the middle: clients, the device, our own process.

use std::thread;
use std::time::Duration;

use super::http::{download, make_blob};
use crate::wire::lab::Lab;
use crate::wire::process::{Input, Process};
use crate::wire::serve::{self, DEVICE, nothing_left};
use crate::wire::{Outcome, ensure};

/// Far more than moves before the fault.
const ENDLESS: &str = "/bytes/100000000000";
const SOON: Duration = Duration::from_secs(10);

/// Clients are killed while they download and upload; the next one is served.
pub(crate) fn peer_killed(lab: &Lab) -> Outcome {
    let sum = make_blob(lab, 1_000_000)?;
    let mut serve = serve::start_with(lab, &["--dir", &lab.path("")], None)?;
    for _ in 0..5 {
        let mut down = transfer(lab)?;
        let mut up = lab.spawn("curl", &["-sS", "-T", "/dev/zero", &lab.url("/upload")], Input::End)?;
        flowing(lab, 2)?;
        ensure!(down.is_running() && up.is_running(), "a transfer ended before its client was killed");
        down.kill();
        up.kill();
    }
    download(lab, &sum)?;
    ensure!(serve.process().is_running(), "serve ended");
    serve.stop()
}

/// The device is deleted under a transfer: the program ends by itself, with an
/// error that names the device.
pub(crate) fn device_removed(lab: &Lab) -> Outcome {
    let mut serve = serve::start(lab)?;
    let mut client = transfer(lab)?;
    flowing(lab, 1)?;
    ensure!(client.is_running(), "the transfer ended before the device was removed");
    lab.namespace.ip(&["link", "del", DEVICE])?;
    let log = serve.process().log().clone();
    ends_by_itself(serve.process())?;
    let errors = log.stderr();
    ensure!(!errors.contains("panicked"), "serve panicked: {}", errors.trim());
    ensure!(errors.contains(DEVICE), "serve ended without naming the device: `{}`", errors.trim());
    client.kill();
    nothing_left(lab)
}

fn ends_by_itself(process: &mut Process) -> Outcome {
    let mut waited = Duration::ZERO;
    while process.is_running() {
        ensure!(waited < SOON, "serve still runs {} s after its device went", SOON.as_secs());
        thread::sleep(Duration::from_millis(20));
        waited += Duration::from_millis(20);
    }
    Ok(())
}

/// Asked to end in the middle of transfers, by either signal: both clients learn it at once, what was made is gone.
pub(crate) fn stopped(lab: &Lab) -> Outcome {
    for how in ["TERM", "INT"] {
        let mut serve = serve::start(lab)?;
        let mut down = transfer(lab)?;
        let mut up = lab.spawn("curl", &["-sS", "-T", "/dev/zero", &lab.url("/upload")], Input::End)?;
        flowing(lab, 2)?;
        ensure!(down.is_running() && up.is_running(), "a transfer ended before serve was asked to end");
        serve.process().signal(how)?;
        for client in [down, up] {
            let ended = client.wait(SOON)?;
            ensure!(!ended.status.success(), "a transfer that was cut short ended with success");
        }
        serve.ended()?;
        nothing_left(lab)?;
    }
    Ok(())
}

/// SIGKILL leaves neither device nor address.
pub(crate) fn killed(lab: &Lab) -> Outcome {
    let mut serve = serve::start(lab)?;
    let mut client = transfer(lab)?;
    flowing(lab, 1)?;
    ensure!(client.is_running(), "the transfer ended before serve was killed");
    serve.process().kill();
    client.kill();
    nothing_left(lab)?;
    ensure!(lab.namespace.pids().is_empty(), "processes are left behind: {:?}", lab.namespace.pids());
    // The name and the addresses are free again.
    serve::start(lab)?.stop()
}

/// A device that somebody else has made and addressed works, and stays.
pub(crate) fn adopted(lab: &Lab) -> Outcome {
    let mode = if lab.mode.is_tap() { "tap" } else { "tun" };
    lab.namespace.ip(&["tuntap", "add", "dev", DEVICE, "mode", mode])?;
    lab.namespace.ip(&["address", "add", &lab.family.in_subnet(lab.family.kernels()), "dev", DEVICE])?;
    lab.namespace.ip(&["link", "set", DEVICE, "up"])?;
    let serve = serve::start(lab)?;
    lab.check("ping", &["-n", "-c", "2", "-i", "0.2", "-W", "2", lab.ours()], SOON)?;
    serve.stop_adopted()?;
    let addresses = lab.namespace.ip(&["-brief", "address", "show", "dev", DEVICE])?;
    ensure!(
        addresses.contains(lab.family.kernels()),
        "the adopted device lost its address: {}",
        addresses.trim()
    );
    Ok(())
}

/// Waits until so many connections of the kernel's have moved a megabyte each.
fn flowing(lab: &Lab, transfers: usize) -> Outcome {
    let moved = |line: &&str| {
        let mut figures = line.split_whitespace().filter_map(|word| {
            let (name, figure) = word.split_once(':')?;
            matches!(name, "bytes_sent" | "bytes_received").then(|| figure.parse::<u64>().ok())?
        });
        figures.any(|bytes| bytes >= 1_000_000)
    };
    lab.eventually("the transfers to flow", || {
        let sockets = lab.run("ss", &["-Htin", "state", "established"], SOON);
        sockets.is_ok_and(|ended| ended.text().lines().filter(moved).count() >= transfers)
    })
}

fn transfer(lab: &Lab) -> Outcome<Process> {
    lab.spawn("curl", &["-sS", "--output", "/dev/null", &lab.url(ENDLESS)], Input::End)
}
