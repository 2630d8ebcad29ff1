//! Where one run happens: the sender's namespace and the receiver's, the box
//! between them, and in each, if it is wanted, our stack behind a device.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::job::Line;
use crate::wire::Outcome;
use crate::wire::namespace::Namespace;
use crate::wire::process::{Input, Process};

const NEAR: &str = "near0";
const FAR: &str = "far0";
/// The device of our stack in either namespace.
const OURS: &str = "ours0";
/// Packets that wait in a device: more than a sender has in flight.
const DEVICE_QUEUE: &str = "10000";
/// Real-time priorities.
const BOX_PRIORITY: &str = "20";
const END_PRIORITY: &str = "10";
const PROMPTLY: Duration = Duration::from_secs(20);
/// Nothing waits in the device's own queue discipline but what the device
/// can't take, routes are not remembered, and our stack is forwarded to.
const SETTINGS: [&str; 5] = [
    "net.ipv4.tcp_rmem=4096 33554432 33554432",
    "net.ipv4.tcp_wmem=4096 33554432 33554432",
    "net.ipv4.tcp_no_metrics_save=1",
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.disable_ipv6=1",
];

/// Linux's setting for what our stack does by itself, where packets vanish for their length.
const PROBING: &str = "net.ipv4.tcp_mtu_probing=1";

/// One of the two namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    Sender,
    Receiver,
}

/// Whose sockets a program uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stack {
    Linux,
    Us,
}

/// Two namespaces and a running box.
pub(super) struct Place<'a> {
    program: &'a Path,
    namespaces: [Namespace; 2],
    carrier: Process,
    deadline: Instant,
}

impl Side {
    fn number(self) -> u8 {
        match self {
            Self::Sender => 10,
            Self::Receiver => 20,
        }
    }

    /// The address of a stack on this side.
    pub(super) fn address(self, stack: Stack) -> String {
        let number = self.number();
        match stack {
            Stack::Linux => format!("10.{number}.0.1"),
            Stack::Us => format!("10.{number}.1.2"),
        }
    }
}

impl<'a> Place<'a> {
    /// Makes namespaces and devices and starts the box with this line. No
    /// wait on anything here lasts beyond `limit` from now.
    pub(super) fn new(program: &'a Path, line: &Line, seed: u64, limit: Duration) -> Outcome<Self> {
        let deadline = Instant::now() + limit;
        let namespaces = [Namespace::new()?, Namespace::new()?];
        for namespace in &namespaces {
            SETTINGS.iter().try_for_each(|setting| namespace.sysctl(setting))?;
            line.max_packet.map_or(Ok(()), |_| namespace.sysctl(PROBING))?;
        }
        let mut command = real_time(&namespaces[0], program, BOX_PRIORITY);
        command
            .args(["box", "--near", NEAR, "--far", FAR])
            .args(line.flags())
            .args(["--seed", &seed.to_string()]);
        let mut carrier = Process::spawn(&mut command, "the box", Input::Open, deadline)?;
        carrier.wait_for_line("ready", PROMPTLY)?;
        namespaces[0].ip(&["link", "set", FAR, "netns", namespaces[1].name()])?;
        let place = Self { program, namespaces, carrier, deadline };
        place.device(Side::Sender, NEAR, 0)?;
        place.device(Side::Receiver, FAR, 0)?;
        for (side, device) in [(Side::Sender, NEAR), (Side::Receiver, FAR)] {
            place.namespace(side).ip(&["route", "add", "default", "dev", device])?;
        }
        Ok(place)
    }

    /// The namespace of a side.
    pub(super) fn namespace(&self, side: Side) -> &Namespace {
        match side {
            Side::Sender => &self.namespaces[0],
            Side::Receiver => &self.namespaces[1],
        }
    }

    /// Starts a program of the box's on a side, over a stack, and waits until
    /// it is ready.
    pub(super) fn start(&self, side: Side, stack: Stack, args: &[&str]) -> Outcome<Process> {
        let mut command = real_time(self.namespace(side), self.program, END_PRIORITY);
        command.args(args);
        if stack == Stack::Us {
            self.our_device(side)?;
            let number = side.number();
            command.args(["--device", OURS, "--address", &format!("10.{number}.1.2/24")]);
            command.args(["--gateway", &format!("10.{number}.1.1")]);
        }
        let name = format!("{stack:?} {}", args.join(" "));
        let mut process = Process::spawn(&mut command, &name, Input::End, self.deadline)?;
        process.wait_for_line("ready", PROMPTLY)?;
        Ok(process)
    }

    /// Bytes of IP packets that have come out of the box at the receiver.
    pub(super) fn received(&self) -> Outcome<u64> {
        let text = self.namespace(Side::Receiver).ip(&["-s", "-j", "link", "show", "dev", FAR])?;
        let links: Value =
            serde_json::from_str(&text).map_err(|error| format!("ip printed no JSON: {error}"))?;
        links[0]["stats64"]["rx"]["bytes"].as_u64().ok_or_else(|| format!("ip counted nothing: {text}"))
    }

    /// Ends the box and returns what it has seen.
    pub(super) fn finish(mut self) -> Outcome<Value> {
        self.carrier.close_input();
        let seen = self.carrier.wait(PROMPTLY)?.success()?.text();
        let last = seen.lines().next_back().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("the box printed no JSON: {error}"))
    }

    fn our_device(&self, side: Side) -> Outcome {
        self.namespace(side).ip(&["tuntap", "add", "dev", OURS, "mode", "tun", "vnet_hdr"])?;
        self.device(side, OURS, 1)
    }

    fn device(&self, side: Side, device: &str, subnet: u8) -> Outcome {
        let namespace = self.namespace(side);
        let address = format!("10.{}.{subnet}.1/24", side.number());
        namespace.ip(&["address", "add", &address, "dev", device])?;
        namespace.ip(&["link", "set", device, "up", "txqueuelen", DEVICE_QUEUE]).map(drop)
    }
}

/// The program with real-time priority where the machine has `chrt`: the box
/// must wake when a packet is due. The ends have it too, below the box, for
/// the kernel's own sockets work within the box's system calls and so have
/// its priority.
fn real_time(namespace: &Namespace, program: &Path, priority: &str) -> Command {
    let program = program.to_string_lossy();
    let granted = Command::new("chrt").args(["-f", priority, "true"]).output();
    if granted.is_ok_and(|done| done.status.success()) {
        let mut command = namespace.command("chrt");
        command.args(["-f", priority, &program]);
        return command;
    }
    namespace.command(&program)
}
