//! Other people's servers that scenarios talk to.

use std::fs;
use std::time::Duration;

use crate::wire::Outcome;
use crate::wire::lab::Lab;
use crate::wire::process::{Input, Process};
use crate::wire::serve::DEVICE;

const PATIENCE: Duration = Duration::from_secs(5);

/// Starts a server of names below `test` that asks nobody else.
pub(super) fn dnsmasq(lab: &Lab, records: &str) -> Outcome<Process> {
    let config = lab.path("dnsmasq.conf");
    let text = format!("no-resolv\nno-hosts\nuser=root\nlocal=/test/\n{records}");
    fs::write(&config, text).map_err(|error| format!("{config}: {error}"))?;
    let pid = lab.path("dnsmasq.pid");
    let dnsmasq = lab.spawn("dnsmasq", &["-k", "-C", &config, "-x", &pid, "--log-facility=-"], Input::End)?;
    lab.eventually("dnsmasq to listen", || {
        lab.run("ss", &["-Hlun"], PATIENCE).is_ok_and(|ended| ended.text().contains(":53 "))
    })?;
    Ok(dnsmasq)
}

/// Starts a host called `neighbour` that answers for itself. Its folder for the number of its process is its own, whatever
/// runs on this machine.
pub(super) fn avahi(lab: &Lab) -> Outcome<Process> {
    let config = lab.path("avahi.conf");
    let text = format!(
        "[server]\nhost-name=neighbour\nuse-ipv4=yes\nuse-ipv6=yes\nallow-interfaces={DEVICE}\nenable-dbus=no\n\
         [publish]\npublish-workstation=no\n"
    );
    fs::write(&config, text).map_err(|error| format!("{config}: {error}"))?;
    let start = format!(
        "mount -t tmpfs none /run && mkdir /run/avahi-daemon && \
         exec avahi-daemon -f {config} --no-drop-root --no-chroot --no-rlimits"
    );
    lab.spawn("unshare", &["--mount", "sh", "-c", &start], Input::End)
}

pub(super) fn stop(server: Process) -> Outcome {
    server.signal("TERM")?;
    server.wait(PATIENCE).map(drop)
}
