//! What a scenario needs from the machine, and how to get what is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::process::Command;

use super::namespace::try_one;
use super::scenarios::Case;

/// One thing that may be missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Need {
    /// Effective user id 0.
    Root,
    /// The TUN driver's device file.
    Tun,
    /// A program, and the Debian package that has it.
    Program(&'static str, &'static str),
    /// Leave to create network namespaces.
    Namespaces,
}

pub(crate) const IP: Need = Need::Program("ip", "iproute2");
pub(crate) const BRIDGE: Need = Need::Program("bridge", "iproute2");
pub(crate) const PING: Need = Need::Program("ping", "iputils-ping");
pub(crate) const RADVD: Need = Need::Program("radvd", "radvd");
pub(crate) const DNSMASQ: Need = Need::Program("dnsmasq", "dnsmasq-base");
pub(crate) const AVAHI: Need = Need::Program("avahi-daemon", "avahi-daemon");
pub(crate) const CURL: Need = Need::Program("curl", "curl");
pub(crate) const NC: Need = Need::Program("nc", "netcat-openbsd");
pub(crate) const NSTAT: Need = Need::Program("nstat", "iproute2");
pub(crate) const IPERF3: Need = Need::Program("iperf3", "iperf3");
pub(crate) const TRACEROUTE: Need = Need::Program("traceroute", "traceroute");
pub(crate) const TSHARK: Need = Need::Program("tshark", "tshark");
pub(crate) const UDHCPC: Need = Need::Program("udhcpc", "udhcpc");
pub(crate) const ETHTOOL: Need = Need::Program("ethtool", "ethtool");
pub(crate) const SETPRIV: Need = Need::Program("setpriv", "util-linux");
pub(crate) const UNSHARE: Need = Need::Program("unshare", "util-linux");
pub(crate) const SHA256SUM: Need = Need::Program("sha256sum", "coreutils");

/// What every scenario needs.
pub(crate) const BASE: [Need; 4] = [Need::Root, IP, Need::Namespaces, Need::Tun];

/// What is missing for these cases, and how to get it.
pub(crate) fn missing<'a>(cases: impl Iterator<Item = &'a Case>) -> BTreeMap<Need, String> {
    missing_of(BASE.iter().copied().chain(cases.flat_map(Case::needs)))
}

/// Fails, naming everything that is missing, unless all of it is there.
pub(crate) fn require(needs: &[Need]) -> Result<(), String> {
    let missing = missing_of(needs.iter().copied());
    let lines: Vec<String> =
        missing.iter().map(|(need, remedy)| format!("missing: {need}: {remedy}")).collect();
    if lines.is_empty() { Ok(()) } else { Err(lines.join("\n")) }
}

fn missing_of(needs: impl Iterator<Item = Need>) -> BTreeMap<Need, String> {
    let mut missing = BTreeMap::new();
    for need in needs {
        if missing.contains_key(&need) {
            continue;
        }
        // Without root the other answers would only repeat that.
        if need == Need::Namespaces && (missing.contains_key(&Need::Root) || missing.contains_key(&IP)) {
            continue;
        }
        if let Err(remedy) = need.check() {
            missing.insert(need, remedy);
        }
    }
    missing
}

impl Need {
    fn check(self) -> Result<(), String> {
        match self {
            Self::Root if is_root() => Ok(()),
            Self::Root => {
                Err("run it with sudo, or in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN".to_owned())
            }
            Self::Tun => match OpenOptions::new().read(true).write(true).open("/dev/net/tun") {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("{error}; load the driver with `modprobe tun`")),
            },
            Self::Program(name, package) => match has_program(name) {
                true => Ok(()),
                false => Err(format!("install it with `apt-get install {package}`")),
            },
            Self::Namespaces => {
                try_one().map_err(|error| format!("{error}; the kernel or container forbids them"))
            }
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::Tun => f.write_str("/dev/net/tun"),
            Self::Program(name, _) => f.write_str(name),
            Self::Namespaces => f.write_str("network namespaces"),
        }
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

fn has_program(name: &str) -> bool {
    let mut command = Command::new("sh");
    command.args(["-c", "command -v \"$0\" >/dev/null 2>&1", name]);
    command.status().is_ok_and(|status| status.success())
}
